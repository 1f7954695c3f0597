"""A scikit-learn style model as an MLmodel directory that MLflow reads: written whole or not at all.

What is written beside the pickle depends on the model and the environment alone, neither on the time nor on chance: a
training that is repeated exactly has the same digest (but not where classes travel by value: cloudpickle numbers them
at random).
"""

from __future__ import annotations

import os
import pickle
import platform
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import yaml

from sparksig.errors import NotSupportedError, Problem, SignatureError, SinkError
from sparksig.models.artifact import MLMODEL, Artifact
from sparksig.models.examples import InputExample
from sparksig.models.flavors import PARAMS_LOADER
from sparksig.models.loading import load_model

if TYPE_CHECKING:
    from sparksig.signature.model_signature import ModelSignature

# MLflow's own wrapper of scikit-learn models drops params; this one passes them on. It needs MLflow only.
_PARAMS_LOADER_SOURCE = '''\
"""Written by sparksig's save_model: loads the scikit-learn model for MLflow so that `predict` gets its params."""

import mlflow.sklearn


class _WithParams:
    def __init__(self, model):
        self.model = model

    def predict(self, data, params=None):
        return self.model.predict(data, params=params)


def _load_pyfunc(path):
    return _WithParams(mlflow.sklearn.load_model(path))
'''


