"""`enforce_values` against MLflow's own enforcement of the same data, which must give the same.

python -m benchmarks.values [--json FILE] [--small]
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import arguments, ratios, report, rounds
from sparksig import Policy, Schema, enforce_values


def examples(size: int) -> dict[str, tuple[pd.DataFrame, list[dict[str, Any]]]]:
    """A frame and its schema's JSON, by what it holds; `size` is the number of rows with scalars."""
    rng = np.random.default_rng(0)
    kinds = [("long", lambda: rng.integers(0, 10**9, size)), ("double", lambda: rng.random(size))]
    scalars = {f"c{i}": kinds[i % 2][1]() for i in range(20)}
    arrays, objects = size // 10, size // 50
    cells = [{"x": i, "y": float(i), "z": "text", "w": [1.5, 2.5]} for i in range(objects)]
    members = {"x": "long", "y": "double", "z": "string"}
    properties: dict[str, Any] = {name: {"type": kind, "required": True} for name, kind in members.items()}
    properties["w"] = {"type": "array", "items": {"type": "double"}, "required": True}
    return {
        "scalars": (
            pd.DataFrame(scalars),
            [{"type": kinds[i % 2][0], "name": f"c{i}", "required": True} for i in range(20)],
        ),
        "arrays": (
            pd.DataFrame({"a": pd.Series(list(rng.random((arrays, 32))), dtype=object)}),
            [{"type": "array", "items": {"type": "double"}, "name": "a", "required": True}],
        ),
        "objects": (
            pd.DataFrame({"o": pd.Series(cells, dtype=object)}),
            [{"type": "object", "properties": properties, "name": "o", "required": True}],
        ),
    }


def main() -> None:
    """Compare, print and write."""
    options = arguments(__doc__ or "")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import json

    from mlflow.models.utils import _enforce_schema
    from mlflow.types.schema import Schema as MlflowSchema

    results = {}
    for name, (data, form) in examples(20_000 if options.small else 1_000_000).items():
        ours, theirs = Schema.from_json(json.dumps(form)), MlflowSchema.from_json(json.dumps(form))
        made, want = enforce_values(data, ours, policy=Policy.mlflow()), _enforce_schema(data.copy(), theirs)
        if not all(_alike(a, b) for a, b in zip(made.iloc[-1], want.iloc[-1], strict=True)):
            raise SystemExit(f"{name}: the results differ")
        sides = {
            "sparksig": lambda d=data, s=ours: enforce_values(d, s, policy=Policy.mlflow()),
            "mlflow": lambda d=data, s=theirs: _enforce_schema(d, s),
        }
        seconds = rounds(sides, options.rounds)
        results[f"{name}_mlflow_over_ours"] = seconds, ratios(seconds, "mlflow", "sparksig")
    report(results, ["sparksig", "mlflow", "pandas", "numpy", "pyarrow"], options.json)


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[name], b[name]) for name in a)
    return bool(np.array_equal(a, b))


if __name__ == "__main__":
    main()
