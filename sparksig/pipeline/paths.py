"""Paths: the forms that Spark and Arrow take, the file system of one, and whether something lies there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs

from sparksig.errors import Problem, SinkError
from sparksig.pipeline.config import plain_path

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_GLOB = re.compile(r"([\[\]{}*?\\])")
_MISSING = pafs.FileType.NotFound


def missing(flag: str, path: str) -> Iterator[Problem]:
    """Say so if there is nothing at a path. A file system that only Spark knows is left to Spark."""
    try:
        files, inner = file_system(path)
        absent = files.get_file_info(inner).type == _MISSING
    except SinkError:
        return
    except OSError as error:
        yield Problem(flag, f"{path} cannot be read: {error.strerror or type(error).__name__}")
        return
    if absent:
        hint = None if _is_uri(path) else f"that is {plain_path(path)} on this machine"
        yield Problem(flag, f"nothing lies at {path}", hint=hint)


def is_file(path: str) -> bool:
    """Whether one file lies at a path, as far as that can be seen without Spark."""
    if not has_file_system(path):
        return False
    files, inner = file_system(path)
    return bool(files.get_file_info(inner).type == pafs.FileType.File)


def has_file_system(path: str) -> bool:
    """Whether a path can be looked at without Spark."""
    try:
        file_system(path)
    except SinkError:
        return False
    return True


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


def file_system(path: str) -> tuple[pafs.FileSystem, str]:
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
