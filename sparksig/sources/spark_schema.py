"""A signature as Spark's schema, and the way back.

Both ways go through the JSON form of Spark's schemas, so that pyspark is needed only where one of its objects is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparksig.errors import NotSupportedError, Problem, SignatureError
from sparksig.signature.members import class_name
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import table_from_spark
from sparksig.sources.table_schema import schema_from_table

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
