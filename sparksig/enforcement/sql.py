"""The spelling: a plan as Spark SQL text. The only way in which a check or a cast reaches Spark.

The text works on a frame whose columns have been renamed by position to `_0`, `_1`, ..: no user's name ever stands in
it, since Spark substitutes variables in SQL text before it parses and cannot name `a` beside `A`. What is said to a
person (a path, a type) is a hexadecimal literal. Every check is wrapped in `coalesce(.., false)`: SQL has three truth
values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparksig.enforcement.guards import cast_value, judgements, text
from sparksig.enforcement.nodes import (
    ELEMENT,
    VALUE,
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
    Types,
    VectorNode,
    entry_path,
)
from sparksig.enforcement.steps import Plan, Step
from sparksig.errors import Code, NotSupportedError
from sparksig.signature.dtypes import Kind
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import ArrayType, MapType, ObservedType, StructType

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
            case node if _opens_struct(node):
                kind = plan.table.fields[step.positions[0]].type
                found.append((step.positions[0], f"cast({column(step.positions[0])} as {_renamed(kind)})"))
    return found


def values(plan: Plan, flat: bool = False) -> list[str]:
    """One expression a step: the column as declared, but for vectors, which are arrays of their entries.

    Args:
        plan: a plan without problems.
        flat: leave tensors as they lie in the table, with their entries cast, as the model's batches take them.
    """
    return [_step_value(step, flat) for step in plan.steps]


def accepted(plan: Plan) -> str | None:
    """The condition that a clean row satisfies, never null; None where no row can be dirty."""
    conditions = [condition for step in plan.steps if (condition := _clean(step.node, _x(step), 0)) is not None]
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


def _faults(plan: Plan) -> str:
    entries = [
        f"named_struct('path', {text(found.path)}, 'code', {found.code},"
        f" 'expected', {text(found.types.declared)}, 'observed', {text(found.types.observed)})"
        for step in plan.steps
        for found in _codes(step.node, _x(step), step.name, 0)
    ]
    return f"filter(array({', '.join(entries)}), v -> v.code is not null)"


def _x(step: Step) -> str:
    """What a step's column is called where it is read; several names, parted by commas, for several columns."""
    if _opens_struct(step.node) or getattr(step.node, "from_vector", False):
        return prepared(step.positions[0])
    if isinstance(step.node, TensorNode) and step.node.layout is Layout.VECTOR:
        return prepared(step.positions[0])
    return ",".join(column(position) for position in step.positions)


def _step_value(step: Step, flat: bool) -> str:
    if isinstance(step.node, StructNode | ArrayNode | MapNode) and _unchanged(step.node):
        return column(step.positions[0])  # the column itself, under the names of its own fields
    if isinstance(step.node, VectorNode) and step.node.from_vector and not flat:
        return column(step.positions[0])
    return _value(step.node, _x(step), 0, flat)


# ---- values


def _value(node: Node, x: str, depth: int, flat: bool = False) -> str:
    e = f"e{depth}"
    match node:
        case ScalarNode(cast):
            return cast_value(cast, x)
        case AbsentNode(declared):
            return _null(declared)
        case AnyNode(observed):
            return _restored(observed, x, depth) if depth else x
        case ArrayNode(element):
            inner = _value(element, e, depth + 1)
            return x if inner == e else f"transform({x}, {e} -> {inner})"
        case MapNode(value):
            inner = _value(value, e, depth + 1)
            return x if inner == e else f"transform_values({x}, (k{depth}, {e}) -> {inner})"
        case StructNode(members):
            fields = [
                f"{text(m.name)}, {_value(m.node, '' if m.position is None else f'{x}._{m.position}', depth + 1)}"
                for m in members
            ]
            return f"case when {x} is not null then named_struct({', '.join(fields)}) end"
        case VectorNode():
            return x
        case ColumnsNode(entries):
            cells = [cast_value(entry.cast, c) for (_, entry), c in zip(entries, x.split(","), strict=True)]
            return f"array({', '.join(cells)})"
        case TensorNode():
            return _tensor_value(node, x, flat)


