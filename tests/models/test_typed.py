"""`@validated`: the model receives what its hints declare, and no error shows a value."""

from __future__ import annotations

import datetime as dt
import inspect
import warnings
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
import pytest
from pydantic import BaseModel, Field, field_validator

from sparksig import (
    ColSpec,
    ModelSignature,
    Schema,
    SignatureError,
    TypeFromExample,
    ViolationError,
    infer_signature,
    load_model,
    score,
    signature_from_hints,
    validate_hint,
    validated,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Line(BaseModel):
    sku: str
    count: int | None = None


class Order(BaseModel):
    id: int
    lines: list[Line]
    price: float
    note: str | None = None


@dataclass
class Point:
    x: int
    y: float | None = None


class A(BaseModel):
    kind: Literal["a"]
    x: int


class B(BaseModel):
    kind: Literal["b"]
    y: str


ORDER = {"id": 1, "lines": [{"sku": "s", "count": 2}], "price": 1.5}


def test_validate_hint_counts_violations_by_path_without_values() -> None:
    bad = [
        ORDER,
        {"id": "Anna", "lines": [{"sku": 5}, {}], "price": 1.5},
        {"id": "Anna", "lines": [], "price": 1.5, "Anna": 1},
        "Anna",
    ]
    with pytest.raises(ViolationError) as raised:
        validate_hint(bad, list[Order])
    assert {(p.path, str(p.code)) for p in raised.value.problems} == {
        ("[].id", "INCOMPATIBLE_TYPE"),
        ("[].lines[].sku", "INCOMPATIBLE_TYPE"),
        ("[].lines[].sku", "MISSING_FIELD"),
        ("[]", "INCOMPATIBLE_TYPE"),
    }
    assert "2 element(s)" in str(raised.value) and "Anna" not in str(raised.value)


def test_validate_hint_converts_dicts_to_objects_and_keeps_objects() -> None:
    order, same = validate_hint([ORDER, Order(**ORDER)], list[Order])  # type: ignore[arg-type]
    assert isinstance(order, Order) and order == same and order.lines == [Line(sku="s", count=2)]
    assert validate_hint([{"x": 1}, Point(1)], list[Point]) == [Point(1), Point(1)]
    for wrong, code in [
        ({"x": 1.5}, "INCOMPATIBLE_TYPE"),
        ({}, "MISSING_FIELD"),
        ({"x": 1, "z": 1}, "UNEXPECTED_FIELD"),
    ]:
        with pytest.raises(ViolationError, match=code):
            validate_hint([wrong], list[Point])


def test_validate_hint_checks_non_mlflow_hints_exactly() -> None:
    assert validate_hint([dt.date(2024, 1, 2)], list[dt.date]) and validate_hint([Decimal("0.1")], list[Decimal])
    tagged = list[Annotated[A | B, Field(discriminator="kind")]]
    assert validate_hint([{"kind": "b", "y": "t"}, {"kind": "a", "x": 1}], tagged) == [
        B(kind="b", y="t"),
        A(kind="a", x=1),
    ]
    for hint, value in [
        (list[dt.date], dt.datetime(2024, 1, 2)),
        (list[Decimal], 0.1),
        (list[Literal["a", "b"]], "c"),
        (list[Literal[1]], True),
        (tagged, {"kind": "a", "y": "t"}),
        (tagged, {"kind": "c"}),
    ]:
        with pytest.raises(ViolationError, match=r"1 element\(s\)"):
            validate_hint([value], hint)


def test_validate_hint_converts_tables_to_lists_of_the_hints_class() -> None:
    frame = pd.DataFrame(
        {"id": [1, 2], "price": [1.5, float("nan")], "note": ["n", None], "lines": [[], [{"sku": "s"}]]}
    )
    first, second = validate_hint(frame, list[Order])
    assert first.note == "n" and second.price != second.price and second.lines == [Line(sku="s")]
    floats = pd.DataFrame({"x": [1.0, 2.0], "y": [float("nan"), 0.5]})
    assert validate_hint(floats.astype({"x": int}), list[Point]) == [Point(1, None), Point(2, 0.5)]
    with pytest.raises(ViolationError, match=r"\[\].x: 2 element\(s\): int is declared, not float"):
        validate_hint(floats, list[Point])
    nan, half = validate_hint(floats[["y"]], list[float])
    assert nan != nan and half == 0.5
    with pytest.warns(UserWarning, match="only the first"):
        assert validate_hint(floats, list[float]) == [1.0, 2.0]
    assert validate_hint(frame, pd.DataFrame) is frame


def test_validated_keeps_the_functions_signature_and_other_arguments() -> None:
    def plain(context: Any, model_input: list[int], params: dict[str, Any] | None = None) -> list[int]:
        """Doc."""
        return [context, *model_input, (params or {}).get("k")]

    function = validated(plain)
    assert inspect.signature(function) == inspect.signature(plain) and function.__doc__ == "Doc."
    assert function("c", [1], params={"k": 2}) == ["c", 1, 2] == function("c", model_input=[1], params={"k": 2})

    @validated
    class Model:
        def predict(self, model_input: list[int], params: dict[str, Any] | None = None) -> list[int]:
            return [x + 1 for x in model_input]

    assert Model().predict([1]) == [2] and load_model(Model()).predict([1], {}) == [2]
    with pytest.raises(ViolationError, match=r"\[\]: 1 element"):
        Model().predict(["x"])  # type: ignore[list-item]
    with pytest.raises(SignatureError, match="has no type hint"):
        validated(lambda model_input: model_input)


class Named(BaseModel):
    sku: str = Field(alias="SKU")


class More(Line):
    colour: str


class Strict(BaseModel):
    model_config = {"extra": "forbid"}
    kind: Literal["s"]
    x: int | None = None


class Loud(BaseModel):
    x: int

    @field_validator("x")
    @classmethod
    def refuse(cls, x: int) -> int:
        raise RuntimeError(f"never {x}")


@dataclass
class Checked:
    x: int
    twice: int = field(init=False)

    def __post_init__(self) -> None:
        if self.x > 5:
            raise ValueError(f"{self.x} is too much")
        self.twice = 2 * self.x


def test_validate_hint_keeps_objects_identical() -> None:
    more, named, point = More(sku="s", colour="red"), Named(SKU="s"), Point(1)
    assert validate_hint([more], list[Line])[0] is more and validate_hint([point], list[Point])[0] is point
    assert validate_hint([named], list[Named])[0] is named and validate_hint([{"SKU": "s"}], list[Named]) == [named]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydantic's tell values
        with pytest.raises(ViolationError, match="INCOMPATIBLE_TYPE"):
            validate_hint([Line.model_construct(sku=5)], list[Line])  # type: ignore[arg-type]


def test_validate_hint_reports_errors_raised_by_classes_without_values() -> None:
    assert validate_hint([{"x": 2}], list[Checked])[0].twice == 4  # type: ignore[attr-defined]
    for value, hint, code in [
        ({"x": 41}, list[Checked], "INCOMPATIBLE_TYPE"),
        ({"x": 1, "twice": 41}, list[Checked], "UNEXPECTED_FIELD"),
        ({"x": 41}, list[Loud], "INCOMPATIBLE_TYPE"),
    ]:
        with pytest.raises(ViolationError) as raised:
            validate_hint([value], hint)
        assert {(p.path, str(p.code)) for p in raised.value.problems} == {("[]", code)} and "41" not in str(
            raised.value
        )
    twice = pd.DataFrame([[1, 2]], columns=["id", "id"])
    with pytest.raises(ViolationError, match="DUPLICATE_COLUMN"):
        validate_hint(twice, list[Order])


def test_validate_hint_path_in_a_tagged_union_has_no_tag() -> None:
    hint = list[Annotated[A | B, Field(discriminator="kind")]]
    with pytest.raises(ViolationError) as raised:
        validate_hint([{"kind": "a", "x": "q"}, {"kind": "b"}], hint)
    assert {(p.path, str(p.code)) for p in raised.value.problems} == {
        ("[].x", "INCOMPATIBLE_TYPE"),
        ("[].y", "MISSING_FIELD"),
    }
    table = pd.DataFrame({"kind": ["s", "b"], "x": [1, None], "y": [None, "q"]})
    found = validate_hint(table, list[Annotated[Strict | B, Field(discriminator="kind")]])
    assert found == [Strict(kind="s", x=1), B(kind="b", y="q")]


def test_validated_accepts_static_and_class_methods() -> None:
    @validated
    class Model:
        @staticmethod
        def predict(model_input: list[int]) -> list[int]:
            return model_input

    @validated
    class Other:
        @classmethod
        def predict(cls, model_input: list[int]) -> list[str]:
            return [cls.__name__]

    assert Model().predict([1]) == [1] and Model.predict([2]) == [2] and Other().predict([1]) == ["Other"]


def test_validated_takes_its_type_from_an_example() -> None:
    @validated(example=[{"a": 1, "b": "x"}, {"a": 2}])
    def rows(model_input: TypeFromExample) -> Any:
        return model_input

    assert rows(pd.DataFrame({"b": [None, "y"], "a": [1, 2]})) == [{"a": 1, "b": None}, {"a": 2, "b": "y"}]  # type: ignore[arg-type]
    with pytest.raises(ViolationError, match="a: 1 row"):
        rows([{"a": 1.5}])  # type: ignore[arg-type]

    gaps = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
    assert rows(gaps) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]  # type: ignore[arg-type]

    @validated(example=[{"n": 1}, {"n": None}])
    def optional(model_input: TypeFromExample) -> Any:
        return model_input

    found = optional(pd.DataFrame({"n": [1.0, float("nan")]}))  # type: ignore[arg-type]
    assert found == [{"n": 1}, {"n": None}] == optional([{"n": 1}, {}]) and type(found[0]["n"]) is int  # type: ignore[arg-type]

    @validated(example=[1.5])
    def numbers(model_input: TypeFromExample) -> Any:
        return model_input

    assert numbers([1, 2]) == [1.0, 2.0]  # type: ignore[arg-type]
    with pytest.raises(SignatureError, match="needs an example"):

        @validated
        def none(model_input: TypeFromExample) -> Any: ...


