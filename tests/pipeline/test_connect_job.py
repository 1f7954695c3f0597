"""The batch job on a real Spark Connect server: the same ends, the same accounts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sparksig.report.schema import check_summary
from tests.pipeline.jobs import SECRET

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ends(connect_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The result of each job of `run_connect`, by name."""
    folder = tmp_path_factory.mktemp("connect")
    argv = [sys.executable, "-m", "tests.pipeline.run_connect", connect_url, str(folder)]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    told = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert told.returncode == 0, told.stderr[-2000:]
    assert str(SECRET) not in told.stderr  # pyspark logs a failed query with its values
    found = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    assert all(one["session"].startswith("pyspark.sql.connect") for one in found)
    for one in found:
        if one["summary"] is not None:
            check_summary(one["summary"])
    return {one["name"]: one for one in found}


def test_job_on_connect_is_exact_and_replaces_its_own_run(ends: dict[str, Any]) -> None:
    for name, factor, pinned in (("exact", 3, "twice"), ("again", 4, "pinned")):
        found = ends[name]
        assert (found["code"], found["summary"]["verdict"]) == (0, "quarantined")
        assert [found["summary"][f"rows_{kind}"] for kind in ("in", "scored", "quarantined")] == [8, 6, 2]
        assert [row["prediction"] for row in found["rows"]["scored"]] == [
            x * factor for x in (1.0, 1.0, SECRET, SECRET, 4.0, 4.0)
        ]
        assert [(row["id"], row["_violations"][0]["code"]) for row in found["rows"]["quarantine"]] == [(3, "NULL")] * 2
        assert found["summary"]["source"]["read"] == pinned
    assert len(ends["by folder"]["rows"]["scored"]) == 3


def test_job_on_connect_quarantines_rows_at_which_the_model_raises(ends: dict[str, Any]) -> None:
    found = ends["raising rows"]
    assert [(row["id"], row["prediction"]) for row in found["rows"]["scored"]] == [(1, 2.0)]
    apart = [(row["id"], row["x"], row["_violations"][0]["code"]) for row in found["rows"]["quarantine"]]
    assert apart == [(2, -SECRET, "MODEL_ERROR"), (3, None, "NULL")]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("over threshold", 4, "1 of 4 rows are bad, more than 0"),
        ("incompatible", 3, "x: required, but the table has no such column"),
        ("a model that raises", 5, "ValueError"),
        ("a condition that fails", 5, "[CAST_INVALID_INPUT]"),
        ("a stream", 2, "--trigger: Spark Connect runs a stream's batches on its server"),
    ],
)
def test_job_on_connect_that_fails_commits_nothing(ends: dict[str, Any], name: str, code: int, words: str) -> None:
    found = ends[name]
    assert (found["code"], found["rows"]) == (code, {})
    assert words in found["error"]
    assert str(SECRET) not in found["error"]
    left = [path for path in found["left"] if not path.startswith("quarantine")]
    assert left == ([] if code == 2 else ["summary.json"])
    rejected = (found["summary"] or {}).get("rejected")
    assert rejected is None if code != 4 else rejected["path"].endswith("quarantine/_rejected/run_id=r")
    assert found["rejected"] == ([3] if code == 4 else [])
