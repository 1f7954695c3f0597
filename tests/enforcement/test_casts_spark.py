"""Every allowed (Spark type, declared type) cell on real Spark, with every edge value, compared with the oracle."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import random
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from sparksig import ColSpec, Policy, Schema, plan, tag
from sparksig.enforcement.frames import positional
from sparksig.enforcement.sql import conditions, guards
from sparksig.enforcement.sql import statements as sql
from tests.enforcement import oracle
from tests.enforcement.edges import SOURCES, TARGETS, some

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def cells() -> list[tuple[str, str, bool]]:
    """Each (Spark type, declared type, rounding) that some level admits."""
    exact = [(s, t, False) for s, t in itertools.product(SOURCES, TARGETS) if oracle.least_level(s, t)]
    return exact + [
        (s, t, True)
        for s, t, _ in exact
        if t in oracle.FLOATS and s != "string" and oracle.least_level(s, t) == "checked"
    ]


def expected(value: Any, source: str, target: str, rounding: bool) -> Any:
    if value is None:
        return "NULL"
    try:
        return (oracle.cast(value, source, target, rounding),)
    except oracle.Refused as refused:
        return str(refused)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return type(a) is type(b) and bool(a == b)


RANDOM = 720
"""Random values of each type beside the edges."""


def make_table(spark: SparkSession, seed: int, count: int) -> DataFrame:
    """One column for each Spark type: its edge values, random ones, and null behind them."""
    rng = random.Random(seed)
    columns = [[*values, *(some(name, rng) for _ in range(count))] for name, values in SOURCES.items()]
    height = max(map(len, columns)) + 1
    rows = zip(*([*column, *[None] * (height - len(column))] for column in columns), strict=True)
    schema = ", ".join(f"`{name}` {name}" for name in SOURCES)
    return spark.createDataFrame(list(rows), schema).repartition(3).cache()


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> DataFrame:
    return make_table(spark, seed=7, count=RANDOM)


def _evaluate(table: DataFrame, chunk: list[tuple[str, str, bool]]) -> list[Any]:
    """One Spark job for a chunk of cells: the raw values, the cast values and the violations of every row."""
    names = {f"c{i}": cell for i, cell in enumerate(chunk)}
    schema = Schema([ColSpec(target, name) for name, (_, target, _) in names.items()])
    level = {n: "safe" if r else oracle.least_level(s, t) for n, (s, t, r) in names.items()}
    policy = Policy(
        level=level, columns={n: s for n, (s, _, _) in names.items()}, allow_rounding=[n for n in names if names[n][2]]
    )
    made = plan(table, schema, policy).require_ok()
    values = positional(tag(table, schema, policy)).selectExpr(
        *[f"_{i}" for i in range(len(SOURCES) + 1)],
        # Python has no year 0, which a moment of the year 1 may be in the machine's own zone
        *[f"unix_micros({v})" if t == "datetime" else v for v, (_, t, _) in zip(sql.values(made), chunk, strict=True)],
    )
    return values.collect()


def compare(table: DataFrame, chunk: list[tuple[str, str, bool]]) -> tuple[list[Any], Counter[tuple[str, str, bool]]]:
    """The cases in which Spark and the oracle disagree, and how many values that are not null each cell has seen."""
    width = len(SOURCES)
    faults: list[Any] = []
    cases: Counter[tuple[str, str, bool]] = Counter()
    for row in _evaluate(table, chunk):
        raw = dict(zip(SOURCES, row[:width], strict=True))
        found = {v.path: v.code for v in row[width] or []}
        for i, (source, target, rounding) in enumerate(chunk):
            value = raw[source]
            if source == "timestamp" and value is not None:
                value = value.astimezone(dt.UTC)
            want = expected(value, source, target, rounding)
            got = found.get(f"c{i}") or (_plain(row[width + 1 + i], target),)
            cases[source, target, rounding] += value is not None
            if isinstance(value, bytearray) and isinstance(want, tuple):
                want = (bytes(value),)
            agreed = want == got if isinstance(want, str) or isinstance(got, str) else same(want[0], got[0])
            if not agreed:
                faults.append((source, target, "rounding" if rounding else "", value, want, got))
    return faults, cases


def _plain(result: Any, target: str) -> Any:
    if target == "datetime" and result is not None:
        return dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=result)
    return bytes(result) if isinstance(result, bytearray) else result


PARTS = range(8)


@pytest.fixture(scope="module")
def compared(table: DataFrame) -> list[tuple[list[Any], Counter[tuple[str, str, bool]]]]:
    """What `compare` says of every cell, in parts that Spark can plan."""
    return [compare(table, cells()[part :: len(PARTS)]) for part in PARTS]


@pytest.mark.spark
@pytest.mark.parametrize("part", PARTS)
def test_cast_matches_the_oracle_for_every_cell_and_edge_value(compared: list[Any], part: int) -> None:
    assert compared[part][0] == []


@pytest.mark.spark
def test_cast_comparison_covers_every_cell_with_every_value(compared: list[Any]) -> None:
    seen: Counter[tuple[str, str, bool]] = Counter()
    for _, cases in compared:
        seen.update(cases)
    print(f"{len(seen)} cells, {sum(seen.values())} values; fewest: {min(seen.values())}")
    assert len(seen) == len(cells()) >= 130
    assert all(count >= RANDOM + len(SOURCES[source]) for (source, _, _), count in seen.items())
    assert sum(seen.values()) >= 100_000


MUTANTS = {
    "a guard dropped": ("judgements", lambda real: lambda node, x: real(node, x)[1:]),
    "a bound off by one": ("number", lambda real: lambda value, source: real(value + (value > 0), source)),
    "not coalesced": ("_stays_finite", lambda real: lambda cast, x, y: f"nullif({real(cast, x, y)}, false)"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_cast_comparison_detects_a_planted_mistake(
    table: DataFrame, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    name, change = MUTANTS[mutant]
    mutated = change(getattr(guards, name))
    for module in (guards, conditions):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, mutated)
    if mutant == "not coalesced":
        real = conditions._case
        monkeypatch.setattr(conditions, "_case", lambda *args: (real(*args)[0], _uncoalesced(real(*args)[1])))
    chosen = [("long", "integer", False), ("double", "float", False), ("string", "double", False)]
    faults, _ = compare(table, chosen)
    assert faults


def _uncoalesced(text: str) -> str:
    """The expression without its outermost coalesce calls: null where a check is null."""
    return re.sub(r"when not coalesce\((.*?), false\) then", r"when not (\1) then", text)


def test_plan_rejects_casts_that_no_level_allows(table: DataFrame) -> None:
    refused = [(s, t) for s, t in itertools.product(SOURCES, TARGETS) if oracle.least_level(s, t) is None]
    schema = Schema([ColSpec(t, f"c{i}") for i, (_, t) in enumerate(refused)])
    policy = Policy(level="parse", columns={f"c{i}": s for i, (s, _) in enumerate(refused)})
    made = plan(table, schema, policy)
    assert [p.path for p in made.problems] == [f"c{i}" for i in range(len(refused))]
    assert json.dumps(made.to_dict())


def test_plan_hint_names_the_least_level_that_allows_the_cast(table: DataFrame) -> None:
    for source, target, _ in cells():
        least = str(oracle.least_level(source, target))
        below = oracle.LEVELS[: oracle.LEVELS.index(least)]
        for level in below:
            made = plan(table, Schema([ColSpec(target, "c")]), level=level, columns={"c": source})
            assert [str(p.code) for p in made.problems] == ["INCOMPATIBLE_TYPE"], (source, target, level)
            assert f"level='{least}'" in str(made.problems[0].hint)
        assert plan(table, Schema([ColSpec(target, "c")]), level=least, columns={"c": source}).ok
