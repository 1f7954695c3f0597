"""The files of an artifact in memory: how a model travels to workers that cannot read where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from sparksig.errors import ModelLoadError, Problem
from sparksig.models.artifact.directory import Artifact
from sparksig.sources.folders import temporary


@dataclass(frozen=True, slots=True)
class Packed:
    """All files of a model directory.

    Attributes:
        origin: where they came from, for messages.
        digest: the digest of the directory.
        files: the content of each file, by its relative posix path.
    """

    origin: str
    digest: str
    files: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, artifact: Artifact) -> Packed:
        """Read all files of a model directory.

        Raises:
            ModelLoadError: something in it is no plain file, or it changes while it is read.
        """
        digest, files = artifact.files()
        return cls(artifact.name, digest, files)

    @contextmanager
    def unpacked(self) -> Iterator[Artifact]:
        """The artifact in a folder of this process, which is gone afterwards.

        Raises:
            ModelLoadError: the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                root = stack.enter_context(temporary("unpacked"))
                for name, content in self.files.items():
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_bytes(content)
            except OSError as error:
                problem = Problem("temporary folder", type(error).__name__, hint="TMPDIR names another place")
                raise ModelLoadError("the model cannot be unpacked", [problem]) from error
            yield Artifact.read(root, self.origin)
