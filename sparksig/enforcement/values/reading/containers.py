"""What data consists of, whatever container holds it: columns, or arrays that are tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from sparksig.enforcement.values.reading.cells import unmasked
from sparksig.errors import Code, Problem, SchemaError
from sparksig.signature.members import class_name
from sparksig.signature.schema import Schema
from sparksig.signature.types import AnyType, Array, Map, Object, SparkMLVector

_COMPOUND = (Array, Object, Map, SparkMLVector)


def columns_of(data: Any, schema: Schema) -> tuple[list[tuple[Any, Any]], Any]:
    """The columns of data, with their labels, and its index; None where it has none.

    Raises:
        SchemaError: the data is nothing that has columns, or they are of different lengths.
    """
    if isinstance(data, pa.RecordBatch | pa.Table):
        return list(zip(data.schema.names, data.columns, strict=True)), None
    if isinstance(data, pd.Series):
        data = data.to_frame()
    if isinstance(data, pd.DataFrame) and any(isinstance(label, tuple) for label in data.columns):
        fact, hint = "the columns have labels of several levels", "give a DataFrame with labels of one level"
        raise SchemaError("the data does not fit the signature", [Problem("", fact, Code.UNSUPPORTED_TYPE, hint)])
    if isinstance(data, pd.DataFrame):
        return [(label, data.iloc[:, i]) for i, label in enumerate(data.columns)], data.index
    if isinstance(data, Mapping) and not schema.is_tensor_spec():
        return _named_columns(data, schema)
    if isinstance(data, np.ndarray) and data.ndim in (1, 2) and not schema.is_tensor_spec():
        data = unmasked(data)
        if data.dtype.names and data.ndim == 1:
            return [(name, data[name]) for name in data.dtype.names], None
        return ([(0, data)] if data.ndim == 1 else list(enumerate(data.T))), None
    if isinstance(data, list) and not schema.is_tensor_spec():
        return _listed_columns(data, schema), None
    if np.isscalar(data) and not schema.is_tensor_spec():
        return [(0, _objects([data]))], None
    raise _no_columns(data, schema)


def _no_columns(data: Any, schema: Schema) -> SchemaError:
    tensors = "an ndarray, or a dict of them where tensors have names" if schema.is_tensor_spec() else "a DataFrame"
    fact = f"{class_name(data)} holds no rows that the signature could be asked of"
    return SchemaError(
        "the data does not fit the signature", [Problem("", fact, Code.INCOMPATIBLE_TYPE, f"give {tensors}")]
    )


_SEQUENCES = (list, tuple, range, pd.Series, pd.Index, ExtensionArray, pa.Array, pa.ChunkedArray)


def _named_columns(data: Mapping[Any, Any], schema: Schema) -> tuple[list[tuple[Any, Any]], Any]:
    """A dict is one row where a declared type is compound or every value is one value, else columns with an index."""
    many = [value for value in data.values() if _is_column(value)]
    if any(isinstance(spec.type, _COMPOUND) for spec in schema.columns) or not many or _lists_are_any(data, schema):
        return [(name, _objects([value.item() if _is_0d(value) else value])) for name, value in data.items()], None
    lengths = {len(value) for value in many}
    if len(lengths) > 1:
        raise _uneven("the columns have different lengths")
    index = _common_index([value.index for value in many if isinstance(value, pd.Series)])
    [rows] = lengths
    return [(name, _broadcast(value, rows, index)) for name, value in data.items()], index


def _lists_are_any(data: Mapping[Any, Any], schema: Schema) -> bool:
    """Whether lists are values of Any: no other column has one, and another has a single value or they hold objects.

    A conversation is one row, whatever its messages are, although a signature inferred from it may declare them as Any.
    """
    kinds = {spec.name: spec.type for spec in schema.columns}
    many = {name: value for name, value in data.items() if _is_column(value)}
    if not all(isinstance(value, list | tuple) for value in many.values()):
        return False
    declared = {name: isinstance(kind, AnyType) for name, kind in kinds.items() if name in many}
    single = any(name in kinds for name in data if name not in many)
    objects = any(isinstance(item, Mapping | list) for name in declared for item in many[name])
    return bool(declared) and all(declared.values()) and (single or objects)


def _uneven(fact: str) -> SchemaError:
    return SchemaError("the data does not fit the signature", [Problem("", fact, Code.COLUMN_COUNT)])


def _common_index(indexes: list[Any]) -> Any:
    """The labels of all Series, which have to be the same, in whatever order; pandas would fill the others' places."""
    if not indexes or all(index.equals(indexes[0]) for index in indexes):
        return indexes[0] if indexes else None
    alike = all(len(index) == len(indexes[0]) == len(index.union(indexes[0])) for index in indexes)
    if not alike or not all(index.is_unique for index in indexes):
        raise _uneven("the columns are Series with different labels")
    return reduce(lambda first, other: first.union(other), indexes)


def _is_column(value: object) -> bool:
    return isinstance(value, _SEQUENCES) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _broadcast(value: Any, rows: int, index: Any) -> Any:
    if isinstance(value, pd.Series):
        return value if value.index.equals(index) else value.reindex(index)
    if isinstance(value, pd.Index | ExtensionArray):
        return pd.Series(value)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return unmasked(value)
    return _objects(value if _is_column(value) else [value] * rows)


def _is_0d(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


def _listed_columns(data: list[Any], schema: Schema) -> list[tuple[Any, Any]]:
    data = [row.to_dict() if isinstance(row, pd.Series) else row[()] if _is_0d(row) else row for row in data]
    if data and all(isinstance(row, Mapping) for row in data):
        if not schema.has_input_names() and isinstance(next(iter(schema)).type, Object | Map | AnyType):
            return [(0, _objects(data))]
        names = dict.fromkeys(name for row in data for name in row)
        return [(name, _objects([row.get(name) for row in data])) for name in names]
    if schema.has_input_names() and any(isinstance(row, Mapping) for row in data):
        fact = f"rows of several classes: {', '.join(sorted({class_name(row) for row in data}))}"
        problem = Problem("", fact, Code.INCOMPATIBLE_TYPE, "give a list of dicts")
        raise SchemaError("the data does not fit the signature", [problem])
    types = [spec.type for spec in schema]
    whole = len(types) == 1 and isinstance(types[0], (*_COMPOUND, AnyType))
    if whole or not all(isinstance(row, list | tuple | np.ndarray) for row in data):
        return [(0, _objects(data))] if data else []
    widths = {len(row) for row in data}
    if len(widths) > 1:
        raise _uneven("the rows have different lengths")
    return [(i, _objects([row[i] for row in data])) for i in range(max(widths, default=0))]


def _objects(cells: Any) -> np.ndarray[Any, Any]:
    return np.fromiter(cells, dtype=object, count=len(cells))


def tensors_of(data: Any, schema: Schema) -> dict[Any, Any] | None:
    """Arrays by name; None where the data is a table. What is not an array in a dict may belong to an extra key."""
    if isinstance(data, np.ndarray) or is_sparse(data):
        one = len(schema.inputs) == 1 and isinstance(data, np.ndarray)
        return {schema.inputs[0].name if one else None: data}
    if isinstance(data, Mapping) and any(isinstance(value, np.ndarray) for value in data.values()):
        return dict(data)
    if isinstance(data, Mapping):
        raise _no_columns(data, schema)
    return None


def is_sparse(data: object) -> bool:
    """Whether data is one of scipy's sparse matrices or arrays."""
    return type(data).__module__.startswith("scipy.sparse")
