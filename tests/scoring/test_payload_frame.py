"""`payload_frame` on real Spark: a bad payload is a violation of its row, never a failed job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    Map,
    NotSupportedError,
    Object,
    Property,
    Schema,
    SchemaError,
    payload_frame,
    struct_type,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ITEM = Object([Property("at", "datetime"), Property("k", Map("long"), required=False)])
SCHEMA = Schema(
    [
        *(ColSpec("long", "n"), ColSpec("double", "x", required=False), ColSpec("binary", "b", required=False)),
        ColSpec(
            Array(Object([Property("at", "datetime"), Property("k", Map("long"), required=False)])), "items", False
        ),
    ]
)
BIG = 2**53 + 1


def test_each_payload_is_a_row_or_a_violation(spark: SparkSession) -> None:
    good = {"n": BIG, "x": 1, "b": "eA==", "items": [{"at": "2024-01-31", "k": {"": 1}}], "more": 1}
    payloads = [
        json.dumps(good),
        json.dumps({"dataframe_records": [{"n": 1}]}),
        json.dumps({"dataframe_split": {"columns": ["n"], "data": [[2]]}}),
        json.dumps({"inputs": {"n": 3}}),
        "{",
        None,
        "[1]",
        '{"dataframe_records": [{"n": 1}, {"n": 2}]}',
        '{"n": 1, "n": 2}',
        '{"n": 1.5}',
        '{"n": "Anna"}',
        '{"x": 1.5}',
        '{"n": 1, "items": [{"k": {"Anna": "x"}}]}',
        '{"n": 1, "b": "Anna!"}',
        '{"n": 9223372036854775807}',
    ]
    df = spark.createDataFrame(list(enumerate(payloads)), "id int, `pay.load` string").repartition(1)
    found = payload_frame(df, "pay.load", SCHEMA, keep=["id"])
    assert found.columns == ["id", "n", "x", "b", "items", "_violations"]
    assert [f.dataType for f in found.schema.fields[1:4]] == [f.dataType for f in struct_type(SCHEMA).fields[:3]]
    rows = {row.id: row for row in found.collect()}
    assert len(rows) == len(payloads)
    assert (rows[0].n, rows[0].x, bytes(rows[0].b), rows[0]["items"][0].k) == (BIG, 1.0, b"x", {"": 1})
    assert [rows[i].n for i in (1, 2, 3)] == [1, 2, 3]
    assert all(rows[i]["_violations"] is None for i in range(4))
    codes = {i: {(v.path, v.code) for v in rows[i]["_violations"]} for i in range(4, len(payloads) - 1)}
    assert all(codes[i] == {("", "BAD_PAYLOAD")} for i in range(4, 9))
    assert codes[9] == {("n", "NOT_EXACT")} and codes[10] == {("n", "INCOMPATIBLE_TYPE")}
    assert codes[11] == {("n", "MISSING_COLUMN")} and codes[12] == {("items[].k{}", "INCOMPATIBLE_TYPE")}
    assert codes[13] == {("b", "UNPARSABLE")}
    assert all(rows[i].n is None for i in codes) and rows[14].n == 2**63 - 1  # also beside 1.5 in one batch
    assert "Anna" not in str([row["_violations"] for row in rows.values()])


def test_what_no_payload_holds_is_refused_by_name(spark: SparkSession) -> None:
    df = spark.createDataFrame([("{}",)], "payload string")
    with pytest.raises(NotSupportedError, match=r"a: .*Any"):
        payload_frame(df, "payload", Schema([ColSpec(AnyType(), "a")]))
    with pytest.raises(SchemaError, match="no such columns"):
        payload_frame(df, "no", SCHEMA)
    with pytest.raises(SchemaError, match="twice"):
        payload_frame(df.withColumnRenamed("payload", "n"), "n", SCHEMA, keep=["n"])
