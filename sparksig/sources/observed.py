"""What a table is, as frozen data: a closed union of the types that Spark frames, Parquet files and Arrow batches show.

Names are those of Spark's schema JSON (`long`, not `bigint`), which Spark SQL parses as well. Nothing here needs
pyspark: a Spark schema arrives as its JSON value, an Arrow schema as the `pyarrow.Schema` of what Spark would read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from sparksig.signature.dtypes import ARROW, SPARK, Element

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A column of one element type; `str()` is Spark's name of it.

    Attributes:
        element: the element type.
        generic: whether the class of the values names only their kind: Python's int and float have no width, and a
            datetime of Python, numpy or pandas without a zone is what a signature declares as datetime. Each value that
            the declared type of this kind holds exactly is accepted, at every level.
    """

    element: Element
    generic: bool = False

    def __str__(self) -> str:
        return self.element.spark


@dataclass(frozen=True, slots=True)
class DecimalType:
    """Fixed-point numbers of `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An array column."""

    element: ObservedType
    contains_null: bool = True

    def __str__(self) -> str:
        return f"array<{self.element}>"


@dataclass(frozen=True, slots=True)
class Field:
    """A named member of a struct or a column of a table."""

    name: str
    type: ObservedType
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class StructType:
    """A struct column, or the whole table."""

    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return f"struct<{','.join(f'{f.name}:{f.type}' for f in self.fields)}>"


@dataclass(frozen=True, slots=True)
class MapType:
    """A map column."""

    key: ObservedType
    value: ObservedType
    contains_null: bool = True

    def __str__(self) -> str:
        return f"map<{self.key},{self.value}>"


@dataclass(frozen=True, slots=True)
class VectorType:
    """Spark ML's VectorUDT, dense and sparse."""

    def __str__(self) -> str:
        return "vector"


@dataclass(frozen=True, slots=True)
class OtherType:
    """A type that no declaration but Any can take: intervals, variant, void, other user-defined types."""

    name: str

    def __str__(self) -> str:
        return self.name


ObservedType: TypeAlias = ScalarType | DecimalType | ArrayType | StructType | MapType | VectorType | OtherType

_DECIMAL = re.compile(r"decimal\((\d+),\s*(-?\d+)\)")
_STRINGS = re.compile(r"(var)?char\(\d+\)")  # they hold text like any other, under a name of their own


def from_spark(json_type: Any) -> ObservedType:
    """The type that a value of Spark's schema JSON describes.

    Args:
        json_type: what `DataType.jsonValue()` returns: a name, or a dict with `type`.

    >>> str(from_spark({"type": "array", "elementType": "double", "containsNull": True}))
    'array<double>'
    """
    match json_type:
        case str(name):
            return _from_spark_name(name)
        case {"type": "array", "elementType": element, **rest}:
            return ArrayType(from_spark(element), bool(rest.get("containsNull", True)))
        case {"type": "map", "keyType": key, "valueType": value, **rest}:
            return MapType(from_spark(key), from_spark(value), bool(rest.get("valueContainsNull", True)))
        case {"type": "struct", "fields": fields}:
            return StructType(tuple(map(_field, fields)))
        case {"type": "udt", **rest}:
            name = str(rest.get("class") or rest.get("pyClass"))
            return VectorType() if name.endswith(".VectorUDT") else OtherType(f"user-defined type {name}")
        case _:
            return OtherType(str(json_type["type"] if isinstance(json_type, Mapping) else json_type))


def _field(field: Mapping[str, Any]) -> Field:
    # Spark stores collations next to the type: a string that is compared otherwise would get another verdict
    kind = from_spark(field["type"])
    if "__COLLATIONS" in (field.get("metadata") or {}):
        outer = field["type"]["type"] if isinstance(field["type"], Mapping) else "string"
        kind = OtherType(f"collated {outer}")
    return Field(field["name"], kind, bool(field["nullable"]))


def table_from_spark(json_schema: Mapping[str, Any]) -> StructType:
    """The table that Spark's schema JSON describes.

    Args:
        json_schema: what `DataFrame.schema.jsonValue()` returns.
    """
    table = from_spark(json_schema)
    assert isinstance(table, StructType)
    return table


def _from_spark_name(name: str) -> ObservedType:
    if name in SPARK:
        return ScalarType(SPARK[name])
    if match := _DECIMAL.fullmatch(name):
        return DecimalType(int(match[1]), int(match[2]))
    if _STRINGS.fullmatch(name):
        return ScalarType(replace(SPARK["string"], spark=name))
    return OtherType(name)


def all_nullable(kind: Any) -> Any:
    """The type with everything in it nullable, as Spark reads files."""
    match kind:
        case StructType(fields):
            return StructType(tuple(Field(f.name, all_nullable(f.type)) for f in fields))
        case ArrayType(element):
            return ArrayType(all_nullable(element))
        case MapType(key, value):
            return MapType(all_nullable(key), all_nullable(value))
        case _:
            return kind


