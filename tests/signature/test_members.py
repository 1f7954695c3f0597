"""One value checked against one type: codes, paths, and no value in a message."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparksig.errors import Code
from sparksig.signature.members import PARAM, Reading, admit, is_null, judge
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, Property, SparkMLVector
from tests.signature.strategies import NESTED

CELL = Reading(admit, is_null)
ITEM = Object(
    [Property("id", "long"), Property("tags", Array("string"), False), Property("sizes", Map("double"), False)]
)


def codes(value: object, declared: ColumnType, required: bool = True) -> dict[str, Code | None]:
    return {p.path: p.code for p in judge(value, declared, CELL, "a", required=required)[1]}


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        (1, DataType.long, {}),
        (None, DataType.long, {"a": Code.NULL}),
        (float("nan"), DataType.string, {"a": Code.NULL}),
        (float("nan"), DataType.double, {}),
        (None, AnyType(), {}),
        (2**31, DataType.integer, {"a": Code.OUT_OF_RANGE}),
        (2**53 + 1, DataType.double, {"a": Code.NOT_EXACT}),
        ([1, None, 2, None], Array("long"), {"a[]": Code.NULL}),
        ((1, 2), Array("long"), {"a": Code.INCOMPATIBLE_TYPE}),
        (np.array([[1, 2]]), Array(Array("long")), {}),
        (np.array([1.5]), Array("long"), {"a[]": Code.INCOMPATIBLE_TYPE}),
        (np.zeros(2), SparkMLVector(), {}),
        ({"k": 1, "l": "x"}, Map("long"), {"a{}": Code.INCOMPATIBLE_TYPE}),
        ({1: 1}, Map("long"), {"a": Code.INCOMPATIBLE_TYPE}),
        ({"id": 1}, ITEM, {}),
        ({"tags": []}, ITEM, {"a.id": Code.MISSING_FIELD}),
        ({"id": 1, "x": 1, "y": 2}, ITEM, {"a": Code.UNEXPECTED_FIELD}),
        ({"id": None, "tags": [None], "sizes": None}, ITEM, {"a.id": Code.NULL}),
        ([{"id": 1}], ITEM, {"a": Code.INCOMPATIBLE_TYPE}),
    ],
)
def test_params_value_check_returns_codes_and_paths(
    value: object, declared: ColumnType, expected: dict[str, Code]
) -> None:
    assert codes(value, declared) == expected


def test_params_value_check_allows_null_elements_of_optional_columns() -> None:
    assert not codes([1, None], Array("long"), required=False)
    assert not codes(None, ITEM, required=False)


def test_params_value_check_copies_the_given_value() -> None:
    given = {"id": np.int64(1), "tags": ["a"], "sizes": {"s": 1}}
    read, problems = judge(given, ITEM, PARAM)
    assert not problems and read == {"id": 1, "tags": ["a"], "sizes": {"s": 1.0}}
    assert isinstance(read, dict) and read["tags"] is not given["tags"] and type(read["id"]) is int
    assert type(given["id"]) is np.int64


class Opaque:
    """What no type knows; a copy of it reads the same."""

    def __repr__(self) -> str:
        return "opaque"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.sampled_from([date(2024, 1, 2), pd.NaT, pd.NA, np.int8(3), np.float32(0.5), Opaque(), np.zeros(2), {1}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, NESTED, st.booleans())
def test_params_value_check_is_idempotent_for_any_value(value: Any, declared: ColumnType, required: bool) -> None:
    for reading in (PARAM, CELL):
        read, problems = judge(value, declared, reading, "a", required=required)
        again, none = judge(read, declared, reading, "a", required=required)
        if not problems and not isinstance(declared, AnyType):
            assert not none and (repr(again) == repr(read))


@pytest.mark.parametrize("secret", ["s3cret", b"s3cret", 987654321012345678901, {"s3cret": 1}, ["s3cret"]])
def test_params_value_check_problems_hide_the_value(secret: object) -> None:
    for declared in (DataType.integer, DataType.datetime, Array("long"), ITEM, Map("long")):
        for problem in judge(secret, declared, PARAM, "a")[1]:
            assert "s3cret" not in str(problem) and "98765" not in str(problem)


def test_params_value_check_accepts_infinities_and_nan_as_floats() -> None:
    assert admit(math.inf, DataType.float) == math.inf
    assert math.isnan(admit(math.nan, DataType.double))  # type: ignore[arg-type]
