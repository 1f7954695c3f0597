"""`payload_frame` on real Spark: a bad payload is a violation of its row and never fails the job."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    Map,
    ModelSignature,
    NotSupportedError,
    Object,
    Policy,
    PolicyError,
    Property,
    Schema,
    SchemaError,
    ViolationError,
    parse_payload,
    payload_frame,
    struct_type,
)
from sparksig.scoring.payloads import RecordReader

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


def test_payload_frame_returns_a_row_or_a_violation_per_payload(spark: SparkSession) -> None:
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


def test_payload_frame_rejects_unsupported_types_and_column_names(spark: SparkSession) -> None:
    df = spark.createDataFrame([("{}",)], "payload string")
    with pytest.raises(NotSupportedError, match=r"a: .*Any"):
        payload_frame(df, "payload", Schema([ColSpec(AnyType(), "a")]))
    with pytest.raises(SchemaError, match="no such columns"):
        payload_frame(df, "no", SCHEMA)
    with pytest.raises(SchemaError, match="twice"):
        payload_frame(df.withColumnRenamed("payload", "n"), "n", SCHEMA, keep=["n"])


def _read(spark: SparkSession, payloads: list[str], schema: Schema, **options: Any) -> list[Any]:
    df = spark.createDataFrame(list(enumerate(payloads)), "id int, payload string").coalesce(1)
    return sorted(payload_frame(df, "payload", schema, keep=["id"], **options).collect())


def _codes(row: Any) -> set[tuple[str, str]]:
    return {(v.path, v.code) for v in row["_violations"] or []}


def test_payload_frame_reports_every_fault_and_never_fails_the_job(spark: SparkSession) -> None:
    columns = Schema([ColSpec("long", "n"), ColSpec("datetime", "t", False), ColSpec(Map("long"), "m", False)])
    odd = [
        '{"dataframe_split": {"columns": ["n"], "data": [5]}}',
        '{"dataframe_split": {"columns": [["n"]], "data": [[1]]}}',
        '{"dataframe_split": {"columns": ["n", "n"], "data": [[1, 2]]}}',
        '{"inputs": {"n": 1}, "params": {"k": 1}}',
        '{"n": 1e400}',
        "[" * 100_000,
        '{"n": ' + "1" * 5000 + "}",
    ]
    rows = _read(spark, [*odd, '{"n": 1, "m": {"\\ud800": 1}}', '{"n": 1.5, "t": "x", "m": {"k": 0.5}}'], columns)
    assert [_codes(row) for row in rows[: len(odd)]] == [{("", "BAD_PAYLOAD")}] * len(odd)
    assert _codes(rows[-2]) == {("m", "UNPARSABLE")}
    assert _codes(rows[-1]) == {("n", "NOT_EXACT"), ("t", "UNPARSABLE"), ("m{}", "NOT_EXACT")}
    assert "ud800" not in str(rows)


def test_payload_frame_matches_names_by_the_policy(spark: SparkSession) -> None:
    schema = Schema([ColSpec("long", "n"), ColSpec("long", "inputs", False)])
    assert [row.n for row in _read(spark, ['{"z": 1, "n": 2}'], schema, columns={"n": "z"})] == [1]
    any_case, both = _read(spark, ['{"N": 1}', '{"N": 1, "Inputs": 2, "INPUTS": 3}'], schema, case_sensitive=False)
    assert any_case.n == 1 and _codes(both) == {("inputs", "AMBIGUOUS_COLUMN")}
    assert _codes(_read(spark, ['{"N": 1}'], schema)[0]) == {("n", "MISSING_COLUMN")}
    [own] = _read(spark, ['{"n": 1, "inputs": 5}'], schema)
    assert (own.n, own.inputs) == (1, 5)  # a column of that name, no serving payload
    with pytest.raises(PolicyError, match="level="):
        _read(spark, [], schema, level={"x": "parse"})


def test_payload_frame_reads_datetimes_as_local_times_of_the_time_zone(spark: SparkSession) -> None:
    schema = Schema([ColSpec("datetime", "t")])
    texts = ["2020-06-01T12:00:00", "2020-06-01T12:00:00Z", "2020-03-29T02:30:00", "2020-10-25T01:30:00Z", "2020-06-01"]
    payloads = [json.dumps({"t": text}) for text in texts]
    rows = _read(spark, payloads, schema, time_zone="Europe/Berlin")
    utc = [None if row.t is None else row.t.astimezone(dt.UTC).strftime("%m-%d %H:%M") for row in rows]
    assert utc == ["06-01 10:00", "06-01 12:00", None, "10-25 01:30", "05-31 22:00"]
    assert _codes(rows[2]) == {("t", "OUT_OF_RANGE")}
    signature = ModelSignature(schema)
    for at in (0, 1, 3, 4):  # the model is given the same wall clock from the frame and from the payload
        wall = parse_payload({"inputs": {"t": [texts[at]]}}, signature, time_zone="Europe/Berlin").data["t"][0]
        shown = rows[at].t.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)
        assert wall == shown
    with pytest.raises(ViolationError, match="OUT_OF_RANGE"):
        parse_payload({"inputs": {"t": [texts[2]]}}, signature, time_zone="Europe/Berlin")


def test_payload_frame_verdict_does_not_depend_on_the_batch(spark: SparkSession) -> None:
    kinds = [ColSpec("long", "n", False), ColSpec("double", "x", False), ColSpec(Array("long"), "l", False)]
    schema = Schema([*kinds, ColSpec(ITEM, "o", False)])
    numbers = [
        "1",
        "1.0",
        "1.5",
        "NaN",
        "Infinity",
        "null",
        str(BIG),
        str(10**30),
        str(10**40),
        '"Anna"',
        "true",
        "[1]",
    ]
    cells = [*numbers, "[]", "[1, 1.5]", "[1, NaN]", "[1, Infinity]", f"[{BIG}, 1.0]", f"[{BIG}, Infinity]", "[null]"]
    items = ['{"at": "2024-01-31"}', '{"at": null}', '{"at": 1}', '{"at": "2024-01-31", "k": {"a": NaN, "b": 1}}', "5"]
    payloads = [f'{{"{spec.name}": {cell}}}' for spec in kinds for cell in cells]
    payloads += [f'{{"o": {item}}}' for item in items]
    together = _read(spark, payloads, schema)
    reader = RecordReader(schema, Policy(level="checked"), 0)
    for row, payload in zip(together, payloads, strict=True):
        columns, violations = reader.read([payload])
        alone = violations.to_pylist()[0]
        assert [v.asDict() for v in row["_violations"] or []] == (alone or []), payload
        assert row.n == columns[0][0].as_py() and row.l == columns[2][0].as_py()
    assert "Anna" not in str([row["_violations"] for row in together])


def test_payload_frame_takes_options_for_a_column_whose_name_begins_like_another() -> None:
    schema = Schema([ColSpec("long", "price"), ColSpec("long", "price.raw"), ColSpec("long", "price[]")])
    reader = RecordReader(schema, Policy(level={"price.raw": "parse"}, allow_nulls=["price[]"]), 0)
    columns, violations = reader.read(['{"price": 1, "price.raw": 2, "price[]": null}'])
    assert [column.to_pylist() for column in columns] == [[1], [2], [None]] and violations.null_count == 1


def test_payload_frame_reports_a_payload_that_is_not_valid_utf8() -> None:
    texts = pa.array([b'{"n": 1}', b'{"n": "\xff"}', b"\xed\xa0\x80"]).view(pa.string())
    reader = RecordReader(Schema([ColSpec("long", "n")]), Policy(), 0)
    [batch] = reader([pa.RecordBatch.from_arrays([texts], ["c0"])])
    assert batch.column(0).to_pylist() == [1, None, None]
    assert [v and [each["code"] for each in v] for v in batch.column(1).to_pylist()] == [None, *[["BAD_PAYLOAD"]] * 2]
