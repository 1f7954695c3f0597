"""REST payloads as MLflow's scoring server takes them, read without a cast that damages a value.

JSON has no bytes, no datetimes and one kind of number. So a declared binary is Base64 text, a datetime is ISO 8601
text, and a whole number is exact: 1.5 for a long is a violation, never 1. The rest is what `enforce_values` says.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.values import enforced_values
from sparksig.errors import Code, ParamError, Problem, SchemaError, ViolationError
from sparksig.models.artifact import Artifact
from sparksig.models.loading import Trust, load_model
from sparksig.models.texts import Reading, decode, needs
from sparksig.signature.casts import Level
from sparksig.signature.members import class_name
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import resolve_params
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import Array, DataType, Map, Object
from sparksig.sources.mlmodel import load_signature

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
"""The fields of which a payload has exactly one."""

CHAT = ("messages", "prompt", "input")
"""The fields by which MLflow's server knows an object that is the data itself, with its params beside: one of these."""


class Payload(NamedTuple):
    """What a payload holds.

    Attributes:
        data: the inputs, as the model takes them.
        params: every param, resolved.
    """

    data: Any
    params: dict[str, Any]


def parse_payload(
    payload: str | bytes | Mapping[str, Any],
    signature: ModelSignature,
    policy: Policy | None = None,
    **options: Any,
) -> Payload:
    """Read a payload as the signature declares it.

    Args:
        payload: JSON text, or what it holds: an object with exactly one of `dataframe_split`, `dataframe_records`,
            `instances` and `inputs`, and perhaps `params`; or, for a model of chats, completions or embeddings, an
            object with `messages`, `prompt` or `input`, which is the data itself, params among its fields.
        signature: the model's contract.
        policy: the options of enforcement, level checked unless given; or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        The inputs as the model takes them, and every param, resolved.

    Raises:
        ViolationError: the payload is malformed (BAD_PAYLOAD), or values in it break the contract; all are listed.
        SchemaError: its columns or types cannot fit.
        ParamError: its params do not fit.

    >>> signature = ModelSignature(Schema([ColSpec("long", "n"), ColSpec("binary", "b")]))
    >>> parse_payload('{"dataframe_records": [{"n": 9007199254740993, "b": "eA=="}]}', signature).data.values.tolist()
    [[9007199254740993, b'x']]
    """
    if policy is None:
        options = {"level": Level.CHECKED, **options}
    policy = resolve_policy(policy, options)
    content = _content(payload, {spec.name for spec in signature.params or ()})
    schema = signature.inputs
    if schema is None:
        raise SchemaError("the signature declares no inputs", [Problem("", "no inputs", Code.NO_INPUTS)])
    problems: list[Problem] = []
    [form] = [name for name in FORMS if name in content]
    data = _TENSORS[form](content[form], schema) if schema.is_tensor_spec() else _COLUMNS[form](content[form], schema)
    data = _decoded(data, schema, Reading(policy.zone, problems=problems))
    wrong: tuple[Problem, ...] = ()
    try:
        params = _params(signature, content.get("params"))
    except ParamError as error:
        params, wrong = {}, error.problems
    try:
        data = _enforced(data, schema, policy, problems)
    except (SchemaError, ViolationError) as error:
        raise type(error)(error.message, [*error.problems, *wrong]) from None
    if wrong:
        raise ParamError("params that do not fit the signature", wrong)
    return Payload(data, params)


def validate_serving_input(model: Any, payload: str | bytes | Mapping[str, Any], *, trust: Trust = False) -> Any:
    """The model's prediction for a payload, parsed and enforced as `parse_payload` says.

    Args:
        model: a model directory, which brings its signature.
        payload: JSON text, or what it holds.
        trust: True, or the artifact's `sha256:..`, for artifacts that run code when loaded.

    Returns:
        What the model's `predict` returns; a chat model's answer to the one request of a payload.

    Raises:
        ViolationError: the payload breaks the contract.
        SchemaError: its columns or types cannot fit.
        ParamError: its params do not fit.
        SignatureError: the model has no signature.
        TrustError: the artifact runs code when loaded and is not trusted.
        ModelLoadError: there is no model, or it does not load.

    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.dummy import DummyRegressor
    >>> from sparksig import save_model
    >>> signature = ModelSignature(Schema([ColSpec("double", "n")]), Schema([ColSpec("double")]))
    >>> with TemporaryDirectory() as folder:
    ...     saved = save_model(f"{folder}/model", DummyRegressor().fit([[0.0]], [20.0]), signature)
    ...     validate_serving_input(saved.path, '{"dataframe_records": [{"n": 1}]}', trust=saved.digest).tolist()
    [20.0]
    """
    signature, policy = load_signature(model), None
    if Artifact.read(model).signature_from_hint and (hinted := load_model(model, trust=trust).hinted) is not None:
        # The hint knows aliases and defaults, which MLflow does not store. An absent field stays absent.
        signature = ModelSignature(hinted, signature.outputs, signature.params)
        policy = Policy(level=Level.CHECKED, absent_optional="omit", on_absent="ignore")
    parsed = parse_payload(payload, signature, policy)
    loaded = load_model(model, trust=trust)
    prediction = loaded.predict(parsed.data, parsed.params)
    return prediction[0] if loaded.answers_requests and len(prediction) == 1 else prediction


