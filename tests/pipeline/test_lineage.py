"""OpenLineage events of a run, emitted by its own library: into a file, and to a local HTTP server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

import attr
import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator
from openlineage.client import facet_v2

from sparksig.errors import ConfigError
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run, run_stream
from sparksig.pipeline.run.lineage import Lineage
from sparksig.pipeline.run.lineage.names import of_source, of_table
from sparksig.pipeline.run.lineage.parents import parent_run
from sparksig.pipeline.run.lineage.sending import send
from sparksig.pipeline.run.validation import CheckConfig, validate_job
from sparksig.report.live import Silent
from sparksig.report.schema import check_summary
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import Array, DataType
from tests.pipeline.estimators import Raising, Touchy
from tests.pipeline.jobs import SECRET, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PARENT = "https://airflow.example:8080/nightly.score/f99310b4-3c3c-1a1a-2b2b-c1b95c24ff11"
ROOT = "airflow/nightly/a99310b4-3c3c-1a1a-2b2b-c1b95c24ff11"
CLEAN = pa.table({"id": [1, 2], "x": [1.0, SECRET]})


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of this machine's, and nothing that the library leaves in the environment."""
    for name in list(os.environ):
        if name.startswith("OPENLINEAGE"):
            monkeypatch.delenv(name)
    yield
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE__")]:
        del os.environ[name]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path).table(TABLE).model()


def no_session() -> NoReturn:
    raise AssertionError("Spark must not be started for this")


def told(job: Job) -> list[dict[str, Any]]:
    """The events in the file, each held against the spec as the library has it; no value of a row is in them."""
    text = (job.root / "events.jsonl").read_text()
    assert str(SECRET) not in text
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        conforms(event)
    return events


def conforms(event: dict[str, Any]) -> None:
    """Each facet is one that the library knows, with its fields and no others, or our own and as its schema says."""
    assert event["schemaURL"].startswith("https://openlineage.io/spec/2-")
    assert event["producer"].startswith("urn:sparksig:")
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert str(UUID(event["run"]["runId"])) == event["run"]["runId"]
    of_datasets = [each.get(key, {}) for each in event["inputs"] for key in ("facets", "inputFacets")]
    of_datasets += [each.get(key, {}) for each in event["outputs"] for key in ("facets", "outputFacets")]
    for facets in (event["run"]["facets"], event["job"]["facets"], *of_datasets):
        for key, facet in facets.items():
            assert facet["_producer"] == event["producer"]
            if key == "sparksig_verdict":
                schema = files("sparksig.pipeline.run.lineage").joinpath("verdict.schema.json").read_text()
                Draft202012Validator(json.loads(schema)).validate({key: facet})
                continue
            kind: Any = KNOWN[key]
            known = {field.name.removeprefix("_"): field for field in attr.fields(kind) if field.init}
            given = {field.removeprefix("_"): value for field, value in facet.items() if field != "_schemaURL"}
            assert set(given) <= set(known)
            assert {n for n, field in known.items() if field.default is attr.NOTHING} <= set(given)
            assert kind._get_schema() == facet["_schemaURL"]


KNOWN = {
    "dataQualityAssertions": facet_v2.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "dataQualityMetrics": facet_v2.data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "inputStatistics": facet_v2.input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "nominalTime": facet_v2.nominal_time_run.NominalTimeRunFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "parent": facet_v2.parent_run.ParentRunFacet,
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
}
"""The facets that are told, by OpenLineage's key."""


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventType"] for event in events]


def assertions(event: dict[str, Any]) -> dict[tuple[str, str], tuple[bool, str | None]]:
    """What was asserted, by column and code: whether it holds, and how many rows it does not hold for."""
    found = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    return {(each["column"], each["assertion"]): (each["success"], each.get("actual")) for each in found}


class Watching(Silent):
    """Notes which events are in the file when a phase begins; stops the run in one of them if told so."""

    def __init__(self, job: Job, stop: str = "") -> None:
        self.job, self.stop, self.seen = job, stop, dict[str, list[str]]()

    def begin(self, phase: str) -> None:
        self.seen[phase] = kinds(told(self.job)) if (self.job.root / "events.jsonl").exists() else []
        if phase == self.stop:
            raise KeyboardInterrupt


