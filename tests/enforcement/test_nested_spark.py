"""Declared types of any depth on real Spark, compared with the oracle: hypothesis generates many cases per job."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparksig import Policy, Schema, plan, split, tag
from sparksig.enforcement.frames import opened
from sparksig.enforcement.sql import conditions
from sparksig.enforcement.sql import statements as sql
from tests.enforcement import oracle
from tests.enforcement.edges import SOURCES, TARGETS
from tests.enforcement.test_casts_spark import same
from tests.lanes import UNREDUCED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")

COLUMNS, ROWS = 12, 12
CELLS = [(s, t) for s in SOURCES for t in TARGETS if oracle.least_level(s, t)]
NAMES = ["a", "A", "a.b", "x y", "`", "${env:HOME}", "_0", "\U0001f600", "e0", ""]
seen: Counter[tuple[str, str]] = Counter()

Case = tuple[Any, dict[str, Any], st.SearchStrategy[Any]]
"""An observed type (Spark's JSON), a declared one (MLflow's), and the values that a column of it may have."""


@st.composite
def scalars(draw: st.DrawFn) -> Case:
    source, target = draw(st.sampled_from(CELLS))
    seen[source, target] += 1
    return source, {"type": target}, st.sampled_from(SOURCES[source])


def arrays(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    def make(case: Case) -> Case:
        kind, declared, values = case
        array = {"type": "array", "elementType": kind, "containsNull": True}
        return array, {"type": "array", "items": declared}, st.lists(st.none() | values, max_size=3)

    return inner.map(make)


def maps(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    def make(case: Case) -> Case:
        kind, declared, values = case
        mapped = {"type": "map", "keyType": "string", "valueType": kind, "valueContainsNull": True}
        keys = st.sampled_from(["k", "", "${env:HOME}"])
        return mapped, {"type": "map", "values": declared}, st.dictionaries(keys, st.none() | values, max_size=3)

    return inner.map(make)


@st.composite
def structs(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    cases = [draw(inner) for _ in names]
    fields = [
        {"name": n, "type": k, "nullable": True, "metadata": {}} for n, (k, _, _) in zip(names, cases, strict=True)
    ]
    properties = {n: {**d, "required": draw(st.booleans())} for n, (_, d, _) in zip(names, cases, strict=True)}
    if draw(st.booleans()):
        properties["absent"] = {**draw(inner)[1], "required": False}
    values = {n: st.none() | v for n, (_, _, v) in zip(names, cases, strict=True)}
    return (
        {"type": "struct", "fields": fields},
        {"type": "object", "properties": properties},
        st.fixed_dictionaries(values),
    )


def nested() -> st.SearchStrategy[Case]:
    return st.recursive(scalars(), lambda inner: arrays(inner) | maps(inner) | structs(inner), max_leaves=4)


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[Any, dict[str, Any], bool, list[Any]]]:
    """Columns: observed type, declared type, required, rows."""
    columns = []
    for _ in range(COLUMNS):
        kind, declared, values = draw(nested())
        rows = draw(st.lists(st.none() | values, min_size=ROWS, max_size=ROWS))
        columns.append((kind, declared, draw(st.booleans()), rows))
    return columns


def plain(value: Any) -> Any:
    """What Spark collected, as the oracle writes it."""
    if hasattr(value, "asDict"):
        return {name: plain(item) for name, item in value.asDict().items()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)  # a map has no order in Java
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return same(a, b)


def to_spark(value: Any, kind: Any) -> Any:
    """A value as createDataFrame takes it: structs as tuples, since names may repeat but for case."""
    if value is None or isinstance(kind, str):
        return value
    if kind["type"] == "struct":
        return tuple(to_spark(value[f["name"]], f["type"]) for f in kind["fields"])
    if kind["type"] == "map":
        return {k: to_spark(v, kind["valueType"]) for k, v in value.items()}
    return [to_spark(v, kind["elementType"]) for v in value]


@pytest.mark.slow
@settings(max_examples=30 if UNREDUCED in os.environ else 8, suppress_health_check=list(HealthCheck))
@given(tables())
def test_tag_and_casts_match_the_oracle_for_nested_types(spark: SparkSession, columns: list[Any]) -> None:
    from pyspark.sql.types import StructType

    fields = [{"name": f"c{i}", "type": c[0], "nullable": True, "metadata": {}} for i, c in enumerate(columns)]
    data = [tuple(to_spark(c[3][row], c[0]) for c in columns) for row in range(ROWS)]
    df = spark.createDataFrame(data, StructType.fromJson({"type": "struct", "fields": fields})).coalesce(1)
    declared = [{**c[1], "name": f"c{i}", "required": c[2]} for i, c in enumerate(columns)]
    schema = Schema.from_json(json.dumps(declared))
    policy = Policy(level="parse")
    made = plan(df, schema, policy).require_ok()
    tagged = [row[-1] for row in tag(df, schema, policy).collect()]
    # a bad moment may lie outside Python's calendar: only clean values are collected
    guarded = [
        f"case when {conditions.clean(step.node, sql._x(step), 0) or 'true'} then {value} end"
        for step, value in zip(made.steps, sql.values(made), strict=True)
    ]
    values = opened(df, made).selectExpr(*guarded).collect()
    for row in range(ROWS):
        want: set[tuple[str, str]] = set()
        for i, (kind, asked, required, rows) in enumerate(columns):
            result, faults = oracle.judge(rows[row], kind, asked, f"c{i}", not required, {"column": True})
            want |= faults
            if not faults:
                assert alike(plain(values[row][i]), result), (kind, asked, rows[row], values[row][i], result)
        found = {(v.path, v.code) for v in tagged[row] or []}
        assert found == want


LEVELS = 9


def deep(levels: int) -> tuple[Any, dict[str, Any]]:
    """Structs in structs with an integer next to each, every second one optional: Spark's type and the declared one."""
    kind: Any = "float"
    declared: dict[str, Any] = {"type": "double"}
    for level in range(levels, 0, -1):
        names = ("n", "f")
        fields = [
            {"name": name, "type": of, "nullable": True, "metadata": {}}
            for name, of in zip(names, ("short", kind), strict=True)
        ]
        kind = {"type": "struct", "fields": fields}
        inner = {"n": {"type": "integer", "required": level % 2 == 1}, "f": {**declared, "required": True}}
        declared = {"type": "object", "properties": inner}
    return kind, declared


