"""The plan: what happens to each column, decided from schemas alone, as frozen data.

A plan says for every declared column where it comes from, how its values travel to the declared type and what each row
must still show. It is printable and comparable, and nothing in it needs Spark: `planning` decides it, `sql` and
`values` only spell it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sparksig import tables
from sparksig.enforcement.nodes import (
    AbsentNode,
    AnyNode,
    ArrayNode,
    ColumnsNode,
    Layout,
    MapNode,
    Node,
    ScalarNode,
    StructNode,
    TensorNode,
    VariantNode,
    VectorNode,
    entry_path,
    leaves,
)
from sparksig.enforcement.policy import Policy
from sparksig.errors import AbsentColumnWarning, Problem, SchemaError
from sparksig.signature.casts import InYears, Level, ValidUtf8
from sparksig.signature.dtypes import Kind
from sparksig.signature.paths import ELEMENT, VALUE
from sparksig.sources.observed import StructType


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one declared column.

    Attributes:
        name: the column's name in the signature; its position, as text, in an unnamed one.
        positions: the table's columns that hold it, from 0: one as a rule, none where it is absent, several where each
            holds one entry of a tensor.
        declared: the declared type in words.
        observed: the table's type in words.
        required: whether the signature requires it.
        node: the work.
        label: the name as the signature has it, an integer where it is one; None in an unnamed signature.
        built: whether the columns are the members of the declared object, which is made of them.
    """

    name: str
    positions: tuple[int, ...]
    declared: str
    observed: str
    required: bool
    node: Node
    label: str | int | None = None
    built: bool = False

    @property
    def position(self) -> int | None:
        """The first of the table's columns that hold it."""
        return self.positions[0] if self.positions else None

    @property
    def verdict(self) -> str:
        """One word: absent, kept, widened, checked, parsed or rounded; of what is nested, the most daring one."""
        if isinstance(self.node, AbsentNode):
            return "absent"
        words = [_WORDS[leaf.cast.level] if not leaf.cast.rounds else "rounded" for _, leaf in leaves(self.node)]
        return max(words, key=list(_ORDER).index, default="kept")

    @property
    def checks(self) -> tuple[str, ...]:
        """What each row must show, in words."""
        return tuple(_checks(self.node, ""))


_WORDS = {Level.STRICT: "kept", Level.SAFE: "widened", Level.CHECKED: "checked", Level.PARSE: "parsed"}
_ORDER = (*_WORDS.values(), "rounded")


@dataclass(frozen=True, slots=True)
class Plan:
    """What enforcing a signature on a table will do; see `sparksig.plan`.

    Attributes:
        steps: one for each declared column that can be enforced, in the signature's order.
        extra: the table's columns that the signature does not name.
        problems: every fault of the schema; rows are enforced only where there is none.
        policy: the policy it was made with.
        table: the table's schema.
        named: whether the signature names its columns.
        warnings: the optional columns and struct members that the table does not have, unless `on_absent` says
            otherwise, each with the most similar extra column as its hint.

    >>> import pyarrow as pa
    >>> from sparksig import ColSpec, Schema, plan
    >>> made = plan(pa.schema({"price": pa.string()}), Schema([ColSpec("double", "price")]))
    >>> made.ok, [problem.code.value for problem in made.problems]
    (False, ['INCOMPATIBLE_TYPE'])
    """

    steps: tuple[Step, ...]
    extra: tuple[str, ...]
    problems: tuple[Problem, ...]
    policy: Policy
    table: StructType
    named: bool = True
    warnings: tuple[Problem, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the table's columns, in order."""
        return tuple(field.name for field in self.table.fields)

    @property
    def ok(self) -> bool:
        """Whether the table's schema fits: then no cast can fail a run, and only row checks remain."""
        return not self.problems

    def require_ok(self) -> Plan:
        """The plan itself.

        Raises:
            SchemaError: the table's schema does not fit; every problem is listed.
        """
        if self.problems:
            raise SchemaError(f"the table does not fit the signature: {self._count()}, no row was read", self.problems)
        return self

    @property
    def warning_lines(self) -> tuple[str, ...]:
        """The warnings, one line each."""
        return tuple(f"{w.path}: {w.fact}" + (f"; {w.hint}" if w.hint else "") for w in self.warnings)

    def warn(self, stacklevel: int = 3) -> None:
        """Issue one `AbsentColumnWarning` for all warnings of the plan; none if there are no warnings.

        Args:
            stacklevel: which caller the warning points at: 3 for the caller of the function that calls this method.
        """
        if self.warnings:
            options = "on_absent='error' rejects such a table, on_absent='ignore' accepts it without a warning"
            lines = ["the table lacks optional columns", *self.warning_lines, options]
            warnings.warn("\n  ".join(lines), AbsentColumnWarning, stacklevel=stacklevel)

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "ok": self.ok,
            "policy": self.policy.to_dict(),
            "columns": [
                {
                    "name": step.name,
                    "source": [self.columns[position] for position in step.positions],
                    "declared": step.declared,
                    "required": step.required,
                    "observed": step.observed,
                    "verdict": step.verdict,
                    "checks": list(step.checks),
                }
                for step in self.steps
            ],
            "extra": list(self.extra),
            "problems": _problem_dicts(self.problems),
            "warnings": _problem_dicts(self.warnings),
        }

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (s.name, s.declared + ("" if s.required else " (optional)"), s.observed, s.verdict, ", ".join(s.checks))
            for s in self.steps
        ]

    def _verdict(self) -> str:
        return "the table fits" if self.ok else f"the table does not fit: {self._count()}"

    def _count(self) -> str:
        return _counted(len(self.problems), "problem")

    def __str__(self) -> str:
        refused = [(p.path, "", "", "refused", f"{p.fact} [{p.code}]") for p in self.problems]
        lines = [self._verdict(), tables.text(_HEADER, [*self._rows(), *refused])]
        lines += [f"hint for {tables.printable(p.path) or '$'}: {p.hint}" for p in self.problems if p.hint]
        lines += [f"warning: {tables.printable(line)}" for line in self.warning_lines]
        if self.extra:
            lines.append(f"not in the signature: {', '.join(map(tables.printable, self.extra))}")
        return "\n".join(lines)

    _repr_pretty_ = tables.pretty

    def _repr_html_(self) -> str:
        found = [(p.path, p.code or "", p.fact, p.hint or "") for p in self.problems]
        parts = [tables.html(_PROBLEMS, found, self._verdict())] if found else []
        if self.warnings:
            rows = [(w.path, w.code or "", w.fact, w.hint or "") for w in self.warnings]
            parts.append(tables.html(_WARNINGS, rows, _counted(len(rows), "warning")))
        if self.steps:
            parts.append(tables.html(_HEADER, self._rows(), "the columns that fit" if found else self._verdict()))
        if self.extra:
            extra, names = f"{len(self.extra):,} columns not in the signature", ", ".join(self.extra)
            many = len(self.extra) > tables.ROWS
            told = tables.folded(extra, tables.note(names)) if many else tables.note(f"not in the signature: {names}")
            parts.append(told)
        return "".join(parts)


