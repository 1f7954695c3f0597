"""Schemas from type hints: a hint is read once, into a tree that says what is declared and what a value must be.

The hints are MLflow's: `list[T]`, where T is a scalar, a list, a dict with text keys, a pydantic model or Any. Beyond
them T may be a dataclass, a date, a Decimal, a Literal, or pydantic models told apart by a discriminator. pydantic is
asked only where a hint is one of its models.
"""

from __future__ import annotations

import dataclasses
import enum
import numbers
import sys
import types
import typing
import warnings
from collections import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from inspect import Parameter, signature
from typing import Any, TypeAlias

from sparksig.errors import Code, Problem, SignatureError
from sparksig.signature.compatibility import merge
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, Property


@dataclass(frozen=True)
class ScalarHint:
    """A Python class whose instances are scalars: `int`, `str`, `date`, .."""

    cls: type
    declared: ColumnType


@dataclass(frozen=True)
class LiteralHint:
    """One of the values that are listed."""

    values: tuple[object, ...]
    declared: ColumnType


@dataclass(frozen=True)
class ListHint:
    """A list of values of one hint."""

    element: Hint

    @property
    def declared(self) -> ColumnType:
        """The declared type."""
        return Array(self.element.declared)


@dataclass(frozen=True)
class DictHint:
    """A dict with text keys and values of one hint."""

    value: Hint

    @property
    def declared(self) -> ColumnType:
        """The declared type."""
        return Map(self.value.declared)


@dataclass(frozen=True)
class OptionalHint:
    """None, or a value of the hint; what holds it is optional."""

    inner: Hint

    @property
    def declared(self) -> ColumnType:
        """The declared type."""
        return self.inner.declared


@dataclass(frozen=True)
class AnyHint:
    """Anything: Any, or a Union that nothing tells apart."""

    declared: ColumnType = field(default_factory=AnyType)


@dataclass(frozen=True)
class ObjectHint:
    """A class with fields: a pydantic model, a dataclass, or several models told apart by a discriminator.

    Attributes:
        cls: the class; for several models what pydantic validates them by.
        fields: the hint of each field.
        pydantic: whether pydantic validates its values.
        declared: the declared type.
        variants: the single models, where a discriminator tells them apart.
    """

    cls: Any
    fields: tuple[tuple[str, Hint], ...]
    pydantic: bool
    declared: ColumnType
    variants: tuple[ObjectHint, ...] = ()


Hint: TypeAlias = ScalarHint | LiteralHint | ListHint | DictHint | OptionalHint | AnyHint | ObjectHint

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

_CONTAINERS = ("pandas", "numpy", "scipy")
_WRAP = "a model takes a list of inputs: write "
_LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence, abc.Iterator)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_INSTEAD: tuple[tuple[type, str], ...] = (
    (enum.Enum, "write Literal[..] of its values"),
    (bool, "write bool"),
    (datetime, "write datetime"),
    (numbers.Integral, "write int"),
    (numbers.Real, "write float"),
    (str, "write str"),
    (bytearray, "write bytes"),
    (tuple, "write a dataclass or a pydantic model"),  # with names; one without is a list
    (dict, "write a dataclass or a pydantic model"),
)
"""What to write instead of a subclass or a relative of a class that is declared."""


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
        raise _refused(hint, "a class holds itself", "write Any where it does") from None
    if problems:
        raise SignatureError(f"the type hint {hint_text(hint)} cannot be declared", problems)
    return found


def input_hint(hint: Any, what: str = "an input") -> Hint | None:
    """The tree of one input of a model's hint `list[T]`; None for the container of pandas, numpy or scipy, unchecked.

    Args:
        hint: the hint.
        what: what it is the hint of, for errors.

    Raises:
        SignatureError: the hint is no list, or its elements cannot be declared.
    """
    if is_container(hint):
        return None
    inner, optional = _optional(hint)
    if optional:
        raise _refused(hint, f"{what} cannot be Optional", f"write {hint_text(inner)}")
    if hint in (list, typing.List):  # noqa: UP006
        raise _refused(hint, "a list of what is not said", "write list[str], or whatever its elements are")
    if typing.get_origin(hint) is not list:
        raise _refused(hint, "type hints must be wrapped in list", _WRAP + _in_list(hint))
    [element] = typing.get_args(hint)
    inside, optional = _optional(element)
    if optional:
        raise _refused(hint, f"{what} cannot be Optional", f"write list[{hint_text(inside)}]")
    return read_hint(element)


def schema_from_hint(hint: Any) -> Schema:
    """The schema of an input's hint `list[T]`: one unnamed column of T.

    Raises:
        SignatureError: the hint is no list, or its elements cannot be declared.

    >>> schema_from_hint(list[dict[str, float]])
    [Map(str -> DataType.double) (required)]
    """
    found = input_hint(hint)
    if found is None:
        raise _refused(
            hint, "type hints must be wrapped in list", "a container of pandas, numpy or scipy has no schema"
        )
    return _one(found, hint)


def schema_from_output_hint(hint: Any) -> Schema:
    """The schema of a return hint: `list[T]` or T, one unnamed column of T.

    Raises:
        SignatureError: it cannot be declared.
    """
    if is_container(hint):
        raise _refused(hint, "a container of pandas, numpy or scipy has no schema", "declare the outputs by a Schema")
    inner, optional = _optional(hint)
    if optional:
        raise _refused(hint, "an output cannot be Optional", f"write {hint_text(inner)}")
    return _one(input_hint(hint, "an output") if typing.get_origin(hint) is list else read_hint(hint), hint)


