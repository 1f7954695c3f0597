"""Scoring where Spark runs elsewhere: through Spark Connect, and on a standalone cluster of processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ROOT, environment, standalone
from tests.scoring.run_score import EXPECTED

SCRIPT = Path(__file__).parent / "run_score.py"


KEY = "canary-of-thirty-letters-in-it"


def scored(folder: Path, *how: str, key: bool) -> tuple[dict[str, Any], str]:
    """What the script found, and everything that it said; `key` says whether its environment holds the model's key."""
    env = environment() | ({"MODEL_KEY": KEY} if key else {})
    command = [sys.executable, str(SCRIPT), *how, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found, done.stdout + done.stderr


def the_same(found: dict[str, Any]) -> None:
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    times, processes = found["loads"]
    assert times == processes, "the model was loaded more than once in a process"


@pytest.mark.slow
@pytest.mark.spark
def test_spark_connect_scores_the_same(tmp_path: Path) -> None:
    found, said = scored(tmp_path, "--remote", "local[2]", key=True)
    assert found["kind"].startswith("pyspark.sql.connect")
    the_same(found)
    assert "the model raised ValueError" in said and KEY not in said


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MODEL_KEY", KEY)  # of the workers, which hand it on to executors
    with standalone(tmp_path) as url:
        monkeypatch.delenv("MODEL_KEY")
        yield url


@pytest.mark.cluster
@pytest.mark.spark
def test_a_standalone_cluster_scores_the_same(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    found, said = scored(tmp_path / "shared", "--master", cluster, key=False)
    the_same(found)
    assert found["loads"][1] >= 2  # both executors had work
    logs = [file.read_text(errors="replace") for file in tmp_path.glob("w*/app-*/*/std*")]
    assert sum(text.startswith("DEBUG ") or "\nDEBUG org.apache.spark" in text for text in logs) >= 2
    assert any("the model raised ValueError" in text for text in logs)
    logs += [said, (tmp_path / "cluster.log").read_text()]
    assert [text for text in logs if KEY in text] == []


OTHER = """
import warnings
from pyspark.sql import SparkSession
from sparksig import ColSpec, ModelSignature, Schema, predict_udf, score
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
signature = ModelSignature(Schema([ColSpec("long", "id")]), Schema([ColSpec("long")]))
for use in (lambda: score(spark.range(1), len, signature), lambda: predict_udf(len, signature)):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use()
    print([str(each.message) for each in caught if "another Python" in str(each.message)])
"""


@pytest.mark.spark
def test_a_session_whose_workers_are_another_python_is_told(tmp_path: Path) -> None:
    other = tmp_path / "python3"
    other.symlink_to(Path(sys.executable).resolve())
    env = environment()
    del env["PYSPARK_PYTHON"]
    for path, told in ((f"{tmp_path}:{env['PATH']}", True), (f"{Path(sys.executable).parent}:{env['PATH']}", False)):
        done = subprocess.run([sys.executable, "-c", OTHER], env=env | {"PATH": path}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        lines = done.stdout.splitlines()
        assert [str(other) in line for line in lines] == [told] * 2, lines
