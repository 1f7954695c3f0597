"""Values against the tree of a hint: each is what the hint says, or is made so, or is a fault that is counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import pandas as pd

from sparksig.errors import Code, Problem, ViolationError
from sparksig.models.typed.tables import listed
from sparksig.signature.members import class_name
from sparksig.sources.hints import AnyHint, DictHint, Hint, ListHint, LiteralHint, ObjectHint, OptionalHint, ScalarHint


@dataclass(slots=True)
class _Found:
    """What is wrong, by path, code and fact, and how often."""

    counts: dict[tuple[str, Code, str], int] = field(default_factory=dict)

    def add(self, path: str, code: Code, fact: str) -> object:
        key = (path, code, fact)
        self.counts[key] = self.counts.get(key, 0) + 1
        return None


@dataclass(frozen=True)
class HintReader:
    """Reads a batch by the tree of a hint, which is made once."""

    hint: Hint
    text: str

    def read(self, data: Any) -> list[Any]:
        """The list that the hint declares. Raises ViolationError with every fault, counted."""
        if isinstance(data, pd.DataFrame):
            data = listed(data, self.hint)
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
            name = dict(hint.renamed).get(str(part), part)
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
