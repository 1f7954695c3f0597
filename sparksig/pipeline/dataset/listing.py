"""List the files of a folder that Spark reads, and reject folders of which Spark would read something else.

Spark lists every file below a folder except hidden ones. If any folder is named `name=value`, it reads the files in
such folders only; otherwise it reads the top level only. Files that it would silently skip are an error here.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs

from sparksig.errors import ConfigError, Problem
from sparksig.pipeline.dataset.partitions import Value, parse_folder
from sparksig.pipeline.dataset.written import MARKER
from sparksig.pipeline.paths import file_system, missing

RECURSIVE = "recursiveFileLookup"
"""Spark's option that reads the files of all subfolders, without partition columns."""

LISTING_OPTIONS = ("recursivefilelookup", "pathglobfilter", "basepath")
"""Options of Spark's reader that choose files, in lower case, whose rules are known here."""

_SINK_LOG = "_spark_metadata"
_BATCH = re.compile(r"[0-9]+(\.compact)?")
_TIMES = ("modifiedbefore", "modifiedafter")  # they depend on the session's time zone
_ICEBERG = re.compile(r"(.*/)?metadata/[^/]+\.metadata\.json")
_MARKS = {"_delta_log": "Delta", ".hoodie": "Hudi"}
MARKS = {**_MARKS, "metadata/*.metadata.json": "Iceberg"}
"""What is in the folder of a table, as a pattern, and the kind of the table."""

_HINTS = {
    "Delta": "--format delta reads the table; --input-table reads it by name",
    "Iceberg": "--format iceberg or --input-table reads the table",
    "Hudi": "--format hudi or --input-table reads the table",
}
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that Spark reads.

    Attributes:
        path: the path in its file system.
        name: the path below the folder that was given, as messages show it.
        size: the size in bytes.
        modified: when it was last modified, in nanoseconds since 1970; None if the file system does not say.
        values: the partition folders that it is in, outermost first.
    """

    path: str
    name: str
    size: int
    modified: int | None
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, or one file.

    Attributes:
        path: the path that was given.
        root: the path in the file system.
        files: the file system.
        data: the files that Spark reads, ordered by path, as Spark orders them.
        empty: the names of files without a byte; Spark passes over them.
        folders: the values of each folder that has files, also of those with empty files only.
        is_file: whether the path is one file.
    """

    path: str
    root: str
    files: pafs.FileSystem
    data: tuple[DataFile, ...]
    empty: tuple[str, ...] = ()
    folders: tuple[tuple[Value, ...], ...] = ()
    is_file: bool = False


def can_list(options: Mapping[str, str]) -> bool:
    """Whether these options of a reader leave the choice of files to rules that are known here."""
    return not any(name.lower() in _TIMES for name in options)


def list_files(
    flag: str, path: str, options: Mapping[str, str] | None = None, chosen: Collection[str] | None = None
) -> Listing:
    """List the files that Spark reads at a path.

    Args:
        flag: the option that names the path, for messages.
        path: a file or a folder.
        options: options of Spark's reader; those that choose files count.
        chosen: URIs of the files that Spark chooses by their times, in any subfolder; None if it takes all.

    Raises:
        ConfigError: nothing is there, or it is the folder of a Delta, Iceberg or Hudi table, or Spark would read only
            some of the files.
    """
    if problems := list(missing(flag, path)):
        raise ConfigError("the table cannot be read", problems)
    files, root = file_system(path)
    root = root.rstrip("/") or "/"
    lowered = {name.lower(): value for name, value in (options or {}).items()}
    if (table := _table_above(files, root)) is not None:
        raise table_error(flag, path, root, *table)
    try:
        top = files.get_file_info(root)
        if top.type == pafs.FileType.File:
            return _one_file(flag, Listing(path, root, files, (), is_file=True), top)
        found = files.get_file_info(pafs.FileSelector(root, recursive=True))
    except OSError as error:
        fact = f"{path} cannot be listed: {error.strerror or type(error).__name__}"
        raise ConfigError("the table cannot be read", [Problem(flag, fact)]) from None
    if (table := _table_below(root, found)) is not None:
        raise table_error(flag, path, root, *table)
    if chosen is not None:
        paths = {path for uri in chosen for path in _paths_of(uri)}
        found = [info for info in found if info.path in paths or info.type != pafs.FileType.File]
    return _select(flag, Listing(path, root, files, ()), found, lowered)