# ---- a file


def test_lineage_emits_start_before_reading_and_complete_with_counts(job: Job, spark: SparkSession) -> None:
    watching, given = Watching(job), {"params": {"factor": "3.0625"}, "logical_date": "2026-01-31"}
    run(job.config(lineage=job.path("events.jsonl"), **given), lambda: spark, watching)
    assert (watching.seen["plan"], watching.seen["score"], watching.seen["commit"]) == ([], ["START"], ["START"])
    start, end = told(job)
    assert kinds([start, end]) == ["START", "COMPLETE"]
    assert start["run"]["runId"] == end["run"]["runId"]
    assert start["eventTime"] < end["eventTime"]
    name = f"sparksig.score.{job.path('scored').strip('/').replace('/', '_')}"
    assert (end["job"]["namespace"], end["job"]["name"]) == ("default", name)
    facets, summary = end["run"]["facets"], job.summary()
    assert facets["sparksig_verdict"] == {
        "_producer": end["producer"],
        "_schemaURL": "urn:sparksig:openlineage:verdict:1#/$defs/SparksigVerdictRunFacet",
        "runId": "r",
        "verdict": "quarantined",
        "modelDigest": job.trust,
        "signatureDigest": summary["signature_digest"],
        "configDigest": summary["config_digest"],
    }
    assert "verdict" not in start["run"]["facets"]["sparksig_verdict"]
    assert facets["processing_engine"]["version"] == spark.version
    assert facets["nominalTime"]["nominalStartTime"] == "2026-01-31T00:00:00Z"
    assert {"parent", "errorMessage"}.isdisjoint(facets)
    (source,) = end["inputs"]
    assert (source["namespace"], source["name"]) == ("file", job.path("source"))
    fields = [(each["name"], each["type"]) for each in source["facets"]["schema"]["fields"]]
    assert fields == [("id", "long"), ("x", "double")]
    assert assertions(end) == {
        ("x", "MISSING_COLUMN"): (True, None),
        ("x", "INCOMPATIBLE_TYPE"): (True, None),
        ("x", "NULL"): (False, "1"),
    }
    metrics = source["inputFacets"]["dataQualityMetrics"]
    assert (metrics["rowCount"], metrics["columnMetrics"]) == (4, {"x": {"nullCount": 1}})
    assert source["inputFacets"]["inputStatistics"]["rowCount"] == 4
    written = {each["name"]: each["outputFacets"]["outputStatistics"]["rowCount"] for each in end["outputs"]}
    assert written == {job.path("scored"): 3, job.path("quarantine"): 1}
    columns = [[field["name"] for field in each["facets"]["schema"]["fields"]] for each in end["outputs"]]
    assert columns == [["id", "x", "prediction"], ["id", "x", "_violations"]]
    assert start["inputs"][0]["inputFacets"] == {}
    assert all(not each.get("outputFacets") for each in start["outputs"])
    assert "3.0625" not in (job.root / "events.jsonl").read_text()
    assert summary["warnings"] == []


def test_lineage_uuid_is_equal_for_the_same_run_only(job: Job) -> None:
    def uuid(action: str = "score", **changed: Any) -> str:
        lineage = Lineage(job.config(lineage=job.path("events.jsonl"), **changed), action)
        lineage.open()
        return lineage.uuid

    same = uuid()
    assert UUID(same).version == 5
    assert same == uuid(params={"factor": 3.0})
    others = {uuid(run_id="s"), uuid("validate"), uuid(lineage_namespace="prod"), uuid(lineage_job="nightly")}
    assert len({same, *others}) == 5


