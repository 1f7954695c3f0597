"""When a run has too many bad rows, decided from counts alone."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sparksig import ColSpec, Map, ModelSignature, Object, Property, Schema, SparkMLVector, TensorSpec
from sparksig.pipeline.accounting import Thresholds
from sparksig.pipeline.config import JobConfig
from sparksig.report.summary import Count

RAW = Property("raw", "double")


@pytest.mark.parametrize("rows", [7, 100, 1000])
def test_job_passes_exactly_the_tolerated_ratio(rows: int) -> None:
    for bad in range(rows):
        text = f"{bad / rows:.3f}"
        passed = list(Thresholds(max_bad_ratio=float(text)).passed(rows, bad, rows - bad, []))
        assert bool(passed) == (Fraction(bad, rows) > Fraction(text)), (bad, rows, text)


def limits(columns: dict[str, str], *specs: ColSpec | TensorSpec) -> Thresholds:
    config = JobConfig("table", "model", "scored", "quarantine", "summary.json", column_actions=columns)
    return Thresholds.of(config, ModelSignature(Schema(list(specs))))


def ends(limits: Thresholds, path: str) -> bool:
    """Whether one such row ends a job."""
    return bool(list(limits.passed(10, 1, 9, [Count(path, "NULL", "double", "double", 1)])))


def test_job_applies_a_column_action_to_the_column_and_what_is_inside_it() -> None:
    deep = ColSpec(Map(Object([RAW])), "prices")
    said = limits({"prices": "error", "v": "error"}, deep, ColSpec(SparkMLVector(), "v"), ColSpec("double", "x"))
    for path in ("prices", "prices{}", "prices{}.raw", "v", "v[]"):
        assert ends(said, path), path
    assert not ends(said, "x") and not ends(said, "")


@pytest.mark.parametrize("name", ["price.raw", "price[]", "price{}", "prices", "price.raw.x"])
def test_job_does_not_apply_a_column_action_to_a_column_whose_name_begins_alike(name: str) -> None:
    said = limits({"price": "error"}, ColSpec("double", "price"), ColSpec(Object([RAW]), name))
    assert ends(said, "price") and not ends(said, name) and not ends(said, f"{name}.raw")


def test_job_takes_the_stricter_action_for_a_path_that_two_columns_have() -> None:
    specs = ColSpec(Object([RAW]), "price"), ColSpec("double", "price.raw")
    assert ends(limits({"price": "error", "price.raw": "warn"}, *specs), "price.raw")
    assert ends(limits({"price": "warn", "price.raw": "error"}, *specs), "price.raw")
    assert limits({"price": "warn"}, *specs).action_at("price.raw") is None
    assert limits({"price": "warn", "price.raw": "warn"}, *specs).action_at("price.raw") == "warn"
