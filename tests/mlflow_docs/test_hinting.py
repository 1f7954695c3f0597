"""Samples that declare a signature by type hints, with pydantic models, and validate a model's input.

docs/differences.md lists the behavior marked `differs`.
"""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Literal, Optional, Union  # noqa: UP035

import numpy as np
import pandas as pd
import pydantic
import pytest
import scipy.sparse

import sparksig
from tests.mlflow_docs.both import faults
from tests.mlflow_docs.real import ours, said, save

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException
    from mlflow.models.model import get_model_info
    from mlflow.pyfunc.utils import pyfunc
    from mlflow.types.type_hints import TypeFromExample, _infer_schema_from_list_type_hint

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Message(pydantic.BaseModel):
    role: str
    content: str
    metadata: Optional[Dict[str, str]] = None  # noqa: UP006, UP045


class User(pydantic.BaseModel):
    name: str
    age: int
    email: str | None = None
    likes: list[str] = []


class Parameters(pydantic.BaseModel):
    properties: dict[str, str]
    type: str = "object"
    required: list[str] | None = None
    additional: bool | None = None


class Tool(pydantic.BaseModel):
    name: str
    description: str | None = None
    parameters: Parameters | None = None


class Chat(pydantic.BaseModel):
    messages: list[Message]
    tools: list[Tool] | None = None
    temperature: float = 0.7


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    role: str
    content: str


class System(Open):
    system_prompt: str


class Bare(pydantic.BaseModel):
    role: str
    metadata: Optional[dict[str, str]]  # noqa: UP045


class TextInput(pydantic.BaseModel):
    type: Literal["text"] = "text"
    content: str


class NumberInput(pydantic.BaseModel):
    type: Literal["number"] = "number"
    value: int


def taking(hint: Any, body: Callable[[Any], Any] = lambda given: given) -> Callable[[Any], Any]:
    """A function with that type hint."""

    def predict(model_input):
        return body(model_input)

    predict.__annotations__["model_input"] = hint
    return predict


def declared(hint: Any) -> str:
    """The inputs that both declare for a hint; a field with a default is optional here and required there."""
    theirs = json.loads(_infer_schema_from_list_type_hint(hint).to_json())
    found = sparksig.signature_from_hints(taking(hint)).inputs
    assert found is not None and json.loads(found.to_json()) == _with_defaults(theirs)
    return repr(found)


def _with_defaults(kind: Any) -> Any:
    """The JSON of a type in which the fields of this file that have a default are optional."""
    if isinstance(kind, list):
        return [_with_defaults(part) for part in kind]
    if not isinstance(kind, dict):
        return kind
    found = {name: _with_defaults(part) for name, part in kind.items()}
    members = found.get("properties", {})
    if isinstance(members, dict) and "additional" in members:  # Parameters
        members["type"]["required"] = False
    for name in {"likes", "temperature"} & set(members):
        members[name]["required"] = False
    return found


HINTS = {
    "texts": (List[str], "[string (required)]"),  # noqa: UP006
    "integers": (list[int], "[long (required)]"),
    "floats": (list[float], "[double (required)]"),
    "booleans": (list[bool], "[boolean (required)]"),
    "bytes": (list[bytes], "[binary (required)]"),
    "datetimes": (list[dt.datetime], "[datetime (required)]"),
    "lists": (List[List[str]], "[Array(string) (required)]"),  # noqa: UP006
    "dicts of texts": (list[dict[str, str]], "[Map(str -> DataType.string) (required)]"),
    "dicts": (List[Dict[str, int]], "[Map(str -> DataType.long) (required)]"),  # noqa: UP006
    "dicts of lists": (list[dict[str, list[str]]], "[Map(str -> Array(string)) (required)]"),
    "anything": (list[Any], "[Any (required)]"),
    "several types": (List[Union[int, str]], "[Any (required)]"),  # noqa: UP006, UP007
    "several types, newer": (list[str | dict[str, int]], "[Any (required)]"),
    "a message": (
        list[Message],
        "[{content: string (required), metadata: Map(str -> DataType.string) (optional),"
        " role: string (required)} (required)]",
    ),
    "a user": (
        list[User],
        "[{age: long (required), email: string (optional), likes: Array(string) (optional),"
        " name: string (required)} (required)]",
    ),
}


@pytest.mark.parametrize("name", HINTS)
def test_signature_from_hints_declares_the_inputs_mlflow_declares(name: str) -> None:
    hint, expected = HINTS[name]
    assert declared(hint) == expected


def test_validated_accepts_a_chat_with_tools() -> None:
    assert "tools: Array({description: string (optional), name: string (required)" in declared(list[Chat])
    row = {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "search", "description": "Web search"}],
        "temperature": 0.5,
    }
    for decorate in (pyfunc, sparksig.validated):
        (found,) = decorate(taking(list[Chat]))([row])
        assert isinstance(found, Chat) and isinstance(found.messages[0], Message) and isinstance(found.tools[0], Tool)
    count = taking(list[Chat], lambda requests: [len(request.messages) for request in requests])
    assert pyfunc(count)([row]) == sparksig.validated(count)([row]) == [1]


@pytest.mark.parametrize("hint", [str, Message])
def test_signature_from_hints_rejects_a_hint_without_list(hint: Any) -> None:
    assert "Type hints must be wrapped in list[...]" in said(lambda: pyfunc(taking(hint)))
    with pytest.raises(sparksig.SignatureError, match="type hints must be wrapped in list"):
        sparksig.signature_from_hints(taking(hint))


