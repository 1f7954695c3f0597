"""Table sinks: rows are appended once per run id, completed by the next attempt, never replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparksig.errors import ConfigError, SinkError
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run, run_stream
from sparksig.pipeline.tables import TableSink
from sparksig.report.html import report_html
from sparksig.report.query import quarantine_python, quarantine_sql
from sparksig.report.schema import check_summary
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from tests.pipeline.jobs import SECRET, SIGNATURE, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAMES = {"output_table": "night.scored", "quarantine_table": "night.bad"}


@pytest.fixture
def job(tmp_path: Path, spark: SparkSession) -> Iterator[Job]:
    spark.sql("CREATE DATABASE night")
    yield Job(tmp_path).table(TABLE).model()
    spark.sql("DROP DATABASE night CASCADE")


def config(job: Job, **changed: Any) -> JobConfig:
    places = {"output": "", "quarantine": "", "staging": job.path("staging")}
    return job.config(**{**places, **NAMES, **changed})


def held(spark: SparkSession, kind: str) -> list[tuple[str, int]]:
    """Each row of a table as its run and its id."""
    found = spark.table(NAMES[f"{kind}_table"]).select("run_id", "id").collect()
    return sorted((row["run_id"], row["id"]) for row in found)


def tables(spark: SparkSession) -> list[str]:
    return sorted(table.name for table in spark.catalog.listTables("night") if not table.isTemporary)


def changes(job: Job, values: list[float | None]) -> None:
    """The source has other rows by now."""
    rows = pa.table({"id": range(1, 1 + len(values)), "x": pa.array(values, pa.float64())})
    pq.write_table(rows, job.root / "source" / "part-0.parquet")


@pytest.mark.spark
def test_job_appends_each_run_to_tables_once(job: Job, spark: SparkSession) -> None:
    summary = run(config(job), lambda: spark)
    assert (summary.rows_scored, summary.rows_quarantined) == (3, 1)
    run(config(job, run_id="s"), lambda: spark)
    run(config(job), lambda: spark)  # the first again
    both = ("r", "s")
    assert held(spark, "output") == [(run_id, key) for run_id in both for key in (1, 2, 4)]
    assert held(spark, "quarantine") == [(run_id, 3) for run_id in both]
    assert {row["prediction"] for row in spark.table("night.scored").collect()} == {2.0, SECRET * 2, 8.0}
    found = job.summary()
    check_summary(found)
    assert found["outputs"]["scored"] == "night.scored"
    assert found["sinks"]["quarantine"]["table"] == "night.bad"
    assert job.left() == ["staging", "summary.json"]
    # the report's queries are of this run's rows
    assert spark.sql(quarantine_sql(found["sinks"]["quarantine"], "x").partition(";")[0]).collect()[0]["rows"] == 1
    assert ".where(F.col('run_id') == 'r')" in quarantine_python(found["sinks"]["quarantine"], "x")


@pytest.mark.spark
def test_job_rejects_replacing_the_rows_of_a_run_in_tables(job: Job, spark: SparkSession) -> None:
    run(config(job), lambda: spark)
    changes(job, [5.0, None])
    with pytest.raises(RunError, match="a table's rows cannot be replaced") as caught:
        run(config(job), lambda: spark)
    assert caught.value.code == 5
    assert "where run_id = 'r'" in str(caught.value)
    assert (held(spark, "output"), held(spark, "quarantine")) == ([("r", 1), ("r", 2), ("r", 4)], [("r", 3)])
    assert job.summary()["verdict"] == "failed"
    assert job.left() == ["staging", "summary.json"]


@pytest.mark.spark
def test_job_completes_an_attempt_interrupted_between_the_tables(
    job: Job, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = TableSink._append

    def breaks(sink: TableSink, *given: Any) -> None:
        if sink.name == "night.scored":
            raise SinkError("the cluster is gone")
        whole(sink, *given)

    monkeypatch.setattr(TableSink, "_append", breaks)
    with pytest.raises(RunError, match="the cluster is gone"):
        run(config(job), lambda: spark)
    assert tables(spark) == ["bad"]
    monkeypatch.undo()
    run(config(job), lambda: spark)
    assert (held(spark, "output"), held(spark, "quarantine")) == ([("r", 1), ("r", 2), ("r", 4)], [("r", 3)])


@pytest.mark.spark
def test_job_appends_nothing_to_tables_when_it_fails(job: Job, spark: SparkSession) -> None:
    with pytest.raises(RunError) as caught:
        run(config(job, max_bad_rows=0), lambda: spark)
    assert (caught.value.verdict, tables(spark)) == ("over_threshold", [])
    place = job.summary()["rejected"]["path"]
    assert place == job.path("staging/quarantine/_rejected/run_id=r")
    assert [row.id for row in spark.read.parquet(place).collect()] == [3]
    taken = replace(config(job, allow_nulls=True).requeued("r", rejected=True), run_id="again")
    assert run(taken, lambda: spark).rows_scored == 1
    assert [path for path in job.left() if "_rejected" not in path] == [
        *("staging", "staging/quarantine", "summary.json", "summary.requeued.json")
    ]
    run(config(job), lambda: spark)
    assert [path for path in job.left() if "summary" not in path] == ["staging"]


@pytest.mark.spark
def test_job_rejects_tables_whose_columns_do_not_match(job: Job, spark: SparkSession) -> None:
    spark.sql("CREATE TABLE night.scored (run_id STRING, prediction DOUBLE, x DOUBLE, id BIGINT)")  # another order
    run(config(job), lambda: spark)
    assert held(spark, "output") == [("r", 1), ("r", 2), ("r", 4)]
    spark.sql("DROP TABLE night.scored")
    spark.sql("CREATE TABLE night.scored (id BIGINT, x FLOAT, more INT, run_id STRING)")
    with pytest.raises(RunError, match="the rows do not fit the tables") as caught:
        run(config(job, run_id="s"), lambda: spark)
    assert caught.value.code == 2
    assert [problem.fact for problem in caught.value.problems] == [
        "more is int in night.scored, and no column here",
        "prediction is missing in night.scored, and double here",
        "x is float in night.scored, and double here",
    ]
    assert held(spark, "quarantine") == [("r", 3)]


@pytest.mark.spark
def test_job_rejects_tables_that_cannot_store_the_rows_before_reading(job: Job, spark: SparkSession) -> None:
    spark.sql("CREATE VIEW night.view AS SELECT 1L AS id")
    spark.range(1).createOrReplaceTempView("passing")
    spark.sql("CREATE TABLE night.padded (id CHAR(5), x DOUBLE, prediction DOUBLE, run_id STRING) USING parquet")
    for name, words in (
        ("night.view", "night.view is a view"),
        ("passing", "passing is a view"),
        ("night.padded", r"id is char\(5\) in night.padded"),
        ("a b c", "Spark does not take a b c"),
        ("`NIGHT`.bad", "the same as --output-table"),
        ("spark_catalog.night.`bad`", "the same as --output-table"),
    ):
        with pytest.raises(RunError, match=words) as caught:
            run(config(job, output_table=name), lambda: spark)
        assert caught.value.code == 2
    assert "bad" not in tables(spark)
    assert job.left() == []
    spark.catalog.dropTempView("passing")


@pytest.mark.spark
@pytest.mark.parametrize("made", [True, False], ids=["existing table", "new table"])
def test_job_appends_nothing_to_a_table_whose_format_changes_values(job: Job, spark: SparkSession, made: bool) -> None:
    given = TABLE.append_column("t", pa.array([datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)] * 4))
    pq.write_table(given, job.root / "source" / "part-0.parquet")
    if made:
        columns = "id BIGINT, x DOUBLE, t TIMESTAMP, prediction DOUBLE, run_id STRING"
        spark.sql(f"CREATE TABLE night.scored ({columns}) USING json")
    with pytest.raises(RunError, match="not those of the source") as caught:
        run(config(job, output_format="parquet" if made else "json"), lambda: spark)
    assert caught.value.code == 5
    assert "--output-table: json may not give back all that it is given" in str(caught.value)
    assert tables(spark) == (["scored"] if made else [])
    assert not made or spark.table("night.scored").isEmpty()


@pytest.mark.spark
def test_job_requeue_scores_the_rows_of_a_quarantine_table(job: Job, spark: SparkSession) -> None:
    run(config(job), lambda: spark)
    again = config(job, allow_nulls=True).requeued("r")
    for _ in range(2):
        summary = run(again, lambda: spark)
        assert (summary.rows_in, summary.rows_scored, summary.source["requeues"]) == (1, 1, "r")
        assert held(spark, "output") == [("r", 1), ("r", 2), ("r", 4), ("r.requeued", 3)]
        assert held(spark, "quarantine") == [("r", 3)]
    with pytest.raises(ConfigError, match="not a run's name"):
        config(job).requeued("r' or 'a' = 'a")


@pytest.mark.spark
def test_job_requeue_keeps_invalid_utf8_of_a_json_table_quarantined(job: Job, spark: SparkSession) -> None:
    strings = [b"ok", b"ok", b"\xff", b"ok"]
    text = pa.Array.from_buffers(pa.string(), 4, pa.array(strings, pa.binary()).buffers())
    table = pa.table({"id": range(1, 5), "x": [1.0, None, None, 4.0], "s": text})
    pq.write_table(table, job.root / "source" / "part-0.parquet")
    inputs = Schema([ColSpec("double", "x"), ColSpec("string", "s")])
    signature = ModelSignature(inputs, SIGNATURE.outputs, SIGNATURE.params)
    (job.root / "signature.json").write_text(signature.to_json())
    options: dict[str, Any] = {"output_format": "json", "signature": job.path("signature.json")}
    run(config(job, **options), lambda: spark)
    summary = run(config(job, **options, allow_nulls=True).requeued("r"), lambda: spark)
    assert [(count.path, count.code, count.rows) for count in summary.violations] == [("s", "UNPARSABLE", 1)]
    assert held(spark, "output") == [("r", 1), ("r", 4), ("r.requeued", 2)]
    assert held(spark, "quarantine") == [("r", 2), ("r", 3), ("r.requeued", 3)]


@pytest.mark.spark
def test_job_does_not_publish_rows_staged_by_another_attempt(
    job: Job, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, under_way = TableSink.publish, list[Any]()

    def meets(sink: TableSink, *given: Any) -> None:
        if not under_way:
            under_way.append(sink)
            changes(job, [7.0, None])
            run(config(job), lambda: spark)
        whole(sink, *given)

    monkeypatch.setattr(TableSink, "publish", meets)
    with pytest.raises(RunError) as caught:
        run(config(job), lambda: spark)
    assert caught.value.code == 5
    assert (held(spark, "output"), held(spark, "quarantine")) == ([("r", 1)], [("r", 2)])


@pytest.mark.spark
def test_stream_summary_names_the_tables_of_its_rows(job: Job, spark: SparkSession) -> None:
    asked = config(job, run_id="", trigger="available-now", checkpoint=job.path("state"))
    run_stream(asked, lambda: spark)
    found = job.summary()
    check_summary(found)
    assert {sink["table"]: sink["rows"] for sink in found["sinks"].values()} == {"night.scored": 3, "night.bad": 1}
    assert "spark.table(&#39;night.bad&#39;)" in report_html(found)


@pytest.mark.spark
def test_job_rejects_rows_with_their_own_run_id_column(job: Job, spark: SparkSession) -> None:
    table = TABLE.append_column("Run_Id", pa.array(["a", "b", "c", "d"]))
    pq.write_table(table, job.root / "source" / "part-0.parquet")
    with pytest.raises(RunError, match="the rows have a column run_id of their own") as caught:
        run(config(job), lambda: spark)
    assert (caught.value.code, tables(spark)) == (2, [])


@pytest.mark.spark
def test_job_rejects_a_missing_database_or_requeued_run_before_reading(job: Job, spark: SparkSession) -> None:
    with pytest.raises(RunError, match=r"there is no database nowhere for nowhere\.scored") as caught:
        run(config(job, output_table="nowhere.scored"), lambda: spark)
    assert (caught.value.code, tables(spark)) == (2, [])
    run(config(job), lambda: spark)
    with pytest.raises(RunError, match=r"night\.bad has no rows of the run other") as caught:
        run(config(job).requeued("other"), lambda: spark)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"staging": None}, "--staging: not given beside tables"),
        ({"quarantine_table": None, "quarantine": "q"}, "--quarantine-table: not given beside the other"),
        ({"quarantine_table": "NIGHT.scored"}, "--quarantine-table: the same as --output-table"),
        ({"partition_by": ("id",)}, "--partition-by: given beside tables"),
        (
            {"output_table": None, "quarantine_table": None, "output": "o", "quarantine": "q"},
            "--staging: given without",
        ),
    ],
)
def test_config_requires_both_outputs_as_tables_and_a_staging_folder(changed: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"input": "t", "model": "m", "summary": "s.json", "staging": "staging", **NAMES}
    with pytest.raises(ConfigError) as caught:
        JobConfig(**{"output": "", "quarantine": "", **given, **changed})
    assert words in str(caught.value)
