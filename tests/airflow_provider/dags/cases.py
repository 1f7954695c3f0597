"""DAGs of the tests: how tasks end, and their downstream tasks. The jobs read `job.yaml` in this folder."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, task

from sparksig.airflow.gates import SparksigBranchOperator, SparksigShortCircuitOperator
from sparksig.airflow.operators import SparksigScoreOperator, SparksigValidateOperator

HERE = Path(os.environ["AIRFLOW_HOME"])
SCENE = HERE / "scene"
COMMON = {"schedule": None, "start_date": datetime(2026, 1, 1)}
ARGS = {
    "retries": 1,
    "retry_delay": timedelta(seconds=0),
    "python": os.environ["SPARK_ENV_PYTHON"],
    "env_vars": {"PYTHONPATH": os.environ["CHECKOUT"]},
    "conf": {"spark.master": "local[2]", "spark.ui.enabled": "false"},
}


@task(trigger_rule="all_done")
def after() -> None:
    """Something that comes after."""


def other(name: str) -> dict[str, str]:
    """Outputs of a task's own, for those that run side by side."""
    home = f"{SCENE}/{name}"
    return {"output": f"{home}/scored", "quarantine": f"{home}/quarantine", "summary": f"{home}/summary.json"}


with DAG("clearing", **COMMON, default_args=ARGS):
    SparksigScoreOperator(
        task_id="score",
        config="job.yaml",
        settings={"report": f"{SCENE}/report.html"},
        report_url="http://reports.example/{{ dag.dag_id }}.html",
    )

with DAG("plans", **COMMON, default_args={**ARGS, "config": "job.yaml", "plan_only": True}):
    foreign = {"input": f"{SCENE}/foreign"}
    fits = SparksigValidateOperator(task_id="fits", summary=f"{SCENE}/fits.json")
    SparksigValidateOperator(task_id="does_not_fit", settings=foreign)
    SparksigValidateOperator(task_id="tells_nobody", settings=foreign, do_xcom_push=False)
    SparksigValidateOperator(task_id="skipped", settings=foreign, on_verdict={"incompatible": "skip"})
    SparksigValidateOperator(task_id="retried", settings=foreign, on_verdict={"incompatible": "retry"})
    SparksigValidateOperator(task_id="no_model", settings={"model": f"{SCENE}/nowhere"})
    SparksigValidateOperator(task_id="no_yaml", config="input: [")
    SparksigValidateOperator(task_id="no_batch", config={"trigger": "available-now"})
    SparksigValidateOperator(task_id="killed", entry_point=f"{HERE}/killed.py")
    SparksigValidateOperator(task_id="silent", entry_point=f"{HERE}/silent.py")
    SparksigValidateOperator(
        task_id="killed_beside_an_old_summary",
        entry_point=f"{HERE}/killed.py",
        settings={"run_id": "old"},
        summary=f"{SCENE}/old.json",
    )
    left = SparksigValidateOperator(task_id="left", settings=foreign, on_verdict={"incompatible": "success"})
    ways = SparksigBranchOperator(
        task_id="ways", summary=left.output, branches={"clean": "way_on", "incompatible": ["way_out"]}
    )
    ways >> [after.override(task_id=name, trigger_rule="all_success")() for name in ("way_on", "way_out")]
    stops = SparksigShortCircuitOperator(task_id="stops", summary=left.output)
    stops >> after.override(task_id="after_stop")()
    goes = SparksigShortCircuitOperator(task_id="goes", summary=fits.output)
    goes >> after.override(task_id="after_go")()

with DAG("scores", **COMMON, default_args={**ARGS, "config": "job.yaml"}):
    SparksigScoreOperator(
        task_id="quarantines",
        settings=other("quarantines"),
        scored_asset=Asset("scored"),
        quarantine_asset=Asset("quarantine"),
    )
    SparksigScoreOperator(
        task_id="clean",
        settings={**other("clean"), "where": "x is not null"},
        scored_asset=Asset("scored_clean"),
        quarantine_asset=Asset("quarantine_clean"),
    )
    SparksigScoreOperator(
        task_id="skips", settings=other("skips"), on_verdict={"quarantined": "skip"}, scored_asset=Asset("skipped")
    )
    SparksigScoreOperator(task_id="too_many", settings={**other("too_many"), "fail_on_quarantine": True})
    SparksigScoreOperator(
        task_id="raises",
        settings={
            **other("raises"),
            "model": f"{SCENE}/raising",
            "trust": "{{ var.value.raising }}",
            "params": {"factor": "{{ var.value.factor }}"},
        },
    )
    SparksigScoreOperator(
        task_id="raises_submitted",
        python=None,
        conn_id="spark_default",
        retries=0,
        settings={**other("raises_submitted"), "model": f"{SCENE}/raising", "trust": "{{ var.value.raising }}"},
    )
    each = Asset("each")
    SparksigScoreOperator.partial(task_id="mapped", scored_asset=each, outlets=[each]).expand(
        settings=[{**other("mapped_{{ ti.map_index }}"), "where": f"id = {at}"} for at in (1, 2)]
    )
    SparksigValidateOperator(task_id="rows", settings={"max_bad_rows": 0})

with DAG("late", **COMMON, default_args={**ARGS, "config": "job.yaml"}):
    SparksigScoreOperator(task_id="score", entry_point=f"{HERE}/late.py")

with DAG("stopped", **COMMON, default_args={**ARGS, "config": "job.yaml", "retries": 0}):
    SparksigScoreOperator(
        task_id="sleeps",
        settings={"model": f"{SCENE}/sleeping", "trust": "{{ var.value.sleeping }}"},
        execution_timeout=timedelta(seconds=90),
    )
