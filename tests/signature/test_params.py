from __future__ import annotations

import pickle
import warnings
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparksig.errors import Code, ParamError, SignatureError
from sparksig.signature.params import ParamSchema, ParamSpec, resolve_params
from sparksig.signature.types import AnyType, Array, Object, Property

SCHEMA = ParamSchema(
    [
        ParamSpec("temperature", "double", 0.7),
        ParamSpec("top", "integer", 10),
        ParamSpec("stop", "string", [".", "!"], (-1,)),
        ParamSpec("since", "datetime", "2024-01-02"),
        ParamSpec("user", Object([Property("id", "long"), Property("tags", Array("string"), False)]), {"id": 1}),
    ]
)


def test_params_resolve_given_values_then_defaults_with_types() -> None:
    resolved = SCHEMA.resolve({"top": np.int32(3), "temperature": 1})
    assert list(resolved) == ["top", "temperature", "stop", "since", "user"]
    assert resolved["top"] == 3 and type(resolved["top"]) is int and type(resolved["temperature"]) is float
    assert resolved["since"] == date(2024, 1, 2)


def test_params_report_all_problems_at_once_without_values() -> None:
    secret = {"temperature": "s3cret", "top": 2**40, "stop": ["a", 5, 6], "user": {"id": "s3cret", "s3cret": 1}}
    with pytest.raises(ParamError) as caught:
        SCHEMA.resolve(secret)
    told = str(caught.value)
    assert {p.path for p in caught.value.problems} == {"temperature", "top", "stop[]", "user", "user.id"}
    assert {p.code for p in caught.value.problems} == {Code.INVALID_PARAM}
    assert "s3cret" not in told and str(2**40) not in told
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_params_reject_a_string_that_no_worker_can_encode() -> None:
    with pytest.raises(ParamError, match=r"stop\[\]: a string that has no UTF-8 form"):
        SCHEMA.resolve({"stop": ["a", "\udcff"]})


def test_params_report_unknown_names_in_one_warning() -> None:
    with pytest.warns(UserWarning, match="unknown params are ignored: 5, x; the signature declares temp") as caught:
        assert "x" not in SCHEMA.resolve({"x": 1, 5: 2})  # type: ignore[dict-item]
    assert len(caught) == 1


@pytest.mark.parametrize("given", ["x", [1], 5])
def test_params_must_be_a_mapping(given: Any) -> None:
    with pytest.raises(ParamError, match="mapping"):
        SCHEMA.resolve(given)


def test_params_without_a_schema_are_ignored_with_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_params(None, None) == resolve_params(None, {}) == {}
    with pytest.warns(UserWarning, match="declares none"):
        assert resolve_params(None, {"a": 1}) == {}


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        *(("integer", 2**31), ("integer", -(2**31) - 1), ("integer", 2**70), ("long", 2**63), ("long", 1.0)),
        *(("double", 2**53 + 1), ("double", 10**400), ("boolean", 1), ("long", True), ("string", 5)),
        *(("datetime", "now"), ("datetime", ""), ("datetime", "2024-13-01"), ("datetime", 5), ("datetime", "NaT")),
        *(("datetime", "2024-01-02T03:04:05.123456789"), ("datetime", pd.Timestamp(1)), ("float", np.float64(1))),
    ],
)
def test_params_reject_values_that_would_change(dtype: str, value: Any) -> None:
    with pytest.raises(SignatureError):
        ParamSpec("p", dtype, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-01-02T03:04:05", datetime(2024, 1, 2, 3, 4, 5)),
        ("2024-01-02T03:04:05+02:00", datetime(2024, 1, 2, 1, 4, 5)),
        (datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 2)),
        (pd.Timestamp("2024-01-02"), datetime(2024, 1, 2)),
        (np.datetime64("2024-01-02", "ns"), datetime(2024, 1, 2)),
        (date(2024, 1, 2), date(2024, 1, 2)),
    ],
)
def test_params_read_datetimes_as_local_times(value: Any, expected: date) -> None:
    read = ParamSpec("p", "datetime", value).default
    assert read == expected and type(read) is type(expected)


@pytest.mark.parametrize(
    ("dtype", "default", "shape"),
    [
        *(("binary", b"x", None), (Array("long"), [1], None), (AnyType(), 1, None), ("long", [1], None)),
        *(("long", 1, (-1,)), ("long", [1], (2,)), ("long", (1,), (-1,)), ("long", [[1]], (-1,))),
        (Object([Property("a", "long")]), [{"a": 1}], (-1,)),
    ],
)
def test_params_reject_unsupported_types_defaults_and_shapes(dtype: Any, default: Any, shape: Any) -> None:
    with pytest.raises(SignatureError):
        ParamSpec("p", dtype, default, shape)


def test_params_default_cannot_be_changed_from_outside() -> None:
    given = {"id": 1, "tags": ["a"]}
    spec = ParamSpec("user", SCHEMA.params[-1].dtype, given)
    spec.default["id"] = 2
    given["tags"].append("b")  # type: ignore[attr-defined]
    assert spec.default == {"id": 1, "tags": ["a"]}


def test_params_nan_defaults_are_equal_after_a_round_trip() -> None:
    schema = ParamSchema([ParamSpec("p", "double", float("nan"))])
    assert ParamSchema.from_json(schema.to_json()) == schema
    assert len({schema, ParamSchema.from_json(schema.to_json())}) == 1


def test_params_to_json_rejects_a_default_json_cannot_store() -> None:
    schema = ParamSchema([ParamSpec("p", Object([Property("a", AnyType())]), {"a": {1}})])
    with pytest.raises(SignatureError, match="JSON"):
        schema.to_json()


def test_params_reject_repeated_names() -> None:
    with pytest.raises(SignatureError, match="'a'"):
        ParamSchema([ParamSpec("a", "long", 1), ParamSpec("a", "long", 2)])


def test_params_copy_values_nested_in_any() -> None:
    source = {"x": [1, {"z": 2}]}
    spec = ParamSpec("o", Object([Property("x", AnyType())]), source)
    source["x"].append(5)
    assert spec.default == {"x": [1, {"z": 2}]}
    given = {"o": {"x": [1]}}
    resolved = ParamSchema([spec]).resolve(given)
    resolved["o"]["x"].append(2)
    assert given == {"o": {"x": [1]}}


def test_params_warning_points_at_the_callers_line() -> None:
    with pytest.warns(UserWarning, match="unknown params are ignored: x") as caught:
        ParamSchema([ParamSpec("n", "long", 1)]).resolve({"x": 1})
    with pytest.warns(UserWarning, match="declares none") as none:
        resolve_params(None, {"x": 1})
    assert [each.filename for each in (*caught, *none)] == [__file__] * 2
