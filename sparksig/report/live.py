"""A run while it is under way: a bar a phase on a terminal, a plain line now and then elsewhere. All on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sparksig.report.text import phase_text, tasks_text

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

EVERY = 5.0
"""Seconds between two plain lines of one phase."""


class Progress(Protocol):
    """What a run tells while it is under way. Whoever listens is called from more than one thread."""

    def begin(self, phase: str) -> None:
        """A phase begins."""

    def tasks(self, done: int, total: int) -> None:
        """Of the tasks of the phase that are known by now, so many are done."""

    def end(self, phase: str, seconds: float, well: bool) -> None:
        """The phase is over, well or not."""


class Silent:
    """Tells nothing."""

    def begin(self, phase: str) -> None:
        """Say nothing."""

    def tasks(self, done: int, total: int) -> None:
        """Say nothing."""

    def end(self, phase: str, seconds: float, well: bool) -> None:
        """Say nothing."""


class Lines:
    """A line for each phase that has ended, and one every few seconds for a phase that has not."""

    def __init__(self) -> None:
        self._phase, self._began, self._told = "", 0.0, 0.0

    def begin(self, phase: str) -> None:
        """Remember when."""
        self._phase, self._began = phase, time.monotonic()
        self._told = self._began

    def tasks(self, done: int, total: int) -> None:
        """Tell how far the phase is, unless that has just been told."""
        now = time.monotonic()
        if self._phase and now - self._told >= EVERY:
            self._told = now
            print(tasks_text(self._phase, done, total, now - self._began), file=sys.stderr, flush=True)

    def end(self, phase: str, seconds: float, well: bool) -> None:
        """Tell that the phase is over."""
        self._phase = ""
        print(phase_text(phase, seconds) + ("" if well else "  failed"), file=sys.stderr, flush=True)


class Bars:
    """A bar a phase: it pulses until Spark has told its tasks, then it shows them."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._current: TaskID | None = None

    def begin(self, phase: str) -> None:
        """Show a bar."""
        self._current = self._bars.add_task(f"{phase:<12}", total=None, count="")

    def tasks(self, done: int, total: int) -> None:
        """Fill the bar."""
        current = self._current
        if current is not None:
            self._bars.update(current, completed=done, total=total, count=f"{done} of {total} tasks")

    def end(self, phase: str, seconds: float, well: bool) -> None:
        """Leave a full bar with its seconds, or an empty one."""
        current, self._current = self._current, None
        if current is not None:
            # the last that Spark told is not the last that there was
            self._bars.update(current, total=1, completed=int(well), count="" if well else "failed")
            self._bars.stop_task(current)


@contextmanager
def live() -> Iterator[Progress]:
    """The progress that fits where stderr goes.

    `TTY_COMPATIBLE=1` says that it goes to a terminal after all: `spark-submit` puts a pipe between the two.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, force_terminal=True if os.environ.get("TTY_COMPATIBLE") == "1" else None)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(24), TimeElapsedColumn(), TextColumn("{task.fields[count]}"))
    with Progress(*columns, console=console, refresh_per_second=4) as bars:
        yield Bars(bars)
