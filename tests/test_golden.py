"""Stable formats: they may gain keys and names, and never lose, rename or retype one. See CONTRIBUTING.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparksig.pipeline.sinks import recover
from tests.golden.__main__ import SPARK_FORMATS
from tests.golden.comparing import FOLDER, Differences, compare, differences, shape
from tests.golden.formats import FORMATS
from tests.golden.runs import DATABASE, frames, runs
from tests.pipeline.places import KINDS, seen, staged

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize("name", FORMATS)
def test_stable_format_keeps_every_key_and_name_of_its_golden_file(name: str, tmp_path: Path) -> None:
    message = differences(name, FORMATS[name](tmp_path))
    assert not message, message


def test_run_job_and_validate_keep_every_key_of_summaries_and_files(spark: SparkSession, tmp_path: Path) -> None:
    try:
        found = runs(spark, tmp_path)
    finally:
        spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    message = "\n".join(filter(None, (differences(name, present) for name, present in found.items())))
    assert not message, message


def test_tag_keeps_the_violations_schema_and_a_fixed_table_its_digests(spark: SparkSession) -> None:
    message = "\n".join(filter(None, (differences(name, present) for name, present in frames(spark).items())))
    assert not message, message


def test_each_format_has_one_golden_file_and_each_golden_file_a_format() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.json")) == sorted([*FORMATS, *SPARK_FORMATS])


def test_recover_finishes_a_commit_in_the_present_form(tmp_path: Path) -> None:
    staged(tmp_path, replaces=True)
    decision = {  # as version 0.1.0 writes it: this text does not change with the code
        "run_id": "r",
        "attempt": "new",
        "folders": {kind: str(tmp_path / kind) for kind in KINDS},
        "summary": str(tmp_path / "summary.json"),
        "text": "new",
        "replaced": dict.fromkeys(KINDS, "old"),
        "version": 1,
    }
    (tmp_path / "scored" / "_commit-r.json").write_text(json.dumps(decision))
    assert recover(str(tmp_path / "scored"), "r")
    assert seen(tmp_path) == ["new"] * 3


@pytest.mark.parametrize(
    ("golden", "present", "breaks", "gains"),
    [
        ({"a": 1}, {"a": 1}, [], []),
        ({"a": 1}, {"a": 1, "b": 2}, [], ["b: new"]),
        ({"a": 1, "b": {"c": 1}}, {"a": 1, "b": {}}, ["b > c: lost"], []),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, ["a > b: lost"], ["a > c: new"]),
        ({"a": 1}, {"a": True}, ["a: was 1, is true"], []),
        ({"a": 1}, {"a": {"b": 1}}, ['a: was 1, is {"b": 1}'], []),
        (["a", "b"], ["c", "b", "a"], [], ["c: new"]),
        ({"a": ["b", "c"]}, {"a": ["c"]}, ["a > b: lost"], []),
    ],
)
def test_golden_compare_separates_breaks_from_gains(
    golden: Any, present: Any, breaks: list[str], gains: list[str]
) -> None:
    assert compare(golden, present) == Differences(breaks, gains)


def test_golden_shape_has_the_json_type_of_every_path() -> None:
    found = shape({"a": [{"b": 1}, {"b": None, "c": 0.5}], "d": {}}, {"a": [], "d": {"e": True}})
    assert found == {
        "$": "object",
        "a": "array",
        "a[]": "object",
        "a[].b": "integer | null",
        "a[].c": "number",
        "d": "object",
        "d.e": "boolean",
    }


def test_golden_message_names_the_writer_for_a_gain_and_a_break_for_a_loss() -> None:
    gain, loss = Differences(gains=["b: new"]).message("names"), Differences(breaks=["a: lost"]).message("names")
    assert "python -m tests.golden" in gain and "b: new" in gain and "BREAK" not in gain
    assert "BREAK of a stable format" in loss and "a: lost" in loss and "python -m tests.golden" not in loss