def _one_file(flag: str, listing: Listing, info: pafs.FileInfo) -> Listing:
    """The listing of one file, unless Spark would read no row of it."""
    name = posixpath.basename(listing.root)
    if is_hidden(name):
        hint = "rename it: names that begin with '_' or '.' are hidden"
        problem = Problem(flag, f"Spark reads no row of {listing.path}", hint=hint)
        raise ConfigError("the table cannot be read", [problem])
    if not info.size:
        raise ConfigError("the table cannot be read", [Problem(flag, f"{listing.path} is empty")])
    return replace(listing, data=(_data_file(info, name),))


def is_hidden(name: str) -> bool:
    """Whether Spark passes over a file or folder of this name.

    >>> [is_hidden(name) for name in ("_SUCCESS", ".crc", "a._COPYING_", "_day=1", "part-0")]
    [True, True, True, False, False]
    """
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


def some_of(names: Sequence[str]) -> str:
    """The first of some names, and how many there are.

    >>> some_of(["a"]), some_of(["a", "b", "c", "d"])
    ('a', 'a, b, c and 1 more')
    """
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _select(flag: str, listing: Listing, found: Sequence[pafs.FileInfo], options: Mapping[str, str]) -> Listing:
    """Choose the files that Spark reads out of all that are below a folder."""
    recursive = options.get(RECURSIVE.lower(), "").lower() == "true"
    visible = [_data_file(info, name) for info, name in _visible(listing.root, found)]
    logged = _logged(listing, found)
    if logged is not None:
        visible = [file for file in visible if file.name in logged]
    if glob := options.get("pathglobfilter"):
        pattern = _glob(glob)
        visible = [file for file in visible if pattern.fullmatch(posixpath.basename(file.name))]
    base = _base_folders(listing, options)
    if recursive:
        chosen, folders = visible, []
    else:
        visible = [_with_values(file, base) for file in visible]
        folders = _consistent(flag, listing.path, visible, base)
        is_read = [bool(file.values) if folders else "/" not in file.name for file in visible]
        chosen = [file for file, read in zip(visible, is_read, strict=True) if read]
        if unread := [file.name for file, read in zip(visible, is_read, strict=True) if file.size and not read]:
            where = "outside of the partition folders" if folders else "in subfolders"
            raise unread_error(flag, listing.path, sorted(unread), where)
    data = tuple(sorted((file for file in chosen if file.size), key=lambda file: file.path))
    empty = tuple(sorted(file.name for file in chosen if not file.size))
    if not data and MARKER not in [info.base_name for info in found]:
        fact = f"no data file is in {listing.path}"
        hint = "all of its files are empty" if empty else "files whose names begin with '_' or '.' are not read"
        raise ConfigError("the table cannot be read", [Problem(flag, fact, hint=hint)])
    return replace(listing, data=data, empty=empty, folders=tuple(folders))


def _glob(glob: str) -> re.Pattern[str]:
    """A pattern of Hadoop's as a regular expression: `*`, `?`, `[ab]`, `[^a]`, `[!a]`, `{a,b}`, and escapes.

    Raises:
        ConfigError: a bracket or a brace is not closed.
    """
    parts, braces, brackets, position = [], 0, False, 0
    while position < len(glob):
        char = glob[position]
        position += 1
        if char == "\\" and position < len(glob):
            parts.append(re.escape(glob[position]))
            position += 1
        elif brackets:
            negates = char == "!" and glob[position - 2] == "["
            parts.append("^" if negates else "\\[" if char == "[" else char)
            brackets = char != "]"
        elif char in _GLOB:
            parts.append(_GLOB[char])
            braces += char == "{"
            brackets = char == "["
        elif braces and char in ",}":
            parts.append("|" if char == "," else ")")
            braces -= char == "}"
        else:
            parts.append(re.escape(char))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        fact = "pathGlobFilter has a bracket or a brace that is not closed"
        raise ConfigError("the table cannot be read", [Problem("--input-option", fact)]) from None


