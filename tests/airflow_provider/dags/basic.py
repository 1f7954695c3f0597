"""The DAGs of the tests: a folder is named by SCENE, which holds what a job needs."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset

from sparksig.airflow.operators import SparksigScoreOperator, SparksigValidateOperator

HOW = {
    "python": os.environ.get("SPARK_ENV_PYTHON"),
    "env_vars": {"PYTHONPATH": os.environ.get("JOB_PATH", "")},
    "conf": {"spark.master": "local[2]", "spark.ui.enabled": "false"},
}

with DAG(
    "basic",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"retries": 1, "retry_delay": timedelta(seconds=0)},
):
    check = SparksigValidateOperator(task_id="check", config="job.yaml", plan_only=True, **HOW)
    score = SparksigScoreOperator(
        task_id="score",
        config="job.yaml",
        scored_asset=Asset("scored", uri="file:///out/scored"),
        quarantine_asset=Asset("quarantine", uri="file:///out/quarantine"),
        **HOW,
    )
    check >> score
