"""Paths in a form in which they can be compared."""

from __future__ import annotations

import os
import posixpath
import re


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it, however both are written.

    >>> is_inside("out/scored/../rows", "./out"), is_inside("output", "out"), is_inside("s3://b/a", "s3://b/a/")
    (True, False, True)
    """
    inner, outer = plain_path(path), plain_path(folder)
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def plain_path(path: str) -> str:
    """A path in the one form in which it can be compared: absolute and without links, or a URI without detours.

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
