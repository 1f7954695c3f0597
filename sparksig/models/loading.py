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
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from sparksig.errors import ModelLoadError, Problem, TrustError
from sparksig.models.artifact import Artifact, Packed, PrivateCopy
from sparksig.models.boosters import booster_call, with_training_types
from sparksig.models.chat import RequestModel
from sparksig.models.code import ModelCode, lock
from sparksig.models.flavors import Stored, find_flavor, load_flavor
from sparksig.models.typed import HintedModel
from sparksig.signature.schema import Schema

Trust: TypeAlias = bool | str | Collection[str]
"""What may be loaded: True for any files, False for files that run no code, or one or several digests of files."""

_SHOWN = 5
"""How many of the trusted digests an error shows."""

Predict: TypeAlias = Callable[[Any, Mapping[str, Any] | None], Any]
"""How every model is called: a batch and the resolved parameters."""

CACHED = 4
"""How many models a process keeps; the least recently used one goes first."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_cache: OrderedDict[str, tuple[Model, set[Path]]] = OrderedDict()  # by digest; the paths where it was verified


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to be called.

    Attributes:
        predict: takes the batch and the parameters, and passes the latter on only to a model that takes them.
        takes_params: whether it does.
        name: the class or function, for messages.
        digest: the artifact's digest, None for what does not come from one.
        files: the artifact's files, if it needs them for as long as it lives.
        answers_requests: whether each row of a table is a request, and the prediction a list of answers.
        hinted: what the type hint declares by which the model validates its inputs; None if there is no such hint.
    """

    predict: Predict = field(repr=False)
    takes_params: bool
    name: str
    digest: str | None = None
    files: PrivateCopy | None = field(default=None, repr=False)
    answers_requests: bool = False
    hinted: Schema | None = field(default=None, repr=False)


def load_model(model: object, *, trust: Trust = False) -> Model:
    """Make a model callable as `predict(batch, params)`.

    Args:
        model: the path of an MLmodel directory or of an ONNX file; an object with `predict`; a function of the batch,
            or of the batch and the parameters; or a class or function without arguments that returns one of these.
        trust: for an artifact whose loading runs code, `"sha256:..."` of its files, a list of such digests of which
            one must be its own, or True for any files. Digests are verified of any artifact.

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
        for digest in trusted_digests(trust):
            if (known := _cached(digest, path)) is not None:
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


def require_trust(artifact: Artifact, trust: Trust) -> str:
    """The digest under which an artifact may be loaded elsewhere, checked without loading it.

    Args:
        artifact: the model.
        trust: as for `load_model`.

    Raises:
        TrustError: loading would run code, and the artifact is not trusted; or it is not what was trusted.
        NotSupportedError: none of its flavours is loaded, by name.
    """
    return _trusted(artifact, trust)[1]


def _trusted(artifact: Artifact, trust: Trust) -> tuple[Stored, str]:
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


def _load_artifact(artifact: Artifact, trust: Trust) -> Model:
    name, flavor = find_flavor(artifact)
    stored, digest = _trusted(artifact, trust)
    with lock:
        if (known := _cached(digest)) is not None:
            _cache[digest][1].add(artifact.path)
            return known
        # code that is stored beside a format that is data is nothing that loading needs
        if flavor.file is None or (stored.block.get("code") and flavor.runs_code(stored)):
            copy = PrivateCopy(artifact, digest)
            code = stored.block.get("code")
            stored = replace(stored, copy=copy, code=ModelCode(copy.file(str(code))) if code else None)
        made, method = load_flavor(name, flavor, stored)
        answers = isinstance(made, RequestModel)
        hinted = made.inputs if isinstance(made, HintedModel) else None
        model = replace(_bound(made, method, digest), files=stored.copy, answers_requests=answers, hinted=hinted)
        if stored.code is not None:
            model = replace(model, predict=_with_code(model.predict, stored.code))
        _cache[digest] = (model, {artifact.path})
        while len(_cache) > CACHED:
            _cache.popitem(last=False)
    return model


def _with_code(predict: Predict, code: ModelCode) -> Predict:
    """A call during which the model's own modules can be imported."""

    def call(batch: Any, params: Mapping[str, Any] | None) -> Any:
        with code.active():
            return predict(batch, params)

    return call


def _cached(digest: str, path: str | None = None) -> Model | None:
    """The model with that digest, if it is loaded; given a path, only if it was verified there."""
    with lock:
        model, paths = _cache.get(digest, (None, set()))
        if model is None or (path is not None and Path(path).resolve() not in paths):
            return None
        _cache.move_to_end(digest)
        return model


def trusted_digests(trust: Trust) -> tuple[str, ...]:
    """The digests of which an artifact must have one; none where no files or any files are trusted."""
    if isinstance(trust, bool):
        return ()
    return (trust,) if isinstance(trust, str) else tuple(trust)


def _check_trust(place: str, flavor: str, runs_code: str | None, digest: str, trust: Trust) -> None:
    digests = trusted_digests(trust)
    if trust is True or digest in digests or (trust is False and runs_code is None):
        return
    vouch = f'--trust {digest} (in Python: trust="{digest}")'
    if trust is False:
        fact = f"its flavour {flavor} {runs_code}"
        hint = f"if you know where it comes from, vouch for it with {vouch}"
        raise TrustError("the model is not trusted", [Problem(place, fact, hint=hint)])
    if not all(map(_DIGEST.fullmatch, digests)):
        fact = "what it is trusted with is not a digest (sha256: and 64 hexadecimal digits)"
        raise TrustError("the model is not trusted", [Problem(place, fact, hint=f"this one is {vouch}")])
    trusted = ", ".join(digests[:_SHOWN]) + (f" and {len(digests) - _SHOWN} more" if len(digests) > _SHOWN else "")
    fact = f"its digest is {digest}, trusted is {trusted or 'none: the list is empty'}"
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
    model = with_training_types(model)
    if method == "predict" and (special := booster_call(model)) is not None:
        call, takes_params = special
        return Model(lambda batch, params: call(batch, params or {}), takes_params, _name(model), digest)
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
