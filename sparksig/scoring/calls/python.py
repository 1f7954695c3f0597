"""The Python that a local session starts for the model, where it is another one than this."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def warn_of_other_python(session: SparkSession) -> None:
    """Say so where a local session's workers run another Python, which need not have this one's packages.

    Spark takes the first `python3` of the PATH unless it is told: an environment that runs without being activated
    is not found, and the query fails with a ModuleNotFoundError in a stack of Java's.
    """
    context = getattr(session, "_sc", None)  # Spark Connect's session has none
    if context is None or not str(context.master).startswith("local"):
        return
    found = shutil.which(context.pythonExec)
    if found is None or Path(found).parent == Path(sys.executable).parent or _same(found):
        return
    fix = 'os.environ["PYSPARK_PYTHON"] = sys.executable, before the session is made'
    warnings.warn(f"the model will run in another Python than this, {found}: set {fix}", stacklevel=4)


def _same(program: str) -> bool:
    """Whether a program is this interpreter under another name; those of two environments are, and are not the same."""
    return sys.prefix == sys.base_prefix and os.path.realpath(program) == os.path.realpath(sys.executable)
