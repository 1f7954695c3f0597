"""What enforcing costs on top of bare casts, by the number of columns, and how long a plan of 1,000 columns takes.

python -m benchmarks.enforce [--json FILE] [--small]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import arguments, ratios, report, rounds
from sparksig import ColSpec, Schema, TensorSpec, enforce, runtime, tag

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Result = tuple[dict[str, list[float]], list[float]]


def sink(frame: DataFrame) -> None:
    """Compute every column of every row and keep none."""
    frame.write.format("noop").mode("overwrite").save()


def longs(spark: SparkSession, folder: Path, columns: int, rows: int) -> DataFrame:
    """A Parquet table of bigint columns whose values are integers."""
    path = str(folder / f"longs{columns}")
    names = [f"(id * {i + 1}) % 1000000 as c{i}" for i in range(columns)]
    spark.range(rows).selectExpr(*names).repartition(4).write.parquet(path)
    return spark.read.parquet(path)


def columns(spark: SparkSession, folder: Path, width: int, rows: int, count: int) -> dict[str, Result]:
    """`enforce` and `tag` against a select of the same casts."""
    table = longs(spark, folder, width, rows)
    schema = Schema([ColSpec("integer", name) for name in table.columns])
    sides: dict[str, Callable[[], object]] = {
        "cast": lambda: sink(table.selectExpr(*[f"cast({name} as int) as {name}" for name in table.columns])),
        "enforce": lambda: sink(enforce(table, schema, level="checked")),
        "tag": lambda: sink(tag(table, schema, level="checked")),
    }
    seconds = rounds(sides, count)
    suffix = "" if width == 20 else f"_{width}"
    return {
        f"enforce_vs_cast{suffix}": (seconds, ratios(seconds, "enforce", "cast")),
        f"tag_vs_cast{suffix}": (seconds, ratios(seconds, "tag", "cast")),
    }


def tensors(spark: SparkSession, folder: Path, rows: int, count: int) -> dict[str, Result]:
    """A float tensor of 128 with its shape and null checks against the scan."""
    path = str(folder / "tensors")
    values = ", ".join(f"cast(rand({i}) as float)" for i in range(128))  # no dictionary holds them: so are tensors
    spark.range(rows).selectExpr(f"array({values}) as x").repartition(4).write.parquet(path)
    table = spark.read.parquet(path)
    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 128), "x")])
    seconds = rounds({"scan": lambda: sink(table), "enforce": lambda: sink(enforce(table, schema))}, count)
    return {"tensor_vs_scan": (seconds, ratios(seconds, "enforce", "scan"))}


def strings(spark: SparkSession, folder: Path, rows: int, count: int) -> dict[str, Result]:
    """20 string columns with their null and UTF-8 checks against the scan."""
    path = str(folder / "strings")
    spark.range(rows).selectExpr(*[f"concat('city ', hash(id, {i})) as c{i}" for i in range(20)]).write.parquet(path)
    table = spark.read.parquet(path)
    schema = Schema([ColSpec("string", name) for name in table.columns])
    sides: dict[str, Callable[[], object]] = {
        "scan": lambda: sink(table),
        "enforce": lambda: sink(enforce(table, schema)),
        "tag": lambda: sink(tag(table, schema)),
    }
    seconds = rounds(sides, count)
    return {
        "strings_vs_scan": (seconds, ratios(seconds, "enforce", "scan")),
        "tag_strings_vs_scan": (seconds, ratios(seconds, "tag", "scan")),
    }


def planning(spark: SparkSession, folder: Path, count: int) -> dict[str, Result]:
    """Analysis of 1,000 columns against Spark's own for bare casts: what a user waits for before any job."""
    table = longs(spark, folder, 1000, 10)
    schema = Schema([ColSpec("integer", name) for name in table.columns])

    def analyzed(frame: DataFrame) -> Any:
        return frame.schema

    sides: dict[str, Callable[[], object]] = {
        "cast": lambda: analyzed(table.selectExpr(*[f"cast({name} as int) as {name}" for name in table.columns])),
        "enforce": lambda: analyzed(enforce(table, schema, level="checked")),
        "tag": lambda: analyzed(tag(table, schema, level="checked")),
    }
    seconds = rounds(sides, count)
    return {
        "enforce_plan_1000_columns": (seconds, ratios(seconds, "enforce", "cast")),
        "tag_plan_1000_columns": (seconds, ratios(seconds, "tag", "cast")),
    }


def main() -> None:
    """Compare, print and write."""
    options = arguments(__doc__ or "", rounds=15)  # of a fraction of a second each
    rows = 20_000 if options.small else 1_000_000
    spark = runtime.session("benchmarks.enforce", master="local[2]", conf={"spark.ui.enabled": "false"})
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for width in (20, 60, 110):
            results |= columns(spark, folder, width, rows, options.rounds)
        results |= tensors(spark, folder, rows // 2, options.rounds)
        results |= strings(spark, folder, rows // 2, options.rounds)
        results |= planning(spark, folder, options.rounds)
    report(results, ["sparksig", "pyspark", "pyarrow"], options.json)


if __name__ == "__main__":
    main()
