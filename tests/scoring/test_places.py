"""Scoring where Spark runs elsewhere: through Spark Connect, and on a standalone cluster of processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.run_score import EXPECTED

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).parent / "run_score.py"


def environment() -> dict[str, str]:
    """This process's, with nothing of its Spark about it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK", "SPARK", "PYTHON"))}
    local = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
    return {**env, **local, "PYTHONPATH": str(ROOT)}


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


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A master and two workers on loopback, started from the package."""
    import pyspark

    home = Path(pyspark.__file__).parent
    env = environment() | {"SPARK_HOME": str(home), "SPARK_NO_DAEMONIZE": "1"}
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    run = [str(home / "bin" / "spark-class")]
    master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port)]
    commands = [[*run, *master, "--webui-port", str(free_port())]]
    for i in range(2):
        worker = ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g"]
        commands.append([*run, *worker, "--webui-port", str(free_port()), "--work-dir", str(tmp_path / f"w{i}"), url])
    log = tmp_path / "cluster.log"
    started = []
    try:
        with open(log, "w") as out:
            for command in commands:
                started.append(subprocess.Popen(command, env=env, stdout=out, stderr=out))
                time.sleep(3 if len(started) == 1 else 0)
        for _ in range(120):
            if log.read_text().count("Successfully registered with master") == 2:
                break
            time.sleep(0.5)
        yield url
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


@pytest.mark.cluster
@pytest.mark.spark
def test_a_standalone_cluster_scores_the_same(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    found = scored(tmp_path / "shared", "--master", cluster)
    the_same(found)
    assert found["loads"][1] >= 2  # both executors had work
