"""Read a dataset by Spark: with one schema for all files, and CSV files by the names in their headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sparksig.errors import Problem, SchemaError
from sparksig.pipeline.config import joined
from sparksig.pipeline.dataset import LISTING_OPTIONS, MANY, Dataset, Group, Report, group_by_header
from sparksig.pipeline.dataset.footers import Footer, Schemas, collect, read_footer, read_footers
from sparksig.pipeline.dataset.listing import DataFile
from sparksig.pipeline.faults import from_spark
from sparksig.pipeline.io.escapes import restore_strings, stores_characters
from sparksig.pipeline.paths import file_system, literal_path
from sparksig.sources.observed import Field, to_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField, StructType


def quoted(name: str) -> str:
    """A column's name as Spark must be given it, whatever it holds.

    >>> quoted("a.b"), quoted("`")
    ('`a.b`', '````')
    """
    return f"`{name.replace('`', '``')}`"


def corrupt_column(spark: SparkSession, options: Mapping[str, str]) -> str:
    """The name of Spark's column for records that it could not parse."""
    lowered = {name.lower(): value for name, value in options.items()}
    default = spark.conf.get("spark.sql.columnNameOfCorruptRecord", "_corrupt_record")
    return lowered.get("columnnameofcorruptrecord") or str(default)


AS_WRITTEN = {"columnNameOfCorruptRecord": "_sparksig_corrupt_record"}
"""Options for files of our own: a column of corrupt records in them is a column like any other."""


def read_files(
    spark: SparkSession, dataset: Dataset, options: Mapping[str, str], report: Report | None = None
) -> DataFrame:
    """Read all files of a dataset.

    Args:
        spark: the session.
        dataset: the files.
        options: options of Spark's reader.
        report: receives the number of footers read.

    Raises:
        SchemaError: the files differ in a way that no schema covers.
    """
    from pyspark.sql import types as T

    path = literal_path(dataset.listing.path, spark)
    reader = spark.read.format(dataset.format).options(**options)
    if dataset.written is not None:
        schema = T.StructType.fromJson(dataset.written.schema)
        table = reader.options(**AS_WRITTEN).schema(schema).load(path).select(*map(quoted, schema.names))
        return restore_strings(table) if stores_characters(dataset.format) else table
    if dataset.has_footers:
        if dataset.schemas is None and len(dataset.data) >= MANY:
            dataset.take(_footers_by_tasks(spark, dataset))
        dataset.inspect(report)
        if dataset.is_uniform:
            return reader.load(path)
        if str(spark.conf.get("spark.sql.caseSensitive")).lower() == "true" and (problems := dataset.respelled()):
            raise SchemaError("the files cannot be read by name", problems)
        dataset.require_accepted()  # given a schema, Spark looks at a file only when it reads it
        schema = _schema_of_all(spark, dataset, options)
        return _typed(spark, dataset, schema, options)
    if dataset.format == "csv":
        groups = group_by_header(dataset.listing.files, dataset.data, options)
        if len(groups) > 1:
            return _union(spark, dataset, groups, options)
    return reader.load(path)


def _footers_by_tasks(spark: SparkSession, dataset: Dataset) -> Schemas:
    """Read the footers of many files in Spark's tasks; in this process if the tasks cannot reach the files."""
    place, form = dataset.listing.path, dataset.format

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        files = file_system(place)[0]
        for batch in batches:
            paths, names = (column.to_pylist() for column in batch.columns)
            schemas = collect((name, read_footer(files, path, form)) for path, name in zip(paths, names, strict=True))
            yield from pa.Table.from_pylist(list(_rows(schemas)), _FOOTERS).to_batches()

    rows = [(file.path, file.name) for file in dataset.data]
    files = spark.createDataFrame(rows, "path string, name string")
    try:
        footers = files.repartition(_TASKS).mapInArrow(read, _COLUMNS).collect()
    except Exception as error:
        if not from_spark(error):
            raise
        pairs = [(file.path, file.name) for file in dataset.data]
        return read_footers(dataset.listing.files, pairs, form)
    outcomes: dict[str, Footer | str] = {}
    for row in footers:
        footer = row.error or Footer(bytes(row.schema), tuple((each.path, each.kind) for each in row.rejected))
        outcomes |= dict.fromkeys(row.names, footer)
    return collect((file.name, outcomes[file.name]) for file in dataset.data)


def _rows(schemas: Schemas) -> Iterator[dict[str, Any]]:
    """The footers of a task's files, once each, as rows."""
    for footer, names in schemas.files.items():
        rejected = [{"path": path, "kind": kind} for path, kind in footer.rejected]
        yield {"names": names, "schema": footer.schema, "rejected": rejected}
    for name, error in schemas.unreadable.items():
        yield {"names": [name], "error": error}


_TASKS = 64
_COLUMNS = "names array<string>, schema binary, rejected array<struct<path: string, kind: string>>, error string"
_FOOTERS = pa.schema(
    {
        "names": pa.list_(pa.string()),
        "schema": pa.binary(),
        "rejected": pa.list_(pa.struct({"path": pa.string(), "kind": pa.string()})),
        "error": pa.string(),
    }
)


