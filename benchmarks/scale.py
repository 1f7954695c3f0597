"""How `validate` grows: with rows (1 to 100 million), columns (10 to 2,000) and nesting (1 to 8), with a plot.

Rows are made while they are read (`spark.range`), so that no disk sets the pace; the bare side hashes the
same values. What should be constant is the time per row and per column. `--plot FILE` draws what `--json` wrote, with
matplotlib, which no extra brings.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from benchmarks import measure
from sparksig import Array, ColSpec, ModelSignature, Object, Property, Schema, runtime, validate
from sparksig.signature.types import ColumnType

ROWS = (1, 3, 10, 30, 100)  # millions
COLUMNS = (10, 30, 100, 300, 1000, 2000)
NESTING = tuple(range(1, 9))
WIDE = 20_000
"""Rows where the columns are varied: with so few, it is the plan that takes its time."""


def flat(spark: SparkSession, rows: int, columns: int) -> tuple[DataFrame, ModelSignature]:
    """Doubles, of which each has a null in a thousand rows."""
    texts = [f"if(id % 1000 = {i % 1000}, null, id / {i + 3}) as d{i}" for i in range(columns)]
    specs = [ColSpec("double", f"d{i}") for i in range(columns)]
    return spark.range(rows).selectExpr(*texts), ModelSignature(Schema(specs))


def nested(spark: SparkSession, rows: int, depth: int) -> tuple[DataFrame, ModelSignature]:
    """A column of structs and arrays in turns, with one double at the bottom, null in every thousandth row."""
    text, kind = "if(id % 1000 = 7, null, id / 3)", "double"
    declared: ColumnType | str = kind
    for level in range(depth):
        text = f"array({text})" if level % 2 else f"named_struct('m', {text})"
        declared = Array(declared) if level % 2 else Object([Property("m", declared)])
    return spark.range(rows).selectExpr(f"{text} as c"), ModelSignature(Schema([ColSpec(declared, "c")]))


def sides(table: tuple[DataFrame, ModelSignature]) -> dict[str, Callable[[], object]]:
    df, signature = table
    text = f"sum(hash({', '.join(df.columns)}))"  # reads all of each value, and judges nothing
    # a new query each time: of one that was run before, Spark keeps what its stages found
    return {"validate": lambda: validate(df, signature), "bare": lambda: df.selectExpr(text).collect()}


def measured(spark: SparkSession, given: argparse.Namespace) -> dict[str, tuple[dict[str, list[float]], list[float]]]:
    part = 1000 if given.small else 1
    tables: dict[str, tuple[tuple[DataFrame, ModelSignature], int]] = {}
    for millions in ROWS:
        rows = millions * 1_000_000 // part
        tables[f"rows {rows}"] = flat(spark, rows, 5), rows
    for columns in COLUMNS:
        rows = WIDE // part
        tables[f"columns {columns}"] = flat(spark, rows, columns), rows
    for depth in NESTING:
        rows = 2_000_000 // part
        tables[f"nesting {depth}"] = nested(spark, rows, depth), rows
    found = {}
    for name, (table, _) in tables.items():
        if given.only and not name.startswith(given.only):
            continue
        seconds = measure.rounds(sides(table), given.rounds, 1)
        found[name] = seconds, measure.ratios(seconds, "validate", "bare")
        print(name, {side: round(min(each), 2) for side, each in seconds.items()}, flush=True)
    return found


PANELS = {
    "rows": ("rows, of 5 doubles", "ns a row", lambda rows: rows / 1e9),
    "columns": (f"columns, of {WIDE:,} rows", "ms a column", lambda columns: columns / 1e3),
    "nesting": ("levels, of 2,000,000 rows", "ns a row", lambda levels: 2_000_000 / 1e9),
}
"""What is varied: the words on the axes, and what the seconds are divided by."""


def plot(content: dict[str, Any], file: str) -> None:
    """Draw time per row by rows, per column by columns, and per row by levels of nesting."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sparksig"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for axis, (what, (along, unit, part)) in zip(axes, PANELS.items(), strict=True):
        for side, mark in (("validate", "o-"), ("bare", "s--")):
            found = [
                (int(name.split()[1].rstrip(":")), median)
                for name, (_, median) in content["seconds"].items()
                if name.startswith(f"{what} ") and name.endswith(side)
            ]
            axis.plot([x for x, _ in found], [median / part(x) for x, median in found], mark, label=side)
        axis.set(xlabel=along, ylabel=unit, xscale="linear" if what == "nesting" else "log", ylim=(0, None))
        axis.legend()
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = measure.parser(__doc__ or "", 3)
    parser.add_argument("--only", metavar="WHAT", help="rows, columns or nesting")
    parser.add_argument("--plot", metavar="FILE", help="draw what the file of --json holds, and measure nothing")
    given = parser.parse_args()
    if given.plot:
        plot(json.loads(Path(given.json).read_text()), given.plot)
        return
    spark = runtime.session("scale", master="local[2]", conf={"spark.driver.memory": "4g"})
    measure.report(measured(spark, given), ["pyspark", "sparksig"], given.json)


if __name__ == "__main__":
    main()
