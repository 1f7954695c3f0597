"""The same verdicts in real streams: input files, checkpoints, output files, and restarts with new files."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparksig import ColSpec, Schema, enforce, split
from tests.verdict import cases

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")]


@dataclass(frozen=True)
class Stream:
    """A folder of Parquet files that is read as a stream, and where its queries write.

    Attributes:
        spark: the session.
        root: a folder of its own.
    """

    spark: SparkSession
    root: Path

    def arrive(self, df: DataFrame) -> None:
        """New files come; none is ever seen half-written under a name that the stream reads."""
        df.write.mode("append").parquet(str(self.root / "source"))

    def read(self, schema: Any) -> DataFrame:
        return self.spark.readStream.schema(schema).option("maxFilesPerTrigger", 1).parquet(str(self.root / "source"))

    def run(self, query: DataFrame, name: str) -> None:
        """Take what has arrived, then stop; the next run goes on from the checkpoint."""
        writer = query.writeStream.format("parquet").option("checkpointLocation", str(self.root / f"{name}.checkpoint"))
        running = writer.trigger(availableNow=True).start(str(self.root / name))
        try:
            running.awaitTermination()
        finally:
            running.stop()

    def written(self, name: str) -> list[Any]:
        return self.spark.read.parquet(str(self.root / name)).collect()


@pytest.fixture
def stream(spark: SparkSession, tmp_path: Path) -> Stream:
    return Stream(spark, tmp_path)


@pytest.fixture(scope="module")
def df(spark: SparkSession) -> DataFrame:
    return cases.frame(spark)


def halves(df: DataFrame) -> list[DataFrame]:
    """The table in two, by what no verdict depends on; rows that are there twice stay together."""
    return [df.where(f"abs(hash({cases.KEY})) % 2 = {half}").coalesce(2) for half in (0, 1)]


def test_tag_in_a_stream_gives_the_batch_verdicts_once_per_row(stream: Stream, df: DataFrame) -> None:
    for half in halves(df):
        stream.arrive(half)
        stream.run(cases.tag_all(stream.read(df.schema)), "tagged")
    stream.run(cases.tag_all(stream.read(df.schema)), "tagged")  # nothing new has come
    rows = stream.written("tagged")
    found = {g: cases.collected((r[cases.KEY], cases.verdict(r[g])) for r in rows) for g in cases.GROUPS}
    assert cases.differences(found, cases.expected_answers()["tag"]) == []


@pytest.mark.parametrize("group", ["columns", "tensors"])
def test_split_in_a_stream_gives_the_batch_verdicts_once_per_row(stream: Stream, df: DataFrame, group: str) -> None:
    for half in halves(df):
        stream.arrive(half)
        parts = split(stream.read(df.schema), cases.signature(group), cases.policy(group))
        stream.run(parts.accepted, "accepted")
        stream.run(parts.quarantined.select(cases.KEY, "_violations"), "quarantined")
    pairs = [(row[cases.KEY], "") for row in stream.written("accepted")]
    pairs += [(row[cases.KEY], cases.verdict(row["_violations"])) for row in stream.written("quarantined")]
    assert cases.differences(cases.collected(pairs), cases.expected(group)) == []


def test_enforce_in_a_stream_passes_clean_rows_and_fails_on_a_bad_one(stream: Stream, df: DataFrame) -> None:
    group = "columns"

    def query() -> DataFrame:
        return enforce(stream.read(df.schema), cases.signature(group), cases.policy(group))

    clean = cases.plain_enforced(group)["passed"]
    for half in halves(df):
        stream.arrive(half.where(f"`clean {group}`"))
        stream.run(query(), "enforced")
    assert cases.collected((row[cases.KEY], "") for row in stream.written("enforced")) == clean
    stream.arrive(df.where(f"{cases.KEY} = '{cases.worst(group)}'"))
    faults = cases.expected(group)[cases.worst(group)][0]
    for _ in range(2):  # and again when it is started again: the row has not been skipped
        assert cases.failed_with(lambda: stream.run(query(), "enforced"), group) == faults
    assert cases.collected((row[cases.KEY], "") for row in stream.written("enforced")) == clean


def test_enforce_in_a_stream_keeps_the_watermark_of_an_event_time(stream: Stream) -> None:
    from pyspark.sql import functions as F

    signature = Schema([ColSpec("datetime", "at"), ColSpec("long", "n")])
    start = dt.datetime(2018, 11, 3, 23, 0, tzinfo=dt.UTC)
    minutes = [[0, 1, 2, 14], [31, 33], [59, 120]]
    schema = "n int, at timestamp"
    for each in minutes:
        rows = [(minute, start + dt.timedelta(minutes=minute)) for minute in each]
        stream.arrive(stream.spark.createDataFrame(rows, schema).coalesce(1))
        enforced = enforce(stream.read(schema).withWatermark("at", "10 minutes"), signature)
        assert enforced.dtypes == [("at", "timestamp"), ("n", "bigint")]
        counts = (
            enforced.groupBy(F.window("at", "30 minutes"))
            .count()
            .selectExpr("unix_seconds(window.start) as start", "count")
        )
        stream.run(counts, "counts")
    first = int(start.timestamp())
    found = {(row["start"] - first) // 60: row["count"] for row in stream.written("counts")}
    assert found == {0: 4, 30: 3}  # the window of minute 120 is still open