def save_model(
    path: str | os.PathLike[str],
    model: object,
    signature: ModelSignature | None = None,
    input_example: object = None,
    *,
    pip_requirements: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Artifact:
    """Write a scikit-learn style object (it has `predict`) as an MLmodel directory.

    Classes of scripts and of modules that are not installed are stored with the model, so that it loads anywhere.

    Args:
        path: the directory to make.
        model: the object. Where its `predict` has an argument `params`, MLflow passes them too.
        signature: what the model declares.
        input_example: what the model was shown, or a tuple of it and params: see `InputExample`.
        pip_requirements: what the model needs; scikit-learn, cloudpickle, numpy and pandas as installed if None.
        overwrite: replace a model directory that is there. Anything else that is there is never replaced.

    Returns:
        The artifact; its `digest` is what `load_model(.., trust=)` asks for.

    Raises:
        SinkError: something is at the path, and may not be replaced.
        SignatureError: the signature declares params that `predict` does not take, or the example is none.
        NotSupportedError: the object cannot be stored.

    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.dummy import DummyRegressor
    >>> from sparksig import ColSpec, ModelSignature, Schema, load_model
    >>> signature = ModelSignature(Schema([ColSpec("double", "n")]), Schema([ColSpec("double")]))
    >>> with TemporaryDirectory() as folder:
    ...     saved = save_model(f"{folder}/model", DummyRegressor().fit([[0.0]], [20.0]), signature)
    ...     load_model(saved.path, trust=saved.digest).predict([[1.0]], None).tolist()
    [20.0]
    """
    target = Path(path)
    _check_target(target, overwrite)
    takes_params = _check_model(model, signature)
    example = None if input_example is None else InputExample.of(input_example)
    files = {
        "model.pkl": _pickled(model),
        **_environment(pip_requirements),
        **({name: text.encode() for name, text in example.stored()[1].items()} if example is not None else {}),
        **({f"code/{PARAMS_LOADER}.py": _PARAMS_LOADER_SOURCE.encode()} if takes_params else {}),
    }
    files[MLMODEL] = _mlmodel(files, signature, takes_params, example)
    _write(target, files)
    artifact = Artifact.read(target)
    assert artifact.digest  # of what was written now, whatever happens to the directory until somebody asks
    return artifact


# ---- what is refused


def _check_target(target: Path, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise SinkError("there is something already", [Problem(str(target), "exists", hint="overwrite=True")])
    if target.is_symlink() or not (target / MLMODEL).is_file():
        hint = "give another path, or remove it yourself"
        raise SinkError("only a model is replaced", [Problem(str(target), "is no model directory", hint=hint)])


def _check_model(model: object, signature: ModelSignature | None) -> bool:
    """Whether the model's predict takes params; it must if the signature declares some."""
    if isinstance(model, type) or not callable(getattr(model, "predict", None)):
        raise NotSupportedError(f"only objects with a method predict are saved yet, not {type(model).__name__}")
    takes_params = load_model(model).takes_params
    if signature is not None and signature.params and not takes_params:
        fact = f"declared, but {type(model).__name__}.predict takes none and would never see them"
        raise SignatureError(
            "the signature does not fit the model",
            [Problem("params", fact, hint="give predict an argument `params`, or leave them out of the signature")],
        )
    return takes_params


# ---- the files


def _pickled(model: object) -> bytes:
    try:
        import cloudpickle
    except ImportError as error:
        raise NotSupportedError("save_model needs cloudpickle: pip install 'sparksig[sklearn]'") from error
    try:
        with _modules_by_value(cloudpickle):
            return bytes(cloudpickle.dumps(model, protocol=pickle.DEFAULT_PROTOCOL))
    except Exception as error:  # a __reduce__ can raise anything
        fact = f"pickling raised {type(error).__name__}"
        raise NotSupportedError("the model cannot be stored", [Problem(type(model).__name__, fact)]) from error


@contextmanager
def _modules_by_value(cloudpickle: Any) -> Iterator[None]:
    """Store what lives in modules that only this machine has (scripts, notebooks, a checkout) with the model."""
    asked = cloudpickle.list_registry_pickle_by_value()  # by the user: left as they are
    local = [m for name, m in list(sys.modules.items()) if name not in asked and _is_local(name, m)]
    for module in local:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in local:
            cloudpickle.unregister_pickle_by_value(module)


def _is_local(name: str, module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    # cloudpickle stores __main__ by value anyhow; modules are registered by the name they were imported with
    if not file or name == "__main__" or getattr(module, "__name__", None) != name or name.split(".")[0] == "sparksig":
        return False
    if {"site-packages", "dist-packages"} & set(Path(file).parts):
        return False
    installed = (sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib"))
    return not any(Path(file).resolve().is_relative_to(Path(folder).resolve()) for folder in installed)


def _environment(requirements: Sequence[str] | None) -> dict[str, bytes]:
    """requirements.txt, conda.yaml and python_env.yaml, as MLflow expects them beside a model."""
    if requirements is None:
        requirements = [_pin(name) for name in ("mlflow", "cloudpickle", "numpy", "pandas", "scikit-learn")]
    python = platform.python_version()
    conda: dict[str, Any] = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": list(requirements)}],
    }
    env = {
        "python": python,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    return {
        "requirements.txt": "".join(f"{line}\n" for line in requirements).encode(),
        "conda.yaml": _yaml(conda),
        "python_env.yaml": _yaml(env),
    }


def _pin(name: str) -> str:
    try:
        return f"{name}=={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def _mlmodel(
    files: Mapping[str, bytes], signature: ModelSignature | None, takes_params: bool, example: InputExample | None
) -> bytes:
    pyfunc: dict[str, Any] = {
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        "loader_module": "mlflow.sklearn",
        "model_path": "model.pkl",
        "predict_fn": "predict",
        "python_version": platform.python_version(),
    }
    if takes_params:
        del pyfunc["model_path"]  # its loader takes the directory
        pyfunc |= {"loader_module": PARAMS_LOADER, "code": "code"}
    sklearn = {"code": None, "pickled_model": "model.pkl", "serialization_format": "cloudpickle"}
    document: dict[str, Any] = {
        "flavors": {"python_function": pyfunc, "sklearn": {**sklearn, "sklearn_version": _installed("scikit-learn")}},
        "model_size_bytes": sum(map(len, files.values())),
    }
    if example is not None:
        document["saved_input_example_info"] = example.stored()[0]
    if signature is not None:
        document["signature"] = signature.to_dict()
    return _yaml(document)


def _installed(name: str) -> str:
    return _pin(name).removeprefix(f"{name}==")


def _yaml(document: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(document, allow_unicode=True, width=120, encoding="utf-8")


# ---- the directory


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    """Make the directory beside its place and move it there: nobody sees half of it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise SinkError("the model cannot be written", [Problem(str(target), type(error).__name__)]) from error
    new, old = staging / "new", staging / "old"
    try:
        for name, content in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(content)
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise SinkError("the model cannot be written", [Problem(str(target), type(error).__name__)]) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