def _one(found: Hint | None, hint: Any) -> Schema:
    assert found is not None
    if isinstance(found, AnyHint) and typing.get_args(hint):
        warnings.warn(f"{hint_text(hint)} is declared as Any: its values are not validated", stacklevel=3)
    return Schema([ColSpec(found.declared)])


def signature_from_hints(function: Callable[..., Any], *, columns: bool = False) -> ModelSignature:
    """The signature that a model's type hints declare.

    Args:
        function: a function of the inputs, or of a context and the inputs, and perhaps of params; or a class or object
            with such a `predict`. A return hint declares the outputs.
        columns: declare a named column for each field of the inputs' class, as a table has them, instead of one column
            of objects, which is what MLflow declares.

    Returns:
        The signature; without params, which hints do not tell.

    Raises:
        SignatureError: there is no hint, or it cannot be declared; with what to write instead.

    >>> def predict(model_input: list[str]) -> list[float]: ...
    >>> signature_from_hints(predict).outputs
    [double (required)]
    """
    name, hints = model_hints(function)
    if name not in hints:
        raise SignatureError(f"the argument {name} has no type hint", [Problem(name, "not annotated", hint="list[..]")])
    schema = schema_from_hint(hints[name])
    if columns:
        [spec] = schema.inputs
        if not isinstance(spec.type, Object):
            raise SignatureError("columns=True needs a hint list[T] where T is a class with fields")
        schema = Schema([ColSpec(prop.dtype, prop.name, prop.required) for prop in spec.type.properties])
    returned = hints.get("return")
    unsaid = "return" not in hints or returned is type(None) or is_container(returned)
    return ModelSignature(schema, None if unsaid else schema_from_output_hint(returned))


def model_hints(function: Any) -> tuple[str, dict[str, Any]]:
    """The name of the argument that takes a model's inputs, and all hints of its `predict` by name."""
    predict = function.predict if hasattr(function, "predict") else function
    names = [
        parameter.name
        for parameter in signature(predict).parameters.values()
        if parameter.name not in ("self", "cls", "context", "params") and parameter.kind is not Parameter.VAR_KEYWORD
    ]
    if not names:
        raise SignatureError("the function has no argument that takes the model's inputs")
    plain = getattr(predict, "__wrapped__", predict)
    space = vars(sys.modules[plain.__module__]) if getattr(plain, "__module__", None) in sys.modules else {}
    try:
        hints = typing.get_type_hints(plain, globalns=dict(space), include_extras=True)
    except NameError as error:
        raise SignatureError(f"a type hint names something that is not defined: {error.name}") from None
    return ("model_input" if "model_input" in names else names[0]), hints


def is_container(hint: Any) -> bool:
    """Whether a hint is a class of pandas, numpy or scipy, which are taken without validation."""
    origin = typing.get_origin(hint) or hint
    whole = isinstance(origin, type) and origin.__module__.partition(".")[0] in _CONTAINERS
    return whole and origin.__name__ in (
        "DataFrame",
        "Series",
        "ndarray",
        "csr_matrix",
        "csc_matrix",
        "csr_array",
        "csc_array",
    )


def hint_text(hint: Any) -> str:
    """A hint as people write it."""
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def _in_list(hint: Any) -> str:
    """What to write for a hint that is no list: what it holds where it holds many, else the hint, in a list."""
    parts = [part for part in typing.get_args(hint) if part is not Ellipsis]
    origin = typing.get_origin(hint)
    if origin is typing.Annotated or (origin in _LISTS and parts):
        held = parts[:1] if origin in _LISTS else [parts[0]]
        return hint_text(held[0]) if typing.get_origin(held[0]) is list else f"list[{hint_text(held[0])}]"
    if origin in (typing.Union, types.UnionType) and all(typing.get_origin(part) is list for part in parts):
        return f"list[{' | '.join(hint_text(typing.get_args(part)[0]) for part in parts)}]"
    try:
        read_hint(hint)
    except SignatureError:
        return "list[..] of the class of one input"
    return f"list[{hint_text(hint)}]"


def _refused(hint: Any, fact: str, instead: str) -> SignatureError:
    problem = Problem("", fact, Code.UNSUPPORTED_TYPE, instead)
    return SignatureError(f"the type hint {hint_text(hint)} cannot be declared", [problem])


def _optional(hint: Any) -> tuple[Any, bool]:
    """What an Optional holds, and whether it is one."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    inner = [part for part in typing.get_args(hint) if part is not type(None)]
    optional = len(inner) < len(typing.get_args(hint))
    return (inner[0] if len(inner) == 1 else typing.Union[tuple(inner)]), optional  # noqa: UP007


# ---- the parts of a hint


def _read(hint: Any, path: str, problems: list[Problem]) -> Hint:
    inner, optional = _optional(hint)
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
    problems.append(_unsupported(hint, path))
    return AnyHint()


def _unsupported(hint: Any, path: str) -> Problem:
    return Problem(path, f"unsupported type hint {hint_text(hint)}", Code.UNSUPPORTED_TYPE, _instead(hint))


def _instead(hint: Any) -> str:
    origin, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in _LISTS:
        return f"write list[{hint_text(parts[0]) if parts else '..'}]"
    if origin in _DICTS:
        return f"write dict[str, {hint_text(parts[1]) if len(parts) > 1 else '..'}]"
    if isinstance(hint, typing.NewType):
        return f"write {hint_text(hint.__supertype__)}"
    if hint is object:
        return "write Any"
    related = isinstance(hint, type) and not is_container(hint)
    found = next((text for base, text in _INSTEAD if related and issubclass(hint, base)), None)
    return found or "use a scalar, list, dict, pydantic model or Any"


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
    inner, optional = _optional(union)
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
