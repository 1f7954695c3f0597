"""Type hints as schemas: the hints that MLflow reads, and further ones."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field

from sparksig import SignatureError, signature_from_hints
from sparksig.sources.hints import schema_from_hint, schema_from_output_hint


class Card(BaseModel):
    kind: Literal["card"]
    number: str
    paid: dt.date


class Cash(BaseModel):
    kind: Literal["cash"]
    amount: Decimal


class Sale(BaseModel):
    payment: Card | Cash = Field(discriminator="kind")
    tags: list[str] = []
    note: str | None = None


@dataclass
class Point:
    x: int
    y: float | None = None


def test_schema_from_hint_declares_non_mlflow_hints_as_the_closest_type() -> None:
    assert repr(schema_from_hint(list[dt.date])) == "[datetime (required)]"
    assert repr(schema_from_hint(list[Decimal])) == "[string (required)]"
    assert repr(schema_from_hint(list[Literal[1, 2]])) == "[long (required)]"
    assert repr(schema_from_hint(list[Literal[1, "a"]])) == "[Any (required)]"
    assert repr(schema_from_hint(list[Point])) == "[{x: long (required), y: double (optional)} (required)]"
    told = "{amount: string (optional), kind: string (required), number: string (optional), paid: datetime (optional)}"
    assert repr(schema_from_hint(list[Annotated[Card | Cash, Field(discriminator="kind")]])) == f"[{told} (required)]"
    sale = f"{{note: string (optional), payment: {told} (required), tags: Array(string) (optional)}}"
    assert repr(schema_from_hint(list[Sale])) == f"[{sale} (required)]"


class NoDefault(BaseModel):
    metadata: dict[str, str] | None
    more: complex


class Tree(BaseModel):
    left: Tree | None = None


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Later:
    seed: InitVar[int]
    x: int
    made: int = field(init=False, default=0)


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (str, r"write list\[str\]"),
        (list, "list of what is not said"),
        (list[str | None], r"write list\[str\]"),
        (list[str] | None, r"write list\[str\]"),
        (list[dict[int, str]], "key type must be str"),
        (list[dict], "write dict"),
        (list[tuple[int, ...]], "unsupported type hint"),
        (list[np.int64], "unsupported type hint int64"),
        (pd.DataFrame, "has no schema"),
        (Sequence[int], r"write list\[int\]"),
        (tuple[int, ...], r"write list\[int\]"),
        (Annotated[list[int], "x"], r"write list\[int\]"),
        (list[int] | list[str], r"write list\[int \| str\]"),
        (complex, r"write list\[\.\.\]"),
        (list[set[int]], r"write list\[int\]"),
        (list[Mapping[str, int]], r"write dict\[str, int\]"),
        (list[np.float32], "write float"),
        (list[pd.Timestamp], "write datetime"),
        (list[bytearray], "write bytes"),
        (list[object], "write Any"),
        (list[Colour], "write Literal"),
        (list[Tree], "holds itself.*\n.*write Any"),
        (list[Later], "seed: an InitVar is no field"),
        (list[NoDefault], r"metadata: the optional field of NoDefault has no default.*\n.*\n  more: unsupported"),
    ],
)
def test_schema_from_hint_error_says_what_to_write_instead(hint: Any, told: str) -> None:
    with pytest.raises(SignatureError, match=told):
        schema_from_hint(hint)


def test_schema_from_output_hint_accepts_scalars() -> None:
    assert repr(schema_from_output_hint(float)) == "[double (required)]"
    with pytest.raises(SignatureError, match="an output cannot be Optional"):
        schema_from_output_hint(list[float | None])
    with pytest.warns(UserWarning, match="declared as Any"):
        assert repr(schema_from_output_hint(list[int | str])) == "[Any (required)]"


def test_signature_from_hints_reads_functions_and_classes() -> None:
    def predict(context: Any, model_input: list[Point], params: dict[str, Any] | None = None) -> list[Sale]: ...

    class Model:
        def predict(self, inputs: list[str]) -> pd.DataFrame: ...

    found = signature_from_hints(predict)
    assert found.inputs == schema_from_hint(list[Point]) and found.outputs == schema_from_output_hint(list[Sale])
    columns = signature_from_hints(predict, columns=True)
    assert repr(columns.inputs) == "['x': long (required), 'y': double (optional)]"
    assert (
        signature_from_hints(Model).outputs is None
        and repr(signature_from_hints(Model()).inputs) == "[string (required)]"
    )
    with pytest.raises(SignatureError, match="has no type hint"):
        signature_from_hints(lambda model_input: model_input)
    with pytest.raises(SignatureError, match="a class with fields"):
        signature_from_hints(Model, columns=True)


@pytest.mark.parametrize(
    ("hint", "instead"),
    [
        (list[str, int], r"write list\[str\]"),  # type: ignore[misc]
        (list[dict[int]], r"write dict\[str, int\]"),  # type: ignore[type-arg]
        (list[dict[str, int, float]], r"write dict\[str, float\]"),  # type: ignore[type-arg]
        (list[list[int, str]], r"write list\[int\]"),  # type: ignore[type-arg]
        (list[dict[str, list[int, str]]], r"list\[int \| str\] for any of them"),  # type: ignore[type-arg]
    ],
)
def test_schema_from_hint_rejects_another_number_of_types_by_name(hint: Any, instead: str) -> None:
    with pytest.raises(SignatureError, match=instead):
        schema_from_hint(hint)
    with pytest.raises(SignatureError):
        schema_from_output_hint(hint)
