"""Enforced Arrow columns as what the model takes: a DataFrame, an ndarray or a dict of ndarrays.

Numbers, arrays and tensors travel to numpy without a Python step per row. A column has one dtype in every batch: where
nulls may come, integers are float64 and booleans are objects, also in a batch that has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

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
from sparksig.enforcement.steps import Plan
from sparksig.signature.casts import Cast, Level
from sparksig.signature.dtypes import ELEMENTS, Element, Kind
from sparksig.signature.members import copied
from sparksig.signature.types import DataType

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class FeedColumn:
    """One column as the model takes it.

    Attributes:
        name: the column's name in the signature; an integer stays one, as in a DataFrame's labels.
        node: what the plan does to it, which says what its enforced values are.
        lists: whether the cells of arrays are lists rather than ndarrays.
        listed: whether values of Any are positions in a list beside, where there is one.
    """

    name: str | int
    node: Node
    lists: bool = False
    listed: bool = True

    @property
    def stacks(self) -> bool:
        """Whether its rows are one ndarray: tensors."""
        return isinstance(self.node, TensorNode | ColumnsNode)


@dataclass(frozen=True, slots=True)
class Feed:
    """How Arrow columns become the model's input.

    Attributes:
        columns: one for each column that reaches the model.
        named: whether the signature names its columns.
        stable: whether a column's dtype is the same whether a batch has nulls or not.
        matrix: whether a vector that is the only column is one 2-D array, rows of vectors.
    """

    columns: tuple[FeedColumn, ...]
    named: bool
    stable: bool = True
    matrix: bool = False

    @classmethod
    def of(cls, plan: Plan) -> Feed:
        """The feed of an enforced table on the way to a model."""
        columns = tuple(FeedColumn(s.name if s.label is None else s.label, s.node) for s in plan.steps)
        matrix = len(columns) == 1 and isinstance(columns[0].node, VectorNode)
        return cls(columns, plan.named, plan.policy.stable_dtypes, matrix)

    def model_input(self, arrays: Sequence[pa.Array], anything: Sequence[object] | None = None) -> Any:
        """The model's input: a DataFrame for columns, an ndarray or a dict of them for tensors.

        Args:
            arrays: one for each column, enforced, on their Spark carriers, tensors as their entries lie.
            anything: what the positions in a column of Any stand for; None where such a column holds the values.

        >>> long = ScalarNode(Cast(ELEMENTS["int64"], ELEMENTS["int64"], Level.STRICT), nulls=True)
        >>> Feed((FeedColumn("n", long),), named=True).model_input([pa.array([1, None])])["n"].dtype
        dtype('float64')
        """
        if self.matrix:
            return _vectors(arrays[0])
        ready = [self._column(column, array, anything) for column, array in zip(self.columns, arrays, strict=True)]
        if self.columns and all(column.stacks for column in self.columns):
            if not self.named:
                return ready[0]
            return {column.name: array for column, array in zip(self.columns, ready, strict=True)}
        names = [column.name for column in self.columns] if self.named else range(len(self.columns))
        return pd.DataFrame(dict(zip(names, ready, strict=True)), copy=False)

    def groups(self, arrays: Sequence[pa.Array]) -> list[Array] | None:
        """The rows that go to the model together, where tensors of open sizes differ in shape; None for all rows."""
        keys = [_shapes(column.node, array) for column, array in zip(self.columns, arrays, strict=True)]
        if self.matrix:
            keys = [_sizes_at(arrays[0], 0).reshape(-1, 1)]
        open_sizes = [key for key in keys if key is not None]
        if not open_sizes:
            return None
        _, group = np.unique(np.concatenate(open_sizes, axis=1), axis=0, return_inverse=True)
        count = int(group.max(initial=0)) + 1
        return None if count == 1 else [np.flatnonzero(group.reshape(-1) == i) for i in range(count)]

    def _column(self, column: FeedColumn, array: pa.Array, anything: Sequence[object] | None) -> Any:
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        match column.node:
            case ScalarNode(cast, nulls):
                return _scalars(cast.target, array, nulls, self.stable)
            case AbsentNode(DataType() as declared):
                return _scalars(declared.element, array, True, self.stable)
            case TensorNode() as node:
                return _tensor(node, array)
            case ColumnsNode(entries):
                return _stacked(array, (len(entries),), entries[0][1].cast.target)
            case node:
                return _held(objects(node, array, anything if column.listed else None, column.lists))


def _held(cells: Sequence[object]) -> Array:
    """Cells as a column: an object each, whatever it is."""
    return np.fromiter(cells, dtype=object, count=len(cells))


def _scalars(element: Element, array: pa.Array, nulls: bool, stable: bool) -> Any:
    if element.kind is Kind.DATETIME:
        return _wall_clocks(array).to_numpy(zero_copy_only=False)
    gaps = nulls if stable else bool(array.null_count)
    if element.kind is Kind.INTEGER and gaps:
        try:
            return array.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:  # beyond 2^53; a plan with stable dtypes has no such value
            return _held(array.to_pylist())
    if element.kind is Kind.BOOLEAN and gaps:
        return array.to_numpy(zero_copy_only=False).astype(object)
    return array.to_numpy(zero_copy_only=False)


def _wall_clocks(array: pa.Array) -> pa.Array:
    """Instants as their wall clocks in UTC, in nanoseconds."""
    unit = array.type.unit
    ticks = array.cast(pa.timestamp(unit, tz="UTC")).cast(pa.int64())
    return ticks.cast(pa.timestamp(unit)).cast(pa.timestamp("ns"))


# ---- tensors


def _tensor(node: TensorNode, array: pa.Array) -> Array:
    target = node.element.cast.target
    if array.null_count:  # a null row where nulls are admitted: there is no tensor of it
        present = array.drop_null()
        rows = iter(_tensor(node, present)) if len(present) else iter(())
        return _held([next(rows) if valid else None for valid in array.is_valid().to_pylist()])
    if node.layout is Layout.BINARY:
        little = np.dtype(target.numpy).newbyteorder("<")
        entries = np.frombuffer(b"".join(array.to_pylist()), dtype=little).astype(target.numpy)
        return entries.reshape(len(array), *node.shape)
    if node.layout is Layout.SCALAR:
        return stacked_entries(array, (len(array), *node.shape), target)
    shapes = _shapes(node, array)
    if shapes is None:
        return _stacked(array, node.shape, target)
    if len(array) == 0:
        return np.empty((0, *(max(size, 0) for size in node.shape)), target.numpy)
    if (shapes == shapes[0]).all():
        return _stacked(array, tuple(int(size) for size in shapes[0]), target)
    return _held([_stacked(array[i : i + 1], tuple(map(int, shape)), target)[0] for i, shape in enumerate(shapes)])


def _vectors(array: pa.Array) -> Array:
    """Vectors of one size as the rows of a 2-D array; a null row is all NaN."""
    if array.null_count < len(array):
        array = (
            array.fill_null(pa.scalar([np.nan] * len(array.drop_null()[0]), array.type)) if array.null_count else array
        )
        return np.asarray(array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), -1))
    return np.empty((len(array), 0))


def _stacked(array: pa.Array, shape: tuple[int, ...], target: Element) -> Array:
    entries = array
    while pa.types.is_list(entries.type) or pa.types.is_large_list(entries.type):
        entries = entries.flatten()
    return stacked_entries(entries, (len(array), *shape), target)


def stacked_entries(entries: pa.Array, shape: tuple[int, ...], target: Element) -> Array:
    """Entries on their carrier as an ndarray of exactly the declared dtype and shape."""
    if target.kind is Kind.DATETIME:
        found = _wall_clocks(entries).to_numpy(zero_copy_only=False)
    else:
        found = entries.to_numpy(zero_copy_only=False)
    dtype = {"str": np.dtype("U"), "bytes": np.dtype("S")}.get(target.numpy, np.dtype(target.numpy))
    return np.asarray(found.reshape(shape).astype(dtype, copy=False))


def _shapes(node: Node, array: pa.Array) -> Array | None:
    """The shape of each row's tensor, where sizes are open; a null row has sizes 0."""
    if not isinstance(node, TensorNode) or -1 not in node.shape:
        return None
    shapes = np.tile(np.array(node.shape, np.int64), (len(array), 1))
    if node.layout is Layout.NESTED:
        for depth in range(len(node.shape)):
            shapes[:, depth] = _sizes_at(array, depth)
        return shapes
    lengths = np.asarray(array.value_lengths().fill_null(0))
    shapes[:, list(node.shape).index(-1)] = lengths // max(node.known, 1)
    return shapes


