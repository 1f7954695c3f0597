"""Sinks on a file system, `<folder>/run_id=<id>/`, and the commit that gives a run's sinks and its summary their place.

Rows are staged beside their place. A run is decided by one file, `_commit-<id>.json`, which appears whole and names the
attempt that holds from then on: until it is there, nothing of an earlier attempt has been touched; from then on each
step can be done again, by whoever comes next, until all are done. A folder itself is at any moment the old or the new.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import posixpath
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs

from sparksig.errors import Problem, SinkError
from sparksig.pipeline.config import REJECTED, joined
from sparksig.pipeline.dataset import MARKER
from sparksig.pipeline.io import (
    AS_WRITTEN,
    escape_strings,
    file_system,
    literal_path,
    object_store,
    quoted,
    restore_strings,
    spark_path,
    stores_characters,
    unwritable,
    write_text,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_MISSING = pafs.FileType.NotFound
_ATOMIC = ("local", "hdfs")  # pyarrow's names of file systems where a folder is renamed whole or not at all


_NOT_AN_OBJECT_STORE = (
    "write to a disk that Spark's machines share, or to hdfs://; or to tables, with --output-table, --quarantine-table"
    " and a --staging folder on such a disk"
)


@dataclass(slots=True)
class Sink:
    """One run's folder under an output folder.

    Attributes:
        folder: the output folder.
        run_id: the run.
        kind: what lies there: `scored` or `quarantine`.
        attempt: names this attempt at the run.
        format: Spark's format of the files.
        options: Spark's options for them.
        partition_by: the columns that become folders.
        begun: whether this attempt has written anything.
        made_folder: whether the output folder was not there before.
        stream: Spark's id of the stream that the run is a batch of, which lies in its checkpoint; empty for none.
        source: the path or table that the run reads; empty where a run may be replaced whatever it reads.
        model: the name of its model, without the version; empty likewise.
    """

    folder: str
    run_id: str
    kind: str
    attempt: str = field(default_factory=lambda: uuid4().hex[:12])
    format: str = "parquet"
    options: Mapping[str, str] = field(default_factory=dict)
    partition_by: Sequence[str] = ()
    begun: bool = False
    made_folder: bool = False
    stream: str = ""
    source: str = ""
    model: str = ""

    @property
    def final(self) -> str:
        """Where the run's rows lie once the run is committed."""
        return joined(self.folder, f"run_id={self.run_id}")

    @property
    def staging(self) -> str:
        """Where they are written first; hidden from readers of the folder."""
        return joined(self.folder, f"_staging-{self.run_id}")

    @property
    def former(self) -> str:
        """Where an earlier attempt's rows wait while they are being replaced."""
        return joined(self.folder, f"_former-{self.run_id}")

    def faults(self) -> Iterator[Problem]:
        """What keeps this run from writing here: what is not ours, what is no folder, what may not be written."""
        # by the scheme first: how an object store is opened must not be explained before it is rejected
        store = object_store(self.folder)
        if store is None:
            yield from unwritable(self.folder, folder=True)
            files, _ = file_system(self.folder)
            store = None if files.type_name in _ATOMIC else files.type_name
        if store is not None:
            fact = f"{store} cannot rename a folder whole: a crash could leave half a run"
            yield Problem(self.folder, fact, hint=_NOT_AN_OBJECT_STORE)
            return
        for place in (self.final, self.staging, self.former):
            if _exists(place) and self._mark(place) is None:
                hint = "name another folder or run id, or move what lies there"
                yield Problem(place, f"exists and has no {MARKER} of this run", hint=hint)
        mark = self._mark(self.final)
        if mark is not None and mark.get("stream", "") != self.stream:
            # its batch of this number held other rows, which would be lost
            hint = "name another output for the new checkpoint, or move what lies there"
            yield Problem(self.final, "is of a stream with another checkpoint", hint=hint)

    def other_job(self) -> tuple[str, str] | None:
        """The source and the model of the committed run if it is another job's; older versions did not store them."""
        return self._other_job_at(self.final)

    def _other_job_at(self, place: str) -> tuple[str, str] | None:
        mark = self._mark(place) or {}
        there = (str(mark.get("source", self.source)), str(mark.get("model", self.model)))
        return None if not self.source or there == (self.source, self.model) else there

    def facts(self) -> dict[str, str]:
        """What the summary says of it: where, in what form, and what is guaranteed."""
        files, _ = file_system(self.folder)
        exchanges = isinstance(files, pafs.LocalFileSystem) and _renameat2() is not None
        guarantee = "replaced whole" if exchanges else "replaced by two renames"
        return {"path": self.final, "format": self.format, "guarantee": guarantee}

    def write(self, rows: DataFrame) -> None:
        """Write rows to the staging folder."""
        self.begun, self.made_folder = True, self.made_folder or not _exists(self.folder)
        self._remove(self.staging)
        files, path = file_system(self.staging)
        files.create_dir(path, recursive=True)
        mark: dict[str, Any] = {"run_id": self.run_id, "kind": self.kind, "attempt": self.attempt, "version": 2}
        mark |= {"format": self.format, "schema": json.loads(rows.schema.json())}  # what is read again has these types
        more = {"stream": self.stream, "source": self.source, "model": self.model}
        mark |= {name: value for name, value in more.items() if value}
        with files.open_output_stream(f"{path}/{MARKER}") as out:  # first: what a killed run leaves is known as ours
            out.write(json.dumps(mark).encode())
        if stores_characters(self.format):
            rows = escape_strings(rows)
        writer = rows.write.format(self.format).options(**self.options).mode("append")
        (writer.partitionBy(*self.partition_by) if self.partition_by else writer).save(spark_path(self.staging))

    def read_back(
        self, spark: SparkSession, rows: DataFrame, place: str | None = None, *, escaped: bool = False
    ) -> DataFrame:
        """What was written, read with the schema that was written, its columns in the order in which they were.

        Args:
            spark: the session.
            rows: what was written.
            place: another of the run's folders than the one of what is staged.
            escaped: whether strings that are not valid UTF-8 stay in the form in which a file of characters holds them.
        """
        back = spark.read.schema(rows.schema).format(self.format).options(**{**self.options, **AS_WRITTEN})
        found = back.load(literal_path(place or self.staging))
        if self.partition_by:
            found = found.select(*map(quoted, rows.columns))  # folders come last
        return restore_strings(found) if stores_characters(self.format) and not escaped else found

    def arrived(self) -> bool:
        """Whether something of what Spark has written lies where the commit looks: the workers' disk is another's."""
        files, path = file_system(self.staging)
        names = [found.base_name for found in files.get_file_info(pafs.FileSelector(path))]
        return any(not name.startswith((".", "_")) for name in names)

    def staged(self, attempt: str) -> bool:
        """Whether the rows of an attempt wait in the staging folder."""
        return self.attempt_at(self.staging) == attempt

    def swap(self, attempt: str) -> None:
        """Put the staged rows of an attempt in the run's place, once; what lay there is set aside.

        Raises:
            SinkError: what lies there by now is not ours.
        """
        if not self.staged(attempt):
            return
        if _exists(self.final):
            if self._mark(self.final) is None:
                appeared = Problem(self.final, "appeared while the run was under way")
                raise SinkError("the output would replace what is not ours", [appeared])
            if _exchange(self.staging, self.final):
                return
            self._remove(self.former)
            _move(self.final, self.former)
        _move(self.staging, self.final)

    def swap_back(self, attempt: str) -> None:
        """Put back what `swap` has set aside."""
        if self.attempt_at(self.final) != attempt:
            return
        if _exists(self.staging) and _exchange(self.staging, self.final):
            return
        if not _exists(self.staging):
            _move(self.final, self.staging)
        if _exists(self.former):
            _move(self.former, self.final)

    def clear(self, attempt: str) -> None:
        """Remove what an attempt had staged or what has been set aside for it; nothing of one that is under way."""
        if self.staged(attempt):
            self._remove(self.staging)
        self._remove(self.former)

    def attempt_at(self, place: str) -> str | None:
        """Which attempt at this run a folder is of; None if it is not this run's."""
        mark = self._mark(place)
        return None if mark is None else str(mark.get("attempt", ""))

    def rejected(self, folder: str) -> str:
        """Where the rows of an attempt are kept that must not be committed."""
        return joined(folder, f"run_id={self.run_id}")

    def reject(self, folder: str) -> str:
        """Move what is staged to a folder for rejected rows, in the place of an earlier attempt's.

        Returns:
            Where the rows are.
        """
        place = self.rejected(folder)
        self._remove(place)
        source, path = file_system(self.staging)
        target, inner = file_system(place)
        target.create_dir(posixpath.dirname(inner), recursive=True)
        try:
            if source.type_name != target.type_name:
                raise OSError(errno.EXDEV, "another file system")
            source.move(path, inner)
        except OSError:  # another disk or another store
            try:
                pafs.copy_files(path, inner, source_filesystem=source, destination_filesystem=target)
            except OSError:
                self._remove(place)
                raise
        return place

    def rejected_faults(self, folder: str) -> Iterator[Problem]:
        """What keeps rejected rows from being kept in a folder."""
        place = self.rejected(folder)
        if folder != joined(self.folder, REJECTED):  # a folder in this sink's own is writable if that one is
            yield from unwritable(folder, folder=True)
        elif object_store(self.folder):  # which is rejected
            return
        if _exists(place) and self._mark(place) is None:
            hint = "name another folder with --keep-rejected, or move what is there"
            yield Problem(place, f"exists and has no {MARKER} of this run", hint=hint)

    def forget_rejected(self, folder: str) -> None:
        """Remove the rejected rows of an earlier attempt at this run, unless they are another job's."""
        place = self.rejected(folder)
        if self._other_job_at(place) is None:
            self._remove(place)
        files, path = file_system(folder)
        if isinstance(files, pafs.LocalFileSystem) and posixpath.basename(path.rstrip("/")) == REJECTED:
            with suppress(OSError):  # other runs have rejected rows, or rows
                os.rmdir(path)
                os.rmdir(posixpath.dirname(path))

    def undo(self) -> None:
        """Remove what this attempt has staged; nothing at all is done if it has written nothing."""
        if not self.begun:
            return
        if self.staged(self.attempt):
            self._remove(self.staging)
        files, folder = file_system(self.folder)
        if self.made_folder and isinstance(files, pafs.LocalFileSystem):
            try:
                os.rmdir(folder)
            except OSError:  # another run's rows lie there by now
                return

    def _remove(self, place: str) -> None:
        files, path = file_system(place)
        if self._mark(place) is not None:
            files.delete_dir(path)

    def _mark(self, place: str) -> dict[str, Any] | None:
        """The marker in a folder; None if it is not this run's."""
        files, path = file_system(place)
        try:
            with files.open_input_stream(f"{path}/{MARKER}") as marker:
                found = json.loads(marker.read())
        except (OSError, ValueError):
            return None
        ours = isinstance(found, dict) and (found.get("run_id"), found.get("kind")) == (self.run_id, self.kind)
        return found if ours else None


