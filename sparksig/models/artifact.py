"""An MLmodel directory as data: what it says, and a digest of what it is. Nothing in it is run.

The digest is what a user vouches for. It covers the name and the content of every file, so that a model that was
trusted once is trusted for as long as nothing in its directory changes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from sparksig.errors import ModelLoadError, NotSupportedError, Problem

MLMODEL = "MLmodel"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Artifact:
    """A model directory, as its MLmodel file describes it.

    Attributes:
        path: the directory.
        flavors: what the file says of each flavour, by name.
        signature: the signature's block, not parsed; None if there is none.
        mlflow_version: the MLflow that wrote it, None if another wrote it.
        text: the MLmodel file itself.
    """

    path: Path
    flavors: Mapping[str, Mapping[str, Any]]
    signature: Mapping[str, Any] | None = None
    mlflow_version: str | None = None
    text: bytes = field(default=b"", repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Artifact:
        """Read the MLmodel file of a directory, or the file itself.

        Raises:
            ModelLoadError: there is none, or it is not what MLflow writes.
            NotSupportedError: the path is a URI.
        """
        if (scheme := _scheme(os.fspath(path))) is not None:
            raise NotSupportedError(f"models behind {scheme} URIs are not read yet; give a local directory")
        root = Path(path)
        root = root.parent if root.name == MLMODEL and not root.is_dir() else root
        try:
            text = (root / MLMODEL).read_bytes()
        except OSError as error:
            fact = "has no file MLmodel" if root.is_dir() else "is not a directory"
            hint = "a model directory is what MLflow's or sparksig's save_model writes"
            raise ModelLoadError("there is no model", [Problem(str(root), fact, hint=hint)]) from error
        document = _document(text, root)
        signature, version = document.get("signature"), document.get("mlflow_version")
        return cls(
            path=root.resolve(),  # the directory may be a link (`current`), what is in it may not
            flavors=document["flavors"],
            signature=signature if isinstance(signature, dict) else None,
            mlflow_version=None if version is None else str(version),
            text=text,
        )

    @cached_property
    def digest(self) -> str:
        """`sha256:<hex>` of all files, their names and contents, as they were when first asked.

        Raises:
            ModelLoadError: a symbolic link or something else that is not a file is among them.
        """
        return self.contents(())[0]

    @property
    def python_version(self) -> str | None:
        """The Python that wrote the model, if it says so."""
        version = self.flavors.get("python_function", {}).get("python_version")
        return None if version is None else str(version)

    def contents(self, names: Collection[str]) -> tuple[str, dict[str, bytes]]:
        """The digest, and the content of some of the files, from one and the same reading.

        What is loaded from these bytes is what the digest speaks of, whatever happens to the files meanwhile.

        Args:
            names: relative posix paths; those that do not exist are left out.

        Raises:
            ModelLoadError: something in the directory is no plain file, or MLmodel changed since it was read.
        """
        digest = hashlib.sha256()
        kept: dict[str, bytes] = {}
        for name in sorted(_files(self.path), key=os.fsencode):
            with _open(self.path / name) as handle:
                size, chunks = os.fstat(handle.fileno()).st_size, []
                # lengths before names and contents: no two directories make the same stream of bytes
                digest.update(f"{len(os.fsencode(name))} {size} ".encode() + os.fsencode(name))
                read = 0
                while chunk := handle.read(_CHUNK):
                    digest.update(chunk)
                    read += len(chunk)
                    if name in names or name == MLMODEL:
                        chunks.append(chunk)
            if read != size:
                raise ModelLoadError("the model changed while it was read", [Problem(name, "its size changed")])
            if name in names or name == MLMODEL:
                kept[name] = b"".join(chunks)
        if kept.get(MLMODEL) != self.text:
            raise ModelLoadError("the model changed while it was read", [Problem(MLMODEL, "is another file by now")])
        return f"sha256:{digest.hexdigest()}", {name: kept[name] for name in names if name in kept}


def _scheme(path: str) -> str | None:
    """The scheme of a URI; a Windows drive is none.

    >>> _scheme("models:/m@prod"), _scheme("build/model"), _scheme("C:/model")
    ('models:/', None, None)
    """
    head, colon, tail = path.partition(":")
    return f"{head}:/" if colon and len(head) > 1 and head.isalnum() and tail.startswith("/") else None


def _document(text: bytes, root: Path) -> dict[str, Any]:
    """The parsed MLmodel, with all that is wrong about its form at once."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"not YAML, line {mark.line + 1}" if mark is not None else "not YAML"
        raise ModelLoadError("MLmodel cannot be read", [Problem(str(root / MLMODEL), where)]) from None
    if not isinstance(document, dict):
        raise ModelLoadError("MLmodel cannot be read", [Problem(str(root / MLMODEL), "not a mapping")])
    flavors = document.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise ModelLoadError("MLmodel cannot be read", [Problem("flavors", "missing, empty or not a mapping")])
    if wrong := [name for name, block in flavors.items() if not isinstance(block, dict)]:
        problems = [Problem(f"flavors.{name}", "not a mapping") for name in wrong]
        raise ModelLoadError("MLmodel cannot be read", problems)
    return document


def _files(root: Path) -> Iterator[str]:
    """The relative posix path of each file below `root`."""
    problems = []
    names = []
    for folder, folders, files in os.walk(root):
        for entry in sorted(folders + files):
            path = Path(folder, entry)
            mode, name = path.lstat().st_mode, path.relative_to(root).as_posix()
            if stat.S_ISLNK(mode):
                problems.append(Problem(name, "a symbolic link", hint="a digest must cover all: copy its target here"))
            elif stat.S_ISREG(mode):
                names.append(name)
            elif not stat.S_ISDIR(mode):
                problems.append(Problem(name, "neither a file nor a directory"))
    if problems:
        raise ModelLoadError(f"{root} holds what is no plain file", problems)
    yield from names


def _open(path: Path) -> Any:
    """The file, unless it has become a link since it was listed."""
    try:
        return open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise ModelLoadError("the model cannot be read", [Problem(path.name, type(error).__name__)]) from error