def _sizes_at(array: pa.Array, depth: int) -> Array:
    """The size of each row's lists at a depth, read from the first of them; they are alike in one row."""
    owner, level = np.arange(len(array)), array
    for _ in range(depth):
        lengths = np.asarray(level.value_lengths().fill_null(0))
        owner, level = np.repeat(owner, lengths), level.flatten()
    lengths = np.asarray(level.value_lengths().fill_null(0))
    sizes = np.zeros(len(array), np.int64)
    sizes[owner[::-1]] = lengths[::-1]  # the first list of a row is written last
    return sizes


# ---- cells


def objects(node: Node, array: pa.Array, anything: Sequence[object] | None, lists: bool) -> Sequence[object]:
    """The values of an array as Python objects, one a row.

    Args:
        node: what the values are.
        array: the values, enforced.
        anything: what the positions in an array of Any stand for.
        lists: whether arrays are lists rather than ndarrays.
    """
    match node:
        case ScalarNode(cast):
            return _plain(cast.target, array)
        case AbsentNode():
            return [None] * len(array)
        case AnyNode() | VariantNode():
            if anything is None:
                return any_values(array)
            return [None if at is None else copied(anything[at]) for at in array.to_pylist()]
        case ArrayNode(element):
            return _cells(element, array, anything, lists)
        case VectorNode():
            double = ScalarNode(Cast(ELEMENTS["float64"], ELEMENTS["float64"], Level.STRICT), nulls=False)
            return _cells(double, array, anything, lists)
        case MapNode(value):
            return _mappings(value, array, anything, lists)
        case StructNode():
            return _dicts(node, array, anything, lists)
        case TensorNode() | ColumnsNode():
            raise AssertionError("a tensor is a column of its own")


