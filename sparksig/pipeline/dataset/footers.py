"""The schemas of Parquet and ORC files, read from their footers, and one schema for all of them.

Spark takes the schema of one file for all. Here every footer counts: a column that some files lack is read as null
there, and a column whose type differs between files is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from sparksig.signature.dtypes import SPARK
from sparksig.sources.observed import (
    ArrayType,
    Field,
    MapType,
    ObservedType,
    OtherType,
    ScalarType,
    StructType,
    rejected_by_spark,
    table_from_arrow,
)

Report = Callable[[int, int], None]
"""Receives the number of footers that have been read, and of all."""

FORMATS = ("parquet", "orc")
"""Formats whose files have a schema each."""

_THREADS = 16
_NULL = OtherType("void")
"""The type of a column without a value in a file. Spark reads it in the type that other files have, else as integer."""

_ROW_METADATA = b"org.apache.spark.sql.parquet.row.metadata"


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer of one file declares.

    Attributes:
        schema: the Arrow schema, serialized, with Spark's own schema in its metadata if there is one.
        rejected: columns because of which Spark rejects the file, and why.
    """

    schema: bytes
    rejected: tuple[tuple[str, str], ...] = ()

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema."""
        return pa.ipc.read_schema(pa.py_buffer(self.schema))


@dataclass(slots=True)
class Schemas:
    """The distinct footers of a dataset.

    Attributes:
        files: the files of each footer, in the order in which the footers first appear.
        unreadable: files whose footer cannot be read, and the class of the error.
    """

    files: dict[Footer, list[str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """A column that is not the same in all files.

    Attributes:
        path: the column, or a field in it, such as `address.zip`.
        files: the files that lack it or have another type.
        types: the type here and in those files; None where it is missing.
        top: whether it is a column rather than a field.
    """

    path: str
    files: tuple[str, ...]
    types: tuple[str, str] | None = None


def read_footer(files: pafs.FileSystem, path: str, form: str) -> Footer | str:
    """Read one footer; the class of the error if it cannot be read."""
    try:
        if form == "orc":
            import pyarrow.orc

            with files.open_input_file(path) as source:
                return Footer(pyarrow.orc.ORCFile(source).schema.remove_metadata().serialize().to_pybytes())
        declared = pq.read_metadata(path, filesystem=files).schema
        schema = declared.to_arrow_schema()
        own = (schema.metadata or {}).get(_ROW_METADATA)
        kept = schema.remove_metadata().with_metadata({_ROW_METADATA: own}) if own else schema.remove_metadata()
        return Footer(kept.serialize().to_pybytes(), rejected_by_spark(declared))
    except (pa.ArrowException, OSError) as error:
        return type(error).__name__


def read_footers(
    files: pafs.FileSystem, paths: Sequence[tuple[str, str]], form: str, report: Report | None = None
) -> Schemas:
    """Read all footers, several at a time.

    Args:
        files: the file system.
        paths: the path of each file, and its name in messages.
        form: `parquet` or `orc`.
        report: receives the progress.
    """
    with ThreadPoolExecutor(min(_THREADS, len(paths) or 1)) as pool:
        footers = pool.map(lambda pair: read_footer(files, pair[0], form), paths)
        return collect(((name, footer) for (_, name), footer in zip(paths, footers, strict=True)), report, len(paths))


def collect(footers: Iterable[tuple[str, Footer | str]], report: Report | None = None, total: int = 0) -> Schemas:
    """Group files by their footer.

    Args:
        footers: the name of each file, and its footer or the class of an error.
        report: receives the progress.
        total: how many there are.
    """
    schemas = Schemas()
    for number, (name, footer) in enumerate(footers, 1):
        if isinstance(footer, str):
            schemas.unreadable[name] = footer
        else:
            schemas.files.setdefault(footer, []).append(name)
        if report is not None and (number % 50 == 0 or number == total):
            report(number, total)
    return schemas


def merge(schemas: Schemas) -> tuple[StructType, list[Difference]]:
    """One schema for all files, in the order in which columns first appear, and where the files differ from it."""
    tables: dict[StructType, list[str]] = {}
    for footer, names in schemas.files.items():
        tables.setdefault(table_of(footer.arrow), []).extend(names)
    merged = StructType(())
    for table in tables:
        merged = _merged(merged, table) if merged.fields else table
    merged = _typed(merged)
    differences: dict[tuple[str, tuple[str, str] | None], list[str]] = {}
    for table, names in tables.items():
        for path, types in _differences(merged, table, ""):
            differences.setdefault((path, types), []).extend(names)
    lacking = {path.lower() for path, types in differences if types is None}
    kept = [Field(one.name, one.type, one.nullable or one.name.lower() in lacking) for one in merged.fields]
    return StructType(tuple(kept)), [
        Difference(path, tuple(sorted(names)), types) for (path, types), names in differences.items()
    ]


def finder(fields: Sequence[Field]) -> Callable[[str], Field | None]:
    """Find the field of a name; if there is none, one whose name differs by case only."""
    exact = {each.name: each for each in fields}
    lowered = {each.name.lower(): each for each in fields}
    return lambda name: exact.get(name) or lowered.get(name.lower())


def _typed(kind: Any) -> Any:
    """Replace what has no type in any file by what Spark shows: such columns are stored as integers."""
    match kind:
        case StructType(fields):
            return StructType(tuple(Field(each.name, _typed(each.type), each.nullable) for each in fields))
        case ArrayType(element, nulls):
            return ArrayType(_typed(element), nulls)
        case MapType(key, value, nulls):
            return MapType(_typed(key), _typed(value), nulls)
        case _:
            return ScalarType(SPARK["integer"]) if kind == _NULL else kind


def table_of(schema: pa.Schema) -> StructType:
    """The table that Spark shows for a file with this Arrow schema: it does not know the types that only Arrow has."""
    if _ROW_METADATA in (schema.metadata or {}):
        return table_from_arrow(schema)
    return table_from_arrow(pa.schema([each.with_type(_stored(each.type)) for each in schema]))


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type that a Parquet file stores for a type that only Arrow has."""
    import pyarrow.types as t

    if isinstance(kind, pa.BaseExtensionType):
        return _stored(kind.storage_type)
    if t.is_duration(kind):
        return pa.int64()
    if t.is_struct(kind):
        return pa.struct([each.with_type(_stored(each.type)) for each in kind.fields])
    if t.is_map(kind):
        return pa.map_(_stored(kind.key_type), kind.item_field.with_type(_stored(kind.item_type)))
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_stored(kind.value_type)))
    return kind


