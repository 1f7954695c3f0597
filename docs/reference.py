"""The text of `docs/api.md`, made of the docstrings of what users import; `make docs` writes it.

Griffe reads the source and the docstrings; nothing is imported, so that the tasks of Airflow are read without Airflow.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).resolve().parent.parent

GROUPS = {
    "Signatures": "ModelSignature Schema ColSpec TensorSpec ParamSchema ParamSpec"
    " check_compatible Compatibility check_registrable",
    "Types": "DataType Array Object Property Map AnyType SparkMLVector",
    "Where a signature comes from": "load_signature infer_signature signature_from_hints signature_from_struct"
    " save_signature set_signature struct_type",
    "Enforcement": "plan enforce tag split validate enforce_values Policy Level Plan Split Report",
    "Scoring": "score predict_udf infer_output payload_frame",
    "Models": "load_model save_model",
    "Input examples and payloads": "InputExample serving_payload load_serving_example parse_payload"
    " validate_serving_input",
    "Type hints": "validated validate_hint TypeFromExample",
    "Errors": "Code Problem SparksigError SignatureError SchemaError ViolationError ParamError PolicyError ConfigError"
    " ModelLoadError TrustError ModelError OutputError SinkError AccountingError EnvironmentFault NotSupportedError"
    " AbsentColumnWarning",
}
"""The names of `sparksig.__all__` but the version, in the order of the page."""

MODULES = {
    "Rows for tests": "testing.example_rows testing.valid_rows testing.violating_rows",
    "Airflow": "airflow.operators.SparksigOperator airflow.operators.SparksigValidateOperator"
    " airflow.operators.SparksigScoreOperator airflow.gates.SparksigShortCircuitOperator"
    " airflow.gates.SparksigBranchOperator",
    "The summary of a run": "report.summary.Summary",
}
"""What is imported from modules of its own."""

HANDED_BACK = "What is handed back"

_HEAD = """\
# API

<!-- Made of the docstrings by `make docs`; do not edit. -->

