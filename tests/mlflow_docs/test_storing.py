"""Samples that store a model with an example or a signature, read them back, update and compare them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import sparksig
from tests.mlflow_docs.both import faults
from tests.mlflow_docs.real import Echo, load, ours, save

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature, set_signature, validate_serving_input
    from mlflow.models.model import get_model_info
    from mlflow.models.utils import load_serving_example

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations

IRIS = load_iris(as_frame=True)
FOREST = RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0).fit(IRIS.data, IRIS.target)
# MLflow stores scikit-learn's models by skops, which does not know trees to be safe
TREES = {"skops_trusted_types": ["sklearn.tree._tree.Tree"], "pip_requirements": []}
EXAMPLES: dict[str, Any] = {
    "one record": pd.DataFrame([{"a": 5.1, "b": 3.5}]),
    "a batch": pd.DataFrame([{"x": 1.0, "y": "A"}, {"x": 2.0, "y": "B"}]),
    "images": np.zeros((3, 28, 28, 1), "uint8"),
    "pixels": np.array([[[0, 134], [253, 6]], [[0, 23], [76, 255]]], dtype="uint8"),
    "tensors by name": {"image": np.zeros((2, 8, 8, 3)), "metadata": np.array([[1.0, 2.0], [3.0, 4.0]])},
    "sparse": scipy.sparse.csr_matrix([[1, 0, 2], [0, 0, 3]]),
    "a chat": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "temperature": 0.7},
    "a question": {"question": "What is it?"},
    "documents": [{"text": "one", "category": "news"}, {"text": "two", "category": "sports"}],
    "a text": "What is the capital of France?",
    "a text with params": ("Hello", {"temperature": 0.5, "top_k": 1}),
}


def plain(predicted: Any) -> Any:
    return (
        json.loads(predicted.to_json(orient="records")) if isinstance(predicted, pd.DataFrame) else predicted.tolist()
    )


def test_save_model_quick_start_signature_equals_the_inferred_one(tmp_path: Path) -> None:
    mlflow.sklearn.save_model(FOREST, str(tmp_path / "theirs"), input_example=IRIS.data.iloc[[0]], **TREES)
    theirs = get_model_info(str(tmp_path / "theirs")).signature
    found = sparksig.load_signature(tmp_path / "theirs")
    assert found == ours(theirs)
    outputs = pd.Series(FOREST.predict(IRIS.data))
    assert found == sparksig.infer_signature(IRIS.data.iloc[[0]], outputs)
    # sparksig's save_model infers nothing by itself: the signature is what somebody decided
    sparksig.save_model(tmp_path / "ours", FOREST, found, IRIS.data.iloc[[0]])
    assert ours(get_model_info(str(tmp_path / "ours")).signature) == found
    predicted = [
        mlflow.pyfunc.load_model(str(tmp_path / who)).predict(IRIS.data).tolist() for who in ("theirs", "ours")
    ]
    assert predicted[0] == predicted[1] == outputs.tolist()


def test_enforce_values_accepts_the_training_data_of_a_stored_signature(tmp_path: Path) -> None:
    signature = infer_signature(IRIS.data, FOREST.predict(IRIS.data))
    mlflow.sklearn.save_model(FOREST, str(tmp_path / "m"), signature=signature, **TREES)
    assert len(mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(IRIS.data)) == len(IRIS.data)
    assert len(sparksig.enforce_values(IRIS.data, sparksig.load_signature(tmp_path / "m").inputs)) == len(IRIS.data)


@pytest.mark.parametrize("name", EXAMPLES)
def test_input_example_files_equal_those_mlflow_writes(tmp_path: Path, name: str) -> None:
    example = EXAMPLES[name]
    path = save(tmp_path / "model", input_example=example)
    written = sparksig.InputExample.of(example)
    for file, text in written.stored()[1].items():
        assert json.loads((path / file).read_text()) == json.loads(text), file
    assert json.loads(load_serving_example(str(path))) == json.loads(sparksig.load_serving_example(path))
    assert sparksig.InputExample.load(path).params == written.params
    if name == "a question":
        assert json.loads(sparksig.serving_payload(written)) == {"inputs": example}


@pytest.mark.parametrize("name", ["one record", "images", "a question", "a chat"])
def test_validate_serving_input_accepts_the_stored_serving_example(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "model", input_example=EXAMPLES[name])
    theirs = load_serving_example(str(path))
    # a chat is sent to MLflow's server as it is; `inputs` around it is understood by both
    payload = json.dumps({"inputs": EXAMPLES[name]}) if name == "a chat" else theirs
    found = plain(sparksig.validate_serving_input(path, payload, trust=True))
    assert (
        found == plain(validate_serving_input(str(path), payload)) == plain(validate_serving_input(str(path), theirs))
    )
    assert faults(lambda: sparksig.validate_serving_input(path, "[1]", trust=True)) == ["$ BAD_PAYLOAD"]


def test_load_signature_rejects_a_model_without_a_signature(tmp_path: Path) -> None:
    path = save(tmp_path / "model")
    mixed = [{"a": "text"}, [1, 2, 3]]
    assert load(path).metadata.signature is None and load(path).predict(mixed) == mixed
    with pytest.raises(sparksig.SignatureError, match="stored without a signature"):
        sparksig.load_signature(path)


def test_set_signature_on_a_stored_model_equals_mlflows(tmp_path: Path) -> None:
    rows = [{"a": "x", "b": "y"}, {"a": "x"}]
    signature = infer_signature(rows, "valid")
    for who in ("theirs", "ours"):
        path = save(tmp_path / who)
        set_signature(str(path), signature) if who == "theirs" else sparksig.set_signature(path, ours(signature))
        assert get_model_info(str(path)).signature == signature
        assert sparksig.load_signature(path) == ours(signature)
        with pytest.raises(MlflowException, match="Failed to enforce schema"):
            load(path).predict([{"b": "y"}])


def test_check_compatible_reports_what_mlflow_only_compares(tmp_path: Path) -> None:
    stored = infer_signature(pd.DataFrame({"x": [1.5], "y": [2.5]}), np.array([1.0]))
    path = save(tmp_path / "model", signature=stored)
    changed = infer_signature(pd.DataFrame({"x": [1.5], "z": ["a"]}), np.array([1.0]))
    assert get_model_info(str(path)).signature != changed and sparksig.load_signature(path) != ours(changed)
    # MLflow says that they differ, sparksig also in what, and whom it breaks
    found = sparksig.check_compatible(sparksig.load_signature(path), ours(changed))
    assert sorted(change.path for change in found.changes) == ["inputs.y", "inputs.z"]
    assert not sparksig.check_compatible(ours(stored), sparksig.load_signature(path)).changes


def test_load_model_passes_params_given_at_inference(tmp_path: Path) -> None:
    signature = infer_signature("Hi", params={"temperature": 0.2, "max_length": 50, "do_sample": True})
    model = load(save(tmp_path / "model", signature=signature))
    here = sparksig.load_model(tmp_path / "model", trust=True)
    params = ours(signature).params
    assert params is not None
    for given in (None, {"temperature": 0.1}, {"temperature": 0.1, "max_length": 50}):
        _, theirs = model.predict("Hi", params=given)
        assert here.predict("Hi", params.resolve(given))[1] == theirs


@pytest.fixture
def experiment(tmp_path: Path) -> Iterator[str]:
    """An experiment in a tracking store of its own."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    try:
        yield mlflow.create_experiment("samples", artifact_location=(tmp_path / "artifacts").as_uri())
    finally:
        mlflow.set_tracking_uri(before)


