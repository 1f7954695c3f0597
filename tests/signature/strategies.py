"""Any signature that can be declared, for hypothesis."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
from hypothesis import strategies as st

from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, Property, SparkMLVector

NAMES = st.text(min_size=1, max_size=8)
SCALARS = st.sampled_from(list(DataType))
DTYPES = st.sampled_from(
    [
        np.dtype(name)
        for name in (
            *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32"),
            *("float64", "complex64", "complex128", "str", "bytes", "object", "datetime64[ns]", "datetime64[D]"),
            "timedelta64[ns]",
        )
    ]
)
SHAPES = st.lists(st.integers(-1, 300), max_size=4).map(lambda sizes: (-1, *sizes))


def objects(members: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[Object]:
    properties = st.builds(Property, NAMES, members, st.booleans())
    return st.lists(properties, min_size=1, max_size=4, unique_by=lambda p: p.name).map(Object)


def nest(inner: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[ColumnType]:
    return st.one_of(inner.map(Array), inner.map(Map), objects(inner))


# a vector inside a Map or an Object is ours alone: MLflow does not read back what it writes there
NESTED: st.SearchStrategy[ColumnType] = st.recursive(SCALARS | st.just(AnyType()), nest, max_leaves=6)
COLUMN_TYPES = NESTED | st.just(SparkMLVector()) | st.just(Array(SparkMLVector()))


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    if draw(st.booleans()):
        return Schema(draw(tensors()))
    if draw(st.booleans()):
        return Schema(draw(st.lists(st.builds(ColSpec, COLUMN_TYPES), min_size=1, max_size=4)))
    specs = st.builds(ColSpec, COLUMN_TYPES, NAMES, st.booleans())
    return Schema(draw(st.lists(specs, min_size=1, max_size=5)))


def tensors() -> st.SearchStrategy[list[TensorSpec]]:
    unnamed = st.builds(TensorSpec, DTYPES, SHAPES).map(lambda spec: [spec])
    return unnamed | st.lists(st.builds(TensorSpec, DTYPES, SHAPES, NAMES), min_size=1, max_size=3)


FINITE = st.floats(allow_nan=False)
VALUES: dict[DataType, st.SearchStrategy[object]] = {
    DataType.boolean: st.booleans(),
    DataType.integer: st.integers(-(2**31), 2**31 - 1),
    DataType.long: st.integers(-(2**63), 2**63 - 1),
    DataType.float: FINITE,
    DataType.double: FINITE,
    DataType.string: st.text(max_size=10),
    DataType.datetime: st.dates(date(1, 1, 1)) | st.datetimes(datetime(1, 1, 1)),
}


# members that are integer, float or datetime are ours alone: MLflow does not read back what it writes there. The same
# holds for a datetime param without a default, which MLflow cannot even write
MEMBERS = st.sampled_from([DataType.boolean, DataType.long, DataType.double, DataType.string])


@st.composite
def params(draw: st.DrawFn) -> ParamSpec:
    name = draw(NAMES)
    if draw(st.integers(0, 4)) == 0:
        kind = draw(MEMBERS)
        value = {"a": draw(VALUES[kind])}
        return ParamSpec(name, Object([Property("a", kind), Property("b", "string", False)]), value)
    dtype = draw(st.sampled_from(sorted(VALUES, key=lambda d: d.name)))
    if draw(st.booleans()):
        return ParamSpec(name, dtype, draw(st.lists(VALUES[dtype], max_size=3)), (-1,))
    return ParamSpec(name, dtype, draw(VALUES[dtype]))


@st.composite
def signatures(draw: st.DrawFn) -> ModelSignature:
    specs = draw(st.lists(params(), max_size=3, unique_by=lambda p: p.name))
    inputs, outputs = draw(st.none() | schemas()), draw(st.none() | schemas())
    if inputs is None and outputs is None and not specs:
        inputs = Schema([ColSpec("double")])
    return ModelSignature(inputs, outputs, ParamSchema(specs) if specs else None)
