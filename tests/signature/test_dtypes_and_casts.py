"""The dtype table resolves in numpy, Arrow, MLflow and Spark; the cast table obeys its laws."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparksig.errors import Code
from sparksig.signature.casts import Between, Cast, Fixed, Level, Source, find_cast, find_rounding
from sparksig.signature.dtypes import ARROW, ELEMENTS, MLFLOW, SPARK, TABLE, Element, Kind

DECLARED = [row for row in TABLE if row.mlflow is not None]
NATIVE = list(SPARK.values())
FIXED = [Fixed(p, s) for p in range(1, 39) for s in range(p + 1)]

elements = st.sampled_from(NATIVE)
declared = st.sampled_from(DECLARED)
sources: st.SearchStrategy[Source] = st.one_of(elements, st.sampled_from(FIXED))
levels = st.sampled_from(list(Level))


def admits(source: Source, target: Element, level: Level) -> bool:
    cast = find_cast(source, target)
    return cast is not None and cast.level <= level


# ---- names


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.numpy)
def test_dtype_names_resolve_in_numpy_arrow_and_pyspark(row: Element) -> None:
    types = pytest.importorskip("pyspark.sql.types")
    dtype = np.dtype(row.numpy)
    assert dtype.kind == {"boolean": "b", "float": "f", "string": "U", "binary": "S", "datetime": "M"}.get(
        row.kind, "i" if row.signed else "u"
    )
    assert pa.type_for_alias(row.arrow) is not None
    assert types._parse_datatype_json_value(row.spark).jsonValue() == row.spark


def test_dtype_bounds_equal_those_of_numpy() -> None:
    for row in TABLE:
        if row.kind is Kind.INTEGER:
            info = np.iinfo(row.numpy)
            assert (row.low, row.high) == (info.min, info.max)
        if row.kind is Kind.FLOAT:
            assert row.digits == np.finfo(row.numpy).nmant + 1
            assert row.largest == int(np.finfo(row.numpy).max)
            dtype = np.dtype(row.numpy).type
            assert int(dtype(row.high)) == row.high and int(dtype(row.high + 1)) != row.high + 1


def test_dtype_table_equals_mlflows_data_types() -> None:
    mlflow_types = pytest.importorskip("mlflow.types")
    assert {name: row.number for name, row in MLFLOW.items()} == {t.name: t.value for t in mlflow_types.DataType}
    assert {name: np.dtype(row.numpy) for name, row in MLFLOW.items()} == {
        t.name: np.dtype(t.to_numpy()) for t in mlflow_types.DataType
    }


def test_dtype_indexes_hold_every_row() -> None:
    assert set(ELEMENTS.values()) == set(TABLE) == set(ARROW.values())
    assert SPARK["short"].numpy == "int16" and SPARK["long"].numpy == "int64" and SPARK["float"].numpy == "float32"
    assert "decimal(20,0)" not in SPARK


# ---- laws


@given(elements, levels)
def test_cast_is_reflexive_at_every_level(element: Element, level: Level) -> None:
    assert admits(element, element, level)


@given(sources, elements, elements, levels)
def test_cast_is_transitive_at_every_level(a: Source, b: Element, c: Element, level: Level) -> None:
    if admits(a, b, level) and admits(b, c, level):
        assert admits(a, c, level)


@given(elements, elements, st.sampled_from([Level.STRICT, Level.SAFE]))
def test_cast_is_antisymmetric_at_strict_and_safe(a: Element, b: Element, level: Level) -> None:
    if admits(a, b, level) and admits(b, a, level):
        assert a == b


@given(sources, declared)
def test_cast_level_allows_everything_a_lower_level_allows(source: Source, target: Element) -> None:
    verdicts = [admits(source, target, level) for level in Level]
    assert verdicts == sorted(verdicts)


SAFE = {
    ("byte", t) for t in ("integer", "long", "float", "double")
} | {("short", t) for t in ("integer", "long", "float", "double")} | {
    *(("integer", t) for t in ("long", "double")),
    ("float", "double"),
    ("date", "datetime"),
    ("timestamp_ntz", "datetime"),
}  # fmt: skip


def test_cast_safe_allows_exactly_the_documented_list() -> None:
    found = {(s.spark, t.mlflow) for s in NATIVE for t in DECLARED if (c := find_cast(s, t)) and c.level is Level.SAFE}
    assert found == SAFE
    for fixed in FIXED:
        safe = {t.mlflow for t in DECLARED if (c := find_cast(fixed, t)) and c.level is Level.SAFE}
        whole = fixed.scale == 0
        assert ("integer" in safe) == (whole and fixed.precision <= 9)
        assert ("long" in safe) == (whole and fixed.precision <= 18)
        assert ("double" in safe) == (fixed.precision <= 15)
        assert "float" not in safe


def test_cast_keeps_boolean_string_and_binary_apart() -> None:
    for source in [*NATIVE, *FIXED]:
        for name in ("boolean", "string", "binary"):
            cast = find_cast(source, MLFLOW[name])
            same = isinstance(source, Element) and source.spark == name
            assert (cast is not None) == (same or (name == "boolean" and source == SPARK["string"])), (source, name)
    for target in DECLARED:
        for name in ("boolean", "binary"):
            assert (find_cast(SPARK[name], target) is not None) == (target.mlflow == name)


# ---- widenings are exact at their boundary points, guards are the boundary


def values_at(row: Element) -> list[int]:
    return [row.low, row.low + 1, -1, 0, 1, row.high - 1, row.high] if row.signed else [0, 1, row.high]


@given(st.sampled_from([row for row in TABLE if row.is_number]), st.sampled_from([r for r in TABLE if r.is_number]))
def test_cast_widening_without_a_guard_is_exact(source: Element, target: Element) -> None:
    cast = find_cast(source, target)
    if cast is None or cast.guards or source.kind is not Kind.INTEGER:
        return
    for value in values_at(source):
        assert int(np.array([value], source.numpy).astype(target.numpy)[0]) == value


@given(st.sampled_from([row for row in TABLE if row.kind is Kind.INTEGER]), st.sampled_from([r for r in DECLARED]))
def test_cast_integer_guard_is_the_intersection_of_both_ranges(source: Element, target: Element) -> None:
    cast = find_cast(source, target)
    if cast is None or not target.is_number:
        return
    low, high = max(source.low, target.low), min(source.high, target.high)
    guard = next((g for g in cast.guards if isinstance(g, Between)), Between(None, None))
    assert (source.low if guard.low is None else guard.low) == low
    assert (source.high if guard.high is None else guard.high) == high


def test_cast_bounds_from_floats_are_representable_floats() -> None:
    to_long = find_cast(ELEMENTS["float64"], ELEMENTS["int64"])
    assert to_long is not None
    bounds = next(g for g in to_long.guards if isinstance(g, Between))
    assert (bounds.low, bounds.high) == (-(2**63), 9223372036854774784)
    assert float(9223372036854774784) < 2.0**63 == np.nextafter(9223372036854774784.0, np.inf)


@given(sources, declared)
def test_cast_rounding_requires_no_more_than_the_cast(source: Source, target: Element) -> None:
    rounded, exact = find_rounding(source, target), find_cast(source, target)
    if rounded is not None:
        assert exact is not None and exact.guards and target.kind is Kind.FLOAT
        assert rounded.level is Level.SAFE and rounded.rounds
        assert {g.code for g in rounded.guards} <= {Code.OUT_OF_RANGE}


def test_cast_prints_its_level_and_guards() -> None:
    cast = find_cast(ELEMENTS["float64"], ELEMENTS["int32"])
    assert isinstance(cast, Cast)
    assert str(cast) == "double to int32 (checked): not NaN, between -2147483648 and 2147483647, integral"
