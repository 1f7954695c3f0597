"""Input examples in MLflow's files: what a model was shown, and the payload that shows it to a server.

The files are MLflow's `input_example.json` and `serving_input_example.json`, and an entry of MLmodel says what they
hold. They are valid JSON: NaN and missing values are null, which a column of floats reads back as NaN.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from sparksig.errors import Code, Problem, SignatureError, SinkError
from sparksig.models.payloads import CHAT
from sparksig.models.texts import Reading, decode
from sparksig.signature.dtypes import Kind
from sparksig.signature.members import class_name
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import ColumnType, DataType
from sparksig.sources.mlmodel import load_signature, set_example_info

EXAMPLE, SERVING = "input_example.json", "serving_input_example.json"


@dataclass(frozen=True, slots=True)
class InputExample:
    """Data that a model was shown, and the params beside it.

    Attributes:
        data: a DataFrame, an ndarray, a dict of ndarrays, a scipy csr or csc matrix, a dict, a list, a scalar, a
            datetime or a pydantic object.
        params: params by name, or None.

    >>> InputExample.of(({"n": [1, 2]}, {"limit": 3})).params
    {'limit': 3}
    """

    data: Any
    params: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, example: Any) -> InputExample:
        """An example as people give it: the data, or a tuple of the data and the params."""
        if isinstance(example, InputExample):
            return example
        pair = isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], Mapping | None)
        return cls(*example) if pair else cls(example)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the example's files into a folder, and its entry into the MLmodel that is there.

        Raises:
            SignatureError: no example is of that class.
            SinkError: a file cannot be written.
        """
        info, files = self.stored()
        path = Path(folder)
        try:
            for name, text in files.items():
                (path / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{path}: the example cannot be written: {error.strerror}") from error
        if (path / "MLmodel").exists():
            set_example_info(path, info)

    def stored(self) -> tuple[dict[str, str], dict[str, str]]:
        """MLmodel's entry of the example, and the texts of its files by name.

        Raises:
            SignatureError: no example is of that class.
        """
        kind, content, _ = _stored(self.data)
        info = {"artifact_path": EXAMPLE, "serving_input_path": SERVING, "type": kind}
        if kind == "dataframe":
            info["pandas_orient"] = "split" if "columns" in content else "values"
        if self.params is not None:
            content = {"inputs": content, "params": _json(dict(self.params))}
            info["params"] = "true"
        return info, {EXAMPLE: _dumped(content), SERVING: serving_payload(self)}

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> InputExample:
        """The example of a model's folder, in the container that it was saved from.

        Raises:
            SignatureError: the folder's MLmodel tells of no example, or its files are not what it tells.
        """
        path = Path(folder)
        info = _info(path)
        content = _read(path / str(info.get("artifact_path", EXAMPLE)))
        params = None
        if info.get("params") or (info.get("type") == "dataframe" and "data" not in content):
            content, params = content["inputs"], content["params"]
        read = _READERS.get(str(info.get("type")))
        if read is None:
            raise SignatureError(f"{path}: no example of type {info.get('type')} is known")
        return cls(read(content, _schema(path)), params)


def serving_payload(example: Any) -> str:
    """The JSON text that sends an example to MLflow's scoring server.

    Args:
        example: the data, a tuple of the data and params, or an InputExample.

    Returns:
        The text, with one of the fields `dataframe_split`, `instances` and `inputs`, and `params` where there are some.

    Raises:
        SignatureError: no example is of that class.

    >>> serving_payload(({"n": [1, 2]}, {"limit": 3}))
    '{"inputs": {"n": [1, 2]}, "params": {"limit": 3}}'
    """
    given = InputExample.of(example)
    _, _, payload = _stored(given.data)
    if given.params is not None:
        chat = isinstance(given.data, Mapping) and any(name in given.data for name in CHAT)
        params = _json(dict(given.params))
        payload = {**payload, **params} if chat else {**payload, "params": params}
    return _dumped(payload)


def load_serving_example(folder: str | os.PathLike[str]) -> str:
    """The payload that was stored beside a model's input example.

    Args:
        folder: the model's directory.

    Returns:
        JSON text, as `serving_payload` made it when the model was stored.

    Raises:
        SignatureError: there is none.

    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.dummy import DummyRegressor
    >>> from sparksig import save_model
    >>> with TemporaryDirectory() as folder:
    ...     _ = save_model(f"{folder}/model", DummyRegressor(), input_example=({"n": [1, 2]}, {"limit": 3}))
    ...     load_serving_example(f"{folder}/model")
    '{"inputs": {"n": [1, 2]}, "params": {"limit": 3}}'
    """
    path = Path(folder)
    name = _info(path).get("serving_input_path")
    if name is None or not (path / str(name)).is_file():
        raise SignatureError(f"{path}: the model was stored without a serving example")
    return (path / str(name)).read_text(encoding="utf-8")


# ---- from data to JSON


def _stored(data: Any) -> tuple[str, Any, Any]:
    """The type's name in MLmodel, what the example's file holds, and the payload."""
    if hasattr(data, "model_dump"):
        data = data.model_dump()
    if isinstance(data, pd.DataFrame):
        split = _split(data)
        return "dataframe", split, {"dataframe_split": split}
    if isinstance(data, np.ndarray):
        return "ndarray", _json(data), {"inputs": _json(data)}
    if type(data).__module__.startswith("scipy.sparse"):
        return _sparse(data)
    if isinstance(data, Mapping):
        return _mapping(data)
    if isinstance(data, list) and not any(isinstance(item, np.ndarray) for item in data):
        return "json_object", _json(data), {"inputs": _json(data)}
    if isinstance(data, datetime | date) or np.isscalar(data):
        return "json_object", _json(data), {"inputs": _json(data)}
    hint = "give a DataFrame, an ndarray or a dict of them, a csr or csc matrix, a dict, a list or a scalar"
    fact = "arrays in a list" if isinstance(data, list) else class_name(data)
    raise SignatureError("no input example", [Problem("", f"{fact} cannot be stored as an example", hint=hint)])


def _mapping(data: Mapping[Any, Any]) -> tuple[str, Any, Any]:
    arrays = [isinstance(value, np.ndarray) for value in data.values()]
    if any(arrays) and not all(arrays):
        raise SignatureError("no input example", [Problem("", "a dict of arrays and other values")])
    content = _json(dict(data))
    chat = any(name in data for name in CHAT) and not any(arrays)
    return ("ndarray" if any(arrays) else "json_object"), content, content if chat else {"inputs": content}


def _sparse(data: Any) -> tuple[str, Any, Any]:
    if data.format not in ("csr", "csc"):
        raise SignatureError("no input example", [Problem("", f"a sparse matrix in the format {data.format}")])
    parts = {name: _json(getattr(data, name)) for name in ("data", "indices", "indptr")}
    return f"sparse_matrix_{data.format}", {**parts, "shape": list(data.shape)}, {"inputs": _json(data.toarray())}


def _split(frame: pd.DataFrame) -> dict[str, Any]:
    columns = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    rows = [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in range(len(frame))]
    plain = isinstance(frame.columns, pd.RangeIndex)
    return {**({} if plain else {"columns": frame.columns.tolist()}), "data": _json(rows)}


def _json(value: Any) -> Any:
    """A value as JSON has it: missing values null, bytes Base64, datetimes ISO 8601."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, np.ndarray | np.generic):
        # numpy's own nanoseconds become numbers, of which nobody could tell what they count
        moments = value.dtype == np.dtype("datetime64[ns]")
        value = np.vectorize(pd.Timestamp, otypes=[object])(value).tolist() if moments else value.tolist()
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, float):
        return None if value != value else value  # an infinity has no form in JSON, and is told when it is written
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _dumped(content: Any) -> str:
    try:
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError):
        raise SignatureError("no input example", [Problem("", "it holds values that JSON has no form for")]) from None


# ---- and back


def _info(path: Path) -> Mapping[str, Any]:
    file = path / "MLmodel"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise SignatureError(f"{path} holds no MLmodel that can be read") from None
    info = content.get("saved_input_example_info") if isinstance(content, Mapping) else None
    if not isinstance(info, Mapping):
        raise SignatureError(f"{path}: the model was stored without an input example")
    return info


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SignatureError(f"{file}: no example's JSON can be read there") from None


def _schema(path: Path) -> Schema | None:
    try:
        return load_signature(path).inputs
    except SignatureError:  # a model without a signature may have an example all the same
        return None


def _frame(content: Any, schema: Schema | None) -> pd.DataFrame:
    """A table of the values as they were written, in the dtypes that the signature declares and that hold them."""
    rows, names = content["data"], content.get("columns")
    width = len(rows[0]) if rows else len(names or ())
    specs = {spec.name if spec.name is not None else at: spec for at, spec in enumerate(schema or ())}
    columns = []
    for at in range(width):
        label = names[at] if names is not None and isinstance(names[at], str) else at
        spec = specs.get(label, specs.get(at))
        columns.append(_column([row[at] for row in rows], spec.type if isinstance(spec, ColSpec) else None))
    if not columns:
        return pd.DataFrame(rows, columns=names)
    frame = pd.concat(columns, axis=1)
    frame.columns = pd.RangeIndex(width) if names is None else pd.DataFrame(columns=names).columns
    return frame


def _column(cells: list[Any], declared: ColumnType | None) -> pd.Series[Any]:
    values = [_cell(cell, declared) for cell in cells]
    held: pd.Series[Any] = pd.Series(np.fromiter(values, object, len(values)), dtype=object)
    if declared is None or not isinstance(declared, DataType):
        plain = pd.Series(values) if values else held
        return held if _lost(plain, values) else plain
    element = declared.element
    if element.kind in (Kind.STRING, Kind.BINARY):
        return held
    gaps = any(value is None for value in values)
    dtype: Any = "float64" if gaps and element.kind is Kind.INTEGER else element.numpy
    classes = (bool,) if element.kind is Kind.BOOLEAN else (int, float, type(None)) if element.is_number else (object,)
    if not all(isinstance(value, classes) and (dtype == "bool") >= isinstance(value, bool) for value in values):
        return held
    try:
        made = held.astype(dtype)
    except (TypeError, ValueError, OverflowError):  # what the example shows is not what is declared
        return held
    return held if _lost(made, values) else made


def _lost(made: pd.Series[Any], values: list[Any]) -> bool:
    """Whether a number has become another by the column's dtype."""
    return any(
        isinstance(value, int | float) and value == value and new != value
        for new, value in zip(made.tolist(), values, strict=True)
    )


def _cell(cell: Any, declared: ColumnType | None) -> Any:
    """A cell with the bytes and datetimes that are declared; a text that stands for none stays as it is."""
    if declared is None:
        return cell
    reading = Reading()
    made = decode(cell, declared, "", reading)
    if not reading.problems:
        return made
    if declared is DataType.datetime and reading.problems[0].code is Code.NOT_EXACT:
        return pd.Timestamp(cell)  # nanoseconds, which pandas has
    return cell


def _arrays(content: Any, schema: Schema | None) -> Any:
    types = {spec.name: spec.type for spec in schema or () if not isinstance(spec, ColSpec)}
    if isinstance(content, Mapping):
        return {name: _array(part, types.get(name)) for name, part in content.items()}
    return _array(content, next(iter(types.values()), None))


def _array(content: Any, dtype: Any) -> np.ndarray[Any, Any]:
    array = np.array(content, dtype=object)
    flat = array.reshape(-1)
    kinds = {type(value) for value in flat}
    if dtype is not None and dtype.kind == "S":
        return np.array([_cell(value, DataType.binary) for value in flat], dtype="S").reshape(array.shape)
    if dtype is not None and dtype.kind != "U":
        return np.asarray(array.astype(dtype))
    if kinds <= {int, float, type(None)} and type(None) in kinds:  # a null stands for NaN
        return np.asarray(array.astype(float))
    plain = np.array(content) if len(kinds) == 1 or kinds <= {int, float} else array
    return array if plain.dtype.kind == "f" and plain.astype(object).tolist() != content else plain


def _matrix(kind: str) -> Any:
    def read(content: Any, schema: Schema | None) -> Any:
        make = getattr(import_module("scipy.sparse"), f"{kind}_matrix")
        parts = (_array(content["data"], None), np.array(content["indices"], int), np.array(content["indptr"], int))
        return make(parts, shape=tuple(content["shape"]))

    return read


_READERS: dict[str, Any] = {
    "dataframe": _frame,
    "ndarray": _arrays,
    "json_object": lambda content, schema: content,
    "sparse_matrix_csr": _matrix("csr"),
    "sparse_matrix_csc": _matrix("csc"),
}
"""How the content of an example's file is read, by the type that MLmodel tells."""
