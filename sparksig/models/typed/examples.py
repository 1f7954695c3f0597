"""Inputs whose type an example says: enforced by the schema that it shows, and handed on in its container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sparksig.enforcement.policy import Policy
from sparksig.enforcement.values import enforced_values
from sparksig.errors import Problem, SignatureError
from sparksig.models.typed.tables import plain
from sparksig.signature.dtypes import Kind
from sparksig.signature.schema import Schema
from sparksig.signature.types import DataType
from sparksig.sources.data import infer_schema


def example_reader(example: Any) -> Callable[[Any], Any]:
    """What turns inputs into the container of an example, enforced by the schema that the example shows.

    Raises:
        SignatureError: the example is no list, DataFrame or Series, or shows no schema.
    """
    return _FromExample.of(example).read


@dataclass(frozen=True)
class _FromExample:
    """Inputs by the schema of an example, in its container."""

    schema: Schema
    container: type
    records: bool

    @classmethod
    def of(cls, example: Any) -> _FromExample:
        if not isinstance(example, list | pd.DataFrame | pd.Series) or not len(example):
            hint = "@validated(example=[..]), a list, a DataFrame or a Series"
            raise SignatureError("TypeFromExample needs an example", [Problem("example", "not given", hint=hint)])
        schema, problems = infer_schema(example)
        if problems:
            raise SignatureError("no signature can be inferred from the example", problems)
        return cls(schema, type(example), isinstance(example, list) and isinstance(example[0], dict))

    def read(self, data: Any) -> Any:
        frame = enforced_values(data, self.schema, Policy(level="checked"))
        if issubclass(self.container, pd.DataFrame):
            return frame
        if issubclass(self.container, pd.Series):
            return frame.iloc[:, 0]
        columns = {str(name): _restored(frame[name], spec) for name, spec in zip(frame, self.schema, strict=True)}
        if not self.records:
            return next(iter(columns.values()))
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _is_integer(spec: Any) -> bool:
    return isinstance(spec.type, DataType) and spec.type.element.kind is Kind.INTEGER


def _restored(column: pd.Series[Any], spec: Any) -> list[Any]:
    """A column's values as Python's: nulls None, and integers beside them integers."""
    if _is_integer(spec):
        return [None if value != value else int(value) for value in column.tolist()]
    if column.dtype == object or column.dtype.kind == "M":
        return [None if gone else plain(value) for value, gone in zip(column.tolist(), column.isna(), strict=True)]
    return list(column.tolist())
