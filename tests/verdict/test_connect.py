"""The same verdicts from a real Spark Connect server, in a process that has no JVM of its own to talk to."""

from __future__ import annotations

import sys

import pytest

from tests.verdict.environments import answers_of, wrong


@pytest.mark.slow
@pytest.mark.spark
def test_spark_connect_says_the_same() -> None:
    found = answers_of(sys.executable, "--remote")
    assert found["kind"].startswith("pyspark.sql.connect")
    assert wrong(found) == []
