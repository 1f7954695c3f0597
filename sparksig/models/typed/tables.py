"""Tables as the lists that hints declare: rows for objects, else a column, in the values that the hint names."""

from __future__ import annotations

import warnings
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd

from sparksig.errors import Code, Problem, ViolationError
from sparksig.sources.hints import AnyHint, DictHint, Hint, ListHint, LiteralHint, ObjectHint, OptionalHint, ScalarHint


def listed(frame: pd.DataFrame, hint: Hint) -> list[Any]:
    """A table as the list that a hint declares: its rows for objects, else its first column."""
    labels: list[Any] = frame.columns.tolist()
    whole = labels == [0] or not isinstance(hint, ObjectHint)
    if whole:
        if frame.shape[1] > 1:
            warnings.warn("the hint declares one column: only the first of the table is used", stacklevel=4)
        return _cells(frame.iloc[:, 0], hint) if frame.shape[1] else []
    assert isinstance(hint, ObjectHint)
    hints = dict(hint.fields)
    if len(set(map(str, labels))) < len(labels):
        names = sorted({str(label) for label in labels if list(map(str, labels)).count(str(label)) > 1})
        twice = [Problem(name, "the table has several columns of this name", Code.DUPLICATE_COLUMN) for name in names]
        raise ViolationError("the table cannot be read as objects", twice)
    renamed = dict(hint.renamed)
    columns = {
        name: _cells(frame[label], hints.get(name, AnyHint()), nulls=name in _defaults(hint))
        for label in labels
        for name in [renamed.get(str(label), str(label))]
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [_of_variant(row, hint) for row in rows]


def _defaults(hint: ObjectHint) -> frozenset[str]:
    """The fields that have a default, in one of the models at least."""
    return hint.defaults.union(*(variant.defaults for variant in hint.variants))


def _cells(column: pd.Series[Any], hint: Hint, *, nulls: bool = False) -> list[Any]:
    """A column's values as Python's, in the classes that the hint names: integers with nulls were floats."""
    inner, optional = (hint.inner, True) if isinstance(hint, OptionalHint) else (hint, nulls)
    cls = inner.cls if isinstance(inner, ScalarHint) else object
    if cls is float and not optional and column.dtype != object:
        return list(column.tolist())  # NaN is a value
    missing = column.isna().tolist() if column.dtype != object else [_is_null(cell) for cell in column]
    values = [
        int(value) if optional and cls is int and isinstance(value, float) and value.is_integer() else value
        for value in column.tolist()
    ]
    return [None if gone else _cell(value, inner) for value, gone in zip(values, missing, strict=True)]


def _is_none(cell: object) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT


def _is_null(cell: object) -> bool:
    return _is_none(cell) or (isinstance(cell, float) and cell != cell)


def _cell(value: Any, hint: Hint) -> Any:
    """A cell with the values that the hint names, at every depth: a table has no form for some of them."""
    match hint:
        case OptionalHint(inner):
            return None if value is None or value is pd.NA or value is pd.NaT else _cell(value, inner)
        case ScalarHint(cls):
            return _scalar(value, cls)
        case ListHint(inner) if isinstance(value, list | np.ndarray):
            return [_cell(item, inner) for item in _items(value)]
        case DictHint(inner) if isinstance(value, dict):
            return {key: _cell(item, inner) for key, item in value.items()}
        case ObjectHint() if isinstance(value, dict):
            hints, renamed = dict(hint.fields), dict(hint.renamed)
            named = {renamed.get(str(name), str(name)): item for name, item in value.items()}
            row = {name: _cell(item, hints.get(name, AnyHint())) for name, item in named.items()}
            return _of_variant(row, hint)
    return plain(value)


def _scalar(value: Any, cls: type) -> Any:
    if cls is date and isinstance(value, datetime) and value == datetime(value.year, value.month, value.day):
        return value.date()
    if cls is Decimal and isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    return value


def _of_variant(row: dict[str, Any], hint: ObjectHint) -> dict[str, Any]:
    """A row without the nulls that stand for defaults, or that are in the columns of other models."""
    if not hint.variants:
        return {name: value for name, value in row.items() if name not in hint.defaults or not _is_none(value)}
    for variant in hint.variants:
        own = dict(variant.fields)
        literals = [(name, field) for name, field in variant.fields if isinstance(field, LiteralHint)]
        if literals and all(row.get(name) in field.values for name, field in literals):
            row = {name: value for name, value in row.items() if name in own or value is not None}
            return _of_variant(row, variant)
    return row


def _items(cell: Any) -> list[Any]:
    """A list, or an array as one; numpy's own makes integers of moments."""
    if not isinstance(cell, np.ndarray):
        return list(cell)
    return list(pd.Series(cell).tolist() if cell.dtype.kind == "M" else cell.tolist())


def plain(value: Any) -> Any:
    """A cell with lists for arrays, at every depth."""
    if isinstance(value, np.ndarray | list):
        return [plain(item) for item in _items(value)]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value
