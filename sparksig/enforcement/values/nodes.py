"""A plan applied to Arrow arrays: nodes by recursion, without a Python step per row.

What a node makes of an array has the declared type's Arrow form, with a null wherever a value was not good; a tensor
stays as its entries lie. Faults are masks over the rows of the array that they were found in, and are lifted from
elements to the rows that hold them on the way up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    Types,
    VariantNode,
    VectorNode,
    entry_path,
)
from sparksig.enforcement.steps import Plan, Step
from sparksig.enforcement.values.casts import Mask, arrow_type, bits, cast_array, invalid_utf8, outside_years
from sparksig.enforcement.values.faults import Fault, Judged, faults_of
from sparksig.errors import Code
from sparksig.signature.casts import Cast, InYears, Level, NotNan, ValidUtf8
from sparksig.signature.dtypes import ELEMENTS, Kind
from sparksig.signature.paths import ELEMENT, VALUE
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector


def enforce_arrow(plan: Plan, columns: Sequence[pa.Array], rows: int) -> Judged:
    """Apply a plan to the Arrow columns of one batch.

    Args:
        plan: made from the batch's own schema.
        columns: the table's columns, in the order the plan knows.
        rows: the number of rows.

    Raises:
        NotSupportedError: the plan has a guard that only Spark spells.
    """
    judged = [_step(step, columns, rows) for step in plan.steps]
    faults = [fault for _, found in judged for fault in found if fault.mask.any()]
    return Judged(tuple(column for column, _ in judged), tuple(faults))


def declared_arrow(declared: ColumnType) -> pa.DataType:
    """The Arrow type of a declared type; Any has none of its own.

    >>> declared_arrow(Array(DataType.integer))
    ListType(list<element: int32>)
    """
    match declared:
        case DataType():
            return arrow_type(declared.element)
        case Array(dtype):
            return _list_type(declared_arrow(dtype))
        case Map(value_type):
            return pa.map_(pa.string(), declared_arrow(value_type))
        case Object(properties):
            return pa.struct([pa.field(p.name, declared_arrow(p.dtype)) for p in properties])
        case SparkMLVector():
            return _list_type(pa.float64())
        case AnyType():
            return pa.null()


def _list_type(entries: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", entries))


Found: TypeAlias = tuple[pa.Array, list[Fault]]

_DOUBLES = Cast(ELEMENTS["float64"], ELEMENTS["float64"], Level.STRICT)


def _step(step: Step, columns: Sequence[pa.Array], rows: int) -> Found:
    if isinstance(step.node, AbsentNode):
        return pa.nulls(rows, declared_arrow(step.node.declared)), []
    if isinstance(step.node, ColumnsNode):
        return _columns(step.node, [columns[at] for at in step.positions])
    if step.built:
        members = [columns[at] for at in step.positions]
        return apply(step.node, pa.StructArray.from_arrays(members, [str(i) for i in range(len(members))]), step.name)
    return apply(step.node, columns[step.positions[0]], step.name)


def apply(node: Node, x: pa.Array, path: str) -> Found:
    """One node on one array.

    Args:
        node: what happens to each value.
        x: the values.
        path: where they are.

    Returns:
        The values as declared, and the faults, as masks over `x`.
    """
    if isinstance(x, pa.ChunkedArray):
        x = x.combine_chunks()
    match node:
        case ScalarNode():
            return _scalar(node, x, path)
        case AbsentNode(declared):
            return pa.nulls(len(x), declared_arrow(declared)), []
        case AnyNode(_, _, inside):
            faults = [] if inside is None else unheld(inside, x, path)
            return x, [*_missing(node, x, path), *(replace(f, types=Types("Any", f.types.observed)) for f in faults)]
        case VariantNode():  # Arrow has no variants: Spark checks them before they become values of Python
            return x, []
        case ArrayNode(element):
            return _elements(node, x, path, element)
        case MapNode(value):
            return _map(node, x, path, value)
        case StructNode():
            return _struct(node, x, path)
        case VectorNode():
            doubles = ScalarNode(_DOUBLES, nulls=False, nan=node.nan)
            return _elements(node, x, path, doubles)
        case TensorNode():
            return _tensor(node, x, path)
        case ColumnsNode():
            raise AssertionError("a tensor in columns is a step of its own")


def _missing(node: Any, x: pa.Array, path: str) -> list[Fault]:
    return [] if node.nulls or not x.null_count else [Fault(path, Code.NULL, bits(x.is_null()), node.types)]


def _scalar(node: ScalarNode, x: pa.Array, path: str) -> Found:
    after = (*(() if node.nan else (NotNan(),)), *node.after)
    y, wrong = cast_array(node.cast, x, after)
    return y, [*_missing(node, x, path), *(Fault(path, w.code, w.mask, node.types) for w in wrong)]


# ---- what nests


@dataclass(frozen=True, slots=True)
class _Run:
    """The elements of an array of lists, one after the other, and whose they are."""

    elements: pa.Array
    lengths: np.ndarray[Any, np.dtype[np.int64]]
    missing: Mask

    @classmethod
    def of(cls, x: pa.Array) -> _Run:
        lengths = pc.fill_null(pc.list_value_length(x), 0).to_numpy(zero_copy_only=False)
        return cls(x.flatten(), lengths.astype(np.int64), bits(x.is_null()))

    @property
    def owner(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The row of each element."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def offsets(self) -> pa.Array:
        return pa.array(np.concatenate([[0], np.cumsum(self.lengths)]), pa.int32())

    def lift(self, faults: Sequence[Fault]) -> list[Fault]:
        """Faults of elements as faults of the rows that hold them."""
        return [fault.lifted(self.owner, len(self.lengths)) for fault in faults]

    def lists(self, elements: pa.Array) -> pa.Array:
        """The lists again, with other elements."""
        mask = pa.array(self.missing) if self.missing.any() else None
        return pa.ListArray.from_arrays(self.offsets(), elements, type=_list_type(elements.type), mask=mask)


def _elements(node: ArrayNode | VectorNode, x: pa.Array, path: str, element: Node) -> Found:
    run = _Run.of(x)
    inner, faults = apply(element, run.elements, path + ELEMENT)
    return run.lists(inner), [*_missing(node, x, path), *run.lift(faults)]


def _map(node: MapNode, x: pa.Array, path: str, value: Node) -> Found:
    offsets = np.asarray(x.offsets)
    start, stop = int(offsets[0]), int(offsets[-1])
    missing = bits(x.is_null())
    lengths = np.diff(offsets).astype(np.int64)
    run = _Run(x.items.slice(start, stop - start), lengths, missing)
    inner, faults = apply(value, run.elements, path + VALUE)
    hidden = [replace(fault, mask=fault.mask & ~missing[run.owner]) for fault in faults] if missing.any() else faults
    keys = x.keys.slice(start, stop - start)
    starts = pa.array(offsets - start, pa.int32(), mask=np.append(missing, False)) if missing.any() else run.offsets()
    made = pa.MapArray.from_arrays(starts, keys.cast(pa.string()), inner)
    return made, [*_missing(node, x, path), *_keys(node, x, path), *run.lift(hidden)]


def _keys(node: MapNode, x: pa.Array, path: str) -> list[Fault]:
    """What is wrong with a map's keys. They are data: the path is the map's own."""
    run = _entries(x, x.keys)
    faults = [] if node.key is None else run.lift(unheld(node.key, run.elements, path))
    found = [replace(fault, path=path, types=node.types) for fault in faults]
    if node.unique and len(run.elements):
        codes = run.elements.cast(pa.binary()).dictionary_encode().indices.to_numpy(zero_copy_only=False)
        order = np.lexsort((codes, run.owner))
        same = (np.diff(codes[order]) == 0) & (np.diff(run.owner[order]) == 0)
        mask = np.zeros(len(x), bool)
        mask[run.owner[order[1:][same]]] = True
        found += faults_of(path, Code.NOT_EXACT, mask, node.types)
    return found


def _entries(x: pa.Array, values: pa.Array) -> _Run:
    """The keys or the items of an array of maps, without those that a null map hides."""
    offsets, missing = np.asarray(x.offsets), bits(x.is_null())
    lengths = np.diff(offsets).astype(np.int64)
    part = values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    if (missing & (lengths > 0)).any():
        part = part.filter(pa.array(np.repeat(~missing, lengths)))
    return _Run(part, np.where(missing, 0, lengths), missing)


def unheld(node: Node, x: pa.Array, path: str) -> list[Fault]:
    """Values that Python cannot hold, of those that stay as they are: faults, as masks over `x`."""
    match node:
        case ScalarNode(after=after):
            masks = [(guard, _BROKEN[type(guard)](x)) for guard in after]
            return [fault for guard, mask in masks for fault in faults_of(path, guard.code, mask, node.types)]
        case ArrayNode(element):
            run = _Run.of(x)
            return run.lift(unheld(element, run.elements, path + ELEMENT))
        case MapNode(value):
            run = _entries(x, x.items)
            return [*_keys(node, x, path), *run.lift(unheld(value, run.elements, path + VALUE))]
        case StructNode(members):
            parts = x.flatten()  # a null struct's fields are null as well
            return [f for m in members for f in unheld(m.node, parts[m.position or 0], f"{path}.{m.name}")]
    return []


_BROKEN: dict[type, Callable[[pa.Array], Mask]] = {ValidUtf8: invalid_utf8, InYears: outside_years}
"""What finds the values that break a guard on what stays as it is."""


def _struct(node: StructNode, x: pa.Array, path: str) -> Found:
    missing = bits(x.is_null())
    parts = x.flatten()  # a null struct's fields are null as well
    arrays, faults = [], _missing(node, x, path)
    for member in node.members:
        part = pa.nulls(len(x)) if member.position is None else parts[member.position]
        made, found = apply(member.node, part, f"{path}.{member.name}")
        arrays.append(made)
        faults += [replace(fault, mask=fault.mask & ~missing) for fault in found] if missing.any() else found
    fields = [pa.field(m.name, array.type) for m, array in zip(node.members, arrays, strict=True)]
    mask = pa.array(missing) if missing.any() else None
    if not fields:
        return pa.array([None if gone else {} for gone in missing], pa.struct([])), faults
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=mask), faults


# ---- tensors


def _columns(node: ColumnsNode, columns: Sequence[pa.Array]) -> Found:
    """A tensor whose entries are columns, as one array of lists."""
    parts, faults = [], []
    for (name, entry), x in zip(node.entries, columns, strict=True):
        part, found = apply(entry, x, name)
        parts.append(part)
        faults += found
    rows, width = len(parts[0]), len(parts)
    order = np.arange(rows * width).reshape(width, rows).T.reshape(-1)
    entries = pa.concat_arrays(parts).take(pa.array(order))
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1) * width, pa.int32()), entries), faults


def _tensor(node: TensorNode, x: pa.Array, path: str) -> Found:
    inside = path + entry_path(node)
    match node.layout:
        case Layout.SCALAR:
            scalar = replace(node.element, nulls=node.nulls)
            return _scalar(scalar, x, path)
        case Layout.BINARY:
            return x, [*_missing(node, x, path), *_bytes(node, x, path)]
        case Layout.NESTED:
            return _nested(node, x, path)
        case _:
            run = _Run.of(x)
            entries, faults = _scalar(node.element, run.elements, inside)
            wrong = ~run.missing & ~_fills(node, run.lengths)
            length = Fault(path, Code.WRONG_LENGTH, wrong, node.types)
            return run.lists(entries), [*_missing(node, x, path), length, *run.lift(faults)]


def _fills(node: TensorNode, lengths: np.ndarray[Any, Any]) -> Mask:
    """Whether so many entries fill the shape."""
    if node.length is not None:
        return np.asarray(lengths == node.length)
    return np.asarray(lengths % node.known == 0 if node.known else lengths == 0)


def _bytes(node: TensorNode, x: pa.Array, path: str) -> list[Fault]:
    target = node.element.cast.target
    size = np.dtype(target.numpy).itemsize * (node.length or 0)
    found = pc.fill_null(pc.binary_length(x), size).to_numpy(zero_copy_only=False)
    wrong = np.asarray(found != size)
    faults = [Fault(path, Code.WRONG_LENGTH, wrong, node.types)]
    if target.kind is Kind.BOOLEAN:
        odd = [value is not None and any(byte > 1 for byte in value) for value in x.to_pylist()]
        mask = np.array(odd, bool) & ~wrong if size else np.zeros(len(x), bool)
        faults.append(Fault(path + ELEMENT, Code.OUT_OF_RANGE, mask, node.element.types))
    return faults


def _nested(node: TensorNode, x: pa.Array, path: str) -> Found:
    """Arrays in arrays: every size as declared, an open size the same in the whole row."""
    faults = _missing(node, x, path)
    runs: list[_Run] = []
    owner = np.arange(len(x))
    misshapen, level = np.zeros(len(x), bool), x
    for depth, size in enumerate(node.shape):
        run = _Run.of(level)
        if depth and run.missing.any():
            holes = np.zeros(len(x), bool)
            holes[owner[run.missing]] = True
            faults.append(Fault(path + ELEMENT * depth, Code.NULL, holes, node.types))
        expected = np.full(len(level), size) if size >= 0 else _first_length(run, owner)
        misshapen[owner[~run.missing & (run.lengths != expected)]] = True
        runs.append(run)
        owner, level = owner[run.owner], run.elements
    entries, found = _scalar(node.element, level, path + entry_path(node))
    for run in reversed(runs):
        entries, found = run.lists(entries), run.lift(found)
    return entries, [*faults, Fault(path, Code.WRONG_SHAPE, misshapen, node.types), *found]


def _first_length(run: _Run, owner: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """For each list the length of the first list of the same row."""
    present = np.flatnonzero(~run.missing)
    rows, first = np.unique(owner[present], return_index=True)
    lengths = np.zeros(int(owner.max(initial=-1)) + 1, np.int64)
    lengths[rows] = run.lengths[present[first]]
    return np.asarray(lengths[owner])