def test_validated_rejects_optional_inputs_and_optional_fields_without_default() -> None:
    for hint, words, told in [
        (list[Optional[str]], "Input cannot be Optional type", "an input cannot be Optional"),  # noqa: UP045
        (list[Bare], "doesn't have a default value", "the optional field of Bare has no default"),
    ]:
        with pytest.raises(MlflowException, match=words):
            pyfunc(taking(hint))
        with pytest.raises(sparksig.SignatureError, match=told):
            sparksig.validated(taking(hint))


def test_validated_checks_objects_and_dicts_before_the_model_runs() -> None:
    contents = taking(list[Message], lambda messages: [message.content for message in messages])
    data = [{"role": "system", "content": "Hello"}, Message(role="user", content="Hi", metadata={"source": "api"})]
    assert pyfunc(contents)(data) == sparksig.validated(contents)(data) == ["Hello", "Hi"]
    for wrong, words, fault in [
        ([{"role": "system"}], "Field required", "[].content MISSING_FIELD"),
        (["hello"], "Expecting example to be a dictionary or pydantic model", "[] INCOMPATIBLE_TYPE"),
    ]:
        with pytest.raises(MlflowException, match=words):
            pyfunc(contents)(wrong)
        assert faults(partial(sparksig.validated(contents), wrong)) == [fault]


def test_validated_accepts_a_class() -> None:
    class Theirs(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, model_input: list[str], params=None) -> list[str]:
            return model_input

    @sparksig.validated
    class Ours:
        def predict(self, model_input: list[str], params=None) -> list[str]:
            return model_input

    assert Theirs().predict(["a"]) == Ours().predict(["a"]) == ["a"]
    with pytest.raises(MlflowException, match="Expected type str, but got int"):
        Theirs().predict([1])
    assert faults(lambda: Ours().predict([1])) == ["[] INCOMPATIBLE_TYPE"]


def test_validated_keeps_the_fields_of_a_subclass() -> None:
    data = [
        {"role": "system", "content": "Hello", "system_prompt": "Be kind"},
        System(role="s", content="c", system_prompt="p"),
    ]
    for decorate in (pyfunc, sparksig.validated):
        found = decorate(taking(list[Open]))(data)
        assert [message.system_prompt for message in found] == ["Be kind", "p"]
    assert declared(list[Open]) == "[{content: string (required), role: string (required)} (required)]"


def test_validated_checks_a_discriminated_union_but_not_a_plain_one() -> None:
    mixed = list[Union[str, int]]  # noqa: UP007
    assert pyfunc(taking(mixed))([1.5]) == sparksig.validated(taking(mixed))([1.5]) == [1.5]
    # differs: the page recommends a Literal field; MLflow makes Any of it, sparksig with a discriminator one object
    assert repr(_infer_schema_from_list_type_hint(list[Union[TextInput, NumberInput]])) == "[Any (required)]"  # noqa: UP007
    from typing import Annotated

    apart = list[Annotated[TextInput | NumberInput, pydantic.Field(discriminator="type")]]
    assert "value: long (optional)" in repr(sparksig.signature_from_hints(taking(apart)).inputs)
    (found,) = sparksig.validated(taking(apart))([{"type": "number", "value": 1}])
    assert found == NumberInput(value=1)
    assert faults(lambda: sparksig.validated(taking(apart))([{"type": "number", "content": "x"}]))


@pytest.mark.parametrize(
    "hint", [pd.DataFrame, pd.Series, np.ndarray, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix]
)
def test_validated_ignores_container_hints(hint: Any) -> None:
    data = object()
    assert pyfunc(taking(hint))(data) is data
    assert sparksig.validated(taking(hint))(data) is data


def test_validated_takes_its_type_from_an_example(tmp_path: Path) -> None:
    class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, model_input: TypeFromExample):
            return model_input

    loaded = mlflow.pyfunc.load_model(str(save(tmp_path / "model", Model(), input_example=["a", "b"])))
    here = sparksig.validated(example=["a", "b"])(taking(sparksig.TypeFromExample))
    assert loaded.predict(["d", "e"]) == here(["d", "e"]) == ["d", "e"]
    with pytest.raises(MlflowException, match="Can not safely convert int64"):
        loaded.predict([1])
    assert faults(lambda: here([1])) == ["0 INCOMPATIBLE_TYPE"]


class Contents(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    def predict(self, model_input: list[Message]) -> list[str]:
        return [message.content for message in model_input]


def test_validate_serving_input_checks_a_stored_model_with_hints(tmp_path: Path) -> None:
    path = save(tmp_path / "model", Contents())
    theirs = get_model_info(str(path)).signature
    assert sparksig.load_signature(path) == ours(theirs) == sparksig.signature_from_hints(Contents().predict)
    payload = {"inputs": [{"role": "user", "content": "Hello"}]}
    assert mlflow.pyfunc.load_model(str(path)).predict(payload["inputs"]) == ["Hello"]
    assert sparksig.validate_serving_input(path, payload, trust=True) == ["Hello"]
    assert faults(lambda: sparksig.validate_serving_input(path, payload["inputs"], trust=True)) == ["$ BAD_PAYLOAD"]
    wrong = {"inputs": [{"role": "user"}]}
    with pytest.raises(MlflowException, match="Field required"):
        mlflow.pyfunc.load_model(str(path)).predict(wrong["inputs"])
    assert faults(lambda: sparksig.validate_serving_input(path, wrong, trust=True))
