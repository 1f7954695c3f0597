"""The batch job in this process, on a small table: successful runs and every kind of failure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparksig.airflow.verdicts import lines, small
from sparksig.errors import AbsentColumnWarning, Problem
from sparksig.models.saving import save_model
from sparksig.pipeline.dataset import MARKER
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run
from sparksig.report.schema import check_summary
from sparksig.report.summary import Summary
from sparksig.report.text import summary_text
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from tests.pipeline.estimators import Dying, Meddling, Raising, Scaling, Talking, Touchy
from tests.pipeline.jobs import PARAMS, SECRET, SIGNATURE, TABLE, Job
from tests.pipeline.places import left, seen, staged

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CLEAN = pa.table({"id": [1, 2], "x": [1.0, SECRET]})


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def no_session() -> NoReturn:
    raise AssertionError("Spark must not be started for this")


def ends(job: Job, session: Callable[[], SparkSession], verdict: str, **changed: Any) -> RunError:
    """Run a job that fails, and hold what every failure promises."""
    before = job.left_but_rejected()
    with pytest.raises(RunError) as caught:
        run(job.config(**changed), session)
    error = caught.value
    assert error.verdict == verdict
    assert error.code == {"usage": 2, "incompatible": 3, "over_threshold": 4, "failed": 5}[verdict]
    assert str(SECRET) not in str(error)
    written = [] if verdict == "usage" or "summary.json" in before else ["summary.json"]
    assert job.left_but_rejected() == sorted([*before, *written])
    if verdict != "usage":
        summary = job.summary()
        assert (summary["verdict"], summary["error"]) == (verdict, error.message)
        assert error.summary is not None
        assert error.summary.to_dict() == summary
        assert str(SECRET) not in json.dumps(summary)
        assert summary["outputs"] == {"summary": job.path("summary.json")}
    return error


# ---- how it ends well


def test_job_scores_clean_rows_quarantines_bad_ones_and_loses_none(job: Job, spark: SparkSession) -> None:
    summary = run(job.table(TABLE, TABLE).model().config(params={"factor": "3"}), lambda: spark)
    assert [summary.rows_in, summary.rows_scored, summary.rows_quarantined] == [8, 6, 2]
    scored, dirty = job.rows("scored"), job.rows("quarantine")
    assert [row["id"] for row in scored] == [1, 1, 2, 2, 4, 4]
    assert {row["prediction"] for row in scored} == {3.0, SECRET * 3, 12.0}
    null = {"path": "x", "code": "NULL", "expected": "double", "observed": "double"}
    assert dirty == [{"id": 3, "x": None, "_violations": [null]}] * 2
    found = job.summary()
    assert found == summary.to_dict()
    assert (found["schema_version"], found["run_id"], found["verdict"]) == (2, "r", "quarantined")
    assert found["violations"] == [{**null, "rows": 2}]
    assert (found["params_overridden"], found["error"], found["problems"]) == (["factor"], None, [])
    phases = ["check", "start Spark", "plan", "score", "quarantine", "reconcile", "commit"]
    assert list(found["seconds"]) == phases
    assert found["outputs"]["scored"] == job.path("scored/run_id=r")
    assert str(SECRET) not in json.dumps(found)


def test_job_reads_a_param_from_the_workers_environment(
    job: Job, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job.table(CLEAN).model().config(param_from_env={"factor": "SPARKSIG_TEST_FACTOR"})
    error = ends(job, lambda: spark, "failed", param_from_env={"factor": "SPARKSIG_TEST_FACTOR"})
    assert "SPARKSIG_TEST_FACTOR is not set here" in str(error)
    monkeypatch.setitem(spark.sparkContext.environment, "SPARKSIG_TEST_FACTOR", "7.25")
    run(asked, lambda: spark)
    assert [row["prediction"] for row in job.rows("scored")] == [7.25, SECRET * 7.25]
    assert "7.25" not in json.dumps(job.summary())
    error = ends(job, lambda: spark, "usage", param_from_env={"faktor": "F"})
    assert "the signature has no such param" in str(error)


def test_job_rerun_replaces_only_the_rows_of_its_run_id(job: Job, spark: SparkSession) -> None:
    job.table(TABLE).model()
    for run_id in ("r", "other", "r"):
        run(job.config(run_id=run_id), lambda: spark)
    assert sorted(path.name for path in (job.root / "scored").iterdir()) == ["run_id=other", "run_id=r"]
    assert len(job.rows("scored")) == len(job.rows("scored", "other")) == 3
    spark.read.parquet(job.path("scored")).count()  # the folder as a whole is a table


def test_job_replaces_the_run_of_a_day_and_never_that_of_another_job(job: Job, spark: SparkSession) -> None:
    job.table(TABLE).model()
    (job.root / "other").mkdir()
    pq.write_table(CLEAN, job.root / "other" / "part.parquet")
    for version in ("v1", "v2"):
        shutil.copytree(job.root / "model", job.root / "models" / version)
    day: dict[str, Any] = {"run_id": "", "logical_date": "2026-01-31", "model": job.path("models/v1")}
    first = run(job.config(**day), lambda: spark)
    # a day is run again with another threshold and the next version of the model
    again = run(job.config(**{**day, "model": job.path("models/v2")}, max_bad_ratio=0.5), lambda: spark)
    assert again.run_id == first.run_id
    assert [path.name for path in (job.root / "scored").iterdir()] == [f"run_id={first.run_id}"]
    for changed in ({"input": job.path("other")}, {"model": job.path("model")}):
        with pytest.raises(RunError) as caught:
            run(job.config(**{**day, **changed}), no_session)
        [problem] = caught.value.problems
        assert (caught.value.code, problem.path) == (2, "--run-id")
        assert "--run-id" in str(problem.hint)
        names = {job.path("source"), job.path("models"), *changed.values()}
        assert all(name in problem.fact for name in names)
    assert len(job.rows("scored", first.run_id)) == 3
    run(job.config(**{**day, "input": job.path("other"), "run_id": "own"}), lambda: spark)
    # a run of an older version, whose marker has no source and no model, is replaced
    for kind in ("scored", "quarantine"):
        marker = job.root / kind / f"run_id={first.run_id}" / MARKER
        mark = json.loads(marker.read_text())
        assert (mark.pop("source"), mark.pop("model")) == (job.path("source"), job.path("models"))
        marker.write_text(json.dumps(mark))
    assert run(job.config(**{**day, "input": job.path("other")}), lambda: spark).rows_in == 2


def test_job_warns_of_the_date_that_stands_in_for_a_missing_logical_date(job: Job, spark: SparkSession) -> None:
    config = job.table(CLEAN).model().config(run_id="", fail_on_warning=True)
    with pytest.warns(UserWarning, match=f"the run is for {config.run_id[:10]}, today in UTC"):
        summary = run(config, lambda: spark)
    assert (summary.verdict, len(summary.warnings)) == ("clean", 1)


def test_job_writes_empty_outputs_for_an_empty_table(job: Job, spark: SparkSession) -> None:
    summary = run(job.table(TABLE.slice(0, 0)).model().config(), lambda: spark)
    assert (summary.verdict, summary.rows_in, summary.rows_scored, summary.rows_quarantined) == ("clean", 0, 0, 0)
    assert job.rows("scored") == job.rows("quarantine") == []
    for kind, last in (("scored", "prediction"), ("quarantine", "_violations")):
        assert spark.read.parquet(job.path(f"{kind}/run_id=r")).columns == ["id", "x", last]


def test_job_accepts_odd_column_names(job: Job, spark: SparkSession) -> None:
    names = ["a.b", "sepal length (cm)", "`x`", "${env:HOME}", "quo'te\"d", "größe", "semi;colon,{=}", " "]
    given = ModelSignature(Schema([ColSpec("double", name) for name in names]), Schema([ColSpec("double", "0")]))
    table = pa.table({name: [1.0, None] for name in [*names, "k.e y"]})

    class First(Scaling):
        def predict(self, table: Any, params: Any = None) -> Any:
            return table["a.b"]

    run(job.table(table).model(First(), given).config(), lambda: spark)
    assert job.rows("scored") == [{**dict.fromkeys([*names, "k.e y"], 1.0), "prediction": 1.0}]
    (row,) = job.rows("quarantine")
    assert [violation["path"] for violation in row["_violations"]] == names
    assert [count["path"] for count in job.summary()["violations"]] == sorted(names)


def test_job_accepts_odd_paths(tmp_path: Path, spark: SparkSession) -> None:
    root = tmp_path / "a b%20[1]{x,y}* é"
    root.mkdir()
    job = Job(root).table(TABLE).model()
    run(job.config(), lambda: spark)
    assert (len(job.rows("scored")), len(job.rows("quarantine"))) == (3, 1)


def test_job_uses_a_signature_file_instead_of_the_models(job: Job, spark: SparkSession) -> None:
    job.table(TABLE).model()
    given = ModelSignature(Schema([ColSpec("double", "x", required=False)]), SIGNATURE.outputs, PARAMS)
    (job.root / "signature.json").write_text(given.to_json())
    assert run(job.config(signature=job.path("signature.json")), lambda: spark).verdict == "clean"


def test_job_warns_of_an_unknown_param_and_continues(job: Job, spark: SparkSession) -> None:
    config = job.table(CLEAN).model().config(params={"treshold": "0.4", "factor": "1"})
    with pytest.warns(UserWarning, match="unknown params are ignored: treshold") as caught:
        summary = run(config, lambda: spark)
    assert len(caught) == 1
    assert (summary.verdict, summary.params) == ("clean", ("factor",))
    assert job.summary()["warnings"] == [str(caught[0].message)]
    assert "0.4" not in str(caught[0].message)


# ---- what is wrong before anything has begun


def test_job_rejects_missing_input_and_model_paths(job: Job) -> None:
    error = ends(job.table(TABLE).model(), no_session, "usage", input=job.path("no"), model=job.path("neither"))
    assert [problem.path for problem in error.problems] == ["--input", "--model"]


@pytest.mark.parametrize("text", ["", "rows", "{"])
def test_job_rejects_an_input_that_is_not_parquet(job: Job, text: str) -> None:
    job.model()
    (job.root / "source").write_text(text)
    assert [problem.path for problem in ends(job, no_session, "usage").problems] == ["--input"]


def test_job_rejects_a_signature_that_is_not_json(job: Job) -> None:
    job.table(TABLE).model()
    (job.root / "trust").with_name("source.json").write_text('{"inputs": ')
    error = ends(job, no_session, "usage", signature=job.path("source.json"))
    assert "source.json" in str(error)


def test_job_rejects_a_model_without_a_signature(job: Job) -> None:
    job.table(TABLE)
    artifact = save_model(job.root / "model", Scaling())
    (job.root / "trust").write_text(artifact.digest)
    assert "stored without a signature" in str(ends(job, no_session, "usage"))


def test_job_rejects_an_untrusted_or_changed_model(job: Job) -> None:
    job.table(TABLE).model()
    assert "vouch for it" in str(ends(job, no_session, "usage", trust=None))
    (job.root / "model" / "more").write_text("x")
    assert "not the one that was trusted" in str(ends(job, no_session, "usage"))


def test_job_reports_all_bad_params_at_once(job: Job) -> None:
    params = {"factor": str(SECRET) + "x", "times": str(SECRET)}
    error = ends(job.table(TABLE).model(), no_session, "usage", params=params)
    assert [problem.path for problem in error.problems] == ["factor", "times"]


@pytest.mark.parametrize("kind", ["scored", "quarantine"])
def test_job_rejects_a_foreign_folder_at_the_output_path(job: Job, kind: str) -> None:
    job.table(TABLE).model()
    (job.root / kind / "run_id=r").mkdir(parents=True)
    (job.root / kind / "run_id=r" / "thesis.tex").touch()
    error = ends(job, no_session, "usage")
    assert [problem.path for problem in error.problems] == [job.path(f"{kind}/run_id=r")]


@pytest.mark.parametrize("scheme", ["s3", "s3a", "gs", "abfss"])
def test_job_rejects_outputs_on_an_object_store_before_it_opens_the_store(job: Job, scheme: str) -> None:
    job.table(TABLE).model()
    places = {name: f"{scheme}://lake/{name}" for name in ("output", "quarantine")}
    with pytest.raises(RunError) as caught:
        run(job.config(**places), no_session)
    assert caught.value.code == 2
    assert [problem.path for problem in caught.value.problems] == list(places.values())
    assert all("cannot rename a folder whole" in problem.fact for problem in caught.value.problems)


def test_job_rejects_paths_that_cannot_be_written(job: Job) -> None:
    job.table(TABLE).model()
    (job.root / "file").touch()
    changed = {"summary": "file/s.json", "output": "file/o", "quarantine": "file/q"}
    error = ends(job, no_session, "usage", **{name: job.path(place) for name, place in changed.items()})
    assert len(error.problems) == 3
    assert len(ends(job, no_session, "usage", summary=str(job.root)).problems) == 1


def test_job_rejects_a_format_that_spark_does_not_know(job: Job, spark: SparkSession) -> None:
    job.table(TABLE).model()
    assert "as nonesuch" in str(ends(job, lambda: spark, "usage", format="nonesuch"))


def test_job_rejects_columns_that_spark_cannot_distinguish(job: Job, spark: SparkSession) -> None:
    job.table(pa.table({"x": [1.0], "X": [SECRET]})).model()
    assert "COLUMN_ALREADY_EXISTS" in str(ends(job, lambda: spark, "incompatible"))


# ---- what is wrong with the table


def test_job_reports_every_schema_problem_and_reads_no_row(job: Job, spark: SparkSession) -> None:
    columns = [ColSpec("double", "x"), ColSpec("long", "n"), ColSpec("string", "gone"), ColSpec("integer", "f")]
    given = ModelSignature(Schema(columns), SIGNATURE.outputs, PARAMS)
    table = pa.table({"x": [str(SECRET)], "n": [True], "f": [SECRET]})
    error = ends(job.table(table).model(signature=given), lambda: spark, "incompatible")
    assert {p.path: str(p.code) for p in error.problems} == {
        "gone": "MISSING_COLUMN",
        "x": "INCOMPATIBLE_TYPE",
        "n": "INCOMPATIBLE_TYPE",
        "f": "INCOMPATIBLE_TYPE",
    }
    assert {each["path"] for each in job.summary()["problems"]} == {"gone", "x", "n", "f"}
    assert job.summary()["rows_in"] is None


def test_job_ends_over_threshold_when_no_row_is_clean(job: Job, spark: SparkSession) -> None:
    ends(job.table(TABLE.slice(2, 1)).model(), lambda: spark, "over_threshold")
    summary = job.summary()
    assert [summary[f"rows_{kind}"] for kind in ("in", "scored", "quarantined")] == [1, 0, 1]
    assert [count["rows"] for count in summary["violations"]] == [1]


def test_job_ends_over_threshold_with_fail_on_quarantine(job: Job, spark: SparkSession) -> None:
    ends(job.table(TABLE).model(), lambda: spark, "over_threshold", fail_on_quarantine=True)
    assert job.summary()["rows_quarantined"] == 1


def test_job_fails_on_files_that_spark_cannot_read(job: Job, spark: SparkSession) -> None:
    job.table(TABLE).model()
    (job.root / "source" / "part-1.parquet").write_text(f"{SECRET}")
    assert "part-1.parquet is not of the format Parquet, or is damaged" in str(ends(job, lambda: spark, "usage"))


def test_job_fails_on_files_with_different_schemas(job: Job, spark: SparkSession) -> None:
    job.table(TABLE, pa.table({"id": [1], "x": [str(SECRET)]})).model()
    with pytest.raises(RunError) as caught:
        run(job.config(), lambda: spark)
    assert caught.value.code == 3
    assert "x: is string in part-1.parquet, and double in other files" in str(caught.value)
    assert str(SECRET) not in str(caught.value)
    assert job.left() == ["summary.json"]


# ---- how many bad rows are too many


MIXED = pa.table(
    {"id": range(10), "x": [None, *map(float, range(1, 10))], "y": [None, None, *map(float, range(2, 10))]}
)
TWO = ModelSignature(Schema([ColSpec("double", "x"), ColSpec("double", "y")]), SIGNATURE.outputs)


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"max_bad_rows": 2, "max_bad_ratio": 0.2, "column_actions": {"y": "warn"}}, None),
        ({"max_bad_rows": 1, "column_actions": {"y": "warn"}}, None),
        ({"max_bad_rows": 1}, "2 of 10 rows are bad, more than 1"),
        ({"max_bad_ratio": 0.19}, "2 of 10 rows are bad, more than a ratio of 0.19"),
        ({"column_actions": {"x": "error"}}, "1 rows have NULL at x, where none may be bad"),
    ],
)
def test_job_applies_thresholds(job: Job, spark: SparkSession, limits: dict[str, Any], passed: str | None) -> None:
    job.table(MIXED).model(Scaling(), TWO)
    if passed is None:
        found = run(job.config(**limits), lambda: spark)
        assert (found.verdict, found.rows_quarantined) == ("quarantined", 2)
    else:
        assert str(ends(job, lambda: spark, "over_threshold", **limits)).startswith(passed)
    assert job.summary()["thresholds"] == {"max_bad_rows": None, "max_bad_ratio": None, "columns": {}} | {
        name.replace("column_actions", "columns"): value for name, value in limits.items()
    }


# ---- rows of runs over a threshold


def read(spark: SparkSession, place: str) -> list[tuple[int, str]]:
    """The ids of kept rows with the code of their violation."""
    rows = spark.read.parquet(place).selectExpr("id", "_violations[0].code as code").collect()
    return sorted((row.id, row.code) for row in rows)


@pytest.mark.parametrize("own", [False, True])
def test_job_keeps_the_rows_of_a_run_over_a_threshold_for_inspection(job: Job, spark: SparkSession, own: bool) -> None:
    job.table(TABLE).model()
    run(job.config(run_id="committed"), lambda: spark)
    places = {"keep_rejected": job.path("kept")} if own else {}
    place = job.path("kept/run_id=r" if own else "quarantine/_rejected/run_id=r")
    ending: dict[str, Any] = {"fail_on_quarantine": True, "report": job.path("report.html"), **places}
    with pytest.raises(RunError) as caught:
        run(job.config(**ending), lambda: spark)
    assert caught.value.code == 4
    summary = job.summary()
    check_summary(summary)
    assert summary["rejected"] == {"path": place, "format": "parquet", "rows": 1}
    assert read(spark, place) == [(3, "NULL")]
    assert place in summary_text(Summary.from_dict(summary)) and place in (job.root / "report.html").read_text()
    assert small(Summary.from_dict(summary), None)["rejected"] == place
    # nothing was committed, and readers of the quarantine and requeue see nothing of it
    assert not (job.root / "scored" / "run_id=r").exists()
    assert [row.run_id for row in spark.read.parquet(job.path("quarantine")).collect()] == ["committed"]
    with pytest.raises(RunError) as missing:
        run(job.config(**places).requeued("r"), lambda: spark)
    assert missing.value.code == 2
    # on request, requeue takes the rows
    requeued = run(replace(job.config(**places).requeued("r", rejected=True), allow_nulls=True), lambda: spark)
    assert (requeued.rows_in, requeued.rows_scored, requeued.source["requeues"]) == (1, 1, "r")
    # the next attempt replaces them, and a commit removes them
    pq.write_table(pa.table({"id": [7, 8], "x": [None, 2.0]}), job.root / "source" / "part-0.parquet")
    with pytest.raises(RunError):
        run(job.config(**ending), lambda: spark)
    assert read(spark, place) == [(7, "NULL")]
    committed = run(job.config(**places), lambda: spark)
    assert (committed.verdict, committed.rejected) == ("quarantined", None)
    assert not (job.root / place).exists() and not (job.root / "quarantine" / "_rejected").exists()


def test_job_rejects_a_foreign_folder_for_rejected_rows(job: Job) -> None:
    job.table(TABLE).model()
    (job.root / "kept" / "run_id=r").mkdir(parents=True)
    error = ends(job, no_session, "usage", keep_rejected=job.path("kept"))
    assert [(p.path, "--keep-rejected" in str(p.hint)) for p in error.problems] == [(job.path("kept/run_id=r"), True)]
    shutil.rmtree(job.root / "kept")


# ---- optional columns that the table does not have


OPTIONAL = ModelSignature(
    Schema([ColSpec("double", "x"), ColSpec("double", "discount", required=False)]), SIGNATURE.outputs
)
RENAMED = pa.table({"id": [1, 2], "x": [1.0, None], "discount_pct": [0.1, 0.2]})
LINE = "discount: optional, but the table has no such column: the model receives nulls; did you mean 'discount_pct'?"


def test_job_warns_of_an_absent_optional_column(job: Job, spark: SparkSession) -> None:
    job.table(RENAMED).model(signature=OPTIONAL)
    with pytest.warns(AbsentColumnWarning) as caught:
        run(job.config(report=job.path("report.html")), lambda: spark)
    assert [str(each.message) for each in caught] == [LINE]
    written = job.summary()
    assert (written["verdict"], written["warnings"]) == ("quarantined", [LINE])
    assert [each["path"] for each in written["plan"]["warnings"]] == ["discount"]
    check_summary(written)
    page = (job.root / "report.html").read_text()
    assert "discount: optional" in page and "discount_pct" in page
    summary = Summary.from_dict(written)
    assert small(summary, None)["warnings"] == [LINE]
    assert f"warning: {LINE}" in lines(summary)
    run(job.config(run_id="i", on_absent="ignore", report=None), lambda: spark)
    assert job.summary()["warnings"] == []


def test_job_ends_with_on_absent_error_or_fail_on_warning(job: Job, spark: SparkSession) -> None:
    job.table(RENAMED).model(signature=OPTIONAL)
    error = ends(job, lambda: spark, "incompatible", on_absent={"discount": "error"})
    assert [(p.path, p.hint) for p in error.problems] == [("discount", "did you mean 'discount_pct'?")]
    with pytest.warns(AbsentColumnWarning):
        error = ends(job, lambda: spark, "over_threshold", fail_on_warning=True)
    assert LINE in error.message and "--fail-on-warning" in error.message
    assert (job.summary()["rows_in"], job.summary()["rejected"]["rows"]) == (2, 1)
    # a run without a warning passes
    run(job.config(fail_on_warning=True, on_absent="ignore"), lambda: spark)
    assert job.summary()["thresholds"]["fail_on_warning"] is True


# ---- what was set apart


def test_job_requeue_scores_quarantined_rows_again(job: Job, spark: SparkSession) -> None:
    first = run(job.table(TABLE, TABLE).model().config(), lambda: spark)
    given = ModelSignature(Schema([ColSpec("double", "x", required=False)]), SIGNATURE.outputs, PARAMS)
    (job.root / "signature.json").write_text(given.to_json())
    again = job.config(signature=job.path("signature.json"), allow_nulls=True).requeued("r")
    assert (again.run_id, again.summary) == ("r.requeued", job.path("summary.requeued.json"))
    found = run(again, lambda: spark)
    assert (found.rows_in, found.rows_scored) == (first.rows_quarantined, first.rows_quarantined) == (2, 2)
    assert found.source["requeues"] == "r" and job.summary()["run_id"] == "r"
    assert [set(row) for row in job.rows("scored", "r.requeued")] == [{"id", "x", "prediction"}] * 2
    assert len(job.rows("scored")) == 6 and len(job.rows("quarantine")) == 2
    assert job.config(input=job.path("elsewhere/run_id=r")).requeues is None
    with pytest.raises(RunError, match="there is no run unheard-of in"):
        run(job.config().requeued("unheard-of"), no_session)


# ---- outputs of other forms


@pytest.mark.parametrize("name", ["prediction", "nowhere"])
def test_job_rejects_partition_columns_missing_in_an_output(job: Job, spark: SparkSession, name: str) -> None:
    ended = ends(job.table(TABLE).model(), lambda: spark, "usage", partition_by=(name,))
    assert f"--partition-by: no column {name} is in the rows of: " in str(ended)
    assert job.left() == []


def test_job_writes_its_report(job: Job, spark: SparkSession) -> None:
    run(job.table(TABLE).model().config(report=job.path("report.html")), lambda: spark)
    page = (job.root / "report.html").read_text()
    assert "quarantined" in page and str(SECRET) not in page
    assert job.summary()["outputs"]["report"] == job.path("report.html")
    with pytest.raises(RunError):
        run(job.config(report=job.path("report.html"), max_bad_rows=0), lambda: spark)
    assert "Nothing was committed" in (job.root / "report.html").read_text()


def test_job_writes_orc_partitioned_by_column(job: Job, spark: SparkSession) -> None:
    table = pa.table({"day": ["a", "b", "b"], "x": [1.0, None, 3.0]})
    run(job.table(table).model().config(output_format="orc", partition_by=("day",)), lambda: spark)
    found = job.summary()
    assert [found[f"rows_{kind}"] for kind in ("in", "scored", "quarantined")] == [3, 2, 1]
    assert {kind: sink["format"] for kind, sink in found["sinks"].items()} == {"scored": "orc", "quarantine": "orc"}
    assert sorted(spark.read.orc(job.path("scored/run_id=r")).select("day", "prediction").collect()) == [
        ("a", 2.0),
        ("b", 6.0),
    ]
    assert (job.root / "quarantine" / "run_id=r" / "day=b").is_dir()


def test_job_explains_a_table_that_spark_cannot_read(job: Job, spark: SparkSession) -> None:
    table = pa.table({"x": [1.0], "at": pa.array([0], pa.timestamp("ns", "UTC"))})
    error = ends(job.table(table).model(), lambda: spark, "incompatible")
    (problem,) = error.problems
    assert "PARQUET_TYPE_ILLEGAL" in str(error) or spark.version < "4"
    assert problem.path == "at" and "Spark does not read nanoseconds" in problem.fact
    assert "write microseconds" in str(problem.hint)


# ---- what is wrong with the model


def test_job_fails_when_the_model_raises_and_names_the_option(job: Job, spark: SparkSession) -> None:
    error = ends(job.table(CLEAN).model(Raising()), lambda: spark, "failed")
    assert type(error.__cause__).__name__ == "ModelError"
    assert error.message.startswith("the model raised ValueError on a batch of ")
    assert "--on-model-error quarantine" in str(error.problems[0].hint)


ODD = pa.table(
    {
        "id": list(range(8)),
        "a.b`": pa.array([float("nan"), None, -0.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
        "x": [1.0, -SECRET, None, 4.0, -0.0, float("nan"), -1.0, 2.0],
    }
)


@pytest.mark.parametrize("pin", ["none", "disk"])
def test_job_quarantines_rows_at_which_the_model_raises(job: Job, spark: SparkSession, pin: str) -> None:
    config = job.table(ODD, ODD).model(Touchy()).config(on_model_error="quarantine", pin=pin)
    persisted = spark.sparkContext._jsc.getPersistentRDDs().size()
    found = run(config, lambda: spark)
    assert (found.rows_in, found.rows_scored, found.rows_quarantined) == (16, 10, 6)
    assert {(each.path, each.code, each.observed, each.rows) for each in found.violations} == {
        ("x", "NULL", "double", 2),
        ("", "MODEL_ERROR", "ValueError", 4),
    }
    scored, dirty = job.rows("scored"), job.rows("quarantine")
    assert [row["id"] for row in scored] == [0, 0, 3, 3, 4, 4, 5, 5, 7, 7]
    assert str([row["prediction"] for row in scored[::2]]) == "[2.0, 8.0, -0.0, nan, 4.0]"
    raw = [{key: row[key] for key in ODD.column_names} for row in dirty[::2]]
    assert str(raw) == str(ODD.take([1, 2, 6]).to_pylist())
    assert set(dirty[0]) == {*ODD.column_names, "_violations"} and set(scored[0]) == {*ODD.column_names, "prediction"}
    assert str(SECRET) not in (job.root / "summary.json").read_text()
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == persisted


def test_job_counts_model_errors_as_bad_rows(job: Job, spark: SparkSession) -> None:
    job.table(ODD).model(Touchy())
    wanted = {"on_model_error": "quarantine", "column_actions": {"x": "warn"}}
    ends(job, lambda: spark, "over_threshold", **wanted, max_bad_rows=1)
    run(job.config(**wanted, max_bad_rows=2), lambda: spark)
    with pytest.raises(RunError, match="none of 3 rows is clean"):  # what was set apart is asked again, and is the same
        run(job.config(**wanted).requeued("r"), lambda: spark)


def test_job_ends_over_threshold_when_the_model_raises_on_every_row(job: Job, spark: SparkSession) -> None:
    error = ends(job.table(CLEAN).model(Raising()), lambda: spark, "over_threshold", on_model_error="quarantine")
    assert error.message == "none of 2 rows is clean; nothing was committed"


def test_job_fails_on_a_wrong_model_output(job: Job, spark: SparkSession) -> None:
    error = ends(job.table(CLEAN).model(Talking()), lambda: spark, "failed")
    assert "y: declared double, the model returned string [WRONG_OUTPUT]" in str(error)


def test_job_fails_when_the_model_kills_its_process(job: Job, spark: SparkSession) -> None:
    error = ends(job.table(CLEAN).model(Dying()), lambda: spark, "failed")
    assert error.message.startswith("Spark ended with ")


def test_job_failure_keeps_the_previous_run_unchanged(job: Job, spark: SparkSession) -> None:
    run(job.table(TABLE).model().config(), lambda: spark)
    before = {
        path: path.stat().st_mtime_ns for kind in ("scored", "quarantine") for path in (job.root / kind).rglob("*")
    }
    artifact = save_model(job.root / "model", Raising(), SIGNATURE, overwrite=True)
    (job.root / "trust").write_text(artifact.digest)
    ends(job, lambda: spark, "failed")
    after = {
        path: path.stat().st_mtime_ns for kind in ("scored", "quarantine") for path in (job.root / kind).rglob("*")
    }
    assert after == before


# ---- what happens meanwhile


def test_job_detects_a_row_count_that_changes_while_reading(job: Job, spark: SparkSession) -> None:
    source = job.root / "source"
    before = '{"x": 1.0}\n{"x": 2.0}\n'
    source.write_text(before)
    job.model(
        Meddling(str(source), '{"x": 1.0}'.ljust(len(before))), ModelSignature(SIGNATURE.inputs, SIGNATURE.outputs)
    )
    error = ends(job, lambda: spark, "failed", format="json")
    assert error.message.startswith("the source has 1 rows, but 2 were scored")


def test_job_detects_a_value_that_changes_while_reading(job: Job, spark: SparkSession) -> None:
    source = job.root / "source"
    source.write_text('{"x": 1.0}\n{"x": 2.0}\n')
    job.model(Meddling(str(source), '{"x": 1.0}\n{"x": 3.0}\n'), ModelSignature(SIGNATURE.inputs, SIGNATURE.outputs))
    error = ends(job, lambda: spark, "failed", format="json")
    assert error.message.startswith("the rows that were written are not those of the source")


def test_job_reads_a_pinned_source_once(job: Job, spark: SparkSession) -> None:
    source = job.root / "source"
    source.write_text('{"x": 1.0}\n{"x": 2.0}\n')
    job.model(Meddling(str(source), '{"x": 1.0}\n{"x": 3.0}\n'), ModelSignature(SIGNATURE.inputs, SIGNATURE.outputs))
    found = run(job.config(format="json", pin="disk"), lambda: spark)
    assert (found.rows_in, found.rows_scored, found.source["read"]) == (2, 2, "pinned")
    assert sorted(row["x"] for row in job.rows("scored")) == [1.0, 2.0]


def test_job_rejects_a_nondeterministic_source_unless_pinned(job: Job, spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    def drawn(_: int) -> float | None:
        import random

        draw = random.SystemRandom().random()
        return draw if draw > 0.5 else None

    udf = F.udf(drawn, "double", useArrow=False).asNondeterministic()
    spark.range(200).select("id", udf("id").alias("x")).createOrReplaceTempView("drawn_anew")
    job.model()
    error = ends(job, lambda: spark, "failed", input="", input_table="drawn_anew")
    assert type(error.__cause__).__name__ == "AccountingError" and "pin: disk" in str(error)
    found = run(job.config(input="", input_table="drawn_anew", pin="disk"), lambda: spark)
    assert (found.rows_in, found.source["read"], found.source["table"]) == (200, "pinned", "drawn_anew")
    rows = [*job.rows("scored"), *job.rows("quarantine")]
    assert sorted(row["id"] for row in rows) == list(range(200))


def test_job_finishes_the_decided_commit_of_a_killed_run_first(job: Job, spark: SparkSession) -> None:
    job.table(TABLE).model()
    (job.root / "source" / "part-0.parquet").rename(job.root / "table")
    commit = staged(job.root, replaces=True)
    commit.decide()
    with pytest.raises(RunError, match="the table cannot be read"):
        run(job.config(), lambda: spark)
    assert seen(job.root)[:2] == ["new", "new"]
    assert not [path for path in left(job.root) if "_commit" in path or "_staging" in path]


def test_job_ends_cleanly_on_an_interrupt(job: Job) -> None:
    def session() -> NoReturn:
        raise KeyboardInterrupt

    error = ends(job.table(TABLE).model(), session, "failed")
    assert error.message == "stopped by a signal; nothing was committed"


def test_job_hides_the_message_of_an_internal_error(job: Job) -> None:
    def session() -> NoReturn:
        raise KeyError(str(SECRET))

    error = ends(job.table(TABLE).model(), session, "failed")
    assert error.message == "unexpected KeyError: this is a fault of sparksig itself"


class Listener:
    """Notes what it is told, and then makes trouble."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin(self, phase: str) -> None:
        self.told.append(phase)
        raise RuntimeError("a display that does not work")

    def tasks(self, done: int, total: int) -> None:
        raise RuntimeError("a display that does not work")

    def end(self, phase: str, seconds: float, well: bool) -> None:
        self.told.append(f"{phase} is over{'' if well else ', badly'}")
        raise RuntimeError("a display that does not work")


