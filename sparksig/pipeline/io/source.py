"""The table that a job reads, by Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sparksig.errors import ConfigError, Problem, SchemaError, closest
from sparksig.pipeline.config import FILES, RUN_COLUMN, JobConfig
from sparksig.pipeline.dataset import (
    MARKS,
    RECURSIVE,
    Dataset,
    Report,
    group_by_header,
    open_dataset,
    table_error,
    unread_error,
)
from sparksig.pipeline.faults import from_spark, spark_words
from sparksig.pipeline.io.escapes import restore_strings, stores_characters
from sparksig.pipeline.io.reading import corrupt_column, quoted, read_files
from sparksig.pipeline.paths import is_file, literal_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.readwriter import DataStreamReader

_FOREVER = "36500d"
_CHOICES = ("modifiedbefore", "modifiedafter", "pathglobfilter", "timezone")
"""Options of readers that choose files, in lower case."""

_FILES = tuple(name.lower() for name in FILES)


def read_table(
    spark: SparkSession, config: JobConfig, dataset: Dataset | None = None, report: Report | None = None
) -> DataFrame:
    """The table that a configuration names: a path, a format with options alone, or a name of the catalog.

    Of a job with a trigger it is a stream. A stream of files has the schema that the files show when it starts.

    Args:
        spark: the session.
        config: the job.
        dataset: what `open_source` returned for the job, unless it is to be called here.
        report: receives the number of footers read.

    Raises:
        ConfigError: Spark cannot read it, or its condition or its columns are not of this table. Of Spark's error only
            the class and the condition are shown: its text may hold an option's value.
        SchemaError: files differ in the types of columns, or Spark rejects them because of a column.
    """
    flag = "--input" if config.input_table is None else "--input-table"
    if dataset is None:
        dataset = open_source(config, spark)
    table = _tried(
        flag,
        f"Spark cannot read {_named(config)}",
        lambda: _read(spark, config, dataset, report),
        lambda: dataset.rejected() if dataset is not None else [],
    )
    if config.where:
        condition = config.where
        table = _tried("--where", "Spark does not take the condition", lambda: table.where(condition))
    if config.requeues is not None:
        added = (config.policy.violations_column, *([RUN_COLUMN] if config.input_table else []))
        if config.input_table and table.isEmpty():
            fact = f"{config.input_table} has no rows of the run {config.requeues}"
            raise ConfigError("the table cannot be read", [Problem("RUN_ID", fact)])
        table = table.drop(*added)
        if config.input_table and stores_characters(table_format(spark, config.input_table)):
            table = restore_strings(table)
    if config.columns is not None:
        if problems := list(_absent(config.columns, table.columns)):
            raise ConfigError("the table cannot be read", problems)
        chosen = [quoted(name) for name in config.columns]
        corrupt = corrupt_column(spark, config.input_options)
        if config.format.lower() == "json" and corrupt in table.columns and corrupt not in config.columns:
            chosen.append(quoted(corrupt))  # else a record that Spark cannot parse is a row of nulls
        table = _tried("--column", "Spark cannot tell the columns apart", lambda: table.select(*chosen))
    return table


def table_format(spark: SparkSession, name: str) -> str:
    """Spark's format of a table that the catalog has, in lower case; empty where it has none."""
    # The catalog has accepted the name: the table was read or its schema was requested before.
    details = spark.sql(f"DESCRIBE TABLE EXTENDED {name}").collect()
    return next((str(row[1]).lower() for row in details if row[0] == "Provider"), "")


def open_source(config: JobConfig, spark: SparkSession | None = None) -> Dataset | None:
    """List the files that a job reads; None where the source is not a folder of files, or only Spark can list it.

    Args:
        config: the job.
        spark: a session, which knows what files of some times are.

    Raises:
        ConfigError: the path is the folder of a table, or Spark would read only some of its files.
    """
    if config.input_table is not None or not config.input or config.format.lower() not in _FILES:
        return None
    choose = None if spark is None else partial(_chosen_files, spark, config)
    return open_dataset("--input", config.input, config.format.lower(), config.input_options, choose)


def _chosen_files(spark: SparkSession, config: JobConfig) -> list[str]:
    """The files in all subfolders that Spark chooses by the options of the reader; none of them is opened."""
    options = {name: value for name, value in config.input_options.items() if name.lower() in _CHOICES}
    reader = spark.read.format("binaryFile").options(**options).option(RECURSIVE, "true")
    path = literal_path(config.input, spark)
    return _tried("--input", f"Spark cannot list {config.input}", lambda: reader.load(path)).inputFiles()


