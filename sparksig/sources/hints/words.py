"""Hints in words: as people write them, why one is refused, and what to write instead."""

from __future__ import annotations

import enum
import numbers
import typing
from collections import abc
from datetime import datetime
from typing import Any

from sparksig.errors import Code, Problem, SignatureError

_CONTAINERS = ("pandas", "numpy", "scipy")
LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence, abc.Iterator)
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


def refused(hint: Any, fact: str, instead: str) -> SignatureError:
    """The error for a hint that is refused as a whole."""
    problem = Problem("", fact, Code.UNSUPPORTED_TYPE, instead)
    return SignatureError(f"the type hint {hint_text(hint)} cannot be declared", [problem])


def unsupported(hint: Any, path: str) -> Problem:
    """The problem of a part for which no type is declared."""
    return Problem(path, f"unsupported type hint {hint_text(hint)}", Code.UNSUPPORTED_TYPE, _instead(hint))


def _instead(hint: Any) -> str:
    origin, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in LISTS:
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
