"""Input examples in MLflow's file formats, read and written by MLflow and by sparksig."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from mlflow.models import Model
from mlflow.models.signature import ModelSignature as MlflowSignature
from mlflow.models.utils import _read_example, _save_example
from mlflow.types import Schema as MlflowSchema
from mlflow.utils.proto_json_utils import parse_tf_serving_input
from pydantic import BaseModel

from sparksig import (
    ColSpec,
    InputExample,
    Schema,
    SchemaError,
    SignatureError,
    load_serving_example,
    parse_payload,
    serving_payload,
    set_signature,
)
from sparksig.sources.inference import infer_signature


class Message(BaseModel):
    role: str
    n: int = 1


FRAME = pd.DataFrame({"n": [1, 2], "x": [0.5, float("nan")], "s": ["a", None]})
EXAMPLES: dict[str, Any] = {
    "frame": FRAME,
    "frame without names": pd.DataFrame([[1, 2.5]]),
    "array": np.array([[1.5, 2.5]]),
    "array of integers": np.array([[1, 2]], dtype="uint8"),
    "named arrays": {"a": np.array([[1.5]]), "b": np.array([1, 2])},
    "dict": {"a": [1, 2], "b": {"c": "d"}},
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "list": ["a", "b"],
    "rows": [{"a": 1}, {"a": 2, "b": "x"}],
    "scalar": 1.5,
    "object": Message(role="user"),
    "csr": scipy.sparse.csr_matrix(np.array([[0.0, 1.5], [2.5, 0.0]])),
    "csc": scipy.sparse.csc_matrix(np.array([[0.0, 1.5], [2.5, 0.0]])),
    "with params": (FRAME, {"limit": 3}),
}


def plain(data: Any) -> Any:
    if hasattr(data, "toarray"):
        return type(data).__name__, data.toarray().tolist()
    if isinstance(data, pd.DataFrame):
        return data.astype(object).where(data.notna(), None).to_dict("split")
    if isinstance(data, np.ndarray):
        return str(data.dtype), data.tolist()
    if isinstance(data, BaseModel):
        return data.model_dump()
    return {name: plain(value) for name, value in data.items()} if isinstance(data, dict) else data


def folder(path: Path, data: Any) -> Path:
    """A model's folder with nothing but its MLmodel."""
    Model(artifact_path="model").save(str(path / "MLmodel"))
    if not isinstance(data, BaseModel | dict):
        set_signature(path, infer_signature(data))
    return path