def _schema_of_all(spark: SparkSession, dataset: Dataset, options: Mapping[str, str]) -> StructType:
    """One schema for files that differ; Spark merges it where a column has a type that only Spark can name."""
    from pyspark.sql import types as T

    assert dataset.schemas is not None
    with suppress(ValueError):
        return T.StructType.fromJson(to_spark(dataset.table))
    paths = {file.name: _spark_path(spark, dataset, file.name) for file in dataset.data}
    examples = [paths[names[0]] for names in dataset.schemas.files.values()]
    plain = {name: value for name, value in options.items() if name.lower() not in LISTING_OPTIONS}
    reader = spark.read.format(dataset.format).options(**plain).option("mergeSchema", "true")
    return _with_partitions(reader.load(examples).schema, dataset.partitions)


def _typed(spark: SparkSession, dataset: Dataset, schema: StructType, options: Mapping[str, str]) -> DataFrame:
    """Read files that differ with one schema.

    A column without a value in a file has no type there, and Spark fails if it is given another file's type for it.
    Such files are read without the column.
    """
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    assert dataset.schemas is not None
    typed = {each.name.lower() for each in schema.fields if not isinstance(each.dataType, T.NullType)}
    groups: dict[frozenset[str], list[str]] = {}
    for footer, names in dataset.schemas.files.items():
        untyped = frozenset(each.name.lower() for each in footer.arrow if pa.types.is_null(each.type))
        groups.setdefault(untyped & typed, []).extend(names)
    if set(groups) == {frozenset()}:
        path = literal_path(dataset.listing.path, spark)
        reader = spark.read.format(dataset.format).options(**options)
        return reader.schema(schema).load(path).select(*map(quoted, schema.names))
    listing = {"basePath": literal_path(dataset.listing.path, spark)} if dataset.partitions else {}
    plain = {name: value for name, value in options.items() if name.lower() not in LISTING_OPTIONS} | listing
    frames = []
    for untyped, names in groups.items():
        known = T.StructType([each for each in schema.fields if each.name.lower() not in untyped])
        reader = spark.read.format(dataset.format).options(**plain).schema(known)
        rows = reader.load([_spark_path(spark, dataset, name) for name in names])
        columns = [
            F.lit(None).cast(each.dataType).alias(each.name)
            if each.name.lower() in untyped
            else F.col(quoted(each.name))
            for each in schema.fields
        ]
        frames.append(rows.select(*columns))
    return reduce(lambda one, other: one.unionByName(other), frames)


def _spark_path(spark: SparkSession, dataset: Dataset, name: str) -> str:
    """The path of one file, as Spark must be given it."""
    path = dataset.listing.path
    return literal_path(path if dataset.listing.is_file else joined(path, name), spark)


def _with_partitions(schema: StructType, partitions: Sequence[Field]) -> StructType:
    """Add partition columns to the columns of files, where a column of the same name is replaced by them."""
    from pyspark.sql import types as T

    fields = {each.name.lower(): _spark_field(each) for each in partitions}
    kept = [fields.pop(each.name.lower(), each) for each in schema.fields]
    return T.StructType([*kept, *fields.values()])


def _spark_field(field: Field) -> StructField:
    from pyspark.sql import types as T

    return T.StructField.fromJson({"name": field.name, "type": str(field.type), "nullable": True, "metadata": {}})


def _union(spark: SparkSession, dataset: Dataset, groups: Sequence[Group], options: Mapping[str, str]) -> DataFrame:
    """Read CSV files group by group, and put their rows together by the names of the columns."""
    from pyspark.sql import types as T

    names = {name.lower() for group in groups for name in group.names}
    if both := sorted(each.name for each in dataset.partitions if each.name.lower() in names):
        problems = [Problem(name, "is a partition column and in the headers, which differ") for name in both]
        raise SchemaError("the CSV files cannot be read by name", problems)
    listing = {"basePath": literal_path(dataset.listing.path, spark)} if dataset.partitions else {}
    plain = {name: value for name, value in options.items() if name.lower() not in LISTING_OPTIONS} | listing

    def read(files: Sequence[DataFile], schema: StructType | None) -> DataFrame:
        reader = spark.read.format("csv").options(**plain)
        paths = [_spark_path(spark, dataset, file.name) for file in files]
        return (reader if schema is None else reader.schema(schema)).load(paths)

    kinds: dict[str, Any] = {}
    files: dict[tuple[str, ...], list[DataFile]] = {}
    for group in groups:
        schema = _with_partitions(read(group.files, None).schema, dataset.partitions)
        lowered = [name.lower() for name in schema.names]
        if repeated := sorted({name for name in lowered if lowered.count(name) > 1}):
            fact = f"the headers of CSV files differ, and one of them repeats: {', '.join(repeated)}"
            raise SchemaError("the CSV files cannot be read by name", [Problem(dataset.flag, fact)])
        for each in schema.fields:
            key = each.name.lower()
            kinds[key] = _wider(kinds[key], each.dataType) if key in kinds else each.dataType
        files.setdefault(tuple(schema.names), []).extend(group.files)
    partitions = {each.name.lower() for each in dataset.partitions}
    dataset.take_groups(
        [
            Group(tuple(name for name in names if name.lower() not in partitions), tuple(members))
            for names, members in files.items()
        ]
    )
    frames = [
        read(members, T.StructType([T.StructField(name, kinds[name.lower()]) for name in names]))
        for names, members in files.items()
    ]
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)


def _wider(one: Any, other: Any) -> Any:
    """The type for a column whose values Spark infers as two types in two groups of files."""
    from pyspark.sql import types as T

    if one == other:
        return one
    for ordered in ((T.IntegerType, T.LongType, T.DoubleType), (T.DateType, T.TimestampType)):
        kinds = [type(kind) for kind in (one, other)]
        if all(kind in ordered for kind in kinds):
            return ordered[max(map(ordered.index, kinds))]()
    return T.StringType()