@dataclass(frozen=True, slots=True)
class Commit:
    """The decision that an attempt's rows are the run's, and what remains to be done for it.

    Attributes:
        run_id: the run.
        attempt: the attempt that holds.
        folders: the output folder of each kind, in the order in which they take their place.
        summary: where the summary goes.
        text: what it says.
        replaced: the attempt that each kind's rows are of before, where there are any.
    """

    run_id: str
    attempt: str
    folders: Mapping[str, str]
    summary: str
    text: str
    replaced: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sinks: Mapping[str, Sink], summary: str, text: str) -> Commit:
        """The commit of what is staged, over what is there now."""
        [(run_id, attempt)] = {(sink.run_id, sink.attempt) for sink in sinks.values()}
        folders = {kind: sink.folder for kind, sink in sinks.items()}
        before = {kind: there for kind, sink in sinks.items() if (there := sink.attempt_at(sink.final)) is not None}
        return cls(run_id, attempt, folders, summary, text, before)

    @property
    def place(self) -> str:
        """The file that holds the decision."""
        return joined(self.folders["scored"], f"_commit-{self.run_id}.json")

    def sinks(self) -> list[Sink]:
        """The sinks of the run."""
        return [Sink(folder, self.run_id, kind, self.attempt) for kind, folder in self.folders.items()]

    def decide(self) -> None:
        """Write the decision down. From here on the attempt holds, whatever happens.

        Raises:
            SinkError: another attempt at the same run has taken the staging folders, or the file cannot be written.
        """
        lost = [Problem(s.staging, "is another attempt's by now") for s in self.sinks() if not s.staged(self.attempt)]
        if lost:
            raise SinkError("the same run is under way elsewhere", lost)
        write_text(self.place, json.dumps({**asdict(self), "version": 1}))

    def finish(self) -> None:
        """Do what the decision says. Each step is done whole or not at all, and does nothing when done again."""
        sinks = self.sinks()
        for sink in sinks:
            sink.swap(self.attempt)
        write_text(self.summary, self.text)

    def settle(self) -> None:
        """Remove what was replaced, then the decision: there is no way back from here."""
        for sink in self.sinks():
            sink.clear(self.replaced.get(sink.kind, self.attempt))
        self._forget()

    def take_back(self) -> None:
        """Leave everything as it was before the decision: for who is alive to see that a step failed."""
        for sink in reversed(self.sinks()):
            sink.swap_back(self.attempt)
        self._forget()

    def _forget(self) -> None:
        """Remove the decision, unless it is another attempt's by now."""
        held = _decision(self.place)
        if held is not None and held.attempt == self.attempt:
            files, path = file_system(self.place)
            files.delete_file(path)


