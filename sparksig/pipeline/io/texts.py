"""Small files, written whole or not at all, and whether something could be written at a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs

from sparksig.errors import ConfigError, Problem, SinkError
from sparksig.pipeline.paths import file_system, missing

_FOLDERS = "a path on this machine, file:// or hdfs://"
_FILES = "a path on this machine, file://, hdfs://, s3://, s3a:// or gs://"
"""Where folders of rows can be written, and where single files can."""


def unwritable(path: str, folder: bool = False) -> Iterator[Problem]:
    """Say so if a file or folder cannot come to lie at a path, as far as that can be told without writing."""
    files, inner = file_system(path, hint=_FOLDERS if folder else _FILES)
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
    files, inner = file_system(path)
    part = f"{inner}.part"
    try:
        files.create_dir(os.path.dirname(inner), recursive=True)
        with files.open_output_stream(part) as out:
            out.write(text.encode("utf-8"))
        files.move(part, inner)
    except OSError as error:
        raise SinkError("a file cannot be written", [Problem(path, error.strerror or type(error).__name__)]) from None


def read_text(flag: str, path: str) -> str:
    """What `write_text` wrote.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    if problems := list(missing(flag, path)):
        raise ConfigError("a file cannot be read", problems)
    files, inner = file_system(path)
    try:
        with files.open_input_stream(inner) as stream:
            return bytes(stream.read()).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("a file cannot be read", [Problem(flag, f"{path}: {type(error).__name__}")]) from None
