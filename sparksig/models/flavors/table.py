"""The flavours of artifacts and how each is loaded: one table. What it says of a flavour is also what is trusted.

Formats that are data (XGBoost's, LightGBM's text, ONNX) load without trust. Pickles run code, and so does whatever a
python_function names as its loader. skops files name the types that they are made of: they load without trust where
skops itself knows all of them to be safe. A list of trusted types that lies in the artifact is never asked.
"""

from __future__ import annotations

import importlib
import pickle
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from sparksig.errors import ModelLoadError, NotSupportedError, Problem, SignatureError
from sparksig.models.artifact import Artifact, PrivateCopy
from sparksig.models.boosters import require_categories
from sparksig.models.chat import LOADERS, RequestModel
from sparksig.models.code import ModelCode
from sparksig.models.flavors.onnx import OnnxModel
from sparksig.models.typed import HintedModel, example_reader
from sparksig.signature.model_signature import ModelSignature
from sparksig.sources.mlmodel import signature_in

Block: TypeAlias = Mapping[str, Any]

PARAMS_LOADER = "sparksig_sklearn_with_params"
"""The loader of scikit-learn models whose `predict` takes params; see `save_model`."""

_SKLEARN_METHODS = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "decision_function")
_XGBOOST = ("Booster", "XGBClassifier", "XGBRanker", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")
_IS_PICKLE = "is a pickle, which runs code when it is loaded"


@dataclass(frozen=True, slots=True)
class Stored:
    """What a loader is given.

    Attributes:
        artifact: what MLmodel says.
        block: the flavour's block of MLmodel.
        content: the file that holds the model; empty for a flavour that needs them all.
        copy: all files, for a flavour that needs them or has code of its own.
        code: the modules stored with the model.
    """

    artifact: Artifact
    block: Block
    content: bytes = b""
    copy: PrivateCopy | None = None
    code: ModelCode | None = None

    @property
    def pyfunc(self) -> Block:
        """The block of python_function."""
        return self.artifact.flavors.get("python_function", {})

    @property
    def files(self) -> PrivateCopy:
        """All files."""
        assert self.copy is not None
        return self.copy


@dataclass(frozen=True, slots=True)
class Flavor:
    """How artifacts of one flavour are loaded.

    Attributes:
        file: which file holds the model, given the flavour's block of MLmodel; None where the loader reads the files.
        load: makes the object and names its method.
        runs_code: why somebody has to vouch for the artifact, in words that follow the flavour's name; None where
            loading runs no code.
        loaders: the modules that python_function may name as its loader for this row to mean the same model.
        fits: whether the row loads what the flavour's block says.
    """

    file: Callable[[Block], str] | None
    load: Callable[[Stored], tuple[Any, str]]
    runs_code: Callable[[Stored], str | None]
    loaders: tuple[str, ...] = ()
    fits: Callable[[Block], bool] = lambda block: True


def find_flavor(artifact: Artifact) -> tuple[str, Flavor]:
    """The flavour that an artifact is loaded as: its name and its row of the table.

    Raises:
        NotSupportedError: none of its flavours is loaded, by name.
    """
    loader = artifact.flavors.get("python_function", {}).get("loader_module")
    for name, flavor in FLAVORS.items():
        block = artifact.flavors.get(name)
        if block is None or not flavor.fits(block):
            continue
        if loader is None or loader in flavor.loaders or not flavor.loaders:
            return name, flavor
    found, loaded = ", ".join(map(str, artifact.flavors)), ", ".join(FLAVORS)
    raise NotSupportedError(f"none of the model's flavours is loaded: {found} (those that are: {loaded})")


def load_flavor(name: str, flavor: Flavor, stored: Stored) -> tuple[Any, str]:
    """The model of an artifact, and the name of its method; whoever calls has seen to trust.

    Raises:
        ModelLoadError: it does not load, or a package is missing, and which.
        NotSupportedError: a form that is not loaded, by name.
    """
    try:
        with nullcontext() if stored.code is None else stored.code.active():
            return flavor.load(stored)
    except (ModelLoadError, NotSupportedError):
        raise
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        hint = _INSTALL.get(missing, "its requirements.txt lists what to install")
        problem = Problem(name, f"needs the module {error.name}", hint=hint)
        raise ModelLoadError("the model does not load", [problem]) from error
    except Exception as error:  # a pickle can raise anything, and so can a loader
        doing = "unpickling" if flavor.runs_code(stored) == _IS_PICKLE else "loading"
        wrote = [f"{_VERSIONS[key]} {version}" for key, version in stored.block.items() if key in _VERSIONS and version]
        by = f"it was written by {wrote[0]}" if wrote else None
        problem = Problem(name, f"{doing} raised {type(error).__name__}", hint=by)
        raise ModelLoadError("the model does not load", [problem]) from error


def graph_signature(artifact: Artifact, digest: str) -> ModelSignature | None:
    """The signature that an ONNX graph declares; None for an artifact of another flavour, or with a signature.

    Args:
        artifact: the model.
        digest: of its files.

    Raises:
        ModelLoadError: it does not load.
        NotSupportedError: the graph declares no columns.
    """
    name, flavor = find_flavor(artifact)
    if name != "onnx" or artifact.signature is not None:
        return None
    stored = Stored(artifact, artifact.flavors[name], copy=PrivateCopy(artifact, digest))
    model: OnnxModel = load_flavor(name, flavor, stored)[0]
    return model.signature()


_INSTALL = {
    "mlflow": "pip install 'sparksig[mlflow]'",
    "onnxruntime": "pip install 'sparksig[onnx]'",
    "xgboost": "pip install xgboost, or xgboost-cpu",
    "lightgbm": "pip install lightgbm",
    "skops": "pip install 'sparksig[sklearn]'",
    "sklearn": "pip install 'sparksig[sklearn]'",
    "cloudpickle": "pip install 'sparksig[sklearn]'",
}
_VERSIONS = {
    "sklearn_version": "scikit-learn",
    "xgb_version": "XGBoost",
    "lgb_version": "LightGBM",
    "onnx_version": "onnx",
    "cloudpickle_version": "cloudpickle",
}


# ---- pickles and skops: scikit-learn, and LightGBM's classes in its manner


def _load_sklearn(stored: Stored) -> tuple[Any, str]:
    method = str(stored.pyfunc.get("predict_fn", "predict"))
    if method not in _SKLEARN_METHODS:
        raise NotSupportedError(f"scikit-learn models that predict with {method} are not loaded")
    return _unserialized(stored, "pickle"), method


def _serialized(stored: Stored, default: str) -> str:
    form = str(stored.block.get("serialization_format", default))
    if form not in ("pickle", "cloudpickle", "skops"):
        raise NotSupportedError(f"models stored as {form} are not loaded")
    return form


def _unserialized(stored: Stored, default: str) -> Any:
    if _serialized(stored, default) != "skops":
        return pickle.loads(stored.content)  # what cloudpickle wrote is a pickle that imports cloudpickle
    from skops import io

    # Whoever vouched for the file vouched for the types in it, and without trust there are none that skops distrusts.
    return io.loads(stored.content, trusted=io.get_untrusted_types(data=stored.content))


def _distrust(stored: Stored, default: str) -> str | None:
    if _serialized(stored, default) != "skops":
        return _IS_PICKLE
    try:
        from skops import io

        unknown = io.get_untrusted_types(data=stored.content)
    except ModuleNotFoundError:
        return f"is a skops file, and skops is not installed to tell whether it runs code: {_INSTALL['skops']}"
    except Exception:  # a file that is none can raise anything
        return "is a skops file that cannot be read"
    return f"is a skops file with {len(unknown)} type(s) that skops does not know to be safe" if unknown else None


# ---- formats that are data


def _xgboost_class(block: Block) -> str | None:
    """The class in the package, if it is one of its own."""
    module, _, name = str(block.get("model_class", "xgboost.core.Booster")).rpartition(".")
    return name if module in ("xgboost", "xgboost.core", "xgboost.sklearn") and name in _XGBOOST else None


def _load_xgboost(stored: Stored) -> tuple[Any, str]:
    import xgboost

    model = getattr(xgboost, _xgboost_class(stored.block) or "")()
    model.load_model(bytearray(stored.content))
    version = re.match(r"([0-9]+)\.([0-9]+)", str(stored.block.get("xgb_version", "")))
    if version is not None and (int(version[1]), int(version[2])) < (3, 1):
        require_categories(model.get_booster() if hasattr(model, "get_booster") else model)
    return model, "predict"


def _is_booster(block: Block) -> bool:
    return bool(block.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster")


def _load_lightgbm(stored: Stored) -> tuple[Any, str]:
    if not _is_booster(stored.block):
        return _unserialized(stored, "cloudpickle"), "predict"
    import lightgbm

    return lightgbm.Booster(model_str=stored.content.decode()), "predict"


def _load_onnx(stored: Stored) -> tuple[Any, str]:
    options = stored.block.get("onnx_session_options") or {}
    path = stored.files.file(str(stored.block.get("data", "model.onnx")))
    return OnnxModel.load(path, options, stored.block.get("providers") or ()), "predict"


# ---- what a python_function names as its loader


def _load_pyfunc(stored: Stored) -> tuple[Any, str]:
    block, files = stored.block, stored.files
    if "loader_module" not in block:
        raise ModelLoadError("MLmodel cannot be read", [Problem("python_function.loader_module", "missing")])
    artifacts = block.get("artifacts") or {}
    for name in [block.get("python_model"), *(about.get("path") for about in artifacts.values())]:
        if name is not None:
            files.file(str(name))
    data = str(files.file(str(block["data"])) if "data" in block else files.path)
    # MLflow's own contract of loader modules: the artifact names one, and it may be anybody's
    loader = importlib.import_module(str(block["loader_module"]))
    config = block.get("config")
    model = loader._load_pyfunc(data, config) if config else loader._load_pyfunc(data)
    method = str(block.get("predict_fn", "predict"))
    if block["loader_module"] in LOADERS:
        with suppress(SignatureError):  # MLflow gives such models a signature; without it fields stay as they are
            return RequestModel(model, signature_in(stored.artifact.text, stored.artifact.name).inputs), method
        return RequestModel(model, None), method
    if stored.artifact.hint_from_example:
        from sparksig.models.examples import InputExample

        model, method = _FromExample(model, method, InputExample.load(files.path).data), "predict"
    if stored.artifact.signature_from_hint and (hinted := HintedModel.of(model, method)) is not None:
        return hinted, "predict"
    return model, method


class _FromExample:
    """A model whose type hint says that its inputs come in the container of the stored example."""

    def __init__(self, model: Any, method: str, example: Any) -> None:
        self.function, self.read = getattr(model, method), example_reader(example)

    def predict(self, batch: Any, params: Mapping[str, Any] | None = None) -> Any:
        return self.function(self.read(batch), params=params)


FLAVORS: dict[str, Flavor] = {
    "sklearn": Flavor(
        file=lambda block: str(block.get("pickled_model", "model.pkl")),
        load=_load_sklearn,
        runs_code=lambda stored: _distrust(stored, "pickle"),
        loaders=("mlflow.sklearn", PARAMS_LOADER),
    ),
    "xgboost": Flavor(
        file=lambda block: str(block.get("data", "model.xgb")),
        load=_load_xgboost,
        runs_code=lambda stored: None,
        loaders=("mlflow.xgboost",),
        fits=lambda block: _xgboost_class(block) is not None,
    ),
    "lightgbm": Flavor(
        file=lambda block: str(block.get("data", "model.lgb")),
        load=_load_lightgbm,
        runs_code=lambda stored: None if _is_booster(stored.block) else _distrust(stored, "cloudpickle"),
        loaders=("mlflow.lightgbm",),
    ),
    "onnx": Flavor(file=None, load=_load_onnx, runs_code=lambda stored: None, loaders=("mlflow.onnx",)),
    "python_function": Flavor(
        file=None,
        load=_load_pyfunc,
        runs_code=lambda stored: "runs the code that its loader finds when it is loaded",
        fits=lambda block: block.get("loader_module") != "mlflow.spark",  # a JVM is no part of a Python worker
    ),
}
"""The flavours that are loaded, in the order of preference."""
