"""Columns with the same check are checked together, in one of several SQL forms; the form never changes the verdict."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from sparksig import ColSpec, Schema, enforce, plan, split, tag
from tests.enforcement import oracle
from tests.enforcement.edges import SOURCES
from tests.enforcement.test_casts_spark import expected

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# long to integer asks the cast itself, the others compare the least and the greatest, or ask value by value
CELLS = [("long", "integer"), ("long", "double"), ("long", "float"), ("integer", "float"), ("double", "integer")]
WIDTHS = [2, 5, 30, 130]
"""In one method, of which the last guard is the last column's; in a lambda; in an array."""


def frame(spark: SparkSession, source: str, width: int) -> tuple[DataFrame, list[tuple[Any, ...]]]:
    """Rows of a value that every type holds, with each edge value, and null, at one place or another."""
    harmless = float(7) if source in ("float", "double") else 7
    rows = []
    for i, value in enumerate([*SOURCES[source], None]):
        row: list[Any] = [harmless] * width
        row[i % width] = value
        row[(i * 7 + 3) % width] = [harmless, None][i % 3 == 0] if width > 2 else row[(i * 7 + 3) % width]
        rows.append(tuple(row))
    rows.append((harmless,) * width)
    names = ", ".join(f"c{i} {oracle_type(source)}" for i in range(width))
    return spark.createDataFrame(rows, names), rows


def oracle_type(source: str) -> str:
    return {"long": "bigint", "integer": "int"}.get(source, source)


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_tag_checks_same_typed_columns_one_by_one(
    spark: SparkSession, source: str, target: str, width: int, nulls: bool
) -> None:
    table, rows = frame(spark, source, width)
    schema = Schema([ColSpec(target, name) for name in table.columns])
    found = tag(table, schema, level="checked", allow_nulls=nulls).collect()
    for row, got in zip(rows, found, strict=True):
        want = [(f"c{i}", expected(value, source, target, False)) for i, value in enumerate(row)]
        faults = [(path, code) for path, code in want if isinstance(code, str) and not (nulls and code == "NULL")]
        assert [(v.path, v.code) for v in got["_violations"] or []] == faults
        assert (got["_violations"] is None) == (not faults)


@pytest.mark.parametrize("source", ["tinyint", "smallint", "int", "decimal(9,0)", "bigint", "decimal(18,0)"])
def test_tag_limits_optional_longs_to_exact_doubles(spark: SparkSession, source: str) -> None:
    wide = source in ("bigint", "decimal(18,0)")
    beyond = 2**53 + 1 if wide else 127
    rows = [(1, -128, None), (None, beyond, 3), (None, None, None)]
    table = spark.createDataFrame([(str(a), str(b), str(c)) for a, b, c in rows], "a string, b string, c string")
    table = table.selectExpr(*[f"try_cast({name} as {source}) as {name}" for name in "abc"])
    schema = Schema([ColSpec("long", name, required=False) for name in "abc"])
    found = [[(v.path, v.code) for v in row["_violations"] or []] for row in tag(table, schema).collect()]
    assert found == [[], [("b", "NOT_EXACT")] if wide else [], []]
    # a check that no value can fail is none
    assert [bool(step.checks) for step in plan(table, schema).steps] == [wide] * 3


@pytest.mark.parametrize("width", WIDTHS)
def test_enforce_error_lists_all_violations_of_a_row(spark: SparkSession, width: int) -> None:
    schema = Schema([ColSpec("integer", f"c{i}") for i in range(width)])
    row = (None, 2**31, *[1] * (width - 2))
    table = spark.createDataFrame([row], ", ".join(f"c{i} bigint" for i in range(width)))
    with pytest.raises(
        Exception, match=r"c0: NULL .declared.*; c1: OUT_OF_RANGE .declared integer, the table has long"
    ):
        enforce(table, schema, level="checked").count()
    assert split(table, schema, level="checked").accepted.count() == 0


COMPILED = 8000
"""Bytecodes of a method above which HotSpot leaves it to the interpreter (its `HugeMethodLimit`)."""


@pytest.mark.parametrize(
    ("source", "target"), [("bigint", "integer"), ("double", "double"), ("bigint", "double"), ("string", "string")]
)
def test_enforce_and_tag_generate_methods_short_enough_to_compile(
    spark: SparkSession, source: str, target: str
) -> None:
    jvm: Any = spark._jvm
    debug = getattr(getattr(jvm.org.apache.spark.sql.execution.debug, "package$"), "MODULE$")
    lambdas = 0
    for width in (1, 15, 20, 21, 38, 40, 41, 44, 60, 90):
        table = spark.range(1).selectExpr(*[f"cast(id as {source}) as c{i}" for i in range(width)])
        schema = Schema([ColSpec(target, name) for name in table.columns])
        for made in (enforce(table, schema, level="checked"), tag(table, schema, level="checked")):
            executed = made._jdf.queryExecution().executedPlan()
            lambdas += "lambdafunction" in executed.toString()
            sizes = re.findall(r"maxMethodCodeSize:(\d+)", debug.codegenString(executed))
            assert sizes
            assert max(map(int, sizes)) < COMPILED, (width, sizes)
    assert 0 < lambdas < 20  # both spellings were seen


def test_cast_cells_are_those_the_oracle_allows_at_checked() -> None:
    assert all(oracle.least_level(source, target) == "checked" for source, target in CELLS)
