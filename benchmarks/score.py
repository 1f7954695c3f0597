"""What scoring costs beside a hand-written `mapInArrow` without validation, and beside `mlflow.pyfunc.spark_udf`.

python -m benchmarks.score [--json FILE] [--small] [--only NAME]

The model is cheap, so that the way of the rows is what is measured. All sides of a table give the same columns: those
of the table and the prediction; ours, and the hand-written one, a column of violations besides. MLflow's UDF is called
in both ways: with a struct of the columns, as the snippet on MLflow's model page does, and with the columns.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import resource
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.enforce import sink
from benchmarks.measure import parser, ratios, report, rounds
from sparksig import Array, ColSpec, ModelSignature, Object, Property, Schema, TensorSpec, predict_udf, runtime, score
from sparksig.scoring import frames

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Result = tuple[dict[str, list[float]], list[float]]
Sides = dict[str, Callable[[], object]]

ITEM = Object([Property("price", "double"), Property("name", "string")])
PREDICTION = Schema([ColSpec("double", "p")])
INPUTS = {
    "doubles": Schema([ColSpec("double", f"c{i}") for i in range(20)]),
    "tensors": Schema([TensorSpec(np.dtype("float32"), (-1, 128), "x")]),
    "arrays": Schema([ColSpec("long", "id"), ColSpec(Array("double"), "x")]),
    "objects": Schema([ColSpec("long", "id"), ColSpec(ITEM, "x")]),
}
ROWS = {"doubles": 1_000_000, "tensors": 400_000, "arrays": 200_000, "objects": 200_000}
VIOLATION = pa.list_(
    pa.field("element", pa.struct([(name, pa.string()) for name in ("path", "code", "expected", "observed")]))
)


def predict(kind: str, batch: Any) -> Any:
    """One cheap number a row, of every kind of input."""
    if kind == "doubles":
        return batch["c0"] * 1.8 + batch["c19"]
    if kind == "tensors":
        return batch["x"][:, 0].astype("float64")
    if kind == "arrays":
        return np.array([cell[0] for cell in batch["x"]])
    return np.array([cell["price"] for cell in batch["x"]])


def table(spark: SparkSession, folder: Path, kind: str, rows: int) -> DataFrame:
    """A Parquet table of four files."""
    spelled = {
        "doubles": [f"rand({i}) as c{i}" for i in range(20)],
        "tensors": [f"array({', '.join(f'cast(rand({i}) as float)' for i in range(128))}) as x"],
        "arrays": ["id", f"array({', '.join(f'rand({i})' for i in range(32))}) as x"],
        "objects": ["id", "named_struct('price', rand(1), 'name', cast(id as string)) as x"],
    }
    path = str(folder / kind)
    spark.range(rows).selectExpr(*spelled[kind]).repartition(4).write.parquet(path)
    return spark.read.parquet(path)


# ---- the sides


class MapInArrow:
    """What a careful person writes by hand: no check, no contract, the same columns out."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score each batch."""
        for batch in batches:
            named = dict(zip(batch.schema.names, batch.columns, strict=True))
            found = predict(self.kind, self.model_input(named))
            arrays = [*batch.columns, pa.array(np.asarray(found)), pa.nulls(batch.num_rows, VIOLATION)]
            yield pa.RecordBatch.from_arrays(arrays, [*batch.schema.names, "prediction", "violations"])

    def model_input(self, named: Mapping[str, pa.Array]) -> Any:
        """The batch as the model takes it."""
        if self.kind == "tensors":
            return {"x": named["x"].flatten().to_numpy().reshape(-1, 128)}
        if self.kind == "arrays":
            return {"x": named["x"].flatten().to_numpy().reshape(-1, 32)}
        if self.kind == "objects":
            return {"x": named["x"].to_pylist()}
        return pd.DataFrame({name: array.to_numpy() for name, array in named.items()}, copy=False)


def map_in_arrow(frame: DataFrame, kind: str) -> DataFrame:
    """The hand-written side."""
    from pyspark.sql import types as T

    member = T.StructType([T.StructField(n, T.StringType()) for n in ("path", "code", "expected", "observed")])
    added = [T.StructField("prediction", T.DoubleType()), T.StructField("violations", T.ArrayType(member))]
    return frame.mapInArrow(MapInArrow(kind), T.StructType([*frame.schema.fields, *added]))