_GLOB = {"*": ".*", "?": ".", "{": "(?:", "[": "["}


def _visible(root: str, found: Sequence[pafs.FileInfo]) -> Iterator[tuple[pafs.FileInfo, str]]:
    for info in found:
        name = _below(root, info.path)
        if info.type == pafs.FileType.File and not any(map(is_hidden, name.split("/"))):
            yield info, name


def _logged(listing: Listing, found: Sequence[pafs.FileInfo]) -> set[str] | None:
    """The files that the log of a stream's sink names: Spark reads no others. None where there is no such log."""
    folder = posixpath.join(listing.root, _SINK_LOG)
    batches = {
        info.base_name: info.path
        for info in found
        if posixpath.dirname(info.path) == folder and _BATCH.fullmatch(info.base_name)
    }
    if not any(info.path == folder for info in found):
        return None
    compact = max((int(name.partition(".")[0]) for name in batches if name.endswith(".compact")), default=-1)
    logged: set[str] = set()
    for name, path in batches.items():
        number = int(name.partition(".")[0])
        if number < compact or (number == compact and not name.endswith(".compact")):
            continue
        with listing.files.open_input_stream(path) as stream:
            entries = [json.loads(line) for line in bytes(stream.read()).splitlines() if line.startswith(b"{")]
        places = {place for entry in entries for place in _paths_of(str(entry.get("path", "")))}
        logged |= {_below(listing.root, place) for place in places if place.startswith(f"{listing.root}/")}
    return logged


def _paths_of(uri: str) -> tuple[str, str]:
    """What the path of a URI may be in its file system: without and with the host, which is a bucket or a server.

    >>> _paths_of("file:///data/a%20b"), _paths_of("s3a://lake/a")
    (('/data/a b', '/data/a b'), ('/a', 'lake/a'))
    """
    parts = urlsplit(uri)
    return unquote(parts.path), unquote(f"{parts.netloc}{parts.path}")


def _below(root: str, path: str) -> str:
    return path[len(root.rstrip("/")) + 1 :]


def _data_file(info: pafs.FileInfo, name: str) -> DataFile:
    return DataFile(info.path, name, info.size or 0, info.mtime_ns)


def _base_folders(listing: Listing, options: Mapping[str, str]) -> tuple[str, ...]:
    """The folders between the reader's option `basePath` and the root, which are partition folders as well."""
    base = options.get("basepath")
    if not base:
        return ()
    inner = file_system(base)[1].rstrip("/")
    inside = listing.root == inner or listing.root.startswith(f"{inner}/")
    return tuple(_below(inner, listing.root).split("/")) if inside and listing.root != inner else ()


def _with_values(file: DataFile, base: tuple[str, ...]) -> DataFile:
    """Read the partition values from the folders of a file, from the innermost outwards, as Spark does."""
    values: list[Value] = []
    for folder in reversed([*base, *file.name.split("/")[:-1]]):
        value = parse_folder(folder)
        if value is None and values:
            break
        if value is not None:
            values.insert(0, value)
    return replace(file, values=tuple(values))


def _outside(file: DataFile, base: tuple[str, ...]) -> str:
    """The folder in which a file's partition folders begin."""
    parts = [*base, *file.name.split("/")[:-1]]
    last = max((at for at, part in enumerate(parts) if "=" in part), default=-1)
    return "/".join(parts[: last + 1 - len(file.values)])


