"""What is a test here, and how hypothesis searches."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

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
