"""Files and folders: what a run reads, whether it could write, and the form of a path that Spark and Arrow take."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from sparksig.errors import ConfigError, Problem, SinkError
from sparksig.pipeline.config import FILES, RUN_COLUMN, JobConfig, plain_path
from sparksig.pipeline.faults import from_spark, spark_words
from sparksig.signature.dtypes import SPARK
from sparksig.sources.observed import Field, ScalarType, StructType, table_from_arrow, unread_by_spark

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from pyspark.sql import DataFrame, SparkSession

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_GLOB = re.compile(r"([\[\]{}*?\\])")
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name: no model takes it
_MISSING = pafs.FileType.NotFound
_FOREVER = "36500d"


# ---- what a run reads


def missing(flag: str, path: str) -> Iterator[Problem]:
    """Say so if there is nothing at a path. A file system that only Spark knows is left to Spark."""
    try:
        files, inner = file_system(path)
        absent = files.get_file_info(inner).type == _MISSING
    except SinkError:
        return
    except OSError as error:
        yield Problem(flag, f"{path} cannot be read: {error.strerror or type(error).__name__}")
        return
    if absent:
        hint = None if _is_uri(path) else f"that is {plain_path(path)} on this machine"
        yield Problem(flag, f"nothing lies at {path}", hint=hint)


def parquet_table(flag: str, path: str) -> StructType:
    """The schema that Spark shows for a Parquet file or directory, read from a footer without a JVM.

    Raises:
        ConfigError: nothing is there, or what is there is no Parquet.
    """
    import pyarrow.dataset as ds

    if problems := list(missing(flag, path)):
        raise ConfigError("the table cannot be read", problems)
    files, inner = file_system(path)
    try:
        texts = ds.HivePartitioning.discover(infer_dictionary=True)
        found = ds.dataset(inner, filesystem=files, format="parquet", partitioning=texts)
    except (pa.ArrowException, OSError) as error:
        model = files.get_file_info(f"{inner}/MLmodel").type == pafs.FileType.File
        hint = "that is a model; the signature is named first, then the table" if model else None
        problem = Problem(flag, f"no Parquet file or directory lies at {path} ({type(error).__name__})", hint=hint)
        raise ConfigError("the table cannot be read", [problem]) from None
    if not found.files:
        raise ConfigError("the table cannot be read", [Problem(flag, f"no Parquet file lies in {path}")])
    if refusal := _refusal(found):
        warnings.warn(f"{path}: {refusal}", stacklevel=2)
    # a footer of Spark's knows its types, but not the columns that are folders
    table = table_from_arrow(found.schema)
    values: dict[str, set[str]] = {}
    for file in found.files:
        for folder in Path(file).parent.parts[len(Path(inner).parts) :]:
            name, equals, value = folder.partition("=")
            if equals:
                values.setdefault(unquote(name), set()).add(unquote(value))
    kept = [field for field in table.fields if field.name not in values]
    return StructType((*kept, *(Field(name, _folders_type(found)) for name, found in values.items())))


def _refusal(found: ds.Dataset) -> str | None:
    """Why Spark will not read these Parquet files, as far as the footer of the first one says, and what mends it."""
    columns = unread_by_spark(next(iter(found.get_fragments())).metadata.schema)
    if not columns:
        return None
    return (
        f"Spark reads no nanoseconds and no half floats, and no file that has them: {', '.join(columns)}. Write"
        " microseconds, in pandas to_parquet(path, coerce_timestamps='us', allow_truncated_timestamps=True)"
    )


def _folders_type(values: set[str]) -> ScalarType:
    """The type that Spark infers for a column whose values are folder names."""
    given = values - {"__HIVE_DEFAULT_PARTITION__"}
    for kind, form in _FOLDERS.items():
        if given and all(map(form.fullmatch, given)):
            wide = kind == "integer" and any(not -(2**31) <= int(value) < 2**31 for value in given)
            return ScalarType(SPARK["long" if wide else kind])
    return ScalarType(SPARK["string"])


_FOLDERS = {
    "integer": re.compile(r"[+-]?[0-9]{1,18}"),
    "double": re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "timestamp": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"),
}


def read_examples(flag: str, path: str) -> Any:
    """Example data for inference: an Arrow table of a Parquet, CSV or JSON-lines file, or the value of a JSON file.

    Raises:
        ConfigError: nothing is there, or its form is not known or not kept.
    """
    import pyarrow.csv
    import pyarrow.dataset as ds
    import pyarrow.json

    if problems := list(missing(flag, path)):
        raise ConfigError("the examples cannot be read", problems)
    files, inner = file_system(path)
    suffix = Path(inner).suffix.lower()
    try:
        if suffix == ".json":
            with files.open_input_stream(inner) as stream:
                return json.loads(stream.read())
        if suffix in (".csv", ".jsonl", ".ndjson"):
            with files.open_input_stream(inner) as stream:
                if suffix != ".csv":
                    return pyarrow.json.read_json(stream)
                # an empty field is missing, also among texts; a quoted one says that it is a text
                nulls = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
                return pyarrow.csv.read_csv(stream, convert_options=nulls)
        found = ds.dataset(inner, filesystem=files, format="parquet", partitioning="hive").to_table()
        return found.drop_columns(list(filter(_PANDAS_INDEX.fullmatch, found.column_names)))
    except (pa.ArrowException, OSError, ValueError) as error:  # their words may hold a value
        hint = "a Parquet file or directory, or a file that ends in .csv, .json or .jsonl"
        problem = Problem(flag, f"{path} cannot be read as examples ({type(error).__name__})", hint=hint)
        raise ConfigError("the examples cannot be read", [problem]) from None


def is_file(path: str) -> bool:
    """Whether one file lies at a path, as far as that can be seen without Spark."""
    if not has_file_system(path):
        return False
    files, inner = file_system(path)
    return bool(files.get_file_info(inner).type == pafs.FileType.File)


def has_file_system(path: str) -> bool:
    """Whether a path can be looked at without Spark."""
    try:
        file_system(path)
    except SinkError:
        return False
    return True


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
    path = literal_path(config.input)
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
        return _refusal(ds.dataset(inner, filesystem=files, format="parquet"))
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
            near = get_close_matches(name, columns, n=1)
            yield Problem(
                "--column", f"the table has no column {name}", hint=f"did you mean {near[0]}?" if near else None
            )


# ---- what a run writes


def unwritable(path: str, folder: bool = False) -> Iterator[Problem]:
    """Say so if a file or folder cannot come to lie at a path, as far as that can be told without writing."""
    files, inner = file_system(path)
    if not isinstance(files, pafs.LocalFileSystem):
        return
    place = Path(inner)
    if not folder and place.is_dir():
        yield Problem(path, "is a folder; a file is to be written")
        return
    ancestor = place if folder else place.parent
    while not os.path.lexists(ancestor) and ancestor != ancestor.parent:
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        yield Problem(path, f"cannot be written: {ancestor} is no folder")
    elif not os.access(ancestor, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        yield Problem(path, f"cannot be written: no permission to write in {ancestor}")


def write_text(path: str, text: str) -> None:
    """Write a small file so that a reader sees the old one or the new one, never half.

    Raises:
        SinkError: it cannot be written.
    """
    files, inner = file_system(path)
    part = f"{inner}.part"
    try:
        files.create_dir(os.path.dirname(inner), recursive=True)
        with files.open_output_stream(part) as out:
            out.write(text.encode("utf-8"))
        files.move(part, inner)
    except OSError as error:
        raise SinkError("a file cannot be written", [Problem(path, error.strerror or type(error).__name__)]) from None


def read_text(flag: str, path: str) -> str:
    """What `write_text` wrote.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    if problems := list(missing(flag, path)):
        raise ConfigError("a file cannot be read", problems)
    files, inner = file_system(path)
    try:
        with files.open_input_stream(inner) as stream:
            return bytes(stream.read()).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("a file cannot be read", [Problem(flag, f"{path}: {type(error).__name__}")]) from None


# ---- paths


def spark_path(path: str) -> str:
    """A path as Spark must be given it: absolute, so that it does not depend on where the JVM was started.

    >>> spark_path("s3://bucket/table"), spark_path("/data/table/")
    ('s3://bucket/table', '/data/table')
    """
    return path if _is_uri(path) else str(Path(path).absolute())


def literal_path(path: str) -> str:
    r"""The same for reading, where Spark would take brackets, braces and stars for a pattern.

    >>> print(literal_path("/data/run[1]"))
    /data/run\[1\]
    """
    return _GLOB.sub(r"\\\1", spark_path(path))


def _is_uri(path: str) -> bool:
    return _SCHEME.match(path) is not None


def file_system(path: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path, and the path in it.

    Raises:
        SinkError: none is known for it.
    """
    if not _is_uri(path) or path.lower().startswith("file:"):
        return pafs.LocalFileSystem(), plain_path(path)
    try:
        files, inner = pafs.FileSystem.from_uri(path)
    except (ValueError, OSError) as error:
        hint = "a path on this machine, file://, hdfs://, s3:// or gs://"
        raise SinkError("no file system for this path", [Problem(path, type(error).__name__, hint=hint)]) from None
    return files, inner
