"""Paths on object stores: one place has one form, whatever scheme, credentials or query it is written with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from sparksig.errors import ConfigError, NotSupportedError, SignatureError, SinkError
from sparksig.pipeline.config import JobConfig, is_inside
from sparksig.pipeline.io import file_system, has_file_system, literal_path, missing, spark_path, unwritable
from sparksig.pipeline.run.checkpoint import Checkpoint
from sparksig.pipeline.run.lineage.names import of_path
from sparksig.pipeline.run.stream import _of_batch
from sparksig.pipeline.sinks import Commit, Sink
from sparksig.sources.registry import load_signature

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SILENT = "endpoint_override=127.0.0.1:1&scheme=http&region=r"  # opened without asking anybody, and answers nobody
PLACES: dict[str, Any] = {"input": "s3://lake/in", "model": "model", "output": "out", "quarantine": "bad"}


def config(**changed: Any) -> JobConfig:
    return JobConfig(**{**PLACES, "summary": "summary.json", "run_id": "r", **changed})


@pytest.mark.parametrize(
    "path",
    [
        *("s3://lake/in/x", "s3a://lake/in/x", "s3n://lake/in/x", "S3A://lake/in/x", "s3://lake//in/./x/"),
        *("s3://AKIA:pw@lake/in/x", "s3a://lake/in/x?region=eu", "s3a://AKIA:a/b@lake/in/x?region=eu"),
    ],
)
def test_one_place_on_s3_is_the_same_however_it_is_written(path: str) -> None:
    assert is_inside(path, "s3://lake/in") and is_inside(path, "s3a://lake/in/?region=r")
    assert is_inside("s3a://lake/in/x", path) and not is_inside(path, "s3a://other/in")
    assert of_path(path) == ("s3://lake", "in/x") or "//" in path[5:]
    with pytest.raises(ConfigError) as caught:
        config(output=path, quarantine="bad", input="s3a://lake/in")
    assert [problem.path for problem in caught.value.problems] == ["--output"]


def test_containers_of_azure_are_told_apart() -> None:
    one, other = "abfss://raw@lake.dfs.core.windows.net/in", "abfss://clean@lake.dfs.core.windows.net/in"
    assert is_inside(f"{one}/x", one) and not is_inside(f"{one}/x", other)


def test_a_query_stays_at_the_end_of_every_path_that_is_made_of_another() -> None:
    query = f"?{SILENT}"
    sink = Sink(f"s3://lake/scored/{query}", "r1", "scored")
    base = "s3://lake/scored"
    assert sink.final == f"{base}/run_id=r1{query}"
    assert sink.staging == f"{base}/_staging-r1{query}" and sink.former == f"{base}/_former-r1{query}"
    assert Commit("r1", "", {"scored": sink.folder}, "", "").place == f"{base}/_commit-r1.json{query}"
    assert file_system(sink.final)[1] == "lake/scored/run_id=r1"
    job = config(quarantine=f"s3a://lake/bad{query}", summary=f"s3://lake/s.json{query}")
    again = job.requeued("r1")
    assert again.input == f"s3a://lake/bad/run_id=r1{query}" and again.requeues == "r1"
    assert replace(again, input="s3://lake/bad/run_id=r1").requeues == "r1"
    assert again.summary == f"s3://lake/s.requeued.json{query}"
    assert _of_batch(job, "stream", 3).summary == f"s3://lake/s.batch-3.json{query}"
    tables = {"output": "", "quarantine": "", "output_table": "a", "quarantine_table": "b"}
    staged = config(**tables, staging=f"s3://lake/staging{query}")
    assert staged.folders["scored"] == f"s3://lake/staging/scored{query}"


def test_arrow_is_given_s3_for_s3a_and_spark_no_query() -> None:
    for scheme in ("s3", "s3a", "s3n"):
        files, inner = file_system(f"{scheme}://AKIA:pw@lake/in/x?{SILENT}")
        assert (files.type_name, inner) == ("s3", "lake/in/x")
    assert spark_path(f"s3a://lake/in?{SILENT}") == "s3a://lake/in"
    assert spark_path("file:///data/a?b") == "file:///data/a?b" and literal_path("/data/a?b") == r"/data/a\?b"


def test_spark_is_given_the_scheme_of_s3_that_its_hadoop_knows(spark: SparkSession) -> None:
    known = "org.apache.hadoop.fs.RawLocalFileSystem"  # any class will do: nothing is read
    assert spark_path("s3://lake/in", spark) == "s3://lake/in"  # neither is known: Spark says so of what was written
    spark.conf.set("fs.s3a.impl", known)
    try:
        assert spark_path("s3://lake/in", spark) == spark_path("s3a://lake/in", spark) == "s3a://lake/in"
        assert literal_path(f"s3://lake/in[1]?{SILENT}", spark) == r"s3a://lake/in\[1\]"
        spark.conf.set("fs.s3.impl", known)
        assert spark_path("s3://lake/in", spark) == "s3://lake/in"
        assert spark_path("s3a://lake/in", spark) == "s3a://lake/in"
    finally:
        spark.conf.unset("fs.s3a.impl")
        spark.conf.unset("fs.s3.impl")


@pytest.fixture
def forbidding() -> Iterator[str]:
    """The query of a store that shows nothing to anybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=r"
        server.shutdown()


