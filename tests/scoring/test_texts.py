"""`predict_udf` on a Spark without Arrow UDFs: values are passed as strings, exactly, or rejected by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from sparksig import AnyType, ColSpec, ModelSignature, OutputError, Schema, predict_udf
from sparksig.scoring.texts import written
from tests.verdict import crossing
from tests.verdict.environments import PREDICTED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NUMBER = ModelSignature(Schema([ColSpec("long", "n")]), Schema([ColSpec("long", "twice"), ColSpec("string", "text")]))
SOMETHING = ModelSignature(Schema([ColSpec(AnyType(), "x", required=False)]), Schema([ColSpec("string")]))


@pytest.fixture
def no_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import functions as F

    monkeypatch.delattr(F, "arrow_udf")


def model(batch: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": batch.n * 2, "text": [f"it is {n}" for n in batch.n]})


def test_predict_udf_passes_every_value_as_arrow_arrays(spark: SparkSession) -> None:
    assert crossing.predicted(spark) == json.loads(PREDICTED.read_text())
    assert crossing.lost_bits(spark) == 0
    assert json.loads(json.dumps(crossing.used(spark))) == crossing.USED
    assert crossing.registered(spark) == "registered"


@pytest.mark.usefixtures("no_arrays")
def test_predict_udf_passes_every_value_as_strings(spark: SparkSession) -> None:
    assert crossing.predicted(spark) == json.loads(PREDICTED.read_text())
    assert crossing.lost_bits(spark) == 0
    assert json.loads(json.dumps(crossing.used(spark))) == crossing.USED
    assert "cannot be registered for SQL before Spark 4.1" in crossing.registered(spark)


@pytest.mark.usefixtures("no_arrays")
def test_predict_udf_returns_null_or_fails_for_a_bad_row_without_arrow_udfs(spark: SparkSession) -> None:
    dirty = spark.sql("select cast(null as long) as n")
    assert dirty.select(predict_udf(model, NUMBER, on_violation="null")()).collect() == [(None,)]
    with pytest.raises(Exception, match=r"n: 1 row\(s\) \[NULL\]"):
        dirty.select(predict_udf(model, NUMBER)()).collect()


@pytest.mark.usefixtures("no_arrays")
@pytest.mark.parametrize(
    ("value", "fact"),
    [
        ("interval '3' month", "x: interval month has no exact text"),
        ("array(make_interval(1, 2, 3))", r"x\[\]: interval has no exact text"),
        ("parse_json('1')", "x: variant has no exact text"),
        ("map(1, 'canary')", "x: a map with keys that are no texts"),
        ("named_struct('a:int,b', 'canary')", "names of fields inside hides their types"),
        ("array(named_struct('a:canary', 1))", "names of fields inside hides their types"),
        ("cast(X'63616e617279ff' as string)", "a text in the struct is no UTF-8"),
        ("named_struct('a', cast(X'63616e617279ff' as string), 'b', '\ufffd')", "a text in the struct is no UTF-8"),
    ],
)
def test_predict_udf_rejects_values_that_strings_cannot_hold(spark: SparkSession, value: str, fact: str) -> None:
    df = spark.sql(f"select {value} as x")
    with pytest.raises(Exception, match=fact) as raised:
        df.select(predict_udf(lambda batch: ["seen"] * len(batch), SOMETHING)("x")).collect()
    assert "canary" not in str(raised.value).replace("a:canary", "")


@pytest.mark.usefixtures("no_arrays")
def test_predict_udf_rejects_the_legacy_time_parser_policy(spark: SparkSession) -> None:
    key = "spark.sql.legacy.timeParserPolicy"
    spark.conf.set(key, "LEGACY")
    try:
        with pytest.raises(Exception, match="LEGACY writes days of before 1582 as others"):
            spark.range(1).selectExpr("id as n").select(predict_udf(model, NUMBER)()).collect()
    finally:
        spark.conf.unset(key)


@pytest.mark.parametrize(
    ("output", "fact"),
    [
        (pa.array(["x" * 10_000_001]), "a text, or bytes in base64, of more than 10000000"),
        (pa.array([[b"x" * 8_000_000]]), "a text, or bytes in base64, of more than 10000000"),
        (pa.array([[("canary", 1), ("canary", 2)]], pa.map_(pa.string(), pa.int64())), "a map has a key twice"),
    ],
)
def test_predict_udf_rejects_outputs_that_strings_cannot_hold(output: Any, fact: str) -> None:
    with pytest.raises(OutputError, match=fact) as raised:
        written(output)
    assert "canary" not in str(raised.value)
