"""The types that a column, a property or an element can be declared with: a closed union, as frozen values.

`ColumnType` is that union; code that must handle every type matches on it. `scalars` has the eight scalar types,
`compound` those around them, `documents` what reading JSON says. The JSON forms and the reprs are MLflow's.
"""

from sparksig.signature.types.compound import (
    AnyType,
    Array,
    ColumnType,
    Map,
    Object,
    Property,
    SparkMLVector,
    as_type,
    duplicates,
    presence,
    presence_flag,
    read_required,
    read_type,
)
from sparksig.signature.types.documents import Findings, json_kind, parse_json, read_list, read_whole
from sparksig.signature.types.scalars import DataType

__all__ = [
    "AnyType",
    "Array",
    "ColumnType",
    "DataType",
    "Findings",
    "Map",
    "Object",
    "Property",
    "SparkMLVector",
    "as_type",
    "duplicates",
    "json_kind",
    "parse_json",
    "presence",
    "presence_flag",
    "read_list",
    "read_required",
    "read_type",
    "read_whole",
]
