"""The same verdicts from other versions of Spark, each in an environment of its own."""

from __future__ import annotations

import pytest

from tests.verdict.environments import VERSIONS, answers_of, python_with, wrong


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("version", VERSIONS)
def test_verdicts_of_every_supported_spark_are_the_same(version: str) -> None:
    found = answers_of(python_with(version))
    assert found["version"] == version
    assert wrong(found) == []
    old = version < "4.1"
    assert found["registered"].startswith("predict_udf cannot be registered for SQL before Spark 4.1" if old else "reg")
