"""The batch job on a stream: each batch a run of its own, each exactly once, whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sparksig.errors import AbsentColumnWarning, ConfigError
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run, run_stream
from sparksig.pipeline.run.checkpoint import Checkpoint
from sparksig.report.schema import check_summary
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from tests.pipeline.estimators import Touchy
from tests.pipeline.jobs import SIGNATURE, Job
from tests.verdict.test_settings import configured

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def rows(first: int, *values: float | None) -> pa.Table:
    return pa.table({"id": range(first, first + len(values)), "x": pa.array(values, pa.float64())})


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path).table(rows(0, 1.0, None), rows(2, 2.0, 3.0)).model()


def comes(job: Job, name: str, table: pa.Table) -> None:
    """A file comes to the source; a later one is newer."""
    pq.write_table(table, job.root / "source" / f"{name}.parquet")


def config(job: Job, **changed: Any) -> JobConfig:
    given: dict[str, Any] = {"run_id": "", "trigger": "available-now", "checkpoint": job.path("state")}
    return job.config(**{**given, "input_options": {"maxFilesPerTrigger": "1"}, **changed})


def found(job: Job, kind: str) -> list[int]:
    """The ids of all rows of a kind, over all batches."""
    return sorted(ds.dataset(job.root / kind, format="parquet").to_table().column("id").to_pylist())


def batches(job: Job) -> list[tuple[int, str, int]]:
    return [(one["batch"], one["verdict"], one["rows_in"]) for one in job.summary()["batches"]]


def test_stream_commits_each_batch_as_one_run_and_reads_no_row_twice(job: Job, spark: SparkSession) -> None:
    asked = config(job)
    summary = run_stream(asked, lambda: spark)
    assert asked.run_id == config(job, logical_date="2026-01-31").run_id  # the same every night
    assert [summary.verdict, summary.rows_in, summary.rows_scored, summary.rows_quarantined] == ["quarantined", 4, 3, 1]
    assert job.summary() == summary.to_dict()
    check_summary(job.summary())
    assert sorted(batches(job)) in (
        [(0, "clean", 2), (1, "quarantined", 2)],
        [(0, "quarantined", 2), (1, "clean", 2)],
    )
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 2, 3], [1])
    for one in job.summary()["batches"]:
        own = json.loads(Path(one["summary"]).read_text())
        check_summary(own)
        assert (own["run_id"], own["verdict"]) == (f"{asked.run_id}.batch-{one['batch']}", one["verdict"])
        assert own["config_digest"] == job.summary()["config_digest"]
    # nothing new, then one file more
    assert run_stream(asked, lambda: spark).rows_in == 0
    assert job.summary()["batches"] == []
    comes(job, "later", rows(4, 4.0))
    assert run_stream(asked, lambda: spark).rows_in == 1
    assert batches(job) == [(2, "clean", 1)]
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 2, 3, 4], [1])


def test_stream_quarantines_rows_at_which_the_model_raises_in_each_batch(tmp_path: Path, spark: SparkSession) -> None:
    job = Job(tmp_path).table(rows(0, 1.0, -1.0), rows(2, -2.0, None, 3.0)).model(Touchy())
    summary = run_stream(config(job, on_model_error="quarantine"), lambda: spark)
    assert [summary.rows_in, summary.rows_scored, summary.rows_quarantined] == [5, 2, 3]
    assert {each.code: each.rows for each in summary.violations} == {"MODEL_ERROR": 2, "NULL": 1}
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 4], [1, 2, 3])


def test_stream_replaces_a_batch_that_spark_repeats(job: Job, spark: SparkSession) -> None:
    asked = config(job)
    run_stream(asked, lambda: spark)
    before = {kind: found(job, kind) for kind in ("scored", "quarantine")}
    forgets(job, 1)
    run_stream(asked, lambda: spark)
    assert [number for number, *_ in batches(job)] == [1]
    assert {kind: found(job, kind) for kind in before} == before


def test_stream_ends_at_a_batch_over_threshold_and_repeats_it(job: Job, spark: SparkSession) -> None:
    shutil.rmtree(job.root / "source")
    job.table(rows(0, 1.0), rows(1, 2.0))
    run_stream(config(job), lambda: spark)
    comes(job, "bad", rows(2, None, 3.0))
    with pytest.raises(RunError, match=r"batch 2: 1 of 2 rows are dirty") as caught:
        run_stream(config(job, fail_on_quarantine=True), lambda: spark)
    assert (caught.value.verdict, caught.value.code) == ("over_threshold", 4)
    assert batches(job) == [(2, "over_threshold", 2)]
    assert (job.summary()["verdict"], job.summary()["rows_in"]) == ("over_threshold", 0)
    assert found(job, "scored") == [0, 1]
    kept = Path(job.summary()["rejected"]["path"])
    assert (kept.parent.name, kept.name.endswith(".batch-2")) == ("_rejected", True)
    assert ds.dataset(kept, format="parquet").to_table().column("id").to_pylist() == [2]
    run_stream(config(job), lambda: spark)
    assert not kept.parent.exists()
    assert batches(job) == [(2, "quarantined", 2)]
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 1, 3], [2])


def test_job_warns_of_an_absent_optional_column_of_a_stream(job: Job, spark: SparkSession) -> None:
    columns = Schema([ColSpec("double", "x"), ColSpec("long", "ids", required=False)])
    signature = ModelSignature(columns, SIGNATURE.outputs, SIGNATURE.params)
    (job.root / "signature.json").write_text(signature.to_json())
    with pytest.warns(AbsentColumnWarning) as caught:
        run_stream(config(job, signature=job.path("signature.json")), lambda: spark)
    [warning] = caught
    line = str(warning.message)
    assert line.startswith("ids: optional") and line.endswith("did you mean 'id'?")
    assert job.summary()["warnings"] == [line]
    assert json.loads((job.root / "summary.batch-0.json").read_text())["warnings"] == [line]


def test_stream_rejects_a_new_checkpoint_for_outputs_of_another(job: Job, spark: SparkSession) -> None:
    run_stream(config(job), lambda: spark)
    shutil.rmtree(job.root / "state")
    with pytest.raises(RunError, match="is of a stream with another checkpoint") as caught:
        run_stream(config(job), lambda: spark)
    assert caught.value.code == 2
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 2, 3], [1])


def forgets(job: Job, number: int) -> None:
    """Spark does not know any more that a batch is done, as after a kill between our commit and its own."""
    for name in (f"{number}", f".{number}.crc"):
        (job.root / "state" / "commits" / name).unlink(missing_ok=True)


def test_stream_fails_at_a_batch_whose_files_were_deleted(job: Job, spark: SparkSession) -> None:
    shutil.rmtree(job.root / "source")
    job.table(rows(0, 1.0))
    run_stream(config(job), lambda: spark)
    forgets(job, 0)  # committed here, and comes again
    comes(job, "a %20 name", rows(2, 3.0, None))
    with missing(job, "part-0"), pytest.raises(RunError, match="batch 0: rows of the source are lost") as caught:
        run_stream(config(job), lambda: spark)
    assert caught.value.code == 5
    assert "1 of the 1 files that Spark has planned for this batch are gone" in str(caught.value)
    assert found(job, "scored") == [0]
    with pytest.raises(RunError, match="batch 1: 1 of 2 rows are dirty"):
        run_stream(config(job, fail_on_quarantine=True), lambda: spark)
    with missing(job, "a %20 name"), pytest.raises(RunError, match="batch 1: rows of the source are lost"):
        run_stream(config(job), lambda: spark)
    assert job.summary()["verdict"] == "failed"
    run_stream(config(job), lambda: spark)
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 2], [3])


@contextmanager
def missing(job: Job, name: str) -> Iterator[None]:
    """A file of the source is not there."""
    file = job.root / "source" / f"{name}.parquet"
    file.rename(job.root / "away")
    yield
    (job.root / "away").rename(file)


def test_stream_reads_the_files_of_each_batch_from_sparks_compacted_log(job: Job, spark: SparkSession) -> None:
    for number in range(10, 13):
        comes(job, f"more-{number}", rows(number, 1.0))
    with configured(spark, {"spark.sql.streaming.fileSource.log.compactInterval": "3"}):
        run_stream(config(job), lambda: spark)
    assert any(path.suffix == ".compact" for path in (job.root / "state" / "sources" / "0").iterdir())
    checkpoint = Checkpoint(job.path("state"))
    named = [Path(path).name for number in range(5) for path in checkpoint.paths(number)]
    assert len(named) == 5
    assert sorted(named) == sorted(path.name for path in (job.root / "source").glob("*.parquet"))


def test_stream_reads_a_late_file_of_any_age(job: Job, spark: SparkSession) -> None:
    run_stream(config(job), lambda: spark)
    comes(job, "late", rows(4, 4.0))
    os.utime(job.root / "source" / "late.parquet", (1.7e9, 1.7e9))
    assert run_stream(config(job), lambda: spark).rows_in == 1


def test_stream_with_a_restored_checkpoint_never_replaces_a_batch_by_other_rows(job: Job, spark: SparkSession) -> None:
    shutil.rmtree(job.root / "source")
    job.table(rows(0, 1.0))
    run_stream(config(job), lambda: spark)
    shutil.copytree(job.root / "state", job.root / "copy")
    for number in (1, 2):
        comes(job, f"more-{number}", rows(number, 1.0))
        run_stream(config(job), lambda: spark)
    for options, ends in (({}, False), ({"maxFilesPerTrigger": "1"}, True)):  # batches of two files, batches of one
        shutil.rmtree(job.root / "state")
        shutil.copytree(job.root / "copy", job.root / "state")
        if ends:
            run_stream(config(job, input_options=options), lambda: spark)
        else:
            with pytest.raises(RunError, match="cannot be replaced by other rows") as caught:
                run_stream(config(job, input_options=options), lambda: spark)
            assert caught.value.code == 5
        assert found(job, "scored") == [0, 1, 2]


def test_stream_with_a_moved_checkpoint_keeps_its_run_ids(job: Job, spark: SparkSession) -> None:
    first = run_stream(config(job), lambda: spark)
    forgets(job, 1)
    (job.root / "state").rename(job.root / "moved")
    again = run_stream(config(job, checkpoint=job.path("moved")), lambda: spark)
    assert again.run_id == first.run_id
    assert [number for number, *_ in batches(job)] == [1]
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 2, 3], [1])


def test_stream_rejects_an_input_that_is_a_file(job: Job, spark: SparkSession) -> None:
    with pytest.raises(RunError, match=r"part-0.parquet is a file") as caught:
        run_stream(config(job, input=job.path("source/part-0.parquet")), lambda: spark)
    assert caught.value.code == 2


def test_job_requeues_the_quarantined_rows_of_a_stream_batch(job: Job, spark: SparkSession) -> None:
    asked = config(job, allow_nulls=True)
    run_stream(config(job), lambda: spark)
    [dirty] = [one["run_id"] for one in job.summary()["batches"] if one["rows_quarantined"]]
    summary = run(asked.requeued(dirty), lambda: spark)
    assert (summary.run_id, summary.rows_scored) == (f"{dirty}.requeued", 1)
    assert asked.requeued(dirty, own="mended").run_id == "mended"


def test_stream_rejects_an_incompatible_table_before_its_first_batch(job: Job, spark: SparkSession) -> None:
    shutil.rmtree(job.root / "source")
    job.table(pa.table({"id": [1], "y": [1.0]}))
    with pytest.raises(RunError) as caught:
        run_stream(config(job), lambda: spark)
    assert (caught.value.verdict, caught.value.code) == ("incompatible", 3)
    assert not (job.root / "state").exists()


def test_stream_applies_condition_columns_and_pin(job: Job, spark: SparkSession) -> None:
    comes(job, "wide", rows(4, 4.0, None, 5.0).append_column("z", pa.array([1, 2, 3])))
    asked = config(job, where="id > 3", columns=("x", "id"), pin="disk", input_options={})
    pinned = spark.sparkContext._jsc.getPersistentRDDs
    before = set(pinned())
    with pytest.warns(UserWarning, match="column z is missing in 2 of 3 files"):
        summary = run_stream(asked, lambda: spark)
    assert (summary.rows_in, found(job, "scored"), found(job, "quarantine")) == (3, [4, 6], [5])
    assert summary.source["read"] == "pinned"
    assert set(pinned()) <= before


PLAIN = "import sys; from sparksig.cli import main; main(sys.argv[1:])"
DEADLY = """
import os, sys
from sparksig.cli import main
from sparksig.pipeline.sinks import Commit

