"""Example data for inference: what a Parquet, CSV or JSON file, or a folder of Parquet files, holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from sparksig.errors import ConfigError, Problem
from sparksig.pipeline.dataset.footers import finder
from sparksig.pipeline.dataset.model import Dataset, open_dataset
from sparksig.pipeline.dataset.partitions import parse_value
from sparksig.pipeline.paths import file_system, missing
from sparksig.sources.observed import DecimalType, ObservedType

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name: no model takes it
_ARROW = {
    "integer": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}


def read_examples(flag: str, path: str, options: Mapping[str, str] | None = None) -> Any:
    """Example data for inference: an Arrow table of a Parquet, CSV or JSON-lines file, or the value of a JSON file.

    Args:
        flag: the option that names the path, for messages.
        path: a file, or a folder of Parquet files.
        options: options of Spark's reader, for a folder.

    Raises:
        ConfigError: nothing is there, or the format is not known or not kept.
        SchemaError: the types of columns differ between files.
    """
    import pyarrow.csv
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
                # an empty field is missing, also among strings; a quoted one is a string
                nulls = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
                return pyarrow.csv.read_csv(stream, convert_options=nulls)
        dataset = open_dataset(flag, path, "parquet", options)
        if dataset is None:
            raise ConfigError("the examples cannot be read", [Problem(flag, "these options choose files by time")])
        table = _rows(dataset.inspect())
        return table.drop_columns(list(filter(_PANDAS_INDEX.fullmatch, table.column_names)))
    except ConfigError as error:
        hint = "a Parquet file or directory, or a file that ends in .csv, .json or .jsonl"
        problems = [each if each.hint else Problem(each.path, each.fact, each.code, hint) for each in error.problems]
        raise ConfigError("the examples cannot be read", problems) from None
    except (pa.ArrowException, OSError, ValueError) as error:  # their words may hold a value
        hint = "a Parquet file or directory, or a file that ends in .csv, .json or .jsonl"
        problem = Problem(flag, f"{path} cannot be read as examples ({type(error).__name__})", hint=hint)
        raise ConfigError("the examples cannot be read", [problem]) from None


def _rows(dataset: Dataset) -> pa.Table:
    """All rows, with the partition columns in the types that Spark infers."""
    import pyarrow.dataset as ds

    assert dataset.schemas is not None
    find = finder(dataset.table.fields)

    def common_name(name: str) -> str:  # names that differ by case only are one column
        field = find(name)
        return name if field is None else field.name

    schemas = [
        pa.schema([each.with_name(common_name(each.name)).with_type(_decoded(each.type)) for each in footer.arrow])
        for footer in dataset.schemas.files
    ]
    columns = pa.unify_schemas(schemas, promote_options="permissive")
    partitions = {field.name: field.type for field in dataset.partitions}
    parts = []
    for file in dataset.data:
        place: dict[str, Any] = {"filesystem": dataset.listing.files, "format": "parquet"}
        names = ds.dataset(file.path, **place).schema.names
        own = pa.schema([columns.field(common_name(name)).with_name(name) for name in names])
        table = ds.dataset(file.path, schema=own, **place).to_table().rename_columns(list(map(common_name, names)))
        for value in file.values:
            kind = partitions[next(name for name in partitions if name.lower() == value.name.lower())]
            table = _with_column(table, value.name, pa.repeat(_scalar(value.raw, kind), table.num_rows))
        parts.append(table)
    return pa.concat_tables(parts, promote_options="default")


def _decoded(kind: pa.DataType) -> pa.DataType:
    """The type that files have in common which differ in what only Arrow distinguishes: dictionaries and time zones."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz else kind


def _with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """Add a column, or put it in the place of one of the same name."""
    lowered = [each.lower() for each in table.column_names]
    if name.lower() in lowered:
        return table.set_column(lowered.index(name.lower()), name, values)
    return table.append_column(name, values)


def _scalar(raw: str, kind: ObservedType) -> pa.Scalar:
    if isinstance(kind, DecimalType):
        arrow: pa.DataType = pa.decimal128(kind.precision, kind.scale)
    else:
        arrow = _ARROW.get(str(kind), pa.string())
    return pa.scalar(parse_value(raw, kind), arrow)