def _consistent(flag: str, path: str, visible: Sequence[DataFile], base: tuple[str, ...]) -> list[tuple[Value, ...]]:
    """The values of each partition folder.

    Raises:
        ConfigError: the folders have different columns, or a folder has no name or no value.
    """
    partitioned = [file for file in visible if file.values]
    problems = [
        Problem(flag, f"the folder of {file.name} has a partition without a name or a value")
        for file in partitioned
        if any(not value.name or not value.raw for value in file.values)
    ]
    layouts: dict[tuple[str, tuple[str, ...]], DataFile] = {}
    for file in partitioned:
        layouts.setdefault((_outside(file, base).lower(), tuple(value.name.lower() for value in file.values)), file)
    if len(layouts) > 1:
        names = [posixpath.dirname(file.name) for file in layouts.values()]
        fact = f"the partition folders of {path} have different columns or begin in different folders"
        problems.append(Problem(flag, f"{fact}: {some_of(names)}", hint="read one layout at a time"))
    if problems:
        raise ConfigError("the table cannot be read", problems[:_SHOWN])
    return list(dict.fromkeys(file.values for file in partitioned))


def unread_error(flag: str, path: str, names: Sequence[str], where: str = "in other folders") -> ConfigError:
    """The error for files that Spark silently passes over.

    Args:
        flag: the option that names the path.
        path: the path that was given.
        names: the files.
        where: where they are, in words.
    """
    number = f"{len(names)} file{'s' if len(names) > 1 else ''}"
    fact = f"Spark does not read {number} of {path} that {'are' if len(names) > 1 else 'is'} {where}: {some_of(names)}"
    hint = f"--input-option {RECURSIVE}=true reads the files of all subfolders, without partition columns"
    return ConfigError("the table cannot be read", [Problem(flag, fact, hint=hint)])


def table_error(flag: str, path: str, root: str, kind: str, folder: str) -> ConfigError:
    """The error for the folder of a table: it also has files that are no longer part of the table.

    Args:
        flag: the option that names the path.
        path: the path that was given.
        root: the same in the file system.
        kind: the kind of the table.
        folder: its folder in the file system.
    """
    where = "is"
    if folder != root:
        where = f"is part of {folder}," if f"{root}/".startswith(f"{folder.rstrip('/')}/") else f"contains {folder},"
    fact = f"{path} {where} the folder of {'an' if kind == 'Iceberg' else 'a'} {kind} table, not a folder of files"
    return ConfigError("the table cannot be read", [Problem(flag, fact, hint=_HINTS[kind])])


def _table_below(root: str, found: Sequence[pafs.FileInfo]) -> tuple[str, str] | None:
    """The kind and the folder of a table that is at a folder or below it."""
    for info in found:
        name = _below(root, info.path)
        parts = name.split("/")
        for at, part in enumerate(parts):
            if part in _MARKS and (at < len(parts) - 1 or info.type == pafs.FileType.Directory):
                return _MARKS[part], posixpath.join(root, *parts[:at])
            if is_hidden(part):
                break
        else:
            if _ICEBERG.fullmatch(name):
                return "Iceberg", posixpath.join(root, *parts[:-2])
    return None


def _table_above(files: pafs.FileSystem, root: str) -> tuple[str, str] | None:
    """The kind and the folder of a table that a path is part of."""
    above, folder = [], posixpath.dirname(root)
    while folder and folder not in above:
        above.append(folder)
        folder = posixpath.dirname(folder)
    for folder in above:
        with suppress(OSError):  # a folder that may not be listed
            names = (*_MARKS, "metadata")
            marks = files.get_file_info([posixpath.join(folder, name) for name in names])
            there = [name for name, mark in zip(names, marks, strict=True) if mark.type == pafs.FileType.Directory]
            for name in there:
                if name in _MARKS:
                    return _MARKS[name], folder
                inner = files.get_file_info(pafs.FileSelector(posixpath.join(folder, name)))
                if any(info.base_name.endswith(".metadata.json") for info in inner):
                    return "Iceberg", folder
    return None
