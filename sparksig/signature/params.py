"""What a caller may tell a model beside its data: named, typed, defaulted, resolved once before any row is scored."""

from __future__ import annotations

import copy
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from sparksig.errors import Code, ParamError, Problem, SignatureError
from sparksig.signature.members import PARAM, class_name, judge
from sparksig.signature.types import (
    DataType,
    Findings,
    Object,
    as_type,
    duplicates,
    json_kind,
    parse_json,
    read_list,
    read_type,
    read_whole,
)
from sparksig.tables import html, note, printable

_PACKAGE = Path(__file__).parents[1]

LIST = (-1,)
"""The shape of a param that is a list; None is the shape of any other."""


@dataclass(frozen=True, slots=True, init=False, repr=False, eq=False)
class ParamSpec:
    """A param.

    Args:
        name: its name.
        dtype: its type or the type of its elements: a scalar type but binary, or its name, or an Object.
        default: what the model gets where the caller says nothing; converted like a given value.
        shape: None for one value, (-1,) for a list.

    Raises:
        SignatureError: the type cannot be a param's, or the default is not of the type.

    >>> ParamSpec("temperature", "double", 1), ParamSpec("stop", "string", [".", "!"], (-1,))
    ('temperature': double (default: 1.0), 'stop': string (default: ['.', '!']) (shape: (-1,)))
    """

    name: str
    dtype: DataType | Object
    shape: tuple[int, ...] | None
    _default: Any

    def __init__(
        self, name: str, dtype: DataType | Object | str, default: Any, shape: tuple[int, ...] | list[int] | None = None
    ) -> None:
        object.__setattr__(self, "name", str(name))
        object.__setattr__(self, "dtype", _param_type(dtype, self.name))
        object.__setattr__(self, "shape", _param_shape(shape, self))
        value, problems = self.read(default)
        if problems:
            raise SignatureError(f"the default of param {self.name!r} is not of its type", problems)
        object.__setattr__(self, "_default", value)

    @property
    def default(self) -> Any:
        """The default as the model gets it; a list or a dict is a copy."""
        return copy.deepcopy(self._default)

    def read(self, value: object) -> tuple[Any, list[Problem]]:
        """The value as the model gets it, and what is wrong with it; every fault has the code INVALID_PARAM.

        >>> ParamSpec("top", "integer", 1).read(2**40)[1][0].fact
        'an integer outside -2147483648 to 2147483647'
        """
        if self.shape is None:
            result, found = judge(value, self.dtype, PARAM, self.name, required=isinstance(self.dtype, Object))
            return result, [Problem(p.path, p.fact, Code.INVALID_PARAM, p.hint) for p in found]
        if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim == 1):
            read = [judge(item, self.dtype, PARAM, f"{self.name}[]", required=False) for item in value]
            faults = dict.fromkeys(p for _, found in read for p in found)
            return [item for item, _ in read], [Problem(p.path, p.fact, Code.INVALID_PARAM, p.hint) for p in faults]
        fact = f"a list or a 1-D array is declared, not {class_name(value)}"
        return None, [Problem(self.name, fact, Code.INVALID_PARAM)]

    def __repr__(self) -> str:
        shape = "" if self.shape is None else f" (shape: {self.shape})"
        return f"{self.name!r}: {self.dtype!r} (default: {self._default}){shape}"

    def _identity(self) -> tuple[str, str]:
        text = json.dumps(self.to_dict(), sort_keys=True, default=repr)  # as text a NaN equals a NaN
        return self.name, text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParamSpec) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; dates and datetimes as ISO texts."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "default": _plain(self._default), "shape": shape, **self.dtype.to_dict()}

    @classmethod
    def from_json_dict(cls, **form: Any) -> ParamSpec:
        """The param that a JSON form describes. Raises SignatureError with every fault."""
        return read_whole("the ParamSpec", lambda findings: _read_param(form, "ParamSpec", findings))


def _param_type(dtype: object, name: str) -> DataType | Object:
    kind = as_type(dtype, f"param {name!r}")
    if not isinstance(kind, DataType | Object) or kind is DataType.binary:
        raise SignatureError(f"param {name!r} cannot be of type {kind!r}: a scalar type but binary, or an Object")
    return kind


def _param_shape(shape: object, param: ParamSpec) -> tuple[int, ...] | None:
    if shape is None:
        return None
    if not isinstance(shape, tuple | list) or tuple(shape) != LIST:
        raise SignatureError(f"the shape of param {param.name!r} is None for one value or (-1,) for a list")
    if isinstance(param.dtype, Object):
        raise SignatureError(f"param {param.name!r} cannot be a list of objects")
    return LIST


def _plain(value: Any) -> Any:
    match value:
        case date():
            return value.isoformat()
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return value


