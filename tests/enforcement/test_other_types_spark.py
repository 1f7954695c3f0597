"""Less common types: char and varchar, variant, intervals, fields that differ by case only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    Property,
    Schema,
    TensorSpec,
    ViolationError,
    enforce,
    enforce_values,
    plan,
    split,
    struct_type,
    tag,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")


def faults(made: Any) -> list[tuple[str, str]]:
    return [(problem.path, str(problem.code)) for problem in made.problems]


# ---- char and varchar

KEPT = "spark.sql.preserveCharVarcharTypeInfo"


@pytest.fixture(params=["true", "false"])
def kept(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether Spark shows a table's char and varchar columns by their own types, or as strings."""
    spark.conf.set(KEPT, request.param)
    yield request.param == "true"
    spark.conf.unset(KEPT)


def test_enforce_treats_char_and_varchar_as_strings(spark: SparkSession, kept: bool) -> None:
    table = spark.sql(
        """select cast('12' as char(2)) as c, cast('7 ' as varchar(9)) as v, array(cast('ab' as char(3))) as a,
                  named_struct('x', cast('y' as varchar(2))) as s"""
    )
    assert ("char" in str(table.schema.jsonValue())) is kept
    inside = Object([Property("x", "string")])
    schema = Schema(
        [ColSpec("string", "c"), ColSpec("string", "v"), ColSpec(Array("string"), "a"), ColSpec(inside, "s")]
    )
    found = enforce(table, schema, level="strict")
    assert found.dtypes == [("c", "string"), ("v", "string"), ("a", "array<string>"), ("s", "struct<x:string>")]
    padded = "ab " if kept else "ab"  # as Spark itself gives it
    assert found.collect() == [("12", "7 ", [padded], ("y",))]
    tagged = tag(table, schema)
    assert tagged.schema.fields[:-1] == table.schema.fields and tagged.collect()[0]["_violations"] is None


def test_tag_parses_char_and_varchar_as_strings(spark: SparkSession, kept: bool) -> None:
    table = spark.sql("select cast('12' as char(2)) as c, cast('7 ' as varchar(9)) as v, cast('1' as char(3)) as p")
    schema = Schema([ColSpec("long", name) for name in table.columns])
    assert faults(plan(table, schema)) == [(name, "INCOMPATIBLE_TYPE") for name in table.columns]
    found = {v.path: v.code for v in tag(table, schema, level="parse").collect()[0]["_violations"]}
    # a blank is no digit, also where char has put it there
    assert found == {"v": "UNPARSABLE", **({"p": "UNPARSABLE"} if kept else {})}
    assert faults(plan(table, Schema([ColSpec("binary", "c")]), level="parse")) == [("c", "INCOMPATIBLE_TYPE")]


def test_split_accepts_char_columns_of_a_stored_table(spark: SparkSession) -> None:
    spark.sql("create table char_columns (c char(3), v varchar(5)) using parquet")
    try:
        spark.sql("insert into char_columns values ('a', 'b'), (null, 'c')")
        schema = Schema([ColSpec("string", "c"), ColSpec("string", "v")])
        parts = split(spark.table("char_columns"), schema)
        assert parts.accepted.collect() == [("a  ", "b")] and parts.quarantined.count() == 1
    finally:
        spark.sql("drop table char_columns")


# ---- variant; spans of time are asked of every Spark, in tests/verdict/places.py

OTHERS = {
    "variant": "parse_json('{\"a\": 1}')",
    "months": "make_ym_interval(1, 2)",
    "seconds": "make_dt_interval(1, 2)",
    "calendar": "make_interval(1, 2)",
    "void": "null",
}


def test_plan_accepts_variants_and_intervals_only_as_any(spark: SparkSession) -> None:
    table = spark.sql("select " + ", ".join(f"{made} as {name}" for name, made in OTHERS.items()))
    for kind in [*DataType, Array("long"), Map("string"), Object([Property("a", "long")])]:
        schema = Schema([ColSpec(kind, name) for name in OTHERS])
        made = plan(table, schema, level="parse")
        assert faults(made) == [(name, "UNSUPPORTED_TYPE") for name in OTHERS]
        assert all("which only Any takes" in problem.fact for problem in made.problems)


