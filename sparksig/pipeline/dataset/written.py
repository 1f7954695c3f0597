"""Folders that a run has written: the marker file in them, and the schema that the rows were written with."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.fs as pafs

from sparksig.sources.observed import StructType, all_nullable, table_from_spark

MARKER = "_sparksig.json"
"""The file that says that a run's folder is ours; Spark does not read a file whose name begins with an underscore."""

RUN_FOLDER = "run_id"
"""The partition column of an output folder."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a marker file says about the rows next to it.

    Attributes:
        schema: the schema that was written, as Spark's JSON value.
        format: Spark's format of the files.
    """

    schema: dict[str, Any]
    format: str


def read_marker(files: pafs.FileSystem, folder: str) -> dict[str, Any] | None:
    """Read the marker in a folder; None if there is none, or it is not a JSON object."""
    try:
        with files.open_input_stream(posixpath.join(folder, MARKER)) as stream:
            marker = json.loads(stream.read())
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) else None


def written_below(files: pafs.FileSystem, root: str, runs: Sequence[str], form: str) -> Written | None:
    """The schema of an output folder: that of all its runs, and the run's id, which is a string whatever it looks like.

    Args:
        files: the file system.
        root: the output folder.
        runs: the raw ids of the runs in it.
        form: Spark's format of the files.

    Returns:
        None where a run has no marker with a schema, or its schema is another one.
    """
    schemas = [written_in(files, posixpath.join(root, f"{RUN_FOLDER}={run}"), form) for run in runs]
    if not schemas or any(each is None or _types(each) != _types(schemas[0]) for each in schemas):
        return None
    run_id = {"name": RUN_FOLDER, "type": "string", "nullable": True, "metadata": {}}
    fields = schemas[0].schema["fields"] if schemas[0] else []
    return Written({"type": "struct", "fields": [*fields, run_id]}, form)


def _types(written: Written | None) -> StructType | None:
    """The names and types of a schema; what is read from files is nullable."""
    return None if written is None else all_nullable(table_from_spark(written.schema))


def written_in(files: pafs.FileSystem, folder: str, form: str) -> Written | None:
    """The schema of a folder that a run has written in a format; None for other folders and for older versions."""
    marker = read_marker(files, folder) or {}
    schema, own_format = marker.get("schema"), marker.get("format")
    if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list) or own_format != form:
        return None
    return Written(schema, form)
