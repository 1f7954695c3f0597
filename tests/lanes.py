"""Runs the tests in parallel lanes, and times each one: `make lint`, `check`, `test` and `test-all`.

    python -m tests.lanes lint      ruff, import-linter, the workflows' schemas, mypy
    python -m tests.lanes check     the same, and the tests that need no JVM
    python -m tests.lanes test      the same in one lane, the tests on Spark in another
    python -m tests.lanes all       `test`, then every marked suite: a line for each

The last lane prints as it runs; the output of the others is printed when they have ended, and is in build/lanes/.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "lanes"
BIN = Path(sys.executable).parent

SUITES = ("matrix", "cluster", "airflow", "mlflow_server", "browser", "docker", "local_java")
"""The marked suites, which `make test` leaves out: each needs another environment, a server, a browser or more time."""

UNREDUCED = "SPARKSIG_TESTS_UNREDUCED"
"""The environment variable that makes property tests try all their examples."""

MARKED = " or ".join(SUITES)
SPARK_FREE = f"not (spark or {MARKED})"
ON_SPARK = f"spark and not ({MARKED})"

Command = Sequence[str | Path]

FORMS = sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))
CONFIG = ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
GITHUB = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.dependabot": [ROOT / ".github" / "dependabot.yml"],
    "vendor.github-issue-config": [CONFIG],
    "vendor.github-issue-forms": [form for form in FORMS if form != CONFIG],
}
"""The files that GitHub reads, by the name of their JSON schema."""

LINT: tuple[Command, ...] = (
    (BIN / "ruff", "check", "."),
    (BIN / "ruff", "format", "--check", "."),
    (BIN / "lint-imports",),
    *((BIN / "check-jsonschema", "--builtin-schema", schema, *files) for schema, files in GITHUB.items()),
    (BIN / "zizmor", "--offline", "--pedantic", "--quiet", "--strict-collection", ".github"),
    (BIN / "mypy",),
)


def pytest(marks: str, *options: str) -> Command:
    """The command that runs the tests with these marks."""
    return (sys.executable, "-m", "pytest", "-m", marks, *options)


@dataclass(frozen=True)
class Lane:
    """Commands that run one after another; a failed one does not stop those after it."""

    name: str
    commands: tuple[Command, ...]


@dataclass(frozen=True)
class Outcome:
    """The end of a lane.

    Attributes:
        lane: its name.
        seconds: how long it took.
        code: the exit code of the first command that failed, or 0.
        closing: the last line of its output: pytest's closing line, where pytest ran last.
    """

    lane: str
    seconds: float
    code: int
    closing: str

    def __str__(self) -> str:
        state = "passed" if self.code == 0 else f"FAILED (exit code {self.code})"
        return f"{self.lane:14} {self.seconds:7.1f} s  {state}  {self.closing}"


LANES: dict[str, tuple[Lane, ...]] = {
    "lint": (Lane("lint", LINT),),
    "check": (
        Lane("lint", LINT),
        Lane("spark-free", (pytest(SPARK_FREE, "-n", "2", "--dist", "loadfile"),)),
    ),
    "test": (
        Lane("spark-free", (*LINT, pytest(SPARK_FREE))),
        Lane("spark", (pytest(ON_SPARK),)),
    ),
}


def run_lane(lane: Lane, log: Path, live: bool) -> Outcome:
    """Run a lane's commands, with their output in a log, and on the terminal as well if `live`."""
    start, code, closing = time.monotonic(), 0, ""
    with open(log, "w", encoding="utf-8", buffering=1) as out:
        for command in lane.commands:
            words = list(map(str, command))
            process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert process.stdout is not None
            for line in process.stdout:
                out.write(line)
                closing = line.strip() or closing
                if live:
                    print(line, end="", flush=True)
            code = code or process.wait()
    return Outcome(lane.name, time.monotonic() - start, code, closing)


def run_lanes(lanes: Sequence[Lane]) -> list[Outcome]:
    """Run lanes side by side; print the last one as it runs, and the others when they have ended."""
    LOGS.mkdir(parents=True, exist_ok=True)
    logs = [LOGS / f"{lane.name}.log" for lane in lanes]
    with ThreadPoolExecutor(len(lanes)) as pool:
        runs = [pool.submit(run_lane, lane, log, lane is lanes[-1]) for lane, log in zip(lanes, logs, strict=True)]
        outcomes = [run.result() for run in runs]
    for log in logs[:-1]:
        print(f"\n---- {log.stem}\n{log.read_text(encoding='utf-8')}", end="")
    return outcomes


def run_suites() -> list[Outcome]:
    """Run each marked suite, one after another; print a line for each."""
    outcomes = []
    for suite in SUITES:
        outcomes.append(run_lane(Lane(suite, (pytest(suite, "-q"),)), LOGS / f"{suite}.log", live=False))
        print(outcomes[-1], flush=True)
    return outcomes


def closing_line(outcomes: Sequence[Outcome]) -> str:
    """The sum of pytest's closing lines, in the form that CI reads."""
    counts = {word: 0 for word in ("passed", "failed", "error", "skipped")}
    for outcome in outcomes:
        for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", outcome.closing):
            counts[word] += int(number)
    return f"{counts['passed']} passed, {counts['failed'] + counts['error']} failed, {counts['skipped']} skipped"


def main(name: str) -> int:
    """Run the lanes of that name; the exit code is 0 if everything passed."""
    if name == "all":
        os.environ[UNREDUCED] = "1"
    outcomes = run_lanes(LANES["test" if name == "all" else name])
    if name == "all":
        outcomes += run_suites()
    print("\n" + "\n".join(map(str, outcomes)))
    if name != "lint":
        print(closing_line(outcomes))
    return int(any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
