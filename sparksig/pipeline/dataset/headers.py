"""The headers of CSV files, and the groups of files that have the same one.

Spark takes the names of one file's header for all files and reads every file by position.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from sparksig.pipeline.dataset.listing import DataFile

_CHUNK = 2**16
_LONGEST = 2**20
"""A header is not looked for beyond this many bytes."""

_THREADS = 16
_LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the options of Spark's reader say about the form of CSV files."""

    header: bool
    separator: str
    quote: str
    escape: str
    comment: str
    encoding: str
    line: str | None

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Dialect:
        """The dialect of a reader's options, with Spark's defaults."""
        lowered = {name.lower(): value for name, value in options.items()}
        separator = lowered.get("sep", lowered.get("delimiter", ","))
        return cls(
            header=lowered.get("header", "").lower() == "true",
            separator=codecs.decode(separator, "unicode_escape") if separator.startswith("\\") else separator,
            quote=lowered.get("quote", '"'),
            escape=lowered.get("escape", "\\"),
            comment=lowered.get("comment", ""),
            encoding=lowered.get("encoding", lowered.get("charset", "UTF-8")),
            line=lowered.get("linesep"),
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Files with one header.

    Attributes:
        names: the names in the header; without a header the number of columns decides, and there are no names.
        files: the files.
    """

    names: tuple[str, ...]
    files: tuple[DataFile, ...]


def group_by_header(files: pafs.FileSystem, data: Sequence[DataFile], options: Mapping[str, str]) -> list[Group]:
    """Group CSV files by their header, or by their number of columns where they have no header.

    A file whose first line cannot be read here, because of its compression or encoding, is a group of its own, without
    names: Spark has to read its header.
    """
    dialect = Dialect.of(options)
    with ThreadPoolExecutor(min(_THREADS, len(data) or 1)) as pool:
        headers = list(pool.map(lambda file: _first_line(files, file.path, dialect), data))
    groups: dict[tuple[str, ...], list[DataFile]] = {}
    for file, header in zip(data, headers, strict=True):
        if header is None:
            continue
        names = header if dialect.header else tuple(f"_c{number}" for number in range(len(header)))
        groups.setdefault(names, []).append(file)
    unread = [Group((), (file,)) for file, header in zip(data, headers, strict=True) if header is None]
    return [*(Group(names, tuple(members)) for names, members in groups.items()), *unread]


def _first_line(files: pafs.FileSystem, path: str, dialect: Dialect) -> tuple[str, ...] | None:
    """The fields of the first line that is neither blank nor a comment; None if it cannot be read."""
    try:
        with files.open_input_stream(path) as stream:
            return next(_records(_lines(stream, dialect), dialect), None)
    except (OSError, pa.ArrowException, LookupError, UnicodeError, csv.Error):
        return None


def _lines(stream: pa.NativeFile, dialect: Dialect) -> Iterator[str]:
    """The lines of a stream, decoded as they come."""
    decoder = codecs.getincrementaldecoder(dialect.encoding)(errors="replace")
    rest, read = "", 0
    while read < _LONGEST:
        chunk = bytes(stream.read(_CHUNK))
        read += len(chunk)
        rest += decoder.decode(chunk, final=not chunk)
        *lines, rest = rest.split(dialect.line) if dialect.line else _LINE_END.split(rest)
        yield from lines
        if not chunk:
            break
    if rest:
        yield rest


def _records(lines: Iterator[str], dialect: Dialect) -> Iterator[tuple[str, ...]]:
    for line in lines:
        text = line.removeprefix("\ufeff").rstrip("\r\n")
        if not text.strip() or (dialect.comment and text.startswith(dialect.comment)):
            continue
        yield _fields(text, dialect)


def _fields(text: str, dialect: Dialect) -> tuple[str, ...]:
    if len(dialect.separator) != 1 or len(dialect.quote) > 1:
        return tuple(text.split(dialect.separator))
    quote = dialect.quote or None
    escape = dialect.escape if len(dialect.escape) == 1 and dialect.escape != dialect.quote else None
    form: dict[str, Any] = {"delimiter": dialect.separator, "quotechar": quote, "escapechar": escape}
    reader = csv.reader([text], quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE, **form)
    return tuple(next(reader))
