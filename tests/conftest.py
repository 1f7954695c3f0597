"""One Spark session for all tests, and how hypothesis searches."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pyspark.sql import SparkSession

# No deadline: Spark compiles on first use, and the machines of CI are slow. In CI the same examples each time.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

ROOT = Path(__file__).resolve().parent.parent

SPARK_CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    # a zone with a past of odd midnights: what depends on the session's zone shows itself
    "spark.sql.session.timeZone": "America/Sao_Paulo",
}


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Doctests are those of the package: a file here that holds no tests is a tool of theirs, and is not run."""
    path = collection_path
    tool = path.suffix == ".py" and not path.name.startswith("test_") and path.name != "conftest.py"
    return True if tool and path.is_relative_to(ROOT / "tests") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that uses the session is a test with a JVM, whether it says so or not."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)


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


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


# of a module, because its loop runs as long as it lives, and no other loop can
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        missing = f"none of {', '.join(BROWSERS)} is on the PATH; on Debian: apt-get install chromium"
        # where everything is looked at, nothing is left out
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program)
        yield started
        started.close()
