"""Samples of MLflow's documentation that declare a signature by hand: columns, tensors, outputs, params."""

from __future__ import annotations

import warnings
from datetime import datetime
from typing import Any

import numpy as np
import pytest

import sparksig
from tests.mlflow_docs.both import declared, faults, inferred
from tests.mlflow_docs.real import ours, predict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.types
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature

IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")


def test_struct_type_declares_an_optional_column_of_an_mlflow_schema() -> None:
    theirs = declared(
        lambda m: m.Schema(
            [
                m.ColSpec("double", "length"),
                m.ColSpec("double", "width"),
                m.ColSpec("string", "species", required=False),
            ]
        )
    )
    fields = sparksig.struct_type(sparksig.Schema.from_json(theirs.to_json())).fields
    assert [(field.name, field.nullable) for field in fields] == [
        ("length", False),
        ("width", False),
        ("species", True),
    ]


@pytest.mark.parametrize(
    "specs",
    [
        lambda m: [m.ColSpec("long", "prediction")],
        lambda m: [m.ColSpec("double", "share"), m.ColSpec("string", "class"), m.ColSpec("long", "rank")],
        lambda m: [m.TensorSpec(np.dtype("float32"), (-1, 10))],
    ],
)
def test_schema_reads_outputs_of_one_column_several_and_a_tensor(specs: Any) -> None:
    declared(lambda m: m.Schema(specs(m)))


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("float32", (-1, 28, 28, 1)),
        ("float64", (-1, 28, 28, 1)),
        ("uint8", (-1, 28, 28, 1)),
        ("uint8", (-1, 224, 224, 3)),
        ("float32", (-1, 512, 7, 7)),
        ("float32", (-1, 768)),
        ("int64", (-1, 512)),
        ("bool", (-1, 512)),
        ("float32", (10,)),
        ("int8", (-1, 2)),
        ("int32", (-1, 2)),
    ],
)
def test_enforce_values_accepts_image_token_mask_and_embedding_tensors(dtype: str, shape: tuple[int, ...]) -> None:
    declared(lambda m: m.Schema([m.TensorSpec(np.dtype(dtype), shape)]))
    row = np.zeros([1 if size < 0 else size for size in shape], dtype)
    found = sparksig.enforce_values(row, sparksig.Schema([sparksig.TensorSpec(np.dtype(dtype), shape)]))
    assert found.shape == row.shape and found.dtype == row.dtype


def test_infer_signature_equals_a_signature_declared_by_hand() -> None:
    import pandas as pd

    by_hand = declared(lambda m: m.Schema([m.ColSpec("double", name) for name in IRIS]))
    data = pd.DataFrame([[5.1, 3.5, 1.4, 0.2]], columns=list(IRIS))
    found = inferred(data, np.array([0]))
    assert found.inputs == ours(ModelSignature(by_hand)).inputs
    # of predictions as an array both infer a tensor; the page declares a column of longs, which a Series is
    assert repr(found.outputs) == "[Tensor('int64', (-1,))]"
    assert repr(inferred(data, pd.Series([0])).outputs) == "[long (required)]"


def test_signature_with_inputs_outputs_and_params_equals_mlflows() -> None:
    def write(m: Any) -> Any:
        return m.ParamSchema(
            [
                m.ParamSpec("temperature", "double", 0.7),
                m.ParamSpec("max_tokens", "long", 100),
                m.ParamSpec("stop_words", "string", [".", "!"], (-1,)),
            ]
        )

    schema = declared(lambda m: m.Schema([m.ColSpec("string")]))
    theirs = ModelSignature(inputs=schema, outputs=schema, params=declared(write))
    assert repr(ours(theirs)) == repr(theirs)
    found = sparksig.ModelSignature(ours(theirs).inputs, ours(theirs).outputs, write(sparksig))
    assert found.to_dict() == theirs.to_dict()


@pytest.mark.parametrize(
    "params",
    [
        [
            ("temperature", "double", 0.7),
            ("max_tokens", "long", 100),
            ("top_p", "double", 0.9),
            ("penalty", "double", 0.0),
        ],
        [("stop_sequences", "string", [], (-1,))],
        [("model_name", "string", "default"), ("use_cache", "boolean", True), ("timeout", "long", 30)],
        [("half", "float", 0.5), ("few", "integer", 50), ("since", "datetime", datetime(2024, 1, 2, 3, 4))],
        [("ids", "long", [100, 200], (-1,)), ("small", "integer", [10], (-1,)), ("flags", "boolean", [True], (-1,))],
        [("steps", "double", [0.1, 0.5], (-1,)), ("low", "float", [0.1], (-1,))],
        [("days", "datetime", [datetime(2024, 1, 2)], (-1,))],
    ],
)
def test_params_of_every_type_resolve_as_in_mlflow(params: list[Any]) -> None:
    theirs = declared(lambda m: m.ParamSchema([m.ParamSpec(*param) for param in params]))
    found = sparksig.ParamSchema.from_json(theirs.to_json())
    expected = {spec.name: spec.default for spec in theirs.params}
    assert found.resolve(None) == expected == found.resolve(expected)


