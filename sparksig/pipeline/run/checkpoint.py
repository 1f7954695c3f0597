"""What a run looks for in a stream's checkpoint: what its batches are called, and whether their files are still there.

Spark reads a batch that it has planned without the files that have gone since, and says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow.fs as pafs

from sparksig.errors import AccountingError, Problem, SinkError
from sparksig.pipeline.accounting import Digest, digest, together
from sparksig.pipeline.config import joined
from sparksig.pipeline.io import file_system, write_text
from sparksig.pipeline.sinks import Sink

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NAME = "_sparksig.json"
"""The file in a checkpoint that says what its batches are called, wherever the checkpoint is moved to."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder in which Spark keeps how far it has read.

    Attributes:
        folder: where it is. One on a file system that only Spark knows is not looked into.
    """

    folder: str

    def named(self) -> str | None:
        """What the runs of its batches begin with, if it has been said."""
        lines = self._lines(NAME)
        try:
            return str(json.loads("".join(lines))["run_id"]) if lines else None
        except (ValueError, KeyError, TypeError):
            return None

    def name(self, run_id: str) -> None:
        """Say so."""
        if self._files() is not None:
            write_text(joined(self.folder, NAME), json.dumps({"run_id": run_id}))

    def require_files(self, number: int) -> None:
        """Look for the files of a batch. It is called once Spark has listed them: what goes later fails the reading.

        Raises:
            AccountingError: some of them are gone.
        """
        paths = self.paths(number)
        gone = sum(not _is_there(path) for path in paths)
        if gone:
            hint = "bring them back; what has gone for good wants a new checkpoint and new outputs"
            fact = f"{gone} of the {len(paths)} files that Spark has planned for this batch are gone"
            raise AccountingError("rows of the source are lost", [Problem("--input", fact, hint=hint)])

    def paths(self, number: int) -> list[str]:
        """The files of a batch, as Spark's source of files has put them down; none where another source is read."""
        last, before = self._offset(number), self._offset(number - 1)
        if last is None:
            return []
        first = 0 if before is None else before + 1
        logs = (self._lines(f"sources/0/{at}{kind}") for at in range(first, last + 1) for kind in ("", ".compact"))
        found = [entry for lines in logs for entry in _entries(lines)]
        return sorted({str(entry["path"]) for entry in found if first <= entry.get("batchId", -1) <= last})

    def _offset(self, number: int) -> int | None:
        """How far into the list of files a batch reaches."""
        return next((entry["logOffset"] for entry in _entries(self._lines(f"offsets/{number}"))), None)

    def _lines(self, name: str) -> list[str]:
        files = self._files()
        if files is None:
            return []
        try:
            with files[0].open_input_stream(f"{files[1].rstrip('/')}/{name}") as stream:
                return bytes(stream.read()).decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _files(self) -> tuple[pafs.FileSystem, str] | None:
        try:
            return file_system(self.folder)
        except SinkError:
            return None


def require_same_rows(
    spark: SparkSession, sinks: Mapping[str, Sink], rows: Mapping[str, DataFrame], source: Digest, width: int
) -> None:
    """Hold a batch against the one of its number that was committed before, if there is one.

    A batch that comes again has the rows that it had. One that has others, because the checkpoint was put back to what
    it was once, or because another condition is asked for, would take the place of rows that no other batch has.

    Args:
        spark: the session.
        sinks: the run's sinks, by kind.
        rows: what was written to them this time.
        source: the digest of the batch.
        width: how many of the first columns are the source's.

    Raises:
        AccountingError: the one that was committed had other rows.
    """
    there = {kind: sink for kind, sink in sinks.items() if sink.attempt_at(sink.final) is not None}
    if not there:
        return
    held = [
        digest(sink.read_back(spark, rows[kind], sink.final), rows[kind].schema.fields[:width])
        for kind, sink in there.items()
    ]
    if together(held) != source:
        fact = "was committed with other rows than this batch has"
        hint = "is the checkpoint an older copy, or was --where changed? a new checkpoint and new outputs lose nothing"
        problems = [Problem(sink.final, fact, hint=hint) for sink in there.values()]
        raise AccountingError("a batch of a stream cannot be replaced by other rows", problems)


def _entries(lines: list[str]) -> Iterator[dict[str, Any]]:
    """The lines of a log of Spark's that are of its source of files."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # the version
            continue
        if isinstance(entry, dict) and ("path" in entry or isinstance(entry.get("logOffset"), int)):
            yield entry


def _is_there(path: str) -> bool:
    """Whether a file is there; one on a file system that only Spark knows is taken to be."""
    try:
        files, inner = file_system(path)
        if isinstance(files, pafs.LocalFileSystem):
            inner = unquote(inner)
        return bool(files.get_file_info(inner).type != pafs.FileType.NotFound)
    except (SinkError, OSError):
        return True
