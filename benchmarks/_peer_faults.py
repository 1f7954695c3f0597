"""Faults that a model's table has, and what each peer finds of them by the rules that it has built in.

A cell is the number of rows that are called bad. Each frame has one bad row; where a column is missing, none is.
None stands where there is no rule for it but SQL of one's own, or none at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyspark.sql.functions as F
from pyspark.sql import DataFrame, SparkSession

from benchmarks._peer_sides import dqx_engine
from sparksig import Array, ColSpec, ModelSignature, Object, Property, Schema, SchemaError, validate

FRAMES: dict[str, str] = {
    "a null in an array": "if(id = 3, array(1D, null), array(1D, 2D)) as c",
    "an array of another length": "if(id = 3, array(1D), array(1D, 2D)) as c",
    "a null in a struct": "named_struct('x', if(id = 3, null, 1D)) as c",
    "NaN where it is not allowed, cached": "if(id = 3, double('NaN'), 1D) as c",
    "2^53 + 1 for a double": "if(id = 3, 9007199254740993, 1) as c",
    "a missing column": "1D as d",
}


def frame(spark: SparkSession, fault: str) -> DataFrame:
    made = spark.range(8).selectExpr("id", FRAMES[fault])
    if "cached" in fault:
        made = made.cache()
        made.count()
    return made


def sparksig(df: DataFrame, fault: str) -> int | str:
    import numpy as np

    from sparksig import TensorSpec

    inputs: dict[str, list[Any]] = {
        "a null in an array": [ColSpec(Array("double"), "c")],
        "an array of another length": [TensorSpec(np.dtype("float64"), (-1, 2), "c")],
        "a null in a struct": [ColSpec(Object([Property("x", "double")]), "c")],
    }
    signature = ModelSignature(Schema(inputs.get(fault, [ColSpec("double", "c")])))
    try:
        return validate(df, signature, level="checked", allow_nan="NaN" not in fault).rows_violating or 0
    except SchemaError as error:
        return str(error.problems[0].code)


def pandera(df: DataFrame, fault: str) -> int | str | None:
    import pandera.pyspark as pa
    from pyspark.sql import types as T

    kinds = {
        "a null in an array": T.ArrayType(T.DoubleType()),
        "an array of another length": None,
        "a null in a struct": T.StructType([T.StructField("x", T.DoubleType(), False)]),
        "2^53 + 1 for a double": None,
    }
    kind = kinds.get(fault, T.DoubleType())
    if kind is None:
        return None
    check = pa.Check.le(1.0) if "NaN" in fault else None
    try:
        errors = pa.DataFrameSchema({"c": pa.Column(kind, check, nullable=False)}).validate(df).pandera.errors
    except Exception as error:
        return type(error).__name__
    return "missing" if "COLUMN_NOT_IN_DATAFRAME" in str(dict(errors)) else int(bool(errors))


def great_expectations(df: DataFrame, fault: str) -> int | str | None:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    rules: dict[str, Any] = {
        "a null in an array": gxe.ExpectColumnValuesToNotBeNull(column="c"),
        "an array of another length": None,
        "a null in a struct": gxe.ExpectColumnValuesToNotBeNull(column="c.x"),
        "NaN where it is not allowed, cached": gxe.ExpectColumnValuesToBeBetween(column="c", max_value=1.0),
        "2^53 + 1 for a double": None,
        "a missing column": gxe.ExpectColumnToExist(column="c"),
    }
    if (rule := rules[fault]) is None:
        return None
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_spark("s").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    result = batch.get_batch(batch_parameters={"dataframe": df}).validate(rule)
    if "'raised_exception': True" in str(result.exception_info):
        return "error"
    if fault == "a missing column":
        return "said once" if not result.success else 0
    return int(result.result.get("unexpected_count") or 0)


def dqx(df: DataFrame, fault: str) -> int | str | None:
    from databricks.labs.dqx import check_funcs
    from databricks.labs.dqx.rule import DQRowRule

    rules: dict[str, Any] = {
        "a null in an array": (check_funcs.is_not_null_and_not_empty_array, "c", {}),
        "an array of another length": None,
        "a null in a struct": (check_funcs.is_not_null, "c.x", {}),
        "NaN where it is not allowed, cached": (check_funcs.is_not_nan, "c", {})
        if hasattr(check_funcs, "is_not_nan")
        else (check_funcs.is_not_greater_than, "c", {"limit": 1.0}),
        "2^53 + 1 for a double": None,
        "a missing column": (check_funcs.is_not_null, "c", {}),
    }
    if rules[fault] is None:
        return None
    function, column, more = rules[fault]
    rule = DQRowRule(name="rule", check_func=function, column=column, check_func_kwargs=more)
    return int(dqx_engine().apply_checks(df, [rule]).where(F.col("_errors").isNotNull()).count())


FINDERS: dict[str, Callable[[DataFrame, str], int | str | None]] = {
    "sparksig": sparksig,
    "pandera": pandera,
    "great_expectations": great_expectations,
    "dqx": dqx,
}


def found(spark: SparkSession) -> dict[str, dict[str, int | str | None]]:
    """What each side finds of each fault."""
    cells: dict[str, dict[str, int | str | None]] = {}
    for fault in FRAMES:
        df = frame(spark, fault)
        cells[fault] = {name: finder(df, fault) for name, finder in FINDERS.items()}
        df.unpersist()
    return cells
