"""Serving payloads: each format read exactly, every problem at once, and no value in a message."""

from __future__ import annotations

import base64
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.types.schema import Schema as MlflowSchema
from sklearn.linear_model import LinearRegression

from sparksig import (
    Array,
    ColSpec,
    InputExample,
    Map,
    ModelSignature,
    Object,
    ParamError,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    SchemaError,
    SparksigError,
    TensorSpec,
    TrustError,
    ViolationError,
    load_serving_example,
    parse_payload,
    save_model,
    serving_payload,
    validate_serving_input,
)
from sparksig.sources.inference import infer_signature

SIGNATURE = ModelSignature(
    Schema(
        [
            *(ColSpec("long", "n"), ColSpec("double", "x"), ColSpec("binary", "b", required=False)),
            ColSpec("datetime", "t", required=False),
        ]
    ),
    params=ParamSchema([ParamSpec("limit", "long", 10)]),
)
BIG = 2**53 + 1


@pytest.mark.parametrize(
    "payload",
    [
        {"dataframe_split": {"columns": ["x", "n", "b", "t"], "data": [[1, BIG, "eA==", "2024-01-31T12:00:00"]]}},
        {"dataframe_records": [{"n": BIG, "x": 1, "b": "eA==\n", "t": "2024-01-31 12:00"}]},
        {"instances": [{"n": BIG, "x": 1.0, "b": "eA==", "t": "2024-01-31T14:00+02:00"}]},
        {"inputs": {"n": [BIG], "x": [1], "b": ["eA=="], "t": ["2024-01-31T12:00:00Z"]}},
    ],
    ids=lambda payload: next(iter(payload)),
)
def test_parse_payload_reads_each_format_exactly(payload: dict[str, Any]) -> None:
    for given in (payload, json.dumps(payload), json.dumps(payload).encode()):
        data, params = parse_payload(given, SIGNATURE)
        assert data.dtypes.astype(str).tolist() == ["int64", "float64", "object", "datetime64[ns]"]
        assert [*data.iloc[0, :3], str(data.iloc[0, 3])] == [BIG, 1.0, b"x", "2024-01-31 12:00:00"]
        assert params == {"limit": 10}
    assert parse_payload({**payload, "params": {"limit": 3}}, SIGNATURE).params == {"limit": 3}


@pytest.mark.parametrize(
    "payload",
    [
        "{",
        "[1]",
        "{}",
        '{"inputs": [], "instances": []}',
        '{"inputs": {}, "Anna": 1}',
        '{"dataframe_records": {"n": 1}}',
        '{"dataframe_split": {"columns": ["n"], "data": [[1, 2]]}}',
        '{"dataframe_split": [1]}',
        '{"instances": 5}',
        '{"inputs": {"n": 1, "n": 2}}',
        "[" * 100_000,
    ],
)
def test_parse_payload_rejects_malformed_payloads(payload: str) -> None:
    with pytest.raises(ViolationError, match="BAD_PAYLOAD") as raised:
        parse_payload(payload, SIGNATURE)
    assert "Anna" not in str(raised.value)


def test_parse_payload_reports_every_problem_at_once_without_lax_casts() -> None:
    rows = [
        {"n": 1.5, "x": None, "b": "Anna!", "t": "2024-02-30"},
        {"n": 2, "x": 0.5, "b": "eA==", "t": "0000-01-01"},
        {"n": 2.0, "x": BIG, "b": None, "t": None},
    ]
    with pytest.raises(ViolationError) as raised:
        parse_payload({"dataframe_records": rows}, SIGNATURE)
    assert {(p.path, str(p.code)) for p in raised.value.problems} == {
        *{
            ("n", "NOT_EXACT"),
            ("x", "NULL"),
            ("x", "NOT_EXACT"),
            ("b", "UNPARSABLE"),
            ("t", "UNPARSABLE"),
            ("t", "OUT_OF_RANGE"),
        },
    }
    assert "Anna" not in str(raised.value) and str(BIG) not in str(raised.value)
    with pytest.raises(SchemaError, match="n: declared long, the table has string"):
        parse_payload({"inputs": {"n": ["1"], "x": [1]}}, SIGNATURE)
    with pytest.raises(ParamError, match="limit"):
        parse_payload({"inputs": {"n": [1], "x": [1]}, "params": {"limit": "x"}}, SIGNATURE)