_HEADER = ("column", "declared", "observed", "verdict", "row checks")
_PROBLEMS = ("column", "code", "problem", "hint")
_WARNINGS = ("column", "code", "warning", "hint")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _problem_dicts(problems: Iterable[Problem]) -> list[dict[str, str | None]]:
    return [{"path": p.path, "code": str(p.code or ""), "fact": p.fact, "hint": p.hint} for p in problems]


def _checks(node: Node, where: str) -> Iterator[str]:
    """What a value must show, in words, with the way to it where it is nested."""
    if not getattr(node, "nulls", True):
        yield f"{where} not null".strip()
    match node:
        case ScalarNode(cast=cast, nan=nan, after=after):
            held = [f"{guard}" if isinstance(guard, ValidUtf8) else f"{guard} {_CONTAINER}" for guard in after]
            asked = [*([] if nan else ["not NaN"]), *cast.guards, *held]
            yield from (f"{where} {check}".strip() for check in asked)
        case ArrayNode(element):
            yield from _checks(element, where + ELEMENT)
        case VariantNode():
            yield f"{where} dates {InYears()}".strip()
        case AnyNode(inside=inside) if inside is not None:
            yield from _checks(inside, where)
        case MapNode(value, key=key, unique=unique):
            yield from (f"{where} keys {check}".strip() for check in (() if key is None else _checks(key, "")))
            yield from ([f"{where} keys different".strip()] if unique else [])
            yield from _checks(value, where + VALUE)
        case StructNode(members):
            for member in members:
                yield from _checks(member.node, f"{where}.{member.name}")
        case VectorNode(nan=nan):
            yield f"{where}{ELEMENT} not null" + ("" if nan else " and not NaN")
        case TensorNode(element):
            if node.layout is not Layout.SCALAR:
                yield f"{where} {_size(node)}".strip()
            if node.layout is Layout.NESTED:
                yield from (f"{where}{ELEMENT * depth} not null" for depth in range(1, len(node.shape)))
            if node.layout is Layout.BINARY:  # all bytes are entries, but for booleans
                yield from ([f"{where}[] 0 or 1"] if element.cast.target.kind is Kind.BOOLEAN else [])
            elif node.layout is Layout.SCALAR:  # the row is the entry
                yield from _checks(replace(element, nulls=True), where)
            else:
                yield from _checks(element, where + entry_path(node))
        case ColumnsNode(entries):
            for name, entry in entries:
                yield from _checks(entry, name)


_CONTAINER = "(for the model)"
"""Said of what the declared type would hold, and the array that the model receives does not."""


def _size(node: TensorNode) -> str:
    match node.layout:
        case Layout.NESTED:
            return f"of shape ({', '.join('any' if n < 0 else str(n) for n in node.shape)})"
        case Layout.BINARY:
            return f"{node.length} entries in bytes"
        case _:
            return f"{node.length} entries" if node.length is not None else "entries that fill the shape"