def test_load_signature_reads_a_new_registered_version_with_its_signature(experiment: str) -> None:
    client = mlflow.MlflowClient()
    signature = infer_signature(pd.DataFrame({"x": [1.5]}), np.array([1.0]))
    with mlflow.start_run(experiment_id=experiment):
        logged = mlflow.pyfunc.log_model(name="model", python_model=Echo(), pip_requirements=[])
    first = mlflow.register_model(logged.model_uri, "fraud")
    set_signature(logged.model_uri, signature)
    assert get_model_info(logged.model_uri).signature == signature
    with pytest.raises(MlflowException, match="Failed to set signature"):
        set_signature("models:/fraud/1", signature)
    # a version is never changed: the same model is logged again with the signature, and registered as the next one
    loaded = mlflow.pyfunc.load_model(client.get_model_version("fraud", first.version).source)
    with mlflow.start_run(experiment_id=experiment):
        again = mlflow.pyfunc.log_model(
            name="model", python_model=loaded.unwrap_python_model(), signature=signature, pip_requirements=[]
        )
    client.create_model_version("fraud", source=again.model_uri)
    assert get_model_info("models:/fraud/2").signature == signature
    folder = mlflow.artifacts.download_artifacts("models:/fraud/2")
    assert sparksig.load_signature(folder) == ours(signature)
