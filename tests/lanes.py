"""Runs the tests in parallel lanes, and times each one: `make lint`, `check`, `test` and `test-all`.

    python -m tests.lanes lint      ruff, import-linter, the workflows' schemas, mypy
    python -m tests.lanes check     the same, and the tests that need no JVM
    python -m tests.lanes test      the same, then the tests that start other JVMs in one lane; the tests on the shared
                                    session in another
    python -m tests.lanes all       `test`, then every marked suite: a line for each

The last lane prints as it runs; the output of the others is printed when they have ended, and is in build/lanes/.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "lanes"
BIN = Path(sys.executable).parent

SUITES = ("matrix", "cluster", "airflow", "mlflow_server", "browser", "docker", "local_java")
"""The marked suites, which `make test` leaves out: each needs another environment, a server, a browser or more time."""

UNREDUCED = "SPARKSIG_TESTS_UNREDUCED"
"""The environment variable that makes property tests try all their examples."""

MARKED = " or ".join(SUITES)
SPARK_FREE = f"not (spark or {MARKED})"
ON_SPARK = f"spark and not (other_jvm or {MARKED})"
OTHER_JVM = f"other_jvm and not ({MARKED})"

Command = Sequence[str | Path]

PYTEST_CLOSING = re.compile(r"\b(\d+ \w+.*|no tests ran) in \d+\.\d+s\b")

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
        failures: each command that failed, with its exit code.
        closing: the closing line of each pytest; if there was none, the last line of its output.
    """

    lane: str
    seconds: float
    failures: tuple[str, ...]
    closing: tuple[str, ...]

    def __str__(self) -> str:
        state = f"FAILED ({', '.join(self.failures)})" if self.failures else "passed"
        return f"{self.lane:14} {self.seconds:7.1f} s  {state}  {'; '.join(self.closing)}"

    def counts(self) -> dict[str, int]:
        """The sums of its closing lines; a failure that no test reported, such as a linter's, is one that failed."""
        counts = {word: 0 for word in ("passed", "failed", "error", "skipped")}
        for number, word in re.findall(r"\b(\d+) (passed|failed|error|skipped)", "\n".join(self.closing)):
            counts[word] += int(number)
        if self.failures and not counts["failed"] + counts["error"]:
            counts["failed"] = len(self.failures)
        return counts


LANES: dict[str, tuple[Lane, ...]] = {
    "lint": (Lane("lint", LINT),),
    "check": (
        Lane("lint", LINT),
        Lane("spark-free", (pytest(SPARK_FREE, "-n", "2", "--dist", "loadfile"),)),
    ),
    "test": (
        # The tests that start other JVMs follow the Spark-free ones, so that both lanes end at about the same time.
        Lane("spark-free", (*LINT, pytest(SPARK_FREE), pytest(OTHER_JVM))),
        Lane("spark", (pytest(ON_SPARK),)),
    ),
}


def run_lane(lane: Lane, log: Path, live: bool) -> Outcome:
    """Run a lane's commands, with their output in a log, and on the terminal as well if `live`."""
    start, failures, last, closing = time.monotonic(), list[str](), "", list[str]()
    with open(log, "w", encoding="utf-8", buffering=1) as out:
        for command in lane.commands:
            for line in run_command(command, failures):
                out.write(line)
                last = line.strip() or last
                if PYTEST_CLOSING.search(line):
                    closing.append(line.strip(" =\n"))
                if live:
                    print(line, end="", flush=True)
    return Outcome(lane.name, time.monotonic() - start, tuple(failures), tuple(closing) or (last,))


def run_command(command: Command, failures: list[str]) -> Iterator[str]:
    """Run a command and yield the lines of its output; if it fails, append its name and exit code to `failures`."""
    words = list(map(str, command))
    name = " ".join([Path(words[0]).name, *words[1:3]])
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        process = subprocess.Popen(words, cwd=ROOT, encoding="utf-8", errors="backslashreplace", **pipes)
    except OSError as error:
        failures.append(f"{name}: {error.strerror}")
        yield f"{failures[-1]}\n"
        return
    assert process.stdout is not None
    with process:
        yield from process.stdout
    if process.returncode:
        failures.append(f"{name}: exit code {process.returncode}")


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
    counts = sum((Counter(outcome.counts()) for outcome in outcomes), Counter())
    return f"{counts['passed']} passed, {counts['failed'] + counts['error']} failed, {counts['skipped']} skipped"


def main(name: str) -> int:
    """Run the lanes of that name; the exit code is 0 if everything passed."""
    if name not in (*LANES, "all"):
        print(
            f"python -m tests.lanes: expected one of {', '.join(LANES)}, all; got {name or 'nothing'}", file=sys.stderr
        )
        return 2
    if name == "all":
        os.environ[UNREDUCED] = "1"
    outcomes = run_lanes(LANES["test" if name == "all" else name])
    if name == "all":
        outcomes += run_suites()
    print("\n" + "\n".join(map(str, outcomes)))
    if name != "lint":
        print(closing_line(outcomes))
    return int(any(outcome.failures for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