What follows is imported from `sparksig` itself, as in `from sparksig import enforce`, where a heading does not name a
module. Names are loaded when they are first used. `sparksig.__version__` is the version. In the examples `spark` is a
session, and what the heading names is imported; they run as tests. What of all this stays as it is, and for how long,
says [versions.md](versions.md#what-does-not-change).

"""


def slug(heading: str) -> str:
    """The anchor that code hosts give a heading.

    >>> slug("class ModelSignature"), slug("sparksig.testing.example_rows()")
    ('class-modelsignature', 'sparksigtestingexample_rows')
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sections(obj: griffe.Object) -> Iterator[tuple[str, Any]]:
    """The parts of a docstring by kind: text, example, parameters, returns, raises, attributes."""
    for section in obj.docstring.parsed if obj.docstring else ():
        if section.kind is not griffe.DocstringSectionKind.text:
            yield section.kind.value, section.value
            continue
        for paragraph in re.split(r"\n\n+", section.value):
            yield ("example" if paragraph.startswith(">>>") else "text"), paragraph


@dataclass(frozen=True)
class Reference:
    """The public names, read from the source.

    Attributes:
        package: `sparksig`, as griffe reads it.
    """

    package: griffe.Module = field(repr=False)

    @classmethod
    def read(cls) -> Reference:
        """The checkout's."""
        package = griffe.load("sparksig", search_paths=[str(ROOT)], docstring_parser="google")
        assert isinstance(package, griffe.Module)
        return cls(package)

    def find(self, name: str) -> griffe.Object:
        """The object behind a name, as it is seen from `sparksig`."""
        found = self.package[name]
        return found.final_target if isinstance(found, griffe.Alias) else found

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Names by group; the last one is the classes that the others hand back and that are in no group."""
        listed = {title: names.split() for title, names in (GROUPS | MODULES).items()}
        known = {self.find(name).path for names in listed.values() for name in names}
        handed = [
            path.removeprefix("sparksig.")
            for names in listed.values()
            for name in names
            for path in self._classes_named_by(self.find(name))
            if path not in known
        ]
        return {**listed, HANDED_BACK: list(dict.fromkeys(handed))}

    def _classes_named_by(self, obj: griffe.Object) -> Iterator[str]:
        for each in (obj, *members(obj)):
            for annotation in (_annotation(each), *(p.annotation for p in parameters(each))):
                if not isinstance(annotation, griffe.Expr):
                    continue
                for part in annotation.iterate(flat=True):
                    path = getattr(part, "canonical_path", "")
                    if path.startswith("sparksig.") and (found := self.find(path[len("sparksig.") :])).is_class:
                        yield found.path

    @cached_property
    def headings(self) -> dict[str, str]:
        """Headings by name."""
        return {name: self._heading(name) for names in self.groups.values() for name in names}

    def _heading(self, name: str) -> str:
        full = f"sparksig.{name}" if "." in name else name
        return f"class {full}" if self.find(name).is_class else f"{full}()"

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Anchors by the name's last part, which is what texts and annotations say."""
        return {name.rpartition(".")[2]: slug(heading) for name, heading in self.headings.items()}

    # ---- the page

    def markdown(self) -> str:
        """The text of `docs/api.md`."""
        lines = (f"- [{title}](#{slug(title)}): {self._list(names)}\n" for title, names in self.groups.items())
        parts = [_HEAD, *lines]
        for title, names in self.groups.items():
            parts += [f"\n## {title}\n", *(self._entry(name) for name in names)]
        return re.sub(r"\n{3,}", "\n\n", "".join(parts))

    def _list(self, names: Iterable[str]) -> str:
        return ", ".join(self.linked(f"`{name.rpartition('.')[2]}`") for name in names)

    def linked(self, text: str, own: str = "") -> str:
        """Text in which names in code spans lead to their headings, but for the one that it is about."""

        def link(match: re.Match[str]) -> str:
            name = match[1].removeprefix("sparksig.")
            return f"[{match[0]}](#{self.anchors[name]})" if name in self.anchors and name != own else match[0]

        return re.sub(r"`([\w.]+)(?:\(\))?`", link, text)

    def _entry(self, name: str) -> str:
        obj = self.find(name)
        own = name.rpartition(".")[2]
        lines = [f"\n### {self.headings[name]}\n", *self._signature(obj, own)]
        for kind, value in sections(obj):
            lines += self._section(kind, value, obj, own)
        if obj.is_class:
            lines += self._values(obj, own) + self._members(obj, own)
        return "\n".join(lines) + "\n"

    def _signature(self, obj: griffe.Object, own: str) -> list[str]:
        if obj.is_class and (_is_enum(obj) or not parameters(obj)):
            return []
        said = [self._parameter(p) for p in parameters(obj)]
        stars = [i for i, p in enumerate(parameters(obj)) if p.kind is griffe.ParameterKind.keyword_only]
        if stars and not any(p.kind is griffe.ParameterKind.var_positional for p in parameters(obj)):
            said.insert(stars[0], "*")
        bases = [str(base) for base in getattr(obj, "bases", ()) if str(base) not in ("NamedTuple", "Generic")]
        back = f" -> {_annotation(obj)}" if obj.is_function else ""
        short = f"{own}({', '.join(said)}){back}"
        long = f"{own}(\n" + "".join(f"    {one},\n" for one in said) + f"){back}"
        lines = ["```python signature", short if len(short) <= 100 else long, "```", ""]
        if bases:
            lines += ["Bases: " + ", ".join(self.linked(f"`{base}`") for base in bases) + ".", ""]
        return lines

    def _parameter(self, p: griffe.Parameter) -> str:
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(p.kind.value if p.kind else "", "")
        kind = f": {p.annotation}" if p.annotation is not None else ""
        if stars or p.default is None:
            return f"{stars}{p.name}{kind}"
        default: Any = p.default
        if isinstance(default, griffe.ExprName) and default.canonical_path.startswith("sparksig."):
            default = getattr(self.find(default.canonical_path[len("sparksig.") :]), "value", default)
        return f"{p.name}{kind} = {default}" if kind else f"{p.name}={default}"

    def _section(self, kind: str, value: Any, obj: griffe.Object, own: str) -> list[str]:
        match kind:
            case "text":
                return [self.linked(_flowing(value), own), ""]
            case "example":
                return ["```pycon", value, "```", ""]
            case "parameters" | "attributes":
                title = "Args" if kind == "parameters" else "Attributes"
                rows = [self._row(f"`{e.name}`", e.annotation, e.description, own) for e in value]
            case "returns":
                title = "Returns"
                rows = [self._row("", _annotation(obj), e.description, own) for e in value]
            case "raises":
                title = "Raises"
                rows = [f"- {self.linked(f'`{e.annotation}`', own)}: {self._said(e.description, own)}" for e in value]
            case _:
                raise ValueError(f"{obj.path}: a section {kind}, which the reference does not know")
        return [f"**{title}**", "", *rows, ""]

    def _row(self, name: str, annotation: Any, description: str, own: str) -> str:
        kind = self._type(annotation, own)
        head = f"{name} ({kind})" if name and kind else name or kind
        return f"- {head}: {self._said(description, own)}" if head else f"- {self._said(description, own)}"

    def _said(self, description: str, own: str) -> str:
        return self.linked(_flowing(description), own)

    def _type(self, annotation: Any, own: str) -> str:
        """An annotation in words: names of types are told as what they stand for, classes lead to their headings."""
        if annotation is None:
            return ""
        parts = []
        for part in _alternatives(str(annotation)):
            alias = self._alias(part, annotation)
            words = re.findall(r"\b[A-Z]\w+", re.sub(r"'[^']*'", "", part))
            names = [name for name in words if name in self.anchors and name != own]
            if alias:
                parts.append(self._type(alias, own))
            else:
                parts.append(f"[`{part}`](#{self.anchors[names[0]]})" if len(names) == 1 else f"`{part}`")
        return " or ".join(dict.fromkeys(" or ".join(parts).split(" or ")))

    def _alias(self, name: str, annotation: Any) -> Any:
        for part in annotation.iterate(flat=True) if isinstance(annotation, griffe.Expr) else ():
            path = getattr(part, "canonical_path", "")
            if getattr(part, "name", None) == name and path.startswith("sparksig."):
                found = self.find(path[len("sparksig.") :])
                if not found.is_attribute:
                    return None
                return _unquoted(found)
        return self._aliases.get(name) if isinstance(annotation, str) else None

    @cached_property
    def _aliases(self) -> dict[str, Any]:
        """What the names of types stand for: a quoted one is known by its name alone."""
        todo, found = [self.package], {}
        while todo:
            for each in todo.pop().members.values():
                if isinstance(each, griffe.Module):
                    todo.append(each)
                elif isinstance(each, griffe.Attribute) and str(each.annotation) == "TypeAlias":
                    found[each.name] = _unquoted(each)
        return found

    def _values(self, obj: griffe.Object, own: str) -> list[str]:
        if not _is_enum(obj):
            return []
        names = [name for name, each in obj.members.items() if each.is_attribute and "property" not in each.labels]
        if own == "Code":
            return ["**Values**: " + ", ".join(f"[`{name}`](errors.md#{slug(name)})" for name in names) + ".", ""]
        return ["**Values**: " + ", ".join(f"`{own}.{name}`" for name in names) + ".", ""]

    def _members(self, obj: griffe.Object, own: str) -> list[str]:
        lines = []
        for each in members(obj):
            if not each.docstring or each.name == "__init__":
                continue
            call = "" if each.is_attribute else "(" + ", ".join(self._parameter(p) for p in parameters(each)) + ")"
            text = []
            for kind, value in sections(each):
                text += self._section(kind, value, each, own)
            kind = self._type(_annotation(each), own)
            head = f"- **`{each.name}{call}`**" + (f" ({kind})" if kind and kind != "`None`" else "")
            lines += [head + ": " + textwrap.indent("\n".join(text).strip(), "  ").strip()]
        return ["**Members**", "", *lines, ""] if lines else []


def members(obj: griffe.Object) -> list[griffe.Object]:
    """What a class has for its users: fields, properties and methods; its `__init__` too."""
    if not obj.is_class:
        return []
    shown = (each for name, each in obj.members.items() if not name.startswith("_") or name == "__init__")
    return [each for each in shown if isinstance(each, griffe.Attribute | griffe.Function)]


def parameters(obj: griffe.Object) -> list[griffe.Parameter]:
    """The parameters of a function, or of a class when it is called, without `self` and `cls`."""
    found = obj.members.get("__init__") if obj.is_class else obj
    return [p for p in getattr(found, "parameters", ()) if p.name not in ("self", "cls")]


def _annotation(obj: griffe.Object) -> Any:
    """What a function returns or what an attribute is, None for a class."""
    return getattr(obj, "annotation", None)


def _unquoted(alias: Any) -> Any:
    return alias.value if isinstance(alias.value, griffe.Expr) else str(alias.value).strip("'\"")


def _is_enum(obj: griffe.Object) -> bool:
    return any(str(base) in ("Enum", "StrEnum") for base in getattr(obj, "bases", ()))


def _alternatives(annotation: str) -> list[str]:
    """The members of a union.

    >>> _alternatives("dict[str, int | None] | str")
    ['dict[str, int | None]', 'str']
    """
    parts, depth = [""], 0
    for letter in annotation:
        depth += (letter in "[(") - (letter in "])")
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _flowing(text: str) -> str:
    """Lines of a docstring as one; lists keep theirs."""
    return re.sub(r"\n(?![-\n ])\s*", " ", text.strip())


if __name__ == "__main__":
    print(Reference.read().markdown(), end="")
