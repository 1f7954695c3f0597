"""The notebook, executed as Jupyter does: `python -m tests.notebook` rewrites its outputs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "signature_playground.ipynb"


def stored() -> NotebookNode:
    """The notebook as it is committed."""
    return nbformat.read(NOTEBOOK, as_version=4)


def executed() -> NotebookNode:
    """The notebook with the outputs of a fresh kernel, in the environment of a user who has set nothing of Spark's."""
    found = stored()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK", "SPARK"))}
    with tempfile.TemporaryDirectory() as folder:  # Spark's log, and no profile of the user's
        environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": folder, "IPYTHONDIR": folder}
        client = NotebookClient(
            found,
            timeout=300,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        )
        client.execute(env=environment)
    # the kernel's own version is one machine's
    found.metadata["language_info"] = {"name": "python"}
    return found


if __name__ == "__main__":
    nbformat.write(executed(), NOTEBOOK)
