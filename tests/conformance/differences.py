"""Where sparksig answers otherwise than MLflow, and why: each a rule on the input of a case, never on its id.

The texts are the lines of the list of differences in the documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sparksig.errors import SparksigError
from sparksig.signature.members import Fault, admit
from sparksig.signature.schema import Schema
from sparksig.signature.types import DataType
from sparksig.sources.data import infer_schema

import golden_rebuild as g

BARE = "struct_type always makes a StructType; a single unnamed column is its column 0"
VECTOR = "a SparkMLVector inside a Map or an Object is read from JSON as it was written"
MERGED = "an Array and a SparkMLVector have no type in common, in either order"
MALFORMED = "malformed JSON is refused: unknown keys of tensors and params, odd shapes, names and values of `required`"
RANGE = "an integer that its type does not hold exactly is refused, as param, default and example"
NO_PARAMS = "without a param schema the resolved params are {}, also where None was given"
EMPTY_LIST = "an empty list as a param is a list of strings, not of datetimes"
MEMBER = "members of an object param are read as params of their type: 5 is an integer, a date a datetime"
MOMENT = "a text is a datetime when it says one: not '', 'NaT', 'now', 'today'; whole microseconds in numpy are one"
MISSING = "a missing value in a list of dicts makes its column optional, however it is spelled"
ONE_COLUMN = "only the column that cannot be inferred becomes Any; the others keep their names and types"
SPARK = (
    "of a Spark schema, maps are Map, timestamp_ntz datetime, variant Any, decimals the type that holds them exactly"
)


def difference(case: dict[str, Any]) -> str | None:
    """The reason why we answer this case otherwise, or None."""
    given = case["input"]
    for rule in RULES.get(given["op"], ()):
        if reason := rule(given):
            return reason
    return None


# --- JSON ---------------------------------------------------------------------------------------------------------


def _walk(form: Any) -> Iterator[dict[str, Any]]:
    """Each JSON object in a form, outermost first."""
    if isinstance(form, dict):
        yield form
    for inner in form.values() if isinstance(form, dict) else form if isinstance(form, list) else ():
        yield from _walk(inner)


def _bare(given: dict[str, Any]) -> str | None:
    schema = json.loads(given["json"])
    column = schema[0] if isinstance(schema, list) and len(schema) == 1 and isinstance(schema[0], dict) else {"name": 0}
    bare = column.get("name") is None and column.get("type") in DataType.__members__
    return BARE if bare and _reads(given["json"]) else None


def _vector(given: dict[str, Any]) -> str | None:
    inner = [
        form
        for parent in _walk(json.loads(given["json"]))
        for form in ([parent["values"]] if "values" in parent else list(parent.get("properties", {}).values()))
        if isinstance(form, dict)
    ]
    return VECTOR if any(form.get("type") == "sparkml_vector" for form in inner) and _reads(given["json"]) else None


def _reads(text: str) -> bool:
    """Whether the JSON has no other fault, which both would refuse."""
    try:
        return bool(Schema.from_json(text))
    except SparksigError:
        return False


def _malformed(given: dict[str, Any]) -> str | None:
    forms = [form for form in _walk(json.loads(given["json"])) if "type" in form or "dtype" in form]
    return MALFORMED if any(map(_odd, forms)) else None


def _odd(form: dict[str, Any]) -> bool:
    spec = form.get("tensor-spec")
    if form.get("type") == "tensor" and isinstance(spec, dict):
        shape = spec.get("shape")
        odd_shape = isinstance(shape, list) and not all(type(n) is int and n >= -1 for n in shape)
        return bool(form.keys() - {"type", "name", "tensor-spec"} or spec.keys() - {"dtype", "shape"}) or odd_shape
    if "default" in form and "name" in form:
        return bool(form.keys() - {"type", "dtype", "name", "default", "shape", "properties"})
    odd_name = isinstance(form.get("name"), bool | float | list | dict)
    return odd_name or type(form.get("required")) in (str, int)


ANY = {"$": "ctor", "name": "AnyType", "args": [], "kwargs": {}}


def _merged(given: dict[str, Any]) -> str | None:
    doubles = given["a"].get("name") == "Array" and given["a"]["args"][0] in ("double", ANY)
    return MERGED if doubles and given["b"].get("name") == "SparkMLVector" else None


# --- params -------------------------------------------------------------------------------------------------------


def _declared(given: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each param's JSON form with each value that is read as it: its default, a given value."""
    if given["op"] == "construct":
        desc = given["desc"]
        names = ("name", "dtype", "default", "shape")
        if desc["name"] == "ParamSpec":
            spec = dict(zip(names, desc["args"], strict=False)) | desc["kwargs"]
            if isinstance(spec.get("dtype"), str):
                yield {"type": spec["dtype"]}, g.rebuild(spec.get("default"))
        return
    schema = json.loads(given["json"]) if "json" in given else given["schema"]
    values = g.rebuild(given.get("params"))
    for form in schema or ():
        if isinstance(form, dict):
            yield form, g.rebuild(form.get("default"))
            if isinstance(values, dict) and form.get("name") in values:
                yield form, values[form["name"]]


def _leaves(form: dict[str, Any], value: Any) -> Iterator[tuple[str, Any, bool]]:
    """Each scalar with its declared type and whether it is inside an object."""
    kind = form.get("type", form.get("dtype"))
    if kind == "object" and isinstance(value, dict):
        for name, inner in (form.get("properties") or {}).items():
            if name in value:
                yield from ((leaf, x, True) for leaf, x, _ in _leaves(inner, value[name]))
    elif isinstance(value, list | np.ndarray) and (kind == "array" or form.get("shape")):
        element = form["items"] if kind == "array" else {"type": kind}
        for item in value:
            yield from _leaves(element, item)
    elif not form.get("shape"):
        yield str(kind), value, False


