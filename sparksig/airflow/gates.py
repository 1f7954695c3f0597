"""What follows from a verdict: go on or skip, or one of several ways. Both read the summary of a task before them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, Context
from airflow.providers.standard.operators.branch import BaseBranchOperator
from airflow.providers.standard.operators.python import ShortCircuitOperator


def _verdict(summary: Any) -> str:
    found = summary.get("verdict") if isinstance(summary, Mapping) else None
    if not isinstance(found, str):
        raise AirflowFailException("summary: not what a task of sparksig returns; give its `output`")
    return found


def _goes_on(summary: Any, verdicts: Collection[str]) -> bool:
    return _verdict(summary) in verdicts


class SparksigShortCircuitOperator(ShortCircuitOperator):
    """Go on if a verdict is one of some, else skip what comes after.

    Args:
        summary: what a task of sparksig has returned: its `output`.
        verdicts: those to go on with.
        kwargs: what `ShortCircuitOperator` takes, as `ignore_downstream_trigger_rules`.
    """

    ui_color = "#e3e9f7"

    def __init__(self, *, summary: Any, verdicts: Collection[str] = ("clean", "quarantined"), **kwargs: Any) -> None:
        given = {"summary": summary, "verdicts": list(verdicts)}
        super().__init__(python_callable=_goes_on, op_kwargs=given, show_return_value_in_logs=False, **kwargs)


class SparksigBranchOperator(BaseBranchOperator):
    """Follow the tasks that are named for a verdict, and skip the others that come right after.

    Args:
        summary: what a task of sparksig has returned: its `output`.
        branches: the ids of tasks or task groups by verdict; for a verdict that is not named here nothing is followed.
        kwargs: what every operator takes.
    """

    ui_color = "#e3e9f7"
    template_fields: Sequence[str] = ("summary", "branches")

    def __init__(self, *, summary: Any, branches: Mapping[str, str | Sequence[str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.summary = summary
        self.branches = branches

    def choose_branch(self, context: Context) -> str | Iterable[str] | None:
        """The ids for the verdict; None, which skips all, if there are none."""
        verdict = _verdict(self.summary)
        self.log.info("verdict: %s", verdict)
        return self.branches.get(verdict)
