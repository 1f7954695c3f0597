"""From whatever a user calls a model to one `predict(batch, params)`: an artifact, an object, a function, a loader.

An artifact that runs code when it is loaded, as a pickle does, needs somebody who vouches for it: `trust=True` for
anything at that path, or better the digest of the very files. The digest is verified on the bytes that are loaded; a
loader that reads files by itself is given a private copy of those bytes.
"""

from __future__ import annotations

import inspect
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from sparksig.errors import ModelLoadError, Problem, TrustError
from sparksig.models.artifact import Artifact, Packed, PrivateCopy
from sparksig.models.flavors import Stored, find_flavor, load_flavor
from sparksig.models.typed import HintedModel
from sparksig.signature.schema import Schema

Predict: TypeAlias = Callable[[Any, Mapping[str, Any] | None], Any]
"""How every model is called: a batch and the resolved parameters."""

CACHED = 4
"""How many models a process keeps; the least recently used one goes first."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

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
        files: the artifact's files, if it needs them for as long as it lives.
        hinted: what the type hint declares by which the model validates its inputs; None if there is no such hint.
    """

    predict: Predict = field(repr=False)
    takes_params: bool
    name: str
    digest: str | None = None
    files: PrivateCopy | None = field(default=None, repr=False)
    hinted: Schema | None = field(default=None, repr=False)