def test_parse_payload_reads_nested_bytes_and_datetimes() -> None:
    item = Object([Property("raw", "binary"), Property("at", Array("datetime"), required=False)])
    nested = ModelSignature(Schema([ColSpec(Array(item), "items")]))
    data = parse_payload({"dataframe_records": [{"items": [{"raw": "eA==", "at": ["2024-01-31"]}]}]}, nested).data
    assert data["items"][0][0]["raw"] == b"x" and data["items"][0][0]["at"][0].year == 2024
    with pytest.raises(ViolationError, match=r"items\[\]\.at\[\]: a text that is no ISO"):
        parse_payload({"dataframe_records": [{"items": [{"raw": "eA==", "at": ["x"]}]}]}, nested)


def test_parse_payload_reads_tensors() -> None:
    one = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 2))]))
    payload: Any
    for payload in ({"inputs": [[1, 2.5]]}, {"instances": [[1, 2.5]]}):
        found = parse_payload(payload, one).data
        assert found.dtype == np.float32 and found.tolist() == [[1.0, 2.5]]
    two = ModelSignature(
        Schema([TensorSpec(np.dtype("int64"), (-1,), "a"), TensorSpec(np.dtype("uint8"), (-1, 2), "b")])
    )
    for payload in ({"inputs": {"a": [BIG], "b": [[1, 255]]}}, {"instances": [{"a": BIG, "b": [1, 255]}]}):
        found = parse_payload(payload, two).data
        assert found["a"].tolist() == [BIG] and found["b"].dtype == np.uint8
    for payload, told in [
        ({"inputs": [[1, 2], [3]]}, "BAD_PAYLOAD"),
        ({"inputs": [[1, [2]]]}, "BAD_PAYLOAD"),
        ({"inputs": [[1, None]]}, "NULL"),
        ({"inputs": [[1, 0.1]]}, "NOT_EXACT"),
        ({"inputs": [[1, 2, 3]]}, "WRONG_SHAPE"),
    ]:
        with pytest.raises(SparksigError, match=told):
            parse_payload(payload, one)


