"""Models whose inputs are declared by type hints: values are validated by the hint and handed on as what it says.

Nothing is coerced but dicts, which become instances of pydantic models and dataclasses. Faults are told by path, code
and class; pydantic's own messages print values and are not handed on.
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, TypeVar, overload

import numpy as np
import pandas as pd

from sparksig.enforcement.values import enforce_values
from sparksig.errors import Code, Problem, SignatureError, ViolationError
from sparksig.signature.dtypes import Kind
from sparksig.signature.members import class_name
from sparksig.signature.schema import Schema
from sparksig.signature.types import DataType
from sparksig.sources.data import infer_schema
from sparksig.sources.hints import (
    AnyHint,
    DictHint,
    Hint,
    ListHint,
    LiteralHint,
    ObjectHint,
    OptionalHint,
    ScalarHint,
    hint_text,
    input_hint,
    model_hints,
)

Target = TypeVar("Target")


class TypeFromExample:
    """The hint of inputs whose type an example says: `@validated(example=[..])`.

    The example is a list of scalars, a list of dicts, a DataFrame or a Series; inputs are enforced by the schema that
    is inferred from it, and handed on in its container.

    >>> from sparksig import validated
    >>> @validated(example=["a", "bc"])
    ... def predict(model_input: TypeFromExample):
    ...     return [len(text) for text in model_input]
    >>> predict(["def"])
    [3]
    """


def validate_hint(data: Any, hint: Any) -> Any:
    """Data as the hint says, every element validated.

    Args:
        data: a list; a DataFrame becomes one first: its rows where the hint's elements are objects, else its first
            column. Nulls are None there, but NaN where a float is declared.
        hint: `list[T]`; a container of pandas, numpy or scipy takes the data as it is.

    Returns:
        The list, dicts as the objects that the hint names.

    Raises:
        SignatureError: the hint cannot be declared.
        ViolationError: elements break the hint; all of them are counted, by path and code.

    >>> validate_hint([1, 2], list[int])
    [1, 2]
    >>> validate_hint([1, "x", "y"], list[int])
    Traceback (most recent call last):
        ...
    sparksig.errors.ViolationError: the data breaks the type hint list[int]
      []: 2 element(s): int is declared, not str [INCOMPATIBLE_TYPE]
    """
    found = input_hint(hint)
    return data if found is None else _Reader(found, hint_text(hint)).read(data)


@overload
def validated(target: Target) -> Target: ...


@overload
def validated(target: None = None, *, example: Any = None) -> Callable[[Target], Target]: ...


def validated(target: Any = None, *, example: Any = None) -> Any:
    """Make a model validate its inputs by its type hints, before its own code sees them.

    Args:
        target: a function of the inputs, or of a context and the inputs, and perhaps of `params`; or a class with such
            a `predict`. `params` and `context` are passed through, the signature stays the same for tools.
        example: an input example, for the hint `TypeFromExample`.

    Returns:
        The function or class, which validates before it predicts; without `target`, a decorator.

    Raises:
        SignatureError: there is no hint, or it cannot be declared; with what to write instead.

    >>> @validated
    ... def predict(model_input: list[str]) -> list[int]:
    ...     return [len(text) for text in model_input]
    >>> predict(["a", "bc"])
    [1, 2]
    """
    if target is None:
        return lambda function: _validated(function, example)
    return _validated(target, example)


def example_reader(example: Any) -> Callable[[Any], Any]:
    """What turns inputs into the container of an example, enforced by the schema that the example shows.

    Raises:
        SignatureError: the example is no list, DataFrame or Series, or shows no schema.
    """
    return _FromExample.of(example).read


def _validated(target: Any, example: Any) -> Any:
    name, hints = model_hints(target)
    if name not in hints:
        problem = Problem(name, "not annotated", hint="write list[..], or TypeFromExample with @validated(example=..)")
        raise SignatureError(f"the argument {name} has no type hint", [problem])
    hint = hints[name]
    if hint is TypeFromExample:
        read = example_reader(example)
    else:
        found = input_hint(hint)
        if found is None:
            return target
        read = _Reader(found, hint_text(hint)).read
    if isinstance(target, type):
        plain = inspect.getattr_static(target, "predict")
        wrapped = _wrapped(getattr(plain, "__func__", plain), name, read)
        bound: Any = type(plain) if isinstance(plain, staticmethod | classmethod) else None
        target.predict = wrapped if bound is None else bound(wrapped)  # type: ignore[attr-defined]
        return target
    return _wrapped(target, name, read)


def _wrapped(function: Callable[..., Any], name: str, read: Callable[[Any], Any]) -> Callable[..., Any]:
    shape = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        bound = shape.bind(*args, **named)
        if name in bound.arguments:
            bound.arguments[name] = read(bound.arguments[name])
        return function(*bound.args, **bound.kwargs)

    return call


@dataclass(frozen=True)
class _FromExample:
    """Inputs by the schema of an example, in its container."""

    schema: Schema
    container: type
    records: bool

    @classmethod
    def of(cls, example: Any) -> _FromExample:
        if not isinstance(example, list | pd.DataFrame | pd.Series) or not len(example):
            hint = "@validated(example=[..]), a list, a DataFrame or a Series"
            raise SignatureError("TypeFromExample needs an example", [Problem("example", "not given", hint=hint)])
        schema, problems = infer_schema(example)
        if problems:
            raise SignatureError("no signature can be inferred from the example", problems)
        return cls(schema, type(example), isinstance(example, list) and isinstance(example[0], dict))

    def read(self, data: Any) -> Any:
        frame = enforce_values(self._with_gaps(data), self.schema, level="checked")
        if issubclass(self.container, pd.DataFrame):
            return frame
        if issubclass(self.container, pd.Series):
            return frame.iloc[:, 0]
        columns = {str(name): _restored(frame[name], spec) for name, spec in zip(frame, self.schema, strict=True)}
        if not self.records:
            return next(iter(columns.values()))
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _with_gaps(self, data: Any) -> Any:
        """A table in which integers beside nulls have become floats, with its nulls again."""
        if not isinstance(data, pd.DataFrame):
            return data
        whole = {spec.name for spec in self.schema if not spec.required and _is_integer(spec)}
        gaps: dict[Any, pd.Series[Any]] = {
            name: pd.Series([None if x != x else x for x in data[name]], dtype=object, index=data.index)
            for name in whole & set(data.columns)
            if isinstance(data[name], pd.Series) and data[name].dtype.kind == "f"
        }
        if not gaps:
            return data
        data = data.copy(deep=False)
        for name, column in gaps.items():
            data[name] = column
        return data


def _is_integer(spec: Any) -> bool:
    return isinstance(spec.type, DataType) and spec.type.element.kind is Kind.INTEGER


def _restored(column: pd.Series[Any], spec: Any) -> list[Any]:
    """A column's values as Python's: nulls None, and integers beside them integers."""
    if _is_integer(spec):
        return [None if value != value else int(value) for value in column.tolist()]
    if column.dtype == object or column.dtype.kind == "M":
        return [None if gone else _plain(value) for value, gone in zip(column.tolist(), column.isna(), strict=True)]
    return list(column.tolist())


# ---- values against hints


@dataclass(slots=True)
class _Found:
    """What is wrong, by path, code and fact, and how often."""

    counts: dict[tuple[str, Code, str], int] = field(default_factory=dict)

    def add(self, path: str, code: Code, fact: str) -> object:
        key = (path, code, fact)
        self.counts[key] = self.counts.get(key, 0) + 1
        return None


@dataclass(frozen=True)
class _Reader:
    """Reads a batch by the tree of a hint, which is made once."""

    hint: Hint
    text: str

    def read(self, data: Any) -> list[Any]:
        if isinstance(data, pd.DataFrame):
            data = _listed(data, self.hint)
        if not isinstance(data, list):
            fact = f"expected list, but got {class_name(data)}"
            raise ViolationError(
                f"the data breaks the type hint {self.text}", [Problem("", fact, Code.INCOMPATIBLE_TYPE)]
            )
        found = _Found()
        values = [_value(value, self.hint, "[]", found) for value in data]
        if found.counts:
            problems = [
                Problem(path, f"{count} element(s): {fact}", code) for (path, code, fact), count in found.counts.items()
            ]
            raise ViolationError(f"the data breaks the type hint {self.text}", problems)
        return values


def _value(value: Any, hint: Hint, path: str, found: _Found) -> Any:
    match hint:
        case AnyHint():
            return value
        case OptionalHint(inner):
            return None if value is None else _value(value, inner, path, found)
        case ScalarHint(cls):
            if isinstance(value, cls) and not (cls is date and isinstance(value, datetime)):
                return value
            return found.add(path, Code.INCOMPATIBLE_TYPE, f"{cls.__name__} is declared, not {class_name(value)}")
        case LiteralHint(values):
            if any(type(value) is type(one) and value == one for one in values):
                return value
            return found.add(path, Code.OUT_OF_RANGE, "none of the values that the Literal lists")
        case ListHint(element):
            if not isinstance(value, list):
                return found.add(path, Code.INCOMPATIBLE_TYPE, f"list is declared, not {class_name(value)}")
            return [_value(item, element, f"{path}[]", found) for item in value]
        case DictHint(inner):
            if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
                return found.add(
                    path, Code.INCOMPATIBLE_TYPE, f"dict with text keys is declared, not {class_name(value)}"
                )
            return {key: _value(item, inner, f"{path}{{}}", found) for key, item in value.items()}
        case ObjectHint(pydantic=True):
            return _model(value, hint, path, found)
        case ObjectHint():
            return _dataclass(value, hint, path, found)


def _model(value: Any, hint: ObjectHint, path: str, found: _Found) -> Any:
    """A dict as the object that pydantic makes of it; an object stays, when what it holds is valid."""
    from pydantic import BaseModel, TypeAdapter, ValidationError

    if not isinstance(value, dict | BaseModel):
        return found.add(
            path, Code.INCOMPATIBLE_TYPE, f"a dict or a pydantic object is expected, not {class_name(value)}"
        )
    adapter: Any = TypeAdapter(hint.cls)
    faults: list[Any] = []
    for given in _given(value) if isinstance(value, BaseModel) else [value]:
        try:
            made = adapter.validate_python(given, strict=True)
        except ValidationError as error:
            faults = faults or error.errors(include_url=False, include_context=False, include_input=False)
        except Exception as error:  # of a validator; its text may have values
            return found.add(path, Code.INCOMPATIBLE_TYPE, f"pydantic raised {type(error).__name__}")
        else:
            return value if isinstance(value, BaseModel) and isinstance(value, type(made)) else made
    for fault in faults:
        code = {"missing": Code.MISSING_FIELD, "extra_forbidden": Code.UNEXPECTED_FIELD}.get(fault["type"])
        told = fault["loc"][:-1] if code is Code.UNEXPECTED_FIELD else fault["loc"]
        place = path + _place(list(told), hint)
        found.add(place, code or Code.INCOMPATIBLE_TYPE, f"pydantic says {fault['type']}")
    return None


def _given(value: Any) -> list[dict[str, Any]]:
    """What an object holds, by its fields' names and by their aliases; without pydantic's warnings, which tell it."""
    return [value.model_dump(warnings=False), value.model_dump(warnings=False, by_alias=True)]


def _place(parts: list[int | str], hint: Hint) -> str:
    """The path of what pydantic found: a name that the hint declares is told, a key of the data is not."""
    match hint:
        case OptionalHint(inner):
            return _place(parts, inner)
        case ObjectHint(variants=variants) if variants and parts:
            return _place(parts[1:], replace(hint, variants=()))  # the first part is the tag
        case ObjectHint(fields=(("root", root),)) if getattr(hint.cls, "__pydantic_root_model__", False):
            return _place(parts, root)
    if not parts:
        return ""
    part, *more = parts
    match hint:
        case ListHint(inner) if isinstance(part, int):
            return f"[]{_place(more, inner)}"
        case DictHint(inner):
            return f"{{}}{_place(more, inner)}"
        case ObjectHint(fields=fields):
            aliases = {info.alias: name for name, info in getattr(hint.cls, "model_fields", {}).items()}
            name = aliases.get(part, part)
            known = dict(fields).get(str(name))
            return f".{name}{_place(more, known)}" if known is not None else "{}"
    return ""  # which part of a Union it is says nothing


def _dataclass(value: Any, hint: ObjectHint, path: str, found: _Found) -> Any:
    """A dict as an object of the class; an object stays, when its fields are valid."""
    given = {name: getattr(value, name) for name, _ in hint.fields} if isinstance(value, hint.cls) else value
    if not isinstance(given, Mapping):
        return found.add(path, Code.INCOMPATIBLE_TYPE, f"a dict or an object is expected, not {class_name(value)}")
    before = sum(found.counts.values())
    hints = dict(hint.fields)
    if any(key not in hints for key in given):
        found.add(path, Code.UNEXPECTED_FIELD, "the class has no such field")
    made = {}
    for member in dataclasses.fields(hint.cls):
        if member.name not in hints:
            continue  # not for the constructor
        if member.name in given:
            made[member.name] = _value(given[member.name], hints[member.name], f"{path}.{member.name}", found)
        elif member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING:
            if isinstance(hints[member.name], OptionalHint):
                made[member.name] = None
            else:
                found.add(f"{path}.{member.name}", Code.MISSING_FIELD, "required, but the object has no such field")
    if sum(found.counts.values()) > before:
        return None
    if isinstance(value, hint.cls) and all(made[name] is given[name] or made[name] == given[name] for name in made):
        return value
    try:
        return hint.cls(**made)
    except Exception as error:  # of the class's own checks; its text may have values
        return found.add(path, Code.INCOMPATIBLE_TYPE, f"{hint.cls.__name__} raised {type(error).__name__}")


# ---- tables as lists


def _listed(frame: pd.DataFrame, hint: Hint) -> list[Any]:
    """A table as the list that a hint declares: its rows for objects, else its first column."""
    labels: list[Any] = frame.columns.tolist()
    whole = labels == [0] or not isinstance(hint, ObjectHint)
    if whole:
        if frame.shape[1] > 1:
            warnings.warn("the hint declares one column: only the first of the table is used", stacklevel=4)
        return _cells(frame.iloc[:, 0], hint) if frame.shape[1] else []
    assert isinstance(hint, ObjectHint)
    hints = dict(hint.fields)
    if len(set(map(str, labels))) < len(labels):
        names = sorted({str(label) for label in labels if list(map(str, labels)).count(str(label)) > 1})
        twice = [Problem(name, "the table has several columns of this name", Code.DUPLICATE_COLUMN) for name in names]
        raise ViolationError("the table cannot be read as objects", twice)
    columns = {str(name): _cells(frame[name], hints.get(str(name), AnyHint())) for name in frame}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [_of_variant(row, hint) for row in rows]


def _cells(column: pd.Series[Any], hint: Hint) -> list[Any]:
    """A column's values as Python's, in the classes that the hint names: integers beside nulls were floats."""
    inner, optional = (hint.inner, True) if isinstance(hint, OptionalHint) else (hint, False)
    cls = inner.cls if isinstance(inner, ScalarHint) else object
    if cls is float and not optional and column.dtype != object:
        return list(column.tolist())  # NaN is a value
    missing = column.isna().tolist() if column.dtype != object else [_is_null(cell) for cell in column]
    values = [
        int(value) if cls is int and isinstance(value, float) and value.is_integer() else value
        for value in column.tolist()
    ]
    return [None if gone else _cell(value, inner) for value, gone in zip(values, missing, strict=True)]


def _is_null(cell: object) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell)


def _cell(value: Any, hint: Hint) -> Any:
    """A cell with the values that the hint names, at every depth: a table has no form for some of them."""
    match hint:
        case OptionalHint(inner):
            return None if value is None or value is pd.NA or value is pd.NaT else _cell(value, inner)
        case ScalarHint(cls):
            return _scalar(value, cls)
        case ListHint(inner) if isinstance(value, list | np.ndarray):
            return [_cell(item, inner) for item in _items(value)]
        case DictHint(inner) if isinstance(value, dict):
            return {key: _cell(item, inner) for key, item in value.items()}
        case ObjectHint(fields=fields) if isinstance(value, dict):
            hints = dict(fields)
            row = {name: _cell(item, hints.get(name, AnyHint())) for name, item in value.items()}
            return _of_variant(row, hint)
    return _plain(value)


def _scalar(value: Any, cls: type) -> Any:
    if cls is date and isinstance(value, datetime) and value == datetime(value.year, value.month, value.day):
        return value.date()
    if cls is Decimal and isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    return value


def _of_variant(row: dict[str, Any], hint: ObjectHint) -> dict[str, Any]:
    """A row of models told apart by a discriminator, without the nulls in the other models' columns."""
    for variant in hint.variants:
        own = dict(variant.fields)
        literals = [(name, field) for name, field in variant.fields if isinstance(field, LiteralHint)]
        if literals and all(row.get(name) in field.values for name, field in literals):
            return {name: value for name, value in row.items() if name in own or value is not None}
    return row


def _items(cell: Any) -> list[Any]:
    """A list, or an array as one; numpy's own makes integers of moments."""
    if not isinstance(cell, np.ndarray):
        return list(cell)
    return list(pd.Series(cell).tolist() if cell.dtype.kind == "M" else cell.tolist())


def _plain(value: Any) -> Any:
    """A cell with lists for arrays, at every depth."""
    if isinstance(value, np.ndarray | list):
        return [_plain(item) for item in _items(value)]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value