def to_spark(kind: ObservedType) -> Any:
    """The value of Spark's schema JSON for a type; everything in it is nullable, as Spark reads files.

    Raises:
        ValueError: the type has no name in Spark's schema JSON.

    >>> to_spark(ArrayType(DecimalType(5, 2)))
    {'type': 'array', 'elementType': 'decimal(5,2)', 'containsNull': True}
    """
    match kind:
        case ScalarType() | DecimalType():
            return str(kind)
        case ArrayType(element):
            return {"type": "array", "elementType": to_spark(element), "containsNull": True}
        case MapType(key, value):
            types = {"keyType": to_spark(key), "valueType": to_spark(value)}
            return {"type": "map", **types, "valueContainsNull": True}
        case StructType(fields):
            members = [{"name": f.name, "type": to_spark(f.type), "nullable": True, "metadata": {}} for f in fields]
            return {"type": "struct", "fields": members}
        case VectorType() | OtherType():
            raise ValueError(str(kind))
        case _:
            assert_never(kind)


def from_arrow(kind: pa.DataType) -> ObservedType:
    """The type that Spark shows for a Parquet column, or ships as a batch column, of this Arrow type.

    >>> import pyarrow as pa
    >>> str(from_arrow(pa.list_(pa.uint8())))
    'array<short>'
    """
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return from_arrow(kind.value_type)
    if t.is_decimal(kind):
        return DecimalType(kind.precision, kind.scale)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return ArrayType(from_arrow(kind.value_type), kind.value_field.nullable)
    if t.is_map(kind):
        return MapType(from_arrow(kind.key_type), from_arrow(kind.item_type), kind.item_field.nullable)
    if t.is_struct(kind):
        if any(b"variant" in (f.metadata or {}) for f in kind.fields):  # as Spark ships a variant
            return OtherType("variant")
        return StructType(tuple(Field(f.name, from_arrow(f.type), f.nullable) for f in kind.fields))
    return _from_arrow_scalar(kind)


def _from_arrow_scalar(kind: pa.DataType) -> ObservedType:
    import pyarrow.types as t

    if t.is_timestamp(kind):
        return ScalarType(SPARK["timestamp" if kind.tz else "timestamp_ntz"])
    if t.is_large_string(kind) or t.is_string_view(kind):
        return ScalarType(SPARK["string"])
    if t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return ScalarType(SPARK["binary"])
    row = ARROW.get("date32" if t.is_date(kind) else str(kind))
    return OtherType("void" if t.is_null(kind) else str(kind)) if row is None else _from_spark_name(row.spark)


def table_from_arrow(schema: pa.Schema) -> StructType:
    """The table that Spark shows for a Parquet file with this Arrow schema; Spark's own footer wins."""
    footer = (schema.metadata or {}).get(b"org.apache.spark.sql.parquet.row.metadata")
    if footer is not None:
        return table_from_spark(json.loads(footer))
    return StructType(tuple(Field(f.name, from_arrow(f.type), f.nullable) for f in schema))


def rejected_by_spark(footer: pq.ParquetSchema) -> tuple[tuple[str, str], ...]:
    """The columns because of which Spark rejects a Parquet file as a whole, and what Spark does not read.

    Args:
        footer: the schema of the file itself. Arrow's schema is not enough: timestamps of the old INT96 are nanoseconds
            there as well, and Spark reads them.
    """
    columns = [footer.column(number) for number in range(len(footer))]
    kinds = [(column.path, _rejected_kind(column)) for column in columns]
    return tuple((path, kind) for path, kind in kinds if kind is not None)


def _rejected_kind(column: Any) -> str | None:
    logical = str(column.logical_type)
    if logical.startswith("Timestamp") and "nanoseconds" in logical:
        return "nanoseconds"
    if logical.startswith("Time("):
        return "times of day"
    if logical.startswith("Decimal(precision=") and int(re.findall(r"\d+", logical)[0]) > 38:
        return "decimals of more than 38 digits"
    return {"Float16": "half floats", "UUID": "UUIDs", "Interval": "intervals"}.get(logical)


def table_from_data(data: pa.Table) -> StructType:
    """The table that Arrow data shows: its columns and fields are nullable where a value is missing in them.

    >>> import pyarrow as pa
    >>> [(f.name, f.nullable) for f in table_from_data(pa.table({"a": [1, 2], "b": [[1], [None]]})).fields]
    [('a', False), ('b', True)]
    """
    shown = table_from_arrow(data.schema)
    return StructType(
        tuple(
            Field(field.name, _with_gaps(field.type, column), _has_gaps(column))
            for field, column in zip(shown.fields, data.columns, strict=True)
        )
    )


def _with_gaps(kind: ObservedType, values: pa.ChunkedArray) -> ObservedType:
    """A struct's fields as nullable as their values are; other types as they are."""
    if not isinstance(kind, StructType):
        return kind
    parts = values.combine_chunks().flatten()
    return StructType(
        tuple(
            Field(f.name, _with_gaps(f.type, part), _has_gaps(part)) for f, part in zip(kind.fields, parts, strict=True)
        )
    )


def _has_gaps(values: pa.ChunkedArray | pa.Array) -> bool:
    """Whether a value or an element is missing; an absent field of a struct is its property's own matter."""
    import pyarrow.types as t

    if values.null_count:
        return True
    if t.is_map(values.type):
        chunks = values.chunks if hasattr(values, "chunks") else [values]
        return any(_has_gaps(chunk.items) for chunk in chunks)
    if t.is_list(values.type) or t.is_large_list(values.type) or t.is_fixed_size_list(values.type):
        chunks = values.chunks if hasattr(values, "chunks") else [values]
        return any(_has_gaps(chunk.flatten()) for chunk in chunks)
    return False
