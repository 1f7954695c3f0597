"""Objects as shown in a notebook: with names that could break a page, and with too many rows or columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from sparksig import (
    Array,
    ColSpec,
    Map,
    ModelSignature,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Report,
    Schema,
    TensorSpec,
    check_compatible,
    plan,
)
from sparksig.report.summary import Count
from tests.report.summaries import NAMES, SHOWN, TURNED

COLUMNS = (*NAMES, TURNED, "two  blanks", " at the edge ")
"""Names of columns; TURNED is shown as SHOWN."""
TOLD = tuple(SHOWN if name == TURNED else name for name in COLUMNS)

_PERSON = Object([Property("name", "string"), Property("age", "integer", required=False)])
_DEEP = Object([Property("who", _PERSON), Property("scores", Map(Array(_PERSON))), Property("tags", Array("string"))])
_ARROW = pa.struct(
    {
        "who": pa.struct({"name": pa.string(), "age": pa.int32()}),
        "scores": pa.map_(pa.string(), pa.list_(pa.struct({"name": pa.string(), "age": pa.int16()}))),
        "tags": pa.list_(pa.string()),
    }
)
_HOSTILE = Schema([ColSpec("double", name) for name in COLUMNS])
_PARAMS = [
    ParamSpec("<p>", "string", "a & b"),
    ParamSpec("empty", "string", ""),
    ParamSpec("stop", "string", [".", "!"], (-1,)),
    ParamSpec("prompt", "string", "word " * 200),
]
_SIGNATURE = ModelSignature(
    Schema([*_HOSTILE.columns, ColSpec(_DEEP, "deep")]),
    Schema([TensorSpec(np.dtype("float32"), (-1, 224, 224, 3))]),
    ParamSchema(_PARAMS),
)
_WIDE = Schema([ColSpec("double", f"c{n}") for n in range(1000)])
_REFUSED = Schema([ColSpec("long", name) for name in COLUMNS])
_NESTED = Schema([ColSpec(_DEEP, "deep")])


def _table(*names: str, kind: pa.DataType) -> pa.Schema:
    return pa.schema([(name, kind) for name in names if name != TURNED])


SHOWN_OBJECTS: dict[str, Any] = {
    "signature": _SIGNATURE,
    "schema": _SIGNATURE.inputs,
    "params": _SIGNATURE.params,
    "no params": ParamSchema([]),
    "only no params": ModelSignature(params=ParamSchema([])),
    "equal": check_compatible(_SIGNATURE, _SIGNATURE),
    "changes": check_compatible(_SIGNATURE, ModelSignature(_WIDE)),
    "fits": plan(_table(*COLUMNS, "id", kind=pa.float32()), Schema([c for c in _HOSTILE.columns if c.name != TURNED])),
    "refused": plan(_table(*COLUMNS, kind=pa.string()), _REFUSED),
    "nested": plan(pa.schema({"deep": _ARROW}), _NESTED),
    "wide": plan(_table(*(f"c{n}" for n in range(1300)), kind=pa.float64()), _WIDE),
    "report": Report(
        336_776,
        328_521,
        (
            Count("dep_delay", "NULL", "double", "integer", 8_255),
            *(Count(name, "OUT_OF_RANGE", "long", str(_ARROW), 7, ({"id": 7, name: "a&b"},)) for name in TOLD),
        ),
    ),
    "clean": Report(12_345, 12_345),
}