def load_model(model: object, *, trust: bool | str = False) -> Model:
    """Make a model callable as `predict(batch, params)`.

    Args:
        model: the path of an MLmodel directory or of an ONNX file; an object with `predict`; a function of the batch,
            or of the batch and the parameters; or a class or function without arguments that returns one of these.
        trust: for an artifact whose loading runs code, `"sha256:..."` of its files, or True for whatever is there. A
            digest is verified of any artifact.

    Returns:
        The model; its `predict` takes a batch and params, which may be None, also where the model takes no params.

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
        path = os.fspath(model)
        if isinstance(trust, str) and (known := _cached(trust, path)) is not None:
            return known  # no file is read again: it was verified when it was loaded from there
        return _load_artifact(Artifact.read(path), trust)
    if isinstance(model, Packed):
        with model.unpacked() as artifact:
            return _load_artifact(artifact, trust)
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


def require_trust(artifact: Artifact, trust: bool | str) -> str:
    """The digest under which an artifact may be loaded elsewhere, checked without loading it.

    Args:
        artifact: the model.
        trust: as for `load_model`.

    Raises:
        TrustError: loading would run code, and the artifact is not trusted; or it is not what was trusted.
        NotSupportedError: none of its flavours is loaded, by name.
    """
    return _trusted(artifact, trust)[1]


def _trusted(artifact: Artifact, trust: bool | str) -> tuple[Stored, str]:
    """What is stored of the flavour that is loaded, with the digest of all of it, once trust is settled."""
    name, flavor = find_flavor(artifact)
    block = artifact.flavors[name]
    file = None if flavor.file is None else flavor.file(block)
    digest, contents = artifact.contents(() if file is None else {file})
    if file is not None and file not in contents:
        raise ModelLoadError("the model is not complete", [Problem(file, "named by MLmodel, but not there")])
    stored = Stored(artifact, block, contents.get(file or "", b""))
    _check_trust(artifact.name, name, flavor.runs_code(stored), digest, trust)
    return stored, digest


def _load_artifact(artifact: Artifact, trust: bool | str) -> Model:
    name, flavor = find_flavor(artifact)
    stored, digest = _trusted(artifact, trust)
    with _lock:
        if (known := _cached(digest)) is not None:
            _cache[digest][1].add(artifact.path)
            return known
        # code that is stored beside a format that is data is nothing that loading needs
        if flavor.file is None or (stored.block.get("code") and flavor.runs_code(stored)):
            stored = replace(stored, copy=PrivateCopy(artifact, digest))
        made, method = load_flavor(name, flavor, stored)
        model = replace(_bound(made, method, digest), files=stored.copy)
        if isinstance(made, HintedModel):
            model = replace(model, hinted=made.inputs)
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


def _check_trust(place: str, flavor: str, runs_code: str | None, digest: str, trust: bool | str) -> None:
    if trust is True or trust == digest or (trust is False and runs_code is None):
        return
    vouch = f'--trust {digest} (in Python: trust="{digest}")'
    if trust is False:
        fact = f"its flavour {flavor} {runs_code}"
        hint = f"if you know where it comes from, vouch for it with {vouch}"
        raise TrustError("the model is not trusted", [Problem(place, fact, hint=hint)])
    if not _DIGEST.fullmatch(trust):
        fact = "what it is trusted with is not a digest (sha256: and 64 hexadecimal digits)"
        raise TrustError("the model is not trusted", [Problem(place, fact, hint=f"this one is {vouch}")])
    fact = f"its digest is {digest}, trusted is {trust}"
    hint = f"find out what changed; if that is well, vouch for it anew with {vouch}"
    raise TrustError("the model is not the one that was trusted", [Problem(place, fact, hint=hint)])


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
    special = _special_call(model) if method == "predict" else None
    if special is not None:
        call, takes_params = special
        return Model(lambda batch, params: call(model, batch, params or {}), takes_params, _name(model), digest)
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


# ---- objects whose `predict` is not called as it is


def _predict_booster(model: Any, batch: Any, params: Mapping[str, Any]) -> Any:
    """An XGBoost Booster takes a matrix of its own."""
    import xgboost

    if isinstance(batch, pd.DataFrame) and model.feature_names is not None:
        matrix = xgboost.DMatrix(_as_trained(model, batch), enable_categorical=True)
    else:  # without names on one side columns are taken by position
        matrix = xgboost.DMatrix(np.asarray(batch), feature_names=model.feature_names)
    return model.predict(matrix, **_accepted(model.predict, params))


def _predict_xgboost(model: Any, batch: Any, params: Mapping[str, Any]) -> Any:
    if isinstance(batch, pd.DataFrame):
        batch = _as_trained(model.get_booster(), batch)
    return model.predict(batch, **_accepted(model.predict, params))


def _as_trained(booster: Any, batch: pd.DataFrame) -> pd.DataFrame:
    """The table with categories where the training had some, which XGBoost stores since 3.1.

    Raises:
        ValueError: a value was no category in the training.
        NotImplementedError: an older XGBoost, which would take a batch's own codes for those of the training.
    """
    if "c" not in (booster.feature_types or ()):
        return batch
    if not hasattr(booster, "get_categories"):
        raise NotImplementedError("XGBoost stores categories since 3.1")
    trained = dict(booster.get_categories(export_to_arrow=True).to_arrow())
    made = {}
    for name in batch:
        if (categories := trained.get(name)) is not None:
            made[name] = batch[name].astype(pd.CategoricalDtype(categories.to_pandas()))
            if (made[name].isna() & batch[name].notna()).any():
                raise ValueError("a category that was not in the training")
    return batch.assign(**{str(name): column for name, column in made.items()})


def _predict_lightgbm(model: Any, batch: Any, params: Mapping[str, Any]) -> Any:
    """LightGBM takes columns by position, whatever their names are: here they have to be those of the training.

    Texts become categories, whose codes are those of the training; one that was not there is missing to LightGBM.
    """
    booster = getattr(model, "booster_", model)
    trained = booster.feature_name()
    if not isinstance(batch, pd.DataFrame):
        return model.predict(batch)
    if trained != [f"Column_{i}" for i in range(len(trained))]:
        names = [str(name).replace(" ", "_") for name in batch]  # as LightGBM stores them
        if names != [name.replace(" ", "_") for name in trained]:
            raise ValueError("feature names mismatch")
    if booster.pandas_categorical:
        texts = [name for name in batch if not pd.api.types.is_numeric_dtype(batch[name])]
        batch = batch.astype(dict.fromkeys(texts, "category"))
    return model.predict(batch)


def _accepted(function: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The params that are arguments of the function, as MLflow's flavour passes them."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in params.items() if name in known}


_CALLS: dict[str, tuple[Callable[[Any, Any, Mapping[str, Any]], Any], bool]] = {
    "xgboost.core.Booster": (_predict_booster, True),
    "xgboost.sklearn.XGBModel": (_predict_xgboost, True),
    "lightgbm.basic.Booster": (_predict_lightgbm, False),
    "lightgbm.sklearn.LGBMModel": (_predict_lightgbm, False),
}


def _special_call(model: object) -> tuple[Callable[[Any, Any, Mapping[str, Any]], Any], bool] | None:
    """How an object is called whose `predict` is not called as it is, and whether it takes params; None for others."""
    classes = (f"{cls.__module__}.{cls.__qualname__}" for cls in type(model).__mro__)
    return next((_CALLS[name] for name in classes if name in _CALLS), None)
