"""Paths: the forms that Spark and Arrow take, the file system of one, and whether something lies there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from sparksig.errors import Problem, SinkError
from sparksig.pipeline.config import plain_path, split_query, with_scheme

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_GLOB = re.compile(r"([\[\]{}*?\\])")
_MISSING = pafs.FileType.NotFound
_OBJECT_STORES = ("s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "adl", "oss", "cosn", "obs")
_UNREACHABLE = (OSError, pa.ArrowException)
"""What Arrow raises where it cannot reach a store; without credentials for Azure it is no OSError."""

_READABLE = "a path on this machine, file://, hdfs://, s3://, s3a://, gs:// or abfss://"
_OPENING = {
    "s3": "if the region cannot be looked up, write it behind the path: ?region=eu-west-1",
    "hdfs": "Arrow needs libhdfs: set JAVA_HOME, HADOOP_HOME and CLASSPATH",
}
"""What helps where a file system is known but cannot be opened, by scheme."""


def missing(flag: str, path: str, *, read_by_spark: bool = False) -> Iterator[Problem]:
    """Say so if there is nothing at a path. A file system that only Spark knows is left to Spark.

    Args:
        flag: what names the path.
        path: the path.
        read_by_spark: whether Spark will read it: it may have credentials for an object store that Arrow has not.
    """
    try:
        files, inner = file_system(path)
        absent = files.get_file_info(inner).type == _MISSING
    except SinkError:
        return
    except _UNREACHABLE as error:
        if read_by_spark and not _is_local(path):
            return
        yield Problem(flag, f"{path} cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}")
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
    """Whether a path can be looked at without Spark: on an object store that takes credentials that Arrow has."""
    try:
        files, inner = file_system(path)
        if not _is_local(path):
            files.get_file_info(inner)
    except _UNREACHABLE:  # SinkError is an OSError
        return False
    return True


def object_store(path: str) -> str | None:
    """The scheme of a path on an object store, where no folder can be renamed; None for other paths.

    >>> object_store("S3A://lake/out"), object_store("hdfs://name/out"), object_store("out")
    ('s3a', None, None)
    """
    scheme = path.partition(":")[0].lower()
    return scheme if _is_uri(path) and scheme in _OBJECT_STORES else None


def spark_path(path: str, spark: Any = None) -> str:
    """A path as Spark must be given it: absolute, so that it does not depend on where the JVM was started.

    The query of a URI is Arrow's: Hadoop would take it for a part of the path.

    Args:
        path: the path.
        spark: the session that will read it. Hadoop knows S3 as `s3a`, some platforms as `s3`: of both, the one that
            is written if the session knows it, else the one that it knows.

    >>> spark_path("s3://bucket/table?region=eu"), spark_path("/data/table/")
    ('s3://bucket/table', '/data/table')
    """
    if not _is_uri(path):
        return str(Path(path).absolute())
    place = split_query(path)[0]
    schemes = dict.fromkeys([place.partition(":")[0].lower(), "s3a", "s3"]) if with_scheme(place, "") != place else ()
    return next((with_scheme(place, scheme) for scheme in schemes if _is_known(spark, scheme)), place)


def literal_path(path: str, spark: Any = None) -> str:
    r"""The same for reading, where Spark would take brackets, braces and stars for a pattern.

    >>> print(literal_path("/data/run[1]"))
    /data/run\[1\]
    """
    return _GLOB.sub(r"\\\1", spark_path(path, spark))


def _is_known(spark: Any, scheme: str) -> bool:
    """Whether Hadoop has a file system for a scheme. The session of Spark Connect cannot be asked."""
    try:
        conf = spark._jsparkSession.sessionState().newHadoopConf()
        spark._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(scheme, conf)
    except Exception:  # no session, no JVM, no such scheme, or its class is not on the class path
        return False
    return True


def _is_uri(path: str) -> bool:
    return _SCHEME.match(path) is not None


def _is_local(path: str) -> bool:
    return not _is_uri(path) or path.lower().startswith("file:")


def file_system(path: str, *, hint: str = _READABLE) -> tuple[pafs.FileSystem, str]:
    """The file system of a path, and the path in it.

    Args:
        path: the path. Arrow knows S3 as `s3` only, and is given that for `s3a`.
        hint: what to write where its scheme is not known.

    Raises:
        SinkError: none is known for it, or it does not answer.
    """
    if _is_local(path):
        return pafs.LocalFileSystem(), plain_path(path)
    try:
        files, inner = pafs.FileSystem.from_uri(with_scheme(path, "s3"))
    except ValueError as error:
        raise SinkError("no file system for this path", [Problem(path, type(error).__name__, hint=hint)]) from None
    except OSError as error:
        problem = Problem(
            path, type(error).__name__, hint=_OPENING.get(with_scheme(path, "s3").partition(":")[0].lower())
        )
        raise SinkError("the file system of this path cannot be opened", [problem]) from None
    return files, inner
