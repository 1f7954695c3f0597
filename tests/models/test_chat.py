"""MLflow's chat models: each row of a table is a request, as a client would send it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sparksig import validate_serving_input
from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.values import Feed, enforce_arrow
from sparksig.scoring.calls import ModelCall
from sparksig.sources.observed import table_from_arrow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow.pyfunc
    from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse
    from mlflow.types.llm import ChatCompletionResponse
    from mlflow.types.responses import ResponsesAgentResponse

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations


class Chat(mlflow.pyfunc.ChatModel):  # type: ignore[misc, name-defined]
    def predict(self, context, messages, params):
        content = f"{messages[-1].content} {params.max_tokens!r} {params.stop} {params.custom_inputs}"
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return ChatCompletionResponse.from_dict({"id": "1", "model": "m", "created": 7, "choices": [choice]})


class Agent(mlflow.pyfunc.ChatAgent):  # type: ignore[misc, name-defined]
    def predict(self, messages, context=None, custom_inputs=None):
        content = f"{messages[-1].content} {context and context.user_id} {custom_inputs}"
        return ChatAgentResponse(messages=[ChatAgentMessage(role="assistant", content=content, id="1")])


class Responses(mlflow.pyfunc.ResponsesAgent):  # type: ignore[misc, name-defined]
    def predict(self, request):
        content = f"{request.input[-1].content} {request.max_output_tokens!r}"
        return ResponsesAgentResponse(output=[self.create_text_output_item(content, "1")])


def save(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(str(path), python_model=model, pip_requirements=["none"])
    return path


def scored(path: Path, rows: list[dict[str, Any]]) -> list[list[Any]]:
    """The rows as `score` gives them to a model, and what it makes of the answers."""
    table = pa.Table.from_pylist(rows)
    messages = pa.list_(pa.struct([(name, pa.string()) for name in ("role", "content", "name")]))
    table = table.set_column(0, "messages", table["messages"].cast(messages))
    call = ModelCall.of(path, None, None, True)
    plan = plan_table(table_from_arrow(table.schema), call.signature, Policy(on_absent="ignore")).require_ok()
    arrays = enforce_arrow(plan, [c.combine_chunks() for c in table.columns], table.num_rows).require_clean().columns
    found = call.on(Feed.of(plan)).predict(call.load(), arrays, table.num_rows)
    return [column.to_pylist() for column in found]


def message(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text, "name": None}]


def test_score_answers_each_row_with_a_chat_model(tmp_path: Path) -> None:
    path = save(Chat(), tmp_path / "chat")
    rows = [
        {"messages": message("a"), "max_tokens": 3, "stop": ["x"]},
        {"messages": message("b"), "max_tokens": None, "stop": None},
    ]
    choices = scored(path, rows)[4]
    assert [row[0]["message"]["content"] for row in choices] == ["a 3 ['x'] None", "b None None None"]
    asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "custom_inputs": {"k": [1, None]}}
    expected = mlflow.pyfunc.load_model(str(path)).predict(asked)
    assert validate_serving_input(path, asked, trust=True) == expected
    assert expected["choices"][0]["message"]["content"] == "hi 3 None {'k': [1, None]}"


def test_score_answers_each_row_with_an_agent(tmp_path: Path) -> None:
    path = save(Agent(), tmp_path / "agent")
    rows = [
        {"messages": message("a"), "context": {"user_id": "u"}},
        {"messages": message("b"), "context": None},
    ]
    assert [row[0]["content"] for row in scored(path, rows)[0]] == ["a u None", "b None None"]
    asked = {"messages": [{"role": "user", "content": "hi"}], "context": {"user_id": "me"}}
    assert validate_serving_input(path, asked, trust=True) == mlflow.pyfunc.load_model(str(path)).predict(asked)


def test_score_answers_requests_of_a_responses_agent(tmp_path: Path) -> None:
    path = save(Responses(), tmp_path / "responses")
    asked = {"input": [{"role": "user", "content": "hi"}], "max_output_tokens": 5}
    answer = validate_serving_input(path, asked, trust=True)
    assert answer["output"][0]["content"][0]["text"] == "hi 5"
    assert answer["output"] == mlflow.pyfunc.load_model(str(path)).predict(asked)["output"]
