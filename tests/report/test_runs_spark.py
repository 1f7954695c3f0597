"""Summaries and pages of real runs: the schema accepts the summaries, and the page's snippets run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from sparksig.pipeline.faults import RunError
from sparksig.pipeline.io import literal_path
from sparksig.pipeline.run import run
from sparksig.report.html import report_html
from sparksig.report.query import quarantine_python, quarantine_sql
from sparksig.report.schema import check_summary
from sparksig.report.summary import Summary
from tests.pipeline.estimators import Raising, Scaling
from tests.pipeline.jobs import TABLE, Job
from tests.report.summaries import NAMES, parsed
from tests.report.test_schema import faults

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def holds(job: Job, verdict: str) -> dict[str, Any]:
    """The summary that a run left, after all that must hold of it."""
    found = job.summary()
    assert found["verdict"] == verdict
    assert faults(found) == []
    check_summary(found)
    assert Summary.from_dict(found).to_dict() == found
    assert verdict.replace("_", " ").capitalize() in parsed(report_html(found)).text
    return found


@pytest.mark.slow
def test_summary_of_a_run_matches_the_schema(tmp_path: Path, spark: SparkSession) -> None:
    job = Job(tmp_path).table(TABLE).model()
    limits: dict[str, Any] = {"max_bad_rows": 3, "max_bad_ratio": 0.5, "column_actions": {"x": "warn"}}
    run(job.config(run_id="q", params={"factor": "3"}, **limits), lambda: spark)
    assert holds(job, "quarantined")["thresholds"]["columns"] == {"x": "warn"}
    run(job.config(run_id="c", allow_nulls=True), lambda: spark)
    assert holds(job, "clean")["plan"]["policy"] == {"allow_nulls": True}
    with pytest.raises(RunError):
        run(job.config(run_id="o", fail_on_quarantine=True), lambda: spark)
    assert "taken away again" in report_html(holds(job, "over_threshold"))


def test_summary_of_a_run_that_ends_early_matches_the_schema(tmp_path: Path, spark: SparkSession) -> None:
    text = pa.table({"id": [1], "x": ["a"]})
    for folder, table, model, verdict in (("a", text, Scaling(), "incompatible"), ("b", TABLE, Raising(), "failed")):
        (tmp_path / folder).mkdir()
        job = Job(tmp_path / folder).table(table).model(model)
        with pytest.raises(RunError):
            run(job.config(), lambda: spark)
        found = holds(job, verdict)
        assert found["problems"] or verdict == "failed"


def keys(printed: str) -> set[str]:
    return set(re.findall(r"\bkey\d+\b", printed))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["plain", "a b[1]{x,y}*"])
def test_report_snippets_find_the_quarantined_rows(
    folder: str, tmp_path: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [*NAMES, "a\u202eb", "back\\slash\n'", "${spark.app.name}"]
    rows = [(f"key{number}", [(name, "NULL", "long", "long")]) for number, name in enumerate(names)]
    schema = "key string, _violations array<struct<path:string,code:string,expected:string,observed:string>>"
    place = str(tmp_path / folder)
    spark.createDataFrame(rows, schema).coalesce(1).write.parquet(place)
    for number, name in enumerate(names if folder == "plain" else names[:2]):
        exec(compile(quarantine_python({"path": place}, name), "pasted", "exec"), {"spark": spark})
        counts, found = capsys.readouterr().out.split("\n\n")[:2]
        assert (counts.count("|NULL|1    |"), keys(found)) == (len(names), {f"key{number}"}), name
    if folder != "plain":
        assert quarantine_sql({"path": place}, "x") is None
        return
    spark.read.parquet(place).createOrReplaceTempView("set_apart")
    for sink in ({"path": place, "format": "parquet"}, {"table": "set_apart", "format": None}):
        for number, name in enumerate(names if "path" in sink else names[:2]):
            text = quarantine_sql(sink, name)
            assert text is not None
            counted, keyed = (spark.sql(statement.strip()) for statement in text.rstrip(";").split(";"))
            assert [row["key"] for row in keyed.collect()] == [f"key{number}"], name
        assert [row["rows"] for row in counted.collect()] == [1] * len(names)


def test_report_snippet_escapes_a_path_as_the_job_does() -> None:
    place = "/data/a b[1]{x,y}*?\\"
    assert repr(literal_path(place)) in quarantine_python({"path": place}, "x")
