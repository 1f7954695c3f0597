"""The batch job on Spark Connect, in a process of its own: what each run leaves, as JSON.

python -m tests.pipeline.run_connect URL FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sparksig import runtime
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run, run_stream
from sparksig.report.summary import Summary
from tests.pipeline.estimators import Raising, Scaling, Touchy
from tests.pipeline.jobs import SECRET, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


RAISING = pa.table({"id": [1, 2, 3], "x": [1.0, -SECRET, None]})


def runs(root: Path, session: Callable[[], SparkSession]) -> Iterator[dict[str, Any]]:
    """A job for each way to end, and what is told of it."""
    jobs: list[tuple[str, list[pa.Table] | None, object, dict[str, Any]]] = [
        ("exact", [TABLE, TABLE], Scaling(), {"params": {"factor": "3"}}),
        ("again", None, None, {"params": {"factor": "4"}, "pin": "disk"}),
        ("by folder", [TABLE], Scaling(), {"partition_by": ("id",)}),
        ("over threshold", [TABLE], Scaling(), {"max_bad_rows": 0}),
        ("incompatible", [pa.table({"id": [1], "y": [1.0]})], Scaling(), {}),
        ("a model that raises", [TABLE], Raising(), {}),
        ("a condition that fails", [TABLE], Scaling(), {"where": "cast(concat('x', x) as int) > 0"}),
        ("raising rows", [RAISING], Touchy(), {"on_model_error": "quarantine"}),
        ("a stream", [TABLE], Scaling(), {"trigger": "available-now", "run_id": ""}),
    ]
    for name, tables, model, changed in jobs:
        if tables is not None:
            (root / name).mkdir()
            job = Job(root / name).table(*tables).model(model)
        if "trigger" in changed:
            changed = {**changed, "checkpoint": job.path("state")}
        yield {"name": name, **ended(job, session, changed)}


def ended(job: Job, session: Callable[[], SparkSession], changed: Any) -> dict[str, Any]:
    config = job.config(**changed)
    try:
        found: Summary | None = (run_stream if config.trigger else run)(config, session)
        code, error = 0, ""
    except RunError as end:
        found, code, error = end.summary, end.code, str(end)
    rows = {kind: job.rows(kind) for kind in ("scored", "quarantine") if (job.root / kind / "run_id=r").exists()}
    rejected = [row["id"] for row in job.rows("quarantine/_rejected")] if found is not None and found.rejected else []
    facts = {"code": code, "error": error, "summary": found and found.to_dict(), "rows": rows, "left": job.left()}
    return {**facts, "rejected": rejected}


def main() -> None:
    """A line for each run."""
    url, folder = sys.argv[1:]
    os.environ["SPARK_REMOTE"] = url
    spark = runtime.session("sparksig")
    for found in runs(Path(folder), lambda: spark):
        print(json.dumps({"session": type(spark).__module__, **found}), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