def _tensor_value(node: TensorNode, x: str, flat: bool) -> str:
    cast = node.element.cast
    match node.layout:
        case Layout.SCALAR:
            value = cast_value(cast, x)
            return value if flat or node.shape == () else f"case when {x} is not null then array({value}) end"
        case Layout.BINARY if flat:
            return x
        case Layout.BINARY:
            raise NotSupportedError("binary tensors are scored, not yet turned into arrays: tag, split or score them")
        case Layout.NESTED:
            return _nested_cast(node, x, len(node.shape), 0)
        case _:
            entries = f"transform({x}, e0 -> {cast_value(cast, 'e0')})" if cast.changes_type else x
            return entries if flat else _reshaped(entries, _sizes(node.shape, x), 0)


def _nested_cast(node: TensorNode, x: str, rank: int, depth: int) -> str:
    if rank == 0:
        return cast_value(node.element.cast, x)
    inner = _nested_cast(node, f"e{depth}", rank - 1, depth + 1)
    return x if inner == f"e{depth}" else f"transform({x}, e{depth} -> {inner})"


def _sizes(shape: Sequence[int], x: str) -> list[str]:
    """The sizes of a row's tensor, an open one computed from how many entries there are."""
    known = int(np.prod([n for n in shape if n >= 0], dtype=int))
    return [str(n) if n >= 0 else f"cast(size({x}) / {max(known, 1)} as int)" for n in shape]


def _reshaped(x: str, sizes: Sequence[str], depth: int) -> str:
    """A flat array as nested arrays, in C order."""
    if len(sizes) <= 1:
        return x
    size, *rest = sizes
    width, i = " * ".join(rest), f"i{depth}"
    inner = _reshaped(f"slice({x}, {i} * {width} + 1, {width})", rest, depth + 1)
    return f"transform(slice(sequence(0, {size}), 1, {size}), {i} -> {inner})"


def _null(declared: ColumnType) -> str:
    """A null of the Spark type that a declared type has, without naming the type: it may have a user's names in it."""
    match declared:
        case DataType():
            return f"cast(null as {declared.element.spark})"
        case Array(dtype):
            return f"case when false then array({_null(dtype)}) end"
        case Map(value_type):
            return f"case when false then map('', {_null(value_type)}) end"
        case Object(properties):
            fields = ", ".join(f"{text(p.name)}, {_null(p.dtype)}" for p in properties)
            return f"case when false then named_struct({fields}) end"
        case SparkMLVector():
            return "cast(null as array<double>)"
        case AnyType():
            return "null"


# ---- conditions and codes


def _clean(node: Node, x: str, depth: int) -> str | None:
    """The condition for one value, never null; None where every value is clean."""
    e = f"e{depth}"
    match node:
        case AbsentNode():
            return None
        case ScalarNode(nulls=nulls):
            return _nullable([condition for _, condition in judgements(node, x)], x, nulls)
        case AnyNode(nulls=nulls):
            return _nullable([], x, nulls)
        case ArrayNode(element, nulls):
            return _nullable(_forall(x, e, _clean(element, e, depth + 1)), x, nulls)
        case MapNode(value, nulls):
            return _nullable(_forall(f"map_values({x})", e, _clean(value, e, depth + 1)), x, nulls)
        case StructNode(members, nulls):
            inner = [_clean(m.node, f"{x}._{m.position}", depth) for m in members]
            return _nullable([condition for condition in inner if condition is not None], x, nulls)
        case VectorNode(_, nulls, nan):
            return _nullable([f"forall({x}, {e} -> {_entry(e, nan)})"], x, nulls)
        case ColumnsNode(entries):
            each = [_clean(entry, c, depth) for (_, entry), c in zip(entries, x.split(","), strict=True)]
            return " and ".join(condition for condition in each if condition is not None)
        case TensorNode(element, _, layout, nulls):
            if layout is Layout.SCALAR:
                return _nullable([condition for _, condition in judgements(element, x)], x, nulls)
            if layout is Layout.NESTED:
                return _nullable(_shaped(node, x, _clean(element, f"e{len(node.shape) - 1}", 0)), x, nulls)
            entries_clean = [] if layout is Layout.BINARY else _forall(x, e, _clean(element, e, depth + 1))
            return _nullable([*(condition for _, condition in _run(node, x)), *entries_clean], x, nulls)


@dataclass(frozen=True, slots=True)
class _Found:
    """A place where something may be wrong: its path, its types, the codes, and the expression of the code found."""

    path: str
    types: Types
    codes: tuple[Code, ...]
    code: str