def deep_value(levels: int, absent: int | None, null: str) -> Any:
    """A value of it in which the member `null` of one level is null."""
    value: Any = 0.5
    for level in range(levels, 0, -1):
        value = {"n": level, "f": value}
        if level == absent:
            value[null] = None
    return value


def test_enforce_and_tag_treat_deep_structs_as_shallow_ones(spark: SparkSession) -> None:
    from pyspark.sql.types import StructType

    kind, declared = deep(LEVELS)
    array = {"type": "array", "elementType": kind, "containsNull": True}
    values = [deep_value(LEVELS, None, "n")]
    values += [deep_value(LEVELS, level, null) for level in range(1, LEVELS + 1) for null in ("n", "f")]
    fields = [{"name": name, "type": of, "nullable": True, "metadata": {}} for name, of in (("c", kind), ("a", array))]
    frame_type = StructType.fromJson({"type": "struct", "fields": fields})
    rows = [(to_spark(value, kind), [to_spark(values[0], kind), to_spark(value, kind)]) for value in [None, *values]]
    df = spark.createDataFrame(rows, frame_type).coalesce(1)
    columns = [
        {**declared, "name": "c", "required": True},
        {"type": "array", "items": declared, "name": "a", "required": False},
    ]
    schema = Schema.from_json(json.dumps(columns))
    tagged = tag(df, schema).collect()
    assert {v.code for v in tagged[0]._violations} == {"NULL"}
    clean = 0
    for row, value in zip(tagged[1:], values, strict=True):
        expected: set[tuple[str, str]] = set()
        results = []
        for name, cell, of, asked in (("c", value, kind, declared), ("a", [values[0], value], array, columns[1])):
            result, faults = oracle.judge(cell, of, asked, name, name == "a", {"column": True})
            expected |= faults
            results.append(result)
        assert {(v.path, v.code) for v in row._violations or []} == expected
        clean += not expected
    assert 3 < clean < len(values) - 5
    accepted = split(df, schema).accepted.collect()
    good = [value for row, value in zip(tagged[1:], values, strict=True) if row._violations is None]
    assert [
        alike(plain(row.c), oracle.judge(v, kind, declared, "c", False, {"column": True})[0])
        for row, v in zip(accepted, good, strict=True)
    ] == [True] * len(good)


def test_tag_of_deep_structs_compiles_to_code_that_grows_with_their_depth(spark: SparkSession) -> None:
    from pyspark.sql.types import StructType

    def generated(levels: int) -> int:
        kind, declared = deep(levels)
        df = spark.createDataFrame(
            [],
            StructType.fromJson(
                {"type": "struct", "fields": [{"name": "c", "type": kind, "nullable": True, "metadata": {}}]}
            ),
        )
        rows: Any = tag(df, Schema.from_json(json.dumps([{**declared, "name": "c", "required": True}])))
        stages = rows._jdf.queryExecution().debug().codegenToSeq()
        return sum(len(stages.apply(i)._2()) for i in range(stages.size()))

    assert generated(24) < 5 * generated(8)
