"""The table of a job: how it is read, and what validating it finds before anybody scores it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sparksig.errors import ConfigError, Problem
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.faults import from_spark, spark_words
from sparksig.pipeline.io import literal_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def read_table(spark: SparkSession, config: JobConfig) -> DataFrame:
    """The table that a configuration names: a path, a format with options alone, or a name of the catalog.

    Raises:
        ConfigError: Spark cannot read it, or its condition or its columns are not of this table. Nothing that Spark says
            is told but the class and the condition of its error: its text may hold an option's value.
    """
    named = config.input_table is not None
    table = _tried(
        "--input-table" if named else "--input", f"Spark cannot read {_named(config)}", lambda: _read(spark, config)
    )
    if config.where:
        condition = config.where
        table = _tried("--where", "Spark does not take the condition", lambda: table.where(condition))
    if config.columns is not None:
        if problems := list(_absent(config.columns, table.columns)):
            raise ConfigError("the table cannot be read", problems)
        chosen = [f"`{name.replace('`', '``')}`" for name in config.columns]
        table = _tried("--column", "Spark cannot tell the columns apart", lambda: table.select(*chosen))
    return table


def _read(spark: SparkSession, config: JobConfig) -> DataFrame:
    reader = spark.read
    for name, value in config.input_options.items():
        reader = reader.option(name, value)
    if config.input_table is not None:
        return reader.table(config.input_table)
    reader = reader.format(config.format)
    return reader.load(literal_path(config.input)) if config.input else reader.load()


def _named(config: JobConfig) -> str:
    if config.input_table is not None:
        return f"the table {config.input_table}"
    return f"{config.input} as {config.format}" if config.input else f"from {config.format}"


def _tried(flag: str, fact: str, make: Callable[[], DataFrame]) -> DataFrame:
    try:
        made = make()
        _ = made.schema  # Spark Connect looks at nothing before
    except Exception as error:
        if not from_spark(error):
            raise
        raise ConfigError("the table cannot be read", [Problem(flag, f"{fact}: {spark_words(error)}")]) from None
    return made


def _absent(chosen: tuple[str, ...], columns: list[str]) -> Iterator[Problem]:
    for name in chosen:
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            yield Problem(
                "--column", f"the table has no column {name}", hint=f"did you mean {near[0]}?" if near else None
            )
