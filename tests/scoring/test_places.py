"""Scoring where Spark runs elsewhere: through Spark Connect, and on a standalone cluster of processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparksig import ColSpec, ModelSignature, Schema, predict_udf, score
from tests.cluster import ROOT, environment, standalone
from tests.connect import MODEL_KEY
from tests.scoring.run_score import EXPECTED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCRIPT = Path(__file__).parent / "run_score.py"


def scored(folder: Path, *how: str, **env: str) -> tuple[dict[str, Any], str]:
    """Run the script with more environment variables, and return its result and everything that it printed."""
    env = environment() | env
    command = [sys.executable, str(SCRIPT), *how, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found, done.stdout + done.stderr


def the_same(found: dict[str, Any]) -> None:
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    times, processes = found["loads"]
    assert times == processes, "the model was loaded more than once in a process"


def test_score_on_connect_equals_classic(connect_url: str, tmp_path: Path) -> None:
    found, said = scored(tmp_path, "--remote", connect_url, MODEL_KEY=MODEL_KEY)
    assert found["kind"].startswith("pyspark.sql.connect")
    the_same(found)
    assert "the model raised ValueError" in said and MODEL_KEY not in said


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MODEL_KEY", MODEL_KEY)  # of the workers, which hand it on to executors
    with standalone(tmp_path) as url:
        monkeypatch.delenv("MODEL_KEY")
        yield url


@pytest.mark.cluster
@pytest.mark.spark
def test_score_on_a_standalone_cluster_equals_local(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    found, said = scored(tmp_path / "shared", "--master", cluster)
    the_same(found)
    assert found["loads"][1] >= 2  # both executors had work
    logs = [file.read_text(errors="replace") for file in tmp_path.glob("w*/app-*/*/std*")]
    assert sum(text.startswith("DEBUG ") or "\nDEBUG org.apache.spark" in text for text in logs) >= 2
    assert any("the model raised ValueError" in text for text in logs)
    logs += [said, (tmp_path / "cluster.log").read_text()]
    assert [text for text in logs if MODEL_KEY in text] == []


def test_score_warns_of_workers_with_another_python(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "python3"
    other.symlink_to(Path(sys.executable).resolve())
    signature = ModelSignature(Schema([ColSpec("long", "id")]), Schema([ColSpec("long")]))
    for python, expected in ((str(other), [str(other)]), (sys.executable, [])):
        monkeypatch.setattr(spark.sparkContext, "pythonExec", python)
        for build in (lambda: score(spark.range(1), len, signature), lambda: predict_udf(len, signature)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                build()
            messages = [str(each.message) for each in caught if "another Python" in str(each.message)]
            assert len(messages) == len(expected)
            assert all(path in message for path, message in zip(expected, messages, strict=True))
