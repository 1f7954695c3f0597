"""Schemas from example data: pandas, numpy, scipy's sparse matrices and Python values.

A column of Python objects is read by the set of its values' classes, which `set(map(type, values))` finds without a
Python step per value; lists are flattened and dicts turned into columns in the same way, level by level. A value that
is null, or an empty list or dict, says nothing about its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import chain, compress, repeat
from operator import attrgetter, is_not
from typing import Any

import numpy as np
import pandas as pd

from sparksig.errors import Code, Problem, SignatureError
from sparksig.signature.compatibility import merge
from sparksig.signature.dtypes import ELEMENTS, Element, Kind
from sparksig.signature.members import class_name
from sparksig.signature.params import LIST, ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Object, Property, duplicates

_SCALARS: dict[type, DataType] = {
    **{np.dtype(scalar.element.numpy).type: scalar for scalar in DataType},
    **{scalar.to_python(): scalar for scalar in DataType},  # the widest of a class comes last: int is long
    bytearray: DataType.binary,
    datetime: DataType.datetime,
}
"""The type of a scalar by its exact class, as in MLflow: numpy's narrower scalars and pandas' Timestamp have none."""

_OBJECT = np.dtype(object)
_ABSENT = object()
_BY_KIND = {"U": "str", "S": "bytes", "M": "datetime64[ns]"}


class Unfit(Exception):
    """Values that no type can be declared for.

    Args:
        fact: why, without a value.
        path: which of them, below the column.
        fatal: whether even Any must not stand for them.
    """

    def __init__(self, fact: str, path: str = "", *, fatal: bool = False) -> None:
        super().__init__(fact)
        self.fact, self.path, self.fatal = fact, path, fatal


@dataclass(frozen=True, slots=True)
class Common:
    """What a column of values has in common.

    Attributes:
        type: their type; Any where none of them says.
        missing: whether some are null, a NaN counted.
        nulls: whether some are null, a NaN among floats not counted.
        empty: whether some are an empty list or dict.
    """

    type: ColumnType
    missing: bool = False
    nulls: bool = False
    empty: bool = False


def infer_schema(data: Any) -> tuple[Schema, list[Problem]]:
    """The schema of example data.

    Args:
        data: a pandas DataFrame or Series, an ndarray, a sparse matrix, a dict of ndarrays (tensors); a scalar, a list,
            a dict or a list of dicts (columns).

    Returns:
        The schema and, for each column that nothing but Any can be declared for, the reason.

    Raises:
        SignatureError: there are pydantic objects inside.
    """
    try:
        return _infer(data)
    except (RecursionError, SignatureError):  # a list that holds itself, types that lie too deep
        return Schema([ColSpec(AnyType())]), [Problem("", "nested too deeply", Code.UNSUPPORTED_TYPE)]
    except Unfit as unfit:
        problem = Problem(unfit.path, unfit.fact, Code.UNSUPPORTED_TYPE)
        if unfit.fatal:
            raise SignatureError("no signature can be inferred", [problem]) from None
        return Schema([ColSpec(AnyType())]), [problem]


def _infer(data: Any) -> tuple[Schema, list[Problem]]:
    match data:
        case pd.DataFrame():
            return _columns((label, data.iloc[:, i]) for i, label in enumerate(data.columns))
        case pd.Series():
            return _series(data)
        case np.ndarray():
            return Schema([_tensor(data)]), []
        case dict():
            return _dict(data)
        case list():
            return _list(data)
        case _ if type(data).__module__.startswith("scipy.sparse"):
            return Schema([TensorSpec(data.dtype, (-1, *data.shape[1:]))]), []
        case _:
            return Schema([ColSpec(common([data], "").type)]), []


def _tensor(array: np.ndarray[Any, Any], name: str | int | None = None) -> TensorSpec:
    if array.ndim == 0:
        raise Unfit("an array without dimensions has no batch")
    dtype = np.dtype(array.dtype.kind) if array.dtype.kind in "US" else array.dtype
    try:
        return TensorSpec(dtype, (-1, *array.shape[1:]), name)
    except SignatureError as error:
        raise Unfit(error.message) from None


def _dict(data: dict[Any, Any]) -> tuple[Schema, list[Problem]]:
    if data and all(isinstance(value, np.ndarray) for value in data.values()) and set(map(type, data)) <= {str, int}:
        return Schema([_tensor(value, name) for name, value in data.items()]), []
    if not all(isinstance(name, str) for name in data):
        raise Unfit("the keys of a dict are the names of columns: they must be text")
    return _schema((name, *_cell(value, name)) for name, value in data.items())


def _cell(value: object, name: str) -> tuple[ColumnType | Unfit, bool]:
    """The type of one example value, and whether it is missing or a list with something missing."""
    try:
        found = common([value], name)
        inside = isinstance(value, list) and bool(value) and common(value, name).missing
    except Unfit as unfit:
        return unfit, False
    return found.type, found.missing or inside


def _list(data: list[Any]) -> tuple[Schema, list[Problem]]:
    if not data:
        return Schema([ColSpec(DataType.string)]), []  # as MLflow has always read it
    if all(issubclass(kind, dict) for kind in set(map(type, data))):
        names = dict.fromkeys(chain.from_iterable(data))
        return _schema((name, *_row_column(data, name)) for name in names)
    return Schema([ColSpec(common(data, "").type)]), []


def _row_column(rows: list[dict[Any, Any]], name: object) -> tuple[ColumnType | Unfit, bool]:
    values = _present(rows, name)
    absent = len(values) < len(rows)
    try:
        found = common(values, str(name))
    except Unfit as unfit:
        return unfit, absent or any(value is None for value in values)
    return found.type, absent or found.nulls


def _present(rows: Iterable[dict[Any, Any]], name: object) -> list[object]:
    """The values of a key in the rows that have it."""
    values = list(map(dict.get, rows, repeat(name), repeat(_ABSENT)))
    return list(compress(values, map(is_not, values, repeat(_ABSENT))))


def _series(data: pd.Series[Any]) -> tuple[Schema, list[Problem]]:
    if data.name is not None:
        return _columns([(data.name, data)])
    found = _column(data, "")
    if isinstance(found[0], Unfit):
        raise found[0]
    if found[1]:
        raise Unfit("a Series with missing values needs a name: an unnamed column cannot be optional")
    return Schema([ColSpec(found[0])]), []


def _columns(columns: Iterable[tuple[Any, pd.Series[Any]]]) -> tuple[Schema, list[Problem]]:
    return _schema((label, *_column(column, str(label))) for label, column in columns)


def _column(column: pd.Series[Any], name: str) -> tuple[ColumnType | Unfit, bool]:
    optional = bool(column.isna().any())
    try:
        return _column_type(column, name), optional
    except Unfit as unfit:
        return unfit, optional


def _column_type(column: pd.Series[Any], name: str) -> ColumnType:
    if column.dtype == _OBJECT:
        column = column.infer_objects()
    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if not len(dtype.categories):
            return AnyType()
        return _column_type(pd.Series(dtype.categories), name)
    if isinstance(dtype, pd.StringDtype) or (dtype == _OBJECT and column.empty):
        return DataType.string
    if isinstance(dtype, pd.DatetimeTZDtype):
        return DataType.datetime
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)
    if plain is None or plain == _OBJECT:
        return common(column.to_numpy(dtype=object), name).type
    return _declared(plain, name)


def _declared(dtype: np.dtype[Any], name: str) -> DataType:
    """The smallest type that holds a numpy dtype."""
    row = _element(dtype)
    found = None if row is None else DataType.holding(row)
    if found is None:
        raise Unfit(f"no type holds {dtype.name}", name)
    return found


def _element(dtype: np.dtype[Any]) -> Element | None:
    return ELEMENTS.get(_BY_KIND.get(dtype.kind, dtype.name))


def _schema(columns: Iterable[tuple[Any, ColumnType | Unfit, bool]]) -> tuple[Schema, list[Problem]]:
    specs: list[ColSpec] = []
    problems: list[Problem] = []
    for name, kind, optional in columns:
        if isinstance(kind, Unfit):
            if kind.fatal:
                raise kind
            problems.append(Problem(kind.path, kind.fact, Code.UNSUPPORTED_TYPE))
            kind = AnyType()
        name = name.item() if isinstance(name, np.integer) else name
        # a column that cannot be known by its name leaves nothing by which the others can be
        if isinstance(name, bool) or not isinstance(name, str | int | None):
            raise Unfit(f"a column whose name is no text but {class_name(name)}")
        specs.append(ColSpec(kind, name, not optional))
    if not specs:
        raise Unfit("there are no columns")
    if repeated := duplicates(str(spec.name) for spec in specs):
        raise Unfit(f"several columns have one name: {', '.join(map(repr, repeated))}")
    try:
        return Schema(specs), problems
    except SignatureError as error:  # some columns have no name
        raise Unfit(error.message) from None


def common(values: Sequence[object] | np.ndarray[Any, Any], path: str, *, silent: bool = False) -> Common:
    """The type of a column of Python values.

    Args:
        values: the values, of which none is asked for by a Python step of its own.
        path: where they stand.
        silent: whether there are values beside them that say nothing.

    Raises:
        Unfit: there is none: classes that no type is declared for, or several types.
    """
    cells = np.fromiter(values, dtype=object, count=len(values))
    missing = pd.isna(cells)
    kept, gone = (cells[~missing], cells[missing]) if missing.any() else (cells, cells[:0])
    kinds = set(map(type, kept))
    some = bool(len(gone))
    if not kinds:
        return Common(AnyType(), some, some)
    if kinds <= _SCALARS.keys():
        kind = _scalar(kept, kinds, path)
        floats = kind.element.kind is Kind.FLOAT and all(
            issubclass(k, float | np.floating) for k in set(map(type, gone))
        )
        return Common(kind, some, some and not floats)
    listed = all(kind is np.ndarray or issubclass(kind, list) for kind in kinds)
    if len(kinds) > 1 and not listed:
        spoken = np.array([not _is_empty(value) for value in kept])
        if not spoken.all():
            return replace(common(kept[spoken], path, silent=True), missing=some, nulls=some, empty=True)
    if all(issubclass(kind, dict) for kind in kinds):
        return _object(kept, some, silent, path)
    if listed:
        if any(isinstance(value, np.ndarray) and not value.ndim for value in kept):
            raise Unfit("an array without dimensions among lists", path)
        return _array(kept, kinds, some, path)
    raise _stranger(kinds, path)


def _is_empty(value: object) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0 and not len(value)
    return isinstance(value, list | dict) and not value


def _scalar(values: np.ndarray[Any, Any], kinds: set[type], path: str) -> DataType:
    types = {_SCALARS[kind] for kind in kinds}
    if len(types) > 1:
        raise Unfit(f"values of several types: {', '.join(sorted(t.name for t in types))}", path)
    [found] = types
    if int in kinds:
        _check_range(values, found, path)
    return found


def _check_range(values: Iterable[Any], kind: DataType, path: str) -> None:
    if max(values) > kind.element.high or min(values) < kind.element.low:
        raise Unfit(f"integers that no {kind.name} holds", path)


def _object(rows: np.ndarray[Any, Any], nulls: bool, silent: bool, path: str) -> Common:
    names = dict.fromkeys(chain.from_iterable(rows))
    empty = not all(map(len, rows))
    if not names:
        return Common(AnyType(), nulls, nulls, empty=True)
    if set(map(type, names)) != {str}:
        raise Unfit("the keys of an object are the names of its properties: they must be text", path)
    members = []
    for name in names:
        values = _present(rows, name)
        found = common(values, f"{path}.{name}")
        optional = found.missing or found.empty or len(values) < len(rows)
        members.append(Property(name, found.type, not (optional or nulls or empty or silent)))
    return Common(Object(members), nulls, nulls, empty)


def _array(values: np.ndarray[Any, Any], kinds: set[type], nulls: bool, path: str) -> Common:
    arrays = [value for value in values if isinstance(value, np.ndarray)] if np.ndarray in kinds else []
    lists = [value for value in values if isinstance(value, list)] if arrays else values
    objects = [array.tolist() for array in arrays if array.dtype == _OBJECT]
    elements = list(chain(chain.from_iterable(lists), *objects))
    types: list[ColumnType] = [Array(common(elements, f"{path}[]").type)] if elements else []
    shapes = set(map(attrgetter("dtype", "ndim"), filter(attrgetter("size"), arrays)))
    types += [_nested(dtype, ndim, path) for dtype, ndim in shapes if dtype != _OBJECT]
    if arrays and not nulls and not any(map(len, values)):
        raise Unfit("arrays without an element", path)
    try:
        found: ColumnType = reduce(merge, types) if types else AnyType()
    except SignatureError as error:
        raise Unfit(error.message, path) from None
    return Common(found, nulls, nulls, empty=not all(map(len, values)))


def _nested(dtype: np.dtype[Any], ndim: int, path: str) -> Array:
    scalar = _SCALARS.get(dtype.type)
    if scalar is None or ndim == 0:
        raise Unfit(f"no type is declared for arrays of {dtype.name} with {ndim} dimensions", path)
    return reduce(lambda inner, _: Array(inner), range(ndim - 1), Array(scalar))


def _stranger(kinds: set[type], path: str) -> Unfit:
    names = ", ".join(sorted(kind.__qualname__ for kind in kinds))
    if any(base.__module__.startswith("pydantic") for kind in kinds for base in kind.__mro__):
        hint = "pydantic objects have no place in example data; model_dump() makes a dict of one"
        return Unfit(hint, path, fatal=bool(path))
    return Unfit(f"no type is declared for {names}" if len(kinds) == 1 else f"values of several classes: {names}", path)


def infer_params(params: Mapping[str, Any]) -> ParamSchema:
    """The params of which example values are the defaults.

    Args:
        params: values by name: scalars, lists or 1-D arrays of them, dicts.

    Raises:
        SignatureError: with every value that no param can have as its default.

    >>> infer_params({"threshold": 0.5, "stop": [".", "!"]})
    ['threshold': double (default: 0.5), 'stop': string (default: ['.', '!']) (shape: (-1,))]
    """
    if not isinstance(params, Mapping):
        raise SignatureError(f"params are a dict from names to values, not {class_name(params)}")
    specs: list[ParamSpec] = []
    problems: list[Problem] = []
    for name, value in params.items():
        try:
            specs.append(_param(str(name), value))
        except RecursionError:  # a dict that holds itself
            problems.append(Problem(str(name), "nested too deeply", Code.INVALID_PARAM))
        except Unfit as unfit:
            problems.append(Problem(f"{name}{unfit.path}", unfit.fact, Code.INVALID_PARAM))
        except SignatureError as error:
            problems += error.problems or [Problem(str(name), error.message, Code.INVALID_PARAM)]
    if problems:
        raise SignatureError("no params can be inferred from these values", problems)
    return ParamSchema(specs)


def _param(name: str, value: object) -> ParamSpec:
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return ParamSpec(name, _element_type(value), value, LIST)
    if isinstance(value, dict) and value:
        kind = common([value], "").type
        assert isinstance(kind, Object)
        return ParamSpec(name, _wide(kind), value)
    scalar = _SCALARS.get(type(value))
    if scalar is None:
        raise Unfit(f"a param is a scalar, a list of scalars or a dict, not {class_name(value)}")
    return ParamSpec(name, scalar, value)


def _wide(kind: ColumnType) -> Any:
    """The type with long and double for integer and float, which MLflow does not read back inside an object."""
    match kind:
        case DataType.integer:
            return DataType.long
        case DataType.float:
            return DataType.double
        case Array(element):
            return Array(_wide(element))
        case Object(properties):
            return Object([Property(p.name, _wide(p.dtype), p.required) for p in properties])
        case _:
            return kind


def _element_type(values: list[object] | np.ndarray[Any, Any]) -> DataType:
    """The type of a list's elements; of numbers the one that holds them all, as numpy finds it."""
    if isinstance(values, np.ndarray) and values.dtype != _OBJECT:
        return _declared(values.dtype, "[]")
    if not len(values):
        return DataType.string
    kinds = set(map(type, values))
    if not kinds <= _SCALARS.keys():
        raise Unfit("a list of anything but scalars of one type", "[]")
    types = {_SCALARS[kind] for kind in kinds}
    if int in kinds:
        _check_range([value for value in values if type(value) is int], DataType.long, "[]")
    if len(types) > 1 and all(t.element.is_number for t in types):
        return _declared(np.result_type(*(t.to_numpy() for t in types)), "[]")
    if len(types) > 1:
        raise Unfit(f"values of several types: {', '.join(sorted(t.name for t in types))}", "[]")
    return types.pop()
