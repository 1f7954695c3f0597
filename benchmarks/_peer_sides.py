"""What each peer is asked: the same rules, in its own words. Runs in the environment that `benchmarks.peers` makes.

The rules are those that all of them can say: each column has its type and no nulls, and a long is an integer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import create_autospec

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparksig import ColSpec, ModelSignature, Schema, split, validate

KINDS: dict[str, T.DataType] = {
    "long": T.LongType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "boolean": T.BooleanType(),
}
LOW, HIGH = -(2**31), 2**31 - 1
Counts = dict[str, int | None]
"""Rows by `column rule`; None where a side says that there are some, and not how many."""


def declared(columns: dict[str, str]) -> ModelSignature:
    """The columns as a signature: what must be an integer is declared as one."""
    kinds = {"long": "integer"}
    return ModelSignature(Schema([ColSpec(kinds.get(kind, kind), name) for name, kind in columns.items()]))


def sparksig(df: DataFrame, columns: dict[str, str]) -> Counts:
    report = validate(df, declared(columns), level="checked")
    rules = {"NULL": "null", "OUT_OF_RANGE": "range"}
    return {f"{count.path} {rules[count.code]}": count.rows for count in report.violations}


def sparksig_split(df: DataFrame, columns: dict[str, str]) -> None:
    parts = split(df, declared(columns), level="checked")
    both(parts.accepted, parts.quarantined)


def pandera(df: DataFrame, columns: dict[str, str]) -> Counts:
    import pandera.pyspark as pa

    between = pa.Check.in_range(LOW, HIGH)
    rules = {
        name: pa.Column(KINDS[kind], between if kind == "long" else None, nullable=False)
        for name, kind in columns.items()
    }
    errors = pa.DataFrameSchema(rules).validate(df).pandera.errors
    found: Counts = {}
    for group in errors.values():
        for each in (one for many in group.values() for one in many):
            found[f"{each['column']} {'null' if each['check'] == 'not_nullable' else 'range'}"] = None
    return found


def great_expectations(df: DataFrame, columns: dict[str, str]) -> Counts:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_spark("frames")
    batch = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole")
    suite = gx.ExpectationSuite(name="rules")
    for name, kind in columns.items():
        suite.add_expectation(gxe.ExpectColumnValuesToBeOfType(column=name, type_=type(KINDS[kind]).__name__))
        suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=name))
        if kind == "long":
            suite.add_expectation(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=LOW, max_value=HIGH))
    results = batch.get_batch(batch_parameters={"dataframe": df}).validate(suite, result_format="SUMMARY").results
    rules = {"expect_column_values_to_not_be_null": "null", "expect_column_values_to_be_between": "range"}
    return {
        f"{r.expectation_config.kwargs['column']} {rules[r.expectation_config.type]}": r.result["unexpected_count"]
        for r in results
        if not r.success
    }


def dqx_rules(columns: dict[str, str]) -> list[Any]:
    from databricks.labs.dqx import check_funcs
    from databricks.labs.dqx.rule import DQRowRule

    made = [DQRowRule(name=f"{name} null", check_func=check_funcs.is_not_null, column=name) for name in columns]
    limits = {"min_limit": LOW, "max_limit": HIGH}
    for name in (name for name, kind in columns.items() if kind == "long"):
        rule = DQRowRule(
            name=f"{name} range", check_func=check_funcs.is_in_range, column=name, check_func_kwargs=limits
        )
        made.append(rule)
    return made


def dqx_engine() -> Any:
    from databricks.labs.dqx.engine import DQEngine
    from databricks.sdk import WorkspaceClient

    return DQEngine(create_autospec(WorkspaceClient))  # it asks for a workspace, which it does not need for this


def dqx(df: DataFrame, columns: dict[str, str]) -> Counts:
    checked = dqx_engine().apply_checks(df, dqx_rules(columns))
    errors = checked.select(F.explode("_errors").alias("e")).groupBy("e.name").count().collect()
    return {row["name"]: row["count"] for row in errors}


def dqx_split(df: DataFrame, columns: dict[str, str]) -> None:
    both(*dqx_engine().apply_checks_and_split(df, dqx_rules(columns)))


def both(good: DataFrame, bad: DataFrame) -> None:
    for part in (good, bad):
        part.write.format("noop").mode("overwrite").save()


VERDICTS: dict[str, Callable[[DataFrame, dict[str, str]], Counts]] = {
    "sparksig": sparksig,
    "pandera": pandera,
    "great_expectations": great_expectations,
    "dqx": dqx,
}
SPLITS = {"sparksig": sparksig_split, "dqx": dqx_split}


def jobs_of(df: DataFrame, side: Callable[[], object]) -> int:
    """How many Spark jobs a side starts."""
    context = df.sparkSession.sparkContext
    group = f"peers-{time.monotonic_ns()}"
    context.setJobGroup(group, group)
    side()
    return len(context.statusTracker().getJobIdsForGroup(group))
