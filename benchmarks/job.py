"""What a night job with quarantine and accounts costs beside one that writes predictions and checks nothing.

python -m benchmarks.job [--json FILE] [--small]

A table of 20 doubles, 2% of whose rows have a null, a cheap model, Parquet out. The ways to write two tables from one
are measured side by side: two filtered writes, which is what the job does; the same of rows pinned on disk; and one
write that is partitioned by where a row belongs, sorted or with a writer for each.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.measure import arguments, ratios, report, rounds
from sparksig import ColSpec, ModelSignature, Schema, runtime, score, split
from sparksig.enforcement.counts import count_violations
from sparksig.pipeline.accounting import digest, together

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NAMES = [f"c{i}" for i in range(20)]
SIGNATURE = ModelSignature(Schema([ColSpec("double", name) for name in NAMES]), Schema([ColSpec("double")]))
WRITERS = "spark.sql.maxConcurrentOutputFileWriters"


def predict(batch: pd.DataFrame) -> Any:
    """A cheap number a row."""
    return batch["c0"] * 1.8 + batch["c19"]


class Jobs:
    """The ways to run the job on one table."""

    def __init__(self, spark: SparkSession, folder: Path, rows: int) -> None:
        self.spark, self.folder = spark, folder
        path = str(folder / "table")
        columns = [f"case when id % 1000 = {i} then null else rand({i}) end as c{i}" for i in range(20)]
        spark.range(rows).selectExpr("id", *columns).repartition(4).write.parquet(path)
        self.table = spark.read.parquet(path)

    def write(self, rows: DataFrame, name: str, *partitions: str) -> DataFrame:
        """Write a table anew, and read it back as it was written."""
        path = str(self.folder / name)
        shutil.rmtree(path, ignore_errors=True)
        rows.write.partitionBy(*partitions).parquet(path)
        return self.spark.read.schema(rows.schema).parquet(path)

    def bare(self) -> None:
        """Predictions by a hand-written UDF, and no look at the rows."""
        from pyspark.sql import functions as F

        def predicted(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
            for columns in batches:
                arrays = {n: c.to_numpy(zero_copy_only=False) for n, c in zip(NAMES, columns, strict=True)}
                yield pa.array(np.asarray(predict(pd.DataFrame(arrays, copy=False))))

        udf = F.arrow_udf(predicted, "double")
        self.write(self.table.select("*", udf(*NAMES).alias("prediction")), "bare").count()

    def both(self, table: DataFrame) -> tuple[DataFrame, DataFrame]:
        """Scored and quarantined rows, by two filtered writes, counted."""
        scored = self.write(score(table, predict, SIGNATURE, on_violation="drop"), "scored")
        dirty = self.write(split(table, SIGNATURE).quarantined, "quarantine")
        assert table.count() == scored.count() + count_violations(dirty, "_violations").rows_in
        return scored, dirty

    def quarantine(self) -> None:
        """What the job does, up to its counts."""
        self.both(self.table)

    def reconcile(self) -> None:
        """What the job does, with the accounts of what the rows hold."""
        fields = self.table.schema.fields
        written = self.both(self.table)
        assert digest(self.table, fields) == together([digest(frame, fields) for frame in written])

    def pinned(self) -> None:
        """The same of rows that were pinned on disk first."""
        from pyspark import StorageLevel

        table = self.table.persist(StorageLevel.DISK_ONLY)
        self.both(table)
        table.unpersist(blocking=True)

    def partitioned(self, writers: int) -> Callable[[], None]:
        """One write of tagged rows, a folder for each of the two."""

        def run() -> None:
            self.spark.conf.set(WRITERS, str(writers))
            place = "if(_violations is null, 'scored', 'quarantine') as sink"
            tagged = score(self.table, predict, SIGNATURE).selectExpr("*", place)
            count_violations(self.write(tagged, f"tagged{writers}", "sink"), "_violations")
            self.spark.conf.set(WRITERS, "0")

        return run


def main() -> None:
    """Compare, print and write."""
    options = arguments(__doc__ or "")
    spark = runtime.session("benchmarks.job", master="local[2]", conf={"spark.ui.enabled": "false"})
    warnings.filterwarnings("ignore", message="batches of")
    with tempfile.TemporaryDirectory() as name:
        jobs = Jobs(spark, Path(name), 20_000 if options.small else 1_000_000)
        sides: dict[str, Callable[[], None]] = {
            "bare": jobs.bare,
            "quarantine": jobs.quarantine,
            "reconcile": jobs.reconcile,
            "pinned": jobs.pinned,
            "partitioned_sorted": jobs.partitioned(0),
            "partitioned_writers": jobs.partitioned(4),
        }
        seconds = rounds(sides, options.rounds)
    results = {"quarantine_job_vs_bare_job": (seconds, ratios(seconds, "quarantine", "bare"))}
    for side in ("reconcile", "pinned", "partitioned_sorted", "partitioned_writers"):
        results[f"{side}_vs_bare_job"] = ({}, ratios(seconds, side, "bare"))
    report(results, ["sparksig", "pyspark", "pyarrow", "pandas"], options.json)


if __name__ == "__main__":
    main()
