"""The rows of `sparksig.testing`: checked by `enforce_values`, and by `tag` on real Spark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from sparksig import (
    Array,
    ColSpec,
    Map,
    NotSupportedError,
    Object,
    Property,
    Schema,
    TensorSpec,
    ViolationError,
    enforce_values,
    struct_type,
    tag,
)
from sparksig.testing import example_rows, valid_rows, violating_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ITEM = Object([Property("price", "double"), Property("tags", Array("string"), required=False)])
SCALARS = ("boolean", "integer", "long", "float", "double", "string", "datetime")
SCHEMA = Schema(
    [
        *(
            ColSpec(kind, f"c_{kind}")
            for kind in ("boolean", "integer", "long", "float", "double", "string", "datetime")
        ),
        *(ColSpec("binary", "raw"), ColSpec("long", "opt", required=False), ColSpec(Array("long"), "a.b")),
        *(ColSpec(Array(ITEM), "items"), ColSpec(Map("integer"), "map"), ColSpec(ITEM, "one")),
    ]
)
TENSORS = Schema([TensorSpec(np.dtype("float32"), (-1, 2, 2), "x"), TensorSpec(np.dtype("uint8"), (-1, 3), "y")])
VALID, VIOLATING = valid_rows(SCHEMA), violating_rows(SCHEMA)


@pytest.mark.parametrize("schema", [SCHEMA, TENSORS, Schema([TensorSpec(np.dtype("float64"), (-1, 3))])])
def test_example_rows_are_valid_and_deterministic(schema: Schema) -> None:
    first = example_rows(schema, 7)
    found = enforce_values(first, schema, level={"*": "checked"})
    assert len(found) and str(first) == str(example_rows(schema, 7))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(VALID)
def test_valid_rows_are_accepted_by_enforce_values(row: dict[str, Any]) -> None:
    assert len(enforce_values([row], SCHEMA, level="checked")) == 1


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(VIOLATING)
def test_violating_rows_break_the_signature_at_the_stated_path_and_code(drawn: tuple[dict[str, Any], str, str]) -> None:
    row, path, code = drawn
    with pytest.raises(ViolationError) as raised:
        enforce_values([row], SCHEMA, level="checked")
    assert (path, code) in {(p.path, str(p.code)) for p in raised.value.problems}


@pytest.mark.slow
def test_tag_agrees_with_valid_rows_and_violating_rows(spark: SparkSession) -> None:
    kept: list[Any] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(VALID, VIOLATING)
    def draw(row: dict[str, Any], broken: tuple[dict[str, Any], str, str]) -> None:
        kept.extend([(row, None), (broken[0], broken[1:])])

    draw()
    from pyspark.sql.types import StructType

    form = json.loads(
        struct_type(SCHEMA).json().replace('"nullable":false', '"nullable":true').replace("false", "true")
    )
    df = spark.createDataFrame([tuple(row[str(s.name)] for s in SCHEMA) for row, _ in kept], StructType.fromJson(form))
    for found, (_, fault) in zip(tag(df.coalesce(1), SCHEMA).collect(), kept, strict=True):
        told = {(v.path, v.code) for v in found["_violations"] or []}
        assert told == (set() if fault is None else {fault})


def test_valid_rows_and_violating_rows_reject_unsupported_schemas_by_name() -> None:
    with pytest.raises(NotSupportedError, match="name their columns"):
        valid_rows(Schema([ColSpec("long")]))
    with pytest.raises(NotSupportedError, match="no row can break"):
        violating_rows(Schema([ColSpec("long", "n", required=False)]))
    with pytest.raises(NotSupportedError, match="z: "):
        valid_rows(Schema([TensorSpec(np.dtype("complex64"), (-1, 2), "z")]))
