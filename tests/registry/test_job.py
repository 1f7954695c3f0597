"""The job with a model URI, in a local MLflow store."""

from __future__ import annotations

import json
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from sparksig.cli import main
from sparksig.models.artifact import Artifact, Packed
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run_stream
from sparksig.report.live import Silent
from tests.registry.stores import Store, tracking

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations


def test_job_scores_with_a_model_uri_and_records_its_version(
    store: Store, tmp_path: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    spark.createDataFrame([(1, 2.0), (2, None), (3, -2.0)], "id long, x double").write.parquet(f"{tmp_path}/table")
    places = {name: str(tmp_path / name) for name in ("output", "quarantine")}
    words = [f"--{name}={place}" for name, place in places.items()]
    summary = tmp_path / "summary.json"
    argv = ["score", f"--input={tmp_path}/table", *words, f"--summary={summary}", "--run-id=r"]
    assert ended([*argv, "--model=models:/late@none"]) == 2
    assert "Registered model alias none not found." in capsys.readouterr().err
    with tracking("http://127.0.0.1:9"):
        assert ended([*argv, "--model=models:/late@prod", "--trust=true"]) == 5  # another try may find the server
    assert ended([*argv, "--model=models:/late@prod", f"--trust={store.saved.digest}"]) == 0
    found = json.loads(summary.read_text())
    assert (found["rows_in"], found["rows_scored"], found["rows_quarantined"]) == (3, 2, 1)
    assert (found["model_uri"], found["model_digest"]) == ("models:/late/1", store.saved.digest)
    assert ended(["validate", f"--input={tmp_path}/table", "--model=models:/late@prod", "--json"]) == 0
    capsys.readouterr()
    assert ended(["show", "models:/late@prod"]) == 0
    assert "threshold" in capsys.readouterr().out
    assert ended(["diff", "models:/late@prod", "models:/late@next"]) == 4  # the outputs' names are gone
    assert ended(["plan", "models:/late@prod", f"{tmp_path}/table"]) == 0


def ended(argv: list[str]) -> object:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    return stop.value.code


@dataclass(frozen=True)
class Moving(Silent):
    """Moves the alias to version 2, and the files of version 1 away, once the first batch stands."""

    files: Path

    def end(self, phase: str, seconds: float, well: bool) -> None:
        if phase == "batch 0: commit":
            mlflow.MlflowClient().set_registered_model_alias("late", "turn", "2")
            self.files.rename(self.files.with_name("away"))


def test_stream_fetches_its_model_once(
    store: Store, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Packed] = []
    unpacked = Packed.unpacked

    def noted(packed: Packed) -> AbstractContextManager[Artifact]:
        looked_at.append(packed)
        return unpacked(packed)

    monkeypatch.setattr(Packed, "unpacked", noted)
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("late", "turn", "1")
    files = Path(client.get_model_version_download_uri("late", "1").removeprefix("file://"))
    (tmp_path / "table").mkdir()
    for number in range(2):
        pq.write_table(pa.table({"id": [number], "x": [2.0]}), tmp_path / "table" / f"{number}.parquet")
    places = {name: str(tmp_path / name) for name in ("output", "quarantine", "checkpoint")}
    asked: dict[str, Any] = {**places, "input": str(tmp_path / "table"), "summary": str(tmp_path / "summary.json")}
    asked |= {"model": "models:/late@turn", "trust": store.saved.digest, "trigger": "available-now", "run_id": ""}
    asked["input_options"] = {"maxFilesPerTrigger": "1"}
    try:
        # the signature is MLflow's to say, too, and is no other one either when the alias is moved
        config = JobConfig(**asked, signature="models:/late@turn")
        assert run_stream(config, lambda: spark, Moving(files)).rows_scored == 2
        assert not files.exists()
    finally:
        if not files.exists():
            files.with_name("away").rename(files)
    whole, *batches = [
        json.loads((tmp_path / f"summary{end}.json").read_text()) for end in ("", ".batch-0", ".batch-1")
    ]
    assert len(whole["batches"]) == 2
    for one in (whole, *batches):
        assert (one["model_uri"], one["model_digest"]) == ("models:/late/1", store.saved.digest)
        assert one["signature"] == whole["signature"]
    # one fetch; the stream and each batch look whether it is trusted, and score by what they have looked at
    assert len(looked_at) == 3 and all(packed is looked_at[0] for packed in looked_at)
    # the next time asks again, and the one that comes is not trusted
    with pytest.raises(RunError, match="the one that was trusted\\n  models:/late/2: ") as caught:
        run_stream(JobConfig(**asked), lambda: spark)
    assert caught.value.code == 2
