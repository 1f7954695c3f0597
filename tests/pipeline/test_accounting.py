"""The digest of a table: equal for the same rows in any order, different after every possible change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sparksig.pipeline.accounting import Digest, digest, row_hash, together

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

SAME = [  # pairs of values that are one value to whoever reads the table
    ("double", "double('NaN')", "double('NaN') * -1"),
    ("double", "0.0d", "-0.0d"),
    ("array<double>", "array(double('NaN'), 0.0d)", "array(double('NaN') * -1, -0.0d)"),
    ("map<string,int>", "map('a', 1, 'b', 2)", "map('b', 2, 'a', 1)"),
    (
        "map<int,map<string,array<int>>>",
        "map(1, map('a', array(1), 'b', null), 2, null)",
        "map(2, null, 1, map('b', null, 'a', array(1)))",
    ),
]
OTHER = [  # pairs of values that are not
    ("bigint", "9007199254740993L", "9007199254740992L"),
    ("double", "null", "0.0d"),
    ("string", "''", "null"),
    ("string", "'a'", "'A'"),
    ("decimal(10,2)", "1.10", "1.01"),
    ("binary", "X'00'", "X''"),
    ("array<int>", "array()", "null"),
    ("array<int>", "array(null, 1)", "array(1, null)"),
    ("array<int>", "array(1)", "array(1, null)"),
    ("array<string>", "array('a', 'bc')", "array('ab', 'c')"),
    ("array<string>", "array('', null)", "array(null, '')"),
    ("array<array<int>>", "array(array(1), array(2))", "array(array(1, 2), array())"),
    ("struct<a:int,b:int>", "named_struct('a', 1, 'b', null)", "named_struct('a', null, 'b', 1)"),
    ("struct<a:int>", "named_struct('a', null)", "null"),
    ("map<string,int>", "map('a', 1, 'b', 2)", "map('a', 2, 'b', 1)"),
    ("map<string,int>", "map('a', null)", "map()"),
    ("map<string,int>", "map()", "null"),
    ("timestamp", "timestamp'2024-01-01 00:00:00.000001Z'", "timestamp'2024-01-01 00:00:00Z'"),
]
VARIANTS = [
    ("""parse_json('{"a": [1, null]}')""", """parse_json('{"a": [null, 1]}')"""),
    ("parse_json('null')", "null"),
    ("""parse_json('{"a": 1}')""", """parse_json('{"a": "1"}')"""),
]


def digests(frames: list[DataFrame]) -> list[Digest]:
    return [digest(frame, frame.schema.fields) for frame in frames]


def hashes(spark: SparkSession, pairs: list[tuple[str, str, str]], side: int) -> list[int]:
    """The hash of each value as a row of its own, all of them in one job."""
    table = spark.sql(f"select {', '.join(f'cast({pair[side]} as {pair[0]}) as c{i}' for i, pair in enumerate(pairs))}")
    nullable = [field.__class__(field.name, field.dataType, True) for field in table.schema.fields]
    return list(table.select(*[row_hash([(field.name, field)]).alias(field.name) for field in nullable]).collect()[0])


def test_digest_changes_with_every_change_of_a_value(spark: SparkSession) -> None:
    assert hashes(spark, SAME, 1) == hashes(spark, SAME, 2)
    changed = [*OTHER, *(("variant", one, other) for one, other in VARIANTS if spark.version >= "4")]
    pairs = zip(changed, hashes(spark, changed, 1), hashes(spark, changed, 2), strict=True)
    assert [case for case, a, b in pairs if a == b] == []


def test_digest_counts_each_row_and_ignores_order(spark: SparkSession) -> None:
    rows = spark.range(1000).selectExpr("id", "id % 7 as k", "if(id % 3 = 0, null, 'x') as s")
    whole, (a, b) = digest(rows, rows.schema.fields), rows.randomSplit([0.5, 0.5], seed=1)
    assert whole.rows == 1000
    assert digest(rows.orderBy("k").repartition(3), rows.schema.fields) == whole
    assert together(digests([a, b])) == whole
    assert together(digests([a, a, b])) != whole
    doubled = rows.where("id > 1").union(rows.where("id = 5")).union(rows.where("id = 5"))
    assert doubled.count() == 1000 and digest(doubled, rows.schema.fields) != whole
    nothing = rows.where("id < 0")
    assert digest(nothing, nothing.schema.fields) == Digest() == together([])


def test_digest_distinguishes_columns_of_nulls(spark: SparkSession) -> None:
    one = spark.sql("select 1 as a, cast(null as int) as b")
    other = spark.sql("select cast(null as int) as a, 1 as b")
    nullable = [field for field in other.schema.fields[:1] * 2]
    assert digest(one, nullable) != digest(other, nullable)


def test_digest_accepts_any_struct_field_name(spark: SparkSession) -> None:
    frame = spark.sql("select named_struct('a.b', 1, '`', map('k', named_struct('A', 1, 'a', 2))) as s")
    assert digest(frame, frame.schema.fields).rows == 1


@pytest.mark.parametrize("form", ["parquet", "orc"])
def test_digest_is_equal_after_writing_and_reading_back(spark: SparkSession, tmp_path: Path, form: str) -> None:
    kinds = [pair[0] for pair in OTHER]
    whole = spark.sql(  # of a source that has no nulls inside; what is read back says that it may
        "select id, array(id) a, map(id, map('k', array('x'))) m, named_struct('a.b', array(map('k', id))) s"
        " from range(3)"
    )
    whole.write.format(form).save(str(tmp_path / "whole"))
    back = spark.read.schema(whole.schema).format(form).load(str(tmp_path / "whole"))
    assert digest(back, whole.schema.fields) == digest(whole, whole.schema.fields)
    rows = spark.sql(f"select {', '.join(f'cast({pair[1]} as {pair[0]}) as c{i}' for i, pair in enumerate(OTHER))}")
    rows = rows.union(spark.sql(f"select {', '.join(f'cast(null as {kind})' for kind in kinds)}"))
    rows.write.format(form).save(str(tmp_path / form))
    back = spark.read.schema(rows.schema).format(form).load(str(tmp_path / form))
    assert digest(back, rows.schema.fields) == digest(rows, rows.schema.fields)
