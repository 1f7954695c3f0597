"""Signatures and models behind `runs:/` and `models:/`, in a local MLflow store."""

from __future__ import annotations

import os
import pickle
import re
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import sparksig
from sparksig.errors import EnvironmentFault, ModelLoadError, NotSupportedError, SignatureError, TrustError
from sparksig.models.artifact import Artifact, Packed
from sparksig.redaction import masked
from sparksig.scoring.calls import from_registry
from sparksig.scoring.calls.models import Shipped
from sparksig.signature.model_signature import ModelSignature, check_registrable
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, Map, Object, Property
from sparksig.sources.registry import fetched, is_model_uri, load_signature, set_signature
from tests.models.estimators import Threshold
from tests.registry.stores import FRAME, SIGNATURE, WIDER, Store, tracking

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations


def uris(store: Store) -> list[str]:
    return [f"runs:/{store.run}/model", "models:/late/1", "models:/late@prod", f"runs:/{store.run}/model/"]


def test_load_signature_reads_uris_as_mlflow_does(
    store: Store, temporary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for uri in uris(store):
        assert sparksig.load_signature(uri) == SIGNATURE
        assert mlflow.models.get_model_info(uri).signature.to_dict() == SIGNATURE.to_dict()
    capfd.readouterr()
    for uri in (store.other, f"runs:/{store.run}/other", "models:/late/2", "models:/late@next", "models:/late/latest"):
        assert load_signature(uri).to_dict() == _theirs(uri)
    assert capfd.readouterr() == ("", "")  # no bars, no warnings


def _theirs(uri: str) -> dict[str, Any]:
    return dict(mlflow.models.get_model_info(uri).signature.to_dict())


def test_registry_fetches_the_model_that_was_saved(store: Store, temporary: Path) -> None:
    for uri in uris(store):
        with fetched(uri) as (name, folder):
            assert Artifact.read(folder).digest == store.saved.digest
        assert name == ("models:/late/1" if "prod" in uri else uri.rstrip("/"))
    packed = from_registry("models:/late@prod")
    assert isinstance(packed, Packed)
    assert (packed.origin, packed.digest) == ("models:/late/1", store.saved.digest)
    with pickle.loads(pickle.dumps(packed)).unpacked() as artifact:
        assert artifact.digest == store.saved.digest
    assert "secret" not in repr(replace(packed, files={"MLmodel": b"secret"}))


def test_registry_rejects_an_unknown_store_scheme_with_a_hint() -> None:
    with tracking("unheard-of://store"), pytest.raises(ModelLoadError) as caught:
        load_signature("models:/late/1")
    assert "pip install mlflow" in str(caught.value.problems[0].hint)


def test_set_signature_changes_logged_models_but_not_registered_versions(store: Store) -> None:
    assert _signature_of(store.plain) is None
    with pytest.raises(SignatureError, match=f"^{store.plain}: the model was stored without a signature"):
        load_signature(store.plain)
    set_signature(store.plain, SIGNATURE)
    assert load_signature(store.plain) == load_signature(f"runs:/{store.run}/plain") == SIGNATURE
    sparksig.set_signature(f"runs:/{store.run}/plain", WIDER)  # MLflow itself finds no such model behind runs:/
    assert load_signature(store.plain) == WIDER
    assert _theirs(store.plain) == WIDER.to_dict()
    set_signature(f"runs:/{store.run}/again", WIDER)
    assert load_signature(f"runs:/{store.run}/again") == WIDER
    for version in ("models:/late/1", "models:/late@prod"):
        with pytest.raises(NotSupportedError, match="a registered model's version cannot be changed"):
            set_signature(version, WIDER)


def _signature_of(uri: str) -> Any:
    return mlflow.models.get_model_info(uri).signature


@pytest.mark.parametrize(
    ("uri", "fact"),
    [
        ("models:/none/1", "Registered Model with name=none not found"),
        ("models:/late/77", "Model Version (name=late, version=77) not found"),
        ("models:/late@none", "Registered model alias none not found."),
        ("models:/late", "Logged model with ID 'late' not found."),
        ("models:/late/Staging", "has no version"),
        ("models:/m-0000", "Logged model with ID 'm-0000' not found."),
        ("runs:/0000/model", "Run with id=0000 not found"),
    ],
)
def test_registry_reports_what_mlflow_does_not_have(uri: str, fact: str, store: Store, temporary: Path) -> None:
    for read in (load_signature, from_registry):
        with pytest.raises(ModelLoadError) as caught:
            read(uri)
        [problem] = caught.value.problems
        assert (problem.path, problem.fact) == (uri, fact)
        assert "MLFLOW_TRACKING_URI" in str(problem.hint)


@pytest.mark.parametrize(
    "uri", ["models:/", "runs:///", "models:/late/1/part", "models:/late/1#part", "models:/late/1?a=b", "runs:/0#part"]
)
def test_registry_rejects_uris_that_name_no_model(uri: str, store: Store, temporary: Path) -> None:
    """MLflow calls some of these an error of its own, which would be worth another try, and cuts off others."""
    for ask in (load_signature, from_registry, lambda uri: set_signature(uri, SIGNATURE)):
        with pytest.raises(ModelLoadError) as caught:
            ask(uri)
        [problem] = caught.value.problems
        assert (problem.path, problem.fact) == (masked(uri), "is no URI of a model")


def test_registry_accepts_trailing_slashes(store: Store, temporary: Path) -> None:
    """MLflow downloads `runs:/../plain/` of a logged model into other folders than it says."""
    for uri in (f"runs:/{store.run}/other", store.other, "models:/late/1", "models:/late@prod"):
        assert load_signature(f"{uri}/") == load_signature(uri)
        assert from_registry(f"{uri}/") == from_registry(uri)
    before = load_signature(store.other)
    set_signature(f"{store.other}/", WIDER)
    set_signature(f"runs:/{store.run}/other/", before)
    assert load_signature(store.other) == before


def test_registry_resolves_aliases_stages_and_latest(store: Store, temporary: Path) -> None:
    mlflow.MlflowClient().transition_model_version_stage("late", "1", "Production")
    for uri, version in {
        "late@prod": 1,
        "late/latest": 2,
        "late/Latest/": 2,
        "late/production": 1,
        "late/1": 1,
    }.items():
        with fetched(f"models:/{uri}", "MLmodel") as (name, _):
            assert name == f"models:/late/{version}"


def test_registry_accepts_the_root_of_a_run_as_a_model(store: Store, temporary: Path) -> None:
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(store.saved.path))
    for uri in (f"runs:/{run.info.run_id}", f"runs:/{run.info.run_id}/"):
        assert load_signature(uri) == SIGNATURE
        assert from_registry(uri).digest == store.saved.digest


