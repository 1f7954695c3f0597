"""samples.md lists the samples of MLflow's documentation: each names an existing test, and each test has a sample."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
LISTED = re.findall(
    r"^\| (?:[SGPM]|none) \| [^|]+ \| [^|]+ \| `(\w+\.py::\w+)` \|$", (HERE / "samples.md").read_text(), re.M
)
OF_SAMPLES = ("declaring", "inferring", "enforcing", "hinting", "storing", "on_spark")


def defined_in(name: str) -> set[str]:
    text = (HERE / name).read_text()
    return {f"{name}::{found}" for found in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


def test_docs_samples_and_tests_match_each_other() -> None:
    lines = (HERE / "samples.md").read_text().splitlines()
    assert len(LISTED) == len([line for line in lines if line.startswith("|")]) - 2 > 90
    there = {test for name in OF_SAMPLES for test in defined_in(f"test_{name}.py")}
    assert set(LISTED) - defined_in("test_troubleshooting.py") == there
    assert set(LISTED) & defined_in("test_troubleshooting.py")
