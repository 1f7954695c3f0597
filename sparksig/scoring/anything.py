"""What of an output no worker can make, and leaves it as something else: Any as JSON text, a vector as its doubles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sparksig.enforcement.values import bits, declared_arrow
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, Property, SparkMLVector
from sparksig.sources.spark_schema import spark_json

if TYPE_CHECKING:
    from pyspark.sql import Column
    from pyspark.sql.types import DataType as SparkType

_DIGITS = 38  # of the widest integer that a variant holds; it makes a double of others


def is_special(kind: ColumnType) -> bool:
    """Whether a type is Any or a vector, or has one inside."""
    return _has(kind, AnyType | SparkMLVector)


def has_any(kind: ColumnType) -> bool:
    """Whether a type is Any, or has it inside."""
    return _has(kind, AnyType)


def _has(kind: ColumnType, wanted: Any) -> bool:
    match kind:
        case Array(inner) | Map(inner):
            return _has(inner, wanted)
        case Object(properties):
            return any(_has(p.dtype, wanted) for p in properties)
    return isinstance(kind, wanted)


def carrier(kind: ColumnType) -> pa.DataType:
    """The Arrow type in which a declared type leaves a worker.

    >>> carrier(Array(AnyType()))
    ListType(list<element: string>)
    """
    match kind:
        case AnyType():
            return pa.string()
        case Array(inner):
            return pa.list_(pa.field("element", carrier(inner)))
        case Map(inner):
            return pa.map_(pa.string(), carrier(inner))
        case Object(properties):
            return pa.struct([pa.field(p.name, carrier(p.dtype)) for p in properties])
    return declared_arrow(kind)


def with_texts(array: pa.Array, kind: ColumnType, anything: Sequence[object], variant: bool) -> pa.Array:
    """An array with JSON texts where Any is declared.

    Args:
        array: in the place of a value of Any, it has its position in `anything`.
        kind: what is declared.
        anything: the values.
        variant: as for `json_text`.

    Raises:
        TypeError: something has no form in JSON.
        ValueError: a number or a text has none.

    >>> with_texts(pa.array([[1, None], None, [0]]), Array(AnyType()), [{"a": [1]}, True], False).to_pylist()
    [['true', None], None, ['{"a": [1]}']]
    """
    if not has_any(kind):
        return array
    missing = bits(array.is_null())
    match kind:
        case Array(inner):
            entries = with_texts(array.flatten(), inner, anything, variant)
            return pa.ListArray.from_arrays(_offsets(array.value_lengths(), missing), entries)
        case Map(inner):
            offsets = np.asarray(array.offsets)
            at = slice(int(offsets[0]), int(offsets[-1]))
            items = with_texts(array.items[at], inner, anything, variant)
            return pa.MapArray.from_arrays(_offsets(pa.array(np.diff(offsets)), missing), array.keys[at], items)
        case Object(properties):
            parts = [
                with_texts(x, p.dtype, anything, variant) for x, p in zip(array.flatten(), properties, strict=True)
            ]
            fields = [pa.field(p.name, part.type) for p, part in zip(properties, parts, strict=True)]
            return pa.StructArray.from_arrays(parts, fields=fields, mask=pa.array(missing))
    return pa.array([None if at is None else json_text(anything[at], variant) for at in array.to_pylist()], pa.string())


def _offsets(lengths: pa.Array, missing: Any) -> pa.Array:
    ends = np.cumsum([0, *lengths.fill_null(0).to_pylist()])
    return pa.array(ends, pa.int32(), mask=np.append(missing, False))


def json_text(value: Any, variant: bool) -> str:
    """A value as JSON, at every depth: json itself would take any key for a text, and numpy a moment for an integer.

    Args:
        value: the value.
        variant: whether `parse_json` reads it, which makes decimals of doubles that have no exponent, and 0 of -0.0.

    Raises:
        TypeError: something in it has no form in JSON.
        ValueError: a number or a text has none.

    >>> json_text({"a": [-0.0, 1]}, variant=False), json_text({"a": [-0.0, 1]}, variant=True)
    ('{"a": [-0.0, 1]}', '{"a": [-0.0e0, 1]}')
    """
    if isinstance(value, np.generic | np.ndarray):
        if value.dtype.kind in "mM":
            raise TypeError
        value = value.tolist()
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError
        return "{" + ", ".join(f"{_scalar(key)}: {json_text(inside, variant)}" for key, inside in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(json_text(inside, variant) for inside in value) + "]"
    text = _scalar(value)
    return f"{text}e0" if variant and isinstance(value, float) and "e" not in text else text


def _scalar(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**_DIGITS:
        raise ValueError
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()  # half of a surrogate pair
    return text


# ---- on the driver


def carriers(specs: Iterable[ColSpec | TensorSpec]) -> list[SparkType]:
    """The Spark types in which outputs leave a worker: Any as JSON text, a vector as an array of doubles."""
    from pyspark.sql import types as T

    listed = [ColSpec(_listed(spec.type)) if isinstance(spec, ColSpec) else spec for spec in specs]
    found = [T.StructType.fromJson(spark_json(Schema([spec]), any_type="string")) for spec in listed]
    return [loosened(struct.fields[0].dataType) for struct in found]


def _listed(kind: ColumnType) -> ColumnType:
    """The type with vectors as arrays of doubles."""
    match kind:
        case SparkMLVector():
            return Array(DataType.double)
        case Array(inner):
            return Array(_listed(inner))
        case Map(inner):
            return Map(_listed(inner))
        case Object(properties):
            return Object([Property(p.name, _listed(p.dtype), p.required) for p in properties])
    return kind


def loosened(kind: SparkType) -> SparkType:
    """The type with every element and member nullable: what is not in a declared type is judged, not promised."""
    from pyspark.sql import types as T

    match kind:
        case T.ArrayType():
            return T.ArrayType(loosened(kind.elementType), True)
        case T.MapType():
            return T.MapType(kind.keyType, loosened(kind.valueType), True)
        case T.StructType():
            return T.StructType([T.StructField(f.name, loosened(f.dataType), True) for f in kind.fields])
    return kind


def whole(kind: ColumnType, column: Column) -> Column:
    """A column as declared, of what left the worker."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if not is_special(kind):
        return column
    match kind:
        case AnyType():  # before Spark 4 there is no variant: it stays JSON text
            return F.parse_json(column) if hasattr(F, "parse_json") else column
        case SparkMLVector():
            from pyspark.ml.functions import array_to_vector

            return F.when(column.isNotNull(), array_to_vector(column))
        case Array(inner):
            return F.transform(column, lambda x: whole(inner, x))
        case Map(inner):
            return F.transform_values(column, lambda _, x: whole(inner, x))
        case Object(properties):
            kinds = carriers([ColSpec(p.dtype, p.name) for p in properties])
            fields = [T.StructField(f"_{i}", each) for i, each in enumerate(kinds)]
            opened = column.cast(
                T.StructType(fields)
            )  # by position: of names that differ by case only Spark opens none
            parts = [whole(p.dtype, opened[f"_{i}"]).alias(p.name) for i, p in enumerate(properties)]
            return F.when(column.isNotNull(), F.struct(*parts))
    raise AssertionError(kind)
