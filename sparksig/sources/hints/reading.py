"""The reading of a hint into its tree. pydantic is asked only where a hint is one of its models."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from typing import Any

from sparksig.errors import Code, Problem, SignatureError
from sparksig.signature.compatibility import merge
from sparksig.signature.types import AnyType, ColumnType, DataType, Object, Property
from sparksig.sources.hints.tree import (
    AnyHint,
    DictHint,
    Hint,
    ListHint,
    LiteralHint,
    ObjectHint,
    OptionalHint,
    ScalarHint,
)
from sparksig.sources.hints.words import hint_text, refused, unsupported

_SCALARS: dict[object, ColumnType] = {
    int: DataType.long,
    float: DataType.double,
    str: DataType.string,
    bool: DataType.boolean,
    bytes: DataType.binary,
    datetime: DataType.datetime,
    date: DataType.datetime,
    Decimal: DataType.string,  # as text no digit of it is lost
}


def read_hint(hint: Any) -> Hint:
    """The tree of the type of one input: what stands inside `list[..]`, or an output's hint.

    Args:
        hint: a type hint.

    Raises:
        SignatureError: no type is declared for it; every part is listed, with what to write instead.

    >>> read_hint(dict[str, list[int]]).declared
    Map(str -> Array(long))
    """
    problems: list[Problem] = []
    try:
        found = _read(hint, "", problems)
    except RecursionError:
        raise refused(hint, "a class holds itself", "write Any where it does") from None
    if problems:
        raise SignatureError(f"the type hint {hint_text(hint)} cannot be declared", problems)
    return found


def optional_of(hint: Any) -> tuple[Any, bool]:
    """What an Optional holds, and whether it is one."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    inner = [part for part in typing.get_args(hint) if part is not type(None)]
    optional = len(inner) < len(typing.get_args(hint))
    return (inner[0] if len(inner) == 1 else typing.Union[tuple(inner)]), optional  # noqa: UP007


def _read(hint: Any, path: str, problems: list[Problem]) -> Hint:
    inner, optional = optional_of(hint)
    if optional:
        return OptionalHint(_read(inner, path, problems))
    if hint in _SCALARS:
        return ScalarHint(hint, _SCALARS[hint])
    if hint is Any:
        return AnyHint()
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _annotated(hint, path, problems)
    if origin in (typing.Union, types.UnionType):
        return AnyHint()
    if origin is typing.Literal:
        return LiteralHint(arguments, _of_values(arguments))
    if origin is list and arguments:
        return ListHint(_read(arguments[0], f"{path}[]", problems))
    if origin is dict and arguments:
        if arguments[0] is not str:
            problems.append(
                Problem(path, "dictionary key type must be str", Code.UNSUPPORTED_TYPE, "write dict[str, ..]")
            )
        return DictHint(_read(arguments[1], f"{path}{{}}", problems))
    if _is_pydantic(hint):
        return _of_model(hint, path, problems)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _of_dataclass(hint, path, problems)
    problems.append(unsupported(hint, path))
    return AnyHint()


def _of_values(values: tuple[object, ...]) -> ColumnType:
    kinds = {_SCALARS.get(type(value), AnyType()) for value in values}
    return kinds.pop() if len(kinds) == 1 else AnyType()


def _is_pydantic(hint: Any) -> bool:
    return (
        isinstance(hint, type)
        and any(base.__module__.startswith("pydantic.") for base in hint.__mro__)
        and hasattr(hint, "model_fields")
    )


def _of_model(model: Any, path: str, problems: list[Problem]) -> ObjectHint:
    fields = []
    for name, info in model.model_fields.items():
        place = f"{path}.{name}" if path else name
        read = _read if info.discriminator is None else _tagged
        found = read(info.annotation, place, problems)
        if isinstance(found, OptionalHint) and info.is_required():
            fact = f"the optional field of {model.__name__} has no default"
            problems.append(Problem(place, fact, Code.UNSUPPORTED_TYPE, f"write {name}: ... = None"))
        fields.append((name, found))
    return ObjectHint(model, tuple(fields), True, _object(fields, path, problems))


def _of_dataclass(cls: Any, path: str, problems: list[Problem]) -> ObjectHint:
    hints = typing.get_type_hints(cls, include_extras=True)
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar):
            place = f"{path}.{name}" if path else name
            problems.append(Problem(place, "an InitVar is no field", Code.UNSUPPORTED_TYPE, "write a field"))
    fields = [
        (member.name, _read(hints[member.name], f"{path}.{member.name}" if path else member.name, problems))
        for member in dataclasses.fields(cls)
        if member.init
    ]
    return ObjectHint(cls, tuple(fields), False, _object(fields, path, problems))


def _object(fields: list[tuple[str, Hint]], path: str, problems: list[Problem]) -> ColumnType:
    if not fields:
        problems.append(Problem(path, "a class without fields", Code.UNSUPPORTED_TYPE, "declare at least one field"))
        return AnyType()
    return Object([Property(name, found.declared, not isinstance(found, OptionalHint)) for name, found in fields])


def _annotated(hint: Any, path: str, problems: list[Problem]) -> Hint:
    inner, *extras = typing.get_args(hint)
    if any(getattr(extra, "discriminator", None) is not None for extra in extras):
        return _tagged(inner, path, problems, hint)
    return _read(inner, path, problems)


def _tagged(union: Any, path: str, problems: list[Problem], hint: Any = None) -> Hint:
    """Models told apart by a discriminator: an object with the properties of all of them."""
    inner, optional = optional_of(union)
    if optional:
        return OptionalHint(_tagged(inner, path, problems, hint))
    models = [_read(model, path, problems) for model in typing.get_args(inner)]
    kinds = [model.declared for model in models]
    try:
        declared = reduce(merge, kinds)
    except SignatureError:  # a property that is one thing in one model and another in the next
        declared = AnyType()
    variants = tuple(model for model in models if isinstance(model, ObjectHint))
    fields = {name: found for model in variants for name, found in model.fields}
    return ObjectHint(hint or union, tuple(fields.items()), True, declared, variants)
