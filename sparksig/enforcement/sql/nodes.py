"""How a value of any declared type is cast and judged, as Spark SQL text over a variable: nodes, by recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

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
from sparksig.enforcement.sql.binary import entry_of_bytes
from sparksig.enforcement.sql.guards import between, cast_value, ddl, fed_value, judgements, number, text
from sparksig.errors import Code
from sparksig.signature.casts import Between, NotNan, carrier
from sparksig.signature.dtypes import SPARK, Element, Kind
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import ArrayType, MapType, ObservedType, StructType

# ---- values


def value(node: Node, x: str, depth: int, flat: bool = False) -> str:
    """The declared form of a value.

    Args:
        node: what happens to it.
        x: the value; several names, parted by commas, for a ColumnsNode.
        depth: how many lambdas are around it, for the names of their variables.
        flat: as a batch takes it on the way to a model: a tensor's entries as they lie, moments as wall clocks.
    """
    e, scalar = f"e{depth}", fed_value if flat else cast_value
    match node:
        case ScalarNode(cast):
            return scalar(cast, x)
        case AbsentNode(declared):
            return _null(declared)
        case AnyNode(observed):
            return _restored(observed, x, depth) if depth else x
        case ArrayNode(element):
            inner = value(element, e, depth + 1, flat)
            return x if inner == e else f"transform({x}, {e} -> {inner})"
        case MapNode(inside):
            inner = value(inside, e, depth + 1, flat)
            return x if inner == e else f"transform_values({x}, (k{depth}, {e}) -> {inner})"
        case StructNode(members):
            fields = [
                f"{text(m.name)}, {value(m.node, '' if m.position is None else f'{x}._{m.position}', depth + 1, flat)}"
                for m in members
            ]
            return f"case when {x} is not null then named_struct({', '.join(fields)}) end"
        case VectorNode():
            return x
        case ColumnsNode(entries):
            cells = [scalar(entry.cast, c) for (_, entry), c in zip(entries, x.split(","), strict=True)]
            return f"array({', '.join(cells)})"
        case TensorNode():
            return _tensor_value(node, x, flat)


def _tensor_value(node: TensorNode, x: str, flat: bool) -> str:
    cast, scalar = node.element.cast, fed_value if flat else cast_value
    match node.layout:
        case Layout.SCALAR:
            value = scalar(cast, x)
            return value if flat or node.shape == () else f"case when {x} is not null then array({value}) end"
        case Layout.BINARY if flat:
            return x
        case Layout.BINARY:
            return _reshaped(node, x, partial(_bytes_read, cast.target))
        case Layout.NESTED:
            return _nested_cast(node, x, len(node.shape), 0, flat)
        case _:
            each = scalar(cast, "e0")
            if flat or len(node.shape) == 1:
                return _each(x, each)
            # cast behind the slice: before it, every entry would be cast once for each slice
            return _reshaped(node, x, lambda t, at, size: _each(f"slice({t}, {at} + 1, {size})", each))


def _each(x: str, entry: str) -> str:
    return x if entry == "e0" else f"transform({x}, e0 -> {entry})"


def _bytes_read(target: Element, x: str, at: str, size: str) -> str:
    """The entries from a position on, out of their little-endian bytes."""
    return f"transform({_range(size)}, b -> {entry_of_bytes(target, x, f'({at} + b)')})"


def _nested_cast(node: TensorNode, x: str, rank: int, depth: int, flat: bool) -> str:
    if rank == 0:
        return (fed_value if flat else cast_value)(node.element.cast, x)
    inner = _nested_cast(node, f"e{depth}", rank - 1, depth + 1, flat)
    return x if inner == f"e{depth}" else f"transform({x}, e{depth} -> {inner})"


def _sizes(shape: Sequence[int], x: str) -> list[str]:
    """The sizes of a row's tensor, an open one computed from how many entries there are."""
    known = int(np.prod([n for n in shape if n >= 0], dtype=int))
    return [str(n) if n >= 0 else f"cast(size({x}) / {max(known, 1)} as int)" for n in shape]


def _reshaped(node: TensorNode, x: str, run: Callable[[str, str, str], str]) -> str:
    """A run of entries as nested arrays in C order.

    Args:
        node: says the shape.
        x: what holds the entries.
        run: spells the innermost arrays by a variable that is `x`, where they begin, and their size.
    """
    nested = _sliced("t", _sizes(node.shape, "t"), run)
    if node.nulls:  # what is made of an index is never null by itself
        nested = f"case when t is not null then {nested} end"
    # a variable: the optimizer would put what a column is made of into the lambda, and make it anew for each slice
    return f"transform(array({x}), t -> {nested})[0]"


