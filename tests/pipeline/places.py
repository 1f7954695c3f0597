"""Folders as runs leave them, without Spark."""

from __future__ import annotations

import json
from pathlib import Path

from sparksig.pipeline.dataset import MARKER
from sparksig.pipeline.sinks import Commit, Sink

KINDS = ("quarantine", "scored")


def fill(folder: str, rows: str, run_id: str = "r", kind: str = "scored", attempt: str = "new") -> None:
    """A folder as a run leaves it."""
    Path(folder).mkdir(parents=True)
    Path(folder, "part").write_text(rows)
    mark = {"run_id": run_id, "kind": kind, "attempt": attempt, "version": 2}
    Path(folder, MARKER).write_text(json.dumps(mark))


def staged(root: Path, replaces: bool) -> Commit:
    """Both sinks of a run staged, over an earlier attempt or not, and the summary with it."""
    sinks = {kind: Sink(str(root / kind), "r", kind, "new") for kind in KINDS}
    for sink in sinks.values():
        if replaces:
            fill(sink.final, "old", kind=sink.kind, attempt="old")
        fill(sink.staging, "new", kind=sink.kind, attempt="new")
    if replaces:
        (root / "summary.json").write_text("old")
    return Commit.of(sinks, str(root / "summary.json"), "new")


def seen(root: Path) -> list[str | None]:
    """What readers see of the run: its quarantine, its scored rows, its summary."""
    files = [*(root / kind / "run_id=r" / "part" for kind in KINDS), root / "summary.json"]
    return [file.read_text() if file.exists() else None for file in files]


def left(root: Path) -> list[str]:
    """Everything that lies there."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != MARKER)
