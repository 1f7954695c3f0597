"""Files of an artifact in a folder of their own, for loaders that read files by themselves."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import NoReturn

from sparksig.errors import ModelLoadError, Problem
from sparksig.models.artifact.directory import Artifact
from sparksig.sources.folders import Folder


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
        try:
            folder = Folder("model")
        except OSError as error:
            fact, hint = type(error).__name__, "TMPDIR names another place"
            raise ModelLoadError(
                "the model cannot be copied", [Problem("temporary folder", fact, hint=hint)]
            ) from error
        weakref.finalize(self, folder.remove)
        self.path = folder.files
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
