"""What two types have in common, and what changes between two signatures of one model.

Everything rests on one question, `misfits`: may values of one type stand where another is declared, without a change of
meaning? It is the question that enforcement asks of a table at level safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Any, TypeAlias

from sparksig.errors import SignatureError
from sparksig.signature.casts import Level, find_cast
from sparksig.signature.dtypes import Element
from sparksig.signature.members import admits
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema, Spec, TensorSpec
from sparksig.signature.types import (
    AnyType,
    Array,
    ColumnType,
    DataType,
    Map,
    Object,
    Property,
    SparkMLVector,
    presence,
)
from sparksig.tables import html, pretty, text


def merge(a: ColumnType, b: ColumnType) -> ColumnType:
    """The type of values of which some are of type `a` and some of type `b`, as MLflow infers it.

    Any says nothing about a value, so the other type stands; an Object then has optional properties only. A property
    that one side lacks is optional. A vector of Spark ML is merged with its like only.

    Raises:
        SignatureError: there is no such type: an integer and a float, a scalar and a list.

    >>> merge(Object([Property("x", "long")]), Object([Property("x", "long"), Property("y", "string")]))
    {x: long (required), y: string (optional)}
    """
    match a, b:
        case _ if a == b:
            return a
        case (AnyType(), other) | (other, AnyType()) if not isinstance(other, SparkMLVector):
            return _optional(other)
        case Array(x), Array(y):
            return Array(merge(x, y))
        case Map(x), Map(y):
            return Map(merge(x, y))
        case Object(xs), Object(ys):
            return _merge_objects(xs, ys)
        case _:
            raise SignatureError(f"{a!r} and {b!r} have no type in common")


def _optional(kind: ColumnType) -> ColumnType:
    match kind:
        case Object(properties):
            return Object([Property(p.name, p.dtype, False) for p in properties])
        case _:
            return kind


def _merge_objects(xs: tuple[Property, ...], ys: tuple[Property, ...]) -> Object:
    left, right = ({p.name: p for p in side} for side in (xs, ys))
    both = left.keys() & right.keys()
    merged = [
        Property(name, merge(left[name].dtype, right[name].dtype), left[name].required and right[name].required)
        for name in both
    ]
    return Object(merged + [Property(p.name, p.dtype, False) for p in (*xs, *ys) if p.name not in both])


class Breaks(StrEnum):
    """Whom a change breaks.

    CALLERS is the backward direction: whoever feeds the model and reads its results as before. STORED is the forward
    one: tables that were written under the old signature and are read under the new one.
    """

    NOTHING = "nothing"
    CALLERS = "callers"
    STORED = "stored data"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two signatures."""

    path: str
    why: str
    breaks: Breaks


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What changes between two signatures.

    Attributes:
        changes: every difference, in the order of the signature.

    >>> from sparksig import ColSpec
    >>> found = check_compatible(
    ...     ModelSignature(Schema([ColSpec("long", "age")])), ModelSignature(Schema([ColSpec("string", "age")]))
    ... )
    >>> found.compatible, [change.path for change in found.changes]
    (False, ['inputs.age'])
    """

    changes: tuple[Change, ...]

    @property
    def compatible(self) -> bool:
        """Whether the new signature may take the old one's place."""
        return all(change.breaks is Breaks.NOTHING for change in self.changes)

    @property
    def backward(self) -> tuple[Change, ...]:
        """The changes that break callers."""
        return tuple(change for change in self.changes if change.breaks in (Breaks.CALLERS, Breaks.BOTH))

    @property
    def forward(self) -> tuple[Change, ...]:
        """The changes that break stored data."""
        return tuple(change for change in self.changes if change.breaks in (Breaks.STORED, Breaks.BOTH))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        changes = [{"path": c.path, "why": c.why, "breaks": str(c.breaks)} for c in self.changes]
        return {"compatible": self.compatible, "changes": changes}

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(change.path, change.why, str(change.breaks)) for change in self.changes]

    def __str__(self) -> str:
        return text(_HEADER, self._rows()) if self.changes else _EQUAL

    _repr_pretty_ = pretty

    def _repr_html_(self) -> str:
        verdict = "compatible" if self.compatible else "not compatible"
        return html(_HEADER, self._rows(), verdict if self.changes else _EQUAL)


_HEADER, _EQUAL = ("path", "change", "breaks"), "the signatures are equal"


def check_compatible(old: ModelSignature, new: ModelSignature) -> Compatibility:
    """What changes when a model with the new signature takes the place of one with the old.

    Inputs that fitted the old signature must fit the new one, or callers and stored tables break. Outputs of the new
    one must fit what callers were promised, and the outputs stored under the old one what is promised now. Params that
    callers give must still be taken. Types fit as at level safe: losslessly.

    Args:
        old: the signature in use.
        new: the one that is to take its place.

    Returns:
        Every change, with its path, why it matters and whom it breaks.

    >>> before = ModelSignature(inputs=Schema([ColSpec("integer", "age")]))
    >>> print(check_compatible(before, ModelSignature(inputs=Schema([ColSpec("long", "age")]))))
    path        change                   breaks
    ----------  -----------------------  -------
    inputs.age  integer has become long  nothing
    """
    return Compatibility(
        (
            *_schemas(old.inputs, new.inputs, "inputs"),
            *_schemas(old.outputs, new.outputs, "outputs"),
            *_params(old.params, new.params),
        )
    )


