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


def scored(folder: Path, *how: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), *how, str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-8000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def the_same(found: dict[str, Any]) -> None:
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    times, processes = found["loads"]
    assert times == processes, "the model was loaded more than once in a process"


@pytest.mark.slow
@pytest.mark.spark
def test_spark_connect_scores_the_same(tmp_path: Path) -> None:
    found = scored(tmp_path, "--remote", "local[2]")
    assert found["kind"].startswith("pyspark.sql.connect")
    the_same(found)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    with standalone(tmp_path) as url:
        yield url


@pytest.mark.cluster
@pytest.mark.spark
def test_a_standalone_cluster_scores_the_same(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    found = scored(tmp_path / "shared", "--master", cluster)
    the_same(found)
    assert found["loads"][1] >= 2  # both executors had work
