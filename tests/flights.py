"""`make demo` as a user runs it, once for all tests that look at what it prints and writes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = 336_776
CANCELLED = 8_255
"""Flights without a departure time: the model requires one, so these rows are quarantined."""


@dataclass(frozen=True)
class FlightsRun:
    """What `make demo` has written and printed.

    Attributes:
        root: the folder in which make ran.
        output: what it printed on stdout and stderr.
    """

    root: Path
    output: str

    @property
    def folder(self) -> Path:
        """The demo's own folder: source, model, outputs and summary."""
        return self.root / "build" / "demo"

    @property
    def trust(self) -> str:
        """The digest of the model."""
        return (self.folder / "model.trust").read_text().strip()


def environment() -> dict[str, str]:
    """The environment of a user who has set nothing of Spark's."""
    foreign = ("PYSPARK", "SPARK", "MAKE", "MFLAGS", "TTY_COMPATIBLE")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | {"PYSPARK_PYTHON": sys.executable}


def call(root: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, in that environment."""
    words = list(map(str, command))
    return subprocess.run(words, cwd=root, env=environment(), capture_output=True, text=True, timeout=600, check=False)


def run_demo(root: Path) -> FlightsRun:
    """Run `make demo` in a folder that has links to the checkout, so that `build/` is the folder's own."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "sparksig", "jobs"):
        (root / name).symlink_to(ROOT / name)
    (root / ".venv").symlink_to(sys.prefix)
    # -o: the environment is the one that runs the tests, whatever its stamps say
    done = call(root, "make", "-o", ".venv/.demo-stamp", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    return FlightsRun(root, done.stdout + done.stderr)
