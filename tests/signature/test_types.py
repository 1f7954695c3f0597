from __future__ import annotations

import pickle
from dataclasses import dataclass, make_dataclass
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from sparksig.errors import SignatureError
from sparksig.signature.dtypes import MLFLOW
from sparksig.signature.model_signature import ModelSignature, signature_tree
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, DataType, Map, Object, Property, SparkMLVector
from tests.signature.strategies import signatures


def test_dtype_names_of_data_types_equal_the_table() -> None:
    assert {scalar.name: scalar.value for scalar in DataType} == {name: row.number for name, row in MLFLOW.items()}


def test_dtype_converts_to_numpy_pandas_and_python() -> None:
    assert [str(scalar.to_numpy()) for scalar in DataType] == [
        *("bool", "int32", "int64", "float32", "float64", "<U0", "|S0", "datetime64[ns]")
    ]
    assert DataType.string.to_pandas() == np.dtype(object)
    assert [scalar.to_python().__name__ for scalar in DataType] == [
        *("bool", "int", "int", "float", "float", "str", "bytes", "date")
    ]


@given(signatures())
def test_signature_is_picklable_hashable_and_comparable(signature: ModelSignature) -> None:
    again = pickle.loads(pickle.dumps(signature))
    assert again == signature and hash(again) == hash(signature)
    assert ModelSignature.from_json(signature.to_json()) == signature
    assert "<table>" in signature._repr_html_()
    assert signature_tree(signature)


def test_signature_objects_are_immutable() -> None:
    tensor = TensorSpec(np.dtype("int8"), (-1,))
    for value, field in (
        (ColSpec("long"), "name"),
        (Array("long"), "dtype"),
        (tensor, "shape"),
        (Schema([tensor]), "inputs"),
    ):
        with pytest.raises(AttributeError):
            setattr(value, field, None)


def test_schema_distinguishes_a_vector_from_an_array_of_doubles() -> None:
    vector: object = SparkMLVector()
    assert vector != Array("double") and Array("double") != vector


def test_schema_keeps_nested_vectors_in_json() -> None:
    schema = Schema([ColSpec(Map(SparkMLVector()), "m"), ColSpec(Object([Property("v", SparkMLVector())]), "o")])
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize("name", ["int", "LONG", "str", "tensor", "bigint", 5, None])
def test_schema_rejects_an_unknown_type_and_lists_the_known_ones(name: object) -> None:
    with pytest.raises(SignatureError, match="boolean, integer, long"):
        ColSpec(name, "a")  # type: ignore[arg-type]


def test_signature_html_escapes_names() -> None:
    page = ModelSignature(inputs=Schema([ColSpec(AnyType(), "<script>")]))._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_signature_tree_shows_nested_types() -> None:
    kind = Object([Property("tags", Array("string"), False), Property("sizes", Map("long"))])
    lines = signature_tree(ModelSignature(inputs=Schema([ColSpec(kind, "item")]))).splitlines()
    assert lines == [
        "inputs",
        "  item: object (required)",
        "    sizes: map (required)",
        "      {}: long",
        "    tags: array (optional)",
        "      []: string",
    ]


@dataclass
class Leg:
    gate: str | None
    minutes: list[int]


@dataclass
class Flight:
    delay: float
    legs: list[Leg]
    day: date
    extras: dict[str, Any] | None = None


def test_signature_accepts_a_dataclass_as_a_schema() -> None:
    signature = ModelSignature(inputs=Flight, outputs=Leg(None, []))  # type: ignore[arg-type]
    assert repr(signature.inputs) == (
        "['delay': double (required),"
        " 'legs': Array({gate: string (optional), minutes: Array(long) (required)}) (required),"
        " 'day': datetime (required), 'extras': Map(str -> Any) (optional)]"
    )
    assert repr(signature.outputs) == "['gate': string (optional), 'minutes': Array(long) (required)]"


def test_signature_names_all_dataclass_fields_without_a_column_type() -> None:
    bad = make_dataclass("Bad", [("a", complex), ("b", list[set[int]]), ("c", int | str), ("d", int)])
    with pytest.raises(SignatureError) as caught:
        ModelSignature(inputs=bad)
    assert [p.path for p in caught.value.problems] == ["Bad.a", "Bad.b[]", "Bad.c"]