def _told(default: Any) -> str:
    """A default in a table: an empty text must not look like none, nor '0.5' like a number."""
    return repr(default) if isinstance(default, str) else str(default)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ParamSchema:
    """The params of a model.

    Args:
        params: a list of ParamSpec without repeated names; it may be empty.

    Raises:
        SignatureError: the list is not that.

    >>> ParamSchema([ParamSpec("threshold", "double", 0.5)]).resolve({"threshold": 1})
    {'threshold': 1.0}
    """

    params: tuple[ParamSpec, ...]

    def __init__(self, params: Sequence[ParamSpec]) -> None:
        if not isinstance(params, list | tuple) or not all(isinstance(p, ParamSpec) for p in params):
            raise SignatureError("a ParamSchema takes a list of ParamSpec")
        if repeated := duplicates(p.name for p in params):
            raise SignatureError(f"a ParamSchema names a param twice: {', '.join(map(repr, repeated))}")
        object.__setattr__(self, "params", tuple(params))

    def __iter__(self) -> Iterator[ParamSpec]:
        return iter(self.params)

    def __len__(self) -> int:
        return len(self.params)

    def __repr__(self) -> str:
        return repr(list(self.params))

    def _repr_html_(self) -> str:
        return html(("name", "type", "default"), self.rows()) or note("no params")

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, type and default of each param, for tables."""
        return [(p.name, f"list of {p.dtype!r}" if p.shape else repr(p.dtype), _told(p.default)) for p in self.params]

    def to_dict(self) -> list[dict[str, Any]]:
        """The JSON form: a list."""
        return [p.to_dict() for p in self.params]

    def to_json(self) -> str:
        """The JSON text, as MLflow writes it.

        Raises:
            SignatureError: a default holds, where Any is declared, what JSON cannot say.
        """
        try:
            return json.dumps(self.to_dict())
        except TypeError:
            raise SignatureError("a default of these params cannot be written as JSON") from None

    @classmethod
    def from_json(cls, text: str) -> ParamSchema:
        """The params that a JSON text describes.

        Raises:
            SignatureError: with every fault of the text and its path.
        """
        data = parse_json(text, "the params")
        return read_whole("the params", lambda findings: read_params(data, "params", findings))

    def resolve(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the model gets: the given values converted, in the order given, then the defaults of the others.

        Unknown names are not passed on; one warning names them.

        Args:
            given: values by name, or None.

        Returns:
            Plain Python values.

        Raises:
            ParamError: with every value that is not of its type, by name, class and declared type.
        """
        if not isinstance(given, Mapping | None):
            raise ParamError(f"params are a mapping from names to values, not {class_name(given)}")
        known = {p.name: p for p in self.params}
        named = {str(name): value for name, value in (given or {}).items()}
        if unknown := sorted(named.keys() - known.keys()):
            supported = f"the signature declares {', '.join(known)}" if known else "the signature declares none"
            names = ", ".join(map(printable, unknown))
            _warn(f"unknown params are ignored: {names}; {supported}")
        read = {name: known[name].read(value) for name, value in named.items() if name in known}
        if problems := [problem for _, found in read.values() for problem in found]:
            raise ParamError("params that do not fit the signature", problems)
        defaults = {name: p.default for name, p in known.items() if name not in read}
        return {name: value for name, (value, _) in read.items()} | defaults


def resolve_params(schema: ParamSchema | None, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the model gets: `schema.resolve(given)`; without a schema nothing, and a warning where something was given.

    Raises:
        ParamError: as `ParamSchema.resolve` says.
    """
    if schema is not None:
        return schema.resolve(given)
    if given not in (None, {}):
        _warn("params are ignored: the signature declares none")
    return {}


def _warn(text: str) -> None:
    """Warn at the line of whoever called the package, however deep in it this is."""
    level, frame = 2, sys._getframe(1)  # whoever called this function is at level 2
    while frame.f_back is not None and Path(frame.f_code.co_filename).is_relative_to(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


def read_params(data: object, path: str, findings: Findings) -> ParamSchema | None:
    """The params that a JSON value describes; None when it describes none, which `findings` then say."""
    return read_list(data, path, "params are a list", findings, _read_param, ParamSchema)


def _read_param(data: object, path: str, findings: Findings) -> ParamSpec | None:
    if not isinstance(data, Mapping):
        findings.wrong(path, f"a param is an object, not {json_kind(data)}")
        return None
    if "dtype" in data:  # as older versions of MLflow wrote it; beside it, `type` counts
        kind = data.get("type") or (data["dtype"] if str(data["dtype"]) in DataType.__members__ else None)
        data = {"type": kind, **{key: value for key, value in data.items() if key not in ("type", "dtype")}}
    compound = ("properties",) if data.get("type") == "object" else ()
    findings.only(data, ("name", "type", "default", "shape", *compound), path, fatal=True)
    for key in ("name", "default"):
        if key not in data:
            findings.wrong(path, f"the key {key!r} is missing")
    dtype = read_type({key: data[key] for key in ("type", *compound) if key in data}, path, findings)
    if dtype is None or "name" not in data or "default" not in data:
        return None
    try:
        return ParamSpec(str(data["name"]), dtype, data["default"], data.get("shape"))  # type: ignore[arg-type]
    except SignatureError as error:
        findings.adopt(path, error)
        return None
