"""The reading of a hint into its tree. pydantic is asked only where a hint is one of its models."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
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


def read_hint(hint: Any, *, outputs: bool = False) -> Hint:
    """The tree of the type of one input: what is inside `list[..]`, or an output's hint.

    Args:
        hint: a type hint.
        outputs: whether it is an output's: a model returns every field, under its own name.

    Raises:
        SignatureError: no type is declared for it; every part is listed, with what to write instead.

    >>> read_hint(dict[str, list[int]]).declared
    Map(str -> Array(long))
    """
    reader = _Reader(outputs)
    try:
        found = reader.read(hint, "")
    except RecursionError:
        raise refused(hint, "a class holds itself", "write Any where it does") from None
    if reader.problems:
        raise SignatureError(f"the type hint {hint_text(hint)} cannot be declared", reader.problems)
    return found


def optional_of(hint: Any) -> tuple[Any, bool]:
    """What an Optional holds, and whether it is one."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    inner = [part for part in typing.get_args(hint) if part is not type(None)]
    optional = len(inner) < len(typing.get_args(hint))
    return (inner[0] if len(inner) == 1 else typing.Union[tuple(inner)]), optional  # noqa: UP007


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of one hint, and collects what cannot be declared."""

    outputs: bool
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, fact: str, instead: str) -> None:
        self.problems.append(Problem(path, fact, Code.UNSUPPORTED_TYPE, instead))

    def read(self, hint: Any, path: str) -> Hint:
        inner, optional = optional_of(hint)
        if optional:
            return OptionalHint(self.read(inner, path))
        if hint in _SCALARS:
            return ScalarHint(hint, _SCALARS[hint])
        if hint is Any:
            return AnyHint()
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return self.annotated(hint, path)
        if origin in (typing.Union, types.UnionType):
            return AnyHint()
        if origin is typing.Literal:
            return LiteralHint(arguments, _of_values(arguments))
        if origin is list and arguments:
            if len(arguments) > 1:
                self.wrong(path, f"a list has one element type, not {len(arguments)}", _one_of(arguments))
            return ListHint(self.read(arguments[0], f"{path}[]"))
        if origin is dict and arguments:
            return self.mapping(arguments, path)
        if _is_pydantic(hint):
            return self.model(hint, path)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self.dataclass(hint, path)
        self.problems.append(unsupported(hint, path))
        return AnyHint()

    def mapping(self, arguments: tuple[Any, ...], path: str) -> Hint:
        if len(arguments) != 2:
            value = hint_text(arguments[-1])
            self.wrong(
                path, f"a dict has a key type and a value type, not {len(arguments)}", f"write dict[str, {value}]"
            )
            return AnyHint()
        if arguments[0] is not str:
            self.wrong(path, "dictionary key type must be str", "write dict[str, ..]")
        return DictHint(self.read(arguments[1], f"{path}{{}}"))

    def model(self, model: Any, path: str) -> ObjectHint:
        fields, defaults, renamed = [], set(), []
        for own_name, info in model.model_fields.items():
            name = own_name if self.outputs else self.accepted_name(model, own_name, info, path)
            place = f"{path}.{own_name}" if path else own_name
            read = self.read if info.discriminator is None else self.tagged
            found = read(info.annotation, place)
            if isinstance(found, OptionalHint) and info.is_required():
                fact = f"the optional field of {model.__name__} has no default"
                self.wrong(place, fact, f"write {own_name}: ... = None")
            if not self.outputs and not info.is_required() and not isinstance(found, OptionalHint):
                defaults.add(name)
            if name != own_name:
                renamed.append((own_name, name))
            fields.append((name, found))
        declared = self.object(fields, defaults, path)
        names = tuple(renamed)
        return ObjectHint(model, tuple(fields), True, declared, defaults=frozenset(defaults), renamed=names)

    def accepted_name(self, model: Any, name: str, info: Any, path: str) -> str:
        """The key by which pydantic accepts a field in a dict."""
        alias = info.validation_alias or info.alias
        config = model.model_config
        if alias is None or config.get("populate_by_name") or config.get("validate_by_name"):
            return name
        choices = [alias] if isinstance(alias, str) else getattr(alias, "choices", [])
        texts = [choice for choice in choices if isinstance(choice, str)]
        if not texts:
            place = f"{path}.{name}" if path else name
            self.wrong(place, "an alias that is a path inside another field", "write an alias that is a string")
        return texts[0] if texts else name

    def dataclass(self, cls: Any, path: str) -> ObjectHint:
        hints = typing.get_type_hints(cls, include_extras=True)
        for name, hint in hints.items():
            if isinstance(hint, dataclasses.InitVar):
                self.wrong(f"{path}.{name}" if path else name, "an InitVar is no field", "write a field")
        members = [member for member in dataclasses.fields(cls) if member.init]
        fields = [(m.name, self.read(hints[m.name], f"{path}.{m.name}" if path else m.name)) for m in members]
        own = {m.name for m in members if not _is_required(m)} if not self.outputs else set()
        defaults = {name for name, found in fields if name in own and not isinstance(found, OptionalHint)}
        declared = self.object(fields, defaults, path)
        return ObjectHint(cls, tuple(fields), False, declared, defaults=frozenset(defaults))

    def object(self, fields: list[tuple[str, Hint]], defaults: set[str], path: str) -> ColumnType:
        if not fields:
            self.wrong(path, "a class without fields", "declare at least one field")
            return AnyType()
        optional = defaults | {name for name, found in fields if isinstance(found, OptionalHint)}
        return Object([Property(name, found.declared, name not in optional) for name, found in fields])

    def annotated(self, hint: Any, path: str) -> Hint:
        inner, *extras = typing.get_args(hint)
        if any(getattr(extra, "discriminator", None) is not None for extra in extras):
            return self.tagged(inner, path, hint)
        return self.read(inner, path)

    def tagged(self, union: Any, path: str, hint: Any = None) -> Hint:
        """Models distinguished by a discriminator: an object with the properties of all of them."""
        inner, optional = optional_of(union)
        if optional:
            return OptionalHint(self.tagged(inner, path, hint))
        models = [self.read(model, path) for model in typing.get_args(inner)]
        kinds = [model.declared for model in models]
        try:
            declared = reduce(merge, kinds)
        except SignatureError:  # a property that is one thing in one model and another in the next
            declared = AnyType()
        variants = tuple(model for model in models if isinstance(model, ObjectHint))
        fields = {name: found for model in variants for name, found in model.fields}
        renamed = {own: name for model in variants for own, name in model.renamed}
        return ObjectHint(
            hint or union, tuple(fields.items()), True, declared, variants, renamed=tuple(renamed.items())
        )


def _of_values(values: tuple[object, ...]) -> ColumnType:
    kinds = {_SCALARS.get(type(value), AnyType()) for value in values}
    return kinds.pop() if len(kinds) == 1 else AnyType()


def _one_of(arguments: tuple[Any, ...]) -> str:
    return f"write list[{hint_text(arguments[0])}], or list[{' | '.join(map(hint_text, arguments))}] for any of them"


def _is_required(member: dataclasses.Field[Any]) -> bool:
    return member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING


def _is_pydantic(hint: Any) -> bool:
    return (
        isinstance(hint, type)
        and any(base.__module__.startswith("pydantic.") for base in hint.__mro__)
        and hasattr(hint, "model_fields")
    )
