"""The Spark verbs on one small table: what `make test-quick` runs on Spark."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from sparksig import (
    ColSpec,
    ModelSignature,
    Schema,
    enforce,
    plan,
    predict_udf,
    score,
    split,
    struct_type,
    tag,
    validate,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SIGNATURE = ModelSignature(Schema([ColSpec("double", "x"), ColSpec("string", "s", False)]), Schema([ColSpec("double")]))


@pytest.mark.smoke
def test_every_spark_verb_agrees_on_a_clean_and_a_null_row(spark: SparkSession) -> None:
    from pyspark.sql.functions import struct

    table = spark.createDataFrame([(1, 1.5, "a"), (2, None, None)], "id long, x double, s string")
    assert struct_type(SIGNATURE).simpleString() == "struct<x:double,s:string>"
    assert plan(table, SIGNATURE).ok
    assert [row["_violations"] is None for row in tag(table, SIGNATURE).sort("id").collect()] == [True, False]
    parts = split(table, SIGNATURE, keep=["id"])
    assert ([row.id for row in parts.accepted.collect()], [row.id for row in parts.quarantined.collect()]) == ([1], [2])
    [count] = validate(table, SIGNATURE).violations
    assert (count.path, count.code, count.rows) == ("x", "NULL", 1)
    assert enforce(table.where("id = 1"), SIGNATURE).collect() == [(1.5, "a")]
    with pytest.raises(Exception, match="NULL"):
        enforce(table, SIGNATURE).collect()
    scored = score(table, lambda batch: batch["x"] * 2, SIGNATURE).sort("id").collect()
    assert [row.prediction for row in scored] == [3.0, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        udf = predict_udf(lambda batch: batch["x"] * 2, SIGNATURE, on_violation="null")
    predicted = table.sort("id").select(udf(struct("x", "s")).alias("p")).collect()
    assert [row.p for row in predicted] == [3.0, None]
