from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import Model
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparksig.errors import NotSupportedError, SignatureError, SinkError
from sparksig.models.examples import InputExample
from sparksig.models.loading import load_model
from sparksig.models.saving import save_model
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema
from tests.models.estimators import Threshold

ROOT = Path(__file__).resolve().parent.parent.parent
X = pd.DataFrame({"x": [-1.0, 0.2, 3.0]})
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("double", "x")]),
    outputs=Schema([ColSpec("double", "probability"), ColSpec("boolean", "late")]),
    params=ParamSchema([ParamSpec("threshold", "double", 0.5)]),
)

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations


def test_save_model_round_trips_through_load_model(tmp_path: Path) -> None:
    artifact = save_model(tmp_path / "deep" / "model", Threshold(2.0), SIGNATURE, X)
    assert artifact.signature == SIGNATURE.to_dict()
    model = load_model(artifact.path, trust=artifact.digest)
    assert model.takes_params
    pd.testing.assert_frame_equal(model.predict(X, {"threshold": 0.1}), Threshold(2.0).predict(X, {"threshold": 0.1}))


def test_save_model_writes_what_mlflow_loads_with_params(tmp_path: Path) -> None:
    import mlflow.pyfunc
    import mlflow.sklearn

    artifact = save_model(tmp_path / "model", Threshold(), SIGNATURE, X)
    loaded = mlflow.pyfunc.load_model(str(artifact.path))
    for threshold in (0.1, 0.5, 0.9):
        params = {"threshold": threshold}
        pd.testing.assert_frame_equal(loaded.predict(X, params=params), Threshold().predict(X, params))
    assert loaded.metadata.signature.to_dict() == SIGNATURE.to_dict()
    assert mlflow.models.get_model_info(str(artifact.path)).flavors.keys() == {"python_function", "sklearn"}
    pd.testing.assert_frame_equal(loaded.input_example, X)
    assert isinstance(mlflow.sklearn.load_model(str(artifact.path)), Threshold)


def test_save_model_uses_mlflows_own_loader_without_params(tmp_path: Path) -> None:
    import mlflow.pyfunc

    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X.to_numpy(), [0, 0, 1])
    artifact = save_model(tmp_path / "model", pipeline, input_example=X.to_numpy())
    assert artifact.flavors["python_function"]["loader_module"] == "mlflow.sklearn"
    assert not (artifact.path / "code").exists()
    loaded = mlflow.pyfunc.load_model(str(artifact.path))
    assert loaded.predict(X.to_numpy()).tolist() == pipeline.predict(X.to_numpy()).tolist()
    assert loaded.input_example.tolist() == X.to_numpy().tolist()


SCRIPT = """
import sys
from sparksig.models.saving import save_model
from local_module import Base

class Model(Base):
    def predict(self, X):
        return self.double(X)

print(save_model(sys.argv[1], Model()).digest)
"""
LOCAL = "class Base:\n    def double(self, X):\n        return [2 * x for x in X]\n"


def run_script(folder: Path, seed: str) -> str:
    """The digest of a model that another process saves."""
    command = [sys.executable, str(folder / "script.py"), str(folder / seed)]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_save_model_stores_classes_of_a_script_and_its_modules(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "local_module.py").write_text(LOCAL)
    digest = run_script(tmp_path, "1")
    model = load_model(tmp_path / "1", trust=digest)  # this process has neither module
    assert model.predict([1, 2], None) == [2, 4]


REPEATED = """
import sys
from mlflow.models import Model
from sklearn.linear_model import LogisticRegression
from sparksig.models.saving import save_model
print(save_model(sys.argv[1], LogisticRegression().fit([[1.0], [2.0], [3.0]], [0, 1, 1])).digest)
"""


def test_save_model_gives_a_repeated_training_the_same_digest(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(REPEATED)
    assert run_script(tmp_path, "1") == run_script(tmp_path, "2")


def test_save_model_gives_the_same_model_the_same_digest(tmp_path: Path) -> None:
    one, other = (save_model(tmp_path / name, Threshold(), SIGNATURE, X) for name in ("one", "other"))
    assert one.digest == other.digest
    assert save_model(tmp_path / "third", Threshold(2.0), SIGNATURE, X).digest != one.digest


def test_save_model_replaces_only_a_model_and_only_with_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "model"
    old = save_model(path, Threshold())
    (path / "note.txt").write_text("of the old one")
    with pytest.raises(SinkError, match="overwrite=True"):
        save_model(path, Threshold(2.0))
    new = save_model(path, Threshold(2.0), overwrite=True)
    assert new.digest != old.digest
    assert not (path / "note.txt").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]  # nothing is left of the staging
    (tmp_path / "photos").mkdir()
    with pytest.raises(SinkError, match="only a model"):
        save_model(tmp_path / "photos", Threshold(), overwrite=True)
    with pytest.raises(SinkError, match="cannot be written"):
        save_model(path / "MLmodel" / "below", Threshold())


def test_save_model_failure_leaves_and_removes_nothing(tmp_path: Path) -> None:
    class Locked(Threshold):
        def __reduce__(self) -> str:
            raise RuntimeError("no")

    old = save_model(tmp_path / "model", Threshold())
    with pytest.raises(NotSupportedError, match="pickling raised RuntimeError"):
        save_model(tmp_path / "model", Locked(), overwrite=True)
    with pytest.raises(NotSupportedError):
        save_model(tmp_path / "new", Locked())
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    assert load_model(old.path, trust=old.digest)


def test_save_model_rejects_params_that_predict_never_receives(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, [0, 0, 1])
    with pytest.raises(SignatureError, match="never see them"):
        save_model(tmp_path / "model", model, SIGNATURE)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("model", [None, Threshold, lambda batch: batch, "model"])
def test_save_model_rejects_objects_without_predict(model: object, tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match="method predict"):
        save_model(tmp_path / "model", model)


def test_save_model_stores_examples_of_any_kind_with_params(tmp_path: Path) -> None:
    for i, example in enumerate([{"x": 1}, np.array(["a"]), pd.DataFrame({"x": [0.5, None]}), ([1], {"limit": 3})]):
        path = save_model(tmp_path / str(i), Threshold(), input_example=example).path
        found = InputExample.load(path)
        assert found.params == ({"limit": 3} if i == 3 else None)
        assert Model.load(str(path)).load_input_example_params(str(path)) == found.params
    with pytest.raises(SignatureError, match="no input example"):
        save_model(tmp_path / "model", Threshold(), input_example=object())


def test_save_model_pins_the_environment_or_takes_given_requirements(tmp_path: Path) -> None:
    import sklearn

    path = save_model(tmp_path / "one", Threshold()).path
    assert f"scikit-learn=={sklearn.__version__}" in (path / "requirements.txt").read_text().splitlines()
    assert yaml.safe_load((path / "python_env.yaml").read_text())["dependencies"] == ["-r requirements.txt"]
    path = save_model(tmp_path / "two", Threshold(), pip_requirements=["mine==1"]).path
    assert (path / "requirements.txt").read_text() == "mine==1\n"
    assert yaml.safe_load((path / "conda.yaml").read_text())["dependencies"][-1] == {"pip": ["mine==1"]}
