"""All sides of a comparison in one process, interleaved, in rounds after a warm-up; a ratio is a median of rounds."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

Side = Callable[[], object]

WARM_UP = 4
"""Rounds after which the JVM has compiled what runs often."""


def parser(description: str, rounds: int = 7) -> argparse.ArgumentParser:
    """`--json FILE`, `--small` and `--rounds N`."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", metavar="FILE", help="write the numbers to FILE")
    made.add_argument("--small", action="store_true", help="a size that takes seconds, to see that it runs")
    made.add_argument("--rounds", type=int, default=rounds)
    return made


def arguments(description: str, rounds: int = 7) -> argparse.Namespace:
    """The options of every benchmark, as given."""
    return parser(description, rounds).parse_args()


def rounds(sides: Mapping[str, Side], count: int, warm_up: int = WARM_UP) -> dict[str, list[float]]:
    """Seconds of each side in each round; the rounds before them are a warm-up and not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(warm_up + count):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(seconds: Mapping[str, list[float]], slow: str, fast: str) -> list[float]:
    """How many times as long the slow side took as the fast one, round by round."""
    return [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]


def report(
    results: Mapping[str, tuple[dict[str, list[float]], list[float]]],
    packages: list[str],
    path: str | None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print one line a comparison, and write the file.

    Args:
        results: for each comparison the seconds of its sides and the ratio of each round.
        packages: distributions whose versions matter.
        path: the file to write, if any.
        more: what else the file holds, such as the jobs that a side starts.
    """
    for name, (seconds, ratio) in results.items():
        sides = "  ".join(f"{side} {statistics.median(found):8.3f} s" for side, found in seconds.items())
        spread = f"{min(ratio):.2f} to {max(ratio):.2f}"
        print(f"{name:<24} {sides}  ratio {statistics.median(ratio):6.2f} ({spread})")
    if path is not None:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        content: dict[str, Any] = {
            "ratios": {name: statistics.median(ratio) for name, (_, ratio) in results.items()},
            "spread": {name: [min(ratio), max(ratio)] for name, (_, ratio) in results.items()},
            "seconds": {
                f"{name}: {side}": [min(found), statistics.median(found)]
                for name, (seconds, _) in results.items()
                for side, found in seconds.items()
            },
            "jobs": {},
            "versions": {"python": sys.version.split()[0], **{package: _version(package) for package in packages}},
            **(more or {}),
        }
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