def _sliced(x: str, sizes: Sequence[str], run: Callable[[str, str, str], str], at: str = "0", depth: int = 0) -> str:
    if not sizes:
        return f"{run(x, at, '1')}[0]"
    size, *rest = sizes
    if not rest:
        return run(x, at, size)
    i, width = f"i{depth}", " * ".join(rest)
    return f"transform({_range(size)}, {i} -> {_sliced(x, rest, run, f'({at} + {i} * {width})', depth + 1)})"


def _range(size: str) -> str:
    return f"slice(sequence(0, {size}), 1, {size})"  # a sequence is never empty


def _null(declared: ColumnType) -> str:
    """A null of the Spark type that a declared type has, without naming the type: it may have a user's names in it."""
    match declared:
        case DataType():
            return f"cast(null as {ddl(declared.element.spark)})"
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


def clean(node: Node, x: str, depth: int) -> str | None:
    """The condition for one value, never null; None where every value is clean."""
    e = f"e{depth}"
    match node:
        case AbsentNode():
            return None
        case ScalarNode(nulls=nulls):
            return _nullable([condition for _, condition in judgements(node, x)], x, nulls, _is_total(node))
        case AnyNode(nulls=nulls):
            return _nullable([], x, nulls)
        case ArrayNode(element, nulls):
            return _nullable(_forall(x, e, clean(element, e, depth + 1)), x, nulls)
        case MapNode(inside, nulls):
            return _nullable(_forall(f"map_values({x})", e, clean(inside, e, depth + 1)), x, nulls)
        case StructNode(members, nulls):
            inner = [clean(m.node, f"{x}._{m.position}", depth) for m in members]
            return _nullable([condition for condition in inner if condition is not None], x, nulls)
        case VectorNode(_, nulls, nan):
            present = [] if node.from_vector else [_all_present(x, "double")]  # a vector has no nulls
            return _nullable([*present, *([] if nan else [_NO_NAN.format(x)])], x, nulls)
        case ColumnsNode(entries):
            each = [clean(entry, c, depth) for (_, entry), c in zip(entries, x.split(","), strict=True)]
            return " and ".join(condition for condition in each if condition is not None)
        case TensorNode(element, _, layout, nulls):
            if layout is Layout.SCALAR:
                return _nullable([condition for _, condition in judgements(element, x)], x, nulls)
            if layout is Layout.NESTED:
                return _nullable(_shaped(node, x, clean(element, f"e{len(node.shape) - 1}", 0)), x, nulls)
            entries_clean = [] if layout is Layout.BINARY else _entries_clean(node, x, e)
            return _nullable([*(condition for _, condition in _run(node, x)), *entries_clean], x, nulls)


def all_between(node: ScalarNode, names: Sequence[str]) -> str | None:
    """The condition on columns that must all lie between the same bounds, never null; None where more is asked of them.

    It is spelled without a branch for each column: a clean row runs through all of it.
    """
    match [*node.cast.guards, *node.after]:
        case [Between(low, high)] if node.nan:
            source = node.cast.source
        case _:
            return None
    if _narrows(node):
        filled = [f"coalesce({x}, {number(0, source)})" if node.nulls else x for x in names]
        return f"({' | '.join(cast_value(node.cast, x) for x in filled)}) is not null"  # null where one of them is
    together = ", ".join(names)
    least = [] if low is None else [between(f"least({together})", source, low, None)]
    greatest = [] if high is None else [between(f"greatest({together})", source, None, high)]
    bounds = " and ".join([*least, *greatest])
    if node.nulls:
        return f"coalesce({bounds}, true)"  # both skip nulls, and are null where every column is
    return f"({' and '.join(f'{x} is not null' for x in names)} and {bounds})"