def _codes(node: Node, x: str, path: str, depth: int) -> Iterator[_Found]:
    """Each place in a value where something may be wrong."""
    match node:
        case AbsentNode():
            return
        case ScalarNode(nulls=nulls):
            if not nulls or judgements(node, x):
                yield _Found(path, node.types, *_case(x, nulls, judgements(node, x)))
        case ColumnsNode(entries):
            for (name, entry), c in zip(entries, x.split(","), strict=True):
                yield from _codes(entry, c, name, depth)
        case TensorNode():
            yield from _tensor_codes(node, x, path, depth)
        case _:
            if not node.nulls:
                yield _Found(path, node.types, *_case(x, False, []))
            yield from _inner_codes(node, x, path, depth)


def _inner_codes(
    node: AnyNode | ArrayNode | MapNode | StructNode | VectorNode, x: str, path: str, depth: int
) -> Iterator[_Found]:
    e = f"e{depth}"
    match node:
        case ArrayNode(element):
            yield from _within(x, e, _codes(element, e, path + ELEMENT, depth + 1))
        case MapNode(value):
            yield from _within(f"map_values({x})", e, _codes(value, e, path + VALUE, depth + 1))
        case StructNode(members):
            for m in members:
                for found in _codes(m.node, f"{x}._{m.position}", f"{path}.{m.name}", depth):
                    yield replace(found, code=f"case when {x} is not null then {found.code} end")
        case VectorNode(nan=nan):
            judged = _case(e, False, [] if nan else [(Code.NAN, f"not isnan({e})")])
            yield from _within(x, e, iter([_Found(path + ELEMENT, Types("double", "double"), *judged)]))


def _tensor_codes(node: TensorNode, x: str, path: str, depth: int) -> Iterator[_Found]:
    """A tensor as a whole: null, length or shape; then its entries."""
    e, element = f"e{depth}", node.element
    match node.layout:
        case Layout.SCALAR:
            yield _Found(path, element.types, *_case(x, node.nulls, judgements(element, x)))
        case Layout.NESTED:
            shaped = " and ".join(_shaped(node, x, None, nulls=True)) or "true"
            yield _Found(path, node.types, *_case(x, node.nulls, [(Code.WRONG_SHAPE, shaped)]))
            yield from _nested_codes(node, x, path, len(node.shape), 0)
        case Layout.BINARY:
            length, *bits = _run(node, x)
            yield _Found(path, node.types, *_case(x, node.nulls, [length]))
            if bits:
                yield _Found(path + ELEMENT, element.types, *_case(x, True, bits))
        case _:
            yield _Found(path, node.types, *_case(x, node.nulls, _run(node, x)))
            yield from _within(x, e, _codes(element, e, path + entry_path(node), depth + 1))


def _nested_codes(node: TensorNode, x: str, path: str, rank: int, depth: int) -> Iterator[_Found]:
    e = f"e{depth}"
    if rank == 1:
        yield from _within(x, e, _codes(node.element, e, path + ELEMENT, depth + 1))
        return
    missing = _Found(path + ELEMENT, node.types, (Code.NULL,), f"case when {e} is null then '{Code.NULL}' end")
    yield from _within(x, e, iter([missing]))
    yield from _within(x, e, _nested_codes(node, e, path + ELEMENT, rank - 1, depth + 1))


def _within(x: str, e: str, inner: Iterator[_Found]) -> Iterator[_Found]:
    """The places in an array's elements: one for each code that any element may have."""
    for found in inner:
        for code in dict.fromkeys(found.codes):
            any_has = f"exists({x}, {e} -> coalesce({found.code} = '{code}', false))"
            yield replace(found, codes=(code,), code=f"case when coalesce({any_has}, false) then '{code}' end")


def _case(x: str, nulls: bool, judged: Sequence[tuple[Code, str]]) -> tuple[tuple[Code, ...], str]:
    """The codes that a value may have, and the expression of the first guard that it fails."""
    whens = [f"when {x} is null then {'null' if nulls else _quoted(Code.NULL)}"]
    whens += [f"when not coalesce({condition}, false) then '{code}'" for code, condition in judged]
    codes = (*(() if nulls else (Code.NULL,)), *(code for code, _ in judged))
    return codes, f"case {' '.join(whens)} end"


def _nullable(conditions: Sequence[str], x: str, nulls: bool) -> str | None:
    good = f"coalesce({' and '.join(conditions)}, false)" if conditions else None
    if nulls:
        return f"({x} is null or {good})" if good else None
    return f"({x} is not null and {good})" if good else f"{x} is not null"


