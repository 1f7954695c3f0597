"""An MLmodel directory or an ONNX file as data: what it says, and a digest of what it is. Nothing in it is run.

The digest is what a user vouches for. It covers the name and the content of every file, so that a model that was
trusted once is trusted for as long as nothing in its directory changes. An ONNX file's digest is that of its bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
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
    """A model directory, as its MLmodel file describes it, or an ONNX file, which is one flavour without a signature.

    Attributes:
        path: the directory, or the ONNX file.
        flavors: what the file says of each flavour, by name.
        signature: the signature's block, not parsed; None if there is none.
        mlflow_version: the MLflow that wrote it, None if another wrote it.
        hint_from_example: whether the model takes its inputs in the container of the example that is stored with it.
        signature_from_hint: whether the signature is the one of the model's type hint, by which the model validates.
        text: the MLmodel file itself, empty for an ONNX file.
        origin: where the files came from, where they lie in a copy.
    """

    path: Path
    flavors: Mapping[str, Mapping[str, Any]]
    signature: Mapping[str, Any] | None = None
    mlflow_version: str | None = None
    hint_from_example: bool = False
    signature_from_hint: bool = False
    text: bytes = field(default=b"", repr=False)
    origin: str | None = None

    @classmethod
    def read(cls, path: str | os.PathLike[str], origin: str | None = None) -> Artifact:
        """Read the MLmodel file of a directory, or the file itself; of an ONNX file only where it is.

        Args:
            path: where it is.
            origin: what messages call it, if it is a copy.

        Raises:
            ModelLoadError: there is none, or it is not what MLflow writes.
            NotSupportedError: the path is a URI.
        """
        if (scheme := _scheme(os.fspath(path))) is not None:
            hint = "score, predict_udf and load_signature take runs:/ and models:/; elsewhere, and for other schemes, "
            hint += "give the directory that mlflow.artifacts.download_artifacts(uri) returns"
            problem = Problem(os.fspath(path), f"{scheme} is not a local directory", hint=hint)
            raise NotSupportedError("model URIs are not read here", [problem])
        root = Path(path)
        if root.suffix == ".onnx" and not root.is_dir():
            return cls._of_onnx(root)
        root = root.parent if root.name == MLMODEL and not root.is_dir() else root
        try:
            text = (root / MLMODEL).read_bytes()
        except OSError as error:
            fact = "has no file MLmodel" if root.is_dir() else "is not a directory"
            hint = "a model directory is what MLflow's or sparksig's save_model writes"
            raise ModelLoadError("there is no model", [Problem(origin or str(root), fact, hint=hint)]) from error
        document = _document(text, origin or str(root / MLMODEL))
        signature, version = document.get("signature"), document.get("mlflow_version")
        return cls(
            path=root.resolve(),  # the directory may be a link (`current`), what is in it may not
            flavors=document["flavors"],
            signature=signature if isinstance(signature, dict) else None,
            mlflow_version=None if version is None else str(version),
            hint_from_example=document.get("type_hint_from_example") is True,
            signature_from_hint=document.get("is_signature_from_type_hint") is True,
            text=text,
            origin=origin,
        )

    @classmethod
    def _of_onnx(cls, file: Path) -> Artifact:
        if not file.is_file():
            raise ModelLoadError("there is no model", [Problem(str(file), "there is no such file")])
        return cls(file.resolve(), {"onnx": {"data": file.resolve().name}})

    @cached_property
    def digest(self) -> str:
        """`sha256:<hex>` of all files, their names and contents, as they were when first asked.

        Raises:
            ModelLoadError: a symbolic link or something else that is not a file is among them.
        """
        return self.contents(())[0]

    @property
    def name(self) -> str:
        """What messages call it: where it is, or where its copy came from."""
        return self.origin or str(self.path)

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
        for name, chunks in self._read(digest.update):
            if name in names or name == MLMODEL:
                kept[name] = b"".join(chunks)
            deque(chunks, maxlen=0)
        self._check_text(kept.get(MLMODEL, b""))
        return f"sha256:{digest.hexdigest()}", {name: kept[name] for name in names if name in kept}

    def files(self) -> tuple[str, dict[str, bytes]]:
        """The digest, and the content of every file by its relative posix path, from one and the same reading.

        Raises:
            ModelLoadError: something in the directory is no plain file, or MLmodel changed since it was read.
        """
        digest = hashlib.sha256()
        kept = {name: b"".join(chunks) for name, chunks in self._read(digest.update)}
        self._check_text(kept.get(MLMODEL, b""))
        return f"sha256:{digest.hexdigest()}", kept

    def copy(self, folder: Path) -> str:
        """Copy all files into a folder, and return the digest of what was copied.

        Raises:
            ModelLoadError: something in the directory is no plain file, or changed, or cannot be copied.
        """
        digest = hashlib.sha256()
        try:
            for name, chunks in self._read(digest.update):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with open(folder / name, "xb") as copy:
                    copy.writelines(chunks)
        except OSError as error:
            raise ModelLoadError("the model cannot be copied", [Problem(str(folder), type(error).__name__)]) from error
        self._check_text((folder / MLMODEL).read_bytes() if self.text else b"")
        return f"sha256:{digest.hexdigest()}"

    def _read(self, update: Callable[[bytes], object]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each file's name and content, which have to be consumed in this order; all of it goes to the digest."""
        if not self.text:
            yield self.path.name, _chunks(self.path, self.path.name, update, head=False)
            return
        for name in sorted(_files(self.path), key=os.fsencode):
            yield name, _chunks(self.path / name, name, update, head=True)

    def _check_text(self, text: bytes) -> None:
        if text != self.text:
            raise ModelLoadError("the model changed while it was read", [Problem(MLMODEL, "is another file by now")])


def _scheme(path: str) -> str | None:
    """The scheme of a URI; a Windows drive is none.

    >>> _scheme("models:/m@prod"), _scheme("build/model"), _scheme("C:/model")
    ('models:/', None, None)
    """
    head, colon, tail = path.partition(":")
    return f"{head}:/" if colon and len(head) > 1 and head.replace("-", "").isalnum() and tail.startswith("/") else None


def _document(text: bytes, name: str) -> dict[str, Any]:
    """The parsed MLmodel, with all that is wrong about its form at once."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"not YAML, line {mark.line + 1}" if mark is not None else "not YAML"
        raise ModelLoadError("MLmodel cannot be read", [Problem(name, where)]) from None
    if not isinstance(document, dict):
        raise ModelLoadError("MLmodel cannot be read", [Problem(name, "not a mapping")])
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


def _chunks(path: Path, name: str, update: Callable[[bytes], object], head: bool) -> Iterator[bytes]:
    """A file in pieces, each of which goes to the digest first."""
    with _open(path) as handle:
        size, read = os.fstat(handle.fileno()).st_size, 0
        if head:  # lengths before names and contents: no two directories make the same stream of bytes
            update(f"{len(os.fsencode(name))} {size} ".encode() + os.fsencode(name))
        while chunk := handle.read(_CHUNK):
            update(chunk)
            read += len(chunk)
            yield chunk
    if read != size:
        raise ModelLoadError("the model changed while it was read", [Problem(name, "its size changed")])


def _open(path: Path) -> Any:
    """The file, unless it has become a link since it was listed."""
    try:
        return open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise ModelLoadError("the model cannot be read", [Problem(path.name, type(error).__name__)]) from error
