"""Differences from MLflow in reading type hints: rules on the hint and the data."""

from __future__ import annotations

import dataclasses
import typing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
from sparksig.errors import SparksigError
from sparksig.sources.hints import schema_from_hint, schema_from_output_hint

import golden_rebuild as g

MORE_HINTS = "dates, Decimals, Literals, dataclasses and models told apart by a discriminator are declared, too"
DEFAULTS = "a field with a default may be absent"
NAN_FLOATS = "NaN in a float column is a value for a float hint"


def difference(given: dict[str, Any]) -> str | None:
    """The reason why we answer otherwise, or None."""
    hint = g.hint(given["hint"])
    read = schema_from_output_hint if given["op"] == "infer_output_hint" else schema_from_hint
    try:
        read(hint)
    except SparksigError:
        return None
    if given["op"] != "validate_hint":
        if _goes_beyond(hint):
            return MORE_HINTS
        return DEFAULTS if given["op"] == "infer_hint" and _has_default(hint) else None
    return _of_table(hint, g.rebuild(given["data"]))


def _of_table(hint: Any, data: Any) -> str | None:
    if not isinstance(data, pd.DataFrame) or not data.shape[1]:
        return None
    [element] = typing.get_args(hint)
    column = data.iloc[:, 0]
    gaps = column.dtype.kind == "f" and column.isna().any()
    return NAN_FLOATS if element is float and gaps else None


def _has_default(hint: Any) -> bool:
    """Whether a field of a pydantic model, anywhere in the hint, has a default and cannot be None."""
    if not hasattr(hint, "model_fields"):
        return any(_has_default(part) for part in typing.get_args(hint))
    fields = [(info.annotation, not info.is_required()) for info in hint.model_fields.values()]
    return any((default and type(None) not in typing.get_args(kind)) or _has_default(kind) for kind, default in fields)


def _goes_beyond(hint: Any) -> bool:
    """Whether MLflow declares nothing for a part of the hint."""
    if hint in (date, Decimal) or typing.get_origin(hint) is typing.Literal:
        return True
    if dataclasses.is_dataclass(hint):
        return True
    if hasattr(hint, "model_fields"):
        return any(_goes_beyond(info.annotation) for info in hint.model_fields.values())
    if typing.get_origin(hint) in (typing.Union, type(int | str)):
        inner = [part for part in typing.get_args(hint) if part is not type(None)]
        return len(inner) == 1 and _goes_beyond(inner[0])  # into a Union nobody looks
    return hint is not datetime and any(_goes_beyond(part) for part in typing.get_args(hint))
