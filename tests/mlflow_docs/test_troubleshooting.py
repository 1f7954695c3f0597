"""docs/troubleshooting.md: MLflow raises the message in each heading, and sparksig the message below it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mlflow_docs.messages import CASES, Case
from tests.mlflow_docs.real import said
from tests.mlflow_docs.spark_messages import cases

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs" / "troubleshooting.md").read_text()
ENTRY = re.compile(r"^### `([^\n]+)`\n\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
ENTRIES: dict[str, str] = dict(ENTRY.findall(TEXT))

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations


def entry(key: str) -> tuple[str, list[str]]:
    """The one heading that begins so, and the lines that sparksig says below it."""
    (heading,) = [heading for heading in ENTRIES if heading.startswith(key)]
    (block,) = re.findall(r"^```text\n(.*?)^```$", ENTRIES[heading], re.MULTILINE | re.DOTALL)
    return heading, block.splitlines()


def missing(quoted: str, text: str) -> list[str]:
    """The pieces of a quotation, which `..` separates, that a text does not have in this order."""
    left = []
    for piece in quoted.split(".."):
        if (at := text.find(piece.strip())) < 0:
            left.append(piece)
        text = text[max(at, 0) :]
    return left


def held(key: str, case: Case) -> None:
    heading, lines = entry(key)
    theirs, here = said(case.theirs), said(case.ours)
    assert not missing(heading, theirs), theirs
    assert lines
    for line in lines:
        assert not missing(line, here), here


@pytest.mark.parametrize("key", CASES)
def test_docs_troubleshooting_messages_are_raised_by_both(key: str) -> None:
    held(key, CASES[key])


def test_docs_troubleshooting_messages_are_raised_by_both_on_spark(spark: SparkSession, tmp_path: Path) -> None:
    on_spark = cases(spark, tmp_path)
    for key, case in on_spark.items():
        held(key, case)
    told = [entry(key)[0] for key in [*CASES, *on_spark]]
    assert sorted(told) == sorted(ENTRIES), "an entry without a case, or two of one"


def test_docs_troubleshooting_entries_have_an_explanation() -> None:
    assert len(ENTRIES) == len(re.findall(r"^### ", TEXT, re.MULTILINE)) > 50
    for heading, body in ENTRIES.items():
        prose = re.sub(r"^```text\n.*?^```$", "", body, flags=re.MULTILINE | re.DOTALL)
        assert len(prose.split()) >= 5, heading


def test_docs_troubleshooting_quotes_are_compared_piece_by_piece() -> None:
    assert missing("a .. c", "a b c") == [] and missing("c .. a", "a b c") and missing("a .. d", "a b c")
