"""What is a test here, and how hypothesis searches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.connect import MODEL_KEY, connect_server
from tests.flights import FlightsRun, run_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# No deadline: Spark compiles on first use, and the machines of CI are slow. In CI the same examples each time.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

ROOT = Path(__file__).resolve().parent.parent


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Doctests are those of the package: a file here that holds no tests is a tool of theirs, and is not run."""
    path = collection_path
    tool = path.suffix == ".py" and not path.name.startswith("test_") and path.name != "conftest.py"
    return True if tool and path.is_relative_to(ROOT / "tests") else None


@pytest.fixture(scope="session")
def connect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the one Spark Connect server; clients are processes of their own, without a JVM."""
    with connect_server(tmp_path_factory.mktemp("connect"), MODEL_KEY=MODEL_KEY) as url:
        yield url


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> FlightsRun:
    """The one run of `make demo`."""
    return run_demo(tmp_path_factory.mktemp("flights"))


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
