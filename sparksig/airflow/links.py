"""The link from a task in Airflow's UI to the report of its run."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink


class ReportLink(BaseOperatorLink):
    """The HTML report of a run: the operator's `report_url`, else the file's own address."""

    name = "sparksig report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Where the report is; an empty text, which shows no link, where the run has made none.

        Airflow asks once, when the task has ended and the operator still knows, and keeps the answer.
        """
        return str(getattr(operator, "report", ""))