@pytest.mark.parametrize("name", EXAMPLES)
def test_input_example_written_here_is_read_by_mlflow(tmp_path: Path, name: str) -> None:
    example = InputExample.of(EXAMPLES[name])
    path = folder(tmp_path, example.data)
    example.save(path)
    model = Model.load(str(path))
    assert plain(_read_example(model, str(path))) == plain(example.data)
    found = InputExample.load(path)
    assert plain(found.data) == plain(example.data) and found.params == example.params
    assert model.load_input_example_params(str(path)) == example.params
    json.loads((path / "input_example.json").read_text(), parse_constant=pytest.fail)  # no bare NaN
    assert load_serving_example(path) == serving_payload(EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_input_example_written_by_mlflow_is_read_here(tmp_path: Path, name: str) -> None:
    given = InputExample.of(EXAMPLES[name])
    path = folder(tmp_path, given.data)
    model = Model.load(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own type hints, when it imports them
        written = _save_example(model, EXAMPLES[name], str(path))
    model.save(str(path / "MLmodel"))
    found = InputExample.load(path)
    assert plain(found.data) == plain(given.data) and found.params == given.params
    theirs = json.loads(load_serving_example(path))
    assert written is not None and plain_json(theirs) == plain_json(json.loads(serving_payload(EXAMPLES[name])))


def plain_json(content: Any) -> Any:
    """Payloads with one word for what is missing: MLflow writes a bare NaN."""
    return json.loads(json.dumps(content).replace("NaN", "null"))


@pytest.mark.parametrize(
    ("data", "text"), [(dt.datetime(2024, 1, 31, 12), '"2024-01-31T12:00:00"'), (b"x", '"eA=="'), (np.int64(5), "5")]
)
def test_input_example_stores_scalars_without_a_json_type_as_strings(tmp_path: Path, data: Any, text: str) -> None:
    path = folder(tmp_path, {})
    InputExample(data).save(path)
    assert (path / "input_example.json").read_text() == text
    assert _read_example(Model.load(str(path)), str(path)) == InputExample.load(path).data


def test_input_example_changes_no_other_line_of_mlmodel(tmp_path: Path) -> None:
    text = "# mine\nflavors:\n  python_function:\n    python_version: 3.10\nmodel_uuid: a\n"
    (tmp_path / "MLmodel").write_text(text)
    InputExample(FRAME).save(tmp_path)
    found = (tmp_path / "MLmodel").read_text()
    assert found.startswith(text) and found.count("saved_input_example_info") == 1
    InputExample([1]).save(tmp_path)
    assert (tmp_path / "MLmodel").read_text().count("type: 'json_object'") == 1


@pytest.mark.parametrize(
    "data", [[np.array([1])], {"a": np.array([1]), "b": 1}, None, object(), float("inf"), pd.Series([1])]
)
def test_input_example_rejects_unsupported_data(tmp_path: Path, data: Any) -> None:
    with pytest.raises(SignatureError, match="no input example"):
        InputExample(data).save(tmp_path)


def test_input_example_load_rejects_a_folder_without_an_example(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="no MLmodel"):
        InputExample.load(tmp_path)
    folder(tmp_path, {})
    with pytest.raises(SignatureError, match="without an input example"):
        load_serving_example(tmp_path)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (np.array([1], "i4"), "integer"),
        (np.array([0.1], "f4"), "float"),
        ([2**53 + 1, None], "long"),
        ([b"x\xff" * 80], "binary"),
        ([pd.Timestamp("2020-01-01 00:00:00.123456789")], "datetime"),
        ([True, None], "boolean"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_input_example_reads_mlflows_column_files_without_loss(data: Any, kind: str, tmp_path: Path) -> None:
    schema = Schema([ColSpec(kind, "x", required=False)])
    column = pd.Series(data, dtype="Int64" if kind == "long" else None)
    model = Model(signature=MlflowSignature(MlflowSchema.from_json(schema.to_json())))
    _save_example(model, pd.DataFrame({"x": column}), str(tmp_path))
    model.save(str(tmp_path / "MLmodel"))
    found = InputExample.load(tmp_path).data["x"]
    assert [None if value is pd.NA else value for value in column] == found.tolist()
    if kind in ("integer", "float", "datetime"):
        assert str(found.dtype) == {"integer": "int32", "float": "float32", "datetime": "datetime64[ns]"}[kind]


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s", "m", "h", "D", "M"])
def test_parse_payload_round_trips_a_tensor_of_datetimes(unit: str) -> None:
    array = np.array(["2024-01-02", "1969-02-01"], f"datetime64[{unit}]")
    signature = infer_signature(array)
    payload = serving_payload(array)
    assert json.loads(payload)["inputs"][1].startswith("1969-02-01")
    read = parse_payload(payload, signature).data
    assert read.dtype == array.dtype and read.tolist() == array.tolist()
    assert signature.inputs is not None
    theirs = parse_tf_serving_input(json.loads(payload), MlflowSchema.from_json(signature.inputs.to_json()))
    assert theirs.dtype == array.dtype and theirs.tolist() == array.tolist()


def test_parse_payload_rejects_a_datetime_its_unit_cannot_hold() -> None:
    days = infer_signature(np.array(["2024-01-02"], "datetime64[D]"))
    with pytest.raises(SchemaError):
        parse_payload({"inputs": ["2024-01-02T03:00:00"]}, days)


def test_input_example_load_does_not_cast_its_values(tmp_path: Path) -> None:
    Model(signature=MlflowSignature(MlflowSchema.from_json(Schema([ColSpec("long", "x")]).to_json()))).save(
        str(tmp_path / "MLmodel")
    )
    for cells in (["5"], [1.5], [True], [2**70], ["x", None]):
        InputExample(pd.DataFrame({"x": pd.Series(cells, dtype=object)})).save(tmp_path)
        assert InputExample.load(tmp_path).data["x"].tolist() == cells
    Model().save(str(tmp_path / "MLmodel"))
    for array in (np.array(["a", 1], object), np.array(["a", None], object), np.array([2**53 + 1, 0.5], object)):
        InputExample(array).save(tmp_path)
        assert InputExample.load(tmp_path).data.tolist() == array.tolist()
    gap = scipy.sparse.csr_matrix(np.array([[np.nan, 0.0]]))
    InputExample(gap).save(tmp_path)
    assert InputExample.load(tmp_path).data.dtype == np.float64


def test_input_example_stores_pydantic_objects_in_a_list(tmp_path: Path) -> None:
    Model().save(str(tmp_path / "MLmodel"))
    InputExample([Message(role="user")]).save(tmp_path)
    assert InputExample.load(tmp_path).data == [{"role": "user", "n": 1}]
