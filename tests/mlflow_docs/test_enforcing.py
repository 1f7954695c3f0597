"""Samples that check inputs against a signature, including those that the pages call problems, and their fixes.

docs/differences.md lists the behavior marked `differs`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import sparksig
from tests.mlflow_docs.both import accepted, refused
from tests.mlflow_docs.messages import columns, tensors
from tests.mlflow_docs.real import ours, predict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import Array, Map, Object, Property

pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer:UserWarning")

LIKE_MLFLOW = {"policy": sparksig.Policy.mlflow()}
Frame = pd.DataFrame


def test_enforce_values_requires_required_fields_and_drops_extra_ones() -> None:
    person = infer_signature([{"name": "A", "age": 30}])
    refused(person, {"name": "A"}, "Model is missing inputs ['age']", "age MISSING_COLUMN")
    table = Frame({"note": ["x"], "age": [31], "name": ["A"]})
    assert list(accepted(person, table)) == ["name", "age"]


def test_enforce_values_accepts_absent_optional_fields() -> None:
    signature = infer_signature(Frame({"name": ["A", "B"], "email": ["a@b", None]}))
    assert list(accepted(signature, Frame({"name": ["C"]}), **LIKE_MLFLOW)) == ["name"]
    # differs: unless Policy.mlflow() is asked for, the model sees every declared column in every batch
    with pytest.warns(sparksig.AbsentColumnWarning, match="email: optional, but the table has no such column"):
        found = sparksig.enforce_values(Frame({"name": ["C"]}), ours(signature).inputs)
    assert found["email"].tolist() == [None]


def test_enforce_values_accepts_the_playgrounds_nested_rows() -> None:
    rows = [{"a": ["a", "b"], "b": "b", "c": {"d": "d"}}, {"a": ["a"], "c": {"d": "d", "e": "e"}}]
    signature = infer_signature(rows)
    assert repr(ours(signature).inputs) == (
        "['a': Array(string) (required), 'b': string (optional),"
        " 'c': {d: string (required), e: string (optional)} (required)]"
    )
    found = sparksig.enforce_values(rows, ours(signature).inputs, **LIKE_MLFLOW)
    theirs = predict(signature, [dict(row) for row in rows])
    assert found["a"].tolist() == theirs["a"].tolist() and found["c"].tolist() == theirs["c"].tolist()
    assert found["b"].tolist() == ["b", None]  # MLflow hands on NaN
    # differs: unless Policy.mlflow() is asked for, absent optional members are nulls as well
    full = sparksig.enforce_values(rows, ours(signature).inputs)
    assert full["c"].tolist() == [{"d": "d", "e": None}, {"d": "d", "e": "e"}]
    without = sparksig.enforce_values([{"a": ["a"], "c": {"d": "d"}}], ours(signature).inputs, **LIKE_MLFLOW)
    assert list(without) == list(predict(signature, [{"a": ["a"], "c": {"d": "d"}}])) == ["a", "c"]
    refused(signature, [{"b": "b"}], "Model is missing inputs ['a', 'c']", "a MISSING_COLUMN", "c MISSING_COLUMN")


def test_enforce_values_rejects_rows_that_are_not_dicts() -> None:
    # MLflow tells what pandas stumbles over: 'list' object has no attribute 'keys'
    signature = infer_signature([{"a": "x", "b": "y"}, {"a": "x"}])
    refused(signature, [{"a": "x", "b": "y"}, [1, 2, 3]], "has no attribute 'keys'", "$ INCOMPATIBLE_TYPE")


def test_enforce_values_checks_nested_objects_arrays_and_maps() -> None:
    signature = columns(
        (
            "user",
            Object([Property("id", "long"), Property("tags", Array("string")), Property("note", "string", False)]),
        ),
        ("counts", Map("long")),
        ("grid", Array(Array("double"))),
    )
    row = {"user": {"id": 1, "tags": ["a"]}, "counts": {"k": 2}, "grid": [[1.5], []]}
    found = sparksig.enforce_values(Frame([row]), ours(signature).inputs, **LIKE_MLFLOW)
    theirs = predict(signature, Frame([{**row, "user": dict(row["user"])}]))
    assert found.to_dict("records") == theirs.to_dict("records") == [row]
    for change, said, fault in [
        ({"user": {"id": 1}}, "Missing required properties", "user.tags MISSING_FIELD"),
        ({"user": {"id": 1, "tags": [], "z": 0}}, "Invalid properties", "user UNEXPECTED_FIELD"),
        ({"user": {"id": 1.5, "tags": []}}, "Failed to enforce schema for key", "user.id INCOMPATIBLE_TYPE"),
        ({"counts": {"k": "2"}}, "Failed to enforce schema", "counts{} INCOMPATIBLE_TYPE"),
        ({"grid": None}, "Expected data to be list or numpy array", "grid NULL"),
    ]:
        refused(signature, Frame([{**row, **change}]), said, fault)


@pytest.mark.parametrize(
    ("given", "declared"),
    [("int32", "long"), ("int32", "double"), ("float32", "double"), ("int64", "long"), ("float64", "double")],
)
def test_enforce_values_accepts_conversions_the_docs_call_safe(given: str, declared: str) -> None:
    accepted(columns(("x", declared)), Frame({"x": np.array([1, 5], given)}))


@pytest.mark.parametrize(
    ("values", "declared"), [([2, 3], "double"), (["85"], "long"), ([1.5], "long"), ([2**40], "integer")]
)
def test_enforce_values_rejects_conversions_the_docs_call_unsafe(values: list[Any], declared: str) -> None:
    refused(columns(("score", declared)), Frame({"score": values}), "Can not safely convert", "score INCOMPATIBLE_TYPE")


def test_enforce_values_rejects_long_as_double_even_for_zeros_and_ones() -> None:
    # differs: MLflow looks at the values, so that the verdict depends on the batch
    signature = columns(("x", "double"))
    assert predict(signature, Frame({"x": [0, 1]}))["x"].tolist() == [0.0, 1.0]
    with pytest.raises(sparksig.SchemaError, match="declared double, the table has long"):
        sparksig.enforce_values(Frame({"x": [0, 1]}), ours(signature).inputs)
    checked = sparksig.enforce_values(Frame({"x": [2, 3]}), ours(signature).inputs, level="checked")
    assert checked["x"].tolist() == [2.0, 3.0]  # each value by itself, where it was asked for


def test_enforce_values_accepts_integers_with_nulls_only_as_documented() -> None:
    gaps = Frame({"n": [1, 2, None]})
    refused(infer_signature(Frame({"n": [1, 2, 3]})), gaps, "likely caused by missing values", "n INCOMPATIBLE_TYPE")
    accepted(infer_signature(Frame({"n": [1.0, 2.0, None]})), gaps, **LIKE_MLFLOW)  # the page's: doubles
    accepted(infer_signature(gaps), Frame({"n": [1.0, 2.0, 3.0]}))
    # and where pandas can tell a gap: an optional long is float64 in every batch, with or without one
    optional = columns(("n", "long", False))
    for values in ([1, 2, None], [1, 2, 3]):
        found = sparksig.enforce_values(Frame({"n": pd.array(values, dtype="Int64")}), ours(optional).inputs)
        assert found["n"].dtype == np.float64
    refused(
        columns(("n", "long")), Frame({"n": pd.array([2**60 + 1, None], dtype="Int64")}), "cannot convert NA", "n NULL"
    )
    # an integer that float64 does not hold is a violation, not rounded
    with pytest.raises(sparksig.ViolationError, match="NOT_EXACT"):
        sparksig.enforce_values(Frame({"n": pd.array([2**60 + 1, None], dtype="Int64")}), ours(optional).inputs)


def test_enforce_values_matches_named_columns_by_name_others_by_position() -> None:
    named = columns(("a", "double"), ("b", "string"))
    assert list(accepted(named, Frame({"b": ["x"], "a": [1.0]}))) == ["a", "b"]
    unnamed = columns((None, "double"), (None, "string"))
    table = Frame({"p": [1.0], "q": ["x"], "r": [True]})
    assert sparksig.enforce_values(table, ours(unnamed).inputs).values.tolist() == [[1.0, "x"]]
    assert predict(unnamed, table).values.tolist() == [[1.0, "x"]]
    refused(unnamed, Frame({"p": [1.0]}), "Model inference is missing inputs", "$ COLUMN_COUNT")


def test_enforce_values_keeps_tensor_dtype_and_shape() -> None:
    pixels = np.arange(32, dtype="uint8").reshape(2, 4, 4)
    signature = infer_signature(pixels)
    accepted(signature, pixels[:1])
    refused(signature, pixels.astype("float32"), "does not match expected dtype", "$ INCOMPATIBLE_TYPE")
    flat = tensors(("float32", (-1, 784)))
    refused(flat, np.zeros((10, 28, 28), "float32"), "does not match expected shape (-1, 784)", "$ WRONG_SHAPE")
    accepted(flat, np.zeros((10, 28, 28), "float32").reshape(-1, 784))


def test_enforce_values_accepts_several_named_tensors() -> None:
    images = {"image": np.zeros((2, 8, 8, 3)), "metadata": np.array([[1.0, 2.0], [3.0, 4.0]])}
    signature = infer_signature(images)
    accepted(signature, images)
    accepted(signature, {"metadata": images["metadata"], "other": np.zeros(2), "image": images["image"]})
    refused(signature, {"image": images["image"]}, "Model is missing inputs ['metadata']", "metadata MISSING_COLUMN")
    lists = {name: value.tolist() for name, value in images.items()}
    refused(signature, lists, "a dict with value type <class 'list'> was found", "$ INCOMPATIBLE_TYPE")


def test_enforce_values_accepts_a_sparse_matrix() -> None:
    matrix = scipy.sparse.csr_matrix([[1, 0, 2], [0, 0, 3]])
    signature = infer_signature(matrix)
    found = sparksig.enforce_values(matrix, ours(signature).inputs)
    theirs = predict(signature, matrix)
    assert type(found) is type(theirs) and found.dtype == theirs.dtype
    assert found.toarray().tolist() == theirs.toarray().tolist() == matrix.toarray().tolist()
    refused(signature, matrix[:, :2], "does not match expected shape", "$ WRONG_SHAPE")
    refused(signature, matrix.astype("float32"), "does not match expected dtype", "$ INCOMPATIBLE_TYPE")


def test_enforce_values_checks_the_datetime_unit_of_tensors_only() -> None:
    days = np.array(["2023-12-24"], "datetime64[D]")
    accepted(infer_signature(days), days)
    refused(
        infer_signature(days), days.astype("datetime64[ns]"), "does not match expected dtype", "$ INCOMPATIBLE_TYPE"
    )
    seconds = Frame({"t": days.astype("datetime64[s]")})
    assert accepted(columns(("t", "datetime")), seconds)["t"].dtype == np.dtype("datetime64[ns]")


def test_enforce_values_accepts_rows_of_different_lengths_and_checks_shapes() -> None:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.zeros((1, 2)), np.zeros((3, 2))]
    signature = tensors(("float64", (-1, -1, 2)))
    assert [row.shape for row in predict(signature, ragged)] == [(1, 2), (3, 2)]
    assert [row.shape for row in sparksig.enforce_values(ragged, ours(signature).inputs)] == [(1, 2), (3, 2)]
    wrong = np.empty(2, dtype=object)
    wrong[:] = [np.zeros((1, 2)), np.zeros((3, 5))]
    assert len(predict(signature, wrong)) == 2  # differs: MLflow does not look at the rows
    with pytest.raises(sparksig.SparksigError, match="WRONG_SHAPE"):
        sparksig.enforce_values(wrong, ours(signature).inputs)


def test_enforce_values_rejects_a_table_for_a_named_tensor_and_names_the_fix() -> None:
    table = Frame(np.arange(8.0).reshape(2, 4), columns=list("abcd"))
    named = tensors(("float64", (-1, 4), "input_features"))
    refused(named, table, "Model is missing inputs ['input_features']", "input_features MISSING_COLUMN")
    with pytest.raises(sparksig.SchemaError, match="a tensor without a name takes 4 columns in order"):
        sparksig.enforce_values(table, ours(named).inputs)
    # the cure: a tensor without a name, or columns, or the entries in one column of that name
    assert accepted(tensors(("float64", (-1, 4))), table).shape == (2, 4)
    accepted(columns(*((name, "double") for name in "abcd")), table)
    accepted(named, Frame({"input_features": table.to_numpy().tolist()}))


def test_enforce_values_and_parse_payload_accept_a_chat_of_messages() -> None:
    chat: dict[str, Any] = {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        "temperature": 0.7,
    }
    signature = infer_signature(chat)
    found = sparksig.enforce_values(chat, ours(signature).inputs)
    theirs = predict(signature, {**chat, "messages": [dict(message) for message in chat["messages"]]})
    assert found["messages"].tolist() == theirs["messages"].tolist() == [chat["messages"]]
    served = sparksig.parse_payload(
        sparksig.serving_payload(chat), ours(signature)
    )  # as it is, in no field of a payload
    assert served.data["messages"].tolist() == [chat["messages"]] and served.data["temperature"].tolist() == [0.7]
    refused(
        signature,
        {"messages": [{"role": "user"}], "temperature": 0.7},
        "Missing required properties",
        "messages[].content MISSING_FIELD",
    )


def test_enforce_values_accepts_messages_with_an_optional_name() -> None:
    signature = infer_signature({"messages": [{"name": "A", "role": "user"}, {"role": "user"}]})
    for messages in ([{"role": "user"}], [{"name": "B", "role": "user"}]):
        found = sparksig.enforce_values({"messages": messages}, ours(signature).inputs, **LIKE_MLFLOW)
        assert (
            found["messages"].tolist()
            == predict(signature, {"messages": [*messages]})["messages"].tolist()
            == [messages]
        )


def test_enforce_values_does_not_check_any() -> None:
    signature = infer_signature([{"id": None, "n": 1}])
    for value in (None, 5, "x"):
        row = {"id": value, "n": 1}
        found = sparksig.enforce_values([row], ours(signature).inputs)
        assert found["id"].tolist() == predict(signature, [row])["id"].tolist() == [value]


def test_enforce_values_accepts_the_data_of_its_own_signature() -> None:
    table = Frame({"x": [1.5, 2.5], "s": ["a", "b"]})
    signature = ModelSignature(infer_signature(table).inputs)
    accepted(signature, table)