def bad(fact: str, hint: str | None = None) -> ViolationError:
    """The error for a payload that is malformed as a whole."""
    return ViolationError("the payload cannot be read", [Problem("", fact, Code.BAD_PAYLOAD, hint)])


def _content(payload: str | bytes | Mapping[str, Any], params: Collection[str]) -> Mapping[str, Any]:
    if isinstance(payload, str | bytes):
        payload = read_json(payload)
    if not isinstance(payload, Mapping):
        raise bad(f"an object is expected, not {class_name(payload)}")
    found = [name for name in FORMS if name in payload]
    if not found and any(name in payload for name in CHAT):
        data = {name: value for name, value in payload.items() if name not in params}
        return {"inputs": data, "params": {name: payload[name] for name in payload if name in params} or None}
    if len(found) != 1:
        raise bad(f"exactly one of {', '.join(FORMS)} is expected, not {len(found)} of them")
    if others := len(payload.keys() - {*FORMS, "params"}):
        raise bad(f"{others} field(s) beside {found[0]} and params that no payload has")
    if not isinstance(payload.get("params"), Mapping | None):
        raise ParamError("the params of a payload are an object")
    return payload


def read_json(text: str | bytes) -> Any:
    """What JSON text holds; numbers as they are written, NaN and Infinity as MLflow writes them.

    Raises:
        ViolationError: it is no JSON (BAD_PAYLOAD), or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_float=_float)
    except ViolationError:
        raise
    except (ValueError, RecursionError):
        raise bad("the text is no JSON") from None


def _float(text: str) -> float:
    value = float(text)
    if (whole := _WHOLE.fullmatch(text)) and int(whole[1]) != value:
        return int(whole[1])  # 9007199254740993.0 is a long; as a double it would be another number
    if value in (inf, -inf) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
        raise bad("a number that no double holds")
    return value


_WHOLE = re.compile(r"(-?[0-9]+)\.0+")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise bad("an object has a key twice")
    return found


# ---- the four forms, as columns


def _split(value: Any, schema: Schema) -> Any:
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), list) or not value.keys() <= _SPLIT:
        raise bad("dataframe_split is an object with data, a list of rows, and perhaps columns and index")
    rows, columns = value["data"], value.get("columns")
    if not all(isinstance(row, list) for row in rows) or len({len(row) for row in rows}) > 1:
        raise bad("the rows of dataframe_split are lists of one length")
    width = len(rows[0]) if rows else len(columns or [])
    if columns is not None and (not isinstance(columns, list) or len(columns) != width):
        raise bad("dataframe_split has as many columns as its rows have values")
    if columns is not None and not all(isinstance(name, str | int) for name in columns):
        raise bad("the columns of dataframe_split are names")
    if columns is not None and len(set(map(str, columns))) < width:
        raise bad("dataframe_split has a column twice")
    index = value.get("index")
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise bad("dataframe_split has as many labels in its index as rows")
    names = range(width) if columns is None else columns
    return _frame({name: [row[i] for row in rows] for i, name in enumerate(names)})


_SPLIT = {"data", "columns", "index"}


def _records(value: Any, schema: Schema) -> Any:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise bad("dataframe_records is a list of objects")
    return value if not value or _are_objects(value, schema) else _table(value)


def _are_objects(rows: Sequence[Mapping[str, Any]], schema: Schema) -> bool:
    """Whether the rows themselves are the values of a column, or their keys are the names of the columns.

    In a table, the values of an unnamed map are in the cells of its first column. Rows whose keys are properties of an
    unnamed object are this object.
    """
    if schema.has_input_names() or len(schema.inputs) > 1:
        return True
    kind = schema.inputs[0].type
    if isinstance(kind, Object):
        names = {prop.name for prop in kind.properties}
        return any(row.keys() & names for row in rows) or len(dict.fromkeys(name for row in rows for name in row)) != 1
    return not isinstance(kind, Map)


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    return _frame({name: [row.get(name) for row in rows] for name in names})


def _instances(value: Any, schema: Schema) -> Any:
    if not isinstance(value, list):
        raise bad("instances is a list, of rows")
    return _inputs(value, schema)


def _inputs(value: Any, schema: Schema) -> Any:
    """What it holds; a list without objects is the one column that has a name, where there is one."""
    one = len(schema.inputs) == 1 and schema.has_input_names() and isinstance(value, list)
    if one and not any(isinstance(row, Mapping) for row in value):
        return {schema.inputs[0].name: value}
    return value


def _frame(columns: Mapping[Any, list[Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: _cells(cells) for name, cells in columns.items()})


def _cells(cells: list[Any]) -> Any:
    return np.fromiter(cells, dtype=object, count=len(cells))


_COLUMNS = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}


# ---- and as tensors


def _tensor_rows(value: Any, schema: Schema) -> Any:
    """`instances`: a list of rows, objects where tensors have names."""
    if not isinstance(value, list) or not value:
        raise bad("instances is a list, of rows")
    if not schema.has_input_names():
        return _array(value)
    if len(schema.inputs) == 1 and not any(isinstance(row, Mapping) for row in value):
        return {schema.inputs[0].name: _array(value)}
    if not all(isinstance(row, Mapping) and row.keys() == value[0].keys() for row in value):
        raise bad("instances of named tensors are objects with the same names")
    return {name: _array([row[name] for row in value]) for name in value[0]}


def _tensor_inputs(value: Any, schema: Schema) -> Any:
    """`inputs`: the whole array, or an object of them where tensors have names."""
    if not schema.has_input_names():
        return _array(value)
    if not isinstance(value, Mapping):
        if len(schema.inputs) == 1:
            return {schema.inputs[0].name: _array(value)}
        raise bad("inputs of named tensors are an object")
    return {name: _array(part) for name, part in value.items()}


def _array(value: Any) -> np.ndarray[Any, Any]:
    """Nested lists as an array of Python's values, which no number is rounded in."""
    if not isinstance(value, list):
        raise bad(f"a tensor is nested lists, not {class_name(value)}")
    shape, level = [len(value)], value
    while level and all(isinstance(item, list) for item in level):
        lengths = {len(item) for item in level}
        if len(lengths) > 1:
            raise bad("the lists of a tensor have different lengths")
        shape.append(lengths.pop())
        level = [entry for item in level for entry in item]
    if any(isinstance(item, list | Mapping) for item in level):
        raise bad("the entries of a tensor are scalars, all nested alike")
    return np.asarray(_cells(level).reshape(shape))


