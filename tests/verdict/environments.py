"""Other processes that run the table of cases: another Spark in an environment of its own, or Spark Connect."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.verdict import cases, crossing, places, unrepresentable

ROOT = Path(__file__).resolve().parent.parent.parent
PREDICTED = Path(__file__).parent / "predicted.json"
"""What `crossing.predicted` tells, everywhere."""
SCRIPT = Path(__file__).parent / "run_cases.py"

# 3.5 was built for numpy 1, and newer pyarrow wants numpy 2
OLD = ("numpy==1.26.4", "pandas==2.3.3", "pyarrow==21.0.0")
OURS = ("numpy", "pandas", "pyarrow")
"""Taken as our own environment pins them."""
VERSIONS = {"3.5.9": OLD, "4.0.5": OURS, "4.1.4": OURS, "4.2.1": OURS}


def pins(version: str) -> list[str]:
    """What an environment is made of."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    own = {line.partition("==")[0].lower(): line for line in lines if "==" in line}
    wanted = (f"pyspark[ml,sql]=={version}", *VERSIONS[version], "PyYAML", "setuptools")
    return [own.get(each.lower(), each) for each in wanted]


def python_with(version: str) -> Path:
    """The interpreter of an environment that has a version of pyspark; made once, made anew when its pins change."""
    folder = ROOT / "build" / "venvs" / f"pyspark-{version.rpartition('.')[0]}"
    python, stamp = folder / "bin" / "python", folder / ".stamp"
    digest = hashlib.sha256("\n".join([sys.version, *pins(version)]).encode()).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once must not install into one another
        if not stamp.exists() or stamp.read_text() != digest:
            _run(sys.executable, "-m", "venv", "--clear", str(folder))
            _run(str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *pins(version))
            stamp.write_text(digest)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def answers_of(python: Path | str, *flags: str) -> dict[str, Any]:
    """What the table of cases gives in a process of its own, with nothing of this process's Spark about it."""
    foreign = ("PYSPARK", "SPARK", "PYTHON", "VIRTUAL_ENV")
    env = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    env |= {"PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), str(SCRIPT), *flags]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def wrong(found: dict[str, Any]) -> list[str]:
    """Where the answers are not the ones that they must be everywhere."""
    wanted = json.loads(json.dumps(cases.expected_answers()))
    ends = cases.differences(found["ends"], places.expected_ends())
    lost = [f"{found['lost bits']} rows of other numbers"] if found["lost bits"] else []
    crossed = cases.differences(found["predicted"], json.loads(PREDICTED.read_text()))
    crossed += cases.differences(found["used"], crossing.USED)
    python = cases.differences(found["python"], unrepresentable.expected_answers())
    python += cases.differences(found["python scored"], unrepresentable.expected_predicted())
    return cases.differences(found["answers"], wanted) + ends + crossed + lost + python
