"""Java, the session of our own jobs, Spark's noise, and what `sparksig doctor` knows.

Spark's noise has two sources. The JVM's stderr (log4j, the progress bar, the workers' stderr) goes to a log file: from
its start where we start the JVM, from the moment we are connected where `spark-submit` did, whose first lines we cannot
catch (`spark-submit .. 2>spark.log` does: it sends all that the job prints to stdout). And pyspark 4 has loggers in
Python that print, for each failed query, the message with the failing value and Java's whole stack as JSON: silenced.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparksig._version import __version__
from sparksig.errors import EnvironmentFault, Problem

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEFAULTS = {
    # whole tables of wide rows do not fit a batch of ten thousand: where Spark can cut by bytes (4.x), it does
    "spark.sql.execution.arrow.maxRecordsPerBatch": "10000",
    "spark.sql.execution.arrow.maxBytesPerBatch": "64MB",
    # a projection with hundreds of checks is interpreted, not compiled into a method that the JIT then refuses
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.ui.showConsoleProgress": "false",
}
"""What our own sessions set where the user has set nothing."""

_LOG4J = """\
status = error
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {log}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yy/MM/dd HH:mm:ss}} %p %c{{1}}: %m%n%ex
"""
_QUERY_LOGGERS = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")

_spark_log: Path | None = None
_made_log: Path | None = None


# ---- Java


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
    return 8 if _number(_version("pyspark") or "4") < (4,) else 17


def _java_fact() -> Fact:
    found, least = java(), required_java()
    hint = f"install Java {max(least, 17)} (Debian: apt-get install openjdk-17-jre-headless) or point JAVA_HOME at one"
    if found is None:
        wrong_home = "JAVA_HOME has no bin/java" if os.environ.get("JAVA_HOME") else "not found"
        return Fact("Java", wrong_home, False, hint)
    if found.version is None:
        return Fact("Java", f"{found.path} does not tell its version", False, hint)
    old = found.version < least
    return Fact("Java", f"{found.version} ({found.path})", not old, hint if old else None)


# ---- the session


def session(
    name: str = "sparksig",
    *,
    master: str | None = None,
    conf: Mapping[str, str] | None = None,
    verbose: bool = False,
    log: str | os.PathLike[str] | None = None,
) -> SparkSession:
    """The session of one of our own jobs. An active session is used as it is, and nothing about it is changed.

    Args:
        name: the application's name.
        master: where to run; None leaves it to `spark-submit` and Spark's configuration (`local[*]` without any).
        conf: settings that win over everything; `DEFAULTS` apply where nobody has set anything.
        verbose: leave Spark's output on the terminal.
        log: the file that gets Spark's output otherwise; a new one in the temporary folder if None. See `spark_log`.

    Raises:
        EnvironmentFault: Java or pyspark is missing or too old, or Spark does not start.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise _fault("pyspark is not installed", Problem("pyspark", "missing", hint=_install("spark"))) from error
    if (active := SparkSession.getActiveSession()) is not None:
        return active
    if "SPARK_REMOTE" in os.environ or (master or "").startswith("sc://"):
        return _remote(name, master, conf or {})
    settings = {**(conf or {}), **({"spark.master": master} if master else {}), "spark.app.name": name}
    return _classic(settings, verbose, log)


def spark_log() -> Path | None:
    """The file with Spark's output, if our session sent it to one. A failed run points its user there."""
    return _spark_log


def forget_log() -> None:
    """Remove that file, if it was made for us and not given: what a run that went well has no more use for."""
    global _spark_log, _made_log
    if _made_log is not None:
        _made_log.unlink(missing_ok=True)
    if _spark_log == _made_log:
        _spark_log = None
    _made_log = None


def _new_log() -> Path:
    global _made_log
    handle, path = tempfile.mkstemp(prefix="sparksig-", suffix=".log")  # for its owner only: Spark logs data
    os.close(handle)
    _made_log = Path(path)
    return _made_log


def _remote(name: str, master: str | None, conf: Mapping[str, str]) -> SparkSession:
    """A Spark Connect session: its server's output is not ours."""
    from pyspark.sql import SparkSession

    if (master or os.environ["SPARK_REMOTE"]).startswith("local"):  # a server that is started here, for trying it out
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder: Any = SparkSession.builder.appName(name)  # typed by a class property that mypy cannot see through
    for key, value in conf.items():
        builder = builder.config(key, value)
    remote: SparkSession = (builder.remote(master) if master else builder).getOrCreate()
    return remote


def _classic(settings: Mapping[str, str], verbose: bool, given: str | os.PathLike[str] | None) -> SparkSession:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is None:
        log = None if verbose else Path(given) if given is not None else _new_log()
        gateway = _gateway(settings, log)
        configuration = SparkConf(loadDefaults=True, _jvm=gateway.jvm)
        if configuration.get("spark.submit.deployMode") == "cluster":
            forget_log()  # a driver in the cluster has no terminal, but a log of its own that people look for
        elif log is not None:
            _hush(gateway.jvm, log)
        for key, value in DEFAULTS.items():
            configuration.setIfMissing(key, value)
        configuration.setAll(list(settings.items()))
        if (configuration.get("spark.master") or "local[*]").startswith("local"):
            # a local worker would be the `python3` of PATH, which need not be the environment of this process
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        SparkContext(conf=configuration, gateway=gateway)
    built: SparkSession = SparkSession.builder.getOrCreate()
    return built


