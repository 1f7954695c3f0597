"""Invalid JSON gives one error that lists every problem, each with its path."""

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


def test_schema_from_json_lists_every_problem_with_its_path() -> None:
    found = faults(
        json.dumps(
            [
                {"type": "int", "name": "a"},
                {"type": "object", "name": "b", "properties": {"x": {"type": "array"}, "y": {}, "z": 5}},
                {"type": "long", "name": "c", "nullable": True},
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
    assert "nullable" in found["schema[2]"]


@pytest.mark.parametrize("text", ["", "{", "[1,", "null", "5", '"x"', "{}", "[]", "[[]]", "[" * 100_000, "9" * 5000])
def test_signature_from_json_rejects_non_schemas_with_a_signature_error(text: str) -> None:
    for kind in (Schema, ParamSchema, ModelSignature):
        if (text, kind) != ("[]", ParamSchema):
            with pytest.raises(SignatureError):
                kind.from_json(text)


def test_schema_from_json_warns_once_of_unknown_keys_in_compound_columns() -> None:
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
def test_schema_from_json_rejects_unknown_keys_of_scalars_tensors_and_params(kind: Any, entry: dict[str, Any]) -> None:
    assert any("unit" in fact for fact in faults(json.dumps([entry]), kind).values())


def test_schema_from_json_defaults_required_for_scalars_only() -> None:
    schema = Schema.from_json('[{"type": "long", "name": "a"}, {"type": "any", "name": "b"}]')
    assert [spec.required for spec in schema] == [True, None]
    assert schema.optional_input_names() == ["b"]


def test_signature_from_dict_accepts_parts_as_json_strings_or_lists() -> None:
    column = {"type": "long", "name": "a"}
    assert ModelSignature.from_dict({"inputs": [column]}) == ModelSignature.from_dict({"inputs": json.dumps([column])})


def test_signature_from_dict_names_misspelled_parts() -> None:
    with pytest.raises(SignatureError, match="input, output"):
        ModelSignature.from_dict({"input": "[]", "output": None})


def test_signature_from_json_reports_the_problems_of_all_parts_together() -> None:
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
def test_signature_from_json_accepts_or_rejects_any_json_cleanly(value: Any) -> None:
    for kind in (Schema, ParamSchema, ModelSignature):
        try:
            kind.from_json(json.dumps(value))
        except SignatureError as error:
            assert error.message


@pytest.mark.parametrize("levels", [101, 350, 600, 5000])
def test_schema_from_json_rejects_types_nested_deeper_than_100_levels(levels: int) -> None:
    text = '{"type": "array", "items": ' * levels + '{"type": "long"}' + "}" * levels
    with pytest.raises(SignatureError) as caught:
        Schema.from_json(f"[{text}]")
    assert len(caught.value.problems) <= 1


def test_schema_supports_types_nested_100_levels_deep() -> None:
    text = '{"type": "array", "items": ' * 100 + '{"type": "long"}' + "}" * 100
    schema = Schema.from_json(f"[{text}]")
    assert pickle.loads(pickle.dumps(schema)) == schema and hash(schema) and repr(schema)
    assert Schema.from_json(schema.to_json()) == schema
    with pytest.raises(SignatureError, match="100 levels"):
        Array(schema.columns[0].type)


@pytest.mark.parametrize("text", [None, 5, []])
def test_signature_from_json_rejects_non_strings(text: Any) -> None:
    for read in (Schema.from_json, ParamSchema.from_json, ModelSignature.from_json):
        with pytest.raises(SignatureError):
            read(text)


@pytest.mark.parametrize("given", [None, 5, {}])
def test_params_schema_requires_a_list(given: Any) -> None:
    with pytest.raises(SignatureError):
        ParamSchema(given)


def test_schema_required_must_be_a_boolean() -> None:
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
def test_signature_parts_round_trip_through_their_own_json(declared: Any) -> None:
    assert type(declared).from_json_dict(**declared.to_dict()) == declared
    with pytest.raises(SignatureError):
        type(declared).from_json_dict(type=5)


def test_schema_from_json_reads_optional_of_older_versions_of_mlflow() -> None:
    columns: list[dict[str, Any]] = [
        {"type": "double", "name": "a"},
        {"type": "long", "name": "b", "optional": True},
        {"type": "long", "name": "c", "optional": False},
        {"type": "array", "items": {"type": "long"}, "name": "d", "optional": True},
    ]
    schema = Schema.from_json(json.dumps(columns))
    assert schema.optional_input_names() == ["b", "d"]
    assert "optional" not in schema.to_json() and Schema.from_json(schema.to_json()) == schema
    both = {"type": "long", "name": "b", "optional": True, "required": False}
    assert faults(json.dumps([both])) == {"schema[0]": "both 'required' and 'optional' are given"}
    assert faults(json.dumps([columns[1] | {"optional": "true"}])).keys() == {"schema[0].optional"}
