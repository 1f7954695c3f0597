"""The demo's table and model as they are made, and `make demo` as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sparksig import load_model, load_signature
from sparksig.models.artifact import Artifact

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS = 336_776
CANCELLED = 8_255

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "PYSPARK"))}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's folder after both steps, and what the training said."""
    folder = tmp_path_factory.mktemp("demo")
    for step in ("source", "train"):
        done = run(sys.executable, "jobs/demo/flights.py", step, "--dir", str(folder))
        assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


def test_the_source_is_all_flights_and_what_is_missing_is_null(demo: tuple[Path, str]) -> None:
    source = demo[0] / "source"
    table = pq.read_table(source)
    assert table.num_rows == ROWS
    assert len(list(source.iterdir())) > 1
    nulls = {name: table[name].null_count for name in table.column_names if table[name].null_count}
    late = {"arr_time": 8_713, "arr_delay": 9_430, "air_time": 9_430, "tailnum": 2_512}
    assert nulls == {"dep_time": CANCELLED, "dep_delay": CANCELLED, **late}
    assert {str(field.type) for field in table.schema} == {"int32", "int64", "string", "timestamp[us, tz=UTC]"}


def test_the_signature_is_inferred_and_has_something_of_everything(demo: tuple[Path, str]) -> None:
    signature = load_signature(demo[0] / "model")
    assert signature.inputs is not None
    assert signature.inputs.optional_input_names() == ["air_time"]
    assert {repr(column.type) for column in signature.inputs.columns} == {"string", "integer", "long", "double"}
    assert [spec.name for spec in signature.params or ()] == ["threshold", "decimals"]
    assert signature.outputs is not None
    assert signature.outputs.input_names() == ["probability", "late"]


def test_the_model_loads_with_the_digest_that_the_training_prints_here_and_in_mlflow(demo: tuple[Path, str]) -> None:
    import mlflow.pyfunc

    folder, said = demo
    digest = Artifact.read(folder / "model").digest
    assert f"--trust {digest}" in said
    assert (folder / "model.trust").read_text().strip() == digest
    theirs = mlflow.pyfunc.load_model(str(folder / "model"))
    batch = theirs.input_example
    ours = load_model(folder / "model", trust=digest)
    answers = [ours.predict(batch, {"threshold": threshold, "decimals": 2}) for threshold in (0.0, 1.0)]
    assert [list(answer["late"]) for answer in answers] == [[True] * 3, [False] * 3]
    assert theirs.predict(batch, params={"threshold": 1.0, "decimals": 2}).equals(answers[1])


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("make") or Path(sys.prefix) != ROOT / ".venv", reason="runs what make installed")
def test_make_demo_scores_every_flight_or_sets_it_apart_and_a_second_one_replaces_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        # -o: the environment is the one that runs this test, whatever its stamps say
        done = run("make", "-o", ".venv/.demo-stamp", "demo", f"DEMO_DIR={tmp_path}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARN" not in done.stdout + done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    counts = [summary[key] for key in ("rows_in", "rows_scored", "rows_quarantined")]
    assert counts == [ROWS, ROWS - CANCELLED, CANCELLED]
    assert (summary["run_id"], summary["verdict"], summary["schema_version"]) == ("demo", "quarantined", 2)
    found = {(each["path"], each["code"]): each["rows"] for each in summary["violations"]}
    assert found == {("dep_time", "NULL"): CANCELLED, ("dep_delay", "NULL"): CANCELLED}
    for kind, rows in (("scored", ROWS - CANCELLED), ("quarantine", CANCELLED)):
        assert ds.dataset(tmp_path / kind / "run_id=demo", format="parquet").count_rows() == rows
        assert [entry.name for entry in (tmp_path / kind).iterdir() if entry.is_dir()] == ["run_id=demo"]
    assert "_violations" in ds.dataset(tmp_path / "quarantine" / "run_id=demo", format="parquet").schema.names
