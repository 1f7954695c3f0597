"""The demo's table and model, and what `make demo` makes of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sparksig import load_model, load_signature
from sparksig.models.artifact import Artifact
from tests.flights import CANCELLED, ROWS, FlightsRun, call

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations
KINDS = ("scored", "quarantine")


def test_demo_source_has_every_flight_and_nulls_for_missing_values(flights: FlightsRun) -> None:
    source = flights.folder / "source"
    table = pq.read_table(source)
    assert table.num_rows == ROWS
    assert len(list(source.iterdir())) > 1
    nulls = {name: table[name].null_count for name in table.column_names if table[name].null_count}
    late = {"arr_time": 8_713, "arr_delay": 9_430, "air_time": 9_430, "tailnum": 2_512}
    assert nulls == {"dep_time": CANCELLED, "dep_delay": CANCELLED, **late}
    assert {str(field.type) for field in table.schema} == {"int32", "int64", "string", "timestamp[us, tz=UTC]"}


def test_demo_signature_has_optional_columns_params_and_named_outputs(flights: FlightsRun) -> None:
    signature = load_signature(flights.folder / "model")
    assert signature.inputs is not None
    assert signature.inputs.optional_input_names() == ["air_time"]
    assert {repr(column.type) for column in signature.inputs.columns} == {"string", "integer", "long", "double"}
    assert [spec.name for spec in signature.params or ()] == ["threshold", "decimals"]
    assert signature.outputs is not None
    assert signature.outputs.input_names() == ["probability", "late"]


def test_demo_model_loads_with_the_printed_digest_and_predicts_as_in_mlflow(flights: FlightsRun) -> None:
    import mlflow.pyfunc

    digest = Artifact.read(flights.folder / "model").digest
    assert f"--trust {digest}" in flights.output
    assert flights.trust == digest
    theirs = mlflow.pyfunc.load_model(str(flights.folder / "model"))
    batch = theirs.input_example
    ours = load_model(flights.folder / "model", trust=digest)
    answers = [ours.predict(batch, {"threshold": threshold, "decimals": 2}) for threshold in (0.0, 1.0)]
    assert [list(answer["late"]) for answer in answers] == [[True] * 3, [False] * 3]
    assert theirs.predict(batch, params={"threshold": 1.0, "decimals": 2}).equals(answers[1])


def test_demo_job_accounts_for_every_flight(flights: FlightsRun) -> None:
    assert [line for line in flights.output.splitlines() if "WARN" in line or "\tat " in line] == []
    tables = {kind: ds.dataset(flights.folder / kind / "run_id=demo", format="parquet").to_table() for kind in KINDS}
    source = ds.dataset(flights.folder / "source", format="parquet").to_table()
    summary: dict[str, Any] = json.loads((flights.folder / "summary.json").read_text())
    scored, dirty = tables["scored"], tables["quarantine"]
    counts = [summary["rows_in"], summary["rows_scored"], summary["rows_quarantined"]]
    assert counts == [ROWS, ROWS - CANCELLED, CANCELLED] == [source.num_rows, scored.num_rows, dirty.num_rows]
    assert (summary["run_id"], summary["verdict"], summary["schema_version"]) == ("demo", "quarantined", 2)
    assert summary["violations"] == [
        {"path": path, "code": "NULL", "expected": declared, "observed": "integer", "rows": CANCELLED}
        for path, declared in (("dep_delay", "double"), ("dep_time", "integer"))
    ]
    for kind in KINDS:
        assert [path.name for path in (flights.folder / kind).iterdir()] == ["run_id=demo"]
        assert (flights.folder / kind / "run_id=demo" / "_SUCCESS").exists()
    # the scores are all that was added, and no value of the table has changed
    assert scored.column_names == [*source.column_names, "prediction"]
    assert dirty.column_names == [*source.column_names, "_violations"]
    for name in ("flight", "distance", "sched_dep_time"):
        sums = [pc.sum(table[name]).as_py() for table in (source, scored, dirty)]
        assert sums[0] == sums[1] + sums[2], name
    assert scored["dep_time"].null_count == scored["dep_delay"].null_count == 0
    prediction = scored["prediction"].combine_chunks()
    probability, late = (np.asarray(prediction.field(name)) for name in ("probability", "late"))
    assert ((probability > 0.4) == late).all()  # the param that was overridden


@pytest.mark.cluster
def test_demo_job_run_again_replaces_the_first_run(flights: FlightsRun) -> None:
    first = (flights.folder / "summary.json").stat().st_mtime_ns
    done = call(flights.root, "make", "-o", ".venv/.demo-stamp", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "run demo: quarantined" in done.stdout + done.stderr
    summary: dict[str, Any] = json.loads((flights.folder / "summary.json").read_text())
    assert (flights.folder / "summary.json").stat().st_mtime_ns > first
    counts = [summary["rows_in"], summary["rows_scored"], summary["rows_quarantined"]]
    assert counts == [ROWS, ROWS - CANCELLED, CANCELLED]
    for kind, rows in zip(KINDS, (ROWS - CANCELLED, CANCELLED), strict=True):
        assert [path.name for path in (flights.folder / kind).iterdir()] == ["run_id=demo"]
        assert ds.dataset(flights.folder / kind / "run_id=demo", format="parquet").count_rows() == rows