def _table_rows(value: Any, schema: Schema) -> Any:
    """`dataframe_records` as a table of Python's values, which no number is rounded in."""
    return _table(_records(value, schema))


_TENSORS = {
    "dataframe_split": _split,
    "dataframe_records": _table_rows,
    "instances": _tensor_rows,
    "inputs": _tensor_inputs,
}


# ---- JSON's forms of bytes and datetimes


def _decoded(data: Any, schema: Schema, reading: Reading) -> Any:
    named = schema.has_input_names()
    if isinstance(data, pd.DataFrame):
        names = [spec.name for spec in schema] if named else list(data.columns)[: len(schema.inputs)]
        return _decoded_frame(data, dict(zip(names, schema, strict=False)), reading)
    specs = {spec.name: spec for spec in schema}
    if isinstance(data, Mapping) and named:
        return {name: _value(v, specs.get(name), str(name), reading) for name, v in data.items()}
    if isinstance(data, list) and named and all(isinstance(row, Mapping) for row in data):
        return [{n: _value(v, specs.get(n), str(n), reading) for n, v in row.items()} for row in data]
    if schema.is_tensor_spec():
        return _value(data, schema.inputs[0] if len(schema.inputs) == 1 else None, "", reading)
    return _decoded_unnamed(data, [spec for spec in schema if isinstance(spec, ColSpec)], reading)