def _gateway(settings: Mapping[str, str], log: Path | None) -> Any:
    """The connection to a JVM: the one there is (spark-submit's, an earlier session's), else a new one."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    launch: Any = launch_gateway  # not typed
    if SparkContext._gateway is not None:
        return SparkContext._gateway
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return launch()
    if not (fact := _java_fact()).ok:
        raise _fault("Spark needs Java", Problem("Java", fact.value, hint=fact.hint))
    try:
        # what must be known before the JVM starts, as its memory, travels as arguments
        asked = SparkConf(loadDefaults=False).setAll(list(settings.items()))
        if log is None:
            return launch(asked)
        with log.open("ab") as sink:
            return launch(asked, {"stderr": sink})
    except RuntimeError as error:  # pyspark's own is one
        told = f"its output is in {log}" if log else "its output is above"
        raise _fault("Spark did not start", Problem("spark-submit", f"the JVM ended at once; {told}")) from error


def _hush(jvm: Any, log: Path) -> None:
    """Send what the JVM writes from now on to `log`, and let pyspark's query loggers be silent."""
    global _spark_log
    handle, config = tempfile.mkstemp(prefix="sparksig-", suffix=".properties")
    try:
        with open(handle, "w", encoding="utf-8") as sink:
            sink.write(_LOG4J.format(log=log.absolute().as_posix()))
        # where Spark loads its default profile once more, it logs to System.err as it is by then
        jvm.java.lang.System.setErr(
            jvm.java.io.PrintStream(jvm.java.io.FileOutputStream(str(log.absolute()), True), True)
        )
        jvm.org.apache.logging.log4j.core.config.Configurator.reconfigure(jvm.java.io.File(config).toURI())
    finally:
        os.unlink(config)
    quiet_queries()
    _spark_log = log


def quiet_queries() -> None:
    """Silence the loggers with which pyspark 4 prints each failed query, values of data included, as JSON."""
    try:
        from pyspark.logger import PySparkLogger
    except ImportError:  # 3.5 has none
        return
    for name in _QUERY_LOGGERS:  # by pyspark's own class: a plain logger of that name would make its calls fail
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


# ---- the doctor


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the doctor looked at.

    Attributes:
        name: what.
        value: how it is.
        ok: True if it will do, False if it will not, None for what is optional and missing.
        hint: how to get it, or why it matters.
    """

    name: str
    value: str
    ok: bool | None
    hint: str | None = None


# distribution, the extra that brings it, whether a batch job needs it
_PACKAGES = (
    ("numpy", "", True),
    ("pandas", "", True),
    ("pyarrow", "", True),
    ("PyYAML", "", True),
    ("pyspark", "spark", True),
    ("scikit-learn", "sklearn", False),
    ("cloudpickle", "sklearn", False),
    ("click", "cli", False),
    ("rich", "cli", False),
    ("mlflow-skinny", "mlflow", False),
    ("onnxruntime", "onnx", False),
    ("pydantic", "cli", False),
    ("jinja2", "report", False),
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
        _java_fact(),
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
    return Fact("worker Python", f"{run.stdout.strip()} ({path})", same, hint)


def _package_fact(name: str, extra: str, needed: bool) -> Fact:
    version = _version(name)
    if version is None:
        return Fact(name, "missing", False if needed else None, _install(extra))
    return Fact(name, version, True)


def _clashes() -> list[Fact]:
    """Pairs that install well and run badly."""
    facts = []
    pyspark, pandas = _version("pyspark"), _version("pandas")
    if pyspark and pandas and _number(pyspark) >= (4, 2) and _number(pandas) >= (3,):
        facts.append(Fact("pyspark with pandas 3", pandas, False, "pip install 'pandas<3': pyspark does not support 3"))
    if pyspark and _version("pyspark-client"):
        hint = "both install the folder pyspark/: pip uninstall pyspark-client, then reinstall pyspark"
        facts.append(Fact("pyspark-client beside pyspark", str(_version("pyspark-client")), False, hint))
    home = os.environ.get("SPARK_HOME")
    release = Path(home, "RELEASE") if home else None
    if pyspark and release is not None and release.is_file():
        found = re.search(r"Spark (\d+\.\d+)", release.read_text(errors="replace"))
        if found and _number(found.group(1)) != _number(pyspark)[:2]:
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


# ---- versions


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _number(version: str) -> tuple[int, ...]:
    """The leading numbers of a version.

    >>> _number("4.3.0.dev1"), _number("3.5")
    ((4, 3, 0), (3, 5))
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()


def _install(extra: str) -> str:
    return f"pip install 'sparksig[{extra}]'" if extra else "pip install sparksig"


def _fault(message: str, *problems: Problem) -> EnvironmentFault:
    return EnvironmentFault(message, problems)
