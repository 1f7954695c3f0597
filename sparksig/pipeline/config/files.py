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
    if id(node) in seen or not node.tag.startswith("tag:yaml.org,2002:"):
        problems.append(Problem(f"{path}: {dotted(keys)}", "an alias or a tag, which is not read here"))
        return ""
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*keys, at), path, problems, seen) for at, each in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        if node.style is None:
            return next((read(node.value) for form, read in _SCALARS if form.fullmatch(node.value)), node.value)
        return node.value
    found: dict[str, Any] = {}
    for key, each in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in found:
            problems.append(Problem(f"{path}: {dotted((*keys, name))}", "given twice"))
        found[name] = _value(each, (*keys, name), path, problems, seen)
    return found


def dotted(keys: tuple[str | int, ...]) -> str:
    """Where in a file something stands.

    >>> dotted(("params", "stops", 0))
    'params.stops[0]'
    """
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".") or "$"