def _decoded_unnamed(data: Any, columns: Sequence[ColSpec], reading: Reading) -> Any:
    """Columns without names: rows of as many values, or of one column its values, or a single one."""
    scalars = all(isinstance(column.type, DataType) for column in columns)
    if scalars and isinstance(data, list) and all(isinstance(row, list) for row in data):
        known = dict(enumerate(columns))
        return [[_value(cell, known.get(i), str(i), reading) for i, cell in enumerate(row)] for row in data]
    made = _value(data, columns[0] if len(columns) == 1 else None, "0", reading)
    return [made] if isinstance(data, str) and scalars else made


def _decoded_frame(data: pd.DataFrame, known: Mapping[Any, Any], reading: Reading) -> pd.DataFrame:
    made = {name: [_value(cell, known.get(name), str(name), reading) for cell in data[name]] for name in data.columns}
    return _frame(made)


def _value(value: Any, spec: ColSpec | TensorSpec | None, path: str, reading: Reading) -> Any:
    """A value with bytes and datetimes for their texts, wherever they are declared."""
    if isinstance(spec, TensorSpec):
        return _entries(value, spec, path, reading)
    if spec is None or not needs(spec.type):
        return value
    if isinstance(value, list) and not isinstance(spec.type, Array):
        return [decode(item, spec.type, path, reading) for item in value]  # a column
    return decode(value, spec.type, path, reading)


def _entries(value: Any, spec: TensorSpec, path: str, reading: Reading) -> Any:
    """The entries of a tensor of bytes, datetimes or floats; a cell of a table is a list of them.

    A null among floats is NaN, which JSON lacks and a tensor has: payloads of ours and MLflow's write it so.
    """
    if spec.type.kind == "f" and isinstance(value, np.ndarray) and value.dtype == object:
        return _cells([np.nan if item is None else item for item in value.reshape(-1)]).reshape(value.shape)
    if spec.type.kind == "f" and isinstance(value, list):
        return [_entries(item, spec, path, reading) for item in value]
    if spec.type.kind == "f":
        return np.nan if value is None else value
    kind = {"S": DataType.binary, "M": DataType.datetime}.get(spec.type.kind)
    if kind is None:
        return value
    if isinstance(value, list):
        return [_entries(item, spec, path, reading) for item in value]
    if isinstance(value, np.ndarray):
        made = _cells([decode(item, kind, f"{path}[]", reading) for item in value.reshape(-1)])
        return _in_unit(made, spec.type).reshape(value.shape)
    return decode(value, kind, f"{path}[]", reading)


def _in_unit(entries: Any, dtype: np.dtype[Any]) -> Any:
    """Datetimes in the unit that is declared, if it holds them."""
    if dtype.kind != "M" or any(entry is None for entry in entries):
        return entries
    made, exact = entries.astype(dtype), entries.astype("datetime64[us]")
    return made if np.array_equal(made.astype(exact.dtype), exact) else entries


def _enforced(data: Any, schema: Schema, policy: Policy, problems: list[Problem]) -> Any:
    """The data enforced; what was wrong with its texts, which are null now, is told beside everything else."""
    try:
        made = enforced_values(data, schema, policy)
    except (SchemaError, ViolationError) as error:
        broken = {problem.path for problem in problems}
        others = [p for p in error.problems if p.code is not Code.NULL or p.path not in broken]
        told = [*problems, *_without_keys(others)]
        if problems:
            raise ViolationError("values in the payload break the signature", told) from None
        raise type(error)(error.message, told) from None
    if problems:
        raise ViolationError("values in the payload break the signature", problems)
    return made


def _without_keys(problems: list[Problem]) -> list[Problem]:
    """The problems without names that only the payload has: they are data."""
    strangers = sum(problem.code is Code.UNEXPECTED_COLUMN for problem in problems)
    kept = [replace(p, hint=None) if p.code is Code.MISSING_COLUMN else p for p in problems]
    kept = [problem for problem in kept if problem.code is not Code.UNEXPECTED_COLUMN]
    return [*kept, *([undeclared(strangers)] if strangers else [])]


def undeclared(count: int) -> Problem:
    """The problem of fields that are not declared, whose names are the payload's own."""
    return Problem("", f"{count} field(s) that are not declared", Code.UNEXPECTED_COLUMN)


def _params(signature: ModelSignature, given: Mapping[str, Any] | None) -> dict[str, Any]:
    known = [spec.name for spec in signature.params or ()]
    if strangers := len((given or {}).keys() - set(known)):
        warnings.warn(f"{strangers} param(s) of the payload are not declared: they are ignored", stacklevel=3)
    return resolve_params(signature.params, {name: given[name] for name in known if name in given} if given else None)
