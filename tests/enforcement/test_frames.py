"""The verbs on real Spark: no job before an action, no row lost or changed, and a bad row fails the query."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sparksig import (
    AbsentColumnWarning,
    ColSpec,
    ModelSignature,
    PolicyError,
    Schema,
    SchemaError,
    TensorSpec,
    enforce,
    plan,
    score,
    split,
    struct_type,
    tag,
    validate,
)
from tests.verdict import places

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")

SIGNATURE = Schema(
    [
        *(ColSpec("integer", "n"), ColSpec("double", "x"), ColSpec("datetime", "day")),
        *(ColSpec("string", "s"), ColSpec("long", "o", required=False), ColSpec("float", "gone", required=False)),
    ]
)
NAN = float("nan")
CLEAN = [
    (1, 0.5, dt.date(2018, 11, 4), "a", 5, "k1"),
    (2, NAN, dt.date(1970, 1, 1), "", None, "k2"),
    (2, NAN, dt.date(1970, 1, 1), "", None, "k2"),
    (3, -0.0, dt.date(2262, 4, 11), "z", 2**53, None),
]
DIRTY = [
    (None, NAN, dt.date(2020, 1, 1), "a", 1, "k3"),
    (2**40, None, dt.date(2020, 1, 1), "a", 1, "k4"),
    (4, 1.0, dt.date(9999, 12, 31), "a", 2**53 + 1, "k5"),
    (4, 1.0, dt.date(9999, 12, 31), "a", 2**53 + 1, "k5"),
    (None, None, None, None, None, None),
]
CHECKED = {"level": {"n": "checked"}}


@pytest.fixture(scope="module")
def df(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(CLEAN + DIRTY, "n long, x double, day date, s string, o long, k string").repartition(3)


def rows(frame: DataFrame) -> Counter[str]:
    """The rows as a multiset in which NaN equals NaN."""
    return Counter(map(str, frame.collect()))


def jobs(spark: SparkSession) -> int:
    """How many jobs the session has started."""
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(None))


def test_verbs_start_no_job_before_an_action(spark: SparkSession, df: DataFrame) -> None:
    before = jobs(spark)
    plan(df, SIGNATURE, **CHECKED)
    enforce(df, SIGNATURE, **CHECKED)
    tag(df, SIGNATURE, **CHECKED)
    split(df, SIGNATURE, **CHECKED)
    with pytest.raises(SchemaError):
        enforce(df, SIGNATURE)
    assert jobs(spark) == before


def test_enforce_returns_declared_columns_and_types(df: DataFrame) -> None:
    found = enforce(
        df.where("k <> 'k3' and k <> 'k4' and k <> 'k5' or k is null and n is not null"), SIGNATURE, **CHECKED
    )
    declared = struct_type(SIGNATURE)
    assert [(f.name, f.dataType) for f in found.schema] == [(f.name, f.dataType) for f in declared]
    assert found.selectExpr("n", "unix_micros(day) d", "gone").where("n = 1").collect() == [
        (1, 1541289600000000, None)  # 2018-11-04 00:00 UTC, an hour that Sao Paulo does not have
    ]


def test_enforce_keeps_named_columns_and_rejects_bad_keep_names(df: DataFrame) -> None:
    found = enforce(df.where("n = 1"), SIGNATURE, **CHECKED, keep=["k"])
    assert found.columns[-1] == "k" and found.collect()[0]["k"] == "k1"
    with pytest.raises(SchemaError, match="keep"):
        enforce(df, SIGNATURE, **CHECKED, keep=["n", "nothing"])
    table = df.selectExpr("n as x", "n as `0`", "k")
    for keep in (["k", "k"], ["0"]):  # an unnamed column is called by its position
        with pytest.raises(SchemaError, match="cannot be kept") as raised:
            enforce(table, Schema([ColSpec("long")]), columns=["x"], keep=keep)
        assert [(p.path, str(p.code)) for p in raised.value.problems] == [(keep[-1], "DUPLICATE_COLUMN")]


@pytest.mark.parametrize("action", ["count", "one column", "collect", "isEmpty over all"])
def test_enforce_fails_on_a_bad_row_whatever_the_query_reads(df: DataFrame, action: str) -> None:
    found = enforce(df.where("k = 'k4'"), SIGNATURE, **CHECKED)
    actions: dict[str, Any] = {
        "count": found.count,
        "one column": found.select("s").collect,
        "collect": found.collect,
        "isEmpty over all": found.groupBy().count().collect,
    }
    with pytest.raises(Exception, match="n: OUT_OF_RANGE") as raised:
        actions[action]()
    told = str(raised.value)
    assert "x: NULL" in told and "declared integer, the table has long" in told and "hint" in told
    assert str(2**40) not in told and "k4" not in told and "at org.apache" not in told


def test_validate_shows_keys_only_when_requested(spark: SparkSession) -> None:
    df = spark.range(100).selectExpr("id", "named_struct('day', date'2024-01-01') as `a.b`", "nullif(id % 3, 0) as n")
    schema = Schema([ColSpec("long", "n")])
    assert "examples" not in str(validate(df, schema).to_dict()) and validate(df, schema).violations[0].examples == ()
    tracker = spark.sparkContext.statusTracker()
    spark.sparkContext.setJobGroup("validate", "examples")
    report = validate(df, schema, examples=3, keys=["id", "a.b"])
    assert len(tracker.getJobIdsForGroup("validate")) <= 2  # one action; adaptive execution may cut it in two
    [count] = report.violations
    ids = [keys["id"] for keys in count.examples]
    assert count.rows == 34 and 1 < len(set(ids)) == len(ids) <= 3 and all(i % 3 == 0 for i in ids)
    for shown in (str(report), report._repr_html_()):
        assert f"(id={ids[0]}, " in shown and "as asked for with examples= and keys=" in shown
    assert "asked" not in str(validate(df, schema)) + validate(df, schema)._repr_html_()
    assert report.to_dict()["violations"][0]["examples"][0]["id"] == ids[0]
    for wrong in ({"examples": 1}, {"keys": ["id"]}, {"examples": 1, "keys": "id"}):
        with pytest.raises(PolicyError, match="give both"):
            validate(df, schema, **wrong)
    with pytest.raises(SchemaError, match="named by keys="):
        validate(df, schema, examples=1, keys=["no"])


def test_validate_shows_keys_of_every_comparable_type(spark: SparkSession) -> None:
    kinds = {
        **{"b": "x'00ff'", "a": "array(1, null)", "s": "named_struct('z', 1)", "d": "date'2024-01-01'", "t": "'x\ny'"},
        **{"f": "double('NaN')", "n": "cast(null as long)", "m": "map('k', 1)", "i": "make_interval(1)"},
    }
    df = spark.range(3).selectExpr("nullif(id, id) as x", *(f"{made} as {name}" for name, made in kinds.items()))
    schema = Schema([ColSpec("long", "x")])
    report = validate(df, schema, examples=3, keys=list("basdtfn"))
    [count] = report.violations
    assert count.rows == 3 and len(count.examples) == 1  # the rows have one key
    json.dumps(report.to_dict(), allow_nan=False)
    assert "t=x\\ny" in str(report)
    with pytest.raises(SchemaError, match="tell no row") as raised:
        validate(df, schema, examples=1, keys=["d", "m", "i"])
    assert [problem.path for problem in raised.value.problems] == ["m", "i"]


def test_enforce_ignores_rows_dropped_by_the_users_query(spark: SparkSession, df: DataFrame) -> None:
    from pyspark.sql import functions as F

    good = spark.createDataFrame([("k1",), ("k2",)], "k string")
    joined = df.join(good, "k")
    assert enforce(joined, SIGNATURE, **CHECKED).count() == 3
    assert enforce(df.join(good, "k", "left_semi"), SIGNATURE, **CHECKED).count() == 3
    by_python = df.where(F.udf(lambda k: k in ("k1", "k2"), "boolean")("k"))
    assert enforce(by_python, SIGNATURE, **CHECKED).count() == 3
    grouped = df.where("k in ('k1', 'k2')").groupBy("k").agg(F.max("n").alias("n"))
    assert enforce(grouped, Schema([ColSpec("long", "n")])).count() == 2


def test_enforce_does_not_check_the_other_table_of_a_join(spark: SparkSession, df: DataFrame) -> None:
    other = spark.createDataFrame([(None, "a"), (1, None), (1, "a")], "n int, s string")
    accepted = enforce(df.where("n = 1"), SIGNATURE, **CHECKED)
    assert accepted.join(other, "n").count() == 2
    assert accepted.join(other, "s").count() == 2


def test_tag_keeps_every_row_and_column_unchanged(df: DataFrame) -> None:
    tagged = tag(df, SIGNATURE, **CHECKED)
    assert tagged.schema.fields[:-1] == df.schema.fields
    assert rows(tagged.drop("_violations")) == rows(df)
    clean, dirty = tagged.where("_violations is null"), tagged.where("_violations is not null")
    assert rows(clean.drop("_violations")) + rows(dirty.drop("_violations")) == rows(df)
    assert clean.count() == len(CLEAN)


@pytest.mark.parametrize("cached", [False, True])
def test_split_partitions_the_rows(df: DataFrame, cached: bool) -> None:
    source = df.repartition(2)
    if cached:
        source = source.cache()
        source.count()
    parts = split(source, SIGNATURE, **CHECKED)
    assert rows(parts.quarantined.drop("_violations")) == rows(
        tag(df, SIGNATURE, **CHECKED).where("_violations is not null").drop("_violations")
    )
    assert parts.accepted.columns == SIGNATURE.input_names()
    assert parts.accepted.count() == len(CLEAN) and parts.quarantined.count() == len(DIRTY)
    assert parts.quarantined.where("_violations is null").count() == 0
    source.unpersist()


def test_validate_counts_by_path_and_code_in_one_action(spark: SparkSession, df: DataFrame) -> None:
    report = validate(df, SIGNATURE, **CHECKED)
    assert (report.rows_in, report.rows_clean, report.rows_violating) == (9, 4, 5)
    assert {(c.path, c.code): c.rows for c in report.violations} == {
        **{("day", "OUT_OF_RANGE"): 2, ("o", "NOT_EXACT"): 2, ("n", "NULL"): 2, ("n", "OUT_OF_RANGE"): 1},
        **{("x", "NULL"): 2, ("day", "NULL"): 1, ("s", "NULL"): 1},
    }
    assert not report.ok and report.to_dict()["rows_violating"] == 5


def test_verbs_accept_an_empty_table(df: DataFrame) -> None:
    empty = df.where("false")
    assert validate(empty, SIGNATURE, **CHECKED).to_dict() == {
        "rows_in": 0, "rows_clean": 0, "rows_violating": 0, "violations": [],
    }  # fmt: skip
    assert enforce(empty, SIGNATURE, **CHECKED).count() == 0
    parts = split(empty, SIGNATURE, **CHECKED)
    assert (parts.accepted.count(), parts.quarantined.count()) == (0, 0)


def test_validate_follows_the_policy_for_nulls_and_nan(spark: SparkSession) -> None:
    table = spark.createDataFrame([(1, 1.0), (None, 1.0), (2, NAN), (3, None)], "n long, x double")
    schema = Schema([ColSpec("long", "n"), ColSpec("double", "x")])
    assert validate(table, schema).rows_clean == 2
    assert validate(table, schema, allow_nulls=True).rows_clean == 4
    assert validate(table, schema, allow_nulls=["n"]).rows_clean == 3
    assert {(c.path, c.code) for c in validate(table, schema, allow_nan=False).violations} == {
        ("n", "NULL"), ("x", "NULL"), ("x", "NAN"),
    }  # fmt: skip


def test_tag_rejects_a_clash_with_the_violations_column(spark: SparkSession) -> None:
    table = spark.createDataFrame([(1, 2)], "a long, _Violations long")
    schema = Schema([ColSpec("long", "a")])
    with pytest.raises(SchemaError, match="violations_column"):
        tag(table, schema)
    assert tag(table, schema, violations_column="faults").columns == ["a", "_Violations", "faults"]


def test_tag_checks_a_flat_tensor_by_shape_and_by_entry(spark: SparkSession) -> None:
    data = [([1.0, 2.0, 3.0, 4.0],), ([0.1, 1.0, None, NAN],), ([1e300, 1.0, 1.0, 1.0],), ([1.0],), ([],), (None,)]
    table = spark.createDataFrame(data, "image array<double>")
    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 2, 2), "image")])
    found = [[(v.path, v.code) for v in row[-1] or []] for row in tag(table, schema, level="checked").collect()]
    assert found == [
        [],
        [("image[]", "NULL"), ("image[]", "NOT_EXACT")],
        [("image[]", "OUT_OF_RANGE")],
        [("image", "WRONG_LENGTH")],
        [("image", "WRONG_LENGTH")],
        [("image", "NULL")],
    ]
    rounded = tag(table, schema, allow_rounding=True).where("_violations is null")
    assert rounded.count() == 1
    accepted = enforce(table.limit(1), schema, level="checked")
    # up to nullability, which Spark derives from expressions
    assert accepted.dtypes == [("image", struct_type(schema)["image"].dataType.simpleString())]
    assert accepted.collect() == [([[1.0, 2.0], [3.0, 4.0]],)]


def test_enforce_derives_nullability_and_keeps_metadata(spark: SparkSession) -> None:
    table = places.marked(spark)
    assert places.unfit_fields(spark) == []
    found = enforce(table, places.MARKED, level="checked", keep=["id"]).schema
    # a flag is what Spark derives: false only where there can be no null, whatever the signature requires
    assert {f.name: f.nullable for f in found if f.nullable} == {"checked": True, "absent": True}
    assert {f.name: f.nullable for f in found if f.metadata == {}} == {
        **{"checked": True, "absent": True, "widened": False, "array cast": False},
    }
    loose = spark.createDataFrame(table.collect(), [f.name for f in table.schema])
    assert all(f.nullable for f in enforce(loose, places.MARKED, level="checked").schema)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_verbs_keep_the_watermark_of_an_event_time_column(spark: SparkSession, zone: str | None) -> None:
    stream = spark.readStream.format("rate").load().withWatermark("timestamp", "10 minutes")
    mark = {"spark.watermarkDelayMs": 600_000}
    assert stream.schema["timestamp"].metadata == mark
    schema = Schema([ColSpec("datetime", "timestamp"), ColSpec("long", "value")])
    parts = split(stream, schema, time_zone=zone)
    frames = [enforce(stream, schema, time_zone=zone), tag(stream, schema, time_zone=zone)]
    for frame in (*frames, parts.accepted, parts.quarantined):
        assert frame.isStreaming and frame.schema["timestamp"].metadata == mark


def test_enforce_and_tag_add_one_project_and_one_filter_at_most(df: DataFrame) -> None:
    def nodes(frame: DataFrame) -> list[str]:
        plan_text = frame._jdf.queryExecution().optimizedPlan().toString()  # type: ignore[operator]
        return [line.lstrip(" :+-").split(" ")[0] for line in plan_text.splitlines()]

    table = df.sparkSession.range(10).selectExpr("id n", "1d x", "current_date() day", "'a' s", "id o")
    bare = nodes(table.selectExpr("cast(n as int) n", "x", "s"))
    assert Counter(nodes(enforce(table, SIGNATURE, **CHECKED))) - Counter(bare) <= Counter({"Filter": 1, "Project": 1})
    assert Counter(nodes(tag(table, SIGNATURE, **CHECKED))) - Counter(bare) <= Counter({"Project": 1})


def test_verbs_warn_once_of_absent_optional_columns(df: DataFrame) -> None:
    table = df.withColumnRenamed("k", "going")
    verbs: dict[str, Callable[..., Any]] = {
        **{"enforce": enforce, "tag": tag, "split": split, "validate": validate},
        "score": lambda *arguments, **options: score(*arguments, returns="double", **options),
    }
    for name, verb in verbs.items():
        more = (lambda batch: batch.x,) if name == "score" else ()
        signature = ModelSignature(SIGNATURE) if name == "score" else SIGNATURE
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            verb(table, *more, signature, **CHECKED)
            verb(table, *more, signature, **CHECKED, on_absent="ignore")
        assert [each.category for each in caught] == [AbsentColumnWarning], name
        text = str(caught[0].message)
        assert "gone: optional, but the table has no such column" in text and "did you mean 'going'?" in text
        assert caught[0].filename == __file__, name
        with pytest.raises(SchemaError) as error:
            verb(table, *more, signature, **CHECKED, on_absent={"gone": "error"})
        assert [problem.path for problem in error.value.problems] == ["gone"], name