def any_values(array: pa.Array) -> list[object]:
    """The values of Any as Python objects; instants in UTC, because a date may not exist in the session's zone."""
    kind = _in_utc(array.type)
    return list((array if kind == array.type else array.cast(kind)).to_pylist())


def _in_utc(kind: pa.DataType) -> pa.DataType:
    """The type with every instant in UTC."""
    t = pa.types
    if t.is_timestamp(kind):
        return kind if kind.tz is None else pa.timestamp(kind.unit, tz="UTC")
    if t.is_list(kind):
        return pa.list_(kind.value_field.with_type(_in_utc(kind.value_type)))
    if t.is_map(kind):
        return pa.map_(
            kind.key_field.with_type(_in_utc(kind.key_type)), kind.item_field.with_type(_in_utc(kind.item_type))
        )
    if t.is_struct(kind):
        return pa.struct([field.with_type(_in_utc(field.type)) for field in kind])
    return kind


def _plain(element: Element, array: pa.Array) -> Sequence[object]:
    if element.kind is not Kind.DATETIME:
        return list(array.to_pylist())
    clocks = _wall_clocks(array)
    fine = array.type.unit == "ns"
    return list((clocks if fine else clocks.cast(pa.timestamp("us"))).to_pylist())


def _cells(element: Node, array: pa.Array, anything: Sequence[object] | None, lists: bool) -> Sequence[object]:
    missing = array.is_null().to_pylist() if array.null_count else None
    is_nested = isinstance(element, ArrayNode) and not lists
    inner: Any = array.flatten()
    ends = np.cumsum(np.asarray(array.value_lengths().fill_null(0))).tolist()
    values: Any = _matrix(element, inner) if is_nested else None
    if values is None:
        values = objects(element, inner, anything, lists) if lists else _vector(element, inner, anything)
    else:
        is_nested = False
    cells: list[object] = []
    start = 0
    for i, end in enumerate(ends):
        cell = values[start:end]
        cells.append(None if missing is not None and missing[i] else _as_one(cell) if is_nested else cell)
        start = end
    return cells


def _matrix(element: Node, inner: pa.Array) -> Any:
    """Arrays of numbers that all have one shape as one array, whose first dimension counts them; None for others."""
    shape: list[int] = []
    while isinstance(element, ArrayNode):
        sizes = set(np.asarray(inner.value_lengths().fill_null(-1)).tolist())
        if len(sizes) != 1 or (size := sizes.pop()) < 1:
            return None
        shape, element, inner = [*shape, size], element.element, inner.flatten()
    values = _vector(element, inner, None)
    return None if values.dtype == object else values.reshape(-1, *shape)


def _as_one(cell: Array) -> Array:
    """A cell of arrays of numbers that have one shape as one array of more dimensions; others as they are."""
    alike = len({(part.dtype, part.shape) if isinstance(part, np.ndarray) else None for part in cell}) == 1
    return np.stack(list(cell)) if alike and cell[0] is not None and cell[0].dtype != object else cell


def _vector(element: Node, inner: pa.Array, anything: Sequence[object] | None) -> Any:
    """The elements of all cells in one array that cells are cut from; where nulls may come, integers are objects."""
    if isinstance(element, ScalarNode):
        target = element.cast.target
        whole = not element.nulls or target.kind in (Kind.FLOAT, Kind.DATETIME)
        if whole and (target.is_number or target.kind in (Kind.BOOLEAN, Kind.DATETIME)):
            return _writable(_scalars(target, inner, False, True))
    return _held(objects(element, inner, anything, lists=False))


def _writable(values: Any) -> Any:
    return values if values.flags.writeable else values.copy()


def _mappings(value: Node, array: pa.Array, anything: Sequence[object] | None, lists: bool) -> list[object]:
    offsets = np.asarray(array.offsets)
    start, stop = int(offsets[0]), int(offsets[-1])
    keys = array.keys.slice(start, stop - start).to_pylist()
    values = objects(value, array.items.slice(start, stop - start), anything, lists)
    valid = array.is_valid().to_pylist()
    spans = zip(offsets[:-1] - start, offsets[1:] - start, valid, strict=True)
    return [dict(zip(keys[a:b], values[a:b], strict=True)) if there else None for a, b, there in spans]


def _dicts(node: StructNode, array: pa.Array, anything: Sequence[object] | None, lists: bool) -> list[object]:
    names = [member.name for member in node.members]
    parts = [objects(m.node, part, anything, lists) for m, part in zip(node.members, array.flatten(), strict=True)]
    rows: Iterator[tuple[object, ...]] = zip(*parts, strict=True) if parts else iter([()] * len(array))
    if not array.null_count:
        return [dict(zip(names, row, strict=True)) for row in rows]
    valid = array.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, valid, strict=True)]