def test_enforce_and_tag_keep_any_values_unchanged_at_top_level_and_nested(spark: SparkSession) -> None:
    table = spark.sql("select " + ", ".join(f"{made} as {name}" for name, made in OTHERS.items()))
    alone = enforce(table, Schema([ColSpec(AnyType(), name, required=False) for name in OTHERS]))
    assert alone.dtypes == table.dtypes
    nested = table.selectExpr(
        "array(variant) as a",
        "map('k', months) as m",
        "named_struct('x', seconds, 'y', named_struct('z', calendar)) as o",
    )
    schema = Schema(
        [
            *(ColSpec(Array(AnyType()), "a"), ColSpec(Map(AnyType()), "m")),
            ColSpec(Object([Property("y", AnyType()), Property("x", AnyType())]), "o"),
        ]
    )
    shown = ["to_json(a)", "string(m)", "string(o.x)", "string(o.y.z)"]
    assert enforce(nested, schema).selectExpr(*shown).collect() == nested.selectExpr(*shown).collect()
    tagged = tag(nested, schema)
    assert tagged.drop("_violations").dtypes == nested.dtypes
    assert tagged.where("_violations is null").selectExpr(*shown).collect() == nested.selectExpr(*shown).collect()


def test_enforce_keeps_field_names_in_map_keys_of_any_in_a_struct(spark: SparkSession) -> None:
    table = spark.sql(
        """select array(named_struct('x', map(named_struct('a b', 1, '`', array(named_struct('c', 2))),
                                             named_struct('d.e', 3)), 'n', 5L)) as o"""
    )
    schema = Schema([ColSpec(Array(Object([Property("n", "integer"), Property("x", AnyType())])), "o")])
    found = enforce(table, schema, level="checked").selectExpr("o[0].x as x")
    wanted = table.selectExpr("o[0].x as x")
    assert found.dtypes == wanted.dtypes
    shown = ["to_json(map_keys(x))", "to_json(map_values(x))"]
    assert found.selectExpr(*shown).collect() == wanted.selectExpr(*shown).collect()


POINT = "st_geomfromwkb(X'0101000000000000000000F03F0000000000000040')"


@pytest.mark.parametrize(
    "closed",
    [
        *("'x' collate UNICODE_CI", "array('x' collate UNICODE_CI)", "map('x' collate UNICODE_CI, 1)"),
        *("named_struct('y', 'x' collate UNICODE_CI)", POINT, f"map(1, array({POINT}))"),
    ],
)
def test_plan_rejects_any_in_a_struct_that_no_cast_can_express(spark: SparkSession, closed: str) -> None:
    table = spark.sql(f"select named_struct('x', {closed}, 'n', 5L) as o")
    opened = Schema([ColSpec(Object([Property("n", "long"), Property("x", AnyType())]), "o")])
    made = plan(table, opened)
    assert faults(made) == [("o", "UNSUPPORTED_TYPE")] and "as Any" in str(made.problems[0].hint)
    as_hinted = Schema([ColSpec(AnyType(), "o")])
    assert enforce(table, as_hinted).dtypes == table.dtypes


