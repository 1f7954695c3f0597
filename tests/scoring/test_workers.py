"""Scoring inside a worker, without Spark: model calls needed to bisect failing rows, and plans per schema."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sparksig import ColSpec, ModelSignature, Schema, TensorSpec
from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.values import Feed
from sparksig.scoring.calls import ModelCall
from sparksig.scoring.udf import StructScorer
from sparksig.scoring.workers import CleanRows
from sparksig.sources.observed import table_from_arrow

ROWS, SHAPES = 1024, 16
OUTPUT = Schema([ColSpec("double")])
COLUMN = pa.array(np.arange(ROWS, dtype="float64"))
OPEN = pa.array([[float(i)] * (1 + i % SHAPES) for i in range(ROWS)])


def work(array: pa.Array, inputs: Schema) -> tuple[CleanRows, Any]:
    made = plan_table(table_from_arrow(pa.schema([("x", array.type)])), inputs, Policy()).require_ok()
    call = ModelCall.of(model, ModelSignature(inputs, OUTPUT), None, False).on(Feed.of(made))
    return CleanRows(call, True, 10_000).ready()


CALLS: list[int] = []
POISON: set[int] = set()


def model(batch: Any) -> Any:
    """Counts its calls; it travels by its name, so that they are counted here."""
    first = np.asarray(batch["x"])
    first = first[:, 0] if first.ndim == 2 else first
    CALLS.append(len(first))
    if POISON.intersection(first.tolist()):
        raise KeyError("canary")
    return first * 2


@pytest.mark.parametrize("poison", [(), (500,), (0, 1023), (17, 18, 700, 900)])
@pytest.mark.parametrize("shapes", [1, SHAPES])
def test_worker_bisects_failing_rows_in_few_calls_and_scores_the_rest(
    poison: tuple[int, ...], shapes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.POISON", set(poison))
    inputs = Schema([ColSpec("double", "x") if shapes == 1 else TensorSpec(np.dtype("float64"), (-1, -1), "x")])
    array = COLUMN if shapes == 1 else OPEN
    here, loaded = work(array, inputs)
    clean = np.ones(ROWS, bool)
    clean[3] = False
    CALLS.clear()
    [found], raised = here.predictions(loaded, [array], clean)
    assert raised == dict.fromkeys(poison, "KeyError")
    assert found.to_pylist() == [None if i == 3 or i in poison else i * 2.0 for i in range(ROWS)]
    assert shapes <= len(CALLS) <= shapes + 2 * len(poison) * ceil(log2(ROWS / shapes))


def test_predict_udf_plans_once_per_schema() -> None:
    call = ModelCall.of(model, ModelSignature(Schema([ColSpec("double", "x")]), OUTPUT), None, False)
    scorer = StructScorer(call, Policy(), null=False)
    plans = set()
    for kind in (pa.float64(), pa.float64(), pa.float32(), pa.float64()):
        batch = pa.StructArray.from_arrays([pa.array([1.5, 2.0], kind)], ["x"])
        assert scorer([batch], {}).to_pylist() == [3.0, 4.0]
        plans |= {id(plan) for plan in scorer.plans.values()}
    assert len(scorer.plans) == len(plans) == 2
