"""Validation of a table for a job: its counts, and that it ends as the job would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pytest

from sparksig.errors import AbsentColumnWarning, ConfigError
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run
from sparksig.pipeline.run.validation import CheckConfig, Validation, validate_job
from sparksig.report.schema import check_summary
from sparksig.report.summary import Summary
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from tests.pipeline.jobs import SECRET, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NULL = {"path": "x", "code": "NULL", "expected": "double", "observed": "double", "rows": 1}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path).table(TABLE).model()


def no_session() -> NoReturn:
    raise AssertionError("Spark must not be started for this")


def check(job: Job, **changed: Any) -> CheckConfig:
    return CheckConfig(**{"input": job.path("source"), "model": job.path("model"), **changed})


def ends(job: Job, session: Any, config: CheckConfig, **more: Any) -> RunError:
    with pytest.raises(RunError) as caught:
        validate_job(config, session, summary=job.path("found.json"), **more)
    assert str(SECRET) not in str(caught.value)
    return caught.value


def test_validate_job_counts_by_path_and_code_and_writes_nothing(job: Job, spark: SparkSession) -> None:
    found = validate_job(check(job), lambda: spark)
    assert found.report is not None
    assert (found.verdict, found.report.rows_in, found.report.rows_clean) == ("quarantined", 4, 3)
    assert [count.to_dict() for count in found.report.violations] == [NULL]
    assert list(found.seconds) == ["check", "plan", "validate"]
    assert job.left() == []


def test_validate_job_writes_a_summary_that_round_trips(job: Job, spark: SparkSession) -> None:
    config = check(job, max_bad_ratio=0.5)
    found = validate_job(config, lambda: spark, summary=job.path("found.json"))
    written = json.loads((job.root / "found.json").read_text())
    assert written == found.summary.to_dict()
    assert Summary.from_dict(written).to_dict() == written
    check_summary(written)
    assert (written["rows_in"], written["rows_scored"], written["rows_quarantined"]) == (4, None, None)
    assert (written["rows_clean"], written["rows_violating"], written["violations"]) == (3, 1, [NULL])
    assert (written["validated"], written["thresholds"]["max_bad_ratio"]) == ("rows", 0.5)
    assert str(SECRET) not in json.dumps(written)


def test_validate_job_plan_only_starts_no_spark(job: Job) -> None:
    found = validate_job(check(job), no_session, plan_only=True)
    assert found.report is None
    assert found.plan is not None and found.plan.ok
    assert (found.verdict, found.summary.facts["validated"]) == ("clean", "schema")


def test_validate_job_plan_only_reads_other_formats_with_spark(job: Job, spark: SparkSession) -> None:
    (job.root / "rows.json").write_text('{"x": 1.0}\n{"x": null}')
    found = validate_job(check(job, input=job.path("rows.json"), format="json"), lambda: spark, plan_only=True)
    assert (found.report, found.verdict) == (None, "clean")
    without_x = check(job, columns=("id",))
    assert ends(job, lambda: spark, without_x, plan_only=True).code == 3


def test_validate_job_accepts_a_signature_without_a_model(job: Job, spark: SparkSession) -> None:
    given = ModelSignature(Schema([ColSpec("double", "x", required=False)]))
    (job.root / "signature.json").write_text(given.to_json())
    config = check(job, model="", signature=job.path("signature.json"))
    assert validate_job(config, lambda: spark).verdict == "clean"


def test_validate_reports_an_absent_optional_column_and_can_end_4(job: Job, spark: SparkSession) -> None:
    declared = ModelSignature(Schema([ColSpec("double", "x", required=False), ColSpec("long", "ids", required=False)]))
    (job.root / "signature.json").write_text(declared.to_json())
    line = "ids: optional, but the table has no such column: the model receives nulls; did you mean 'id'?"
    for only in (True, False):
        config = check(job, signature=job.path("signature.json"))
        with pytest.warns(AbsentColumnWarning, match=r"ids: optional"):
            validation = validate_job(config, lambda: spark, plan_only=only)
        assert (validation.verdict, validation.summary.warnings) == ("clean", (line,))
        with pytest.warns(AbsentColumnWarning):
            error = ends(job, lambda: spark, replace(config, fail_on_warning=True), plan_only=only)
        assert error.code == 4 and line in error.message
        assert ends(job, lambda: spark, replace(config, on_absent="error"), plan_only=only).code == 3


def test_validate_job_ends_3_with_every_schema_problem(job: Job, spark: SparkSession) -> None:
    given = ModelSignature(Schema([ColSpec("string", "x"), ColSpec("long", "gone")]))
    (job.root / "signature.json").write_text(given.to_json())
    for only in (True, False):
        error = ends(job, lambda: spark, check(job, signature=job.path("signature.json")), plan_only=only)
        assert (error.code, error.verdict) == (3, "incompatible")
        assert {problem.path for problem in error.problems} == {"x", "gone"}
        written = json.loads((job.root / "found.json").read_text())
        assert (written["verdict"], written["rows_in"]) == ("incompatible", None)
        assert len(written["problems"]) == 2


ENDS = {0: (0, "quarantined"), 4: (4, "over_threshold")}


def ending(act: Callable[[], Validation | Summary]) -> tuple[int, str]:
    try:
        return 0, act().verdict
    except RunError as error:
        return error.code, error.verdict


def table(job: Job) -> Job:
    """Five rows, of which one is bad at x, one at y, one at both."""
    x, y = [1.0, None, 3.0, None, 5.0], [1.0, 2.0, None, None, 5.0]
    columns = Schema([ColSpec("double", "x"), ColSpec("double", "y")])
    job = Job(job.root / "two")
    job.root.mkdir()
    outputs = Schema([ColSpec("double", "y")])
    return job.table(pa.table({"x": x, "y": y})).model(signature=ModelSignature(columns, outputs))


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({}, 0),
        ({"max_bad_rows": 3}, 0),
        ({"max_bad_rows": 2}, 4),
        ({"max_bad_ratio": 0.6}, 0),
        ({"max_bad_ratio": 0.5}, 4),
        ({"fail_on_quarantine": True}, 4),
        ({"max_bad_rows": 2, "column_actions": {"x": "warn"}}, 0),  # one row is bad at x alone
        ({"max_bad_rows": 1, "column_actions": {"x": "warn"}}, 4),
        ({"max_bad_rows": 0, "column_actions": {"x": "warn", "y": "warn"}}, 0),
        ({"fail_on_quarantine": True, "column_actions": {"x": "warn", "y": "warn"}}, 4),
        ({"max_bad_rows": 3, "column_actions": {"y": "error"}}, 4),
        ({"column_actions": {"x": "warn", "y": "error"}}, 4),
    ],
)
def test_validate_job_applies_thresholds(job: Job, spark: SparkSession, limits: dict[str, Any], code: int) -> None:
    assert ending(lambda: validate_job(check(table(job), **limits), lambda: spark)) == ENDS[code]


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"max_bad_ratio": 0.6}, 0), ({"column_actions": {"x": "warn"}, "max_bad_rows": 1}, 4)],
)
def test_validate_job_ends_as_the_job_does(job: Job, spark: SparkSession, limits: dict[str, Any], code: int) -> None:
    two = table(job)
    assert ending(lambda: validate_job(check(two, **limits), lambda: spark)) == ENDS[code]
    assert ending(lambda: run(two.config(**limits), lambda: spark)) == ENDS[code]


def test_validate_job_reports_usage_problems_before_reading(job: Job) -> None:
    with pytest.raises(ConfigError) as caught:
        CheckConfig()
    assert [problem.path for problem in caught.value.problems] == ["--input", "--model"]
    for changed, path in (
        ({"input": job.path("no")}, "--input"),
        ({"model": job.path("no")}, "--model"),
        ({"column_actions": {"y": "warn"}}, "--column-action"),
    ):
        error = ends(job, no_session, check(job, **changed))
        assert (error.code, [problem.path for problem in error.problems]) == (2, [path])
    assert job.left() == []


def test_validate_job_ends_2_for_a_damaged_file_and_names_it(job: Job, spark: SparkSession) -> None:
    (job.root / "source" / "part-1.parquet").write_text(f"{SECRET}")
    error = ends(job, lambda: spark, check(job))
    assert error.code == 2 and "part-1.parquet" in str(error) and str(SECRET) not in str(error)


def test_validate_job_of_a_stream_reads_all_rows_that_have_arrived(job: Job, spark: SparkSession) -> None:
    found = validate_job(check(job, trigger="available-now", checkpoint=job.path("state")), lambda: spark)
    assert found.report is not None and found.report.rows_in == 4
    assert job.left() == []
