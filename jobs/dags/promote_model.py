"""Put a new model in the place of the one in use, if that breaks nothing: triggered with its path and digest.

First the signatures are compared: what a caller sends today, the new model must take, and what is read of its output
today, it must return. Then it scores a table on trial, beside the real outputs. Then the variable `sparksig_model`
names it, from which nightly_scoring.py has the model; one write, so that path and digest always belong together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, Variable, task
from airflow.sdk.exceptions import AirflowFailException

from sparksig.airflow.operators import SparksigScoreOperator

with DAG(
    "sparksig_promote",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        "model": Param(type="string", minLength=1, description="The new model's directory."),
        "trust": Param(type="string", minLength=1, description="Its digest: sha256: and 64 hexadecimal digits."),
        "table": Param(type="string", minLength=1, description="A table to score on trial."),
    },
    tags=["sparksig"],
    doc_md=__doc__,
) as dag:

    @task
    def compare(new: str) -> str:
        """Fail if the new signature breaks a promise of the one in use. The first model of all has none to keep."""
        from sparksig import check_compatible, load_signature

        in_use = Variable.get("sparksig_model", default=None, deserialize_json=True)
        if in_use is None:
            return "no model is in use"
        found = check_compatible(load_signature(in_use["path"]), load_signature(new))
        if not found.compatible:
            raise AirflowFailException(f"the new model breaks what the one in use has promised\n{found}")
        return str(found)

    @task
    def promote(model: str, trust: str) -> None:
        """Name the model that is in use from now on."""
        Variable.set("sparksig_model", {"path": model, "trust": trust}, serialize_json=True)

    trial = SparksigScoreOperator(
        task_id="trial",
        config={
            "input": "{{ params.table }}",
            "model": "{{ params.model }}",
            "trust": "{{ params.trust }}",
            "output": "{{ var.value.sparksig_home }}/trial/scored",
            "quarantine": "{{ var.value.sparksig_home }}/trial/quarantine",
            "summary": "{{ var.value.sparksig_home }}/trial/summary.json",
        },
    )

    compare("{{ params.model }}") >> trial >> promote("{{ params.model }}", "{{ params.trust }}")
