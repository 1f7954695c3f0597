"""Kill a process at each step of a commit; report what readers see and how the next process completes it.

python -m tests.pipeline.run_commit FOLDER REPLACES EXCHANGES
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparksig.pipeline import sinks
from tests.pipeline.places import left, seen, staged

STEPS = ("_move", "_exchange", "write_text")
"""Each changes what lies there by one rename; removing a folder and the decision are steps of their classes."""


def deadly(step: Callable[..., Any], number: list[int]) -> Callable[..., Any]:
    """A step before which the process dies when its number has come."""

    def taken(*given: Any) -> Any:
        number[0] -= 1
        if number[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*given)

    return taken


def commit(root: Path, replaces: bool, number: int) -> None:
    """Commit a staged run, and die before the step of a number."""
    counted = [number]
    for name in STEPS:
        setattr(sinks, name, deadly(getattr(sinks, name), counted))
    sinks.Sink._remove = deadly(sinks.Sink._remove, counted)  # type: ignore[method-assign]
    sinks.Commit._forget = deadly(sinks.Commit._forget, counted)  # type: ignore[method-assign]
    made = staged(root, replaces)
    made.decide()
    made.finish()
    made.settle()


def main() -> None:
    """One line for each step: which, what was seen after the kill, what after the next attempt's first look."""
    root, replaces, exchanges = Path(sys.argv[1]), sys.argv[2] == "True", sys.argv[3] == "True"
    if not exchanges:
        sinks._renameat2 = lambda: None  # type: ignore[assignment]
    for number in range(1, 100):
        folder = root / str(number)
        folder.mkdir(parents=True)
        child = os.fork()
        if child == 0:
            commit(folder, replaces, number)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        killed = seen(folder)
        decided = sinks.recover(str(folder / "scored"), "r")
        found = {"killed": os.WIFSIGNALED(status), "seen": killed, "decided": decided, "then": seen(folder)}
        print(json.dumps({**found, "left": left(folder)}), flush=True)
        if not os.WIFSIGNALED(status):
            return


if __name__ == "__main__":
    main()