@dataclass(frozen=True, slots=True)
class Found:
    """A place where something may be wrong: its path, its types, the codes, and the expression of the code found."""

    path: str
    types: Types
    codes: tuple[Code, ...]
    code: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that may be wrong with a scalar: where, its code, and when; of several, the first is the one."""

    path: str
    types: Types
    code: Code
    condition: str


def simple_faults(node: Node, x: str, path: str) -> list[Fault] | None:
    """What may be wrong with a scalar of which no more is asked than bounds, in the order of judgement; else None."""
    match node:
        case AbsentNode():
            return []
        case ScalarNode(nulls=nulls) if _is_total(node):
            missing = [] if nulls else [Fault(path, node.types, Code.NULL, f"{x} is null")]
            judged = [(code, f"not ({condition})") for code, condition in judgements(node, x)]
            if _narrows(node):  # half the bytecode
                present = f"{x} is not null and " if nulls else ""
                judged = [(code, f"{present}{cast_value(node.cast, x)} is null") for code, _ in judged]
            return missing + [Fault(path, node.types, code, condition) for code, condition in judged]
    return None


def _narrows(node: ScalarNode) -> bool:
    """Whether Spark's own cast is null just where a value breaks the rules: whole numbers to a smaller type of them."""
    source, target = node.cast.source, node.cast.target
    match node.cast.guards:
        case (Between(low, high),) if not node.after and isinstance(source, Element):
            own = SPARK.get(target.spark) is target and (low, high) == (target.low, target.high)
            return own and source.kind is target.kind is Kind.INTEGER
    return False


def _is_total(node: ScalarNode) -> bool:
    """Whether the conditions on a value that is not null are never null."""
    return not node.after and all(isinstance(guard, Between | NotNan) for guard in node.cast.guards)


def _sure(condition: str) -> str:
    return f"coalesce({condition}, false)"


def codes(node: Node, x: str, path: str, depth: int) -> Iterator[Found]:
    """Each place in a value where something may be wrong."""
    match node:
        case AbsentNode():
            return
        case ScalarNode(nulls=nulls):
            if not nulls or judgements(node, x):
                yield Found(path, node.types, *_case(x, nulls, judgements(node, x)))
        case ColumnsNode(entries):
            for (name, entry), c in zip(entries, x.split(","), strict=True):
                yield from codes(entry, c, name, depth)
        case TensorNode():
            yield from _tensor_codes(node, x, path, depth)
        case _:
            if not node.nulls:
                yield Found(path, node.types, *_case(x, False, []))
            yield from _inner_codes(node, x, path, depth)


def _inner_codes(
    node: AnyNode | ArrayNode | MapNode | StructNode | VectorNode, x: str, path: str, depth: int
) -> Iterator[Found]:
    e = f"e{depth}"
    match node:
        case ArrayNode(element):
            yield from _within(x, e, codes(element, e, path + ELEMENT, depth + 1))
        case MapNode(inside):
            yield from _within(f"map_values({x})", e, codes(inside, e, path + VALUE, depth + 1))
        case StructNode(members):
            for m in members:
                for found in codes(m.node, f"{x}._{m.position}", f"{path}.{m.name}", depth):
                    yield replace(found, code=f"case when {x} is not null then {found.code} end")
        case VectorNode(nan=nan):
            judged = _case(e, False, [] if nan else [(Code.NAN, f"not isnan({e})")])
            yield from _within(x, e, iter([Found(path + ELEMENT, Types("double", "double"), *judged)]))


def _tensor_codes(node: TensorNode, x: str, path: str, depth: int) -> Iterator[Found]:
    """A tensor as a whole: null, length or shape; then its entries."""
    e, element = f"e{depth}", node.element
    match node.layout:
        case Layout.SCALAR:
            yield Found(path, element.types, *_case(x, node.nulls, judgements(element, x)))
        case Layout.NESTED:
            shaped = " and ".join(_shaped(node, x, None, nulls=True)) or "true"
            yield Found(path, node.types, *_case(x, node.nulls, [(Code.WRONG_SHAPE, shaped)]))
            yield from _nested_codes(node, x, path, len(node.shape), 0)
        case Layout.BINARY:
            length, *bits = _run(node, x)
            yield Found(path, node.types, *_case(x, node.nulls, [length]))
            if bits:
                yield Found(path + ELEMENT, element.types, *_case(x, True, bits))
        case _:
            yield Found(path, node.types, *_case(x, node.nulls, _run(node, x)))
            yield from _within(x, e, codes(element, e, path + entry_path(node), depth + 1))


def _nested_codes(node: TensorNode, x: str, path: str, rank: int, depth: int) -> Iterator[Found]:
    e = f"e{depth}"
    if rank == 1:
        yield from _within(x, e, codes(node.element, e, path + ELEMENT, depth + 1))
        return
    missing = Found(path + ELEMENT, node.types, (Code.NULL,), f"case when {e} is null then '{Code.NULL}' end")
    yield from _within(x, e, iter([missing]))
    yield from _within(x, e, _nested_codes(node, e, path + ELEMENT, rank - 1, depth + 1))


