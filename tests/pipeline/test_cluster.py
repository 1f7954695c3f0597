"""The batch job on a standalone cluster, through spark-submit, while processes of the cluster are killed."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.cluster import ROOT, environment, standalone
from tests.pipeline.estimators import Faulty
from tests.pipeline.jobs import Job

ROWS, PARTS = 600, 6
SPECULATION = {"spark.speculation": "true", "spark.speculation.quantile": "0.3", "spark.speculation.interval": "200ms"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    with standalone(tmp_path) as url:
        yield url


def packed(folder: Path) -> Path:
    """What executors import, as a zip: the package, and the models of these tests."""
    path = folder / "sparksig.zip"
    with zipfile.ZipFile(path, "w") as made:
        for file in [*(ROOT / "sparksig").rglob("*"), ROOT / "tests" / "pipeline" / "estimators.py"]:
            if file.is_file() and "__pycache__" not in file.parts:
                made.write(file, file.relative_to(ROOT))
    return path


def submitted(master: str, job: Job, zipped: Path, conf: dict[str, str]) -> subprocess.CompletedProcess[str]:
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
    argv = [spark_submit, "--master", master, "--py-files", str(zipped), *given, str(ROOT / "jobs" / "batch_score.py")]
    return subprocess.run(
        [*argv, *job.argv("--json")[1:]],
        env=environment(python_path=False),
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
def test_a_run_is_complete_and_exact_or_not_committed(
    cluster: str, tmp_path: Path, harm: str, ends: str, conf: dict[str, str]
) -> None:
    root = tmp_path / "job"
    root.mkdir()
    size = ROWS // PARTS
    tables = [
        pa.table({"id": range(at, at + size), "x": [None if i % 10 == 0 else float(i) for i in range(at, at + size)]})
        for at in range(0, ROWS, size)
    ]
    staging = root / "scored" / "_staging-r" / "_temporary"
    model = Faulty(str(root / "sign"), float(ROWS // 2 + 1), harm, str(staging))
    job = Job(root).table(*tables).model(model)
    done = submitted(cluster, job, packed(tmp_path), conf)
    told = f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    assert (root / "sign").exists(), f"no harm was done\n{told}"
    assert "sparksig.zip" in (root / "sign").read_text(), "the package is that of the zip"
    if ends == "uncommitted":
        assert done.returncode == 5, told
        assert not (root / "scored").exists() and not (root / "quarantine").exists(), told
        assert json.loads((root / "summary.json").read_text())["verdict"] == "failed"
        return
    assert done.returncode == 0, told
    summary: dict[str, Any] = job.summary()
    assert [summary[f"rows_{kind}"] for kind in ("in", "scored", "quarantined")] == [ROWS, ROWS * 9 // 10, ROWS // 10]
    rows = [*job.rows("scored"), *job.rows("quarantine")]
    assert sorted(row["id"] for row in rows) == list(range(ROWS))
    assert all(row["prediction"] == row["x"] * 2.0 for row in job.rows("scored"))
    assert not [path for path in (root / "scored").iterdir() if path.name.startswith("_")]
