"""The batch job on a standalone cluster, through spark-submit, while processes of the cluster are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sparksig.pipeline.sinks import recover
from tests.cluster import ROOT, environment, standalone
from tests.pipeline.estimators import Faulty
from tests.pipeline.jobs import TABLE, Job

ROWS, PARTS = 600, 6
SPECULATION = {"spark.speculation": "true", "spark.speculation.quantile": "0.3", "spark.speculation.interval": "200ms"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    with standalone(tmp_path, python_path=False) as url:
        yield url


def zipped(folder: Path, name: str, *packages: str) -> Path:
    """What executors import, as a zip: packages, and the models of these tests."""
    path = folder / name
    files = [file for package in packages for file in (ROOT / package).rglob("*")]
    with zipfile.ZipFile(path, "w") as made:
        for file in [*files, ROOT / "tests" / "pipeline" / "estimators.py"]:
            if file.is_file() and "__pycache__" not in file.parts:
                made.write(file, file.relative_to(ROOT))
    return path


def environment_packed(folder: Path) -> Path:
    """An environment with the package and what the model needs, as an archive that executors unpack."""
    made, archive = folder / "packed", folder / "packed.tar.gz"
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    install = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt"]
    subprocess.run([*install, ".", "scikit-learn"], cwd=ROOT, check=True, capture_output=True)
    pack = [sys.executable, "-m", "venv_pack", "--quiet", "--prefix", str(made), "--output", str(archive)]
    subprocess.run(pack, check=True, capture_output=True)
    return archive


def submitted(
    master: str, job: Job, modules: Path, conf: dict[str, str], **env: str
) -> subprocess.CompletedProcess[str]:
    """The job, by spark-submit, with a task for each file."""
    import pyspark

    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.executor.memory": "600m",
        "spark.ui.enabled": "false",
        "spark.sql.files.openCostInBytes": "134217728",
        **conf,
    }
    spark_submit = str(Path(pyspark.__file__).parent / "bin" / "spark-submit")
    given = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    argv = [spark_submit, "--master", master, "--py-files", str(modules), *given, str(ROOT / "jobs" / "batch_score.py")]
    return subprocess.run(
        [*argv, *job.argv("--json")[1:]],
        env=environment(python_path=False) | env,
        cwd=job.root,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


CASES: list[tuple[str, str, dict[str, str]]] = [
    ("none", "complete", {}),
    ("python worker", "complete", {}),
    ("executor", "complete", {}),
    ("worker", "complete", {}),
    ("slow task", "complete", SPECULATION),
    ("broken sink", "uncommitted", {}),
]


@pytest.mark.cluster
@pytest.mark.spark
@pytest.mark.parametrize(("harm", "ends", "conf"), CASES, ids=[case[0] for case in CASES])
def test_job_on_a_cluster_is_complete_and_exact_or_not_committed(
    cluster: str, tmp_path: Path, harm: str, ends: str, conf: dict[str, str]
) -> None:
    job = prepared(tmp_path, harm)
    done = submitted(cluster, job, zipped(tmp_path, "sparksig.zip", "sparksig"), conf)
    told = f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    assert (job.root / "sign").exists(), f"no harm was done\n{told}"
    assert "sparksig.zip" in (job.root / "sign").read_text(), "the package is that of the zip"
    if ends == "uncommitted":
        assert done.returncode == 5, told
        assert not (job.root / "scored").exists() and not (job.root / "quarantine").exists(), told
        assert json.loads((job.root / "summary.json").read_text())["verdict"] == "failed"
        return
    assert done.returncode == 0, told
    assert_exact(job)


@pytest.mark.cluster
@pytest.mark.spark
def test_job_on_a_cluster_needs_only_a_packed_environment_on_executors(cluster: str, tmp_path: Path) -> None:
    job = prepared(tmp_path, "none")
    archives = {"spark.archives": f"{environment_packed(tmp_path)}#environment"}
    pythons = {"PYSPARK_PYTHON": "./environment/bin/python", "PYSPARK_DRIVER_PYTHON": sys.executable}
    done = submitted(cluster, job, zipped(tmp_path, "models.zip"), archives, **pythons)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    assert "/environment/" in (job.root / "sign").read_text(), "the package is that of the environment"
    assert_exact(job)


def prepared(folder: Path, harm: str) -> Job:
    """Rows in files, a tenth of them dirty, and a model that does harm in the middle."""
    root = folder / "job"
    root.mkdir()
    size = ROWS // PARTS
    tables = [
        pa.table({"id": range(at, at + size), "x": [None if i % 10 == 0 else float(i) for i in range(at, at + size)]})
        for at in range(0, ROWS, size)
    ]
    staging = root / "scored" / "_staging-r" / "_temporary"
    return Job(root).table(*tables).model(Faulty(str(root / "sign"), float(ROWS // 2 + 1), harm, str(staging)))


def assert_exact(job: Job) -> None:
    """Each row is in one output, once, and each prediction is right."""
    summary: dict[str, Any] = job.summary()
    assert [summary[f"rows_{kind}"] for kind in ("in", "scored", "quarantined")] == [ROWS, ROWS * 9 // 10, ROWS // 10]
    rows = [*job.rows("scored"), *job.rows("quarantine")]
    assert sorted(row["id"] for row in rows) == list(range(ROWS))
    assert all(row["prediction"] == row["x"] * 2.0 for row in job.rows("scored"))
    assert not [path for path in (job.root / "scored").iterdir() if path.name.startswith("_")]


DEADLY = """
import sys
from sparksig.cli import main
from sparksig.pipeline import sinks
from tests.pipeline.run_commit import STEPS, deadly

left = [int(sys.argv.pop(1))]
for name in STEPS:
    setattr(sinks, name, deadly(getattr(sinks, name), left))
sinks.Commit._forget = deadly(sinks.Commit._forget, left)
main(sys.argv[1:])
"""


@pytest.mark.cluster
@pytest.mark.spark
def test_job_killed_before_each_step_of_its_commit_leaves_the_old_or_the_new_run(tmp_path: Path) -> None:
    job = Job(tmp_path).table(TABLE, TABLE).model()
    run = [sys.executable, "-c", DEADLY]
    whole = subprocess.run([*run, "0", *job.argv("--param", "factor=1")], cwd=ROOT, capture_output=True, check=False)
    assert whole.returncode == 0, whole.stderr
    factor, steps = 1, 0
    while True:  # each attempt has a factor of its own, by which its rows are known
        steps += 1
        argv = [*run, str(steps), *job.argv("--param", f"factor={steps + 1}")]
        killed = subprocess.run(argv, cwd=ROOT, capture_output=True, check=False)
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        finished = recover(job.path("scored"), "r")
        factor = steps + 1 if finished or killed.returncode == 0 else factor
        assert [row["prediction"] == row["x"] * factor for row in job.rows("scored")] == [True] * 6
        assert [row["id"] for row in job.rows("quarantine")] == [3, 3]
        assert job.summary()["rows_in"] == 8
        if killed.returncode == 0:
            break
    assert steps > 5