def test_registry_errors_name_the_uri(store: Store, temporary: Path, tmp_path: Path) -> None:
    for name, text in {"broken/MLmodel": "flavors: [x\n: :", "none/other": "", "a.onnx": ""}.items():
        (tmp_path / "logged" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logged" / name).write_text(text)
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path / "logged"), "deep")
    facts = {
        "broken": "not YAML, line 2",
        "none": "has no file MLmodel",
        "a.onnx": "is a file, not a model's directory",
    }
    for name, fact in facts.items():
        uri = f"runs:/{run.info.run_id}/deep/{name}"
        with pytest.raises(ModelLoadError) as caught:
            from_registry(uri)
        assert [(problem.path, problem.fact) for problem in caught.value.problems] == [(uri, fact)]


def test_registry_errors_hide_a_servers_password(store: Store, temporary: Path) -> None:
    with tracking("unheard-of://user:canary-password@127.0.0.1/x"):
        for ask in (load_signature, from_registry, lambda uri: set_signature(uri, SIGNATURE)):
            with pytest.raises(ModelLoadError, match=r"unsupported URI '\(MLFLOW_TRACKING_URI\)'") as caught:
                ask(f"runs:/{store.run}/model" if ask is load_signature else "models:/m-0000")
            assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_registry_threads_restore_environment_and_warning_filters(store: Store, temporary: Path) -> None:
    name, began = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", threading.Barrier(4)

    def ask(_: int) -> object:
        began.wait()
        return [load_signature("models:/late/1") for _ in range(3)].pop()

    filters = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [SIGNATURE] * 4
    assert name not in os.environ and warnings.filters == filters


def test_registry_reports_a_server_that_does_not_answer(store: Store, temporary: Path) -> None:
    with tracking("http://user:canary-password@127.0.0.1:9"):
        for ask in (load_signature, from_registry, lambda uri: set_signature(uri, SIGNATURE)):
            with pytest.raises(EnvironmentFault, match="MLflow cannot be asked") as caught:
                ask("models:/m-0000")
            shown = str(caught.value) + repr(caught.value.__cause__)
            assert "ConnectionError" in shown and "canary" not in shown


