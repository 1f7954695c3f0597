"""Deliberate differences from MLflow and their reasons: each is a rule on the input of a case, never on its id.

The texts are the lines of the list of differences in the documentation. A rule applies only where the two really
differ: it checks our answer with the peculiarity removed, and for params what MLflow makes of the same value.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import sparksig
from sparksig.errors import SparksigError
from sparksig.signature.params import ParamSchema, ParamSpec, resolve_params
from sparksig.signature.schema import Schema
from sparksig.signature.types import AnyType, Array, DataType, Findings, Map, Object, read_type
from sparksig.sources.data import infer_params, infer_schema

import differences_enforce
import differences_hints
import golden_rebuild as g

BARE = "struct_type always makes a StructType; a single unnamed column is its column 0"
VECTOR = "a SparkMLVector inside a Map or an Object is read from JSON as it was written"
MERGED = "an Array and a SparkMLVector have no type in common, in either order"
MALFORMED = (
    "malformed JSON is refused: unknown keys of tensors and params, odd shapes, dtypes, names and values of `required`"
)
BYTE_ORDER = "a tensor read from JSON has the byte order of the machine, which the JSON form never had"
RANGE = "an integer that its type does not hold exactly is refused, as param, default and example"
NO_PARAMS = "without a param schema the resolved params are {}, also where None was given"
EMPTY_LIST = "an empty list as a param is a list of strings, not of datetimes"
OBJECT_ARRAY = "an array of objects as a param is the list of its values"
MEMBER = "members of an object param are read as params of their type, and handed on as plain Python values"
MOMENT = (
    "a text is a datetime when it says one: not '', 'NaT', 'now', 'today'; nothing below the microsecond is cut off"
)
NO_MOMENT = "a datetime param without a default can be written"
NAT = "a NaT of numpy is a missing value, as a NaT of pandas is"
NULL_TEXTS = "a column of pandas' string dtype is a string, also where all values are missing"
OWN_DTYPES = "a column of pandas' own dtypes is what the dtype says: sparse ones, categories of timestamps, empty ones"
LABELS = "a column's label is a text or a whole number, and no other column has it: other tables are rejected"
MISSING = "a missing value in a list of dicts makes its column optional, however it is spelled"
ONE_COLUMN = "only the column that cannot be inferred becomes Any; the others keep their names and types"
OPTIONAL_KEY = "the key `optional` of a column, which MLflow 2.4 to 2.9 wrote, is read"
OBJECT_INTEGERS = "a column of integers among Python objects is long, also where some are missing"
SPARK = (
    "of a Spark schema, maps are Map, timestamp_ntz datetime, variant Any, decimals the type that holds them exactly"
)


def difference(case: dict[str, Any]) -> str | None:
    """The reason why we answer this case otherwise, or None."""
    given = case["input"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rule in RULES.get(given["op"], ()):
            try:
                reason = rule(given)
            except Exception:  # a rule that cannot read an input has nothing to say of it
                continue
            if reason:
                return reason
    return None


# --- JSON ---------------------------------------------------------------------------------------------------------


def _reads(form: Any) -> bool:
    """Whether we read a schema; what has another fault both refuse."""
    try:
        return bool(Schema.from_json(json.dumps(form)))
    except SparksigError:
        return False


def _bare(given: dict[str, Any]) -> str | None:
    schema = json.loads(given["json"])
    [column] = schema
    bare = column.get("name") is None and column["type"] in DataType.__members__
    return BARE if bare and _reads(schema) else None


def _vector(given: dict[str, Any]) -> str | None:
    schema = json.loads(given["json"])
    return VECTOR if any(map(_holds_vector, schema)) and _reads(schema) else None


def _holds_vector(form: Any) -> bool:
    """Whether a Map or an Object declares a vector, at any depth."""
    match form:
        case {"type": "array", "items": items}:
            return _holds_vector(items)
        case {"type": "map", "values": values}:
            inner = [values]
        case {"type": "object", "properties": dict(properties)}:
            inner = list(properties.values())
        case _:
            return False
    return any(x.get("type") == "sparkml_vector" or _holds_vector(x) for x in inner)


def _malformed(given: dict[str, Any]) -> str | None:
    schema = json.loads(given["json"])
    return MALFORMED if not _reads(schema) and _reads([_mended(form) for form in schema]) else None


def _mended(form: Any) -> Any:
    """An input or a property without that for which we refuse it and MLflow does not."""
    if not isinstance(form, dict):
        return form
    if form.get("type") == "tensor":
        known = {key: value for key, value in form.items() if key in ("type", "name", "tensor-spec")}
        if isinstance(spec := form.get("tensor-spec"), dict):
            known["tensor-spec"] = _mended_tensor(spec)
        return _mended_name(known)
    mended = dict(_mended_name(form))
    if "required" in mended and not isinstance(mended["required"], bool | None):
        mended["required"] = True
    for key in {"array": ("items",), "map": ("values",)}.get(str(form.get("type")), ()):
        mended[key] = _mended(form[key])
    if form.get("type") == "object" and isinstance(form.get("properties"), dict):
        mended["properties"] = {name: _mended(inner) for name, inner in form["properties"].items()}
    return mended


def _mended_name(form: dict[str, Any]) -> dict[str, Any]:
    return form | {"name": str(form["name"])} if isinstance(form.get("name"), bool | float | list | dict) else form


def _mended_tensor(spec: dict[str, Any]) -> dict[str, Any]:
    mended = {key: value for key, value in spec.items() if key in ("dtype", "shape")}
    if "dtype" in spec:
        dtype = np.dtype(spec["dtype"])  # raises where MLflow does
        if dtype.kind == "V" or not isinstance(spec["dtype"], str):
            mended["dtype"] = "float64" if dtype.kind == "V" else dtype.str
    if "shape" in spec:
        odd = not all(type(n) is int and n >= -1 for n in tuple(spec["shape"]))
        mended["shape"] = [-1] if odd else list(spec["shape"])
    return mended


def _byte_order(given: dict[str, Any]) -> str | None:
    schema = json.loads(given["json"])
    dtypes = [np.dtype(form["tensor-spec"]["dtype"]) for form in schema if form["type"] == "tensor"]
    return BYTE_ORDER if not all(dtype.isnative for dtype in dtypes) and _reads(schema) else None


OBJECT = np.dtype(object)
ANY = {"$": "ctor", "name": "AnyType", "args": [], "kwargs": {}}


def _merged(given: dict[str, Any]) -> str | None:
    doubles = given["a"].get("name") == "Array" and given["a"]["args"][0] in ("double", ANY)
    return MERGED if doubles and given["b"].get("name") == "SparkMLVector" else None


# --- what MLflow makes of a param -----------------------------------------------------------------------------------


class Refused(Exception):
    """MLflow does not take it."""


_UPCASTS = {
    DataType.long: (DataType.integer,),
    DataType.float: (DataType.integer, DataType.long),
    DataType.double: (DataType.integer, DataType.long, DataType.float),
}


def _is_of(value: Any, kind: DataType) -> bool:
    """DataType.check_type; a class equals the numpy dtype that is made of it."""
    classes = [kind.to_numpy(), kind.to_python(), *([object] if kind.to_pandas() == np.dtype(object) else [])]
    if kind is DataType.datetime:
        classes += [np.datetime64, datetime]
    return type(value) in [*classes, *([bytearray] if kind is DataType.binary else [])]


def _their_value(value: Any, dtype: Any, shape: Any) -> Any:
    """ParamSpec.validate_type_and_shape."""
    try:
        if shape is None:
            return _their_scalar(value, dtype) if isinstance(dtype, DataType) else _their_object(value, dtype)
        if tuple(shape) != (-1,) or not isinstance(value, list | np.ndarray) or np.array(value).ndim != 1:
            raise Refused
        return [_their_scalar(item, dtype) for item in value]
    except Exception:
        raise Refused from None


def _their_scalar(value: Any, kind: DataType) -> Any:
    if value is None:
        return None
    if kind is DataType.datetime:
        moment = np.datetime64(value).item()
        if isinstance(moment, int):
            raise Refused
        return moment
    if np.isscalar(value) and (_is_of(value, kind) or any(_is_of(value, t) for t in _UPCASTS.get(kind, ()))):
        return kind.to_python()(value)
    raise Refused


def _their_object(value: Any, kind: Object) -> Any:
    """MLflow checks a copy of it as it checks a row, and hands on what was given."""
    _check_member(deepcopy(value), kind, True)
    return value


def _check_member(value: Any, kind: Any, required: bool) -> None:
    match kind:
        case AnyType():
            return
        case DataType():
            if not required and _their_null(value):
                return
            if not np.isscalar(value):
                raise Refused
            _check_series(pd.Series(value), kind)
        case Array(element):
            listed = isinstance(value, list | np.ndarray)
            if (not required or isinstance(element, AnyType)) and (value is None or (listed and not len(value))):
                return
            if not listed:
                raise Refused
            if not isinstance(element, DataType):
                for item in value:
                    _check_member(item, element, required)
            elif len(value):
                _check_series(pd.Series(value), element).to_numpy(dtype=element.to_numpy())
        case Map(of):
            if (not required or isinstance(of, AnyType)) and (value is None or value == {}):
                return
            if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
                raise Refused
            for item in value.values():
                _check_member(item, of, required)
        case Object(properties):
            if not required and (value is None or value == {}):
                return
            known = {p.name: p for p in properties}
            if not isinstance(value, dict) or {p.name for p in properties if p.required} - value.keys():
                raise Refused
            for name, item in value.items():
                _check_member(item, known[name].dtype, known[name].required)
        case _:
            raise Refused


def _their_null(value: Any) -> bool:
    return bool(np.isnan(value)) if isinstance(value, float) else value is None or value is pd.NA or value is pd.NaT


def _check_series(values: pd.Series, kind: DataType) -> pd.Series:
    """_enforce_mlflow_datatype."""
    target = kind.to_numpy()
    if values.dtype == OBJECT and kind not in (DataType.binary, DataType.string):
        values = values.infer_objects()
    dtype = values.dtype
    if kind is DataType.string and (dtype == OBJECT or isinstance(dtype, pd.StringDtype)):
        return values
    if kind is DataType.binary and (isinstance(dtype, pd.StringDtype) or dtype.kind == "S"):
        return values
    if dtype in (kind.to_pandas(), target) or (kind is DataType.boolean and dtype == OBJECT):
        return values
    if kind is DataType.datetime and (dtype.kind == "M" or dtype == OBJECT):
        return values.astype(target)
    if kind is DataType.double and dtype == OBJECT:
        return pd.to_numeric(values, errors="raise")
    upcast = dtype.kind == target.kind and dtype.itemsize <= target.itemsize
    upcast |= dtype.kind == "u" and target.kind == "i" and dtype.itemsize < target.itemsize
    upcast |= dtype.kind in "iu" and target == np.float64 and dtype.itemsize <= 6
    floats = kind in (DataType.float, DataType.double)
    if upcast or (dtype == np.int64 and floats and all(pd.isnull(x) or x in (0, 1) for x in values)):
        return values.astype(target)
    raise Refused


# --- params -------------------------------------------------------------------------------------------------------


def _mended_params(schema: Any) -> Any:
    """A param schema without that for which we refuse it and MLflow does not."""
    if schema in ({}, ""):
        return []
    return [{key: form[key] for key in form if key in _known_keys(form)} for form in schema]


def _known_keys(form: Mapping[str, Any]) -> tuple[str, ...]:
    compound = ("properties",) if form.get("type") == "object" else ()
    return ("name", "type", "dtype", "default", "shape", *compound)


def _their_specs(schema: list[dict[str, Any]]) -> list[tuple[str, Any, Any, Any]]:
    """Name, type, shape and default of each param, as MLflow reads them."""
    specs = []
    for form in schema:
        kind = form.get("type") or form.get("dtype")
        findings = Findings()
        typed = {"type": kind} | {key: form[key] for key in ("properties",) if key in form and kind == "object"}
        dtype = read_type(typed, "", findings)
        if findings.problems or not isinstance(dtype, DataType | Object) or dtype is DataType.binary:
            raise Refused
        shape = form.get("shape")
        specs.append((str(form["name"]), dtype, shape, _their_value(form["default"], dtype, shape)))
    if len({name for name, *_ in specs}) < len(specs):
        raise Refused
    return specs


def _written(specs: list[tuple[str, Any, Any, Any]]) -> None:
    """MLflow's to_dict and json.dumps, for what they refuse."""
    for _, dtype, shape, default in specs:
        moments = [] if dtype is not DataType.datetime else [default] if shape is None else default
        if any(moment is None for moment in moments):
            raise Refused
        if isinstance(dtype, Object):
            try:
                json.dumps(default)
            except TypeError:
                raise Refused from None


