"""Arrow columns under a plan, without a JVM: every cell of the cast table, and nested types, against the oracle."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from sparksig import Policy, Schema, plan, tag
from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.values import enforce_arrow
from sparksig.enforcement.values.feeds import objects
from sparksig.sources.observed import table_from_spark
from tests.enforcement import oracle
from tests.enforcement.edges import SOURCES, some
from tests.enforcement.test_casts_spark import cells, expected, same
from tests.enforcement.test_nested_spark import COLUMNS, ROWS, alike, tables, to_spark
from tests.enforcement.test_time_zones_spark import SOURCES as MOMENTS
from tests.enforcement.test_time_zones_spark import ZONES
from tests.enforcement.test_time_zones_spark import asked as asked_in_zone
from tests.enforcement.test_time_zones_spark import rows as rows_of_zone
from tests.lanes import UNREDUCED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ARROW = {
    **{"byte": pa.int8(), "short": pa.int16(), "integer": pa.int32(), "long": pa.int64(), "float": pa.float32()},
    **{"double": pa.float64(), "boolean": pa.bool_(), "string": pa.string(), "binary": pa.binary()},
    **{"date": pa.date32(), "timestamp": pa.timestamp("us", tz="UTC"), "timestamp_ntz": pa.timestamp("us")},
}
RANDOM = 100
zone_rows = cache(rows_of_zone)


def arrow(kind: Any) -> pa.DataType:
    """The Arrow type in which Spark ships a type."""
    if isinstance(kind, str):
        if kind.startswith("decimal"):
            return pa.decimal128(*map(int, kind[8:-1].split(",")))
        return ARROW[kind]
    if kind["type"] == "array":
        return pa.list_(arrow(kind["elementType"]))
    if kind["type"] == "map":
        return pa.map_(pa.string(), arrow(kind["valueType"]))
    return pa.struct([pa.field(field["name"], arrow(field["type"])) for field in kind["fields"]])


def to_arrow(value: Any, kind: Any) -> Any:
    """A value as Arrow takes it: maps as pairs."""
    if value is None or isinstance(kind, str):
        return value
    if kind["type"] == "map":
        return [(key, to_arrow(item, kind["valueType"])) for key, item in value.items()]
    if kind["type"] == "array":
        return [to_arrow(item, kind["elementType"]) for item in value]
    return {field["name"]: to_arrow(value[field["name"]], field["type"]) for field in kind["fields"]}


def result(array: pa.Array, at: int, target: str) -> Any:
    if target == "datetime":
        micros = array.cast(pa.int64())[at].as_py()
        return None if micros is None else dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros)
    return array[at].as_py()


@pytest.mark.parametrize(("source", "target", "rounding"), cells())
def test_enforce_arrow_matches_the_oracle_for_every_cell_and_edge_value(
    source: str, target: str, rounding: bool
) -> None:
    rng = random.Random(11)
    values = [*SOURCES[source], *(some(source, rng) for _ in range(RANDOM)), None]
    array = pa.array(values, arrow(source))
    schema = Schema.from_json(json.dumps([{"type": target, "name": "c", "required": True}]))
    policy = Policy(level="safe" if rounding else str(oracle.least_level(source, target)), allow_rounding=rounding)
    made = plan(pa.schema([pa.field("c", array.type)]), schema, policy).require_ok()
    judged = enforce_arrow(made, [array], len(values))
    for at, value in enumerate(values):
        want = expected(value, source, target, rounding)
        got = {str(fault.code) for fault in judged.faults if fault.mask[at]}
        if isinstance(want, str):
            assert got == {want}, (value, want, got)
        else:
            assert got == set() and same(result(judged.columns[0], at, target), want[0]), (value, want, got)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("source", MOMENTS)
def test_enforce_arrow_matches_the_oracle_for_local_times_of_a_zone(source: str, zone: str) -> None:
    values = [row[MOMENTS.index(source)] for row in zone_rows(zone)]
    array = pa.array(values, arrow(source))
    schema = Schema.from_json(json.dumps([{"type": "datetime", "name": "c", "required": True}]))
    made = plan(pa.schema([pa.field("c", array.type)]), schema, level="parse", time_zone=zone).require_ok()
    judged = enforce_arrow(made, [array], len(values))
    for at, value in enumerate(values):
        want = asked_in_zone(value, source, zone)
        got = {str(fault.code) for fault in judged.faults if fault.mask[at]}
        if isinstance(want, str):
            assert got == {want}, (value, want, got)
        else:
            assert got == set() and result(judged.columns[0], at, "datetime") == want[1], (value, want, got)


@settings(max_examples=60 if UNREDUCED in os.environ else 15, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_enforce_arrow_matches_the_oracle_for_nested_types(columns: list[Any]) -> None:
    fields = [{"name": f"c{i}", "type": c[0], "nullable": True, "metadata": {}} for i, c in enumerate(columns)]
    table = table_from_spark({"type": "struct", "fields": fields})
    made, judged = _judged(columns, table)
    for i, (kind, asked, required, rows) in enumerate(columns):
        got = objects(made.steps[i].node, judged.columns[i], None, True)
        for row in range(ROWS):
            want, faults = oracle.judge(rows[row], kind, asked, f"c{i}", not required, {"column": True})
            found = {(f.path, str(f.code)) for f in judged.faults if f.mask[row] and _of(f.path, f"c{i}")}
            assert found == faults, (kind, asked, rows[row])
            if not faults:
                assert alike(got[row], want), (kind, asked, rows[row], got[row], want)


@pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")
@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_enforce_arrow_and_tag_give_the_same_verdict(spark: SparkSession, columns: list[Any]) -> None:
    from pyspark.sql.types import StructType

    fields = [{"name": f"c{i}", "type": c[0], "nullable": True, "metadata": {}} for i, c in enumerate(columns)]
    form = {"type": "struct", "fields": fields}
    data = [tuple(to_spark(c[3][row], c[0]) for c in columns) for row in range(ROWS)]
    df = spark.createDataFrame(data, StructType.fromJson(form)).coalesce(1)
    _, judged = _judged(columns, table_from_spark(form))
    tagged = [row[-1] for row in tag(df, _schema(columns), Policy(level="parse")).collect()]
    for row in range(ROWS):
        here = Counter((f.path, str(f.code), *_words(f)) for f in judged.faults if f.mask[row])
        there = Counter((v.path, v.code, v.expected, v.observed) for v in tagged[row] or [])
        assert here == there


def _words(fault: Any) -> tuple[str, str]:
    return fault.types.declared, fault.types.observed


def _schema(columns: list[Any]) -> Schema:
    assert len(columns) == COLUMNS
    return Schema.from_json(json.dumps([{**c[1], "name": f"c{i}", "required": c[2]} for i, c in enumerate(columns)]))


def _judged(columns: list[Any], table: Any) -> Any:
    made = plan_table(table, _schema(columns), Policy(level="parse")).require_ok()
    arrays = [pa.array([to_arrow(value, kind) for value in rows], arrow(kind)) for kind, _, _, rows in columns]
    return made, enforce_arrow(made, arrays, ROWS)


def _of(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}[", f"{name}{{"))
