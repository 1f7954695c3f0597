"""A column of pandas, numpy or Arrow as an Arrow array of the types that a worker's batches have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sparksig.enforcement.values.reading.cells import Declared, Reading, depth_of
from sparksig.enforcement.values.reading.scalars import from_numpy, integers_of, is_missing, nan_as_null
from sparksig.signature.dtypes import ELEMENTS, Kind
from sparksig.signature.schema import ColSpec, TensorSpec
from sparksig.signature.types import AnyType, Array, DataType
from sparksig.sources.observed import ObservedType, OtherType, ScalarType, from_arrow


def objects_in(column: Any) -> Any:
    """The Python objects of a column that holds such; None where it holds numbers, or what pandas or Arrow made."""
    if isinstance(column, pd.Series) and column.dtype == object:
        return column.to_numpy()
    if isinstance(column, np.ndarray) and column.dtype.kind in "OUT":
        return column.astype(object, copy=False)
    return None


def read_column(
    column: Any,
    spec: ColSpec | TensorSpec | None,
    reading: Reading,
    label: str,
    *,
    nulls: bool = False,
    gaps: bool = False,
) -> tuple[pa.Array, ObservedType]:
    """A column of pandas, numpy or Arrow as an Arrow array, and the type that it shows.

    Args:
        column: the values.
        spec: what is declared for them; None where nothing is.
        reading: where faults of cells are noted.
        label: the column's name.
        nulls: whether a null is no violation: NaN is then a null where no float is declared.
        gaps: whether the model receives integers as doubles, with NaN for nulls: doubles of numpy and pandas are then
            read as integers.
    """
    cells = objects_in(column)
    if cells is not None:
        return (
            (pa.nulls(len(cells)), OtherType("objects"))
            if spec is None
            else _read_cells(cells, spec, reading, label, nulls)
        )
    if isinstance(spec, ColSpec) and isinstance(spec.type, AnyType):
        if isinstance(column, pa.Array | pa.ChunkedArray):
            array = _plain(column)
            return array, from_arrow(array.type)
        return reading.column(list(column), spec.type, label)
    if isinstance(column, np.ndarray):
        return _of_numpy(column, spec, reading, label, nulls, gaps)
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return _arrow(column)
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _arrow(pa.array(column.dt.tz_convert("UTC")))
    if isinstance(dtype, np.dtype | pd.SparseDtype):
        return _of_numpy(np.asarray(column), spec, reading, label, nulls, gaps)
    if isinstance(dtype, pd.CategoricalDtype) and dtype.categories.dtype.kind in "biufM":
        array, kind = read_column(pd.Series(dtype.categories), spec, reading, label, nulls=nulls, gaps=gaps)
        codes = column.cat.codes.to_numpy()
        return array.take(pa.array(codes, mask=codes < 0)), kind
    if isinstance(dtype, pd.CategoricalDtype):
        values = column.astype(object).to_numpy()
        if spec is None:
            return pa.nulls(len(values)), OtherType("")
        return _read_cells(values, spec, reading, label, nulls)
    try:
        return _arrow(pa.array(column))
    except (pa.ArrowException, TypeError, ValueError):
        return pa.nulls(len(column)), OtherType(str(dtype))


def _of_numpy(
    column: np.ndarray[Any, Any],
    spec: ColSpec | TensorSpec | None,
    reading: Reading,
    label: str,
    nulls: bool,
    gaps: bool,
) -> tuple[pa.Array, ObservedType]:
    array, kind = from_numpy(column)
    if not isinstance(spec, ColSpec) or not isinstance(spec.type, DataType):
        return array, kind
    declared = spec.type.element
    if gaps and declared.kind is Kind.INTEGER and array.type == pa.float64():
        result, faults = integers_of(array, declared, label)
        reading.faults += faults
        return result, ScalarType(declared)
    return nan_as_null(array, kind, declared) if nulls else (array, kind)


def _read_cells(
    cells: Sequence[object], spec: ColSpec | TensorSpec, reading: Reading, label: str, nulls: bool
) -> tuple[pa.Array, ObservedType]:
    if isinstance(spec, ColSpec):
        return reading.column(cells, spec.type, label, nan_is_null=nulls)
    declared: Declared = spec.element or ELEMENTS["float64"]
    nothing = len(spec.shape) > 1 and all(map(is_missing, cells))  # the shape has to say it
    for _ in range(1 if nothing else depth_of(cells)):
        declared = Array(declared) if isinstance(declared, DataType | Array) else Array(_holding(declared))
    return reading.column(cells, declared, label)


def _holding(element: Any) -> DataType:
    return DataType.holding(element) or DataType.double


def _arrow(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, ObservedType]:
    array = _plain(column)
    plain = array.type
    try:
        if pa.types.is_timestamp(plain):
            array.cast(pa.timestamp("us"), safe=False) if _is_fine(plain) else array.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return pa.nulls(len(array)), OtherType("datetimes that microseconds do not hold")
    if not pa.types.is_nested(plain) and (row := ELEMENTS.get(_numpy_name(plain))) is not None:
        return array, ScalarType(row)
    return array, from_arrow(plain)


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The values as one array, without encodings and views."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    plain = _without_views(array.type)
    return array if plain == array.type else array.cast(plain)


def _numpy_name(kind: pa.DataType) -> str:
    try:
        return str(np.dtype(kind.to_pandas_dtype()).name)
    except (NotImplementedError, TypeError):
        return ""


def _is_fine(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.unit in ("us", "ns")


def _without_views(kind: pa.DataType) -> pa.DataType:
    """The type with plain texts, bytes and lists, which are what a worker's batches have."""
    t = pa.types
    if t.is_large_string(kind) or t.is_string_view(kind):
        return pa.string()
    if t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return pa.binary()
    if t.is_decimal32(kind) or t.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if t.is_large_list(kind) or t.is_fixed_size_list(kind) or t.is_list(kind):
        return pa.list_(_without_views(kind.value_type))
    if t.is_map(kind):
        return pa.map_(_without_views(kind.key_type), _without_views(kind.item_type))
    if t.is_struct(kind):
        return pa.struct([f.with_type(_without_views(f.type)) for f in kind])  # its metadata tells a variant
    return kind
