"""The tensor demo as a user sees it."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

import pytest

from tests.flights import ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_demo_images_shows_the_rejection_the_rounding_and_the_scores(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(ROOT / "jobs" / "demo" / "digits.py"), run_name="__main__")
    output = capsys.readouterr().out
    refusal, rounding, scores = output.split(">>> ")[1:]
    assert "SchemaError" in refusal
    assert "INCOMPATIBLE_TYPE" in refusal
    assert "allow_rounding=True" in refusal
    assert "rounded" in rounding
    assert "1,797 of 1,797 rows are clean" in scores
    assert " 1002        0      0  " in "\n".join(f" {line}" for line in scores.splitlines())
