"""The spelling: a plan as Spark SQL text. The only way in which a check or a cast reaches Spark.

The text works on a frame whose columns have been renamed by position to `_0`, `_1`, ..: no user's name stands in
it, since Spark substitutes variables in SQL text before it parses and cannot name `a` beside `A`. What is said to a
person (a path, a type) is a hexadecimal literal. Every check is wrapped in `coalesce(.., false)`: SQL has three truth
values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import groupby

from sparksig.enforcement.nodes import (
    AbsentNode,
    AnyNode,
    ArrayNode,
    Layout,
    MapNode,
    ScalarNode,
    StructNode,
    TensorNode,
    Types,
    VectorNode,
)
from sparksig.enforcement.sql import conditions, forms
from sparksig.enforcement.sql.guards import text
from sparksig.enforcement.steps import Plan, Step
from sparksig.errors import NotSupportedError, Problem
from sparksig.signature.types import SparkMLVector
from sparksig.sources.observed import StructType

VIOLATIONS_TYPE = "array<struct<path:string,code:string,expected:string,observed:string>>"
"""The type of the violations column, in Spark's DDL."""

_FACT = "sparksig: a row breaks the signature: "
_HINT = ". hint: validate() counts such rows, split() sets them apart"


# ---- the plan


def column(position: int) -> str:
    """The generated name of the table's column at a position."""
    return f"_{position}"


def by_own_names(text: str, names: Sequence[str]) -> str:
    """A text with columns called by their own names, which must be plain words; it must speak of no struct's fields.

    >>> by_own_names("_0 is not null and _11 > 0L", [f"c{i}" for i in range(12)])
    '`c0` is not null and `c11` > 0L'
    """
    return _GENERATED.sub(lambda found: f"`{names[int(found[1])]}`", text)


_GENERATED = re.compile(r"\b_([0-9]+)\b")


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
            case node if forms.opens_struct(node):
                fields, expression = [plan.table.fields[at] for at in step.positions], column(step.positions[0])
                kind = StructType(tuple(fields)) if step.built else fields[0].type
                if step.built:
                    expression = f"struct({', '.join(column(at) for at in step.positions)})"
                found.append((step.positions[0], f"cast({expression} as {forms.renamed(kind)})"))
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
    asked = []
    for group in _groups(plan, 2):
        node, names = group[0].node, [_x(step) for step in group]
        together = conditions.all_clean(node, names) if len(names) > 1 and isinstance(node, ScalarNode) else None
        if len(names) >= _MANY_CONDITIONS:
            asked.append(f"forall(array({', '.join(names)}), x -> {conditions.clean(node, 'x', 0)})")
        elif together is not None:
            asked.append(together)
        else:
            asked += [str(conditions.clean(node, x, 0)) for x in names]
    return " and ".join(asked) if asked else None


def violations(plan: Plan, empty: bool = False) -> str:
    """The violations of a row as an array of structs.

    Args:
        plan: a plan without problems.
        empty: whether a clean row has an empty array instead of null, on the way to a worker: where Spark bounds the
            bytes of a batch, each null array costs it time that grows with the rows of the batch.
    """
    condition = accepted(plan)
    clean = f"cast({'array()' if empty else 'null'} as {VIOLATIONS_TYPE})"
    return clean if condition is None else f"case when {condition} then {clean} else {_faults(plan, condition)} end"


def assertion(plan: Plan) -> str | None:
    """A filter that is true for a clean row and raises for a dirty one; None where no row can be dirty.

    `spark_partition_id()` makes it non-deterministic, so that the optimizer neither moves it below the user's own joins
    and filters nor copies it to another table.
    """
    condition = accepted(plan)
    if condition is None:
        return None
    return f"assert_true({condition} and spark_partition_id() >= 0, {_message(plan, condition)}) is null"