def recover(folder: str, run_id: str) -> bool:
    """Finish what an attempt had decided when it was killed.

    Args:
        folder: the folder of the scored rows.
        run_id: the run.

    Returns:
        Whether there was such a decision.

    Raises:
        SinkError: it cannot be finished.
    """
    commit = _decision(Commit(run_id, "", {"scored": folder}, "", "").place)
    if commit is None:
        return False
    commit.finish()
    commit.settle()
    return True


def _decision(place: str) -> Commit | None:
    """What was decided; None where nothing was."""
    files, path = file_system(place)
    try:
        with files.open_input_stream(path) as stream:
            held = json.loads(stream.read())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SinkError("a commit cannot be read", [Problem(place, type(error).__name__)]) from None
    if not isinstance(held, dict) or held.pop("version", None) != 1:
        hint = "finish it with the sparksig that began it"
        raise SinkError("a commit cannot be read", [Problem(place, "is of another version", hint=hint)])
    try:
        return Commit(**held)
    except TypeError:
        raise SinkError("a commit cannot be read", [Problem(place, "is not of the form")]) from None


def _exists(place: str) -> bool:
    files, path = file_system(place)
    try:
        return bool(files.get_file_info(path).type != _MISSING)
    except pa.ArrowException as error:  # Azure without credentials
        raise SinkError("a file system cannot be reached", [Problem(place, type(error).__name__)]) from None


def _move(place: str, target: str) -> None:
    files, path = file_system(place)
    files.move(path, file_system(target)[1])


def _exchange(one: str, other: str) -> bool:
    """Let two folders change places in one step, where the file system can (Linux's own); False where it cannot."""
    files, path = file_system(one)
    rename = _renameat2() if isinstance(files, pafs.LocalFileSystem) else None
    if rename is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE: linux/fcntl.h and linux/fs.h
    return bool(rename(here, os.fsencode(path), here, os.fsencode(file_system(other)[1]), exchange) == 0)


@lru_cache(maxsize=1)
def _renameat2() -> Any:
    """The C library's renameat2; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
