"""From whatever a user calls a model to one `predict(batch, params)`: an artifact, an object, a function, a loader.

An artifact whose flavour is a pickle runs code when it is loaded, so somebody has to vouch for it: `trust=True` for
anything at that path, or better the digest of the very files. The digest is verified on the bytes that are unpickled.
"""

from __future__ import annotations

import inspect
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, TypeAlias

from sparksig.errors import ModelLoadError, NotSupportedError, Problem, TrustError
from sparksig.models.artifact import Artifact

Predict: TypeAlias = Callable[[Any, Mapping[str, Any] | None], Any]
"""How every model is called: a batch and the resolved parameters."""

CACHED = 4
"""How many models a process keeps; the least recently used one goes first."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SKLEARN_METHODS = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "decision_function")

_cache: OrderedDict[str, tuple[Model, set[Path]]] = OrderedDict()  # by digest; the paths where it was verified
_lock = RLock()


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to be called.

    Attributes:
        predict: takes the batch and the parameters, and passes the latter on only to a model that takes them.
        takes_params: whether it does.
        name: the class or function, for messages.
        digest: the artifact's digest, None for what does not come from one.
    """

    predict: Predict = field(repr=False)
    takes_params: bool
    name: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Flavor:
    """How artifacts of one flavour are loaded.

    Attributes:
        file: which file holds the model, given the flavour's block of MLmodel.
        load: from that file's content, the flavour's block and python_function's to the object and its method.
        runs_code: whether loading runs what is in the file.
    """

    file: Callable[[Mapping[str, Any]], str]
    load: Callable[[bytes, Mapping[str, Any], Mapping[str, Any]], tuple[Any, str]]
    runs_code: bool


