"""A signature as Spark's schema, and the way back.

Both ways go through the JSON form of Spark's schemas, so that pyspark is needed only where one of its objects is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparksig.errors import Code, NotSupportedError, Problem, SignatureError
from sparksig.signature.casts import Fixed, Level, find_cast
from sparksig.signature.dtypes import Kind
from sparksig.signature.members import class_name
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
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
    VectorType,
    table_from_spark,
)
from sparksig.sources.observed import StructType as Observed

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

_VECTOR = {
    "type": "udt",
    "class": "org.apache.spark.ml.linalg.VectorUDT",
    "pyClass": "pyspark.ml.linalg.VectorUDT",
    "sqlType": {"type": "struct", "fields": []},  # Spark takes it from the class
}


def struct_type(signature: ModelSignature | Schema) -> StructType:
    """The Spark schema of what a model takes.

    Optional columns and properties are nullable, required ones are not; elements and a map's values follow the column
    or property that they are in. An unnamed column is called by its position. A tensor is nested arrays, without the
    batch dimension, of the type that carries its elements. AnyType is variant.

    Args:
        signature: a signature, of which the inputs count, or a schema.

    Returns:
        The schema, with a field for each declared column or tensor, in order.

    Raises:
        SignatureError: the signature has no inputs.
        NotSupportedError: this version of Spark has no variant, or no Spark type carries a tensor's elements.

    >>> struct_type(Schema([ColSpec("double", "age"), ColSpec(Array("string"), "tags", False)])).simpleString()
    'struct<age:double,tags:array<string>>'
    """
    from pyspark.sql import types

    schema = signature.inputs if isinstance(signature, ModelSignature) else signature
    if schema is None:
        raise SignatureError("the signature declares no inputs, so there is no Spark schema of them")
    any_type = "variant" if hasattr(types, "VariantType") else None
    return types.StructType.fromJson(spark_json(schema, any_type))


def spark_json(schema: Schema, any_type: str | None = "variant") -> dict[str, Any]:
    """What `struct_type` makes, as the JSON value of a Spark schema; made without pyspark.

    Args:
        schema: the schema.
        any_type: the name of Spark's type for AnyType; None where Spark has none.

    Raises:
        NotSupportedError: as `struct_type` says.
    """
    fields = [
        _field(str(name), _column_json(x, str(name), any_type), bool(x.required))
        for name, x in zip(schema.input_names(), schema, strict=True)
    ]
    return {"type": "struct", "fields": fields}


def _field(name: str, kind: Any, required: bool) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": not required, "metadata": {}}


def _column_json(spec: ColSpec | TensorSpec, name: str, any_type: str | None) -> Any:
    if isinstance(spec, ColSpec):
        return _type_json(spec.type, bool(spec.required), any_type)
    if spec.element is None or not spec.shape:
        reason = "without a batch dimension" if spec.element else "whose elements no Spark type carries"
        raise NotSupportedError(f"{name}: {spec.type.name} {spec.shape} is a tensor {reason}")
    kind: Any = spec.element.spark
    for _ in spec.shape[1:]:
        kind = {"type": "array", "elementType": kind, "containsNull": False}
    return kind


def _type_json(kind: ColumnType, required: bool, any_type: str | None) -> Any:
    match kind:
        case DataType():
            return kind.element.spark
        case Array(element):
            inner = _type_json(element, required, any_type)
            return {"type": "array", "elementType": inner, "containsNull": not required}
        case Map(value):
            inner = _type_json(value, required, any_type)
            return {"type": "map", "keyType": "string", "valueType": inner, "valueContainsNull": not required}
        case Object(properties):
            fields = [
                _field(p.name, _type_json(p.dtype, bool(p.required), any_type), bool(p.required)) for p in properties
            ]
            return {"type": "struct", "fields": fields}
        case SparkMLVector():
            return _VECTOR
        case AnyType():
            if any_type is None:
                raise NotSupportedError("AnyType is a variant column, which Spark has from version 4.0 on")
            return any_type


def signature_from_struct(struct: StructType) -> ModelSignature:
    """The signature whose inputs a Spark schema shows; nullable columns and fields are optional.

    Args:
        struct: the schema of a frame.

    Returns:
        The signature, with named columns as inputs and nothing else.

    Raises:
        SignatureError: with every column that nothing can be declared for.

    >>> from pyspark.sql.types import ByteType, StructType
    >>> signature_from_struct(StructType().add("age", ByteType())).inputs
    ['age': integer (optional)]
    """
    if not hasattr(type(struct), "jsonValue"):
        raise SignatureError(f"a Spark schema is a StructType, not {class_name(struct)}")
    schema, problems = schema_from_struct(struct, nullable_as_optional=True)
    if problems:
        raise SignatureError("the Spark schema has columns that cannot be declared", problems)
    return ModelSignature(inputs=schema)


def schema_from_struct(struct: StructType, *, nullable_as_optional: bool) -> tuple[Schema, list[Problem]]:
    """What `schema_from_table` says of a Spark schema."""
    return schema_from_table(table_from_spark(struct.jsonValue()), nullable_as_optional=nullable_as_optional)


def schema_from_table(table: Observed, *, nullable_as_optional: bool) -> tuple[Schema, list[Problem]]:
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
        case Observed(fields) if fields and not duplicates(f.name for f in fields):
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
