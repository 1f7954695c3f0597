"""A YAML file as plain values. Nothing is run, nothing is guessed, and nothing that stands there is overlooked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from sparksig.errors import ConfigError, Problem

# The scalars of YAML 1.2's core schema. YAML 1.1, which PyYAML reads, has `no` for false, 010 for 8, 1:30 for 90, and
# takes 1e3 for a text; here an integer is one only if it is written as JSON writes it, so that 007 stays what it is.
_SCALARS = (
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?(0|[1-9][0-9]*)"), int),
    (re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.[0-9]+([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
)

_TAGS = (
    "str",
    "int",
    "float",
    "bool",
    "null",
    "timestamp",
    "merge",
    "value",
    "map",
    "seq",
)  # what needs none to be one
_NESTING = 50


def parsed(path: str, problems: list[Problem]) -> dict[str, Any]:
    """The file as values, read without running anything; keys are texts as they are written."""
    try:
        node = yaml.compose(Path(path).read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        content = {} if node is None else _value(node, (), path, problems, set())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ConfigError("the configuration cannot be read", [Problem(path, reason)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)  # its message may quote the file
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ConfigError("the configuration cannot be read", [Problem(path, f"no YAML{where}")]) from None
    if not isinstance(content, dict):
        raise ConfigError("the configuration cannot be read", [Problem(path, "no map of keys and values")])
    return content


def _value(node: yaml.Node, keys: tuple[str | int, ...], path: str, problems: list[Problem], seen: set[int]) -> Any:
    """The value of a node. A key that is given twice is a problem: the last one would win, and nobody would know."""
    if fact := _refusal(node, keys, seen):
        problems.append(Problem(f"{path}: {dotted(keys)}", fact))
        return ""
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*keys, at), path, problems, seen) for at, each in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        plain = _SCALARS if node.style is None else ()
        return next((read(node.value) for form, read in plain if form.fullmatch(node.value)), node.value)
    found: dict[str, Any] = {}
    for key, each in node.value:
        fact = _refusal(key, keys, seen) if isinstance(key, yaml.ScalarNode) else "a key that is no text"
        if fact or key.value in found:
            at = keys if fact else (*keys, key.value)
            problems.append(Problem(f"{path}: {dotted(at)}", fact or "given twice"))
        if not fact:
            found[key.value] = _value(each, (*keys, key.value), path, problems, seen)
    return found


def _refusal(node: yaml.Node, keys: tuple[str | int, ...], seen: set[int]) -> str:
    """Why a node is not read, if it is not."""
    if id(node) in seen:
        return "an alias, which is not read here"
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
        return "a tag, which is not read here"
    if len(keys) > _NESTING:
        return "nested too deeply"
    broken = isinstance(node, yaml.ScalarNode) and any("\ud800" <= mark <= "\udfff" for mark in node.value)
    return "half a surrogate pair, which is no character" if broken else ""


def dotted(keys: tuple[str | int, ...]) -> str:
    """Where in a file something stands.

    >>> dotted(("params", "stops", 0))
    'params.stops[0]'
    """
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".") or "$"
