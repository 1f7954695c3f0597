"""The dataset that a path names: which files, with which schema, as Spark reads them. Needs no Spark."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from sparksig.errors import Code, ConfigError, Problem, SchemaError
from sparksig.pipeline.dataset.footers import FORMATS, Difference, Report, Schemas, merge, read_footers, table_of
from sparksig.pipeline.dataset.headers import Group
from sparksig.pipeline.dataset.listing import DataFile, Listing, can_list, list_files, some_of
from sparksig.pipeline.dataset.partitions import partition_fields
from sparksig.pipeline.dataset.written import RUN_FOLDER, Written, written_below, written_in
from sparksig.pipeline.paths import file_system, has_file_system
from sparksig.redaction import masked
from sparksig.sources.observed import Field, StructType, table_from_spark

BAR = 300
"""From how many files on the progress of reading footers is reported."""

MANY = 4000
"""From how many files on Spark's tasks read the footers, where there is a session."""


@dataclass(slots=True)
class Dataset:
    """The files of a path, as Spark reads them.

    Attributes:
        flag: the option that names the path, for messages.
        listing: the files.
        format: Spark's format of the files.
        written: the schema that a run has written the files with; None for other files.
        schemas: the footers of the files, once they have been read; None for formats without footers.
        lacking: columns that some files lack.
    """

    flag: str
    listing: Listing
    format: str
    written: Written | None = None
    schemas: Schemas | None = None
    lacking: list[Difference] = field(default_factory=list)
    _columns: StructType | None = None
    _uniform: bool = True

    @property
    def data(self) -> tuple[DataFile, ...]:
        """The files that Spark reads."""
        return self.listing.data

    @property
    def partitions(self) -> tuple[Field, ...]:
        """The partition columns, typed as Spark types them."""
        return partition_fields(self.listing.folders)

    @property
    def has_footers(self) -> bool:
        """Whether each file has a schema of its own."""
        return self.format in FORMATS

    def inspect(self, report: Report | None = None) -> Dataset:
        """Read the footers of all files, unless they have been read.

        Raises:
            ConfigError: a file cannot be read.
            SchemaError: the type of a column differs between files.
        """
        if self.schemas is None:
            report = report if len(self.data) >= BAR else None
            pairs = [(file.path, file.name) for file in self.data]
            self.take(read_footers(self.listing.files, pairs, self.format, report))
        return self

    def take(self, schemas: Schemas) -> None:
        """Take the footers, as `inspect` does."""
        self.schemas = schemas
        if schemas.unreadable:
            raise self._unreadable(schemas.unreadable)
        self._columns, differences = merge(schemas)
        self._uniform = len({(table_of(footer.arrow), footer.rejected) for footer in schemas.files}) == 1
        self.lacking = [each for each in differences if each.types is None]
        if problems := [self._conflict(each) for each in differences if each.types is not None]:
            raise SchemaError("the types of columns differ between files", problems)

    def take_groups(self, groups: Sequence[Group]) -> None:
        """Take the headers of CSV files, which must have a column in common.

        Args:
            groups: the files by the names that Spark gives their columns: it numbers names that a header repeats.

        Raises:
            SchemaError: they have none.
        """
        sizes = sorted(groups, key=lambda group: -len(group.files))
        common = {name.lower() for name in sizes[0].names}
        problems = [
            Problem(
                self.flag,
                f"the header of {some_of([file.name for file in group.files])} has no column of the others",
                Code.MISSING_COLUMN,
                "is the header missing? give all files one, or read them apart",
            )
            for group in sizes[1:]
            if not common.intersection(name.lower() for name in group.names)
        ]
        if problems:
            raise SchemaError("the headers of CSV files differ", problems)
        spelled = {name.lower(): name for group in reversed(groups) for name in reversed(group.names)}
        for name in dict.fromkeys(name.lower() for group in groups for name in group.names):
            without = [group for group in groups if name not in map(str.lower, group.names)]
            if without:
                files = sorted(file.name for group in without for file in group.files)
                self.lacking.append(Difference(spelled[name], tuple(files)))

    @property
    def is_uniform(self) -> bool:
        """Whether the schema of any file is that of all."""
        return self._uniform

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about files that differ."""
        return [
            f"{self.listing.path}: column {each.path} is missing in {len(each.files)} of {len(self.data)} files"
            f" ({some_of(each.files)}); their rows have null in it"
            for each in self.lacking
        ]

    def warn(self) -> None:
        """Emit the warnings."""
        for text in self.warnings:
            warnings.warn(masked(text), stacklevel=3)

    @property
    def table(self) -> StructType:
        """The schema that Spark shows: a partition column takes the place of a column of the files with its name."""
        if self.written is not None:
            return table_from_spark(self.written.schema)
        assert self._columns is not None
        by_name = {each.name.lower(): each for each in self.partitions}
        kept = [by_name.pop(each.name.lower(), each) for each in self._columns.fields]
        return StructType((*kept, *by_name.values()))

    def rejected(self) -> list[Problem]:
        """The columns because of which Spark rejects files, one problem each."""
        columns: dict[tuple[str, str], list[str]] = {}
        for footer, names in (self.schemas.files if self.schemas else {}).items():
            for column in footer.rejected:
                columns.setdefault(column, []).extend(names)
        alike = {
            " and ".join(names): None
            for footer in (self.schemas.files if self.schemas else ())
            for names in _alike(footer.arrow.names)
        }
        return [
            *(
                Problem(
                    name,
                    "differ by case only, and Spark rejects files that have both",
                    Code.DUPLICATE_COLUMN,
                    "rename one of them in the files",
                )
                for name in alike
            ),
            *(
                Problem(
                    path,
                    f"Spark does not read {kind}, and rejects files that have it: {some_of(sorted(names))}",
                    Code.UNSUPPORTED_TYPE,
                    _REWRITE.get(kind, "leave the column out of the files, or write another type"),
                )
                for (path, kind), names in columns.items()
            ),
        ]

    def respelled(self) -> list[Problem]:
        """Columns whose names differ by case between files: a session that distinguishes case reads one only."""
        names = {name for footer in (self.schemas.files if self.schemas else ()) for name in footer.arrow.names}
        hint = "set spark.sql.caseSensitive to false, or write the column with one name in all files"
        fact = "differ by case only between files, and spark.sql.caseSensitive is set"
        return [Problem(" and ".join(each), fact, Code.AMBIGUOUS_COLUMN, hint) for each in _alike(sorted(names))]

    def require_accepted(self) -> Dataset:
        """Raise if Spark rejects files because of a column.

        Raises:
            SchemaError: it does; every column is listed.
        """
        if problems := self.rejected():
            raise SchemaError("Spark rejects the files", problems)
        return self

    def _conflict(self, each: Difference) -> Problem:
        here, there = each.types or ("", "")
        fact = f"is {there} in {some_of(each.files)}, and {here} in other files"
        return Problem(each.path, fact, Code.INCOMPATIBLE_TYPE, "write the column with one type in all files")

    def _unreadable(self, files: Mapping[str, str]) -> ConfigError:
        form = {"parquet": "Parquet", "orc": "ORC"}[self.format]
        names = sorted(files)
        error = files[names[0]]
        if len(names) == len(self.data):
            fact = f"no {form} file is at {self.listing.path}, or it is damaged ({error})"
            hint = f"--format names the format if it is not {form}" if self.flag == "--input" else None
        else:
            which = f"are not {form} files, or are" if len(names) > 1 else f"is not of the format {form}, or is"
            fact, hint = f"{some_of(names)} {which} damaged ({error})", "write the file again, or remove it"
        return ConfigError("the table cannot be read", [Problem(self.flag, fact, hint=hint)])


def _alike(names: Sequence[str]) -> list[list[str]]:
    """Names that differ by case only.

    >>> _alike(["a", "b", "A"])
    [['a', 'A']]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.lower(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


_REWRITE = {
    "nanoseconds": "write microseconds, in pandas to_parquet(path, coerce_timestamps='us',"
    " allow_truncated_timestamps=True)",
}


def open_dataset(
    flag: str,
    path: str,
    form: str,
    options: Mapping[str, str] | None = None,
    choose: Callable[[], Collection[str]] | None = None,
) -> Dataset | None:
    """List the files of a path; None where only Spark knows the file system, or which files it will choose.

    Args:
        flag: the option that names the path, for messages.
        path: a file or a folder.
        form: Spark's format.
        options: options of Spark's reader.
        choose: asks Spark which files it chooses where only Spark knows.

    Raises:
        ConfigError: as `list_files`.
    """
    chosen = None
    if not has_file_system(path):
        return None
    if not can_list(options or {}):
        if choose is None:
            return None
        chosen = choose()
    listing = list_files(flag, path, options, chosen)
    written = written_in(listing.files, listing.root, form)
    if written is None and listing.folders and all(values[0].name == RUN_FOLDER for values in listing.folders):
        runs = sorted({values[0].raw for values in listing.folders})
        written = written_below(listing.files, listing.root, runs, form)
    return Dataset(flag, listing, form, written)


def parquet_table(
    flag: str, path: str, options: Mapping[str, str] | None = None, report: Report | None = None
) -> StructType:
    """The schema that Spark shows for a Parquet file or folder; raises and warns as `parquet_dataset`."""
    return parquet_dataset(flag, path, options, report).table


def parquet_dataset(
    flag: str, path: str, options: Mapping[str, str] | None = None, report: Report | None = None
) -> Dataset:
    """A Parquet file or folder, with all footers read, without a JVM. Warns of columns that some files lack.

    Args:
        flag: the option that names the path, for messages.
        path: a file or a folder.
        options: options of Spark's reader.
        report: receives the number of footers read.

    Raises:
        ConfigError: nothing is there, or it is not Parquet, or Spark would not read all of it.
        SchemaError: files differ in the types of columns.
    """
    try:
        dataset = open_dataset(flag, path, "parquet", options)
        if dataset is None:
            hint = "sparksig validate --plan-only has Spark read the schema"
            raise ConfigError("the table cannot be read", [Problem(flag, f"only Spark can list {path}", hint=hint)])
        dataset.inspect(report)
    except ConfigError as error:
        if not _is_model(path):
            raise
        problem = Problem(flag, f"{path} is a model, not a table", hint="name the signature first, then the table")
        raise ConfigError(error.message, [problem]) from None
    dataset.warn()
    return dataset


def _is_model(path: str) -> bool:
    if not has_file_system(path):
        return False
    files, inner = file_system(path)
    return bool(files.get_file_info(f"{inner.rstrip('/')}/MLmodel").type == pafs.FileType.File)
