"""Sinks on a file system: `<folder>/run_id=<id>/`, staged beside it, marked as ours, replaced whole or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from sparksig.errors import ConfigError, Problem, SinkError
from sparksig.pipeline.config import plain_path
from sparksig.signature.dtypes import SPARK
from sparksig.sources.observed import Field, ScalarType, StructType, table_from_arrow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MARKER = "_sparksig.json"
"""The file that says that a run's folder is ours; a name with an underscore is no data to Spark."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_GLOB = re.compile(r"([\[\]{}*?\\])")
_MISSING = pafs.FileType.NotFound


@dataclass(slots=True)
class Sink:
    """One run's folder under an output folder.

    Rows are staged, then put in the run's place; what an earlier attempt left there is kept until `settle`, and
    `undo` puts it back.

    Attributes:
        folder: the output folder.
        run_id: the run.
        kind: what lies there: `scored` or `quarantine`.
        begun: whether this run has touched anything.
        committed: whether the staged rows have taken their place.
        made_folder: whether the output folder was not there before.
    """

    folder: str
    run_id: str
    kind: str
    begun: bool = False
    committed: bool = False
    made_folder: bool = False

    @property
    def final(self) -> str:
        """Where the run's rows lie once the run is committed."""
        return f"{self.folder.rstrip('/')}/run_id={self.run_id}"

    @property
    def staging(self) -> str:
        """Where they are written first; hidden from readers of the folder."""
        return f"{self.folder.rstrip('/')}/_staging-{self.run_id}"

    @property
    def former(self) -> str:
        """Where an earlier attempt's rows wait while they are being replaced."""
        return f"{self.folder.rstrip('/')}/_former-{self.run_id}"

    def faults(self) -> Iterator[Problem]:
        """What keeps this run from writing here: what is not ours, what is no folder, what may not be written."""
        yield from unwritable(self.folder, folder=True)
        for place in (self.final, self.staging, self.former):
            files, path = _at(place)
            if files.get_file_info(path).type != _MISSING and not self._marked(files, path):
                hint = "name another folder or run id, or move what lies there"
                yield Problem(place, f"exists and has no {MARKER} of this run", hint=hint)

    def write(self, rows: DataFrame) -> None:
        """Write rows to the staging folder."""
        files, folder = _at(self.folder)
        self.begun, self.made_folder = True, files.get_file_info(folder).type == _MISSING
        self._recover()
        self._remove(self.staging)
        _, path = _at(self.staging)
        files.create_dir(path, recursive=True)
        with files.open_output_stream(f"{path}/{MARKER}") as out:  # first: what a killed run leaves is known as ours
            out.write(json.dumps({"run_id": self.run_id, "kind": self.kind, "version": 1}).encode())
        rows.write.mode("append").parquet(spark_path(self.staging))

    def read_back(self, spark: SparkSession, rows: DataFrame) -> DataFrame:
        """What was written, read with the schema that was written."""
        return spark.read.schema(rows.schema).parquet(literal_path(self.staging))

    def commit(self) -> None:
        """Make the staged rows the run's rows; an earlier attempt's are set aside.

        Raises:
            SinkError: what lies there by now is not ours.
        """
        files, final = _at(self.final)
        if files.get_file_info(final).type != _MISSING:
            if not self._marked(files, final):
                appeared = Problem(self.final, "appeared while the run was under way")
                raise SinkError("the output would replace what is not ours", [appeared])
            files.move(final, _at(self.former)[1])
        files.move(_at(self.staging)[1], final)
        self.committed = True

    def settle(self) -> None:
        """Remove what an earlier attempt of the run had written: there is no way back from here."""
        self._remove(self.former)

    def undo(self) -> None:
        """Leave everything as it was before the run; nothing at all is done if it has touched nothing."""
        if not self.begun:
            return
        if self.committed:
            self._remove(self.final)
            self.committed = False
        self._remove(self.staging)
        self._recover()
        files, folder = _at(self.folder)
        if self.made_folder and isinstance(files, pafs.LocalFileSystem):
            try:
                os.rmdir(folder)
            except OSError:  # another run's rows lie there by now
                return

    def _recover(self) -> None:
        """Put rows back that were being replaced when a run died, unless it had got so far as to replace them."""
        files, former = _at(self.former)
        final = _at(self.final)[1]
        if files.get_file_info(former).type != _MISSING and self._marked(files, former):
            if files.get_file_info(final).type == _MISSING:
                files.move(former, final)
            else:
                self._remove(self.former)

    def _remove(self, place: str) -> None:
        files, path = _at(place)
        if files.get_file_info(path).type != _MISSING and self._marked(files, path):
            files.delete_dir(path)

    def _marked(self, files: pafs.FileSystem, path: str) -> bool:
        try:
            with files.open_input_stream(f"{path}/{MARKER}") as marker:
                found = json.loads(marker.read())
        except (OSError, ValueError):
            return False
        return isinstance(found, dict) and (found.get("run_id"), found.get("kind")) == (self.run_id, self.kind)


# ---- what a run reads


def missing(flag: str, path: str) -> Iterator[Problem]:
    """Say so if there is nothing at a path. A file system that only Spark knows is left to Spark."""
    try:
        files, inner = _at(path)
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
    files, inner = _at(path)
    try:
        texts = ds.HivePartitioning.discover(infer_dictionary=True)
        found = ds.dataset(inner, filesystem=files, format="parquet", partitioning=texts)
    except (pa.ArrowException, OSError) as error:
        problem = Problem(flag, f"no Parquet file or directory lies at {path} ({type(error).__name__})")
        raise ConfigError("the table cannot be read", [problem]) from None
    if not found.files:
        raise ConfigError("the table cannot be read", [Problem(flag, f"no Parquet file lies in {path}")])
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
    files, inner = _at(path)
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
        return ds.dataset(inner, filesystem=files, format="parquet", partitioning="hive").to_table()
    except (pa.ArrowException, OSError, ValueError) as error:  # their words may hold a value
        hint = "a Parquet file or directory, or a file that ends in .csv, .json or .jsonl"
        problem = Problem(flag, f"{path} cannot be read as examples ({type(error).__name__})", hint=hint)
        raise ConfigError("the examples cannot be read", [problem]) from None


def has_file_system(path: str) -> bool:
    """Whether a path can be looked at without Spark."""
    try:
        _at(path)
    except SinkError:
        return False
    return True


# ---- what a run writes


def unwritable(path: str, folder: bool = False) -> Iterator[Problem]:
    """Say so if a file or folder cannot come to lie at a path, as far as that can be told without writing."""
    files, inner = _at(path)
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
    files, inner = _at(path)
    part = f"{inner}.part"
    try:
        files.create_dir(os.path.dirname(inner), recursive=True)
        with files.open_output_stream(part) as out:
            out.write(text.encode("utf-8"))
        files.move(part, inner)
    except OSError as error:
        raise SinkError("a file cannot be written", [Problem(path, error.strerror or type(error).__name__)]) from None


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


def _at(path: str) -> tuple[pafs.FileSystem, str]:
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