def _param_range(given: dict[str, Any]) -> str | None:
    leaves = [leaf for form, value in _declared(given) for leaf in _leaves(form, value)]
    return RANGE if any(type(x) is int and not inside and not _holds(kind, x) for kind, x, inside in leaves) else None


def _holds(kind: str, value: int) -> bool:
    bits = {"integer": 31, "long": 63}.get(kind)
    if bits:
        return -(1 << bits) <= value < 1 << bits
    if kind not in ("float", "double"):
        return True
    return abs(value) >= 1 << 1024 or int(float(value)) == value


def _member(given: dict[str, Any]) -> str | None:
    leaves = [leaf for form, value in _declared(given) for leaf in _leaves(form, value)]
    return MEMBER if any(inside and _reread(kind, x) for kind, x, inside in leaves) else None


def _reread(kind: str, value: Any) -> bool:
    """Whether a value is a member for us and none for MLflow, or stays in MLflow as it was given."""
    if kind not in DataType.__members__ or value is None or isinstance(read := admit(value, DataType[kind]), Fault):
        return False
    return kind in ("integer", "float", "datetime") or type(read) is not type(value)


def _moment(given: dict[str, Any]) -> str | None:
    leaves = [leaf for form, value in _declared(given) for leaf in _leaves(form, value)]
    moments = [value for kind, value, _ in leaves if kind == "datetime"]
    words = any(isinstance(x, str) and x.strip().lower() in ("", "nat", "now", "today") for x in moments)
    fine = any(isinstance(x, np.datetime64) and np.datetime_data(x.dtype)[0] == "ns" for x in moments)
    return MOMENT if words or fine else None


def _no_params(given: dict[str, Any]) -> str | None:
    return NO_PARAMS if given["schema"] is None and given["params"] is None else None


def _inferred_params(given: dict[str, Any]) -> str | None:
    values = g.rebuild(given["params"])
    if not isinstance(values, dict):
        return None
    if any(isinstance(v, list | np.ndarray) and not len(v) for v in values.values()):
        return EMPTY_LIST
    inside = [x for v in values.values() if isinstance(v, dict) for x in _scalars(v)]
    return MEMBER if any(hasattr(x, "isoformat") or isinstance(x, np.int32 | np.float32) for x in inside) else None


# --- inference ----------------------------------------------------------------------------------------------------


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    else:
        yield value


def _examples(given: dict[str, Any]) -> Iterator[Any]:
    """The example data, but Spark's."""
    for part in ("data", "inputs", "outputs"):
        if given.get(part) is not None and not _is_spark(given[part]):
            yield g.rebuild(given[part])


def _is_spark(desc: Any) -> bool:
    return isinstance(desc, str) or (isinstance(desc, dict) and desc.get("$") == "sparkdf")


def _problems(data: Any) -> list[str]:
    try:
        return [problem.fact for problem in infer_schema(data)[1]]
    except SparksigError:
        return []


def _example_range(given: dict[str, Any]) -> str | None:
    for facts in map(_problems, _examples(given)):
        if facts and all(fact == "integers that no long holds" for fact in facts):
            return RANGE
    return None


def _missing(given: dict[str, Any]) -> str | None:
    for data in _examples(given):
        if not (isinstance(data, list) and data and all(isinstance(row, dict) for row in data)) or _problems(data):
            continue
        for name in {name: None for row in data for name in row}:
            column = [row.get(name) for row in data]
            odd = [x for x in column if x is not None and not isinstance(x, list | dict | np.ndarray) and pd.isna(x)]
            floats = any(isinstance(x, float | np.floating) and not pd.isna(x) for x in column)
            values = floats and all(isinstance(x, float | np.floating) for x in odd)
            if odd and not values and not any(x is None for x in column):
                return MISSING
    return None


def _one_column(given: dict[str, Any]) -> str | None:
    """MLflow declares one unnamed Any for all columns when one of several named ones cannot be inferred."""
    for data in _examples(given):
        if _problems(data) and infer_schema(data)[0].has_input_names():
            return ONE_COLUMN
    return None


def _spark(given: dict[str, Any]) -> str | None:
    data = given.get("data")
    if not (isinstance(data, dict) and data.get("$") == "sparkdf"):
        return None
    return SPARK if any(map(_defined_by_us, _spark_types(data["schema"]))) else None


def _spark_types(form: Any) -> Iterator[str]:
    if isinstance(form, str):
        yield form
    elif isinstance(form, dict):
        if isinstance(form["type"], str):
            yield form["type"]
        for inner in (form.get("elementType"), form.get("valueType"), *(f["type"] for f in form.get("fields", ()))):
            yield from _spark_types(inner)


def _defined_by_us(name: str) -> bool:
    if name.startswith("decimal("):
        precision, scale = map(int, name[8:-1].split(","))
        return precision <= (18 if scale == 0 else 15)
    return name in ("map", "timestamp_ntz", "variant")


_PARAMS = (_param_range, _moment, _member)
RULES = {
    "schema_from_json": (_vector, _malformed, _bare),
    "merge": (_merged,),
    "construct": _PARAMS,
    "paramschema_from_json": (_malformed, *_PARAMS),
    "enforce_params": (_no_params, *_PARAMS),
    "infer_params": (_inferred_params,),
    "infer_schema": (_spark, _example_range, _missing),
    "infer_signature": (_inferred_params, _one_column, _example_range, _missing),
}
