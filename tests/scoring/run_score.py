"""Scores in a process of its own, on whatever Spark its arguments name, and prints one JSON line of what came out.

Arguments: `--remote URL` or `--master URL`, then a folder that driver and executors share.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LinearRegression

from sparksig import ColSpec, ModelSignature, ParamSchema, ParamSpec, Schema, predict_udf, save_model, score
from sparksig.models.artifact import Packed

SIGNATURE = ModelSignature(
    Schema([ColSpec("long", "id"), ColSpec("double", "x")]),
    Schema([ColSpec("double", "p")]),
    ParamSchema([ParamSpec("factor", "double", 2.0), ParamSpec("key", "string", "")]),
)


class Heavy:
    """A model that is not small, and that notes each time it is unpickled and by whom."""

    def __init__(self, seen: str) -> None:
        self.weights, self.seen = np.ones(1_000_000), seen

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        with open(self.seen, "a") as file:
            file.write(f"{os.getpid()}\n")

    def predict(self, batch: pd.DataFrame, params: dict[str, Any]) -> Any:
        return batch["x"] * params["factor"] * self.weights[0]


def loads(seen: Path) -> tuple[int, int]:
    """How often the model was loaded, and in how many processes."""
    pids = seen.read_text().split()
    return len(pids), len(set(pids))


def answers(spark: SparkSession, folder: Path) -> dict[str, Any]:
    table = spark.range(200).selectExpr("id", "if(id = 7, null, id / 2) as x", "id % 3 as rest").repartition(12)
    seen = folder / "seen"
    model = Heavy(str(seen))
    found: dict[str, Any] = {"kind": type(table).__module__}
    for _ in range(2):  # two jobs, many tasks
        rows = score(table, model, SIGNATURE, {"factor": 3.0}).sort("id").collect()
    found["loads"] = loads(seen)
    found["sum"] = sum(row.prediction or 0 for row in rows)
    found["dirty"] = [(row.id, [(v.path, v.code) for v in row["_violations"]]) for row in rows if row["_violations"]]
    found["rest"] = [row.rest for row in rows] == [i % 3 for i in range(200)]
    aside = score(table.selectExpr("*", "interval '1' month as m"), model, SIGNATURE).drop("m")
    found["aside"] = sum(row.prediction or 0 for row in aside.collect())
    udf = predict_udf(lambda batch: batch["x"] + 1, SIGNATURE, on_violation="null")
    spark.udf.register("plus", udf)
    table.createOrReplaceTempView("t")
    found["udf"] = [row[0] for row in spark.sql("select sum(plus(struct(*))) from t").collect()]
    found["udf in select"] = table.select(udf(F.struct("*")).alias("p")).agg(F.sum("p")).collect()[0][0]
    found["key"] = keyed(table.where("id < 2"))
    found["stream"] = streamed(spark, folder, table)
    found["packed"] = packed(table)
    return found


def packed(table: DataFrame) -> Any:
    """With the files of a registered model, which lie nowhere when it is scored."""
    signature = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double", "p")]))
    model = LinearRegression().fit(pd.DataFrame({"x": [0.0, 1.0]}), [1.0, 3.0])
    with TemporaryDirectory() as folder:
        saved = save_model(Path(folder) / "model", model, signature)
        files = Packed.of(saved)
    scored = score(table, files, trust=saved.digest)
    return round(scored.agg(F.sum("prediction")).collect()[0][0], 6)


LOG = """
rootLogger.level = info
rootLogger.appenderRef.err.ref = err
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %p %c %m%n%ex
logger.spark.name = org.apache.spark
logger.spark.level = debug
"""


def keyed(table: Any) -> list[float]:
    """How long the key in the environment is, as a model sees it; another raises with it, and plans are printed."""

    def length(batch: pd.DataFrame, params: dict[str, Any]) -> Any:
        return [float(len(params["key"]))] * len(batch)

    def raises(batch: pd.DataFrame, params: dict[str, Any]) -> Any:
        raise ValueError(params["key"])

    found = []
    for model in (length, raises):
        scored = score(table, model, SIGNATURE, param_from_env={"key": "MODEL_KEY"}).select("prediction")
        asked = table.select(predict_udf(model, SIGNATURE, param_from_env={"key": "MODEL_KEY"})(F.struct("*")))
        for frame in (scored, asked):
            frame.explain(True)
            try:
                found += [row[0] for row in frame.collect()]
            except Exception as error:
                found.append(-1.0)
                print(error, file=sys.stderr)
    return found


def streamed(spark: SparkSession, folder: Path, table: Any) -> Any:
    """A file stream, stopped after its first files and started again."""
    source, sink = str(folder / "source"), str(folder / "sink")
    for _ in range(2):
        table.write.mode("append").parquet(source)
        stream = spark.readStream.schema(table.schema).parquet(source)
        scored = score(stream, lambda batch: batch["x"] + 1, SIGNATURE)
        query = (
            scored.writeStream.format("parquet")
            .option("checkpointLocation", str(folder / "checkpoint"))
            .trigger(availableNow=True)
            .start(sink)
        )
        assert query.awaitTermination(300)
    back = spark.read.parquet(sink)
    return [back.count(), back.where("_violations is not null").count(), back.agg(F.sum("prediction")).collect()[0][0]]


EXPECTED = {
    "sum": 3.0 * (sum(range(200)) - 7) / 2,
    "dirty": [[7, [["x", "NULL"]]]],
    "rest": True,
    "aside": 2.0 * (sum(range(200)) - 7) / 2,
    "udf": [(sum(range(200)) - 7) / 2 + 199],
    "udf in select": (sum(range(200)) - 7) / 2 + 199,
    "key": [30.0] * 4 + [-1.0] * 2,
    "stream": [400, 2, sum(range(200)) - 7 + 2 * 199],
    "packed": sum(range(200)) - 7 + 199.0,
}


def main() -> None:
    how, url, folder = sys.argv[1:]
    warnings.simplefilter("ignore")
    builder = SparkSession.builder.config("spark.ui.enabled", "false") if how == "--master" else SparkSession.builder
    if how == "--master":
        builder = builder.master(url).config("spark.driver.host", "127.0.0.1").config("spark.executor.memory", "600m")
        log = Path(folder) / "log4j2.properties"
        log.write_text(LOG)
        builder = builder.config("spark.executor.extraJavaOptions", f"-Dlog4j2.configurationFile=file:{log}")
    else:
        builder = builder.remote(url)
    spark = builder.config("spark.sql.shuffle.partitions", "4").getOrCreate()
    found = answers(spark, Path(folder))
    spark.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
