"""A machine whose Java is hidden: the demo, a session and some tests run on the Java of a Python package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import environment

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [pytest.mark.local_java, pytest.mark.spark]


@pytest.fixture
def hidden(tmp_path: Path) -> dict[str, str]:
    """An environment with all programs but those of Java."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            link = programs / program.name
            if not program.name.startswith("java") and not link.exists() and os.access(program, os.X_OK):
                link.symlink_to(program)
    env = {name: value for name, value in environment().items() if name not in ("JAVA_HOME", "PYTHONPATH")}
    env |= {"PATH": str(programs), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert subprocess.run(["sh", "-c", "command -v java"], env=env, check=False).returncode != 0
    return env


def ran(command: list[str], env: dict[str, str], folder: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


SESSION = """
import pandas as pd
from pyspark.sql.functions import pandas_udf
from sparksig import runtime
spark = runtime.session(master="local[2]")
@pandas_udf("double")
def half(x: pd.Series) -> pd.Series:
    return x / 2
print(spark.range(100).select(half("id").alias("h")).agg({"h": "sum"}).collect()[0][0])
print(spark._jvm.java.lang.System.getProperty("java.version"))
"""


OWN = """
from pyspark.sql import SparkSession
print(SparkSession.builder.master("local[1]").getOrCreate().range(7).count())
"""


def test_session_of_sparksig_starts_on_the_packaged_java(hidden: dict[str, str]) -> None:
    half, version = ran([sys.executable, "-c", SESSION], hidden).splitlines()
    assert half == "2475.0" and version.startswith("21.")


def test_session_of_the_user_starts_on_the_packaged_java(hidden: dict[str, str]) -> None:
    home = ran([str(Path(sys.executable).parent / "sparksig"), "java-home"], hidden).strip()
    assert ran([sys.executable, "-c", OWN], hidden | {"JAVA_HOME": home}) == "7\n"


def test_make_targets_work_in_a_fresh_clone_without_java(hidden: dict[str, str], tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    for old in (name for name in ("VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL") if name in hidden):
        del hidden[old]
    said = ran(["make", "demo", f"PYTHON={Path(sys.executable).resolve()}"], hidden, clone)
    assert "no Java 17 or later was found: installing one into .venv" in said
    assert "run demo: quarantined" in said
    said = ran(["make", "check-java", ".venv/.test-stamp"], hidden, clone)
    python = str(clone / ".venv" / "bin" / "python")
    tests = ["tests/enforcement/test_casts_spark.py", "tests/enforcement/test_frames.py", "tests/scoring/test_score.py"]
    home = {"JAVA_HOME": str(clone / ".venv" / "java"), "PYSPARK_PYTHON": python}
    said = ran([python, "-m", "pytest", "-q", *tests, "tests/test_runtime.py"], hidden | home, clone)
    assert " passed" in said
