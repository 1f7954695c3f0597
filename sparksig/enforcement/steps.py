"""The plan: what happens to each column, decided from schemas alone, as frozen data.

A plan says for every declared column where it comes from, how its values travel to the declared type and what each row
must still show. It is printable and comparable, and nothing in it needs Spark; `sql` and `values` only spell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

from sparksig import tables
from sparksig.enforcement.columns import Match, match_columns, unknown_paths
from sparksig.enforcement.policy import Policy
from sparksig.errors import Code, NotSupportedError, Problem, SchemaError
from sparksig.signature.casts import Between, Cast, Fixed, Guard, InNanoseconds, Level, Source, find_cast, find_rounding
from sparksig.signature.dtypes import ELEMENTS, Element, Kind
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import DataType
from sparksig.sources.observed import ArrayType, DecimalType, ObservedType, ScalarType, StructType


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value: cast, then judged.

    Attributes:
        cast: the cell of the cast table.
        nulls: whether a null is admitted.
        nan: whether NaN is admitted.
        after: what the cast value must satisfy besides: the bounds of the model's container.
    """

    cast: Cast
    nulls: bool
    nan: bool = True
    after: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class FlatTensorNode:
    """One tensor a row, its entries lying flat in an array, in C order.

    Attributes:
        element: what happens to each entry; a null entry is always a violation.
        shape: the shape of one row's tensor, without the batch dimension.
        nulls: whether a null row is admitted.
    """

    element: ScalarNode
    shape: tuple[int, ...]
    nulls: bool

    @property
    def length(self) -> int:
        """How many entries a row has."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class AbsentNode:
    """An optional column that the table has not: a typed null."""

    element: Element


Node: TypeAlias = ScalarNode | FlatTensorNode | AbsentNode


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one declared column.

    Attributes:
        name: the column's name in the signature; its position, as text, in an unnamed one.
        position: where the table has it, from 0; None where it has not.
        declared: the declared type in words.
        observed: the table's type in words.
        required: whether the signature requires it.
        node: the work.
    """

    name: str
    position: int | None
    declared: str
    observed: str
    required: bool
    node: Node

    @property
    def verdict(self) -> str:
        """One word: absent, kept, widened, checked, parsed or rounded."""
        match self.node:
            case AbsentNode():
                return "absent"
            case ScalarNode(cast=cast) | FlatTensorNode(element=ScalarNode(cast=cast)):
                if cast.rounds:
                    return "rounded"
                words = {Level.STRICT: "kept", Level.SAFE: "widened", Level.CHECKED: "checked", Level.PARSE: "parsed"}
                return words[cast.level]

    @property
    def checks(self) -> tuple[str, ...]:
        """What each row must show, in words."""
        match self.node:
            case AbsentNode():
                return ()
            case ScalarNode() as node:
                return tuple(_checks(node))
            case FlatTensorNode(element, _, nulls) as node:
                whole = () if nulls else ("not null",)
                return (*whole, f"{node.length} entries", *(f"each {check}" for check in _checks(element)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What enforcing a signature on a table will do; see `sparksig.plan`.

    Attributes:
        steps: one for each declared column that can be enforced, in the signature's order.
        extra: the table's columns that the signature does not name.
        problems: every fault of the schema; rows are enforced only where there is none.
        policy: the policy it was made with.
        columns: the names of all columns of the table, in order.
        named: whether the signature names its columns.
    """

    steps: tuple[Step, ...]
    extra: tuple[str, ...]
    problems: tuple[Problem, ...]
    policy: Policy
    columns: tuple[str, ...]
    named: bool = True

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
            count = len(self.problems)
            found = f"{count} problem{'s' if count > 1 else ''}"
            raise SchemaError(f"the table does not fit the signature: {found}, no row was read", self.problems)
        return self

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "ok": self.ok,
            "policy": self.policy.to_dict(),
            "columns": [
                {
                    "name": step.name,
                    "source": None if step.position is None else self.columns[step.position],
                    "declared": step.declared,
                    "required": step.required,
                    "observed": step.observed,
                    "verdict": step.verdict,
                    "checks": list(step.checks),
                }
                for step in self.steps
            ],
            "extra": list(self.extra),
            "problems": [
                {"path": p.path, "code": str(p.code or ""), "fact": p.fact, "hint": p.hint} for p in self.problems
            ],
        }

    def _rows(self) -> list[tuple[str, ...]]:
        planned: list[tuple[str, ...]] = [
            (s.name, s.declared + ("" if s.required else " (optional)"), s.observed, s.verdict, ", ".join(s.checks))
            for s in self.steps
        ]
        return planned + [(p.path, "", "", "refused", f"{p.fact} [{p.code}]") for p in self.problems]

    def __str__(self) -> str:
        verdict = "fits" if self.ok else f"does not fit: {len(self.problems)} problem(s)"
        lines = [f"the table {verdict}", tables.text(_HEADER, self._rows())]
        lines += [f"hint for {p.path}: {p.hint}" for p in self.problems if p.hint]
        if self.extra:
            lines.append(f"not in the signature: {', '.join(map(tables.printable, self.extra))}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return tables.html(_HEADER, self._rows(), "the table fits" if self.ok else "the table does not fit")


_HEADER = ("column", "declared", "observed", "verdict", "row checks")


def plan_table(observed: StructType, signature: ModelSignature | Schema, policy: Policy) -> Plan:
    """Decide what happens to each column of a table.

    Args:
        observed: the table's schema.
        signature: what the model was promised: a signature (its inputs count) or a schema.
        policy: the options.

    Returns:
        The plan, whose `problems` list every fault of the schema.

    Raises:
        NotSupportedError: the signature declares types that are not enforced yet; all of them are named.
        PolicyError: the policy names columns that the signature has not.
    """
    schema = signature.inputs if isinstance(signature, ModelSignature) else signature
    names = tuple(field.name for field in observed.fields)
    if schema is None:
        no_inputs = Problem("", "the signature declares no inputs", Code.NO_INPUTS, "declare inputs=Schema([..])")
        return Plan((), names, (no_inputs,), policy, names)
    matches, extra, problems = match_columns(names, schema, policy)
    _refuse_unbuilt(schema)
    unknown_paths(schema, policy)
    steps: list[Step] = []
    for match in matches:
        found = _step(match, observed, policy)
        if isinstance(found, Step):
            steps.append(found)
        elif found is not None:
            problems.append(found)
    return Plan(tuple(steps), extra, tuple(problems), policy, names, schema.has_input_names())


def _step(match: Match, observed: StructType, policy: Policy) -> Step | Problem | None:
    spec, position = match.spec, match.position
    required = not (isinstance(spec, ColSpec) and not spec.required)
    if position is None:
        if policy.absent_optional == "omit":
            return None
        element = _element(spec)
        assert element is not None  # a tensor is always required, other types are refused above
        return Step(match.name, None, describe(spec), "absent", required, AbsentNode(element))
    kind = observed.fields[position].type
    node = _node(spec, kind, match.name, required, policy)
    if isinstance(node, Problem):
        return node
    return Step(match.name, position, describe(spec), str(kind), required, node)


def _node(spec: ColSpec | TensorSpec, kind: ObservedType, path: str, required: bool, policy: Policy) -> Node | Problem:
    nulls = not required or policy.admits_nulls(path)
    if isinstance(spec, ColSpec):
        element = _element(spec)
        assert element is not None
        return _scalar(element, kind, path, nulls, policy)
    if not isinstance(kind, ArrayType):
        return _refusal(path, describe(spec), kind, "a tensor is read from an array of its entries, flat in C order")
    row = ELEMENTS.get(spec.type.name)
    if row is None:
        return Problem(path, f"{spec.type.name} has no Spark type that carries it", Code.UNSUPPORTED_TYPE)
    entry = _scalar(row, kind.element, path, False, policy, container=False)
    if isinstance(entry, Problem):
        return _refusal(path, describe(spec), kind, entry.hint)
    return FlatTensorNode(entry, tuple(spec.shape[1:]), nulls)


def _scalar(
    target: Element,
    kind: ObservedType,
    path: str,
    nulls: bool,
    policy: Policy,
    container: bool = True,
) -> ScalarNode | Problem:
    declared = target.mlflow or target.numpy
    source = _source(kind)
    exact = None if source is None else find_cast(source, target)
    if exact is None or source is None:
        return _refusal(path, declared, kind)
    level = policy.level_of(path)
    rounding = find_rounding(source, target)
    if policy.rounds(path) and rounding is not None and rounding.level <= level:
        exact = rounding
    if exact.level > level:
        hint = f"level='{exact.level}' admits it, value by value"
        if rounding is not None:
            hint += "; allow_rounding=True rounds each value to the nearest"
        return _refusal(path, declared, kind, hint)
    after = tuple(_container(target, nulls)) if container else ()
    return ScalarNode(exact, nulls, policy.allow_nan or target.kind is not Kind.FLOAT, after)


def _container(target: Element, nulls: bool) -> Iterator[Guard]:
    """What the array that the model receives can hold: integers beside nulls are float64, moments are nanoseconds."""
    if target.kind is Kind.DATETIME:
        yield InNanoseconds()
    double = ELEMENTS["float64"]
    if nulls and target.kind is Kind.INTEGER and target.digits > double.digits:
        yield Between(double.low, double.high, Code.NOT_EXACT)


def _source(kind: ObservedType) -> Source | None:
    match kind:
        case ScalarType(element):
            return element
        case DecimalType(precision, scale):
            return Fixed(precision, scale)
    return None


def _refusal(path: str, declared: str, kind: ObservedType, hint: str | None = None) -> Problem:
    return Problem(path, f"declared {declared}, the table has {kind}", Code.INCOMPATIBLE_TYPE, hint)


def describe(spec: ColSpec | TensorSpec) -> str:
    """The declared type in words: `long`, `float32(-1, 8, 8)`.

    >>> import numpy as np
    >>> describe(TensorSpec(np.dtype("float32"), (-1, 8, 8)))
    'float32(-1, 8, 8)'
    """
    if isinstance(spec, TensorSpec):
        return f"{spec.type.name}({', '.join(map(str, spec.shape))})"
    element = _element(spec)
    return str(element.mlflow) if element else repr(spec.type)


def _element(spec: ColSpec | TensorSpec) -> Element | None:
    return spec.type.element if isinstance(spec, ColSpec) and isinstance(spec.type, DataType) else None


def _refuse_unbuilt(schema: Schema) -> None:
    """Name what is declared but not enforced yet: it must never pass silently."""
    problems = [
        Problem(str(spec.name if spec.name is not None else i), f"{describe(spec)} is not enforced yet")
        for i, spec in enumerate(schema)
        if not _built(spec)
    ]
    if problems:
        raise NotSupportedError("the signature declares types that sparksig does not enforce yet", problems)


def _built(spec: ColSpec | TensorSpec) -> bool:
    if isinstance(spec, ColSpec):
        return isinstance(spec.type, DataType)
    return len(spec.shape) > 1 and spec.shape[0] == -1 and all(size >= 0 for size in spec.shape[1:])


def _checks(node: ScalarNode) -> Iterable[str]:
    if not node.nulls:
        yield "not null"
    if not node.nan:
        yield "not NaN"
    yield from map(str, (*node.cast.guards, *node.after))
