"""Fields with a default or an alias: declared, enforced, validated and served by the same key, flat and nested."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from sparksig import (
    ColSpec,
    ModelSignature,
    Object,
    Property,
    Schema,
    SignatureError,
    ViolationError,
    check_compatible,
    enforce_values,
    load_model,
    load_signature,
    signature_from_hints,
    validate_hint,
    validate_serving_input,
    validated,
)
from sparksig.sources.hints import schema_from_hint, schema_from_output_hint


class Line(BaseModel):
    sku: str = Field(alias="articleNumber")
    qty: int = 1


class Order(BaseModel):
    id: int
    lines: list[Line] = Field(default_factory=list)
    first: Line = Line(articleNumber="none")
    note: str | None = None
    price: float = 0.5
    rated: bool = Field(default=True, validation_alias=AliasChoices(AliasPath("rating", 0), "isRated", "was_rated"))


@dataclass
class Point:
    x: int
    y: int = 7
    tags: list[str] = field(default_factory=lambda: ["new"])


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    user_id: int = Field(alias="userId")


class Generated(BaseModel):
    model_config = ConfigDict(alias_generator=str.upper)
    user_id: int = 3


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str = Field(alias="no")
    limit: int = 100


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    limit: int = 5


Payment = Annotated[Card | Cash, Field(discriminator="kind")]

LINE = "{articleNumber: string (required), qty: long (optional)}"


def predict_orders(model_input: list[Order]) -> list[int]:
    return [order.id for order in model_input]


def test_signature_from_hints_declares_defaults_as_optional_and_aliases_by_the_key_that_is_accepted() -> None:
    declared = {
        "articleNumber": LINE,
        "order": repr(schema_from_hint(list[Order])),
        "point": repr(schema_from_hint(list[Point])),
    }
    assert declared["order"] == (
        f"[{{first: {LINE} (optional), id: long (required), isRated: boolean (optional),"
        f" lines: Array({LINE}) (optional), note: string (optional), price: double (optional)}} (required)]"
    )
    assert declared["point"] == "[{tags: Array(string) (optional), x: long (required), y: long (optional)} (required)]"
    assert repr(schema_from_hint(list[ByName])) == "[{user_id: long (required)} (required)]"
    assert repr(schema_from_hint(list[Generated])) == "[{USER_ID: long (optional)} (required)]"
    columns = signature_from_hints(predict_orders, columns=True).inputs
    assert columns is not None and columns.required_input_names() == ["id"]
    # a model returns every field, under its own name
    assert repr(schema_from_output_hint(list[Line])) == "[{qty: long (required), sku: string (required)} (required)]"


def test_signature_from_hints_rejects_an_alias_that_is_a_path() -> None:
    class Nested(BaseModel):
        x: int = Field(validation_alias=AliasPath("inner", "x"))

    with pytest.raises(SignatureError, match="write an alias that is a string"):
        schema_from_hint(list[Nested])


@pytest.mark.parametrize(
    ("hint", "record", "expected"),
    [
        (Line, {"articleNumber": "a"}, Line(articleNumber="a", qty=1)),
        (Line, {"articleNumber": "a", "qty": 2}, Line(articleNumber="a", qty=2)),
        (Order, {"id": 1}, Order(id=1)),
        (
            Order,
            {"id": 1, "isRated": False, "lines": [{"articleNumber": "a"}], "first": {"articleNumber": "b"}},
            Order(**{"id": 1, "isRated": False, "lines": [Line(articleNumber="a")], "first": Line(articleNumber="b")}),
        ),
        (Point, {"x": 1}, Point(1)),
        (Point, {"x": 1, "y": 2, "tags": []}, Point(1, 2, [])),
        (ByName, {"user_id": 1}, ByName(userId=1)),
        (Generated, {}, Generated()),
        (Payment, {"kind": "card", "no": "1"}, Card(no="1")),
        (Payment, {"kind": "cash"}, Cash()),
        (Payment, {"kind": "cash", "limit": 6}, Cash(limit=6)),
    ],
)
def test_validated_accepts_enforced_records_with_defaults_and_aliases(hint: Any, record: Any, expected: Any) -> None:
    def predict(model_input: Any) -> Any:
        return model_input

    predict.__annotations__["model_input"] = list[hint]
    read = validated(predict)
    whole = signature_from_hints(predict)
    assert read([record]) == [expected]
    for records in ([record], [record, record]):
        enforced = enforce_values(records, whole, on_absent="ignore")
        assert read(enforced) == [expected] * len(records)
    if record:  # a table needs a column
        enforced = enforce_values([record], signature_from_hints(predict, columns=True), on_absent="ignore")
        assert read(enforced) == [expected]


def test_validated_fills_defaults_row_by_row() -> None:
    def predict(model_input: list[Line]) -> list[Line]:
        return model_input

    records = [{"articleNumber": "a"}, {"articleNumber": "b", "qty": 2}, {"articleNumber": "c", "qty": None}]
    for columns in (False, True):
        enforced = enforce_values(records, signature_from_hints(predict, columns=columns))
        assert [line.qty for line in validated(predict)(enforced)] == [1, 2, 1]


def test_validated_rejects_a_null_in_a_list_and_a_float_for_an_integer() -> None:
    with pytest.raises(ViolationError, match=r"\[\].qty"):
        validate_hint([{"articleNumber": "a", "qty": None}], list[Line])
    for column in (pd.DataFrame({"n": [1.0]}), pd.DataFrame({"n": [1.0]}, dtype=object)):
        with pytest.raises(ViolationError, match="int is declared, not float"):
            validate_hint(column, list[int])
    with pytest.raises(ViolationError, match=r"\[\].articleNumber: 1 element\(s\): pydantic says missing"):
        validate_hint([{"sku": "a"}], list[Line])


def test_check_compatible_accepts_a_default_that_is_added() -> None:
    old = Schema([ColSpec(Object([Property("articleNumber", "string")]), None)])
    assert check_compatible(ModelSignature(old), ModelSignature(schema_from_hint(list[Line]))).compatible


@pytest.fixture(scope="module")
def saved(tmp_path_factory: Any) -> Path:
    """A model that MLflow saved with the signature of its type hint."""
    pyfunc = pytest.importorskip("mlflow.pyfunc")

    class Typed(pyfunc.PythonModel):  # type: ignore[name-defined,misc]
        def predict(self, model_input: list[Order], params: Any = None) -> list[float]:
            return [sum(line.qty for line in order.lines) + order.price + order.rated for order in model_input]

    path = tmp_path_factory.mktemp("typed") / "model"
    logging.disable(logging.WARNING)
    pyfunc.save_model(path, python_model=Typed())
    logging.disable(logging.NOTSET)
    return Path(path)


def test_serving_accepts_defaults_and_aliases_that_mlflow_does_not_store(saved: Path) -> None:
    from mlflow.pyfunc import load_model as load_with_mlflow

    records = [{"id": 1}, {"id": 2, "isRated": False, "price": 2.5, "lines": [{"articleNumber": "a"}]}]
    expected = [1.5, 3.5]
    assert load_with_mlflow(str(saved)).predict(records) == expected
    assert validate_serving_input(saved, {"inputs": records}, trust=True) == expected
    assert validate_serving_input(saved, {"instances": records}, trust=True) == expected
    with pytest.raises(ViolationError, match=r"0.lines\[\].articleNumber: 1 row\(s\) \[MISSING_FIELD\]"):
        validate_serving_input(saved, {"inputs": [{"id": 1, "lines": [{"qty": 1}]}]}, trust=True)


def test_model_of_mlflow_receives_the_keys_of_its_hint_from_a_table_with_the_stored_names(saved: Path) -> None:
    order = {"id": 1, "lines": [{"sku": "a", "qty": 4}], "first": {"sku": "b", "qty": 1}}
    order |= {"note": None, "price": 0.25, "rated": False}
    signature = load_signature(saved)
    assert "sku: string (required)" in repr(signature.inputs)
    table = enforce_values([order, order | {"lines": []}], signature)
    assert load_model(saved, trust=True).predict(table, None) == [4.25, 0.25]
