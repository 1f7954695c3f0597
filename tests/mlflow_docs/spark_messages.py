"""Tables that make `spark_udf` raise the messages of docs/troubleshooting.md, and sparksig its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import sparksig
from tests.mlflow_docs.messages import Case, columns, example
from tests.mlflow_docs.real import ours, save

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import Object, Property

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NUMBER = Schema([ColSpec("double")])


class Rows(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A model that is a function of the table."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def predict(self, context, model_input):
        return self.function(model_input)


def total(batch: Any) -> Any:
    """The sum of each row."""
    return batch.sum(axis=1)


def sums(batch: Any) -> Any:
    """The sum of each row of the tensor v."""
    return batch["v"].reshape(len(batch["v"]), -1).sum(axis=1)


def predicting(*specs: Any, outputs: Any = NUMBER) -> Any:
    """A signature of columns, and of one number unless `outputs` says otherwise."""
    return ModelSignature(columns(*specs).inputs, outputs)


def tensor(dtype: str, *shape: int, name: str | None = None) -> Any:
    """A schema of one tensor."""
    return Schema([TensorSpec(np.dtype(dtype), shape, name)])


def cases(spark: SparkSession, folder: Path) -> dict[str, Case]:
    """The cases by the beginning of their headings."""

    def scored(
        signature: Any,
        rows: list[tuple[Any, ...]],
        ddl: str,
        model: Callable[[Any], Any] = total,
        *,
        bare: bool = False,
        batch: tuple[Any, ...] | None = None,
        **options: Any,
    ) -> Case:
        """A table scored by both; with `batch`, what a task would hand to MLflow's UDF is handed to it here."""
        table = spark.createDataFrame(rows, ddl).coalesce(1)
        path = folder / str(len(list(folder.iterdir())))
        save(path, Rows(model), signature=signature)

        def theirs() -> object:
            udf = mlflow.pyfunc.spark_udf(spark, str(path), env_manager="local", **options)
            if batch is not None:  # a task that fails takes its process along, and the next one imports all anew
                return list(udf.__wrapped__.func(iter([batch])))
            return table.select(udf() if bare else udf(*table.columns)).collect()

        def here() -> object:
            return sparksig.score(table, model, ours(signature)).select("prediction").collect()

        return Case(theirs, here)

    def reported(signature: Any, rows: list[tuple[Any, ...]], ddl: str, batch: tuple[Any, ...]) -> Case:
        table: DataFrame = spark.createDataFrame(rows, ddl)
        theirs = scored(signature, rows, ddl, batch=batch).theirs
        return Case(theirs, lambda: sparksig.validate(table, ours(signature)))

    one = ([(1.0,)], "a double")
    return {
        "Hint: the type mismatch": reported(
            predicting(("n", "long")), [(1,), (None,)], "n long", (pd.Series([1.0, np.nan]),)
        ),
        "Examples can not be provided as Spark Dataframe.": example(spark.range(1)),
        "Model is missing inputs ['v']": scored(
            ModelSignature(tensor("float64", -1, 2, name="v"), NUMBER), *_vectors(), sums
        ),
        "could not be converted to the expected shape": scored(
            ModelSignature(tensor("float64", -1, 1, 2, name="v"), NUMBER),
            [([[1.0, 2.0]],)],
            "v array<array<double>>",
            sums,
            batch=(_nested(),),
        ),
        "Model is missing inputs ['o']": scored(
            predicting(("o", Object([Property("x", "double")]))),
            [((1.0,),)],
            "o struct<x double>",
            lambda batch: [cell["x"] for cell in batch["o"]],
            batch=(pd.DataFrame({"x": [1.0]}),),
        ),
        "Model input is missing required columns.": scored(
            predicting(("a", "double"), ("b", "double")), *one, batch=(pd.Series([1.0]),)
        ),
        "Cannot apply UDF without column names": scored(
            predicting(("a", "double"), ("b", "double", False)), *one, bare=True
        ),
        "Cannot apply udf because no column names": scored(predicting((None, "double")), *one, bare=True),
        "No 'result_type' provided": scored(
            ModelSignature(columns(("a", "double")).inputs), *one, batch=(pd.Series([1.0]),)
        ),
        "Invalid 'spark_udf' result type": scored(
            predicting(("a", "double"), outputs=Schema([ColSpec("datetime")])),
            *one,
            lambda batch: [datetime(2024, 1, 2)] * len(batch),
            result_type="timestamp",
        ),
        "Model output tensor spec type uint8": scored(
            predicting(("a", "double"), outputs=tensor("uint8", -1)), *one, lambda batch: batch["a"].to_numpy("uint8")
        ),
        "Only 1D or 2D tensors are supported": scored(
            predicting(("a", "double"), outputs=tensor("float64", -1, 1, 1)),
            *one,
            lambda batch: batch["a"].to_numpy().reshape(-1, 1, 1),
        ),
        "The model did not produce any values": scored(
            predicting(("a", "double")), *one, lambda batch: [f"{x}" for x in batch["a"]], batch=(pd.Series([1.0]),)
        ),
        "[RESULT_ROWS_MISMATCH]": scored(
            predicting(("a", "double")), [(1.0,), (2.0,)], "a double", lambda batch: total(batch).iloc[:1]
        ),
    }


def _vectors() -> tuple[list[tuple[Any, ...]], Any]:
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql.types import StructField, StructType

    return [(Vectors.dense([1.0, 2.0]),)], StructType([StructField("v", VectorUDT())])


def _nested() -> Any:
    """A nested array as Spark hands it to a pandas UDF: an array of arrays."""
    cell = np.empty(1, dtype=object)
    cell[0] = np.array([1.0, 2.0])
    return pd.Series([cell])