def _merged(one: Any, other: Any) -> Any:
    """Add fields that only another type has, at any depth. Names are compared without case, as Spark does."""
    match one, other:
        case StructType(fields), StructType(more):
            find, names = finder(more), {each.name.lower() for each in fields}
            both = [
                Field(each.name, _merged(each.type, match.type), each.nullable or match.nullable)
                if (match := find(each.name))
                else Field(each.name, each.type, True)
                for each in fields
            ]
            added = [Field(each.name, each.type, True) for each in more if each.name.lower() not in names]
            return StructType((*both, *added))
        case ArrayType(element, nulls), ArrayType(inner, more_nulls):
            return ArrayType(_merged(element, inner), nulls or more_nulls)
        case MapType(key, value, nulls), MapType(other_key, other_value, more_nulls):
            return MapType(_merged(key, other_key), _merged(value, other_value), nulls or more_nulls)
        case _:
            return other if one == _NULL else one


def _differences(merged: ObservedType, table: ObservedType, path: str) -> Iterator[tuple[str, tuple[str, str] | None]]:
    match merged, table:
        case StructType(fields), StructType(own):
            find = finder(own)
            for each in fields:
                inner = f"{path}.{each.name}" if path else each.name
                match = find(each.name)
                if match is None:
                    yield inner, None
                else:
                    yield from _differences(each.type, match.type, inner)
        case ArrayType(element), ArrayType(inner):
            yield from _differences(element, inner, f"{path}[]")
        case MapType(key, value), MapType(other_key, other_value):
            yield from _differences(key, other_key, f"{path}{{}}")
            yield from _differences(value, other_value, f"{path}{{}}")
        case _:
            if str(merged) != str(table) and table != _NULL:
                yield path, (str(merged), str(table))
