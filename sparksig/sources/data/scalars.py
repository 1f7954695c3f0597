"""The scalar type of a Python class or a numpy dtype, and `Unfit` for what has none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np

from sparksig.signature.dtypes import ELEMENTS, Element
from sparksig.signature.types import DataType

SCALARS: dict[type, DataType] = {
    **{np.dtype(scalar.element.numpy).type: scalar for scalar in DataType},
    **{scalar.to_python(): scalar for scalar in DataType},  # the widest of a class comes last: int is long
    bytearray: DataType.binary,
    datetime: DataType.datetime,
}
"""The type of a scalar by its exact class, as in MLflow: numpy's narrower scalars and pandas' Timestamp have none."""

OBJECT = np.dtype(object)
_BY_KIND = {"U": "str", "S": "bytes", "M": "datetime64[ns]"}


class Unfit(Exception):
    """Values that no type can be declared for.

    Args:
        fact: why, without a value.
        path: which of them, below the column.
        fatal: whether even Any must not stand for them.
        hint: what to do.
    """

    def __init__(self, fact: str, path: str = "", *, fatal: bool = False, hint: str | None = None) -> None:
        super().__init__(fact)
        self.fact, self.path, self.fatal, self.hint = fact, path, fatal, hint


def declared(dtype: np.dtype[Any], name: str) -> DataType:
    """The smallest type that holds a numpy dtype."""
    row = _element(dtype)
    found = None if row is None else DataType.holding(row)
    if found is None:
        raise Unfit(f"no type holds {dtype.name}", name)
    return found


def _element(dtype: np.dtype[Any]) -> Element | None:
    return ELEMENTS.get(_BY_KIND.get(dtype.kind, dtype.name))


def check_range(values: Iterable[Any], kind: DataType, path: str) -> None:
    """Raises Unfit where an integer is outside a type's range."""
    if max(values) > kind.element.high or min(values) < kind.element.low:
        raise Unfit(f"integers that no {kind.name} holds", path)


def several(types: set[DataType], path: str) -> Unfit:
    """The fault of values that have not one scalar type."""
    return Unfit(f"values of several types: {', '.join(sorted(t.name for t in types))}", path)