name = sys.argv.pop(1)
step = getattr(Commit, name)

def dies(commit):
    if commit.run_id.endswith(".batch-1"):
        os.kill(os.getpid(), 9)
    return step(commit)

setattr(Commit, name, dies)
main(sys.argv[1:])
"""


def argv(job: Job) -> list[str]:
    given = config(job)
    names = ("input", "model", "trust", "output", "quarantine", "summary", "trigger", "checkpoint")
    pairs = [(f"--{name}", str(getattr(given, name))) for name in names]
    return ["score", *(word for pair in pairs for word in pair), "--input-option", "maxFilesPerTrigger=1"]


def command(job: Job, program: str, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", program, *more, *argv(job)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize(
    "step",
    [pytest.param("decide", marks=pytest.mark.cluster), "finish", pytest.param("settle", marks=pytest.mark.cluster)],
)
def test_stream_killed_in_a_commit_and_then_stopped_by_a_signal_neither_loses_nor_repeats_a_row(
    job: Job, step: str
) -> None:
    killed = command(job, DEADLY, step)
    _, stderr = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, stderr

    for number in range(10, 14):
        comes(job, f"more-{number}", rows(number, 1.0))
    stopped = command(job, PLAIN)
    while len(list(job.root.glob("summary.batch-*.json"))) < 3:
        assert stopped.poll() is None
        time.sleep(0.05)
    stopped.send_signal(signal.SIGTERM)
    _, stderr = stopped.communicate()
    assert stopped.returncode == 5, stderr
    assert "stopped by a signal; the batches that were committed before stand" in stderr
    ended = job.summary()
    assert ended["verdict"] == "failed"
    committed = [one for one in ended["batches"] if one["verdict"] in ("clean", "quarantined")]
    assert [one["batch"] for one in committed[:2]] == [1, 2] and len(committed) < 5
    before = len(rows_of_batch_0(job))
    assert ended["rows_scored"] + before == len(found(job, "scored"))

    finished = command(job, PLAIN)
    _, stderr = finished.communicate()
    assert finished.returncode == 0, stderr
    assert (found(job, "scored"), found(job, "quarantine")) == ([0, 2, 3, *range(10, 14)], [1])
    folders = [path.name for kind in ("scored", "quarantine") for path in (job.root / kind).iterdir()]
    assert all(name.startswith("run_id=stream-") for name in folders)


def rows_of_batch_0(job: Job) -> list[int]:
    """The ids of the scored rows of the batch that was committed before the kill."""
    (folder,) = (job.root / "scored").glob("run_id=*.batch-0")
    return ds.dataset(folder, format="parquet").to_table().column("id").to_pylist()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"checkpoint": None, "run_id": "r"}, "--checkpoint: not given beside --trigger"),
        ({"trigger": None, "run_id": "r"}, "--trigger: not given beside --checkpoint"),
        ({"run_id": "r"}, "--run-id: given beside --trigger"),
        ({"trigger": "continuous"}, "--trigger: no such choice"),
    ],
)
def test_job_config_rejects_stream_options_that_contradict_each_other(
    job: Job, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config(job, **changed)
    assert words in str(caught.value)


def test_job_config_rejects_a_checkpoint_inside_an_output(job: Job) -> None:
    with pytest.raises(ConfigError, match="--checkpoint: lies inside --output"):
        config(job, checkpoint=job.path("scored/state"))
