"""Signatures as Spark schemas and back. Most tests need only pyspark's classes and no session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as t

from sparksig.errors import NotSupportedError, SignatureError
from sparksig.signature.dtypes import TABLE
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, DataType, Map, Object, Property, SparkMLVector
from sparksig.sources.inference import infer_signature
from sparksig.sources.observed import table_from_arrow
from sparksig.sources.spark_schema import (
    schema_from_struct,
    signature_from_struct,
    spark_json,
    struct_type,
)
from sparksig.sources.table_schema import schema_from_table
from tests.signature.strategies import NAMES, SCALARS, nest


def test_struct_type_declares_every_scalar_with_its_nullability() -> None:
    schema = Schema([ColSpec(scalar, scalar.name, scalar.value % 2 == 0) for scalar in DataType])
    names = ("boolean", "int", "bigint", "float", "double", "string", "binary", "timestamp")
    struct = struct_type(schema)
    assert [field.dataType.simpleString() for field in struct] == list(names)
    assert [field.nullable for field in struct] == [True, False] * 4


def test_struct_type_nullability_of_elements_and_members_follows_the_signature() -> None:
    kind = Object([Property("x", Array("long")), Property("y", Map("string"), False)])
    [field] = struct_type(Schema([ColSpec(kind, "a", False)]))
    inner: Any = field.dataType
    assert field.nullable and not inner["x"].nullable and inner["y"].nullable
    assert not inner["x"].dataType.containsNull and inner["y"].dataType.valueContainsNull
    [tags] = struct_type(Schema([ColSpec(Array("string"), "tags")]))
    element: Any = tags.dataType
    assert not element.containsNull


def test_struct_type_names_unnamed_columns_by_position() -> None:
    assert struct_type(Schema([ColSpec("long"), ColSpec("string")])).names == ["0", "1"]
    assert struct_type(ModelSignature(inputs=Schema([ColSpec("long")]))).names == ["0"]


def test_struct_type_declares_vectors_and_variants_as_sparks_own_types() -> None:
    from pyspark.ml.linalg import VectorUDT

    struct = struct_type(Schema([ColSpec(SparkMLVector(), "v"), ColSpec(AnyType(), "x")]))
    assert struct["v"].dataType == VectorUDT()
    assert struct["x"].dataType == t.VariantType()
    with pytest.raises(NotSupportedError, match=r"4\.0"):
        spark_json(Schema([ColSpec(Array(AnyType()), "x")]), any_type=None)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.numpy)
def test_struct_type_declares_tensors_as_nested_arrays_of_the_storage_type(row: Any) -> None:
    struct = struct_type(
        Schema([TensorSpec(np.dtype(row.numpy), (-1, 2, 3), "t"), TensorSpec(np.dtype("int8"), (-1,), "s")])
    )
    carrier = t._parse_datatype_json_value(row.spark)
    assert struct["t"].dataType == t.ArrayType(t.ArrayType(carrier, False), False) and not struct["t"].nullable
    assert struct["s"].dataType == t.ByteType()


@pytest.mark.parametrize("tensor", [TensorSpec(np.dtype("complex64"), (-1, 2)), TensorSpec(np.dtype("int8"), ())])
def test_struct_type_rejects_tensors_without_a_column_type_by_name(tensor: TensorSpec) -> None:
    with pytest.raises(NotSupportedError, match=tensor.type.name):
        struct_type(Schema([tensor]))


def test_struct_type_rejects_a_signature_without_inputs() -> None:
    with pytest.raises(SignatureError):
        struct_type(ModelSignature(outputs=Schema([ColSpec("long")])))


COLUMNS = st.recursive(SCALARS | st.just(AnyType()) | st.just(SparkMLVector()), nest, max_leaves=6)


@given(st.lists(st.builds(ColSpec, COLUMNS, NAMES, st.booleans()), min_size=1, max_size=4, unique_by=lambda c: c.name))
def test_struct_type_round_trips_through_signature_from_struct(columns: list[ColSpec]) -> None:
    signature = ModelSignature(inputs=Schema(columns))
    assert signature_from_struct(struct_type(signature)) == signature


@pytest.mark.parametrize(
    ("spark_type", "expected"),
    [
        (t.ByteType(), "integer"),
        (t.ShortType(), "integer"),
        (t.DateType(), "datetime"),
        (t.TimestampNTZType(), "datetime"),
        (t.VarcharType(5), "string"),
        (t.DecimalType(9, 0), "integer"),
        (t.DecimalType(18, 0), "long"),
        (t.DecimalType(10, 2), "double"),
        (t.MapType(t.StringType(), t.ShortType()), "Map(str -> DataType.integer)"),
        (t.ArrayType(t.MapType(t.StringType(), t.DateType())), "Array(Map(str -> DataType.datetime))"),
        (
            t.StructType([t.StructField("x", t.LongType(), False), t.StructField("y", t.DateType())]),
            "{x: long (required), y: datetime (optional)}",
        ),
    ],
)
def test_schema_from_struct_declares_spark_types(spark_type: t.DataType, expected: str) -> None:
    schema, problems = schema_from_struct(t.StructType([t.StructField("a", spark_type)]), nullable_as_optional=False)
    assert repr(schema) == f"['a': {expected} (required)]" and not problems


def test_signature_from_struct_lists_every_type_it_cannot_declare() -> None:
    struct = t.StructType(
        [
            t.StructField("a", t.DecimalType(38, 10)),
            t.StructField("b", t.ArrayType(t.NullType())),
            t.StructField("c", t.MapType(t.LongType(), t.LongType())),
            t.StructField("d", t.StructType([t.StructField("x", t.DayTimeIntervalType())])),
            t.StructField("e", t.StructType([])),
        ]
    )
    with pytest.raises(SignatureError) as caught:
        signature_from_struct(struct)
    assert [p.path for p in caught.value.problems] == ["a", "b[]", "c", "d.x", "e"]
    with pytest.raises(SignatureError, match="'a'"):
        signature_from_struct(t.StructType([t.StructField("a", t.LongType())] * 2))


def test_infer_signature_reads_a_frames_schema_without_a_job(spark: Any) -> None:
    frame = spark.range(3).selectExpr("id", "cast(null as map<string, int>) as m", "raise_error('ran') as e")
    tracker = spark.sparkContext.statusTracker()
    spark.sparkContext.setJobGroup("inference", "none")
    with pytest.warns(UserWarning, match="e: no type is declared for void"):
        found = infer_signature(frame).inputs
    assert repr(found) == "['id': long (required), 'm': Map(str -> DataType.integer) (required), 'e': Any (required)]"
    assert list(tracker.getJobIdsForGroup("inference")) == []
    optional = infer_signature(frame.select("id", "m"), nullable_as_optional=True).inputs
    assert repr(optional) == "['id': long (required), 'm': Map(str -> DataType.integer) (optional)]"


def test_struct_type_is_accepted_by_create_data_frame(spark: Any) -> None:
    kinds = [Array("integer"), Map(Array("string")), Object([Property("a b", "long")]), SparkMLVector(), AnyType()]
    struct = struct_type(Schema([ColSpec(kind, f"c.{i}") for i, kind in enumerate(kinds)]))
    assert spark.createDataFrame([], struct).schema == struct


def test_schema_from_table_declares_a_parquet_schema_without_spark() -> None:
    fields = [("id", pa.int32()), ("at", pa.timestamp("us")), ("m", pa.map_(pa.string(), pa.list_(pa.float32())))]
    schema, problems = schema_from_table(table_from_arrow(pa.schema(fields)), nullable_as_optional=True)
    assert repr(schema) == (
        "['id': integer (optional), 'at': datetime (optional), 'm': Map(str -> Array(float)) (optional)]"
    )
    assert not problems