def _read(spark: SparkSession, config: JobConfig, dataset: Dataset | None, report: Report | None) -> DataFrame:
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
    if dataset is None and config.format.lower() in _FILES:
        require_no_table(spark, config.input)
    if config.format.lower() not in _FILES:
        return reader.load(path)
    if not stream:
        if dataset is not None:
            return read_files(spark, dataset, config.input_options, report)
        return _require_all_read(spark, config, reader.options(**_careful(config)).load(path))
    if is_file(config.input):
        hint = "a stream reads the files of a folder"
        raise ConfigError("the table cannot be read", [Problem("--input", f"{config.input} is a file", hint=hint)])
    if dataset is None:
        table = spark.read.format(config.format).options(**config.input_options).load(path)
    else:
        _require_one_header(dataset, config)
        table = read_files(spark, dataset, config.input_options, report)
    stream_table = _stream(spark, config, cast("DataStreamReader", reader), table)
    ours = dataset is not None and dataset.written is not None and stores_characters(dataset.format)
    return restore_strings(stream_table) if ours else stream_table


def _careful(config: JobConfig) -> dict[str, str]:
    """Options with which Spark reads files by name that cannot be looked at here, or fails; it guesses otherwise."""
    lowered = {name.lower(): value.lower() for name, value in config.input_options.items()}
    if config.format.lower() in ("parquet", "orc"):
        return {"mergeSchema": "true"}
    if config.format.lower() == "csv" and lowered.get("header") == "true":
        return {"enforceSchema": "false"}
    return {}


def _require_all_read(spark: SparkSession, config: JobConfig, table: DataFrame) -> DataFrame:
    """Reject files in subfolders that Spark does not read, where only Spark can list them."""
    if unread := sorted(set(_chosen_files(spark, config)) - set(table.inputFiles())):
        raise unread_error("--input", config.input, unread)
    return table


def require_no_table(spark: SparkSession, path: str) -> None:
    """Look for the folder of a table on a file system that only Spark knows; Spark Connect has no way to look.

    Raises:
        ConfigError: a path is the folder of a table, or is in one.
    """
    try:
        jvm: Any = spark._jvm
        folder = jvm.org.apache.hadoop.fs.Path(path)
        files = folder.getFileSystem(spark._jsc.hadoopConfiguration())
        root = str(folder)
    except Exception:  # no JVM, or no such file system: reading fails with Spark's own error
        return
    while folder is not None:
        for mark, kind in MARKS.items():
            try:
                found = files.globStatus(jvm.org.apache.hadoop.fs.Path(literal_path(str(folder)), mark))
            except Exception:  # a folder that may not be listed
                continue
            if found:
                raise table_error("--input", path, root, kind, str(folder))
        folder = folder.getParent()


def _require_one_header(dataset: Dataset, config: JobConfig) -> None:
    """A stream reads CSV files by position, so their headers must agree."""
    if dataset.format != "csv" or dataset.written is not None:
        return
    groups = group_by_header(dataset.listing.files, dataset.data, config.input_options)
    groups = [group for group in groups if group.names]  # Spark compares the headers of the others as it reads them
    if len(groups) > 1:
        names = [group.files[0].name for group in groups]
        fact = f"the headers of CSV files differ, and a stream reads them by position: {', '.join(names[:3])}"
        hint = "without --trigger the files are read by name"
        raise SchemaError("the files cannot be read as a stream", [Problem("--input", fact, hint=hint)])


def _stream(spark: SparkSession, config: JobConfig, reader: DataStreamReader, table: DataFrame) -> DataFrame:
    """A stream of files with the schema of those that are there when it starts."""
    from pyspark.sql import types as T

    schema, form = table.schema, config.format.lower()
    if form == "json":  # without this column, a later record that Spark cannot parse is a row of nulls
        name = corrupt_column(spark, config.input_options)
        if name not in schema.names:
            schema = T.StructType([*schema.fields, T.StructField(name, T.StringType())])
    if form == "csv" and len({name.lower() for name in table.columns}) == len(table.columns):
        reader = reader.option("enforceSchema", "false")  # a later file with another header fails the stream
    return reader.schema(schema).load(literal_path(config.input, table.sparkSession)).select(*map(quoted, schema.names))


def _named(config: JobConfig) -> str:
    if config.input_table is not None:
        return f"the table {config.input_table}"
    return f"{config.input} as {config.format}" if config.input else f"from {config.format}"


def _tried(
    flag: str, fact: str, make: Callable[[], DataFrame], rejected: Callable[[], list[Problem]] = list
) -> DataFrame:
    try:
        table = make()
        _ = table.schema  # Spark Connect looks at nothing before
    except Exception as error:
        if not from_spark(error):
            raise
        if problems := rejected():
            raise SchemaError(f"{fact}: {spark_words(error)}", problems) from None
        words = spark_words(error)
        hint = "start Spark with the package of this format (--packages)" if "DATA_SOURCE_NOT_FOUND" in words else None
        raise ConfigError("the table cannot be read", [Problem(flag, f"{fact}: {words}", hint=hint)]) from None
    return table


def _absent(chosen: tuple[str, ...], columns: list[str]) -> Iterator[Problem]:
    for name in chosen:
        if name not in columns:
            near = closest(name, columns)
            yield Problem("--column", f"the table has no column {name}", hint=f"did you mean {near}?" if near else None)
