"""Samples that infer a signature from an example: both infer the same, or differ as docs/differences.md lists."""

from __future__ import annotations

import warnings
from dataclasses import make_dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
import scipy.sparse

import sparksig
from tests.mlflow_docs.both import inferred

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.models

SAMPLES: dict[str, tuple[Any, str]] = {
    "simple dict": (
        {"name": "A", "age": 30, "on": True},
        "['name': string (required), 'age': long (required), 'on': boolean (required)]",
    ),
    "a row of a classic model": (
        {"x": 1.5, "y": "b", "z": [1, 2]},
        "['x': double (required), 'y': string (required), 'z': Array(long) (required)]",
    ),
    "one text": ("What is it?", "[string (required)]"),
    "texts": (["a", "list"], "[string (required)]"),
    "float32s": ([np.float32(0.117), np.float32(1.99)], "[float (required)]"),
    "doubles under a header": (pd.DataFrame({"d": [0.117, 1.99]}), "['d': double (required)]"),
    "integers are long": ([1, 2, 3], "[long (required)]"),
    "int32": (np.int32(42), "[integer (required)]"),
    "booleans": ([True, False], "[boolean (required)]"),
    "numpy's boolean": (np.bool_(True), "[boolean (required)]"),
    "datetimes": ([np.datetime64("2023-12-24 11:59:59"), np.datetime64("2023-12-25")], "[datetime (required)]"),
    "a datetime": (datetime(2023, 1, 1), "[datetime (required)]"),
    "bytes": (b"data", "[binary (required)]"),
    "bytearray": (bytearray(b"data"), "[binary (required)]"),
    "numpy's bytes": (np.bytes_(b"data"), "[binary (required)]"),
    "dicts": ([{"a": "1", "b": "2"}, {"a": "3", "b": "4"}], "['a': string (required), 'b': string (required)]"),
    "lists": ([["a", "b"], ["c"]], "[Array(string) (required)]"),
    "lists of dicts": ([[{"a": "a"}, {"a": "b"}], [{"a": "c"}]], "[Array({a: string (required)}) (required)]"),
    "lists inside a dict": (
        [{"a": "b", "b": [1], "c": {"d": [4, 5]}}],
        "['a': string (required), 'b': Array(long) (required), 'c': {d: Array(long) (required)} (required)]",
    ),
    "list, array and dict": (
        {"l": ["a"], "n": np.array([[1, 2], [3, 4]]), "o": {"p": 1, "q": ["a"]}},
        "['l': Array(string) (required), 'n': Array(Array(long)) (required), 'o': {p: long (required), q:"
        " Array(string) (required)} (required)]",
    ),
    "arrays of arrays": (
        {"s": ["a"], "n": [[1, 2], [3, 4]], "f": np.array([1.1, 2.2])},
        "['s': Array(string) (required), 'n': Array(Array(long)) (required), 'f': Array(double) (required)]",
    ),
    "a person": (
        {"user": {"name": "A", "age": 30, "likes": ["music"]}},
        "['user': {age: long (required), likes: Array(string) (required), name: string (required)} (required)]",
    ),
    "scores beside a person": (
        {"user": {"id": 1, "tags": ["x"]}, "scores": [0.8, 0.9]},
        "['user': {id: long (required), tags: Array(string) (required)} (required), 'scores': Array(double)"
        " (required)]",
    ),
    "nested, one member unknown": (
        {"data": {"id": 1, "meta": {"day": "2023-01-01", "paid": True}}, "context": {"device": "m", "place": None}},
        "['data': {id: long (required), meta: {day: string (required), paid: boolean (required)} (required)}"
        " (required),"
        " 'context': {device: string (required), place: Any (optional)} (required)]",
    ),
    "a column that is optional by None": (
        [{"n": "A", "e": "x"}, {"n": "B", "e": None}],
        "['n': string (required), 'e': string (optional)]",
    ),
    "a column that is optional by absence": (
        [{"n": "A", "m": "x"}, {"m": "y"}],
        "['n': string (optional), 'm': string (required)]",
    ),
    "a gap among doubles": (
        pd.DataFrame({"r": [1, 2, 3], "o": [1.0, None, 3.0]}),
        "['r': long (required), 'o': double (optional)]",
    ),
    "an empty list is no gap, None is": (
        {"e": [["a"], []], "n": [["a"], None]},
        "['e': Array(Array(string)) (required), 'n': Array(Array(string)) (optional)]",
    ),
    "the least that shows all": (
        {"r": "x", "o": None, "a": ["s"]},
        "['r': string (required), 'o': Any (optional), 'a': Array(string) (required)]",
    ),
    "always None is Any, sometimes None is optional": (
        [{"a": None, "b": None}, {"a": None, "b": "x"}],
        "['a': Any (optional), 'b': string (optional)]",
    ),
    "a table of three types": (
        pd.DataFrame({"x": [1.0], "y": ["A"], "z": [True]}),
        "['x': double (required), 'y': string (required), 'z': boolean (required)]",
    ),
    "a table of four doubles": (
        pd.DataFrame([{"a": 5.1, "b": 3.5, "c": 1.4, "d": 0.2}]),
        "['a': double (required), 'b': double (required), 'c': double (required), 'd': double (required)]",
    ),
    "a table of several rows": (
        pd.DataFrame([{"x": 1.0, "y": "A"}, {"x": 2.0, "y": "B"}]),
        "['x': double (required), 'y': string (required)]",
    ),
    "lists and dicts in a table": (
        pd.DataFrame({"n": [1, 2], "a": [[1, 2], [3]], "o": [{"a": 1}, {"b": 2}]}),
        "['n': long (required), 'a': Array(long) (required), 'o': {a: long (optional), b: long (optional)} (required)]",
    ),
    "the playground's table": (
        pd.DataFrame(
            [
                {"a": "a", "b": ["a"], "c": {"d": 1, "e": 0.1}, "f": [{"g": "g"}, {"h": 1}]},
                {"b": ["b"], "c": {"d": 2, "f": "f"}, "f": [{"g": "g"}]},
            ]
        ),
        "['a': string (optional), 'b': Array(string) (required), 'c': {d: long (required), e: double (optional), f:"
        " string (optional)} (required),"
        " 'f': Array({g: string (optional), h: long (optional)}) (required)]",
    ),
    "a tensor of integers": (np.array([[1, 2, 3], [4, 5, 6]]), "[Tensor('int64', (-1, 3))]"),
    "a tensor of three dimensions": (np.arange(12).reshape(2, 2, 3), "[Tensor('int64', (-1, 2, 3))]"),
    "a batch of images": (np.zeros((3, 28, 28, 1), "uint8"), "[Tensor('uint8', (-1, 28, 28, 1))]"),
    "two small images": (np.zeros((2, 4, 4), "uint8"), "[Tensor('uint8', (-1, 4, 4))]"),
    "tensors by name": (
        {"image": np.zeros((2, 8, 8, 3)), "mask": np.zeros((2, 8, 8, 1), "int64")},
        "['image': Tensor('float64', (-1, 8, 8, 3)), 'mask': Tensor('int64', (-1, 8, 8, 1))]",
    ),
    "a sparse matrix": (scipy.sparse.csr_matrix([[1, 0, 2], [0, 0, 3]]), "[Tensor('int64', (-1, 3))]"),
    "a sparse matrix by columns": (scipy.sparse.csc_matrix([[1.5, 0], [0, 3]]), "[Tensor('float64', (-1, 2))]"),
    "a tensor with gaps": (np.array([1.0, np.nan]), "[Tensor('float64', (-1,))]"),
    "days keep their unit in a tensor": (np.array(["2023-12-24"], "datetime64[D]"), "[Tensor('datetime64[D]', (-1,))]"),
    "rows of different lengths": (np.array([[1], [1, 2]], dtype=object), "[Tensor('object', (-1,))]"),
    "a chat": (
        {"messages": [{"role": "user", "content": "What is it?"}]},
        "['messages': Array({content: string (required), role: string (required)}) (required)]",
    ),
    "a chat of three and a temperature": (
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "temperature": 0.7},
        "['messages': Array({content: string (required), role: string (required)}) (required), 'temperature':"
        " double (required)]",
    ),
    "messages with an object inside": (
        {"messages": [{"role": "user", "content": {"question": "q", "answer": "a"}}]},
        "['messages': Array({content: {answer: string (required), question: string (required)} (required), role:"
        " string (required)}) (required)]",
    ),
    "messages of which one has a name": (
        {"messages": [{"name": "A", "role": "user"}, {"role": "user"}]},
        "['messages': Array({name: string (optional), role: string (required)}) (required)]",
    ),
    "a completion with gaps": (
        [
            {
                "id": None,
                "created": 17,
                "choices": [{"index": 0, "message": {"role": "r"}, "finish": None}],
                "usage": {"total": None},
            }
        ],
        "['id': Any (optional), 'created': long (required),"
        " 'choices': Array({finish: Any (optional), index: long (required), message: {role: string (required)}"
        " (required)}) (required),"
        " 'usage': {total: Any (optional)} (required)]",
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_infer_signature_declares_the_inputs_mlflow_declares(name: str) -> None:
    data, expected = SAMPLES[name]
    assert repr(inferred(data).inputs) == expected


def test_infer_signature_declares_outputs_and_params() -> None:
    table = pd.DataFrame({"x": [1.5, 2.5]})
    assert repr(inferred(table, pd.Series([1, 0])).outputs) == "[long (required)]"
    found = inferred("Translate: hello", "bonjour", {"temperature": 0.3, "max_tokens": 50, "stop": [".", "!"]})
    assert repr(found.params) == (
        "['temperature': double (default: 0.3), 'max_tokens': long (default: 50),"
        " 'stop': string (default: ['.', '!']) (shape: (-1,))]"
    )
    assert repr(inferred("Hi", None, {"temperature": 0.2, "do_sample": True}).params) == (
        "['temperature': double (default: 0.2), 'do_sample': boolean (default: True)]"
    )


def test_infer_signature_of_a_sample_equals_that_of_the_table() -> None:
    table = pd.DataFrame({"x": np.linspace(0, 1, 100_000), "s": "a"})
    assert inferred(table.sample(n=100, random_state=42)) == inferred(table)


def test_infer_signature_declares_any_for_inconsistent_nesting() -> None:
    # differs: only that column becomes Any, with its name, and a warning says which; MLflow makes one Any of all
    data = [{"level1": {"level2": "v"}, "n": 1}, {"level1": "direct", "n": 2}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert repr(mlflow.models.infer_signature(data).inputs) == "[Any (required)]"
    with pytest.warns(UserWarning, match="declared as Any, and never checked.*level1"):
        found = sparksig.infer_signature(data)
    assert repr(found.inputs) == "['level1': Any (required), 'n': long (required)]"
    assert repr(inferred([{"a": {"b": "v"}}, {"a": {"b": "w"}}]).inputs) == "['a': {b: string (required)} (required)]"


def test_infer_signature_strict_rejects_values_of_two_types() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert repr(mlflow.models.infer_signature([{"a": "text"}, {"a": 123}]).inputs) == "[Any (required)]"
    with pytest.raises(sparksig.SignatureError, match="values of several types"):
        sparksig.infer_signature([{"a": "text"}, {"a": 123}], strict=True)


def test_infer_signature_does_not_warn_of_integers_without_nulls() -> None:
    with pytest.warns(UserWarning, match="integer column"):
        mlflow.models.infer_signature(pd.DataFrame({"n": [1, 2]}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert repr(sparksig.infer_signature(pd.DataFrame({"n": [1, 2]})).inputs) == "['n': long (required)]"


def test_infer_signature_declares_integers_with_nulls_as_optional_doubles() -> None:
    assert repr(inferred(pd.DataFrame({"n": [1, 2, None]})).inputs) == "['n': double (optional)]"
    assert repr(inferred(pd.DataFrame({"n": [1.0, 2.0, None]})).inputs) == "['n': double (optional)]"
    nullable = pd.DataFrame({"n": pd.array([1, None], dtype="Int64")})
    assert repr(inferred(nullable).inputs) == "['n': long (optional)]"


class Pydantic(pydantic.BaseModel):
    role: str


def test_infer_signature_reads_a_dataclass_instance() -> None:
    message: Any = make_dataclass("Message", [("role", str), ("content", str)])
    request = make_dataclass("Request", [("messages", list[message])])
    expected = "['messages': Array({content: string (required), role: string (required)}) (required)]"
    theirs = mlflow.models.infer_signature(request([message("user", "Hi")]), "a text")
    found = sparksig.infer_signature(request([message("user", "Hi")]), "a text", strict=True)
    assert repr(found.inputs) == expected and repr(found.outputs) == "[string (required)]"
    assert found.to_dict() == theirs.to_dict()
    # a dataclass declares: without an instance, and with one that holds nothing
    assert sparksig.ModelSignature(request).inputs == found.inputs == sparksig.infer_signature(request([])).inputs


def test_infer_signature_rejects_pydantic_objects_as_mlflow_does() -> None:
    from mlflow.models.signature import InvalidDataForSignatureInferenceError

    with pytest.raises(InvalidDataForSignatureInferenceError):
        mlflow.models.infer_signature([Pydantic(role="user")])
    with pytest.raises(sparksig.SignatureError, match="pydantic objects have no place in example data"):
        sparksig.infer_signature([Pydantic(role="user")], strict=True)
