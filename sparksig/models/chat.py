"""Models that answer one request per call: MLflow's ChatModel, ChatAgent and ResponsesAgent.

Their loaders in MLflow answer only the first row of a table, and expect a request as a client writes it: without the
fields that are missing, with integers as integers. Here each row is a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparksig.signature.dtypes import Kind
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import Array, ColumnType, DataType, Map, Object

LOADERS = tuple(f"mlflow.pyfunc.loaders.{name}" for name in ("chat_model", "chat_agent", "responses_agent"))
"""The loaders of such models, which MLmodel names."""

_PYTHON = {Kind.BOOLEAN: bool, Kind.INTEGER: int, Kind.FLOAT: float}
_MISSING = object()


@dataclass(frozen=True, slots=True)
class RequestModel:
    """A model that answers requests, called with tables.

    Attributes:
        model: MLflow's wrapper of the model.
        inputs: the fields of a request; None where they are not declared.
    """

    model: Any
    inputs: Schema | None

    def predict(self, batch: Any) -> Any:
        """Answer each row of a table.

        Args:
            batch: a table of requests, or one request as a dict.

        Returns:
            A list of answers, one per row; for one request as a dict, its answer.
        """
        if not isinstance(batch, pd.DataFrame):
            return self.model.predict(batch)
        return [self.model.predict(request) for request in self.requests(batch)]

    def requests(self, batch: pd.DataFrame) -> list[dict[str, Any]]:
        """The rows of a table as requests."""
        known = {spec.name: spec for spec in self.inputs or () if isinstance(spec, ColSpec)}
        columns: dict[Any, list[Any]] = {
            name: [_field(cell, known.get(name)) for cell in batch[name]] for name in batch.columns.tolist()
        }
        rows = zip(*columns.values(), strict=True)
        return [{n: v for n, v in zip(columns, row, strict=True) if v is not _MISSING} for row in rows]


def _field(cell: Any, spec: ColSpec | None) -> Any:
    if spec is None:
        return _plain(cell)
    if not spec.required and isinstance(cell, float) and np.isnan(cell):  # a null in a column of floats
        return _MISSING
    return _value(cell, spec.type)


def _value(value: Any, kind: ColumnType) -> Any:
    """A value as a client writes it in JSON; missing where there is none."""
    if value is None:
        return _MISSING
    match kind:
        case DataType():
            python = _PYTHON.get(kind.element.kind)
            return _plain(value) if python is None else python(value)
        case Array(inner):
            return [_or_none(_value(item, inner)) for item in value]
        case Map(inner):
            return {key: _or_none(_value(item, inner)) for key, item in value.items()}
        case Object(properties):
            members = {p.name: _value(value[p.name], p.dtype) for p in properties if p.name in value}
            return {name: member for name, member in members.items() if member is not _MISSING}
    return _plain(value)


def _or_none(value: Any) -> Any:
    return None if value is _MISSING else value


def _plain(value: Any) -> Any:
    """A value of Any in Python's own containers and numbers."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