def test_params_reject_binary_as_mlflow_does() -> None:
    with pytest.raises(MlflowException, match="Binary type is not supported"):
        mlflow.types.ParamSpec("data", "binary", b"data")
    with pytest.raises(sparksig.SignatureError, match="cannot be of type binary"):
        sparksig.ParamSpec("data", "binary", b"data")


def test_params_are_overridden_one_by_one() -> None:
    theirs = mlflow.models.infer_signature(["input"], params={"temperature": 0.5, "suppress": [101, 102]})
    params = ours(theirs).params
    assert params is not None
    for given, expected in [
        (None, {"temperature": 0.5, "suppress": [101, 102]}),
        ({"temperature": 0.1}, {"temperature": 0.1, "suppress": [101, 102]}),
        ({"temperature": 0.5, "suppress": [103]}, {"temperature": 0.5, "suppress": [103]}),
    ]:
        _, reached = predict(theirs, ["input"], given)
        assert reached == params.resolve(given) == expected


def test_params_warn_of_unknown_names_and_reject_wrong_values() -> None:
    theirs = mlflow.models.infer_signature("x", params={"temperature": 0.7})
    params = ours(theirs).params
    assert params is not None
    with pytest.warns(UserWarning, match="unknown params are ignored: heat"):
        assert params.resolve({"heat": 1}) == predict(theirs, ["x"], {"heat": 1})[1] == {"temperature": 0.7}
    with pytest.raises(MlflowException, match="Invalid parameters found"):
        predict(theirs, ["x"], {"temperature": "hot"})
    assert faults(lambda: params.resolve({"temperature": "hot"})) == ["temperature INVALID_PARAM"]
    # numpy's values become Python's own, in both
    assert type(params.resolve({"temperature": np.float32(0.5)})["temperature"]) is float
    assert type(predict(theirs, ["x"], {"temperature": np.float32(0.5)})[1]["temperature"]) is float


def test_infer_signature_declares_the_params_of_a_text_model() -> None:
    params = {"top_k": 2, "num_beams": 5, "temperature": 0.62, "penalty": 1.15, "suppress": [1, 2, 3]}
    found = inferred("pencil draw paper", "a drawing", params)
    by_hand = declared(
        lambda m: m.ParamSchema(
            [
                m.ParamSpec("top_k", "long", 2),
                m.ParamSpec("num_beams", "long", 5),
                m.ParamSpec("temperature", "double", 0.62),
                m.ParamSpec("penalty", "double", 1.15),
                m.ParamSpec("suppress", "long", [1, 2, 3], (-1,)),
            ]
        )
    )
    assert found.params is not None and found.params.to_json() == by_hand.to_json()
    assert repr(found.inputs) == repr(found.outputs) == "[string (required)]"


def test_signature_from_dict_reads_an_mlmodel_block_of_the_docs() -> None:
    block = {
        "inputs": '[{"name": "images", "type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 28, 28, 1]}}]',
        "outputs": '[{"type": "tensor", "tensor-spec": {"shape": [-1, 10], "dtype": "float32"}}]',
        "params": '[{"name": "t", "type": "float", "default": 0.5, "shape": null},'
        ' {"name": "ids", "type": "integer", "default": [101, 102], "shape": [-1]}]',
    }
    assert sparksig.ModelSignature.from_dict(block).to_dict() == ModelSignature.from_dict(block).to_dict()


def test_enforce_values_accepts_several_types_declared_as_any() -> None:
    theirs = declared(lambda m: m.Schema([m.ColSpec(_any(m), "a", required=False)]))
    found = sparksig.Schema.from_json(theirs.to_json())
    for value in ("text", 123, None):
        assert sparksig.enforce_values([{"a": value}], found)["a"].tolist() == [value]
        assert predict(ModelSignature(theirs), [{"a": value}])["a"].tolist() == [value]


def _any(module: Any) -> Any:
    from mlflow.types.schema import AnyType

    return sparksig.AnyType() if module is sparksig else AnyType()
