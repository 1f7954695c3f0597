"""The session of our own jobs, and Spark's noise.

Spark's noise has two sources. The JVM's stderr (log4j, the progress bar, the workers' stderr) goes to a log file: from
its start where we start the JVM, from the moment we are connected where `spark-submit` did, whose first lines we cannot
catch (`spark-submit .. 2>spark.log` does: it sends all that the job prints to stdout). And pyspark 4 has loggers in
Python that print, for each failed query, the message with the failing value and Java's whole stack as JSON: silenced.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparksig.errors import EnvironmentFault, Problem
from sparksig.runtime.jvm import java_home
from sparksig.runtime.versions import install

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
        raise EnvironmentFault(
            "pyspark is not installed", [Problem("pyspark", "missing", hint=install("spark"))]
        ) from error
    if (active := SparkSession.getActiveSession()) is not None:
        return active
    if "SPARK_REMOTE" in os.environ or (master or "").startswith("sc://"):
        if not verbose:
            quiet_queries()
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
    if (home := java_home()) is not None:
        os.environ["JAVA_HOME"] = str(home)
    try:
        # what must be known before the JVM starts, as its memory, travels as arguments
        asked = SparkConf(loadDefaults=False).setAll(list(settings.items()))
        if log is None:
            return launch(asked)
        with log.open("ab") as sink:
            return launch(asked, {"stderr": sink})
    except RuntimeError as error:  # pyspark's own is one
        told = f"its output is in {log}" if log else "its output is above"
        raise EnvironmentFault(
            "Spark did not start", [Problem("spark-submit", f"the JVM ended at once; {told}")]
        ) from error


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
