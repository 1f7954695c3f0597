"""`score` and `predict_udf` on real Spark: the model receives clean rows only, and no row is lost."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from sparksig import (
    Array,
    ColSpec,
    ModelError,
    ModelLoadError,
    ModelSignature,
    NotSupportedError,
    Object,
    ParamError,
    ParamSchema,
    ParamSpec,
    PolicyError,
    Property,
    Schema,
    SchemaError,
    SignatureError,
    SparkMLVector,
    TensorSpec,
    enforce,
    infer_output,
    predict_udf,
    score,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")

SIGNATURE = ModelSignature(
    Schema(
        [
            *(ColSpec("long", "a"), ColSpec("double", "b"), ColSpec("string", "c"), ColSpec("datetime", "t")),
            *(ColSpec("integer", "o", required=False), ColSpec("double", "gone", required=False)),
        ]
    ),
    Schema([ColSpec("double", "p"), ColSpec("boolean", "flag"), ColSpec("string", "w", required=False)]),
    ParamSchema([ParamSpec("threshold", "double", 0.5)]),
)
DTYPES = ["int64", "float64", "object", "datetime64[ns]", "float64", "float64"]
DATA = [
    (1, 2.0, "x", dt.datetime(2020, 1, 1, 12), 5, "k1"),
    (2, 0.25, "y", dt.datetime(2020, 1, 1, 12), None, "k2"),
    (None, 1.0, "z", dt.datetime(2020, 1, 1, 12), 1, "k3"),
    (4, 1.0, None, dt.datetime(9999, 12, 1), 1, "k4"),
]


def model(batch: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
    """Fails on anything but what the signature promised."""
    if [str(dtype) for dtype in batch.dtypes] != DTYPES or batch[["a", "b", "c", "t"]].isna().any(axis=None):
        raise ValueError
    return pd.DataFrame({"w": batch.c, "p": batch.a * batch.b, "flag": batch.b > params["threshold"]})


@pytest.fixture(scope="module")
def df(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(DATA, "a long, b double, c string, t timestamp, o short, `k.1` string").repartition(1)


def test_score_keeps_rejected_rows_with_violations_and_a_null_prediction(df: DataFrame) -> None:
    found = score(df, model, SIGNATURE, {"threshold": 1.5})
    assert found.columns == [*df.columns, "prediction", "_violations"]
    assert found.dtypes[:-2] == df.dtypes
    assert found.schema["prediction"].dataType.simpleString() == "struct<p:double,flag:boolean,w:string>"
    rows = found.collect()
    assert [tuple(row)[:-2] for row in rows] == [tuple(row) for row in df.collect()]
    assert [row["prediction"] for row in rows] == [(2.0, True, "x"), (0.5, False, "y"), None, None]
    assert [[(v.path, v.code) for v in row["_violations"] or []] for row in rows] == [
        [], [], [("a", "NULL")], [("c", "NULL"), ("t", "OUT_OF_RANGE")],
    ]  # fmt: skip


def test_score_drops_rejected_rows_or_fails_the_query(df: DataFrame) -> None:
    dropped = score(df, model, SIGNATURE, on_violation="drop", output=["p", "flag", "w"], keep=["k.1"])
    assert [tuple(row) for row in dropped.collect()] == [("k1", 2.0, True, "x"), ("k2", 0.5, False, "y")]
    with pytest.raises(Exception, match="a: NULL"):
        score(df, model, SIGNATURE, on_violation="fail").count()


def test_score_expands_outputs_for_a_star_in_output(df: DataFrame) -> None:
    assert score(df, model, SIGNATURE, output="m_*", keep=[]).columns == ["m_p", "m_flag", "m_w", "_violations"]
    assert score(df, model, SIGNATURE, output="*", keep=["k.1"], on_violation="drop").columns == [
        "k.1",
        "p",
        "flag",
        "w",
    ]
    with pytest.raises(SchemaError, match="would stand twice"):
        score(df.withColumnRenamed("k.1", "P"), model, SIGNATURE, output="*")


def test_score_accepts_batches_without_clean_rows_and_empty_partitions(df: DataFrame) -> None:
    def never(batch: pd.DataFrame) -> None:
        raise AssertionError

    found = score(df.where("a is null").repartition(4), never, SIGNATURE)
    assert [row["prediction"] for row in found.collect()] == [None]
    assert score(df.where("false"), never, SIGNATURE).collect() == []


@pytest.mark.parametrize("size", ["1", "3", "10000"])
def test_score_verdict_does_not_depend_on_the_batch_size(spark: SparkSession, df: DataFrame, size: str) -> None:
    key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(key)
    spark.conf.set(key, size)
    try:
        rows = score(df, model, SIGNATURE, {"threshold": 1.5}).orderBy("`k.1`").collect()
    finally:
        spark.conf.set(key, str(before))
    assert [row["prediction"] for row in rows] == [(2.0, True, "x"), (0.5, False, "y"), None, None]


def test_score_resolves_params_on_the_driver(df: DataFrame) -> None:
    with pytest.raises(ParamError, match="threshold") as raised:
        score(df, model, SIGNATURE, {"threshold": "a secret"})
    assert "secret" not in str(raised.value)
    with pytest.warns(UserWarning, match="treshold"):
        score(df, model, SIGNATURE, {"treshold": 0.1})


def test_score_hides_the_message_of_a_models_exception(df: DataFrame) -> None:
    def poisoned(batch: pd.DataFrame) -> Any:
        raise KeyError(f"canary {batch.c[0]}")

    with pytest.raises(Exception, match="the model raised KeyError on a batch of 2 rows") as raised:
        score(df, poisoned, SIGNATURE).collect()
    assert "canary" not in str(raised.value)


def test_score_hides_the_message_of_an_output_that_raises_when_read(df: DataFrame) -> None:
    class Lazy:
        def toarray(self) -> Any:
            raise KeyError("canary")

    with pytest.raises(Exception, match="reading what the model returned raised KeyError") as raised:
        score(df, lambda batch: {"p": Lazy(), "flag": batch.a > 1}, SIGNATURE).collect()
    assert "canary" not in str(raised.value)


def test_score_gives_each_batch_its_own_copy_of_the_params(spark: SparkSession) -> None:
    signature = ModelSignature(
        Schema([ColSpec("long", "id")]), Schema([ColSpec("long")]), ParamSchema([ParamSpec("seen", "long", [7], (-1,))])
    )

    def appends(batch: pd.DataFrame, params: dict[str, Any]) -> Any:
        params["seen"].append(1)
        return [len(params["seen"])] * len(batch)

    table = spark.range(30_000).coalesce(1)
    assert [row.prediction for row in score(table, appends, signature).select("prediction").distinct().collect()] == [2]


def test_score_names_the_fields_of_a_wrong_output(df: DataFrame) -> None:
    with pytest.raises(Exception, match="flag: declared boolean, the model returned long"):
        score(df, lambda batch: {"p": batch.a, "flag": batch.a}, SIGNATURE).collect()


def test_score_and_predict_udf_reject_bad_calls_before_any_job(df: DataFrame) -> None:
    with pytest.raises(SchemaError, match="b: required"):
        score(df.drop("b"), model, SIGNATURE)
    with pytest.raises(SignatureError, match="no outputs"):
        score(df, model, ModelSignature(SIGNATURE.inputs))
    with pytest.raises(SignatureError, match="signature="):
        score(df, model)
    for no_model in (None, 3, {"predict": model}):
        with pytest.raises(ModelLoadError, match="is no model"):
            score(df, no_model, SIGNATURE)
    with pytest.raises(SchemaError, match="declares no inputs"):
        predict_udf(model, ModelSignature(None, SIGNATURE.outputs))
    with pytest.raises(SchemaError, match="would stand twice"):
        score(df, model, SIGNATURE, output="C")
    with pytest.raises(SchemaError, match="o: named twice by keep="):
        score(df, model, SIGNATURE, keep=["o", "a", "o"])
    with pytest.raises(PolicyError, match="2 names"):
        score(df, model, SIGNATURE, output=["p", "q"])


def test_score_passes_tensors_with_their_dtype_and_shape(spark: SparkSession) -> None:
    data = [(1, [1.0, 2.0, 3.0, 4.0]), (2, None), (3, [1.0, 2.0]), (4, [0.1, 1.0, 1.0, 1.0])]
    table = spark.createDataFrame(data, "id int, image array<double>").repartition(1)
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype("float32"), (-1, 2, 2))]), Schema([TensorSpec(np.dtype("float32"), (-1, 3))])
    )

    def sums(batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if batch.dtype != "float32" or batch.shape[1:] != (2, 2):
            raise ValueError
        return np.repeat(batch.sum((1, 2))[:, None], 3, 1)

    found = score(table, sums, signature, columns=["image"], allow_rounding=True).orderBy("id").collect()
    assert [row["prediction"] and row["prediction"][0] for row in found] == [10.0, None, None, pytest.approx(3.1)]
    assert [row["_violations"] and row["_violations"][0].code for row in found] == [None, "NULL", "WRONG_LENGTH", None]


def test_score_warns_of_batches_over_the_bound_that_spark_does_not_split(spark: SparkSession) -> None:
    signature = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 50_000))]), Schema([ColSpec("long")]))
    table = spark.range(1).selectExpr("array_repeat(float(id), 50000) as x")
    key, warned = "spark.sql.execution.arrow.maxBytesPerBatch", []
    for said in ("1g", "64MB", str(1 << 26)):
        spark.conf.set(key, said)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            score(table, len, signature)
        warned.append([str(warning.message).partition(" for this")[0] for warning in caught])
    spark.conf.unset(key)
    assert warned == [["batches of 10000 rows are over 64 MiB"], [], []]


# ---- the UDF


def test_predict_udf_accepts_one_struct_in_select(df: DataFrame) -> None:
    from pyspark.sql import functions as F

    predict = predict_udf(model, SIGNATURE, {"threshold": 1.5})
    found = df.where("a < 3").select("a", predict(F.struct("*")).alias("p"))
    assert [tuple(row) for row in found.collect()] == [(1, (2.0, True, "x")), (2, (0.5, False, "y"))]
    with pytest.raises(Exception, match=r"a: 1 row\(s\) \[NULL\]"):
        df.select(predict(F.struct("*"))).collect()


def test_predict_udf_returns_null_for_bad_rows_in_sql(spark: SparkSession, df: DataFrame) -> None:
    spark.udf.register("predict", predict_udf(model, SIGNATURE, on_violation="null"))
    df.createOrReplaceTempView("flights")
    found = spark.sql("select a, predict(struct(*)) as p from flights").collect()
    assert [row["p"] for row in found] == [(2.0, True, "x"), (0.5, False, "y"), None, None]


def test_predict_udf_matches_by_name_and_accepts_absent_optional_columns(df: DataFrame) -> None:
    from pyspark.sql import functions as F

    predict = predict_udf(model, SIGNATURE)
    found = df.where("a < 3").select(predict(F.struct("t", "c", "b", "a")).alias("p"))
    assert [row["p"].p for row in found.collect()] == [2.0, 0.5]


def test_infer_output_declares_the_missing_outputs_of_a_signature(df: DataFrame) -> None:
    inputs = ModelSignature(SIGNATURE.inputs, None, SIGNATURE.params)
    example = pd.DataFrame({"a": [1], "b": [0.5], "c": ["x"], "t": pd.to_datetime(["2020-01-01"])})

    def quarter(batch: pd.DataFrame) -> Any:
        return (batch.b / 4).to_numpy()

    def vectors(batch: pd.DataFrame) -> Any:
        return np.repeat(batch.b.to_numpy(np.float32)[:, None], 2, axis=1)

    assert infer_output(quarter, example, inputs) == Schema([TensorSpec(np.dtype("float64"), (-1,))])
    found = infer_output(vectors, example, inputs)
    assert found == Schema([TensorSpec(np.dtype("float32"), (-1, 2))])
    dirty = {"on_violation": "drop"}
    assert [row.prediction for row in score(df, quarter, inputs, returns="double", **dirty).collect()] == [0.5, 0.0625]
    assert [row.prediction for row in score(df, vectors, inputs, returns=found, **dirty).collect()] == [
        [2.0, 2.0],
        [0.25, 0.25],
    ]
    assert predict_udf(quarter, inputs, returns=ColSpec("double")) is not None
    lists, optional = ColSpec(Array("long"), "l"), ColSpec(Array("long"), "m", required=False)
    whole = ModelSignature(Schema([lists, optional, ColSpec("long", "n", required=False)]))
    held = pd.DataFrame({"l": [[1, 2]], "m": [[1]], "n": [1]})

    def dtypes(batch: pd.DataFrame) -> Any:
        return [f"{batch['l'][0].dtype} {batch['m'][0].dtype} {batch['n'].dtype}"]

    assert infer_output(dtypes, held, whole) == Schema([ColSpec("string")])
    table = df.limit(1).selectExpr("array(1, 2) as l", "array(1) as m", "1 as n")
    assert score(table, dtypes, whole, returns="string").collect()[0].prediction == "int64 object float64"
    vector = ModelSignature(Schema([ColSpec(SparkMLVector(), "v")]))
    columns = infer_output(lambda x: np.full(len(x), x.shape[1]), pd.DataFrame({"v": [np.ones(3)]}), vector)
    assert columns == Schema([TensorSpec(np.dtype("int64"), (-1,))])
    with pytest.raises(SignatureError, match="returns= is for one that does not"):
        score(df, quarter, SIGNATURE, returns="double")
    with pytest.raises(SignatureError, match=r"infer_output\(model, example\)"):
        score(df, quarter, inputs)
    with pytest.raises(ModelError, match="raised ZeroDivisionError on the example"):
        infer_output(lambda batch: 1 / 0, example, inputs)


# ---- columns that stay in the JVM


ASIDE = "interval '3' month as months", "make_interval(1, 2, 3) as i", "array(interval '1' month) as a_", "c as `k.2`"


def test_score_keeps_columns_that_arrow_cannot_carry(df: DataFrame) -> None:
    wide = df.selectExpr("*", *ASIDE)
    found = score(wide, model, SIGNATURE, {"threshold": 1.5})
    assert "MapInArrow" not in found._jdf.queryExecution().executedPlan().toString()
    assert found.columns == [*wide.columns, "prediction", "_violations"]
    assert found.dtypes == [*wide.dtypes, *score(df, model, SIGNATURE).dtypes[-2:]]
    alone = score(df, model, SIGNATURE, {"threshold": 1.5}).collect()
    texts = found.selectExpr("*", "cast(months as string) m", "cast(i as string) n").drop("months", "i", "a_").collect()
    assert [tuple(row)[:6] for row in texts] == [tuple(row)[:6] for row in alone]
    assert [(row.prediction, row["_violations"]) for row in texts] == [
        (row.prediction, row["_violations"]) for row in alone
    ]
    assert [(row.m, row.n) for row in texts] == [("INTERVAL '3' MONTH", "1 years 2 months 21 days")] * 4
    assert texts[0]["k.2"] == "x"


def test_score_keeps_column_metadata_and_duplicate_struct_fields(df: DataFrame) -> None:
    from pyspark.sql import functions as F

    told = df.withColumn("o", F.col("o").alias("o", metadata={"unit": "m"}))
    doubled = "named_struct('x', 1, 'x', c) as twice"
    for table in (
        told,
        told.selectExpr("*", doubled),
        told.selectExpr("*", "map(1, array(named_struct('x', 1, 'x', c))) as deep"),
    ):
        found = score(table, model, SIGNATURE)
        assert found.schema["o"].metadata == {"unit": "m"}
        assert [field.dataType for field in found.schema.fields[: len(table.columns)]] == [
            f.dataType for f in table.schema
        ]
        assert found.where("_violations is null").count() == 2


def test_score_drops_fails_or_quarantines_rows_with_non_arrow_columns(df: DataFrame) -> None:
    wide = df.selectExpr("*", *ASIDE)
    dropped = score(wide, model, SIGNATURE, on_violation="drop", output=["p", "flag", "w"]).select("`k.1`", "p")
    assert [tuple(row) for row in dropped.collect()] == [("k1", 2.0), ("k2", 0.5)]
    with pytest.raises(Exception, match="a: NULL"):
        score(wide, model, SIGNATURE, on_violation="fail").count()

    def poisoned(batch: pd.DataFrame) -> Any:
        if (batch.a == 2).any():
            raise KeyError("canary")
        return model(batch, {"threshold": 0})

    rows = score(wide, poisoned, SIGNATURE, on_model_error="quarantine").drop("months", "i", "a_").collect()
    assert [row.prediction is None for row in rows] == [False, True, True, True]
    assert [tuple(v) for v in rows[1]["_violations"]] == [("", "MODEL_ERROR", "", "KeyError")]
    assert [(v.path, v.code) for v in rows[2]["_violations"]] == [("a", "NULL")]


def test_score_runs_the_model_once_per_row_below_a_filter(spark: SparkSession, tmp_path: Any) -> None:
    table = spark.range(40).selectExpr("id", "interval '3' month as months").repartition(1)
    signature = ModelSignature(Schema([ColSpec("long", "id")]), Schema([ColSpec("long", "n")]))
    path = str(tmp_path / "seen")

    def counted(batch: pd.DataFrame) -> Any:
        with open(path, "a") as file:
            file.write(f"{len(batch)}\n")
        return batch.id

    assert score(table, counted, signature).where("prediction > 10 and id < 30").count() == 19
    with open(path) as file:
        assert sum(map(int, file)) in (30, 40)


def test_score_returns_the_same_without_arrow_udfs(df: DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import functions as F

    def poisoned(batch: pd.DataFrame) -> Any:
        if (batch.a == 2).any():
            raise KeyError("canary")
        return model(batch, {"threshold": 0})

    names = ["p", "flag", "w"]
    ways: list[tuple[Any, dict[str, Any]]] = [
        (model, {}),
        (model, {"output": names}),
        (model, {"output": names, "keep": []}),
        (model, {"on_violation": "drop", "keep": ["k.1"]}),
        (poisoned, {"on_model_error": "quarantine"}),
        (poisoned, {"on_model_error": "quarantine", "output": names}),
    ]
    beside = [score(df, one, SIGNATURE, **options) for one, options in ways]
    monkeypatch.delattr(F, "arrow_udf")
    through = [score(df, one, SIGNATURE, **options) for one, options in ways]
    for new, old in zip(beside, through, strict=True):
        assert "MapInArrow" not in new._jdf.queryExecution().executedPlan().toString()
        assert "MapInArrow" in old._jdf.queryExecution().executedPlan().toString()
        assert new.dtypes == old.dtypes
        assert new.collect() == old.collect()
    with pytest.raises(NotSupportedError, match="cannot stand beside a score"):
        score(df.selectExpr("*", *ASIDE), model, SIGNATURE)


def test_score_builds_an_object_without_a_name_from_its_columns(spark: SparkSession) -> None:
    person = Object([Property("name", "string"), Property("Age", "double"), Property("city", "string", required=False)])
    signature = ModelSignature(Schema([ColSpec(person)]), Schema([ColSpec("string")]))
    df = spark.sql(
        "select 1 as id, 'b' as `age`, float(0.5) as `Age`, 'A' as name union all select 2, 'c', null, 'B'"
    ).coalesce(1)

    def say(batch: pd.DataFrame) -> list[str]:
        return [f"{row['name']} {row['Age']!r} {row['city']}" for row in batch[0]]

    from pyspark.sql import functions as F

    plain = df.toDF("id", "x", "Age", "name")
    told = predict_udf(say, signature, on_violation="null")(F.struct("name", "Age")).alias("told")
    rows = score(df, say, signature, keep=["id", "age"]).collect()
    assert [(row.id, row.prediction) for row in rows] == [(1, "A 0.5 None"), (2, None)]
    assert [[(v.path, v.code) for v in row["_violations"] or ()] for row in rows] == [[], [("0.Age", "NULL")]]
    chosen = score(plain, say, signature, columns=["Age", "name"]).select("prediction", told)
    assert [tuple(row) for row in chosen.collect()] == [("A 0.5 None", "A 0.5 None"), (None, None)]
    enforced = enforce(plain.where("id = 1"), signature)
    assert enforced.dtypes == [("0", "struct<Age:double,city:string,name:string>")]
    assert [tuple(row[0]) for row in enforced.collect()] == [(0.5, None, "A")]
