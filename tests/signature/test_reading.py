"""JSON that is wrong in many ways gives one error that lists them all, each with its path."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparksig.errors import SignatureError
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, Map, Object, Property, SparkMLVector


def faults(text: str, kind: Any = Schema) -> dict[str, str]:
    with pytest.raises(SignatureError) as caught:
        kind.from_json(text)
    return {problem.path: problem.fact for problem in caught.value.problems}


def test_every_fault_is_listed_with_its_path() -> None:
    found = faults(
        json.dumps(
            [
                {"type": "int", "name": "a"},
                {"type": "object", "name": "b", "properties": {"x": {"type": "array"}, "y": {}, "z": 5}},
                {"type": "long", "name": "c", "optional": True},
                {"type": "tensor", "name": "d", "tensor-spec": {"dtype": "float33", "shape": "x"}},
                "long",
                {"name": "e"},
                {"type": "map", "values": {"type": "nope"}, "name": "f", "required": "true"},
            ]
        )
    )
    assert found.keys() == {
        *("schema[0].type", "schema[1].properties.x", "schema[1].properties.y", "schema[1].properties.z"),
        *("schema[2]", "schema[3].tensor-spec.dtype", "schema[4]", "schema[5]", "schema[6].values.type"),
        "schema[6].required",
    }
    assert "optional" in found["schema[2]"]


@pytest.mark.parametrize("text", ["", "{", "[1,", "null", "5", '"x"', "{}", "[]", "[[]]", "[" * 100_000, "9" * 5000])
def test_what_is_no_schema_is_refused_cleanly(text: str) -> None:
    for kind in (Schema, ParamSchema, ModelSignature):
        if (text, kind) != ("[]", ParamSchema):
            with pytest.raises(SignatureError):
                kind.from_json(text)


def test_unknown_keys_of_compound_columns_are_one_warning() -> None:
    column = {"type": "array", "items": {"type": "long", "unit": "m"}, "name": "a", "doc": "x", "required": True}
    with pytest.warns(UserWarning, match=r"schema\[0\]\.doc, schema\[0\]\.items\.unit") as caught:
        Schema.from_json(json.dumps([column]))
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        (Schema, {"type": "long", "name": "a", "unit": "m"}),
        (Schema, {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}, "unit": "m"}),
        (Schema, {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1], "unit": "m"}}),
        (ParamSchema, {"type": "long", "name": "a", "default": 1, "unit": "m"}),
    ],
)
def test_unknown_keys_of_scalars_tensors_and_params_are_faults(kind: Any, entry: dict[str, Any]) -> None:
    assert any("unit" in fact for fact in faults(json.dumps([entry]), kind).values())


def test_a_missing_required_is_true_for_scalars_and_none_for_compound_columns() -> None:
    schema = Schema.from_json('[{"type": "long", "name": "a"}, {"type": "any", "name": "b"}]')
    assert [spec.required for spec in schema] == [True, None]
    assert schema.optional_input_names() == ["b"]


def test_parts_may_be_texts_or_what_the_texts_say() -> None:
    column = {"type": "long", "name": "a"}
    assert ModelSignature.from_dict({"inputs": [column]}) == ModelSignature.from_dict({"inputs": json.dumps([column])})


def test_misspelt_parts_are_named() -> None:
    with pytest.raises(SignatureError, match="input, output"):
        ModelSignature.from_dict({"input": "[]", "output": None})


def test_faults_of_all_parts_are_told_together() -> None:
    found = faults(json.dumps({"inputs": "[{}]", "outputs": "[", "params": '[{"name": "a"}]'}), ModelSignature)
    assert {"inputs[0]", "outputs", "params[0]"} <= found.keys()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["long", "array", "tensor", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "name",
                    "items",
                    "properties",
                    "values",
                    "required",
                    "tensor-spec",
                    "dtype",
                    "shape",
                    "default",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.filterwarnings("ignore:.*unknown keys")
@given(JSON)
def test_any_json_is_a_schema_or_one_clean_error(value: Any) -> None:
    for kind in (Schema, ParamSchema, ModelSignature):
        try:
            kind.from_json(json.dumps(value))
        except SignatureError as error:
            assert error.message


@pytest.mark.parametrize("levels", [101, 350, 600, 5000])
def test_types_are_nested_a_hundred_levels_deep_at_most(levels: int) -> None:
    text = '{"type": "array", "items": ' * levels + '{"type": "long"}' + "}" * levels
    with pytest.raises(SignatureError) as caught:
        Schema.from_json(f"[{text}]")
    assert len(caught.value.problems) <= 1


def test_a_hundred_levels_can_be_used() -> None:
    text = '{"type": "array", "items": ' * 100 + '{"type": "long"}' + "}" * 100
    schema = Schema.from_json(f"[{text}]")
    assert pickle.loads(pickle.dumps(schema)) == schema and hash(schema) and repr(schema)
    assert Schema.from_json(schema.to_json()) == schema
    with pytest.raises(SignatureError, match="100 levels"):
        Array(schema.columns[0].type)


@pytest.mark.parametrize("text", [None, 5, []])
def test_what_is_no_text_is_no_json(text: Any) -> None:
    for read in (Schema.from_json, ParamSchema.from_json, ModelSignature.from_json):
        with pytest.raises(SignatureError):
            read(text)


@pytest.mark.parametrize("given", [None, 5, {}])
def test_a_param_schema_takes_a_list(given: Any) -> None:
    with pytest.raises(SignatureError):
        ParamSchema(given)


def test_required_is_a_boolean() -> None:
    with pytest.raises(SignatureError):
        ColSpec("long", "a", "yes")  # type: ignore[arg-type]
    with pytest.raises(SignatureError):
        Property("a", "long", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "declared",
    [
        ColSpec("long", "a"),
        ColSpec(Array("string"), "a", required=False),
        TensorSpec(np.dtype("float32"), (-1, 3), "t"),
        Array("double"),
        Map(AnyType()),
        Object([Property("a", "long", required=False)]),
        Property("a", Array("long")),
        SparkMLVector(),
        ParamSpec("p", "double", 0.5),
    ],
)
def test_each_part_is_read_from_its_own_form(declared: Any) -> None:
    assert type(declared).from_json_dict(**declared.to_dict()) == declared
    with pytest.raises(SignatureError):
        type(declared).from_json_dict(type=5)