def test_score_passes_objects_to_a_validated_model(spark: SparkSession) -> None:
    @validated
    def total(model_input: list[Order]) -> list[float]:
        assert all(isinstance(order, Order) and isinstance(order.lines[0], Line) for order in model_input)
        return [order.price * (order.lines[0].count or 0) for order in model_input]

    df = spark.sql(
        "select 7L as id, array(named_struct('sku', 's', 'count', 2L)) as lines, 1.5D as price, 'n' as note union all "
        "select null, array(named_struct('sku', 's', 'count', 2L)), 1.5D, null union all "
        "select 9L, array(named_struct('sku', 's', 'count', cast(null as long))), 1.5D, null"
    )
    flat = score(df, total, signature_from_hints(total, columns=True)).collect()
    assert {row.id: row.prediction for row in flat} == {7: 3.0, None: None, 9: 0.0}
    objects = df.where("id is not null").selectExpr("id", "struct(*) as order")
    whole = score(objects.select("order"), total, signature_from_hints(total)).collect()
    assert sorted(row.prediction for row in whole) == [0.0, 3.0]
    texts = ModelSignature(Schema([ColSpec("string")]), Schema([ColSpec("long")]))
    lengths = validated(_lengths)
    assert [r.prediction for r in score(spark.sql("select 'abc' as t"), lengths, texts).collect()] == [3]