def _schemas(old: Schema | None, new: Schema | None, part: str) -> Iterator[Change]:
    takes = part == "inputs"
    if old is None or new is None:
        if old is not None:
            yield Change(part, "are not declared any more", Breaks.NOTHING if takes else Breaks.CALLERS)
        if new is not None:
            yield Change(part, "were not declared before", Breaks.BOTH if takes else Breaks.STORED)
    elif old.is_tensor_spec() != new.is_tensor_spec():
        now = "tensors" if new.is_tensor_spec() else "columns"
        yield Change(part, f"are {now} now", Breaks.BOTH)
    elif old.has_input_names() != new.has_input_names():
        now = "names" if new.has_input_names() else "positions"
        yield Change(part, f"are known by their {now} now", Breaks.BOTH)
    else:
        before, after = (dict(zip(map(str, s.input_names()), s, strict=True)) for s in (old, new))
        for name in dict.fromkeys((*before, *after)):
            yield from _specs(before.get(name), after.get(name), f"{part}.{name}", takes)


def _specs(old: Spec | None, new: Spec | None, path: str, takes: bool) -> Iterator[Change]:
    if new is None:
        yield Change(path, "has gone", Breaks.NOTHING if takes else Breaks.CALLERS)
    elif old is None:
        breaks = Breaks.NOTHING if not new.required else Breaks.BOTH if takes else Breaks.STORED
        yield Change(path, f"is new and {presence(new.required)}", breaks)
    elif old != new:
        yield from _changed(old, new, path, takes)


def _changed(old: Spec, new: Spec, path: str, takes: bool) -> Iterator[Change]:
    if bool(old.required) != bool(new.required):
        tighter, looser = (Breaks.BOTH, Breaks.NOTHING) if takes else (Breaks.STORED, Breaks.CALLERS)
        yield Change(path, f"has become {presence(new.required)}", tighter if new.required else looser)
    forth = [Change(at, why, Breaks.BOTH if takes else Breaks.STORED) for at, why in _spec_misfits(old, new, path)]
    back = [] if takes else [Change(at, why, Breaks.CALLERS) for at, why in _spec_misfits(new, old, path)]
    yield from (*forth, *back)
    if not forth and not back and _shape(old) != _shape(new):
        yield Change(path, f"{_shape(old)} has become {_shape(new)}", Breaks.NOTHING)


def _shape(spec: Spec) -> str:
    return repr(spec.type) if isinstance(spec, ColSpec) else f"{spec.type.name} {spec.shape}"


def _spec_misfits(given: Spec, declared: Spec, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(given, ColSpec) and isinstance(declared, ColSpec):
        yield from misfits(given.type, declared.type, path)
    elif isinstance(given, TensorSpec) and isinstance(declared, TensorSpec):
        same = given.type == declared.type
        if not same and not (given.element and declared.element and _fits(given.element, declared.element)):
            yield path, f"{given.type.name} does not fit {declared.type.name}"
        sizes = zip_longest(given.shape, declared.shape)
        if not all(size is not None and wanted in (-1, size) for size, wanted in sizes):
            yield path, f"the shape {given.shape} does not fit {declared.shape}"


def misfits(given: ColumnType, declared: ColumnType, path: str) -> Iterator[tuple[str, str]]:
    """Where, and why, values of one type may not stand where another is declared.

    >>> list(misfits(Array("long"), Array("integer"), "a"))
    [('a[]', 'long does not fit integer')]
    """
    match given, declared:
        case (_, AnyType()):
            return
        case DataType(), DataType():
            if not _fits(given.element, declared.element):
                yield path, f"{given!r} does not fit {declared!r}"
        case Array(x), Array(y):
            yield from misfits(x, y, f"{path}[]")
        case Map(x), Map(y):
            yield from misfits(x, y, f"{path}{{}}")
        case Array(x), SparkMLVector():
            yield from misfits(x, DataType.double, f"{path}[]")
        case Object(xs), Object(ys):
            yield from _object_misfits({p.name: p for p in xs}, {p.name: p for p in ys}, path)
        case _ if given != declared:
            yield path, f"{given!r} does not fit {declared!r}"


def _object_misfits(given: _Members, declared: _Members, path: str) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys((*given, *declared)):
        old, new, place = given.get(name), declared.get(name), f"{path}.{name}"
        if new is None:
            yield place, "an object with a property that is not declared does not fit"
        elif new.required and not (old and old.required):
            yield place, "an object without a required property does not fit"
        if old is not None and new is not None:
            yield from misfits(old.dtype, new.dtype, place)


def _fits(given: Element, declared: Element) -> bool:
    cast = find_cast(given, declared)
    return cast is not None and cast.level <= Level.SAFE and not cast.guards


_Members: TypeAlias = dict[str, Property]


def _params(old: ParamSchema | None, new: ParamSchema | None) -> Iterator[Change]:
    before, after = ({p.name: p for p in params or ()} for params in (old, new))
    for name in dict.fromkeys((*before, *after)):
        path = f"params.{name}"
        if name not in after:
            yield Change(path, "has gone, and a value given for it is ignored", Breaks.CALLERS)
        elif name not in before:
            yield Change(path, "is new", Breaks.NOTHING)
        else:
            yield from _param(before[name], after[name], path)


def _param(old: ParamSpec, new: ParamSpec, path: str) -> Iterator[Change]:
    if old.shape != new.shape:
        yield Change(path, "was a list" if old.shape else "has become a list", Breaks.CALLERS)
    elif isinstance(old.dtype, DataType) and isinstance(new.dtype, DataType):
        if not admits(old.dtype.element, new.dtype.element):
            yield Change(path, f"{old.dtype!r} is no {new.dtype!r}", Breaks.CALLERS)
        elif old.dtype != new.dtype:
            yield Change(path, f"{old.dtype!r} has become {new.dtype!r}", Breaks.NOTHING)
    else:
        yield from (Change(at, why, Breaks.CALLERS) for at, why in misfits(old.dtype, new.dtype, path))
    if str(old.default) != str(new.default):
        yield Change(path, f"the default {old.default} has become {new.default}", Breaks.NOTHING)