def test_enforce_returns_instants_whatever_the_sessions_timestamp_type(spark: SparkSession) -> None:
    table = spark.sql(
        """select named_struct('t', timestamp_seconds(0), 'n', 1L) as s, map('k', timestamp_seconds(0)) as m,
                  date'1970-01-01' as d, '1970-01-01' as p"""
    )
    schema = Schema(
        [
            *(
                ColSpec(Object([Property("t", "datetime"), Property("n", "integer")]), "s"),
                ColSpec(Map("datetime"), "m"),
            ),
            *(ColSpec("datetime", "d"), ColSpec("datetime", "p"), ColSpec("datetime", "gone", required=False)),
        ]
    )
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        found = enforce(table, schema, level="parse")
        assert found.dtypes == [(f.name, f.dataType.simpleString()) for f in struct_type(schema)]
        assert found.selectExpr(
            "unix_micros(s.t)", "unix_micros(m.k)", "unix_micros(d)", "unix_micros(p)"
        ).collect() == [(0, 0, 0, 0)]
    finally:
        spark.conf.unset("spark.sql.timestampType")
        spark.conf.set("spark.sql.session.timeZone", str(before))


# ---- fields that differ by case only


def test_split_and_plan_distinguish_fields_that_differ_by_case_only(spark: SparkSession) -> None:
    from pyspark.sql import types as T

    fields = T.StructType([T.StructField("a", T.LongType()), T.StructField("A", T.StringType())])
    table = spark.createDataFrame(
        [((1, "x"),), ((2**40, "y"),), ((3, None),)],
        T.StructType([T.StructField("s", fields)]),
    )
    both = Schema([ColSpec(Object([Property("a", "integer"), Property("A", "string")]), "s")])
    parts = split(table, both, level="checked")
    assert [row["s"].asDict() for row in parts.accepted.collect()] == [{"A": "x", "a": 1}]
    found = [[(v.path, v.code) for v in row["_violations"]] for row in parts.quarantined.collect()]
    assert found == [[("s.a", "OUT_OF_RANGE")], [("s.A", "NULL")]]

    one = Schema([ColSpec(Object([Property("a", "long")]), "s")])
    assert faults(plan(table, one)) == [("s.A", "UNEXPECTED_FIELD")]
    assert faults(plan(table, one, case_sensitive=False)) == [("s.a", "AMBIGUOUS_COLUMN")]
    other = Schema([ColSpec(Object([Property("b", "long", required=False), Property("a", "long")]), "s")])
    assert faults(plan(table, other)) == [("s.A", "UNEXPECTED_FIELD")]


def test_plan_reports_a_field_in_another_case_and_case_sensitive_accepts_it(spark: SparkSession) -> None:
    table = spark.sql("select named_struct('Price', 1L) as s")
    schema = Schema([ColSpec(Object([Property("price", "long")]), "s")])
    made = plan(table, schema)
    assert ("s.price", "MISSING_FIELD") in faults(made) and "only the case differs" in str(made.problems[0].hint)
    assert enforce(table, schema, case_sensitive=False).dtypes == [("s", "struct<price:bigint>")]


def test_tag_and_enforce_values_reject_trailing_zeros_in_tensor_strings(spark: SparkSession) -> None:
    schema = Schema([TensorSpec(np.dtype("bytes"), (-1, 2), "b"), TensorSpec(np.dtype("str"), (-1, 2), "s")])
    rows = [
        ([b"a", b"\0b"], ["a", "b"], []),
        ([b"a", b"b\0"], ["", "x\0y"], [("b[]", "NOT_EXACT")]),
        ([b"\0", None], ["q\0", "z"], [("b[]", "NULL"), ("b[]", "NOT_EXACT"), ("s[]", "NOT_EXACT")]),
    ]
    table = spark.createDataFrame([row[:2] for row in rows], "b array<binary>, s array<string>").coalesce(1)
    found = [{(v.path, v.code) for v in row["_violations"] or []} for row in tag(table, schema).collect()]
    assert found == [set(wrong) for _, _, wrong in rows]
    for b, s, wrong in rows:
        data = pa.table({"b": pa.array([b], pa.list_(pa.binary())), "s": pa.array([s])})
        if wrong:
            with pytest.raises(ViolationError) as raised:
                enforce_values(data, schema)
            assert {(p.path, str(p.code)) for p in raised.value.problems} == set(wrong)
        else:
            assert enforce_values(data, schema)["b"].tolist() == [b]
