"""What Python values have in common: the type of a column of them.

A column of Python objects is read by the set of its values' classes, which `set(map(type, values))` finds without a
Python step per value; lists are flattened and dicts turned into columns in the same way, level by level. A value that
is null, or an empty list or dict, says nothing about its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, compress, repeat
from operator import attrgetter, is_not
from typing import Any

import numpy as np
import pandas as pd

from sparksig.errors import SignatureError
from sparksig.signature.compatibility import merge
from sparksig.signature.dtypes import Kind
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Object, Property
from sparksig.sources.data.scalars import OBJECT, SCALARS, Unfit, check_range, several

_ABSENT = object()


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


def present(rows: Iterable[dict[Any, Any]], name: object) -> list[object]:
    """The values of a key in the rows that have it."""
    values = list(map(dict.get, rows, repeat(name), repeat(_ABSENT)))
    return list(compress(values, map(is_not, values, repeat(_ABSENT))))


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
    if kinds <= SCALARS.keys():
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
    types = {SCALARS[kind] for kind in kinds}
    if len(types) > 1:
        raise several(types, path)
    [found] = types
    if int in kinds:
        check_range(values, found, path)
    return found


def _object(rows: np.ndarray[Any, Any], nulls: bool, silent: bool, path: str) -> Common:
    names = dict.fromkeys(chain.from_iterable(rows))
    empty = not all(map(len, rows))
    if not names:
        return Common(AnyType(), nulls, nulls, empty=True)
    if set(map(type, names)) != {str}:
        raise Unfit("the keys of an object are the names of its properties: they must be text", path)
    members = []
    for name in names:
        values = present(rows, name)
        found = common(values, f"{path}.{name}")
        optional = found.missing or found.empty or len(values) < len(rows)
        members.append(Property(name, found.type, not (optional or nulls or empty or silent)))
    return Common(Object(members), nulls, nulls, empty)


def _array(values: np.ndarray[Any, Any], kinds: set[type], nulls: bool, path: str) -> Common:
    arrays = [value for value in values if isinstance(value, np.ndarray)] if np.ndarray in kinds else []
    lists = [value for value in values if isinstance(value, list)] if arrays else values
    objects = [array.tolist() for array in arrays if array.dtype == OBJECT]
    elements = list(chain(chain.from_iterable(lists), *objects))
    types: list[ColumnType] = [Array(common(elements, f"{path}[]").type)] if elements else []
    shapes = set(map(attrgetter("dtype", "ndim"), filter(attrgetter("size"), arrays)))
    types += [_nested(dtype, ndim, path) for dtype, ndim in shapes if dtype != OBJECT]
    if arrays and not nulls and not any(map(len, values)):
        raise Unfit("arrays without an element", path)
    try:
        found: ColumnType = reduce(merge, types) if types else AnyType()
    except SignatureError as error:
        raise Unfit(error.message, path) from None
    return Common(found, nulls, nulls, empty=not all(map(len, values)))


def _nested(dtype: np.dtype[Any], ndim: int, path: str) -> Array:
    scalar = SCALARS.get(dtype.type)
    if scalar is None or ndim == 0:
        raise Unfit(f"no type is declared for arrays of {dtype.name} with {ndim} dimensions", path)
    return reduce(lambda inner, _: Array(inner), range(ndim - 1), Array(scalar))


def _stranger(kinds: set[type], path: str) -> Unfit:
    names = ", ".join(sorted(kind.__qualname__ for kind in kinds))
    if any(base.__module__.startswith("pydantic") for kind in kinds for base in kind.__mro__):
        hint = "pydantic objects have no place in example data; model_dump() makes a dict of one"
        return Unfit(hint, path, fatal=bool(path))
    return Unfit(f"no type is declared for {names}" if len(kinds) == 1 else f"values of several classes: {names}", path)