@pytest.mark.parametrize(
    "payload",
    [
        {"dataframe_split": {"columns": ["n", "x"], "data": [[1, 0.5], [2, 1.5]]}},
        {"dataframe_records": [{"n": 1, "x": 0.5}]},
        {"instances": [{"n": 1, "x": 0.5}, {"n": 2, "x": 1.5}]},
        {"inputs": {"n": [1, 2], "x": [0.5, 1.5]}},
        {"inputs": [{"n": 1, "x": 0.5}]},
    ],
)
def test_parse_payload_reads_well_formed_payloads_as_mlflow_does(payload: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own type hints, when it is imported
        from mlflow.pyfunc.scoring_server import infer_and_parse_data
    form = [{"type": "long", "name": "n", "required": True}, {"type": "double", "name": "x", "required": True}]
    theirs = infer_and_parse_data(payload, MlflowSchema.from_json(json.dumps(form)))
    signature = ModelSignature(Schema.from_json(json.dumps(form)))
    ours = parse_payload(payload, signature).data
    rows = isinstance(theirs, list)
    expected = {name: [row[name] for row in theirs] if rows else list(theirs[name]) for name in ("n", "x")}
    assert {name: ours[name].tolist() for name in ("n", "x")} == expected


NOON = "2024-01-31T12:00:00"
MOMENT = {"type": "datetime"}


@pytest.mark.parametrize(
    ("form", "payload"),
    [
        ([MOMENT], {"inputs": NOON}),
        ([MOMENT], {"inputs": "2024-01-31T14:00:00+02:00"}),
        ([MOMENT], {"inputs": [NOON, "2024-02-01"]}),
        ([MOMENT], {"instances": [[NOON], ["2024-02-01"]]}),
        ([MOMENT, MOMENT], {"inputs": [[NOON, "2024-02-01"]]}),
        ([{"type": "long"}], {"inputs": 3}),
        ([{"type": "string"}], {"inputs": "a"}),
        ([{**MOMENT, "name": "t"}], {"inputs": {"t": NOON}}),
        ([{**MOMENT, "name": "t"}], {"inputs": [NOON, NOON]}),
        ([{"type": "long", "name": "t"}], {"instances": [3, 4]}),
        ([{"type": "long", "name": "t", "required": False}], {"inputs": [3]}),
        ([{"type": "string", "name": "t"}], {"inputs": ["a", "b"]}),
        ([{"type": "array", "items": {"type": "long"}, "name": "t"}], {"inputs": [1, 2]}),
    ],
    ids=str,
)
def test_parse_payload_reads_single_values_and_unnamed_columns_as_mlflow_does(
    form: list[dict[str, Any]], payload: dict[str, Any]
) -> None:
    declared = json.dumps(form)
    ours = parse_payload(payload, ModelSignature(Schema.from_json(declared))).data
    theirs = _served(payload, MlflowSchema.from_json(declared))
    assert list(ours.columns) == list(theirs.columns)
    assert [list(map(_plain, row)) for row in ours.values] == [list(map(_plain, row)) for row in theirs.values]


def _served(payload: dict[str, Any], schema: MlflowSchema) -> pd.DataFrame:
    """What MLflow's server gives a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.models.utils import _enforce_schema
        from mlflow.pyfunc.scoring_server import infer_and_parse_data

        return pd.DataFrame(_enforce_schema(infer_and_parse_data(payload, schema), schema))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"inputs": "Anna"}, "UNPARSABLE"),  # MLflow refuses it too
        ({"inputs": None}, "INCOMPATIBLE_TYPE"),  # and this
        ({"inputs": 3}, "INCOMPATIBLE_TYPE"),  # 3 nanoseconds of 1970 to MLflow
        ({"inputs": True}, "INCOMPATIBLE_TYPE"),  # 1 nanosecond
        ({"inputs": f"{NOON}.123456789"}, "NOT_EXACT"),
        ({"inputs": "9999-01-01"}, "OUT_OF_RANGE"),  # in the year 1815 to MLflow
        ({"inputs": [["Anna"]]}, "UNPARSABLE"),
        ({"instances": NOON}, "BAD_PAYLOAD"),  # rows are a list
    ],
    ids=str,
)
def test_parse_payload_accepts_a_single_datetime_only_as_an_iso_string(payload: dict[str, Any], code: str) -> None:
    with pytest.raises(SparksigError) as raised:
        parse_payload(payload, ModelSignature(Schema([ColSpec("datetime")])))
    assert [str(problem.code) for problem in raised.value.problems] == [code]
    assert "Anna" not in str(raised.value)


def test_validate_serving_input_predicts_with_the_model(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, 1.5, 2.5]})
    signature = infer_signature(frame, np.array([1.0]))
    save_model(tmp_path / "model", LinearRegression().fit(frame, [2.0, 4.0, 6.0]), signature)
    InputExample(frame).save(tmp_path / "model")
    payload = load_serving_example(tmp_path / "model")
    found = validate_serving_input(tmp_path / "model", payload, trust=True)
    assert np.allclose(found, [2.0, 4.0, 6.0])
    with pytest.raises(ViolationError, match=r"n: 1 row\(s\) \[NOT_EXACT\]"):
        validate_serving_input(tmp_path / "model", {"inputs": {"n": [1.5], "x": [1]}}, trust=True)
    with pytest.raises(TrustError):
        validate_serving_input(tmp_path / "model", payload)


@pytest.mark.parametrize(
    "split",
    [
        {"columns": ["n", "n"], "data": [[1, 2]]},
        {"columns": [["n"]], "data": [[1]]},
        {"columns": [{"Anna": 1}], "data": [[1]]},
        {"columns": ["n"], "data": [[1]], "index": [1, 2]},
    ],
    ids=str,
)
def test_parse_payload_rejects_inconsistent_dataframe_split_tables(split: Any) -> None:
    with pytest.raises(ViolationError, match="BAD_PAYLOAD") as raised:
        parse_payload({"dataframe_split": split}, ModelSignature(Schema([ColSpec("long", "n")])))
    assert "Anna" not in str(raised.value)


def test_parse_payload_reads_numbers_exactly_or_rejects_them() -> None:
    double, long = (ModelSignature(Schema([ColSpec(kind, "n")])) for kind in ("double", "long"))
    for number in ("1e400", "-1e400", "1e-400"):
        with pytest.raises(ViolationError, match="BAD_PAYLOAD"):
            parse_payload('{"inputs": {"n": [' + number + "]}}", double)
    assert parse_payload('{"inputs": {"n": [0e-400, -0.0]}}', double).data["n"].tolist() == [0.0, 0.0]
    tensor = ModelSignature(Schema([TensorSpec(np.dtype("int64"), (-1,), "n")]))
    rows = '{"dataframe_records": [{"n": 9007199254740993}, {"n": 1.0}]}'
    for signature in (long, tensor):
        data = parse_payload(rows, signature).data["n"]
        assert data.tolist() == [9007199254740993, 1]


def test_parse_payload_reads_bytes_and_datetimes_of_tensors() -> None:
    text = base64.encodebytes(b"\xff" * 80).decode()
    assert text.count("\n") == 2
    binary = ModelSignature(Schema([ColSpec("binary")]))
    assert parse_payload({"inputs": [text]}, binary).data[0].tolist() == [b"\xff" * 80]
    tensors = Schema([TensorSpec(np.dtype("S"), (-1, 2), "b"), TensorSpec(np.dtype("M8[ns]"), (-1,), "t")])
    given = {"b": [["eA==", "eQ=="]], "t": ["2020-01-01"]}
    row = {"b": ["eA==", "eQ=="], "t": "2020-01-01"}
    for payload in ({"inputs": given}, {"instances": [row]}, {"dataframe_records": [row]}):
        data = parse_payload(payload, ModelSignature(tensors)).data
        assert data["b"].tolist() == [[b"x", b"y"]] and data["t"] == np.datetime64("2020-01-01")
    with pytest.raises(ViolationError) as raised:
        parse_payload({"inputs": {"b": [["eA==", "Anna!"]], "t": ["Anna"]}}, ModelSignature(tensors))
    assert {(p.path, str(p.code)) for p in raised.value.problems} == {("b[]", "UNPARSABLE"), ("t[]", "UNPARSABLE")}
    one = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 2), "a")]))
    assert parse_payload({"instances": [[1, 2]]}, one).data["a"].tolist() == [[1.0, 2.0]]


def test_parse_payload_error_hides_names_that_only_the_payload_has() -> None:
    signature = ModelSignature(Schema([ColSpec("long", "nn")]), params=ParamSchema([ParamSpec("k", "long", 3)]))
    with pytest.raises(SchemaError) as raised:
        parse_payload({"inputs": {"nnn": [1], "Anna": [2]}, "params": {"k": "Anna"}}, signature, extra="forbid")
    assert [str(p.code) for p in raised.value.problems] == ["MISSING_COLUMN", "UNEXPECTED_COLUMN", "INVALID_PARAM"]
    assert "nnn" not in str(raised.value) and "Anna" not in str(raised.value) and "2 field(s)" in str(raised.value)
    with pytest.warns(UserWarning, match="1 param") as warned:
        parse_payload({"inputs": {"nn": [1]}, "params": {"Anna": 1}}, signature)
    assert not any("Anna" in str(warning.message) for warning in warned)


def test_parse_payload_reads_integers_with_a_decimal_point_exactly() -> None:
    signature = ModelSignature(Schema([ColSpec("long", "a")]))
    text = '{"dataframe_records": [{"a": 9007199254740993.0}, {"a": -9223372036854775808.00}, {"a": 3.0}]}'
    assert parse_payload(text, signature).data["a"].tolist() == [2**53 + 1, -(2**63), 3]
    with pytest.raises(ViolationError, match="NOT_EXACT"):
        parse_payload(
            '{"dataframe_records": [{"a": 9007199254740993.0}]}', ModelSignature(Schema([ColSpec("double", "a")]))
        )


@pytest.mark.parametrize("field", ["messages", "prompt", "input"])
def test_parse_payload_reads_a_language_model_object_with_its_params(field: str, tmp_path: Path) -> None:
    signature = ModelSignature(
        Schema([ColSpec("string", field), ColSpec("double", "temperature")]),
        Schema([ColSpec("string")]),
        ParamSchema([ParamSpec("limit", "long", 10)]),
    )
    example = {field: "Hi", "temperature": 0.5}
    payload = serving_payload((example, {"limit": 3}))
    assert json.loads(payload) == {**example, "limit": 3}
    found = parse_payload(payload, signature)
    assert found.data.to_dict("records") == [example] and found.params == {"limit": 3}
    assert parse_payload(json.dumps(example), signature).params == {"limit": 10}
    with pytest.raises(ParamError, match="limit"):
        parse_payload(json.dumps({**example, "limit": "x"}), signature)
    with pytest.raises(SchemaError, match="MISSING_COLUMN"):
        parse_payload(json.dumps({field: "Hi"}), signature)
    assert parse_payload(json.dumps({"inputs": [example]}), signature).params == {"limit": 10}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_parse_payload_reads_a_null_in_a_float_tensor_as_the_nan_that_was_sent(dtype: str) -> None:
    array = np.array([[1.0, float("nan")], [float("nan"), 0.5]], dtype)
    unnamed = ModelSignature(Schema([TensorSpec(np.dtype(dtype), (-1, 2))]))
    named = ModelSignature(Schema([TensorSpec(np.dtype(dtype), (-1, 2), "a")]))
    np.testing.assert_array_equal(parse_payload(serving_payload(array), unnamed).data, array)
    cells = [[1.0, None], [None, 0.5]]
    for payload in (
        serving_payload({"a": array}),
        {"instances": [{"a": cell} for cell in cells]},
        {"dataframe_records": [{"a": cell} for cell in cells]},
        {"dataframe_split": {"columns": ["a"], "data": [[cell] for cell in cells]}},
    ):
        np.testing.assert_array_equal(parse_payload(payload, named).data["a"], array)
        with pytest.raises(ViolationError, match="NAN"):
            parse_payload(payload, named, allow_nan=False)
    with pytest.raises(ViolationError, match="NULL"):
        parse_payload({"inputs": [1, None]}, ModelSignature(Schema([TensorSpec(np.dtype("int64"), (-1,))])))


def test_parse_payload_reads_records_of_an_unnamed_column_as_a_table() -> None:
    a_map = ModelSignature(Schema([ColSpec(Map("long"))]))
    an_object = ModelSignature(Schema([ColSpec(Object([Property("x", "long"), Property("y", "long", False)]))]))

    def cells(rows: list[Any], signature: ModelSignature, form: str = "dataframe_records") -> list[Any]:
        return list(parse_payload({form: rows}, signature).data.iloc[:, 0])

    assert cells([{"m": {"a": 3}}, {"m": {}}], a_map) == [{"a": 3}, {}]
    assert cells([{"a": 3}], a_map, "inputs") == cells([{"a": 3}], a_map, "instances") == [{"a": 3}]
    with pytest.raises(SchemaError, match="declared Map"):
        cells([{"m": 5}], a_map)
    assert cells([{"o": {"x": 3}}], an_object) == cells([{"x": 3}], an_object) == [{"x": 3, "y": None}]
    with pytest.raises(SchemaError, match="the table has long"):
        cells([{"o": 5}], an_object)