def test_job_survives_a_broken_listener_and_restores_job_properties(job: Job, spark: SparkSession) -> None:
    listener = Listener()
    spark.sparkContext.setJobGroup("mine", "my own jobs")
    try:
        assert run(job.table(CLEAN).model().config(), lambda: spark, listener).verdict == "clean"
        assert spark.sparkContext.getLocalProperty("spark.jobGroup.id") == "mine"
        assert spark.sparkContext.getLocalProperty("spark.job.description") == "my own jobs"
    finally:
        for key in ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel"):
            spark.sparkContext.setLocalProperty(key, None)  # type: ignore[arg-type]
    assert listener.told[:4] == ["check", "check is over", "start Spark", "start Spark is over"]
    assert listener.told[-1] == "commit is over"


def test_job_run_error_is_picklable() -> None:
    import pickle

    from sparksig.errors import SinkError

    error = RunError(SinkError("full", [Problem("a", "b")]), "failed", Summary("r", "failed"))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.verdict, copy.summary) == (str(error), "failed", Summary("r", "failed"))


@pytest.mark.parametrize("form", ["csv", "text", "no_such"])
def test_job_rejects_an_output_format_that_cannot_hold_the_rows(job: Job, spark: SparkSession, form: str) -> None:
    error = ends(job.table(TABLE).model(), lambda: spark, "usage", output_format=form)
    assert {problem.path for problem in error.problems} == {"--output-format"}
    assert "Spark cannot write the rows of quarantine" in str(error)


def test_job_failure_leaves_no_folder_of_the_format_check(job: Job, spark: SparkSession) -> None:
    ends(job.table(TABLE).model(), lambda: spark, "over_threshold", output_format="json", max_bad_rows=0)