class Moment(BaseModel):
    day: dt.date
    price: Decimal
    days: list[dt.date]
    prices: dict[str, Decimal]
    inner: Line | None = None


def test_score_passes_dates_decimals_and_nulls_to_a_validated_model(spark: SparkSession) -> None:
    @validated
    def told(model_input: list[Moment]) -> list[str]:
        assert all(type(m.day) is dt.date and type(m.days[0]) is dt.date for m in model_input)
        assert all(type(m.price) is Decimal and type(m.prices["k"]) is Decimal for m in model_input)
        return [f"{m.day} {m.price} {m.days} {m.prices}" for m in model_input]

    df = spark.sql(
        "select date'2020-01-01' as day, '1.10' as price, array(date'2020-01-02') as days, map('k', '2.50') as prices, "
        "cast(null as struct<sku:string,count:long>) as inner"
    )
    want = "2020-01-01 1.10 [datetime.date(2020, 1, 2)] {'k': Decimal('2.50')}"
    flat, whole = signature_from_hints(told, columns=True), signature_from_hints(told)
    assert [row.prediction for row in score(df, told, flat).collect()] == [want]
    assert [row.prediction for row in score(df.selectExpr("struct(*) as o"), told, whole).collect()] == [want]

    example = [{"n": 1, "l": [0.5]}, {"n": None, "l": [0.5]}]

    @validated(example=example)
    def rows(model_input: TypeFromExample) -> list[str]:
        return [str(row) for row in model_input]  # type: ignore[attr-defined]

    signature = ModelSignature(infer_signature(example).inputs, Schema([ColSpec("string")]))
    table = spark.sql("select 5L as n, array(0.5D) as l union all select null, array()")
    found = {row.prediction for row in score(table, rows, signature).collect()}
    assert found == {"{'n': 5, 'l': [0.5]}", "{'n': None, 'l': []}"}


def _lengths(model_input: list[str]) -> list[int]:
    return [len(text) for text in model_input]
