"""The position of `enforce` in a query decides which rows it checks: exactly those of its input frame.

An optimizer that moved the check would check rows that the query had dropped, or the other table of a join, or skip a
bad row with its file. Optimizers differ by version. Imports no test tool, as tests/verdict/cases.py does not.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    Property,
    Schema,
    enforce,
    plan,
    split,
    tag,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

X = Schema([ColSpec("double", "x")])
CONDITIONS = ("n < 10", "n = 999", "n < 10 and x > 0", "x is not null")
FAILS = "fails"


def ends(act: Callable[[], object]) -> str:
    """How an action ends: what it gives, or with the fault of the bad row."""
    try:
        return str(act())
    except Exception as error:
        return FAILS if "x: NULL" in str(error) else f"{type(error).__name__}: {error}"


def placed(spark: SparkSession) -> dict[str, str]:
    """How each query ends that drops the bad row before `enforce`, keeps it, or filters it away behind."""
    from pyspark.sql import functions as F

    df = spark.createDataFrame([(1, 0.5), (2, None), (3, 1.5)], "n int, x double").repartition(2)
    good = spark.createDataFrame([(1,), (3,)], "n int")
    by_python = df.where(F.udf(lambda n: n != 2, "boolean")("n"))
    enforced = enforce(df.where("n <> 2"), X, keep=["n"])
    actions: dict[str, Callable[[], object]] = {
        "dropped by a join": enforce(df.join(good, "n"), X).count,
        "dropped by a semi join": enforce(df.join(good, "n", "left_semi"), X).count,
        "dropped by an anti join": enforce(df.join(df.where("n = 2"), "n", "left_anti"), X).count,
        "dropped by Python": enforce(by_python, X).count,
        "dropped by an aggregate": enforce(df.groupBy().agg(F.max("x").alias("x")), X).count,
        "dropped by having": enforce(df.groupBy("n").agg(F.max("x").alias("x")).where("n <> 2"), X).count,
        "in the other table": enforced.join(df.withColumnRenamed("x", "y"), "n").count,
        "under the same name in the other table": enforced.select("x").join(df, "x", "left").count,
        "kept, and counted": enforce(df, X).count,
        "kept, and another column read": lambda: enforce(df, X, keep=["n"]).select("n").collect(),
        "kept, and joined away": enforce(df, X, keep=["n"]).join(good, "n").count,
    }
    found = {name: ends(act) for name, act in actions.items()} | filtered(spark) | spans(spark)
    found |= {"fields": str(unfit_fields(spark))}
    return found | {"told without a stack": told(enforce(df, X).count, spark.version)}


MESSAGE = "sparksig: a row breaks the signature: x: NULL (declared double, the table has double). hint: "


def told(act: Callable[[], object], version: str) -> str:
    """Whether the message of a failing action is the fault and no Java stack; on 3.5, whether it stands before it."""
    try:
        act()
    except Exception as error:
        if version.startswith("3."):
            return str(MESSAGE in str(error).partition("\n\tat ")[0])
        # what Spark Connect adds is the server's, and the session may ask it not to
        lines = str(error).partition("\n\nJVM stacktrace:\n")[0].splitlines()
        return str(MESSAGE in lines[0] and len(lines) == 1)
    return "passed"


COMMENT = {"comment": "in the catalog", "ml_attr": {"attrs": {}}}


def marked(spark: SparkSession) -> DataFrame:
    """A table whose columns are never null and have metadata, inside as well."""
    from pyspark.sql import types as T

    kinds: dict[str, T.DataType] = {
        **{"kept": T.LongType(), "checked": T.LongType(), "widened": T.IntegerType(), "t": T.TimestampType()},
        **{"array": T.ArrayType(T.FloatType(), False), "array cast": T.ArrayType(T.DoubleType(), False)},
        "struct": T.StructType([T.StructField("a", T.LongType(), False, {"inside": 1})]),
        **{"map": T.MapType(T.StringType(), T.LongType(), False), "any": T.DateType(), "id": T.StringType()},
    }
    fields = [T.StructField(name, kind, False, COMMENT) for name, kind in kinds.items()]
    now = dt.datetime(2020, 1, 1)
    return spark.createDataFrame([(1, 1, 1, now, [1.0], [1.0], (1,), {"a": 1}, now.date(), "x")], T.StructType(fields))


MARKED = Schema(
    [
        *(ColSpec("long", "kept"), ColSpec("integer", "checked"), ColSpec("long", "widened"), ColSpec("datetime", "t")),
        *(ColSpec(Array("float"), "array"), ColSpec(Array("float"), "array cast"), ColSpec(Map("long"), "map")),
        *(ColSpec(Object([Property("a", "long")]), "struct"), ColSpec(AnyType(), "any")),
        ColSpec("string", "absent", required=False),
    ]
)
CHANGED = ("checked", "widened", "array cast", "absent")


def unfit_fields(spark: SparkSession) -> list[str]:
    """Fields of what the verbs return that are not as defined: what is kept is the table's own, metadata and all."""
    table = marked(spark)
    parts = split(table, MARKED, level="checked", keep=["id"], on_absent="ignore")
    given = {field.name: field for field in table.schema.fields}
    wrong = []
    for frame in (enforce(table, MARKED, level="checked", keep=["id"], on_absent="ignore"), parts.accepted):
        for field in frame.schema.fields:
            if field.name not in CHANGED and field != given[field.name]:
                wrong.append(f"kept: {field}")
            if field.name in CHANGED and (field.metadata or (field.name == "absent" and not field.nullable)):
                wrong.append(f"changed: {field}")
    for frame in (tag(table, MARKED, level="checked", on_absent="ignore"), parts.quarantined):
        *raw, violations = frame.schema.fields
        if raw != table.schema.fields or not violations.nullable or violations.metadata:
            wrong.append(f"raw: {frame.schema}")
    return wrong


