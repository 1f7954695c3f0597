"""Tables and examples in files, read without Spark."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from sparksig.errors import ConfigError, Problem
from sparksig.pipeline.io.paths import file_system, missing
from sparksig.redaction import masked
from sparksig.signature.dtypes import SPARK
from sparksig.sources.observed import Field, ScalarType, StructType, table_from_arrow, unread_by_spark

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name: no model takes it


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
    if why := refusal(found):
        warnings.warn(masked(f"{path}: {why}"), stacklevel=2)
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


def refusal(found: ds.Dataset) -> str | None:
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