def _forall(x: str, e: str, condition: str | None) -> list[str]:
    return [] if condition is None else [f"forall({x}, {e} -> {condition})"]


def _entry(e: str, nan: bool) -> str:
    return f"{e} is not null" if nan else f"({e} is not null and not isnan({e}))"


def _run(node: TensorNode, x: str) -> list[tuple[Code, str]]:
    """What the run of a tensor's entries must be as a whole."""
    if node.layout is Layout.BINARY:
        size = np.dtype(node.element.cast.target.numpy).itemsize * (node.length or 0)
        judged = [(Code.WRONG_LENGTH, f"octet_length({x}) = {size}")]
        if node.element.cast.target.kind is Kind.BOOLEAN:
            judged.append((Code.OUT_OF_RANGE, f"hex({x}) rlike {text(_BITS)}"))
        return judged
    if node.length is not None:
        return [(Code.WRONG_LENGTH, f"size({x}) = {node.length}")]
    known = int(np.prod([n for n in node.shape if n >= 0], dtype=int))
    condition = f"size({x}) % {known} = 0" if known else f"size({x}) = 0"
    return [(Code.WRONG_LENGTH, condition)] if known != 1 else []


_BITS = r"\A(0[01])*\z"


def _shaped(node: TensorNode, x: str, entry: str | None, nulls: bool = False) -> list[str]:
    """What nested arrays must be to be a tensor: every size as declared, open sizes the same in the whole row."""

    def level(x: str, sizes: Sequence[int], first: str, depth: int) -> list[str]:
        size, *rest = sizes
        open_size = [] if depth == 0 else [f"size({x}) = size({first})"]
        found = [f"size({x}) = {size}"] if size >= 0 else open_size
        e = f"e{depth}"
        if rest:
            inner = " and ".join(level(e, rest, f"try_element_at({first}, 1)", depth + 1)) or "true"
            good = f"({e} is null or {inner})" if nulls else f"({e} is not null and {inner})"
            return [*found, f"forall({x}, {e} -> {good})"]
        return [*found, *_forall(x, e, entry)]

    return level(x, node.shape, x, 0)


# ---- structs and vectors


def _opens_struct(node: Node) -> bool:
    match node:
        case StructNode():
            return True
        case ArrayNode(inner) | MapNode(inner):
            return _opens_struct(inner)
    return False


def _unchanged(node: Node) -> bool:
    """Whether a value comes out as it came in, field names included."""
    match node:
        case ScalarNode(cast):
            return not cast.changes_type
        case ArrayNode(inner) | MapNode(inner):
            return _unchanged(inner)
        case StructNode(members, _, same):
            return same and all(_unchanged(member.node) for member in members)
    return isinstance(node, AnyNode)


def _renamed(kind: ObservedType) -> str:
    """The type with the fields of its structs called by position, as Spark's DDL."""
    match kind:
        case StructType(fields):
            return f"struct<{','.join(f'_{i}:{_renamed(field.type)}' for i, field in enumerate(fields))}>"
        case ArrayType(element):
            return f"array<{_renamed(element)}>"
        case MapType(key, value):
            return f"map<{_renamed(key)},{_renamed(value)}>"
    return str(kind)


def _restored(kind: ObservedType, x: str, depth: int) -> str:
    """A value whose structs were renamed, under its own names again."""
    e = f"e{depth}"
    match kind:
        case StructType(fields):
            parts = ", ".join(
                f"{text(field.name)}, {_restored(field.type, f'{x}._{i}', depth)}" for i, field in enumerate(fields)
            )
            return f"case when {x} is not null then named_struct({parts}) end"
        case ArrayType(element):
            inner = _restored(element, e, depth + 1)
            return x if inner == e else f"transform({x}, {e} -> {inner})"
        case MapType(_, value):
            inner = _restored(value, e, depth + 1)
            return x if inner == e else f"transform_values({x}, (k{depth}, {e}) -> {inner})"
    return x


def _quoted(code: Code) -> str:
    return f"'{code}'"


def needs_vector(plan: Plan) -> list[int]:
    """The steps whose value must be made a vector at the end: declared one, read from an array of doubles."""
    return [
        i
        for i, step in enumerate(plan.steps)
        if (isinstance(step.node, VectorNode) and not step.node.from_vector)
        or (isinstance(step.node, AbsentNode) and isinstance(step.node.declared, SparkMLVector))
    ]