def load_model(model: object, *, trust: bool | str = False) -> Model:
    """Make a model callable as `predict(batch, params)`.

    Args:
        model: the path of an MLmodel directory; an object with `predict`; a function of the batch, or of the batch and
            the parameters; or a class or function without arguments that returns one of these.
        trust: for an artifact whose loading runs code, `"sha256:..."` of its files, or True for whatever is there.

    Raises:
        TrustError: the artifact would run code, and it is not trusted or is not what was trusted.
        ModelLoadError: there is no model, or it does not load.
        NotSupportedError: a flavour or a format that sparksig does not load, by name.

    >>> load_model(lambda batch, params: [x > params["threshold"] for x in batch]).predict([1, 3], {"threshold": 2})
    [False, True]
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, str | os.PathLike):
        path = _local(model)
        if isinstance(trust, str) and (known := _cached(trust, path)) is not None:
            return known  # no file is read again: it was verified when it was loaded from there
        return _load_artifact(Artifact.read(path), trust)
    if _is_loader(model):
        try:
            made = model()  # type: ignore[operator]
        except Exception as error:  # a user's code can raise anything
            raise ModelLoadError(f"the loader {_name(model)} raised {type(error).__name__}") from error
        if isinstance(made, Model) or not _is_loader(made):
            return load_model(made, trust=trust)
        raise ModelLoadError(f"the loader {_name(model)} returned something that is no model but another loader")
    return _bound(model)


# ---- artifacts


def _local(path: str | os.PathLike[str]) -> str:
    if os.fspath(path).endswith(".onnx"):
        raise NotSupportedError("ONNX files are not loaded yet")
    return os.fspath(path)


def require_trust(artifact: Artifact, trust: bool | str) -> str:
    """The digest under which an artifact may be loaded elsewhere, checked without loading it.

    Args:
        artifact: the model directory.
        trust: as for `load_model`.

    Raises:
        TrustError: loading would run code, and the artifact is not trusted or is not what was trusted.
        NotSupportedError: none of its flavours is loaded, by name.
    """
    name, flavor, _ = _flavor(artifact)
    if flavor.runs_code:
        _check_trust(artifact.path, name, artifact.digest, trust)
    return artifact.digest


def _flavor(artifact: Artifact) -> tuple[str, Flavor, Mapping[str, Any]]:
    """The flavour that is loaded: its name, its row of the table and its block of MLmodel."""
    name = next((name for name in FLAVORS if name in artifact.flavors), None)
    if name is None:
        found, loaded = ", ".join(map(str, artifact.flavors)), ", ".join(FLAVORS)
        raise NotSupportedError(f"none of the model's flavours is loaded yet: {found} (those that are: {loaded})")
    block = artifact.flavors[name]
    if block.get("code") is not None:
        raise NotSupportedError("models with code of their own (MLflow's code_paths) are not loaded yet")
    return name, FLAVORS[name], block


def _load_artifact(artifact: Artifact, trust: bool | str) -> Model:
    name, flavor, block = _flavor(artifact)
    file = flavor.file(block)
    digest, contents = artifact.contents({file})
    if flavor.runs_code:
        _check_trust(artifact.path, name, digest, trust)
    with _lock:
        if (known := _cached(digest)) is not None:
            _cache[digest][1].add(artifact.path)
            return known
        if file not in contents:
            raise ModelLoadError("the model is not complete", [Problem(file, "named by MLmodel, but not there")])
        made, method = flavor.load(contents[file], block, artifact.flavors.get("python_function", {}))
        model = _bound(made, method, digest)
        _cache[digest] = (model, {artifact.path})
        while len(_cache) > CACHED:
            _cache.popitem(last=False)
    return model


def _cached(digest: str, path: str | None = None) -> Model | None:
    """The model with that digest, if it is loaded; given a path, only if it was verified there."""
    with _lock:
        model, paths = _cache.get(digest, (None, set()))
        if model is None or (path is not None and Path(path).resolve() not in paths):
            return None
        _cache.move_to_end(digest)
        return model


def _check_trust(path: Path, flavor: str, digest: str, trust: bool | str) -> None:
    if trust is True or trust == digest:
        return
    vouch = f'--trust {digest} (in Python: trust="{digest}")'
    if trust is False:
        fact = f"its flavour {flavor} is a pickle, which runs code when it is loaded"
        hint = f"if you know where it comes from, vouch for it with {vouch}"
        raise TrustError("the model is not trusted", [Problem(str(path), fact, hint=hint)])
    if not _DIGEST.fullmatch(trust):
        fact = "what it is trusted with is not a digest (sha256: and 64 hexadecimal digits)"
        raise TrustError("the model is not trusted", [Problem(str(path), fact, hint=f"this one is {vouch}")])
    fact = f"its digest is {digest}, trusted is {trust}"
    hint = f"find out what changed; if that is well, vouch for it anew with {vouch}"
    raise TrustError("the model is not the one that was trusted", [Problem(str(path), fact, hint=hint)])


def _load_sklearn(content: bytes, block: Mapping[str, Any], pyfunc: Mapping[str, Any]) -> tuple[Any, str]:
    form = block.get("serialization_format", "pickle")
    if form not in ("pickle", "cloudpickle"):
        raise NotSupportedError(f"scikit-learn models stored as {form} are not loaded yet")
    method = str(pyfunc.get("predict_fn", "predict"))
    if method not in _SKLEARN_METHODS:
        raise NotSupportedError(f"scikit-learn models that predict with {method} are not loaded")
    try:
        return pickle.loads(content), method  # what cloudpickle wrote is a pickle that imports cloudpickle
    except ModuleNotFoundError as error:
        problem = Problem(
            "sklearn", f"needs the module {error.name}", hint="its requirements.txt lists what to install"
        )
        raise ModelLoadError("the model does not load", [problem]) from error
    except Exception as error:  # a pickle can raise anything
        wrote = block.get("sklearn_version")
        hint = f"it was written by scikit-learn {wrote}" if wrote else None
        problem = Problem("sklearn", f"unpickling raised {type(error).__name__}", hint=hint)
        raise ModelLoadError("the model does not load", [problem]) from error


FLAVORS: dict[str, Flavor] = {
    "sklearn": Flavor(lambda block: str(block.get("pickled_model", "model.pkl")), _load_sklearn, runs_code=True),
}
"""The flavours that are loaded, in the order of preference."""


# ---- objects and functions


def _is_loader(model: object) -> bool:
    """Whether it is a class, or a function without parameters."""
    if isinstance(model, type):
        return True
    if hasattr(model, "predict") or not callable(model):
        return False
    known = _parameters(model)
    return known is not None and not known


def _bound(model: object, method: str = "predict", digest: str | None = None) -> Model:
    """The uniform call around an object with `method`, or around a function."""
    function = getattr(model, method, None) if digest or hasattr(model, method) else model
    if not callable(function):
        raise ModelLoadError(f"{_name(model)} is no model", [Problem(method, "it has no such method")])
    known = _parameters(function) or {}
    first = next(iter(known), None)
    if first == "context":  # what MLflow's context would hold is nothing that an object brings along
        function = partial(function, None)
        known = _parameters(function) or {}
    name, how = _name(model), _takes_params(known)
    if how == "keyword":
        return Model(lambda batch, params: function(batch, params=params), True, name, digest)
    if how == "position":
        return Model(lambda batch, params: function(batch, params), True, name, digest)
    return Model(lambda batch, params: function(batch), False, name, digest)


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin that does not tell
        return None


def _takes_params(parameters: Mapping[str, inspect.Parameter]) -> str | None:
    """How the parameters are passed: MLflow's rule, `params` by name; else a second argument without a default."""
    named = parameters.get("params")
    if named is not None and named.kind in (named.POSITIONAL_OR_KEYWORD, named.KEYWORD_ONLY):
        return "keyword"
    needed = [
        parameter
        for parameter in parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return "position" if len(needed) == 2 else None


def _name(model: object) -> str:
    return str(getattr(model, "__qualname__", type(model).__qualname__))