def test_registry_reports_artifact_uris_without_a_server(store: Store, temporary: Path) -> None:
    source = "mlflow-artifacts:/0/run/artifacts/model"
    with pytest.raises(EnvironmentFault, match="MLflow cannot be asked"):
        load_signature(source)
    with pytest.raises(ModelLoadError, match="Failed to download"):  # MLflow's word for it
        set_signature(source, SIGNATURE)


def test_registry_distinguishes_uris_from_paths(tmp_path: Path) -> None:
    path: Any
    for path in ("model", "/models:/x", "C:/models", tmp_path, {"inputs": []}, "s3://bucket/model", "models"):
        assert not is_model_uri(path)
    for read in (Artifact.read, sparksig.load_model):
        with pytest.raises(NotSupportedError) as caught:
            read("models:/late@prod")
        assert "score, predict_udf and load_signature take runs:/ and models:/" in str(caught.value)
    with pytest.raises(SignatureError, match="of URIs only runs:/ and models:/ are read"):
        load_signature("s3://bucket/model")


def test_score_warns_when_the_model_exceeds_connects_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the limit is passed, gRPC's error comes when scores are asked for, and the job hides Spark's words."""
    session: Any = object()  # as Connect's, it has no context; the limit itself would take a minute to send
    monkeypatch.setattr("sparksig.scoring.calls.models._SENT_AT_MOST", 1 << 20)
    assert Shipped(bytes(1 << 20), "").broadcast(session).pickled == bytes(1 << 20)
    with pytest.warns(UserWarning, match="the model has 3 MiB, and Spark Connect sends at most 1: give the path"):
        Shipped(bytes(3 << 20), "").broadcast(session)


def test_score_and_predict_udf_accept_model_uris(store: Store, temporary: Path, spark: SparkSession) -> None:
    table = spark.createDataFrame([(1, 2.0), (2, None), (3, -2.0)], "id long, x double").repartition(2)
    with pytest.raises(TrustError) as caught:
        sparksig.score(table, "models:/late@prod")
    assert caught.value.problems[0].path == "models:/late/1"
    trust = store.saved.digest
    scored = sparksig.score(table, "models:/late@prod", trust=trust, params={"threshold": 0.9}, output="*")
    rows = {row.id: (row.probability, row.late, row._violations) for row in scored.collect()}
    local = sparksig.score(table, store.saved.path, trust=trust, params={"threshold": 0.9}, output="*")
    assert rows == {row.id: (row.probability, row.late, row._violations) for row in local.collect()}
    assert rows[2][:2] == (None, None) and rows[1][0] > 0.5
    predict = sparksig.predict_udf(f"runs:/{store.run}/model", trust=trust)
    [first] = table.where("id = 1").select(predict(F.struct("x")).alias("p")).collect()
    assert first.p.probability == rows[1][0]
    assert sparksig.infer_output("models:/late/1", {"x": [1.0]}, trust=trust) == SIGNATURE.outputs


def test_readme_registry_example_runs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spark: SparkSession
) -> None:
    monkeypatch.chdir(tmp_path)
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    [code] = [text for text in re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S) if "log_artifacts" in text]
    names = {"save_model": sparksig.save_model, "score": sparksig.score, "mlflow": mlflow, "model": Threshold()}
    given = {"signature": SIGNATURE, "input_example": FRAME, "table": spark.createDataFrame(FRAME)}
    done: dict[str, Any] = {**names, **given}
    exec(compile(code, "README.md", "exec"), done)
    assert done["scored"].where("_violations is null").count() == len(FRAME)


def test_check_registrable_rejects_types_the_registry_cannot_store() -> None:
    check_registrable(SIGNATURE)
    check_registrable(ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 3))]), Schema([ColSpec("double")])))
    nested = Object([Property("a b", Array(Map(AnyType()))), Property("c", "long")])
    inputs = Schema([ColSpec(nested, "o"), ColSpec(AnyType(), "any"), ColSpec("long", "n")])
    with pytest.raises(SignatureError, match="cannot be registered") as caught:
        check_registrable(ModelSignature(inputs))
    assert [problem.path for problem in caught.value.problems] == ["outputs", "inputs.o.a b[]{}", "inputs.any"]
    with pytest.raises(SignatureError) as caught:
        check_registrable(ModelSignature(params=SIGNATURE.params))
    assert [problem.path for problem in caught.value.problems] == ["inputs", "outputs"]
