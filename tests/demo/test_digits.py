"""The tensor demo as a user sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.spark
def test_the_refusal_then_the_rounding_then_the_scores() -> None:
    done = subprocess.run(
        [sys.executable, "jobs/demo/digits.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    refusal, rounding, scores = done.stdout.split(">>> ")[1:]
    assert "SchemaError" in refusal
    assert "INCOMPATIBLE_TYPE" in refusal
    assert "allow_rounding=True" in refusal
    assert "rounded" in rounding
    assert "1,797 of 1,797 rows are clean" in scores
    assert " 1002        0      0  " in "\n".join(f" {line}" for line in scores.splitlines())
