"""What enforcing structs costs by their depth and by their number of members, until a query has been compiled and run.

python -m benchmarks.nesting [--json FILE] [--small]

Each query reads an empty table: what is measured is planning, generated code and its compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.measure import arguments, ratios, report, rounds
from sparksig import ColSpec, DataType, Object, Property, Schema, enforce, runtime, split, tag

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Result = tuple[dict[str, list[float]], list[float]]


def nested(spark: SparkSession, levels: int, members: int) -> tuple[DataFrame, Schema]:
    """An empty table with one column of structs, each with that many members; the innermost are floats."""
    kind, declared = "float", DataType.double
    for _ in range(levels):
        names = [f"f{i}" for i in range(members)]
        kind = f"struct<{','.join(f'{name}:{kind}' for name in names)}>"
        declared = Object([Property(name, declared) for name in names])
    return spark.createDataFrame([], f"c {kind}"), Schema([ColSpec(declared, "c")])


def verbs(table: DataFrame, schema: Schema) -> dict[str, Callable[[], object]]:
    """The verbs that a user calls on such a table."""
    return {
        "enforce": lambda: enforce(table, schema).collect(),
        "tag": lambda: tag(table, schema).collect(),
        "split": lambda: [part.collect() for part in split(table, schema)],
    }


def main() -> None:
    """Compare, print and write."""
    options = arguments(__doc__ or "", rounds=7)
    spark = runtime.session("benchmarks.nesting", master="local[2]", conf={"spark.ui.enabled": "false"})
    results: dict[str, Result] = {}
    for levels in (8, 16) if options.small else (8, 16, 24, 32):
        table, schema = nested(spark, levels, 1)
        leaf = f"c.{'.'.join(['f0'] * levels)} > 0"
        sides = {"leaf": lambda table=table, leaf=leaf: table.selectExpr(leaf).collect(), **verbs(table, schema)}
        seconds = rounds(sides, options.rounds)
        results |= {
            f"{verb}_{levels}_levels_vs_leaf": (seconds, ratios(seconds, verb, "leaf"))
            for verb in sides
            if verb != "leaf"
        }
    for levels, members in ((2, 3),) if options.small else ((6, 3), (1, 1000)):
        table, schema = nested(spark, levels, members)
        sides = {"read": lambda table=table: table.collect(), **verbs(table, schema)}
        seconds = rounds(sides, options.rounds)
        results |= {
            f"{verb}_{levels}_levels_of_{members}_vs_read": (seconds, ratios(seconds, verb, "read"))
            for verb in sides
            if verb != "read"
        }
    report(results, ["sparksig", "pyspark"], options.json)


if __name__ == "__main__":
    main()
