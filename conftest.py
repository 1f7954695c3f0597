"""One Spark session for all tests and for the examples in docstrings."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # one JVM lives through thousands of tests: of every form of SQL text that it has seen Spark's parser keeps some
    # hundred MB, and a UI that nobody opens the plans of a thousand queries
    "spark.driver.memory": "3g",
    "spark.sql.ui.retainedExecutions": "10",
    "spark.ui.retainedJobs": "10",
    "spark.ui.retainedStages": "10",
    "spark.ui.retainedTasks": "100",
    "spark.sql.shuffle.partitions": "4",
    # a zone with a past of odd midnights: what depends on the session's zone shows itself
    "spark.sql.session.timeZone": "America/Sao_Paulo",
}


def _speaks_of_spark(item: pytest.Item) -> bool:
    """Whether an example in a docstring uses the name `spark`."""
    if not isinstance(item, pytest.DoctestItem):
        return False
    names = (node for example in item.dtest.examples for node in ast.walk(ast.parse(example.source)))
    return any(isinstance(node, ast.Name) and node.id == "spark" for node in names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that uses the session is a test with a JVM, whether it says so or not."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()) or _speaks_of_spark(item):
            item.add_marker(pytest.mark.spark)


@pytest.fixture(autouse=True)
def _session_of_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Examples in docstrings say `spark`, as a notebook does."""
    if _speaks_of_spark(request.node):
        doctest_namespace["spark"] = request.getfixturevalue("spark")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one session; nothing in it is what a user's session would be by default, if it can be otherwise."""
    # a worker would run the `python3` of PATH, which need not be this environment
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("sparksig-tests")
    for key, value in SPARK_CONF.items():
        builder = builder.config(key, value)
    session = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse"))).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
