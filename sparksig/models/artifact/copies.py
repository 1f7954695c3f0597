"""Files of an artifact in a folder of their own, for loaders that read files by themselves."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from sparksig.errors import ModelLoadError, Problem
from sparksig.models.artifact.directory import Artifact

if sys.platform != "win32":
    import fcntl

_COPIES = "sparksig-model-"


class PrivateCopy:
    """The verified files of an artifact, for loaders that read files by themselves.

    They lie in a directory that only this user can change, and are removed with the last model that needs them. A
    process that is killed, as Spark's Python workers are, leaves its copy behind, and the next copy removes it.

    Attributes:
        path: the copied directory.
    """

    def __init__(self, artifact: Artifact, digest: str) -> None:
        """Copy an artifact.

        Args:
            artifact: what to copy.
            digest: what must have been copied.

        Raises:
            ModelLoadError: it is something else by now, or cannot be copied.
        """
        _remove_left_behind()
        try:
            folder = Path(tempfile.mkdtemp(prefix=_COPIES))
            weakref.finalize(self, _remove, folder, _locked(folder), os.getpid())
            self.path = folder / "model"
            self.path.mkdir()
        except OSError as error:
            fact, hint = type(error).__name__, "TMPDIR names another place"
            raise ModelLoadError(
                "the model cannot be copied", [Problem("temporary folder", fact, hint=hint)]
            ) from error
        if artifact.copy(self.path) != digest:
            raise ModelLoadError(
                "the model changed while it was read", [Problem(str(artifact.path), "its digest changed")]
            )

    def __reduce__(self) -> NoReturn:
        raise TypeError("files do not travel with a model that is pickled")

    def file(self, name: str) -> Path:
        """The path of a file or folder of the artifact.

        Raises:
            ModelLoadError: there is none of that name in the artifact; what lies outside is in no digest.
        """
        path = (self.path / name).resolve()
        if not path.exists() or not path.is_relative_to(self.path.resolve()):
            raise ModelLoadError("the model is not complete", [Problem(name, "named by MLmodel, but not there")])
        return path


def _locked(folder: Path) -> int | None:
    """A lock that says that somebody lives who needs the folder; the system opens it when the process ends."""
    if sys.platform == "win32":
        return None
    lock = os.open(folder / "unlocked", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "unlocked").rename(folder / "lock")  # so that nobody ever sees a lock that is open
    return lock


def _remove(folder: Path, lock: int | None, pid: int) -> None:
    if os.getpid() != pid:
        return  # a process that was forked since: the files are its parent's
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def _remove_left_behind() -> None:
    """Remove this user's copies whose processes are gone."""
    if sys.platform == "win32":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_COPIES}*"):
        with suppress(OSError):
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
                continue
            lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
