"""Sinks on a file system: `<folder>/run_id=<id>/`, staged beside it, marked as ours, replaced as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

from sparksig.errors import ConfigError, Problem, SinkError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MARKER = "_sparksig.json"
"""The file that says that a run's folder is ours; a name with an underscore is no data to Spark."""


@dataclass(frozen=True, slots=True)
class Sink:
    """One run's folder under an output folder.

    Attributes:
        folder: the output folder.
        run_id: the run.
        kind: what lies there: `scored` or `quarantine`.
    """

    folder: str
    run_id: str
    kind: str

    @property
    def final(self) -> str:
        """Where the run's rows lie once the run is committed."""
        return f"{self.folder.rstrip('/')}/run_id={self.run_id}"

    @property
    def staging(self) -> str:
        """Where they are written first; hidden from readers of the folder."""
        return f"{self.folder.rstrip('/')}/_staging-{self.run_id}"

    def require_ours(self) -> None:
        """Refuse a folder that this run must not replace.

        Raises:
            SinkError: the run's folder exists and was not written by a run of this id.
        """
        files, path = _at(self.final)
        if files.get_file_info(path).type == pafs.FileType.NotFound or self._marked(files, path):
            return
        hint = "name another folder or run id, or move what lies there"
        fact = f"exists and has no {MARKER} of this run"
        raise SinkError("the output would replace what is not ours", [Problem(self.final, fact, hint=hint)])

    def write(self, rows: DataFrame) -> None:
        """Write rows to the staging folder."""
        self.discard()
        rows.write.mode("errorifexists").parquet(self.staging)
        files, path = _at(f"{self.staging}/{MARKER}")
        with files.open_output_stream(path) as out:
            out.write(json.dumps({"run_id": self.run_id, "kind": self.kind, "version": 1}).encode())

    def read_back(self, spark: SparkSession, rows: DataFrame) -> DataFrame:
        """What was written, read with the schema that was written."""
        return spark.read.schema(rows.schema).parquet(self.staging)

    def commit(self) -> None:
        """Make the staged rows the run's rows, in place of an earlier attempt's."""
        self.require_ours()
        files, final = _at(self.final)
        _, staging = _at(self.staging)
        if files.get_file_info(final).type != pafs.FileType.NotFound:
            files.delete_dir(final)
        files.move(staging, final)

    def discard(self) -> None:
        """Remove what was staged."""
        files, path = _at(self.staging)
        if files.get_file_info(path).type != pafs.FileType.NotFound:
            files.delete_dir(path)

    def _marked(self, files: pafs.FileSystem, path: str) -> bool:
        try:
            with files.open_input_stream(f"{path}/{MARKER}") as marker:
                found = json.loads(marker.read())
        except (OSError, ValueError):
            return False
        return isinstance(found, dict) and (found.get("run_id"), found.get("kind")) == (self.run_id, self.kind)


def require_path(flag: str, path: str) -> None:
    """Refuse a path at which there is nothing.

    Raises:
        ConfigError: nothing is there.
    """
    files, inner = _at(path)
    if files.get_file_info(inner).type == pafs.FileType.NotFound:
        raise ConfigError("the job cannot be run as configured", [Problem(flag, f"nothing lies at {path}")])


def parquet_schema(path: str) -> pa.Schema:
    """The schema of a Parquet file or directory, read from its footers without a JVM.

    Raises:
        ConfigError: nothing is there, or what is there is no Parquet.
    """
    import pyarrow.dataset as ds

    require_path("TABLE", path)
    files, inner = _at(path)
    try:
        found = ds.dataset(inner, filesystem=files, format="parquet", partitioning="hive")
    except (pa.ArrowException, OSError) as error:
        problem = Problem("TABLE", f"no Parquet file or directory lies at {path} ({type(error).__name__})")
        raise ConfigError("the table's schema cannot be read", [problem]) from None
    if not found.files:
        raise ConfigError("the table's schema cannot be read", [Problem("TABLE", f"no Parquet file lies in {path}")])
    return found.schema


def write_text(path: str, text: str) -> None:
    """Write a small file so that a reader sees the old one or the new one, never half."""
    files, inner = _at(path)
    files.create_dir(str(Path(inner).parent), recursive=True)
    with files.open_output_stream(f"{inner}.part") as out:
        out.write(text.encode("utf-8"))
    files.move(f"{inner}.part", inner)


def spark_path(path: str) -> str:
    """A path as Spark must be given it: absolute, so that it does not depend on where the JVM was started."""
    return path if "://" in path else str(Path(path).absolute())


def _at(path: str) -> tuple[pafs.FileSystem, str]:
    try:
        files, inner = pafs.FileSystem.from_uri(spark_path(path))
    except (ValueError, OSError) as error:
        raise SinkError("no file system for this path", [Problem(path, type(error).__name__)]) from error
    return files, inner
