"""The same verdicts from a real Spark Connect server, in a process that has no JVM of its own to talk to."""

from __future__ import annotations

import sys

from tests.verdict.environments import answers_of, wrong


def test_verdicts_on_connect_equal_classic(connect_url: str) -> None:
    found = answers_of(sys.executable, "--remote", connect_url)
    assert found["kind"].startswith("pyspark.sql.connect")
    assert wrong(found) == []
