"""The table that a job reads, by Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from sparksig.errors import ConfigError, Problem, closest
from sparksig.pipeline.config import FILES, RUN_COLUMN, JobConfig
from sparksig.pipeline.faults import from_spark, spark_words
from sparksig.pipeline.io.files import refusal
from sparksig.pipeline.io.paths import file_system, has_file_system, is_file, literal_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_FOREVER = "36500d"


def read_table(spark: SparkSession, config: JobConfig) -> DataFrame:
    """The table that a configuration names: a path, a format with options alone, or a name of the catalog.

    Of a job with a trigger it is a stream. A stream of files has the schema that the files show when it starts.

    Raises:
        ConfigError: Spark cannot read it, or its condition or its columns are not of this table. What Spark says is not
            told, but for the class and the condition of its error: its text may hold an option's value.
    """
    flag = "--input" if config.input_table is None else "--input-table"
    table = _tried(flag, f"Spark cannot read {_named(config)}", lambda: _read(spark, config), lambda: _reason(config))
    if config.where:
        condition = config.where
        table = _tried("--where", "Spark does not take the condition", lambda: table.where(condition))
    if config.requeues is not None:
        added = (config.policy.violations_column, *([RUN_COLUMN] if config.input_table else []))
        if config.input_table and table.isEmpty():
            fact = f"{config.input_table} has no rows of the run {config.requeues}"
            raise ConfigError("the table cannot be read", [Problem("RUN_ID", fact)])
        table = table.drop(*added)
    if config.columns is not None:
        if problems := list(_absent(config.columns, table.columns)):
            raise ConfigError("the table cannot be read", problems)
        chosen = [quoted(name) for name in config.columns]
        table = _tried("--column", "Spark cannot tell the columns apart", lambda: table.select(*chosen))
    return table


def _read(spark: SparkSession, config: JobConfig) -> DataFrame:
    stream = config.trigger is not None
    # Spark passes over files that are a week older than the newest it has seen, however late they came
    kept = {"maxFileAge": _FOREVER} if stream and (config.input_table or config.format in FILES) else {}
    reader = (spark.readStream if stream else spark.read).options(**kept).options(**config.input_options)
    if config.input_table is not None:
        return reader.table(config.input_table)
    reader = reader.format(config.format)
    if not config.input:
        return reader.load()
    path = literal_path(config.input, spark)
    if stream and config.format in FILES:  # a stream of files wants to be told its schema
        if is_file(config.input):
            hint = "a stream reads the files of a folder"
            raise ConfigError("the table cannot be read", [Problem("--input", f"{config.input} is a file", hint=hint)])
        files = spark.read.format(config.format).options(**config.input_options).load(path)
        reader = reader.schema(files.schema)
    return reader.load(path)


def _named(config: JobConfig) -> str:
    if config.input_table is not None:
        return f"the table {config.input_table}"
    return f"{config.input} as {config.format}" if config.input else f"from {config.format}"


def _reason(config: JobConfig) -> str | None:
    """Why Spark cannot read a table, where its files say so."""
    import pyarrow.dataset as ds

    if config.format != "parquet" or not config.input or not has_file_system(config.input):
        return None
    files, inner = file_system(config.input)
    try:
        return refusal(ds.dataset(inner, filesystem=files, format="parquet"))
    except (pa.ArrowException, OSError, StopIteration) as error:
        return f"Arrow cannot either ({type(error).__name__}); --format says what it is, if it is no Parquet"


def _tried(
    flag: str, fact: str, make: Callable[[], DataFrame], reason: Callable[[], str | None] = lambda: None
) -> DataFrame:
    try:
        made = make()
        _ = made.schema  # Spark Connect looks at nothing before
    except Exception as error:
        if not from_spark(error):
            raise
        problem = Problem(flag, f"{fact}: {spark_words(error)}", hint=reason())
        raise ConfigError("the table cannot be read", [problem]) from None
    return made


def quoted(name: str) -> str:
    """A column's name as Spark must be given it, whatever it holds.

    >>> quoted("a.b"), quoted("`")
    ('`a.b`', '````')
    """
    return f"`{name.replace('`', '``')}`"


def _absent(chosen: tuple[str, ...], columns: list[str]) -> Iterator[Problem]:
    for name in chosen:
        if name not in columns:
            near = closest(name, columns)
            yield Problem("--column", f"the table has no column {name}", hint=f"did you mean {near}?" if near else None)
