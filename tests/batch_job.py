"""The demo as `make demo` runs it, once for all tests that look at it: its two steps, the job, the job again."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUBMIT = Path(sys.executable).parent / "spark-submit"


@dataclass(frozen=True)
class Demo:
    """What the demo left: where, and what it said from its first step to the end of the job."""

    folder: Path
    said: str
    said_again: str


def environment() -> dict[str, str]:
    """The environment of a user who has set nothing of Spark's."""
    foreign = ("PYSPARK", "SPARK", "MAKE", "MFLAGS", "TTY_COMPATIBLE")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | {"PYSPARK_PYTHON": sys.executable}


def call(root: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    words = list(map(str, command))
    return subprocess.run(words, cwd=root, env=environment(), capture_output=True, text=True, timeout=600, check=False)


def job_command(*more: str) -> list[str | Path]:
    """The job as the Makefile starts it, from a folder that has `build/demo`."""
    home = "build/demo"
    places = {"input": "source", "model": "model", "output": "scored", "quarantine": "quarantine"}
    given = [word for flag, place in places.items() for word in (f"--{flag}", f"{home}/{place}")]
    submit = [SUBMIT, "--master", "local[2]", "--conf", "spark.ui.enabled=false", ROOT / "jobs" / "batch_score.py"]
    return [*submit, *given, "--summary", f"{home}/summary.json", "--run-id", "demo", *more]


@cache
def demo() -> Demo:
    """Run the demo in a folder of its own."""
    root = Path(tempfile.mkdtemp(prefix="sparksig-demo-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    said = ""
    for step in ("source", "train"):
        done = call(root, sys.executable, ROOT / "jobs" / "demo" / "flights.py", step)
        assert (done.returncode, done.stderr) == (0, ""), done
        said += done.stdout
    trust = (root / "build" / "demo" / "model.trust").read_text().strip()
    outputs = []
    for _ in range(2):
        done = call(root, *job_command("--trust", trust, "--param", "threshold=0.4"))
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append(done.stdout)
    return Demo(root / "build" / "demo", said + outputs[0], outputs[1])
