"""Temporary folders for files that are fetched, unpacked or copied, which do not outlive their process for long."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

if sys.platform != "win32":
    import fcntl

Kind = Literal["fetched", "model", "unpacked"]


class Folder:
    """A folder of this process in the temporary folder, that only its user can look into.

    A process that is killed leaves its folder behind, and the next one of the same kind removes it. It knows by a lock
    on a file beside the files: no id of a process says who lives where containers share a temporary folder, or where
    the id is another's by now. Where there are no such locks, the system's own cleaning of temporary folders is left.

    Attributes:
        files: where the files go.
    """

    def __init__(self, kind: Kind) -> None:
        """Make an empty folder.

        Args:
            kind: what it is for, which stands in its name: `sparksig-<kind>-..`.

        Raises:
            OSError: it cannot be made.
        """
        prefix = f"sparksig-{kind}-"
        _remove_left_behind(prefix)
        self._root, self._pid = Path(tempfile.mkdtemp(prefix=prefix)), os.getpid()
        self._lock = _locked(self._root)
        self.files = self._root / "model"
        self.files.mkdir()

    def remove(self) -> None:
        """Remove it with all that is in it, unless this process was forked since: the files are its parent's."""
        if os.getpid() != self._pid:
            return
        shutil.rmtree(self._root, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def temporary(kind: Kind) -> Iterator[Path]:
    """A folder for files that are gone afterwards.

    Args:
        kind: what it is for.

    Raises:
        OSError: it cannot be made.
    """
    folder = Folder(kind)
    try:
        yield folder.files
    finally:
        folder.remove()


def _locked(root: Path) -> int | None:
    """A lock that says that somebody lives who needs the folder; the system opens it when the process ends."""
    if sys.platform == "win32":
        return None
    lock = os.open(root / "unlocked", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    (root / "unlocked").rename(root / "lock")  # so that nobody ever sees a lock that is open
    return lock


def _remove_left_behind(prefix: str) -> None:
    """Remove this user's folders whose processes are gone."""
    if sys.platform == "win32":
        return
    for root in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            about = root.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
                continue
            lock = os.open(root / "lock", os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(root, ignore_errors=True)
            finally:
                os.close(lock)
