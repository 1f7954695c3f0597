"""The declared form of a value of any type, as Spark SQL text over a variable: nodes, by recursion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

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
)
from sparksig.enforcement.sql.binary import entry_of_bytes
from sparksig.enforcement.sql.guards import cast_value, ddl, fed_value, text
from sparksig.signature.dtypes import Element
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import ArrayType, MapType, ObservedType, StructType


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
        case StructNode() if is_deep(x):
            return f"transform(array({x}), s{depth} -> {value(node, f's{depth}', depth + 1, flat)})[0]"
        case StructNode(members):
            fields = [
                f"{text(m.name)}, {value(m.node, '' if m.position is None else f'{x}._{m.position}', depth + 1, flat)}"
                for m in members
            ]
            return f"case when {x} is not null then named_struct({', '.join(fields)}) end"
        case VectorNode() | VariantNode():
            return x
        case ColumnsNode(entries):
            cells = [scalar(entry.cast, c) for (_, entry), c in zip(entries, x.split(","), strict=True)]
            return f"array({', '.join(cells)})"
        case TensorNode():
            return _tensor_value(node, x, flat)


def is_deep(x: str) -> bool:
    """Whether a struct is so many structs below a variable that it needs a variable of its own.

    Without one, Spark generates the code of a struct once more for each struct inside of it: 24 levels
    take seconds to compile.

    >>> is_deep("p0._0._1"), is_deep("p0._0._1._0._0")
    (False, True)
    """
    return x.count("._") >= _LEVELS


_LEVELS = 4
"""How many levels of structs are compiled, see `benchmarks.nesting`."""


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


def _sizes(node: TensorNode, x: str) -> list[str]:
    """The sizes of a row's tensor, an open one computed from how many entries there are."""
    return [str(n) if n >= 0 else f"cast(size({x}) / {max(node.known, 1)} as int)" for n in node.shape]


def _reshaped(node: TensorNode, x: str, run: Callable[[str, str, str], str]) -> str:
    """A run of entries as nested arrays in C order.

    Args:
        node: says the shape.
        x: what holds the entries.
        run: spells the innermost arrays by a variable that is `x`, where they begin, and their size.
    """
    nested = _sliced("t", _sizes(node, "t"), run)
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


def opens_struct(node: Node) -> bool:
    """Whether the fields of a struct are looked into."""
    match node:
        case StructNode():
            return True
        case MapNode(inner, key=key) if key is not None:
            return opens_struct(inner) or opens_struct(key)
        case ArrayNode(inner) | MapNode(inner):
            return opens_struct(inner)
        case AnyNode(inside=inside) if inside is not None:
            return opens_struct(inside)
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
        case StructType() if is_deep(x):
            return f"transform(array({x}), s{depth} -> {_restored(kind, f's{depth}', depth + 1)})[0]"
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
