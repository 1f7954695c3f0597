"""Models of Python code as MLflow writes them: called as MLflow does, loaded from the verified bytes."""

from __future__ import annotations

import decimal
import gc
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LinearRegression

from sparksig.errors import ModelLoadError, TrustError
from sparksig.models import loading
from sparksig.models.artifact import Artifact, PrivateCopy
from sparksig.models.code import ModelCode
from sparksig.models.loading import load_model
from tests.models import pyfuncs
from tests.models.pyfuncs import FRAME, save

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.models
    import mlflow.pyfunc
    import mlflow.sklearn

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations


@pytest.fixture(autouse=True)
def copies(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where copies are made; none is left when nobody has the model any more."""
    folder = tmp_path_factory.mktemp("copies")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    loading._cache.clear()
    gc.collect()
    assert list(folder.glob("sparksig-model-*")) == []


def signed(inputs: Any, output: Any, params: Any = None) -> Any:
    return mlflow.models.infer_signature(inputs, output, params)


# ---- called as MLflow calls them


def test_load_model_pyfunc_passes_params_context_config_and_artifacts(tmp_path: Path) -> None:
    signature = signed(FRAME, FRAME["x"], {"factor": 2.0})
    model = load_model(save(pyfuncs.WithParams(), tmp_path / "params", signature=signature), trust=True)
    assert model.takes_params
    assert model.predict(FRAME, {"factor": 3.0}).tolist() == [3.0, 7.5, -3.0]
    model = load_model(save(pyfuncs.WithoutParams(), tmp_path / "none"), trust=True)
    assert model.predict(FRAME, {}).tolist() == [2.0, 3.5, 0.0]
    (tmp_path / "offset.txt").write_text("10")
    options = {"artifacts": {"offset": str(tmp_path / "offset.txt")}, "model_config": {"scale": 2}}
    path = save(pyfuncs.WithArtifact(), tmp_path / "artifact", **options)
    assert load_model(path, trust=Artifact.read(path).digest).predict(FRAME, None).tolist() == [21.0, 22.5, 19.0]


def test_load_model_pyfunc_passes_tensors(tmp_path: Path) -> None:
    data = np.arange(12, dtype="float32").reshape(2, 2, 3)
    path = save(pyfuncs.Tensors(), tmp_path / "one", signature=signed(data, data.sum(axis=2)))
    assert load_model(path, trust=True).predict(data, None).tolist() == data.sum(axis=2).tolist()


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        (
            pyfuncs.Hinted(),
            pd.DataFrame({"name": ["A", "B"], "age": [1, 2], "city": ["Oslo", None]}),
            ["A 1 Oslo!", "B 2 None!"],
        ),
        (pyfuncs.HintedTexts(), pd.DataFrame({0: ["a", "bc"]}), [1, 2]),
        (pyfuncs.function, pd.DataFrame({0: ["a", "bc"]}), ["A", "BC"]),
    ],
)
def test_load_model_pyfunc_converts_input_to_its_type_hints(
    model: Any, given: pd.DataFrame, expected: list[Any], tmp_path: Path
) -> None:
    path = save(model, tmp_path / "model")
    assert load_model(path, trust=True).predict(given, {}) == expected


def test_load_model_pyfunc_converts_input_to_the_type_of_its_example(tmp_path: Path) -> None:
    path = save(pyfuncs.HintedByExample(), tmp_path / "model", input_example=[{"n": 1, "s": "a"}])
    frame = pd.DataFrame({"n": [1, 2], "s": ["a", "b"]})
    assert load_model(path, trust=True).predict(frame, None) == ["1a", "2b"]


def test_load_model_pyfunc_loads_a_model_from_code(tmp_path: Path) -> None:
    source = tmp_path / "code.py"
    source.write_text(
        "import mlflow\n\n\nclass Doubles(mlflow.pyfunc.PythonModel):\n    def predict(self, context, model_input):\n"
        "        return model_input['x'] * 2\n\n\nmlflow.models.set_model(Doubles())\n"
    )
    path = save(str(source), tmp_path / "model")
    assert load_model(path, trust=True).predict(FRAME, None).tolist() == [2.0, 5.0, -2.0]


def test_load_model_pyfunc_prefers_the_artifacts_own_loader(tmp_path: Path) -> None:
    trained = LinearRegression().fit(FRAME, [1.0, 2.0, 3.0])
    path = tmp_path / "model"
    mlflow.sklearn.save_model(trained, str(path), serialization_format="cloudpickle", pip_requirements=["none"])
    (path / "loaders").mkdir()
    (path / "loaders" / "own_loader_of_tests.py").write_text(
        "class Model:\n    def predict(self, batch, params=None):\n        return [42.0] * len(batch)\n\n\n"
        "def _load_pyfunc(path):\n    return Model()\n"
    )
    assert load_model(path, trust=True).predict(FRAME, None).tolist() == trained.predict(FRAME).tolist()
    change(path, loader_module="own_loader_of_tests", code="loaders")
    assert load_model(path, trust=True).predict(FRAME, None) == [42.0] * 3


# ---- trust


def test_load_model_pyfunc_copies_and_imports_nothing_before_trust(tmp_path: Path, copies: Path) -> None:
    path = save(pyfuncs.WithoutParams(), tmp_path / "model")
    (path / "loaders").mkdir()
    (path / "loaders" / "bomb_of_tests.py").write_text(f"open({str(tmp_path / 'boom')!r}, 'w').close()\n")
    before = Artifact.read(path).digest
    change(path, loader_module="bomb_of_tests", code="loaders")
    for trust in (False, before):
        with pytest.raises(TrustError, match=r"runs the code that its loader|not the one that was trusted"):
            load_model(path, trust=trust)
    assert not (tmp_path / "boom").exists()
    assert list(copies.iterdir()) == []
    with pytest.raises(ModelLoadError, match="python_function: loading raised AttributeError"):
        load_model(path, trust=True)
    assert (tmp_path / "boom").exists()


def test_load_model_pyfunc_loads_only_verified_files(tmp_path: Path) -> None:
    path = save(pyfuncs.WithoutParams(), tmp_path / "model")
    artifact = Artifact.read(path)
    digest = artifact.digest
    (path / "python_model.pkl").write_bytes(b"another")
    with pytest.raises(ModelLoadError, match="its digest changed"):
        PrivateCopy(artifact, digest)
    (path / "MLmodel").write_text((path / "MLmodel").read_text() + "\n")
    with pytest.raises(ModelLoadError, match="is another file by now"):
        PrivateCopy(artifact, digest)


@pytest.mark.parametrize("changes", [{"data": "../outside"}, {"python_model": "../outside"}, {"code": "../outside"}])
def test_load_model_pyfunc_rejects_paths_outside_the_artifact(changes: dict[str, Any], tmp_path: Path) -> None:
    path = save(pyfuncs.WithoutParams(), tmp_path / "model")
    (tmp_path / "outside").mkdir()
    change(path, **changes)
    with pytest.raises(ModelLoadError, match="not there"):
        load_model(path, trust=True)


def change(path: Path, **changes: Any) -> None:
    document = yaml.safe_load((path / "MLmodel").read_text())
    document["flavors"]["python_function"].update(changes)
    (path / "MLmodel").write_text(yaml.safe_dump(document))


def test_load_model_pyfunc_names_the_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(pyfuncs.WithoutParams(), tmp_path / "model")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ModelLoadError, match=r"needs the module mlflow.*\n.*pip install 'sparksig\[mlflow\]'"):
        load_model(path, trust=True)


# ---- copies


def test_load_model_pyfunc_copy_is_removed_with_its_model(tmp_path: Path, copies: Path) -> None:
    model = load_model(save(pyfuncs.WithoutParams(), tmp_path / "model"), trust=True)
    [folder] = copies.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    loading._cache.clear()
    gc.collect()
    assert folder.exists()
    del model
    gc.collect()
    assert not folder.exists()


def test_load_model_pyfunc_copy_survives_the_exit_of_a_forked_process(tmp_path: Path, copies: Path) -> None:
    load_model(save(pyfuncs.WithoutParams(), tmp_path / "model"), trust=True)
    [folder] = copies.iterdir()
    if (child := os.fork()) == 0:
        loading._cache.clear()
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (folder / "model" / "MLmodel").exists()


def test_load_model_pyfunc_removes_copies_of_killed_processes(tmp_path: Path, copies: Path) -> None:
    path = save(pyfuncs.WithoutParams(), tmp_path / "model")
    code = (
        "import sys, time\nfrom sparksig.models.artifact import Artifact, PrivateCopy\n"
        f"artifact = Artifact.read({str(path)!r})\ncopy = PrivateCopy(artifact, artifact.digest)\n"
        "print(copy.path.parent, flush=True)\ntime.sleep(600)\n"
    )
    environment = {**os.environ, "TMPDIR": str(copies), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        artifact = Artifact.read(path)
        first = PrivateCopy(artifact, artifact.digest)
        assert left.exists() and left.parent == copies  # its process lives
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left.exists()
    second = PrivateCopy(artifact, artifact.digest)
    assert not left.exists()
    assert first.path.exists() and second.path.exists()


# ---- code of a model's own


LOADER = """\
import {name}.words
from {name}.sub import early

class Model:
    def predict(self, batch):
        from {name}.sub.late import LATE
        import {name}_alone
        assert type(self) is {name}.model.Model
        return [" ".join([{name}.words.WORD, early.WORD, LATE, {name}_alone.WORD])] * len(batch)


def _load_pyfunc(path):
    import {name}.model

    return {name}.model.Model()
"""


def with_code(folder: Path, word: str, name: str, packages: bool = True) -> Path:
    """A model that is a class in a module of its own code, and imports other parts of it when it predicts."""
    (folder / name / "sub").mkdir(parents=True)
    for file in (f"{name}/words", f"{name}/sub/early", f"{name}_alone"):
        (folder / f"{file}.py").write_text(f"WORD = {word!r}\n")
    (folder / name / "sub" / "late.py").write_text("from .early import WORD as LATE\n")
    for package in (name, f"{name}/sub") if packages else ():
        (folder / package / "__init__.py").write_text("")
    (folder / name / "model.py").write_text(LOADER.format(name=name))
    (folder / "data").write_text("nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            str(folder / "model"), loader_module=f"{name}.model", data_path=str(folder / "data"),
            code_paths=[str(folder / name), str(folder / f"{name}_alone.py")], pip_requirements=["none"],
        )  # fmt: skip
    return folder / "model"


def test_load_model_pyfunc_imports_and_unloads_the_models_code(tmp_path: Path) -> None:
    path = with_code(tmp_path / "a", "first", "own_code_of_tests")
    before = list(sys.path)
    with pytest.raises(TrustError):
        load_model(path)
    model = load_model(path, trust=True)
    assert model.predict([1, 2], None) == ["first first first first"] * 2
    assert sys.path == before
    loading._cache.clear()
    del model
    gc.collect()
    assert sys.path == before
    assert [name for name in sys.modules if name.startswith("own_code_of_tests")] == []


@pytest.mark.parametrize("packages", [True, False], ids=["packages", "folders without __init__.py"])
def test_load_model_pyfunc_runs_each_models_own_code(packages: bool, tmp_path: Path) -> None:
    name = f"own_code_{packages}".lower()
    outside = tmp_path / "outside"
    (outside / name).mkdir(parents=True)
    (outside / name / "__init__.py").write_text("HERE = True\n")
    sys.path.insert(0, str(outside))
    before, finders = list(sys.path), list(sys.meta_path)
    try:
        here = importlib.import_module(name)  # the process has a package of that name, too
        models = [load_model(with_code(tmp_path / w, w, name, packages), trust=True) for w in ("one", "two")]
        for _ in range(2):
            assert [model.predict([0], None) for model in models] == [["one one one one"], ["two two two two"]]
        assert sys.modules[name] is here and importlib.import_module(name).HERE
        assert {n for n in sys.modules if n.startswith(name)} == {name}
        assert (sys.path, sys.meta_path) == (before, finders)
    finally:
        sys.path.remove(str(outside))
        del sys.modules[name]


def test_load_model_pyfunc_own_code_can_call_another_model(tmp_path: Path) -> None:
    """A model calls a second one of the same module name, which calls the first again; an import comes after."""
    codes = {}
    for word in ("one", "two"):
        (tmp_path / word).mkdir()
        (tmp_path / word / "nested_code.py").write_text(f"WORD = {word!r}\n")
        (tmp_path / word / "nested_late.py").write_text(f"WORD = 'late {word}'\n")
        codes[word] = ModelCode(tmp_path / word)

    def now() -> str:
        return str(importlib.import_module("nested_code").WORD)

    with codes["one"].active():
        first, module = now(), sys.modules["nested_code"]
        with codes["two"].active():
            second = now()
            with codes["one"].active():
                assert (first, second, now()) == ("one", "two", "one") and sys.modules["nested_code"] is module
                late = importlib.import_module("nested_late")
            assert importlib.import_module("nested_late").WORD == "late two"
        assert late.WORD == importlib.import_module("nested_late").WORD == "late one"
        with pytest.raises(ZeroDivisionError), codes["two"].active():
            raise ZeroDivisionError
        assert now() == "one"
    assert {name for name in sys.modules if name.startswith("nested_")} == set()


def test_load_model_pyfunc_rejects_code_that_replaces_installed_packages(tmp_path: Path) -> None:
    for name in ("json", "pandas", "sparksig"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text("WORD = 1\n")
        with pytest.raises(ModelLoadError, match=f"{name}: the model has a module of this name, and an installed") as e:
            ModelCode(tmp_path / name)
        assert e.value.problems[0].hint
    same = tmp_path / "same"
    same.mkdir()
    (same / "this.py").write_text("")  # of the standard library, not loaded: the model's own, as in MLflow
    (same / "decimal.py").write_bytes(Path(decimal.__file__).read_bytes())
    assert ModelCode(same).names == {"this"}


def test_load_model_pyfunc_unpickles_classes_of_the_models_code(tmp_path: Path) -> None:
    (tmp_path / "own_estimators_of_tests.py").write_text(
        "from sklearn.base import BaseEstimator\n\n\nclass Seven(BaseEstimator):\n"
        "    def fit(self, X, y=None):\n        return self\n\n    def predict(self, X):\n        return [7] * len(X)\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        from own_estimators_of_tests import Seven  # type: ignore[import-not-found]

        mlflow.sklearn.save_model(
            Seven(), str(tmp_path / "model"), code_paths=[str(tmp_path / "own_estimators_of_tests.py")],
            serialization_format="pickle", pip_requirements=["none"],
        )  # fmt: skip
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["own_estimators_of_tests"]
    assert load_model(tmp_path / "model", trust=True).predict([1, 2], None) == [7, 7]
