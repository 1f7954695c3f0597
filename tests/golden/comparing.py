"""Compare what the code produces with golden files: a format may gain keys, and never lose, rename or retype one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
WRITER = "python -m tests.golden"


@dataclass(slots=True)
class Differences:
    """How a format differs from its golden file.

    Attributes:
        breaks: keys and names that are gone, and values that changed.
        gains: keys and names that the golden file does not have yet.
    """

    breaks: list[str] = field(default_factory=list)
    gains: list[str] = field(default_factory=list)

    def message(self, name: str) -> str:
        """The text for the developer who changed the format; empty where nothing differs."""
        lines: list[str] = []
        if self.breaks:
            rule = "It may gain keys and names, but never lose, rename or retype one: restore them (CONTRIBUTING.md)."
            lines += [f"BREAK of a stable format, {file_of(name).name}. {rule}", *(f"  {each}" for each in self.breaks)]
        if self.gains:
            lines += [f"{file_of(name).name} is not complete. Run `{WRITER}` and commit the change of the file:"]
            lines += [f"  {each}" for each in self.gains]
        return "\n".join(lines)


def compare(golden: Any, present: Any) -> Differences:
    """Compare two trees: a dict has keys, a list has names in any order, everything else is a value."""
    differences = Differences()
    _compare(golden, present, "", differences)
    return differences


def _compare(golden: Any, present: Any, path: str, differences: Differences) -> None:
    if isinstance(golden, dict) and isinstance(present, dict):
        _compare_names(golden, present, path, differences)
        for key in golden.keys() & present.keys():
            _compare(golden[key], present[key], _join(path, key), differences)
    elif isinstance(golden, list) and isinstance(present, list):
        _compare_names(golden, present, path, differences)
    elif (type(golden), golden) != (type(present), present):
        differences.breaks.append(f"{path}: was {json.dumps(golden)}, is {json.dumps(present)}")
    differences.breaks.sort()


def _compare_names(golden: Any, present: Any, path: str, differences: Differences) -> None:
    differences.breaks += [f"{_join(path, name)}: lost" for name in golden if name not in present]
    differences.gains += [f"{_join(path, name)}: new" for name in present if name not in golden]


def _join(path: str, name: str) -> str:
    return f"{path} > {name}" if path else name


def shape(*documents: Any) -> dict[str, str]:
    """The JSON type at every path of some documents of one kind; types of one path are joined by `|`.

    A path that ends in `[]` is each element of an array.
    """
    found: dict[str, set[str]] = {}
    for document in documents:
        for path, kind in _types(document, ""):
            found.setdefault(path, set()).add(kind)
    return {path: " | ".join(sorted(kinds)) for path, kinds in sorted(found.items())}


def _types(value: Any, path: str) -> Iterator[tuple[str, str]]:
    yield path or "$", _JSON_TYPES[type(value)]
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _types(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _types(inner, f"{path}[]")


_JSON_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def file_of(name: str) -> Path:
    """The golden file of a format."""
    return FOLDER / f"{name}.json"


def read_golden(name: str) -> Any:
    """The content of a golden file; empty where the format does not have one yet."""
    file = file_of(name)
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def write_golden(name: str, present: Any) -> None:
    """Replace a golden file."""
    file_of(name).write_text(json.dumps(present, indent=2, ensure_ascii=False) + "\n", "utf-8")


def differences(name: str, present: Any) -> str:
    """How a format differs from its golden file, for the developer; empty where it does not."""
    return compare(read_golden(name), json.loads(json.dumps(present))).message(name)
