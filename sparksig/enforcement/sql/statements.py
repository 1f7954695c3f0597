"""The spelling: a plan as Spark SQL text. The only way in which a check or a cast reaches Spark.

The text works on a frame whose columns have been renamed by position to `_0`, `_1`, ..: no user's name ever stands in
it, since Spark substitutes variables in SQL text before it parses and cannot name `a` beside `A`. What is said to a
person (a path, a type) is a hexadecimal literal. Every check is wrapped in `coalesce(.., false)`: SQL has three truth
values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sparksig.enforcement.sql import nodes
from sparksig.enforcement.sql.guards import text
from sparksig.enforcement.steps import (
    AbsentNode,
    ArrayNode,
    Layout,
    MapNode,
    Plan,
    ScalarNode,
    Step,
    StructNode,
    TensorNode,
    Types,
    VectorNode,
)
from sparksig.errors import NotSupportedError, Problem
from sparksig.signature.types import SparkMLVector

VIOLATIONS_TYPE = "array<struct<path:string,code:string,expected:string,observed:string>>"
"""The type of the violations column, in Spark's DDL."""

_HINT = ". hint: validate() counts such rows, split() sets them apart"


# ---- the plan


def column(position: int) -> str:
    """The generated name of the table's column at a position."""
    return f"_{position}"


def prepared(position: int) -> str:
    """The generated name of a column that must be opened before text can speak of what is in it."""
    return f"p{position}"


def preparations(plan: Plan) -> list[tuple[int, str | None]]:
    """The columns that must be opened first: a position and its expression; None for a vector, which SQL cannot open.

    The fields of structs are renamed by position, with a cast that changes nothing but names.
    """
    found: list[tuple[int, str | None]] = []
    for step in plan.steps:
        match step.node:
            case VectorNode(from_vector=True) | TensorNode(layout=Layout.VECTOR):
                found.append((step.positions[0], None))
            case node if nodes.opens_struct(node):
                kind = plan.table.fields[step.positions[0]].type
                found.append((step.positions[0], f"cast({column(step.positions[0])} as {nodes.renamed(kind)})"))
    return found


def opened_by_name(expressions: Sequence[str], names: Sequence[str]) -> str:
    """One struct of expressions under their names, to be opened by `q.*`: an alias would put a name into the text."""
    fields = ", ".join(f"{text(name)}, {expression}" for name, expression in zip(names, expressions, strict=True))
    return f"named_struct({fields}) as q"


def values(plan: Plan, flat: bool = False) -> list[str]:
    """One expression a step: the column as declared, but for vectors, which are arrays of their entries.

    Args:
        plan: a plan without problems.
        flat: as the model's batches take them: tensors as they lie in the table, with their entries cast, and moments
            as the instants that have their wall clocks in UTC.
    """
    return [_step_value(step, flat) for step in plan.steps]


def accepted(plan: Plan) -> str | None:
    """The condition that a clean row satisfies, never null; None where no row can be dirty."""
    conditions = []
    for group in _groups(plan, _MANY_CONDITIONS):
        condition = nodes.clean(group[0].node, "x" if len(group) > 1 else _x(group[0]), 0)
        if condition is not None:
            conditions.append(condition if len(group) == 1 else f"forall({_array(group)}, x -> {condition})")
    return " and ".join(conditions) if conditions else None


def violations(plan: Plan) -> str:
    """The violations of a row as an array of structs; null for a clean row."""
    condition = accepted(plan)
    if condition is None:
        return f"cast(null as {VIOLATIONS_TYPE})"
    return f"case when {condition} then null else {_faults(plan)} end"


def assertion(plan: Plan) -> str | None:
    """A filter that is true for a clean row and raises for a dirty one; None where no row can be dirty.

    `spark_partition_id()` makes it non-deterministic, so that the optimizer neither moves it below the user's own joins
    and filters nor copies it to another table.
    """
    condition = accepted(plan)
    if condition is None:
        return None
    one = "concat(v.path, ': ', v.code, ' (declared ', v.expected, ', the table has ', v.observed, ')')"
    every = f"array_join(transform({_faults(plan)}, v -> {one}), '; ')"
    message = f"concat('sparksig: a row breaks the signature: ', {every}, '{_HINT}')"
    return f"assert_true({condition} and spark_partition_id() >= 0, {message}) is null"