def _values(given: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Type, shape and value of each default and each given value."""
    params = g.rebuild(given.get("params")) if given["op"] == "enforce_params" else {}
    for form in _mended_params(given["schema"] if "schema" in given else json.loads(given["json"])):
        findings = Findings()
        kind = form.get("type") or form.get("dtype")
        dtype = read_type({"type": kind} | {k: form[k] for k in ("properties",) if k in form}, "", findings)
        yield dtype, form.get("shape"), form.get("default")
        named = {str(name): value for name, value in (params or {}).items()}
        if form["name"] in named:
            yield dtype, form.get("shape"), named[form["name"]]


def _same(a: Any, b: Any) -> bool:
    """Whether two answers are one; 1 and 1.0 are two."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _encoded(value: Any) -> Any:
    try:
        return g.encode(value)
    except TypeError:
        return repr(value)


def _param_schema(given: dict[str, Any]) -> str | None:
    """Of the JSON of a param schema: whether we and MLflow differ, and by which value."""
    schema = json.loads(given["json"])
    try:
        specs = _their_specs(_mended_params(schema))
        _written(specs)
        theirs = [_encoded(default) for *_, default in specs]
    except (Refused, KeyError):
        theirs = None
    return _explain(given, schema, theirs, lambda form: [_encoded(p.default) for p in _read(form)])


def _enforced(given: dict[str, Any]) -> str | None:
    """The same of a param schema with given values."""
    schema, params = given["schema"], g.rebuild(given["params"])
    if schema is None:
        return NO_PARAMS if params is None else None
    theirs: Any = None
    if isinstance(params, dict | None):
        named = {str(name): value for name, value in (params or {}).items()}
        try:
            specs = _their_specs(_mended_params(schema))
            theirs = {
                name: _encoded(_their_value(named[name], dtype, shape) if name in named else default)
                for name, dtype, shape, default in specs
            }
        except (Refused, KeyError):
            theirs = None
    return _explain(
        given, schema, theirs, lambda form: {k: _encoded(v) for k, v in resolve_params(_read(form), params).items()}
    )


def _read(form: Any) -> ParamSchema:
    return ParamSchema.from_json(json.dumps(form))


def _explain(given: dict[str, Any], schema: Any, theirs: Any, answer: Any) -> str | None:
    def ours(form: Any) -> Any:
        try:
            return answer(form)
        except SparksigError:
            return None

    if _same(ours(schema), theirs):
        return None
    mended = _mended_params(schema)
    if mended != schema and ours(schema) is None and _same(ours(mended), theirs):
        return MALFORMED
    reasons = (_of_value(*parts, written="params" not in given) for parts in _values(given))
    return next(filter(None, reasons), None)


def _of_value(dtype: Any, shape: Any, value: Any, *, written: bool) -> str | None:
    """Why we make something else of a value than MLflow."""
    if isinstance(dtype, Object):
        return MEMBER if shape is None and _differs(dtype, None, value) else None
    for item in value if shape and isinstance(value, list | np.ndarray) else [value]:
        if written and dtype is DataType.datetime and item is None:
            return NO_MOMENT
        if not _differs(dtype, None, item):
            continue
        if dtype is DataType.datetime:
            return MOMENT
        if isinstance(item, int | np.integer) and _refused(dtype, item):
            return RANGE
    return None


def _differs(dtype: Any, shape: Any, value: Any) -> bool:
    try:
        theirs: Any = [_encoded(_their_value(value, dtype, shape))]
    except Refused:
        theirs = None
    try:
        ours: Any = [_encoded(ParamSpec("p", dtype, value, shape).default)]
    except SparksigError:
        ours = None
    return not _same(ours, theirs)


def _refused(dtype: Any, value: Any) -> bool:
    try:
        return not ParamSpec("p", dtype, value)
    except SparksigError:
        return True


def _constructed(given: dict[str, Any]) -> str | None:
    desc = given["desc"]
    if desc["name"] != "ParamSpec":
        return None
    spec = dict(zip(("name", "dtype", "default", "shape"), desc["args"], strict=False)) | desc["kwargs"]
    spec = {key: g.rebuild(value, sparksig) for key, value in spec.items()}
    dtype = DataType[spec["dtype"]] if isinstance(spec["dtype"], str) else spec["dtype"]
    shape = spec.get("shape")
    try:
        theirs: Any = _their_value(spec["default"], dtype, shape)
        _written([("", dtype, shape, theirs)])
        theirs = [_encoded(theirs)]
    except Refused:
        theirs = None
    try:
        ours: Any = [_encoded(ParamSpec(**spec).default)]
    except SparksigError:
        ours = None
    return None if _same(ours, theirs) else _of_value(dtype, shape, spec["default"], written=True)


def _inferred_params(given: dict[str, Any]) -> str | None:
    params = g.rebuild(given["params"])
    differing = {name: value for name, value in params.items() if _inferred_otherwise(value)}
    # what one refuses and the other too leaves nothing to explain
    if any(_ours(value) is None and _theirs(value) is None for value in params.values()):
        return None
    for value in differing.values():
        if isinstance(value, dict):
            return MEMBER
        if isinstance(value, list | np.ndarray):
            if not len(value):
                return EMPTY_LIST
            if all(isinstance(item, np.datetime64) for item in value):
                return MOMENT
            if isinstance(value, np.ndarray) and value.dtype == np.dtype(object):
                return OBJECT_ARRAY
        if isinstance(value, pd.Timestamp | np.datetime64):
            return MOMENT
        if type(value) is int or (isinstance(value, list) and int in set(map(type, value))):
            return RANGE if _ours(value) is None else None
    return None


def _signature_params(given: dict[str, Any]) -> str | None:
    """The same inside a signature, where only the JSON is compared."""
    if not given["params"]:
        return None
    params = g.rebuild(given["params"])
    ours, theirs = ([_as_json(infer(value)) for value in params.values()] for infer in (_ours_plain, _theirs_plain))
    if ours == theirs or (None in ours and None in theirs):
        return None
    return _inferred_params(given)


def _params_fail(given: dict[str, Any]) -> bool:
    """Whether params that are given with data are refused, so that nothing depends on the data."""
    params = (g.rebuild(given.get("params")) or {}).values()
    return any(_as_json(infer(value)) is None for infer in (_ours_plain, _theirs_plain) for value in params)


def _as_json(found: Any) -> Any:
    try:
        return None if found is None else json.dumps(found)
    except TypeError:
        return None


def _ours_plain(value: Any) -> Any:
    try:
        return infer_params({"p": value}).to_dict()
    except SparksigError:
        return None


def _theirs_plain(value: Any) -> Any:
    try:
        dtype, shape = _their_inference(value)
        default = _their_value(value, dtype, shape)
    except Exception:
        return None
    moments = dtype is DataType.datetime
    plain = [x.isoformat() for x in default] if moments and shape else default.isoformat() if moments else default
    return [{"name": "p", "default": plain, "shape": shape and list(shape), **dtype.to_dict()}]


def _inferred_otherwise(value: Any) -> bool:
    return not _same(_ours(value), _theirs(value))


def _ours(value: Any) -> Any:
    try:
        [spec] = infer_params({"p": value})
    except SparksigError:
        return None
    return [repr(spec.dtype), _encoded(spec.default)]


def _theirs(value: Any) -> Any:
    try:
        dtype, shape = _their_inference(value)
        default = _their_value(value, dtype, shape)
        if None in ([default] if shape is None else default) and dtype is DataType.datetime:
            return None  # it cannot be written
        return [repr(dtype), _encoded(default)]
    except Exception:
        return None


def _their_inference(value: Any) -> tuple[Any, Any]:
    """_infer_type_and_shape; the type of a dict as we find it, who differ in values only."""
    if isinstance(value, list | np.ndarray):
        if _depth(value) != 1:
            raise Refused
        if all(_is_of(item, DataType.datetime) for item in value):
            return DataType.datetime, (-1,)
        return _of_numpy(np.array(value).dtype), (-1,)
    if _is_of(value, DataType.datetime):
        return DataType.datetime, None
    if np.isscalar(value):
        return _of_numpy(np.array(value).dtype), None
    if isinstance(value, dict):
        [column] = infer_schema({"value": value})[0].columns
        if not isinstance(column.type, Object):
            raise Refused
        return column.type, None
    raise Refused


def _depth(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.ndim
    return (max(map(_depth, value)) + 1 if value else 1) if isinstance(value, list) else 0


def _of_numpy(dtype: np.dtype[Any]) -> DataType:
    match dtype.kind, dtype.itemsize:
        case "b", _:
            return DataType.boolean
        case "i" | "u", size if size < 4 or (dtype.kind == "i" and size == 4):
            return DataType.integer
        case "i" | "u", size if size < 8 or dtype.kind == "i":
            return DataType.long
        case "f", size if size <= 8:
            return DataType.float if size <= 4 else DataType.double
        case "U", _:
            return DataType.string
        case "S", _:
            return DataType.binary
        case "M", _:
            return DataType.datetime
    raise Refused


# --- inference ----------------------------------------------------------------------------------------------------


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


def _nat(given: dict[str, Any]) -> str | None:
    """In MLflow numpy's NaT is a datetime and pandas' is missing."""
    for data in _examples(given):
        if any(isinstance(x, np.datetime64) and np.isnat(x) for x in _python_values(data)):
            return NAT
    return None


def _python_values(data: Any) -> Iterator[Any]:
    """The scalars in Python values and in object columns."""
    match data:
        case pd.DataFrame():
            data = [value for name in data for value in data[name]]
        case pd.Series():
            data = list(data)
        case dict():
            data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _python_values(item)
    else:
        yield data


def _null_texts(given: dict[str, Any]) -> str | None:
    """MLflow asks the values, which say nothing."""
    for data in _examples(given):
        frame = data.to_frame() if isinstance(data, pd.Series) else data
        if not isinstance(frame, pd.DataFrame) or _problems(data) or frame.empty:
            continue
        columns = [frame[name] for name in frame]
        if any(isinstance(column.dtype, pd.StringDtype) and column.isna().all() for column in columns):
            return NULL_TEXTS
    return None


def _own_dtypes(given: dict[str, Any]) -> str | None:
    """MLflow asks the values of most of pandas' own dtypes, and refuses sparse ones."""
    for data in _examples(given):
        frame = data.to_frame() if isinstance(data, pd.Series) else data
        if isinstance(frame, pd.DataFrame) and any(map(_only_ours, frame.dtypes, [frame.empty] * frame.shape[1])):
            return None if _problems(data) else OWN_DTYPES
    return None


def _only_ours(dtype: Any, empty: bool) -> bool:
    if isinstance(dtype, pd.CategoricalDtype):
        return empty or dtype.categories.dtype.kind == "M"
    asked = isinstance(dtype, pd.api.extensions.ExtensionDtype) and not isinstance(dtype, pd.StringDtype)
    return isinstance(dtype, pd.SparseDtype) or (asked and empty and dtype.kind == "O")


def _optional_key(given: dict[str, Any]) -> str | None:
    form = json.loads(given["json"])
    return OPTIONAL_KEY if any("optional" in column for column in form) and _reads(form) else None


def _object_integers(given: dict[str, Any]) -> str | None:
    """pandas makes floats of integers beside missing values, and MLflow doubles of these."""
    for data in _examples(given):
        frame = data.to_frame() if isinstance(data, pd.Series) else data
        if not isinstance(frame, pd.DataFrame):
            continue
        for i in range(frame.shape[1]):
            column = frame.iloc[:, i]
            kinds = set(map(type, column.dropna()))
            if column.dtype == object and kinds == {int} and column.isna().any():
                return OBJECT_INTEGERS
    return None


def _labels(given: dict[str, Any]) -> str | None:
    """MLflow takes whatever a DataFrame's labels are for names, and declares Any where it cannot."""
    for data in _examples(given):
        frame = data.to_frame() if isinstance(data, pd.Series) else data
        if not isinstance(frame, pd.DataFrame):
            continue
        plain = all(isinstance(name, str | int) and not isinstance(name, bool) for name in frame.columns)
        if not plain or not frame.columns.is_unique:
            return LABELS
    return None


def _one_column(given: dict[str, Any]) -> str | None:
    """MLflow declares one unnamed Any for all columns when one of several named ones cannot be inferred."""
    if _params_fail(given):
        return None
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


RULES = {
    "enforce": (differences_enforce.difference,),
    **dict.fromkeys(("infer_hint", "infer_output_hint", "validate_hint"), (differences_hints.difference,)),
    "schema_from_json": (_vector, _malformed, _bare, _byte_order, _optional_key),
    "merge": (_merged,),
    "construct": (_constructed,),
    "paramschema_from_json": (_param_schema,),
    "enforce_params": (_enforced,),
    "infer_params": (_inferred_params,),
    "infer_schema": (_spark, _example_range, _missing, _nat, _null_texts, _own_dtypes, _object_integers, _labels),
    "infer_signature": (
        _signature_params,
        _one_column,
        _example_range,
        _missing,
        _nat,
        _null_texts,
        _own_dtypes,
        _object_integers,
        _labels,
    ),
}
