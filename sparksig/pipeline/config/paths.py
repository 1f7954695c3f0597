"""Paths: how they are compared, and how a name is appended to one."""

from __future__ import annotations

import os
import posixpath
import re

from sparksig.redaction import without_credentials

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//[^/?#]*)?(/.*)?$", re.DOTALL)
_S3 = re.compile(r"s3[an]?(?=:/)", re.IGNORECASE)


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it, however both are written.

    >>> is_inside("out/scored/../rows", "./out"), is_inside("output", "out"), is_inside("s3://b/a", "s3a://b/a/")
    (True, False, True)
    """
    inner, outer = comparable(path), comparable(folder)
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def comparable(path: str) -> str:
    """The one form of all the ways to write a path: two paths name one place if these are equal.

    Hadoop's schemes `s3a` and `s3n` are `s3` to everybody else. Credentials and the query of a URI do not count: a path
    is the same place with and without a region.

    >>> comparable("s3a://AKIA:pw@lake/out/?region=eu"), comparable("s3://lake//out")
    ('s3://lake/out', 's3://lake/out')
    """
    if _URI.match(path) is None:
        return plain_path(path)
    place = with_scheme(split_query(without_credentials(path))[0], "s3")
    return plain_path(re.sub(r"(?<![:/])/{2,}", "/", place))


def with_scheme(path: str, scheme: str) -> str:
    """An S3 path under another of S3's schemes; any other path as it is.

    >>> with_scheme("s3a://lake/out", "s3"), with_scheme("s3://lake/out", "s3a"), with_scheme("/s3", "s3a")
    ('s3://lake/out', 's3a://lake/out', '/s3')
    """
    return _S3.sub(scheme, path, count=1) if _S3.match(path) else path


def split_query(path: str) -> tuple[str, str]:
    """A URI without its query, and the query with its `?`; in a path on this machine a `?` is a letter like any other.

    >>> split_query("s3://lake/out?region=eu"), split_query("/data/a?b"), split_query("file:///data/a?b")
    (('s3://lake/out', '?region=eu'), ('/data/a?b', ''), ('file:///data/a?b', ''))
    """
    if _URI.match(path) is None or path.lower().startswith("file:"):
        return path, ""
    place, mark, query = path.partition("?")
    return place, mark + query


def joined(folder: str, name: str) -> str:
    """The path of something in a folder. The query of a URI stays at its end.

    >>> joined("out/scored/", "run_id=1"), joined("s3://lake/scored?region=eu", "run_id=1")
    ('out/scored/run_id=1', 's3://lake/scored/run_id=1?region=eu')
    """
    place, query = split_query(folder)
    return f"{place.rstrip('/')}/{name}{query}"


def marked(path: str, mark: str) -> str:
    """The path of a file with a mark before its suffix.

    >>> marked("out/summary.json", ".requeued"), marked("s3://lake/s.json?host=127.0.0.1", ".requeued")
    ('out/summary.requeued.json', 's3://lake/s.requeued.json?host=127.0.0.1')
    """
    place, query = split_query(path)
    stem, suffix = posixpath.splitext(place)
    return f"{stem}{mark}{suffix}{query}"


def plain_path(path: str) -> str:
    """A path in the one form in which it can be opened: absolute and without links, or a URI without detours.

    >>> plain_path("file:///tmp/../etc"), plain_path("s3://bucket/a//b/"), plain_path("/")
    ('/etc', 's3://bucket/a/b', '/')
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(//[^/]*)?(/.*)?$", path, re.DOTALL)
    if found is None or (found[2] is None and found[3] is None):
        return os.path.realpath(path)
    scheme, host, tail = found[1].lower(), found[2] or "//", found[3] or "/"
    if scheme == "file":
        return os.path.realpath(tail)
    return f"{scheme}:{host}{posixpath.normpath(tail)}"
