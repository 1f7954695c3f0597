"""Samples whose data are tables: the same signatures, on Spark."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import sparksig
from tests.mlflow_docs.messages import columns, tensors
from tests.mlflow_docs.real import ours, predict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer:UserWarning"),
    pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning"),
]
NUMBER = Schema([ColSpec("double")])


def test_score_runs_the_samples_of_flat_tables(spark: SparkSession) -> None:
    table = spark.createDataFrame(
        [(1.0, 2.0, 3.0, 4.0, 7, "Hi"), (5.0, 6.0, 7.0, 8.0, None, "you")],
        "a double, b double, c double, d double, n long, s string",
    ).coalesce(1)

    def scored(signature: Any, model: Any, **options: Any) -> list[Any]:
        given = ModelSignature(signature.inputs, NUMBER, signature.params)
        rows = sparksig.score(table, model, ours(given), **options).select("prediction", "_violations.code").collect()
        return [row.prediction if row.code is None else row.code for row in rows]

    # params, by default and overridden
    generating = infer_signature(pd.DataFrame({"s": ["x"]}), params={"factor": 2.0, "stop": [1, 2]})
    assert scored(generating, _times) == [8.0, 10.0]
    assert scored(generating, _times, params={"factor": 10.0, "stop": [0]}) == [20.0, 30.0]
    # integers with missing values: required the row is set apart, optional it is NaN in a column of float64
    assert scored(columns(("n", "long")), lambda batch: batch["n"] * 1.0) == [7.0, ["NULL"]]
    optional = columns(("a", "double"), ("n", "long", False), ("species", "string", False))  # the last one is absent
    assert scored(optional, lambda batch: batch["n"].fillna(-1) + batch["species"].isna()) == [8.0, 0.0]
    # a named tensor against the columns of its entries, and the cure
    named = tensors(("float64", (-1, 4), "input_features"))
    with pytest.raises(sparksig.SchemaError, match="a tensor without a name takes 4 columns in order"):
        scored(named, lambda batch: batch["input_features"].sum(axis=1))
    assert scored(tensors(("float64", (-1, 4))), lambda batch: batch.sum(axis=1)) == [10.0, 26.0]
    assert predict(tensors(("float64", (-1, 4))), table.toPandas()[list("abcd")]).sum(axis=1).tolist() == [10.0, 26.0]


def _times(batch: Any, params: dict[str, Any]) -> Any:
    return batch["s"].str.len() * params["factor"] + 4 * (params["stop"] == [1, 2])


def test_enforce_accepts_the_samples_of_nested_tables(spark: SparkSession) -> None:
    schema = (
        "messages array<struct<role string, content string, name string>>, counts map<string, long>, image array<float>"
    )
    row = ([("user", "Hi", None)], {"k": 2}, [0.5] * 4)
    table = spark.createDataFrame([row], schema)
    inputs = infer_signature(
        [{"messages": [{"role": "u", "content": "c", "name": "n"}, {"role": "u", "content": "c"}]}]
    ).inputs
    found = sparksig.enforce(table, sparksig.Schema.from_json(inputs.to_json())).collect()
    assert [message.asDict() for message in found[0].messages] == [{"role": "user", "content": "Hi", "name": None}]
    # several tensors by name, of which each lies in a column of its own
    pictures = tensors(("float32", (-1, 2, 2), "image"))
    (made,) = sparksig.enforce(table, ours(pictures)).collect()
    np.testing.assert_array_equal(np.array(made.image, "float32"), np.full((2, 2), 0.5, "float32"))