SPANS = {"months": "make_ym_interval(1, 2)", "seconds": "make_dt_interval(1, 2)", "calendar": "make_interval(1, 2)"}


def spans(spark: SparkSession) -> dict[str, str]:
    """How spans of time fare, alone and inside: Any takes them untouched, and nothing else takes them."""
    kinds = {k: v for k, v in SPANS.items() if k != "calendar" or spark.version >= "4"}  # pyspark 3.5 cannot read it
    table = spark.range(2).selectExpr(
        *(f"{made} as {name}" for name, made in kinds.items()),
        *(f"array({made}) as `{name}[]`" for name, made in kinds.items()),
    )
    anything = Schema([ColSpec(AnyType(), name) for name in table.columns])
    shown = [f"string(`{name}`)" for name in table.columns]
    found = {
        "spans before": [tuple(row) for row in table.selectExpr(*shown).collect()],
        "spans enforced": [tuple(row) for row in enforce(table, anything).selectExpr(*shown).collect()],
        "spans tagged": [tuple(row) for row in tag(table, anything).selectExpr(*shown).collect()],
    }
    same = all(rows == found["spans before"] for rows in found.values())
    declared = [*DataType, Array("long"), Array("string"), Map("long"), Object([Property("x", "long")])]
    refused = {
        (str(problem.code), str(problem.fact).rpartition(", ")[2])
        for kind in declared
        for name in kinds
        for problem in plan(table, Schema([ColSpec(kind, name)]), level="parse").problems
    }
    inside = plan(table, Schema([ColSpec(Array("string"), f"{name}[]") for name in kinds]), level="parse").problems
    codes = [f"{problem.path}: {problem.code}" for problem in inside]
    by_name = codes == [f"{name}[][]: UNSUPPORTED_TYPE" for name in kinds]
    return {"spans as Any": str(same), "spans as others": str(sorted(refused)), "spans inside by name": str(by_name)}


def filtered(spark: SparkSession) -> dict[str, str]:
    """How a filter above `enforce` ends, with the bad row in the one file or in one of ten."""
    rows = spark.range(1000).selectExpr("if(id = 500, null, cast(id as double)) as x", "cast(id as int) as n")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for files, layout in ((1, rows.repartition(1)), (10, rows.repartitionByRange(10, "n"))):
            path = Path(folder, str(files))
            layout.write.parquet(str(path))
            assert len(list(path.glob("*.parquet"))) == files
            for condition in CONDITIONS:
                query = enforce(spark.read.parquet(str(path)), X, keep=["n"]).where(condition)
                found[f"{condition}, {files} file(s)"] = ends(_collected(query))
    return found


def _collected(query: DataFrame) -> Callable[[], object]:
    return lambda: len(query.collect())


def expected_ends() -> dict[str, str]:
    """How they must end, everywhere."""
    dropped = ("a join", "a semi join", "an anti join", "Python", "having")
    return {
        **{f"dropped by {what}": "2" for what in dropped},
        **{"dropped by an aggregate": "1", "in the other table": "2", "under the same name in the other table": "2"},
        **{name: FAILS for name in ("kept, and counted", "kept, and another column read", "kept, and joined away")},
        **{f"{condition}, {files} file(s)": FAILS for condition in CONDITIONS for files in (1, 10)},
        "told without a stack": "True",
        "fields": "[]",
        "spans as Any": "True",
        "spans as others": str([("UNSUPPORTED_TYPE", "which only Any takes")]),
        "spans inside by name": "True",
    }