def _message(plan: Plan, condition: str) -> str:
    """What the error of a dirty row says: every fault of the row."""
    faults = _simple_faults(plan, condition)
    if faults is None:
        one = "concat(v.path, ': ', v.code, ' (declared ', v.expected, ', the table has ', v.observed, ')')"
        every = f"array_join(transform({_faults(plan, condition)}, v -> {one}), '; ')"
    else:
        said = "{0.path}: {0.code} (declared {0.types.declared}, the table has {0.types.observed})"
        places = [[(one.condition, text(said.format(one))) for one in at_place] for at_place in faults]
        every = f"concat_ws('; ', {', '.join(map(_choice, places))})"
    return f"concat('{_FACT}', {every}, '{_HINT}')"


def _choice(whens: Sequence[tuple[str, str]]) -> str:
    return f"case {' '.join(f'when {condition} then {value}' for condition, value in whens)} end"


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


def _faults(plan: Plan, condition: str) -> str:
    """The violations of a dirty row, in the order of the plan; `condition` is what a clean one satisfies."""
    simple = _simple_faults(plan, condition)
    if simple is not None:
        places = [[(one.condition, _literal(one)) for one in at_place] for at_place in simple]
        none = f"cast(null as struct<{', '.join(f'{name}:string' for name in _FIELDS)}>)"
        # each place has one violation at most: nothing is lost where what is there twice is dropped
        return f"array_except(array({', '.join(map(_choice, places))}), array({none}))"
    singles: list[tuple[int, conditions.Found]] = []
    parts: list[str] = []
    order = {step.name: i for i, step in enumerate(plan.steps)}
    for group in _groups(plan, _MANY_FAULTS):
        if len(group) > 1:
            parts.append(_group_faults(group, [order[step.name] for step in group]))
            continue
        own = conditions.codes(group[0].node, _x(group[0]), group[0].name, 0)
        singles += [(order[group[0].name], found) for found in own]
    parts += [_single_faults(singles)] if singles else []
    every = parts[0] if len(parts) == 1 else f"concat({', '.join(parts)})"
    real = f"filter({every}, v -> v.code is not null)"
    if len(parts) > 1:
        real = f"array_sort({real})"
    fields = ", ".join(f"'{name}', v.{name}" for name in _FIELDS)
    return f"transform({real}, v -> named_struct({fields}))"


def _simple_faults(plan: Plan, condition: str) -> list[list[conditions.Fault]] | None:
    """The faults of each place, where one generated method can hold them all beside the row; None where it cannot.

    Without a lambda one method reads, judges, casts and writes a row. Above 8,000 bytecodes it would not be compiled,
    and run many times slower.
    """
    columns = _COLUMN * max(len(plan.columns), len(plan.steps))
    if columns > _COMPILED:
        return None
    faults: list[conditions.Fault] = []
    for step in plan.steps:
        found = conditions.simple_faults(step.node, _x(step), step.name)
        if found is None:
            return None
        faults += found
    judged = sum(len(fault.condition) for fault in faults)
    if columns + _CHARACTER * (len(condition) + judged) > _COMPILED:
        return None
    return [list(at_place) for _, at_place in groupby(faults, key=lambda fault: fault.path)]


def _literal(fault: conditions.Fault) -> str:
    said = (fault.path, fault.code, fault.types.declared, fault.types.observed)
    return (
        f"named_struct({', '.join(f'{text(name)}, {text(value)}' for name, value in zip(_FIELDS, said, strict=True))})"
    )


def _single_faults(singles: Sequence[tuple[int, conditions.Found]]) -> str:
    """The faults of places that are checked one by one; the paths and types of many places are one literal."""
    if len(singles) < _MANY_PLACES:
        alone = [(i, found.unbound()) for i, found in singles]
        faults = [_fault(str(i), text(found.path), found.code, _type_texts(found.types)) for i, found in alone]
        return f"array({', '.join(faults)})"
    places = [{"i": i, "p": found.path, "e": found.types.declared, "o": found.types.observed} for i, found in singles]
    read = f"from_json({text(json.dumps(places))}, 'array<struct<i:int,p:string,e:string,o:string>>')"
    codes = conditions.code_array([found for _, found in singles])
    return f"zip_with({read}, {codes}, (m, c) -> {_fault('m.i', 'm.p', 'c', ('m.e', 'm.o'))})"


