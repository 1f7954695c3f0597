"""`infer_signature` of a million rows against MLflow's, which must find the same.

python -m benchmarks.infer [--json FILE] [--small]
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import arguments, ratios, report, rounds
from sparksig.sources.inference import infer_signature


def column(values: list[Any]) -> pd.DataFrame:
    """A frame of one column of Python objects."""
    return pd.DataFrame({"a": np.fromiter(values, dtype=object, count=len(values))})


def examples(n: int) -> dict[str, Any]:
    """Data of `n` rows, by what it is."""
    return {
        "strings": column([f"v{i}" for i in range(n)]),
        "strings, some missing": column([f"v{i}" if i % 7 else None for i in range(n)]),
        "lists": column([[float(i), 1.0, 2.0] for i in range(n)]),
        "arrays": column([np.array([i, 1.0, 2.0]) for i in range(n)]),
        "dicts": column([{"x": i, "y": "s"} for i in range(n)]),
        "rows as dicts": [{"x": i, "y": "s", "z": 1.5} for i in range(n)],
        "20 float columns": pd.DataFrame(np.random.default_rng(0).random((n, 20))),
    }


def main() -> None:
    """Compare, print and write."""
    options = arguments(__doc__ or "")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from mlflow.models import infer_signature as mlflow_infer_signature

    results = {}
    for name, data in examples(20_000 if options.small else 1_000_000).items():
        ours, theirs = infer_signature(data), mlflow_infer_signature(data)
        if repr(ours) != repr(theirs):
            raise SystemExit(f"{name}: the signatures differ")
        sides = {"sparksig": lambda d=data: infer_signature(d), "mlflow": lambda d=data: mlflow_infer_signature(d)}
        seconds = rounds(sides, options.rounds)
        results[name] = seconds, ratios(seconds, "mlflow", "sparksig")
    report(results, ["sparksig", "mlflow", "pandas", "numpy"], options.json)


if __name__ == "__main__":
    main()
