"""Columns of Python objects as Arrow arrays, read along the declared type: level by level, not value by value.

What is declared says how a cell is opened (a list, a mapping, a scalar); what the scalars are is read from their
classes, never guessed by Arrow, which turns datetimes beside dates into dates. A cell that cannot be opened is a fault
of its row and null from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from sparksig.enforcement.nodes import Types
from sparksig.enforcement.values.faults import Fault, faults_of, lost
from sparksig.enforcement.values.reading.scalars import Scalars, encodes, is_missing
from sparksig.errors import Code
from sparksig.signature.dtypes import ELEMENTS, SPARK, Element
from sparksig.signature.paths import ELEMENT, VALUE
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import ArrayType, MapType, ObservedType, OtherType, ScalarType, StructType
from sparksig.sources.observed import Field as ObservedField

Declared: TypeAlias = ColumnType | Element


@dataclass(slots=True)
class Reading:
    """What one pass over a table's cells finds beside the arrays.

    Attributes:
        faults: rows with a cell that cannot be opened as declared.
        anything: the values of which nothing is declared; their column holds positions in this list.
    """

    faults: list[Fault] = field(default_factory=list)
    anything: list[object] = field(default_factory=list)

    def column(
        self, cells: Sequence[object], declared: Declared, path: str, *, nan_is_null: bool = False
    ) -> tuple[pa.Array, ObservedType]:
        """A column of cells as an Arrow array, and the type that it shows.

        Args:
            cells: the cells.
            declared: what is declared for them.
            path: where they are.
            nan_is_null: whether NaN is a null where no float is declared.
        """
        inner = Reading(anything=self.anything)
        array, kind = inner._read(cells, declared, path, nan_is_null=nan_is_null)
        self.faults += inner.faults
        return array, kind

    def _read(
        self, cells: Sequence[object], declared: Declared, path: str, *, nan_is_null: bool = False
    ) -> tuple[pa.Array, ObservedType]:
        match declared:
            case AnyType():
                return self._any(cells)
            case Array(dtype):
                return self._lists(cells, dtype, declared, path)
            case SparkMLVector():
                return self._lists(cells, DataType.double, declared, path)
            case Map(value_type):
                return self._maps(cells, value_type, declared, path)
            case Object():
                return self._objects(cells, declared, path)
            case DataType():
                return Scalars(path, self.faults, nan_is_null).column(cells, declared.element)
            case Element():
                return Scalars(path, self.faults).column(cells, declared)

    def _any(self, cells: Sequence[object]) -> tuple[pa.Array, ObservedType]:
        start = len(self.anything)
        self.anything.extend(cells)  # not +=, which numpy would take for a sum
        mask = np.fromiter((cell is None for cell in cells), bool, len(cells))
        return pa.array(np.arange(start, start + len(cells)), mask=mask), OtherType("anything")

    def _lists(
        self, cells: Sequence[object], element: Declared, declared: ColumnType, path: str
    ) -> tuple[pa.Array, ObservedType]:
        cells = [cell.toArray() if hasattr(cell, "toArray") else cell for cell in cells]  # Spark's own vectors
        opened: list[Any] = [unmasked(cell) if _is_list(cell) else None for cell in cells]
        if (stranger := self._closed(cells, opened, declared, path)) is not None:
            return stranger
        lengths = np.fromiter((0 if cell is None else len(cell) for cell in opened), np.int64, len(opened))
        entries = _joined([cell for cell in opened if cell is not None])
        owner = np.repeat(np.arange(len(opened)), lengths)
        inner, kind = self._inside(entries, element, path + ELEMENT, owner, len(opened))
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, inner, mask=_mask(opened)), ArrayType(kind)

    def _maps(
        self, cells: Sequence[object], value: ColumnType, declared: ColumnType, path: str
    ) -> tuple[pa.Array, ObservedType]:
        opened = [_members(cell) for cell in cells]
        if (stranger := self._closed(cells, opened, declared, path)) is not None:
            return stranger
        texts = [cell if cell is None or all(isinstance(key, str) for key in cell) else None for cell in opened]
        types = Types(repr(declared), "map with other keys than text")
        self.faults += faults_of(path, Code.INCOMPATIBLE_TYPE, lost(opened, texts), types)
        keyed = [cell if cell is None or encodes("".join(cell)) else None for cell in texts]
        types = Types(repr(declared), "map with keys that are no Unicode")
        self.faults += faults_of(path, Code.UNPARSABLE, lost(texts, keyed), types)
        lengths = np.fromiter((0 if cell is None else len(cell) for cell in keyed), np.int64, len(keyed))
        present = [cell for cell in keyed if cell is not None]
        owner = np.repeat(np.arange(len(keyed)), lengths)
        values = list(chain.from_iterable(cell.values() for cell in present))
        inner, kind = self._inside(values, value, path + VALUE, owner, len(keyed), nan_is_null=True)
        keys = pa.array(list(chain.from_iterable(present)), pa.string())
        missing = np.array([cell is None for cell in keyed], bool)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        offsets = pa.array(ends, pa.int32(), mask=np.append(missing, False) if missing.any() else None)
        return pa.MapArray.from_arrays(offsets, keys, inner), MapType(ScalarType(SPARK["string"]), kind)

    def _objects(self, cells: Sequence[object], declared: Object, path: str) -> tuple[pa.Array, ObservedType]:
        opened = [_members(cell) for cell in cells]
        if (stranger := self._closed(cells, opened, declared, path)) is not None:
            return stranger
        names = {prop.name for prop in declared.properties}
        known = [None if cell is not None and not cell.keys() <= names else cell for cell in opened]
        types = Types(repr(declared), "object")
        self.faults += faults_of(path, Code.UNEXPECTED_FIELD, lost(opened, known), types)
        arrays, fields = [], []
        for prop in declared.properties:
            values = [_ABSENT if cell is None else cell.get(prop.name, _ABSENT) for cell in known]
            absent = [value is _ABSENT and cell is not None for value, cell in zip(values, known, strict=True)]
            place = f"{path}.{prop.name}"
            if prop.required and any(absent):
                self.faults.append(
                    Fault(place, Code.MISSING_FIELD, np.array(absent), Types(repr(prop.dtype), "absent"))
                )
            members = [None if value is _ABSENT else value for value in values]
            array, kind = self._read(members, prop.dtype, place, nan_is_null=True)
            arrays.append(array)
            fields.append(ObservedField(prop.name, kind))
        shown = [pa.field(f.name, array.type) for f, array in zip(fields, arrays, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=shown, mask=_mask(known)), StructType(tuple(fields))

    def _inside(
        self,
        cells: Any,
        declared: Declared,
        path: str,
        owner: np.ndarray[Any, Any],
        rows: int,
        *,
        nan_is_null: bool = False,
    ) -> tuple[pa.Array, ObservedType]:
        """The cells of one level further in; their faults are those of the rows that hold them."""
        inner = Reading(anything=self.anything)
        array, kind = inner._read(cells, declared, path, nan_is_null=nan_is_null)
        self.faults += [fault.lifted(owner, rows) for fault in inner.faults]
        return array, kind

    def _closed(
        self, cells: Sequence[object], opened: Sequence[object], declared: ColumnType, path: str
    ) -> tuple[pa.Array, ObservedType] | None:
        """Note the cells that could not be opened; where none could, the column as what it is instead."""
        strange = [cell for cell, inside in zip(cells, opened, strict=True) if inside is None and not is_missing(cell)]
        if strange and all(inside is None for inside in opened):
            return Scalars(path, self.faults).column(cells, ELEMENTS["str"])
        if strange:
            found = sorted({type(cell).__name__ for cell in strange})
            mask = np.array([i is None and not is_missing(c) for c, i in zip(cells, opened, strict=True)], bool)
            self.faults.append(Fault(path, Code.INCOMPATIBLE_TYPE, mask, Types(repr(declared), ", ".join(found))))
        return None


_ABSENT = object()


def unmasked(cell: Any) -> Any:
    """An array of a subclass as a plain one, None where it is masked; anything else as it is."""
    if not isinstance(cell, np.ndarray) or type(cell) is np.ndarray:
        return cell
    if not np.ma.is_masked(cell):
        return np.asarray(cell)
    plain = np.asarray(cell).astype(object)
    plain[np.ma.getmaskarray(cell)] = None
    return plain


def depth_of(cells: Sequence[object]) -> int:
    """How many lists or dimensions are around the scalars of a column, read from its first cell that says so."""
    for cell in cells:
        if isinstance(cell, np.ndarray):
            return int(cell.ndim)
        if isinstance(cell, list):
            return 1 + depth_of(cell)
        if not is_missing(cell):
            return 0
    return 0


def _is_list(cell: object) -> bool:
    return isinstance(cell, list) or (isinstance(cell, np.ndarray) and cell.ndim > 0)


def _members(cell: object) -> Mapping[Any, Any] | None:
    if hasattr(cell, "asDict"):  # a Spark Row
        cell = cell.asDict()
    return cell if isinstance(cell, Mapping) else None


def _mask(cells: Sequence[object]) -> pa.Array | None:
    mask = np.fromiter((cell is None for cell in cells), bool, len(cells))
    return pa.array(mask) if mask.any() else None


def _joined(cells: Sequence[Any]) -> Any:
    """The elements of all cells: an array where all cells are arrays of one dtype, else a list."""
    dtypes = {(cell.dtype, cell.ndim) if isinstance(cell, np.ndarray) else None for cell in cells}
    if len(dtypes) == 1 and None not in dtypes and cells[0].dtype != object:
        return np.concatenate(cells) if cells[0].ndim == 1 else list(chain.from_iterable(cells))
    return list(chain.from_iterable(cells))