def _type_texts(types: Types) -> tuple[str, str]:
    return text(types.declared), text(types.observed)


def _group_faults(group: Sequence[Step], order: Sequence[int]) -> str:
    """The faults of columns that are judged alike: one expression for all of them, their paths in one literal."""
    node = group[0].node
    assert isinstance(node, ScalarNode)
    (found,) = conditions.codes(node, "x", "", 0)
    places = json.dumps([{"i": i, "p": step.name} for i, step in zip(order, group, strict=True)])
    read = f"from_json({text(places)}, 'array<struct<i:int,p:string>>')"
    codes = f"transform({_array(group)}, x -> {found.code})"
    return f"zip_with({read}, {codes}, (m, c) -> {_fault('m.i', 'm.p', 'c', _type_texts(found.types))})"


def _fault(order: str, path: str, code: str, types: tuple[str, str]) -> str:
    """One violation, all of whose parts are SQL text; `types` are the declared and the observed one."""
    declared, observed = types
    fields = f"'order', {order}, 'path', {path}, 'code', {code}, 'expected', {declared}, 'observed', {observed}"
    return f"named_struct({fields})"


def _groups(plan: Plan, many: int) -> list[list[Step]]:
    """Steps that are judged, those judged alike together: hundreds of columns must not be as many expressions."""
    alike: dict[object, list[Step]] = {}
    for i, step in enumerate(plan.steps):
        alike.setdefault(step.node if isinstance(step.node, ScalarNode) else i, []).append(step)
    judged = [group for group in alike.values() if conditions.clean(group[0].node, _x(group[0]), 0) is not None]
    return [part for group in judged for part in ([group] if len(group) >= many else [[s] for s in group])]


_MANY_PLACES = 8
"""From how many places on one literal with all paths and types costs less than a struct each: `benchmarks.nesting`."""

_MANY_CONDITIONS, _MANY_FAULTS = 128, 2
"""From how many like columns on an array and a lambda cost less than an expression each, see `benchmarks.enforce`."""

_COLUMN, _CHARACTER, _COMPILED = 90, 3.5, 7_900
"""Bytecodes that reading, casting and writing a column takes, and a character of a condition; how many are compiled."""

_FIELDS = ("path", "code", "expected", "observed")


def _array(group: Sequence[Step]) -> str:
    return f"array({', '.join(map(_x, group))})"


def _x(step: Step) -> str:
    """What a step's column is called where it is read; several names, parted by commas, for several columns."""
    if forms.opens_struct(step.node) or getattr(step.node, "from_vector", False):
        return prepared(step.positions[0])
    if isinstance(step.node, TensorNode) and step.node.layout is Layout.VECTOR:
        return prepared(step.positions[0])
    return ",".join(column(position) for position in step.positions)


def _step_value(step: Step, flat: bool) -> str:
    if (
        not step.built
        and isinstance(step.node, StructNode | ArrayNode | MapNode | AnyNode)
        and forms.unchanged(step.node, flat)
    ):
        return column(step.positions[0])  # the column itself, under the names of its own fields
    if isinstance(step.node, VectorNode) and step.node.from_vector and not flat:
        return column(step.positions[0])
    return forms.value(step.node, _x(step), 0, flat)


def needs_vector(plan: Plan) -> list[int]:
    """The steps whose value must be made a vector at the end: declared one, read from an array of doubles."""
    return [
        i
        for i, step in enumerate(plan.steps)
        if (isinstance(step.node, VectorNode) and not step.node.from_vector)
        or (isinstance(step.node, AbsentNode) and isinstance(step.node.declared, SparkMLVector))
    ]
