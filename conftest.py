"""One Spark session for all tests and docstring examples, and the line between tests with a JVM and without."""

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


def _uses_spark(item: pytest.Item) -> bool:
    """Whether an example in a docstring uses the name `spark`."""
    if not isinstance(item, pytest.DoctestItem):
        return False
    names = (node for example in item.dtest.examples for node in ast.walk(ast.parse(example.source)))
    return any(isinstance(node, ast.Name) and node.id == "spark" for node in names)


JVM_FIXTURES = {"spark", "connect_url", "flights"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that needs a JVM with `spark`, and with `other_jvm` if that is not the shared session's.

    The marks split the tests into the lanes of `make test`.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        on_session = "spark" in fixtures or _uses_spark(item)
        if on_session or JVM_FIXTURES & fixtures:
            item.add_marker(pytest.mark.spark)
        if item.get_closest_marker("spark") and not on_session:
            item.add_marker(pytest.mark.other_jvm)


_current: list[pytest.Item] = []


def _reject_unmarked_jvm(event: str, args: tuple[Any, ...]) -> None:
    """Fail a test that starts Spark's JVM without the mark: it would run in the lane that has no JVM."""
    if event != "subprocess.Popen" or not _current or _current[0].get_closest_marker("spark"):
        return
    program = os.path.basename(str(args[0]))
    if program in ("spark-submit", "spark-class"):
        raise RuntimeError(f"{_current[0].nodeid} starts {program}: mark it with `spark`")


sys.addaudithook(_reject_unmarked_jvm)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Remember which test runs."""
    _current[:] = [item]
    try:
        return (yield)
    finally:
        _current.clear()


@pytest.fixture(autouse=True)
def _session_of_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Examples in docstrings say `spark`, as a notebook does."""
    if _uses_spark(request.node):
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