def pandas_udf(frame: DataFrame, kind: str) -> DataFrame:
    """A hand-written pandas UDF of columns."""
    from pyspark.sql import functions as F

    names = frame.columns

    @F.pandas_udf("double")
    def udf(*columns: pd.Series) -> pd.Series:
        named: dict[str, Any] = dict(zip(names, columns, strict=True))
        if kind == "tensors":
            named = {"x": np.stack(named["x"].to_numpy())}
        if kind == "objects":
            named = {"x": named["x"].to_dict("records")}
        return pd.Series(np.asarray(predict(kind, named)))

    return frame.select("*", udf(*[F.col(name) for name in names]).alias("p"))


def batch_udf(frame: DataFrame, kind: str) -> DataFrame | None:
    """Spark ML's own UDF for models, which takes numbers and arrays of one size."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType

    if kind == "objects":
        return None
    size = {"doubles": 20, "tensors": 128, "arrays": 32}[kind]

    def make() -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
        return lambda x: x[:, 0].astype("float64")

    udf = predict_batch_udf(make, return_type=DoubleType(), batch_size=10_000, input_tensor_shapes=[[size]])
    column = F.array(*frame.columns) if kind == "doubles" else F.col("x")
    return frame.select("*", udf(column).alias("p"))


def spark_udf(spark: SparkSession, folder: Path, frame: DataFrame, kind: str) -> tuple[DataFrame, DataFrame]:
    """MLflow's, of a model with the same signature: on a struct of the columns, and on the columns."""
    import mlflow
    from mlflow.models import ModelSignature as Theirs
    from mlflow.types import Schema as TheirSchema
    from pyspark.sql import functions as F

    with quiet():

        class Cheap(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
            def predict(self, context, model_input):  # type: ignore[no-untyped-def]
                return predict(kind, model_input)

    inputs, outputs = (TheirSchema.from_json(schema.to_json()) for schema in (INPUTS[kind], PREDICTION))
    path = str(folder / f"mlflow-{kind}")
    with quiet():
        mlflow.pyfunc.save_model(path, python_model=Cheap(), signature=Theirs(inputs, outputs), pip_requirements=[])
        udf = mlflow.pyfunc.spark_udf(spark, path, env_manager="local")
    columns = [F.col(name) for name in frame.columns]
    return frame.select("*", udf(F.struct(*columns)).alias("p")), frame.select("*", udf(*columns).alias("p"))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what MLflow says while it saves and loads."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def sides(spark: SparkSession, folder: Path, frame: DataFrame, kind: str) -> Sides:
    """Every way to score a table, as frames that are computed again in each round."""
    from pyspark.sql import functions as F

    signature = ModelSignature(INPUTS[kind], PREDICTION)

    def model(batch: Any) -> Any:
        return predict(kind, batch)

    theirs, of_columns = spark_udf(spark, folder, frame, kind)
    made = {
        "scan": frame,
        "map_in_arrow": map_in_arrow(frame, kind),
        "ours": score(frame, model, signature),
        "predict_udf": frame.select("*", predict_udf(model, signature)(F.struct("*")).alias("p")),
        "pandas_udf": pandas_udf(frame, kind),
        "predict_batch_udf": batch_udf(frame, kind),
        "spark_udf": theirs,
        "spark_udf_columns": of_columns,
    }
    return {name: lambda one=one: sink(one) for name, one in made.items() if one is not None}  # type: ignore[misc]


def compared(spark: SparkSession, folder: Path, kind: str, rows: int, count: int) -> dict[str, Result]:
    """The ratios of one table."""
    seconds = rounds(sides(spark, folder, table(spark, folder, kind, rows), kind), count)
    found = {f"{kind}_vs_map_in_arrow": (seconds, ratios(seconds, "ours", "map_in_arrow"))}
    for name in seconds.keys() - {"ours", "map_in_arrow", "scan"}:
        found[f"{kind}_{name}_over_ours"] = ({}, ratios(seconds, name, "ours"))
    return found


# ---- the start of a model, and memory


class Heavy:
    """A model of 100 MB."""

    def __init__(self, weights: np.ndarray[Any, Any]) -> None:
        self.weights = weights

    def predict(self, batch: pd.DataFrame) -> Any:
        """A cheap number a row."""
        return batch["id"] * self.weights[0]


def start(spark: SparkSession, folder: Path, partitions: int, count: int) -> dict[str, Result]:
    """Many small partitions and a large model: who loads it how often."""
    import mlflow
    from mlflow.models import ModelSignature as Theirs
    from mlflow.types import Schema as TheirSchema
    from pyspark.sql import functions as F

    model = Heavy(np.ones(12_500_000))
    inputs = Schema([ColSpec("long", "id")])

    with quiet():

        class Wrapped(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
            weights = model.weights

            def predict(self, context, model_input):  # type: ignore[no-untyped-def]
                return model_input["id"] * self.weights[0]

    theirs = Theirs(*(TheirSchema.from_json(schema.to_json()) for schema in (inputs, PREDICTION)))
    with quiet():
        mlflow.pyfunc.save_model(str(folder / "heavy"), python_model=Wrapped(), signature=theirs, pip_requirements=[])
        udf = mlflow.pyfunc.spark_udf(spark, str(folder / "heavy"), env_manager="local")
    frame = spark.range(partitions * 10).repartition(partitions)
    ours = score(frame, model, ModelSignature(inputs, PREDICTION))
    seconds = rounds(
        {"ours": lambda: sink(ours), "spark_udf": lambda: sink(frame.select("*", udf(F.col("id"))))}, count
    )
    return {"start_spark_udf_over_ours": (seconds, ratios(seconds, "spark_udf", "ours"))}


def shapes(spark: SparkSession, folder: Path, rows: int, count: int) -> dict[str, Result]:
    """Kept columns through Python and back, as before Spark 4.1, over staying in the JVM beside a UDF."""
    columns = [
        *[f"rand({i}) as x{i}" for i in range(20)],
        *[f"concat('some text ', id * {i}) as s{i}" for i in range(8)],
    ]
    path = str(folder / "shapes")
    spark.range(rows).selectExpr(*columns).repartition(4).write.parquet(path)
    found: dict[str, Result] = {}
    beside = frames._stays_aside
    for read, idle in ((1, 0), (8, 0), (20, 0), (1, 2), (1, 8)):
        inputs = [f"x{i}" for i in range(read)]
        table = spark.read.parquet(path).select(*inputs, *[f"s{i}" for i in range(idle)])
        signature = ModelSignature(Schema([ColSpec("double", name) for name in inputs]), PREDICTION)
        aside = score(table, lambda batch: batch["x0"] * 2, signature)
        frames._stays_aside = lambda fields: False
        through = score(table, lambda batch: batch["x0"] * 2, signature)
        frames._stays_aside = beside
        sides: Sides = {"through": lambda made=through: sink(made), "aside": lambda made=aside: sink(made)}  # type: ignore[misc]
        seconds = rounds(sides, count)
        found[f"shapes_{read}_read_{idle}_idle_through_over_aside"] = (seconds, ratios(seconds, "through", "aside"))
    return found


def peak(batch: Any) -> Any:
    """The most memory that this worker has held so far, in bytes, for each row."""
    return np.full(len(batch), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0)


def memory(spark: SparkSession, rows: int) -> dict[str, Result]:
    """The peak of a worker on images, beyond that of a worker on a few bytes, in batches of images."""
    from pyspark.sql import functions as F

    def held(shape: tuple[int, ...], batch: int, count: int) -> float:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(batch))
        size = int(np.prod(shape))
        frame = spark.range(count, numPartitions=1).selectExpr(f"array_repeat(cast(id as float), {size}) as x")
        signature = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, *shape))]), PREDICTION)
        found = score(frame, peak, signature, keep=[]).agg(F.max("prediction").alias("m")).collect()
        return float(found[0]["m"])

    image = (224, 224, 3)
    batch = (64 << 20) // (4 * int(np.prod(image)))
    before = spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch", "10000")
    small = held((8,), 100, 100)
    large = held(image, batch, max(rows, 3 * batch))
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(before))
    return {"images_peak_in_batches": ({}, [(large - small) / (batch * 4 * int(np.prod(image)))])}


def main() -> None:
    """Compare, print and write."""
    options = arguments()
    spark = runtime.session("benchmarks.score", master="local[2]", conf={"spark.ui.enabled": "false"})
    warnings.filterwarnings("ignore", message="batches of")
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "memory"):  # first: a worker keeps its peak
            results |= memory(spark, 1 if options.small else 1000)
        for kind, rows in ROWS.items():
            if options.only in (None, kind):
                results |= compared(spark, folder, kind, rows // 50 if options.small else rows, options.rounds)
        if options.only in (None, "shapes"):
            results |= shapes(spark, folder, 2_000 if options.small else 200_000, options.rounds)
        if options.only in (None, "start"):
            results |= start(spark, folder, 10 if options.small else 200, options.rounds)
    report(results, ["sparksig", "pyspark", "pyarrow", "pandas", "mlflow"], options.json)


def arguments() -> argparse.Namespace:
    """The options of every benchmark, and one table alone."""
    made = parser(__doc__ or "")
    made.add_argument("--only", choices=[*ROWS, "shapes", "start", "memory"])
    return made.parse_args()


if __name__ == "__main__":
    main()