def test_a_source_that_only_spark_has_credentials_for_is_left_to_spark(forbidding: str) -> None:
    path = f"s3a://AKIA:pw@lake/in{forbidding}"
    assert list(missing("--input", path, read_by_spark=True)) == []
    assert not has_file_system(path)
    (problem,) = missing("TABLE", path)
    assert problem.fact == "s3a://***@lake/in?*** cannot be read: OSError"


# ---- hints


@pytest.mark.parametrize("scheme", ["s3", "s3a", "gs", "abfss", "wasbs"])
def test_the_hint_of_a_rejected_output_on_an_object_store_leads_to_one_that_is_taken(
    tmp_path: Path, scheme: str
) -> None:
    """Nothing is asked of the store before, so that no hint explains how it is opened."""
    (problem,) = Sink(f"{scheme}://lake/out", "r", "scored").faults()
    assert problem.fact.startswith(f"{scheme} cannot rename a folder whole")
    assert problem.hint is not None
    for word in ("disk", "--output-table", "--quarantine-table", "--staging"):
        assert word in problem.hint
    assert list(Sink(str(tmp_path / "out"), "r", "scored").faults()) == []  # the first hint
    tables = {"output": "", "quarantine": "", "output_table": "a", "quarantine_table": "b"}
    staged = config(**tables, staging=str(tmp_path / "staging"))  # the second
    assert [list(Sink(folder, "r", kind).faults()) for kind, folder in staged.folders.items()] == [[], []]


def test_the_hint_for_an_unknown_scheme_names_no_scheme_that_is_rejected_next(tmp_path: Path) -> None:
    with pytest.raises(SinkError) as caught:
        list(Sink("nowhere://lake/out", "r", "scored").faults())
    assert caught.value.problems[0].hint == "a path on this machine, file:// or hdfs://"
    assert list(Sink(f"file://{tmp_path}/out", "r", "scored").faults()) == []
    with pytest.raises(SinkError) as caught:
        list(unwritable("nowhere://lake/summary.json"))
    hint = caught.value.problems[0].hint
    assert hint is not None and "s3a://" in hint
    assert list(unwritable(f"s3a://lake/summary.json?{SILENT}")) == []


def test_a_model_on_s3_is_rejected_alike_under_both_schemes() -> None:
    from sparksig.models.artifact import Artifact

    for scheme in ("s3", "s3a"):
        with pytest.raises(SignatureError) as caught:
            load_signature(f"{scheme}://AKIA:pw@lake/model")
        assert str(caught.value).startswith(f"{scheme}://***@lake/model: no such file")
        with pytest.raises(NotSupportedError) as refused:
            Artifact.read(f"{scheme}://AKIA:pw@lake/model")
        assert refused.value.problems[0].path == f"{scheme}://***@lake/model"


def test_a_checkpoint_is_named_in_its_folder_whatever_follows_it(tmp_path: Path) -> None:
    Checkpoint(f"{tmp_path}/state/").name("stream-1")
    assert Checkpoint(f"{tmp_path}/state").named() == "stream-1"
