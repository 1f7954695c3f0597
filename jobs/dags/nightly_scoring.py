"""Every night: hold the day's table against the model's signature, score it, and tell if rows were set apart.

Airflow needs the connection `spark_default` and two variables: `sparksig_home`, a folder with a table a day in
`landing/<day>/`, which gets the outputs; and `sparksig_model`, the model in use, as promote_model.py writes it.
nightly.yaml is the job's configuration.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, task

from sparksig.airflow.gates import SparksigShortCircuitOperator
from sparksig.airflow.operators import SparksigScoreOperator, SparksigValidateOperator

with DAG(
    "sparksig_nightly",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["sparksig"],
    doc_md=__doc__,
) as dag:
    check = SparksigValidateOperator(task_id="check_schema", config="nightly.yaml", plan_only=True)
    score = SparksigScoreOperator(
        task_id="score",
        config="nightly.yaml",
        scored_asset=Asset("sparksig_scored"),
        quarantine_asset=Asset("sparksig_quarantine"),
    )
    some_set_apart = SparksigShortCircuitOperator(
        task_id="some_set_apart", summary=score.output, verdicts=["quarantined"]
    )

    @task
    def tell(summary: dict[str, Any]) -> None:
        """Who looks after the table is told here, by mail or in a channel; counts and codes hold nobody's data."""
        counts = ", ".join(f"{each['path']} {each['code']} {each['rows']}" for each in summary["violations"])
        logging.getLogger(__name__).warning("%s rows set apart: %s", summary["rows_quarantined"], counts)

    check >> score >> some_set_apart >> tell(score.output)