def _within(x: str, e: str, inner: Iterator[Found]) -> Iterator[Found]:
    """The places in an array's elements: one for each code that any element may have."""
    for found in inner:
        for code in dict.fromkeys(found.codes):
            any_has = f"exists({x}, {e} -> coalesce({found.code} = '{code}', false))"
            yield replace(found, codes=(code,), code=f"case when coalesce({any_has}, false) then '{code}' end")


def _case(x: str, nulls: bool, judged: Sequence[tuple[Code, str]]) -> tuple[tuple[Code, ...], str]:
    """The codes that a value may have, and the expression of the first guard that it fails."""
    whens = [f"when {x} is null then {'null' if nulls else _quoted(Code.NULL)}"]
    whens += [f"when not {_sure(condition)} then '{code}'" for code, condition in judged]
    codes = (*(() if nulls else (Code.NULL,)), *(code for code, _ in judged))
    return codes, f"case {' '.join(whens)} end"


def _nullable(conditions: Sequence[str], x: str, nulls: bool, total: bool = False) -> str | None:
    """The conditions on a value that may be null; `total` says that they are never null for a value that is not."""
    together = " and ".join(conditions)
    good = (f"({together})" if total else _sure(together)) if conditions else None
    if nulls:
        return f"({x} is null or {good})" if good else None
    return f"({x} is not null and {good})" if good else f"{x} is not null"


def _forall(x: str, e: str, condition: str | None) -> list[str]:
    return [] if condition is None else [f"forall({x}, {e} -> {condition})"]


def _entries_clean(node: TensorNode, x: str, e: str) -> list[str]:
    """The condition on all entries of a run; where it is only that none is null, without a call for each of them."""
    source, judged = carrier(node.element.cast.source), judgements(node.element, e)
    if judged:
        return _forall(x, e, clean(node.element, e, 0))
    return [] if node.layout is Layout.VECTOR else [_all_present(x, source)]


def _all_present(x: str, kind: str) -> str:
    """That an array has no null element.

    `array_contains` compiles to a loop and is null for an array that has a null and not the value; a lambda is called
    for each element. It is asked for a value that is hardly there, and where it is, the elements are asked one by one.
    """
    row = SPARK.get(kind)
    one_by_one = f"forall({x}, e -> e is not null)"
    if row is None or row.suffix is None or not row.is_number:
        return one_by_one
    rare = f"{min(row.high, 1_618_033_988) - 1 if row.kind is Kind.INTEGER else -1.618034e-37}{row.suffix}"
    return f"case array_contains({x}, {rare}) when false then true when true then {one_by_one} else false end"


_NO_NAN = "not array_contains({}, cast('NaN' as double))"


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


def opens_struct(node: Node) -> bool:
    """Whether the fields of a struct are looked into."""
    match node:
        case StructNode():
            return True
        case ArrayNode(inner) | MapNode(inner):
            return opens_struct(inner)
    return False


def unchanged(node: Node, flat: bool = False) -> bool:
    """Whether a value comes out as it came in, field names included."""
    match node:
        case ScalarNode(cast):
            return (fed_value if flat else cast_value)(cast, "x") == "x"
        case ArrayNode(inner) | MapNode(inner):
            return unchanged(inner, flat)
        case StructNode(members, _, same):
            return same and all(unchanged(member.node, flat) for member in members)
    return isinstance(node, AnyNode)


def renamed(kind: ObservedType) -> str:
    """The type with the fields of its structs called by position, as Spark's DDL."""
    match kind:
        case StructType(fields):
            return f"struct<{','.join(f'_{i}:{renamed(field.type)}' for i, field in enumerate(fields))}>"
        case ArrayType(element):
            return f"array<{renamed(element)}>"
        case MapType(key, value):
            return f"map<{renamed(key)},{renamed(value)}>"
    return ddl(str(kind))


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
        case MapType(key, value):
            k, inner = f"k{depth}", _restored(value, e, depth + 1)
            if (same := _restored(key, k, depth + 1)) != k:  # a struct can be a key
                x = f"transform_keys({x}, ({k}, {e}) -> {same})"
            return x if inner == e else f"transform_values({x}, ({k}, {e}) -> {inner})"
    return x


def _quoted(code: Code) -> str:
    return f"'{code}'"