def statement(plan: Plan, source: str) -> str:
    """The SELECT that enforces, to be pasted into `spark.sql`: the rows that `enforce` gives, without `keep`.

    Args:
        plan: a plan without problems.
        source: the table as Spark SQL names it.

    Raises:
        NotSupportedError: the table has vectors, which SQL can neither open nor make; all of them are named.
    """
    vectors = {plan.steps[i].name for i in needs_vector(plan)} | {
        step.name for step in plan.steps if any(at in step.positions for at, how in preparations(plan) if how is None)
    }
    if vectors:
        problems = [Problem(name, "a vector, which Spark SQL can neither open nor make") for name in sorted(vectors)]
        raise NotSupportedError("enforcing this table cannot be said in SQL; enforce() does it", problems)
    table = f"{source} as t({', '.join(column(i) for i in range(len(plan.columns)))})"
    if preparations(plan):
        beside = ", ".join(f"{how} as {prepared(at)}" for at, how in preparations(plan))
        table = f"(select *, {beside} from {table})"
    rows = opened_by_name(values(plan), [step.name for step in plan.steps])
    condition = assertion(plan)
    where = "" if condition is None else f"\n  where {condition}"
    return f"select q.*\nfrom (\n  select {rows}\n  from {table}{where}\n)"


def _faults(plan: Plan) -> str:
    """The violations of a dirty row, in the order of the plan."""
    singles: list[str] = []
    parts: list[str] = []
    order = {step.name: i for i, step in enumerate(plan.steps)}
    for group in _groups(plan, _MANY_FAULTS):
        if len(group) > 1:
            parts.append(_group_faults(group, [order[step.name] for step in group]))
            continue
        for found in nodes.codes(group[0].node, _x(group[0]), group[0].name, 0):
            singles.append(_fault(str(order[group[0].name]), text(found.path), found.code, found.types))
    parts += [f"array({', '.join(singles)})"] if singles else []
    every = parts[0] if len(parts) == 1 else f"concat({', '.join(parts)})"
    real = f"filter({every}, v -> v.code is not null)"
    if len(parts) > 1:
        real = f"array_sort({real})"
    fields = ", ".join(f"'{name}', v.{name}" for name in ("path", "code", "expected", "observed"))
    return f"transform({real}, v -> named_struct({fields}))"


def _group_faults(group: Sequence[Step], order: Sequence[int]) -> str:
    """The faults of columns that are judged alike: one expression for all of them, their paths in one literal."""
    node = group[0].node
    assert isinstance(node, ScalarNode)
    (found,) = nodes.codes(node, "x", "", 0)
    places = json.dumps([{"i": i, "p": step.name} for i, step in zip(order, group, strict=True)])
    read = f"from_json({text(places)}, 'array<struct<i:int,p:string>>')"
    codes = f"transform({_array(group)}, x -> {found.code})"
    return f"zip_with({read}, {codes}, (m, c) -> {_fault('m.i', 'm.p', 'c', found.types)})"


def _fault(order: str, path: str, code: str, types: Types) -> str:
    return (
        f"named_struct('order', {order}, 'path', {path}, 'code', {code},"
        f" 'expected', {text(types.declared)}, 'observed', {text(types.observed)})"
    )


def _groups(plan: Plan, many: int) -> list[list[Step]]:
    """Steps that are judged alike, together: hundreds of columns must not become hundreds of expressions to analyse."""
    alike: dict[object, list[Step]] = {}
    for i, step in enumerate(plan.steps):
        lone = not isinstance(step.node, ScalarNode) or nodes.clean(step.node, "x", 0) is None
        alike.setdefault(i if lone else step.node, []).append(step)
    return [part for group in alike.values() for part in ([group] if len(group) >= many else [[s] for s in group])]


_MANY_CONDITIONS, _MANY_FAULTS = 128, 2
"""From how many like columns on an array and a lambda cost less than an expression each, see `benchmarks.enforce`."""


def _array(group: Sequence[Step]) -> str:
    return f"array({', '.join(map(_x, group))})"


def _x(step: Step) -> str:
    """What a step's column is called where it is read; several names, parted by commas, for several columns."""
    if nodes.opens_struct(step.node) or getattr(step.node, "from_vector", False):
        return prepared(step.positions[0])
    if isinstance(step.node, TensorNode) and step.node.layout is Layout.VECTOR:
        return prepared(step.positions[0])
    return ",".join(column(position) for position in step.positions)


def _step_value(step: Step, flat: bool) -> str:
    if isinstance(step.node, StructNode | ArrayNode | MapNode) and nodes.unchanged(step.node, flat):
        return column(step.positions[0])  # the column itself, under the names of its own fields
    if isinstance(step.node, VectorNode) and step.node.from_vector and not flat:
        return column(step.positions[0])
    return nodes.value(step.node, _x(step), 0, flat)


def needs_vector(plan: Plan) -> list[int]:
    """The steps whose value must be made a vector at the end: declared one, read from an array of doubles."""
    return [
        i
        for i, step in enumerate(plan.steps)
        if (isinstance(step.node, VectorNode) and not step.node.from_vector)
        or (isinstance(step.node, AbsentNode) and isinstance(step.node.declared, SparkMLVector))
    ]
