"""What a command says, and how it is stopped: stdout for results, stderr for errors, warnings and progress."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparksig import runtime, tables
from sparksig.redaction import masked

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sparksig.pipeline.dataset import Report
    from sparksig.report.live import Progress

_PACKAGE = Path(__file__).parents[1]


def say(text: str) -> None:
    """Print a result. Who closed the pipe does not want it, and that changes no exit code."""
    try:
        click.echo(text)
    except BrokenPipeError:
        _close_stdout()


def in_flags(text: str) -> str:
    """Hints in a shell's words: options of Python are flags here.

    >>> in_flags("level='parse' admits it; allow_rounding=True rounds; case_sensitive=False takes both")
    '--level parse admits it; --allow-rounding rounds; --no-case-sensitive takes both'
    """

    def flag(found: re.Match[str]) -> str:
        name = found[1].replace("_", "-")
        return f"--no-{name}" if found[2] == "False" else f"--{name}" + ("" if found[2] == "True" else f" {found[3]}")

    return _OPTION.sub(flag, text)


_OPTION = re.compile(
    r"\b(level|tensor_level|allow_rounding|allow_nulls|case_sensitive|on_absent)=(True|False|'(\w+)')(?!\w)"
)


def flush() -> None:
    """Bring out what was said."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()


def _close_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def warnings_as_lines(mute: bool) -> Iterator[None]:
    """Our own warnings as a line each on stderr; those of libraries are not for who scores a table."""

    def show_warning(message: Warning | str, category: type[Warning], filename: str, *_: Any, **__: Any) -> None:
        if not mute and Path(filename).is_relative_to(_PACKAGE):
            click.echo(f"warning: {masked(tables.printable(message))}", err=True)

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module="sparksig")
        warnings.showwarning = show_warning
        yield


@contextmanager
def reading_footers(quiet: bool) -> Iterator[Report]:
    """Who receives how many footers have been read: a bar on stderr."""
    from sparksig.report.live import live

    with ExitStack() as stack:
        bars: list[Progress] = []

        def report(done: int, total: int) -> None:
            if quiet:
                return
            if not bars:
                bars.append(stack.enter_context(live()))
                bars[0].begin("footers")
            bars[0].tasks(done, total)

        yield report


@contextmanager
def on_spark(name: str, as_json: bool, verbose: bool) -> Iterator[tuple[Callable[[], SparkSession], Progress]]:
    """How a command gets its session, and who listens to its progress; a signal stops it cleanly."""
    from sparksig.report.live import Silent, live

    if not verbose:
        _hush_py4j()
    with _terminable(), nullcontext(Silent()) if as_json or verbose else live() as progress:
        yield lambda: runtime.session(name, verbose=verbose), progress


@contextmanager
def _terminable() -> Iterator[None]:
    """Take a request to terminate, or a closed terminal, like an interrupt from the keyboard."""
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]  # nohup ignores one of them
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _hush_py4j() -> None:
    """Silence what the connection to the JVM prints, a traceback each time, when a signal cuts it."""
    logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)
    # some of it goes to the root logger
    logging.getLogger().addFilter(lambda record: "py4j" not in Path(record.pathname).parts)