def test_lineage_describes_nested_columns_and_asserts_by_path(tmp_path: Path, spark: SparkSession) -> None:
    items = ColSpec(Array(DataType.integer), "n")
    columns = Schema([ColSpec("long", "id"), items, ColSpec("double", "gone", required=False)])
    table = pa.table({"id": [1, 2], "n": [[1, 2**40], [3]], "s": [{"a": 1, "b": [{"c": 2.0}]}] * 2})
    job = Job(tmp_path).table(table).model(signature=ModelSignature(columns, Schema([ColSpec("double", "y")])))
    config = CheckConfig(
        input=job.path("source"),
        model=job.path("model"),
        level={"n": "checked", "*": "safe"},
        column_actions={"n": "error"},
        on_absent="ignore",
        lineage=job.path("events.jsonl"),
    )
    with pytest.raises(RunError) as caught:
        validate_job(config, lambda: spark)
    assert caught.value.verdict == "over_threshold"
    start, end = told(job)
    assert (kinds([start, end]), end["outputs"]) == (["START", "FAIL"], [])
    found = {each["name"]: each for each in end["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]}
    bad = found["n[] OUT_OF_RANGE"]
    assert (bad["column"], bad["success"], bad["actual"], bad["severity"]) == ("n", False, "1", "error")
    assert (bad["expected"], bad["description"]) == ("0", "declared integer, observed long")
    assert [name for name, each in found.items() if not each["success"]] == ["n[] OUT_OF_RANGE"]
    assert {"n NULL", "n[] NULL", "id NULL", "gone MISSING_COLUMN"} <= set(found)
    schema = {each["name"]: each for each in end["inputs"][0]["facets"]["schema"]["fields"]}
    assert (schema["n"]["type"], schema["s"]["type"]) == ("array<long>", "struct")
    inner = schema["s"]["fields"][1]
    assert (inner["type"], inner["fields"][0]["fields"][0]["name"]) == ("array", "c")


@pytest.mark.parametrize(
    ("changed", "verdict", "kind"),
    [
        ({"columns": ("id",)}, "incompatible", "FAIL"),
        ({"fail_on_quarantine": True}, "over_threshold", "FAIL"),
        ({}, "failed", "FAIL"),
        ({}, "failed", "ABORT"),
    ],
)
def test_lineage_emits_fail_or_abort_with_the_verdict(
    tmp_path: Path, spark: SparkSession, changed: dict[str, Any], verdict: str, kind: str
) -> None:
    raising = (verdict, kind) == ("failed", "FAIL")
    job = Job(tmp_path).table(TABLE).model(Raising() if raising else None)
    watching = Watching(job, "reconcile" if kind == "ABORT" else "")
    with pytest.raises(RunError) as caught:
        run(job.config(lineage=job.path("events.jsonl"), **changed), lambda: spark, watching)
    assert caught.value.verdict == verdict
    start, end = told(job)
    assert kinds([start, end]) == ["START", kind]
    facets = end["run"]["facets"]
    assert facets["sparksig_verdict"]["verdict"] == verdict
    assert facets["sparksig_verdict"]["modelDigest"] == job.trust
    assert facets["errorMessage"]["message"].startswith(caught.value.message)
    assert "stackTrace" not in facets["errorMessage"]
    assert all(not each.get("outputFacets") for each in end["outputs"])
    expected = {"incompatible": ("MISSING_COLUMN", None), "over_threshold": ("NULL", "1")}
    if verdict in expected:
        code, rows = expected[verdict]
        assert assertions(end)["x", code] == (False, rows)
    assert caught.value.summary is not None and caught.value.summary.warnings == ()


@pytest.mark.parametrize(("none_may", "severity"), [(False, "warn"), (True, "error")])
def test_lineage_asserts_model_errors_without_a_column(
    tmp_path: Path, spark: SparkSession, none_may: bool, severity: str
) -> None:
    job = Job(tmp_path).table(pa.table({"x": [1.0, -SECRET]})).model(Touchy())
    events = {"lineage": job.path("events.jsonl")}
    config = job.config(on_model_error="quarantine", fail_on_quarantine=none_may, **events)
    with pytest.raises(RunError, match="1 of 2 rows are dirty") if none_may else nullcontext():
        run(config, lambda: spark)
    (bad,) = [
        each
        for each in told(job)[-1]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
        if not each["success"]
    ]
    assert (bad["assertion"], bad["name"], bad["actual"]) == ("MODEL_ERROR", "row MODEL_ERROR", "1")
    assert ("column" in bad, bad["severity"]) == (False, severity)


def test_lineage_emits_fail_when_the_session_does_not_start(job: Job) -> None:
    def none() -> NoReturn:
        raise RuntimeError("no Java")

    with pytest.raises(RunError):
        run(job.config(lineage=job.path("events.jsonl")), none)
    start, end = told(job)
    assert kinds([start, end]) == ["START", "FAIL"]
    assert [each["name"] for each in end["outputs"]] == [job.path("scored"), job.path("quarantine")]


def test_lineage_emits_nothing_for_usage_errors(job: Job) -> None:
    with pytest.raises(RunError) as caught:
        run(job.config(lineage=job.path("events.jsonl"), model=job.path("none")), no_session)
    assert caught.value.code == 2
    assert not (job.root / "events.jsonl").exists()


def test_lineage_of_validate_emits_events_like_a_run(job: Job, spark: SparkSession) -> None:
    file = job.path("deep/events.jsonl")
    config = CheckConfig(input=job.path("source"), model=job.path("model"), lineage=file, lineage_job="checks")
    validate_job(config, lambda: spark)
    validate_job(config, no_session, plan_only=True)
    (job.root / "deep/events.jsonl").rename(job.root / "events.jsonl")
    events = told(job)
    assert kinds(events) == ["START", "COMPLETE"] * 2
    assert {(event["job"]["name"], event["job"]["facets"]["jobType"]["jobType"]) for event in events} == {
        ("checks", "VALIDATE")
    }
    assert assertions(events[1])["x", "NULL"] == (False, "1")
    assert ("x", "NULL") not in assertions(events[3])
    assert "processing_engine" not in events[3]["run"]["facets"]


def test_lineage_emits_one_run_per_stream_batch(job: Job, spark: SparkSession) -> None:
    streaming = {"run_id": "", "trigger": "available-now", "checkpoint": job.path("state")}
    config = job.config(lineage=job.path("events.jsonl"), **streaming)
    summary = run_stream(config, lambda: spark)
    events = told(job)
    assert kinds(events) == ["START", "COMPLETE"]
    assert [event["run"]["facets"]["sparksig_verdict"]["runId"] for event in events] == [
        f"{summary.run_id}.batch-0"
    ] * 2
    with pytest.raises(RunError):
        run_stream(job.config(lineage=job.path("events.jsonl"), columns=("id",), **streaming), lambda: spark)
    events = told(job)[2:]
    assert kinds(events) == ["START", "FAIL"]  # before its first batch: told under the stream's own name
    assert events[1]["run"]["facets"]["sparksig_verdict"]["runId"] == summary.run_id


# ---- a server


class Server:
    """A server that takes events, or does not."""

    def __init__(self, status: int = 201) -> None:
        self.status, self.got = status, list[tuple[str, str | None, dict[str, Any]]]()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.got.append((self.path, self.headers["Authorization"], json.loads(body)))
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def checked(job: Job, spark: SparkSession | None = None, **changed: Any) -> list[str]:
    """Validate without rows, which emits as any run does; the warnings."""
    config = CheckConfig(input=job.path("source"), model=job.path("model"), **changed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = validate_job(config, lambda: spark or no_session(), plan_only=spark is None)
    assert [str(each.message) for each in caught if each.category is UserWarning] == list(found.warnings)
    check_summary(found.summary.to_dict())
    return list(found.warnings)


def test_lineage_posts_events_with_the_api_key_of_the_environment(
    job: Job, spark: SparkSession, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key-4711")
    run(job.config(lineage=server.url), lambda: spark)
    assert [(path, key) for path, key, _ in server.got] == [("/api/v1/lineage", "Bearer key-4711")] * 2
    events = [event for *_, event in server.got]
    assert kinds(events) == ["START", "COMPLETE"]
    for event in events:
        conforms(event)
    assert "4711" not in json.dumps([events, job.summary()])
    monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "lineage")
    assert checked(job, lineage=f"{server.url}/behind/proxy") == []
    assert server.got[-1][0] == "/behind/proxy/lineage"


def test_lineage_server_failure_is_only_a_warning_in_the_summary(job: Job, spark: SparkSession, server: Server) -> None:
    server.status = 503
    asked = job.config(lineage=server.url, report=job.path("report.html"))
    with pytest.warns(UserWarning) as caught:
        summary = run(asked, lambda: spark)
    expected = [f"OpenLineage: the event {kind} was not emitted (RetryError)" for kind in ("START", "COMPLETE")]
    assert [str(each.message) for each in caught] == expected
    assert job.summary() == summary.to_dict()
    assert (summary.verdict, list(summary.warnings)) == ("quarantined", expected)
    assert len(job.rows("scored")) == 3
    assert "the event COMPLETE was not emitted" in (job.root / "report.html").read_text()
    with pytest.warns(UserWarning), pytest.raises(RunError) as error:
        run(job.config(lineage=server.url, columns=("id",)), lambda: spark)
    assert error.value.verdict == "incompatible"
    assert len(job.summary()["warnings"]) == 2


def test_lineage_warns_when_no_server_listens(job: Job) -> None:
    server = Server()
    server.close()
    begin = time.monotonic()
    found = checked(job, lineage=server.url)
    assert found == [
        f"OpenLineage: the event {kind} was not emitted (ConnectionError)" for kind in ("START", "COMPLETE")
    ]
    assert time.monotonic() - begin < 5


def test_lineage_warns_when_the_file_cannot_be_written(job: Job) -> None:
    (job.root / "folder").mkdir()
    found = checked(job, lineage=job.path("folder"))
    assert found[0] == "OpenLineage: the event START was not emitted (IsADirectoryError)"


def test_lineage_send_gives_up_after_its_timeout() -> None:
    hanging, event = threading.Event(), object()
    begin = time.monotonic()
    assert send(lambda _: hanging.wait(30), event, 0.2) == "no answer within 0.2 seconds"  # type: ignore[arg-type]
    assert time.monotonic() - begin < 5
    hanging.set()
    assert send(lambda _: None, event, 5) is None  # type: ignore[arg-type]


# ---- who says where


def test_lineage_reads_the_openlineage_environment_variables(
    job: Job, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", server.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key-4711")
    assert checked(job) == []
    assert [key for _, key, _ in server.got] == ["Bearer key-4711"] * 2
    assert checked(job, lineage="off") == []
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    assert checked(job) == checked(job, lineage=server.url) == []
    assert len(server.got) == 2


def test_lineage_reads_the_openlineage_config_file(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = {"type": "file", "log_file_path": job.path("events.jsonl"), "append": True}
    (job.root / "ol.yml").write_text(json.dumps({"transport": transport}))
    monkeypatch.setenv("OPENLINEAGE_CONFIG", job.path("ol.yml"))
    for place in (None, "environment"):
        assert checked(job, lineage=place) == []
    lines = (job.root / "events.jsonl").read_text().splitlines()
    assert kinds([json.loads(line) for line in lines]) == ["START", "COMPLETE"] * 2
    (job.root / "ol.yml").write_text(json.dumps({"transport": {"type": "http", "auth": {"type": "api_key"}}}))
    with pytest.raises(RunError) as caught:
        checked(job)
    assert (caught.value.code, caught.value.problems[0].path) == (2, "--lineage")


def test_lineage_environment_without_a_destination_is_a_usage_error(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(job.root)
    monkeypatch.setenv("HOME", job.path("home"))
    with pytest.raises(RunError) as caught:
        checked(job, lineage="environment")
    assert "nothing in the environment says where events go" in str(caught.value)


def test_lineage_requires_the_extra_only_when_requested(
    job: Job, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    with pytest.raises(RunError) as caught:
        run(job.config(lineage=job.path("events.jsonl")), no_session)
    assert caught.value.code == 2
    assert "pip install 'sparksig[lineage]'" in str(caught.value)
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    (found,) = checked(job)  # the variable may be somebody else's: it stops nobody
    assert "pip install 'sparksig[lineage]'" in found


def test_lineage_is_not_imported_when_nothing_is_emitted() -> None:
    code = (
        "import sys, sparksig.pipeline.run.validation; print([m for m in sys.modules if m.startswith('openlineage')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert found.stdout.strip() == "[]"


def place(**given: Any) -> JobConfig:
    paths = {"input": "in/", "model": "model/", "output": "out/", "quarantine": "bad/", "summary": "summary.json"}
    return JobConfig(**{**paths, **given})


@pytest.mark.parametrize(
    ("where", "fact"),
    [
        ("https://user:secret-4711@marquez:5000", "holds more than"),
        ("https://marquez:5000?api_key=secret-4711", "holds more than"),
        ("http://", "not a URL"),
        ("http://marquez:secret-4711", "not a URL"),
        ("s3://bucket/secret-4711", "not written to such a place"),
        ("out/events.jsonl", "lies inside --output"),
        ("summary.json", "the same as --summary"),
    ],
)
def test_lineage_rejects_invalid_destinations(where: str, fact: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place(lineage=where)
    assert [problem.path for problem in caught.value.problems] == ["--lineage"]
    assert fact in str(caught.value)
    assert "4711" not in str(caught.value)


def test_lineage_does_not_change_the_run_id() -> None:
    assert place().run_id == place(lineage="events.jsonl", lineage_job="j", lineage_namespace="n").run_id


# ---- parents and names


def test_lineage_reports_the_parent_run(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", PARENT)
    monkeypatch.setenv("OPENLINEAGE_ROOT_PARENT_ID", ROOT)
    assert checked(job, lineage=job.path("events.jsonl")) == []
    start, end = told(job)
    assert start["run"]["facets"]["parent"] == end["run"]["facets"]["parent"]
    found = end["run"]["facets"]["parent"]
    assert found["run"]["runId"] == PARENT.rpartition("/")[2]
    assert (found["job"]["namespace"], found["job"]["name"]) == ("https://airflow.example:8080", "nightly.score")
    assert found["root"]["job"]["name"] == "nightly"
    assert end["job"]["namespace"] == "https://airflow.example:8080"  # where nobody names another
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "no parent")
    (warning,) = checked(job, lineage=job.path("events.jsonl"))
    assert "the parent run is said in a form that cannot be read" in warning
    assert "parent" not in told(job)[-1]["run"]["facets"]


def test_lineage_reads_the_parent_run_from_spark_settings(
    job: Job, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"JobNamespace": "airflow", "JobName": "nightly.score", "RunId": PARENT.rpartition("/")[2]}
    for part, value in given.items():
        spark.conf.set(f"spark.openlineage.parent{part}", value)
    try:
        assert checked(job, spark, lineage=job.path("events.jsonl")) == []
    finally:
        for part in given:
            spark.conf.unset(f"spark.openlineage.parent{part}")
    events = told(job)
    assert {event["run"]["facets"]["parent"]["job"]["name"] for event in events} == {"nightly.score"}
    assert len({event["run"]["runId"] for event in events}) == 1


def test_lineage_reads_the_parent_run_from_openlineage_context() -> None:
    run_of = {"run": {"runId": ROOT.rpartition("/")[2]}, "job": {"namespace": "airflow", "name": "nightly.score"}}
    found = parent_run({"OPENLINEAGE_CONTEXT": json.dumps({"parent": run_of}), "OPENLINEAGE_PARENT_ID": PARENT})
    assert found is not None and found.run == found.root
    assert (found.run.namespace, found.run.job) == ("airflow", "nightly.score")
    assert parent_run({"OPENLINEAGE_CONTEXT": "{}"}) is None
    for broken in ("{", json.dumps({"parent": {"run": {}}}), json.dumps({"parent": {**run_of, "run": {"runId": "1"}}})):
        with pytest.raises(ValueError):
            parent_run({"OPENLINEAGE_CONTEXT": broken})


def test_lineage_names_tables_and_the_requeued_quarantine(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_table(spark, "flights") == ("spark://spark_catalog", "default.flights")
    assert of_table(spark, "lake.`a.b`.flights") == ("spark://lake", "a.b.flights")
    key = "spark.sql.hive.metastore.uris"
    spark.conf.set(key, "thrift://store:9083,thrift://other:9083")
    try:
        assert of_table(spark, "air.flights") == ("hive://store:9083", "air.flights")
    finally:
        spark.conf.unset(key)
    again = place(quarantine="/data/bad", run_id="r").requeued("r")
    assert of_source(again, spark) == ("file", "/data/bad")
    assert of_source(place(input="", input_table="flights"), None) is None
    assert of_source(place(input="", format="jdbc", input_options={"url": "x"}), spark) is None
