"""The schema that an observed table shows, whether Spark, a Parquet file or Arrow data shows it."""

from __future__ import annotations

from sparksig.errors import Code, Problem, SignatureError
from sparksig.signature.casts import Fixed, Level, find_cast
from sparksig.signature.dtypes import Kind
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import (
    AnyType,
    Array,
    ColumnType,
    DataType,
    Map,
    Object,
    Property,
    SparkMLVector,
    duplicates,
)
from sparksig.sources.observed import (
    ArrayType,
    DecimalType,
    MapType,
    ObservedType,
    OtherType,
    ScalarType,
    StructType,
    VectorType,
)


def schema_from_table(table: StructType, *, nullable_as_optional: bool) -> tuple[Schema, list[Problem]]:
    """The schema that an observed table shows, and the columns that became Any because nothing else can be declared.

    Narrow integers become integer, dates and timestamps of both kinds datetime, decimals the type that holds them
    exactly, structs Object, maps Map, ML vectors SparkMLVector, variants Any.

    Args:
        table: the table, as Spark or a Parquet file shows it.
        nullable_as_optional: whether nullable columns are optional; all are required otherwise.

    Raises:
        SignatureError: there are no columns, or two have one name.
    """
    problems: list[Problem] = []
    columns = [
        ColSpec(_declared(f.type, f.name, problems), f.name, not (nullable_as_optional and f.nullable))
        for f in table.fields
    ]
    if repeated := duplicates(f.name for f in table.fields):
        raise SignatureError(f"several columns have one name: {', '.join(map(repr, repeated))}")
    return Schema(columns), problems


def _declared(observed: ObservedType, path: str, problems: list[Problem]) -> ColumnType:
    """The type to declare for an observed one; Any, and a problem, where there is none."""
    match observed:
        case ScalarType(element) if (scalar := DataType.holding(element)) is not None:
            return scalar
        case DecimalType(precision, scale):
            return _decimal(Fixed(precision, scale), path, problems)
        case ArrayType(element):
            return Array(_declared(element, f"{path}[]", problems))
        case MapType(ScalarType(key), value) if key.kind is Kind.STRING:
            return Map(_declared(value, f"{path}{{}}", problems))
        case StructType(fields) if fields and not duplicates(f.name for f in fields):
            members = [(f.name, _declared(f.type, f"{path}.{f.name}", problems), not f.nullable) for f in fields]
            return Object([Property(*member) for member in members])
        case VectorType():
            return SparkMLVector()
        case OtherType("variant"):
            return AnyType()
        case _:
            problems.append(Problem(path, f"no type is declared for {observed}", Code.UNSUPPORTED_TYPE))
            return AnyType()


def _decimal(observed: Fixed, path: str, problems: list[Problem]) -> ColumnType:
    for scalar in DataType:
        cast = find_cast(observed, scalar.element)
        if cast is not None and cast.level <= Level.SAFE and not cast.guards:
            return scalar
    hint = "cast it to double before, or declare double and enforce it with allow_rounding"
    problems.append(Problem(path, f"no type holds {observed} exactly", Code.UNSUPPORTED_TYPE, hint))
    return AnyType()
