"""The name of a task's run: the same for every try and after the task was cleared, another for everything else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256

_LENGTH = 128
"""How long the job lets a run's name be."""


def run_id_of(
    dag_id: str, task_id: str, map_index: int, logical_date: datetime | None, dag_run_id: str, digits: int = 12
) -> str:
    """The run id of a task instance, safe as a folder's name.

    What can be read in it may be cut short or be alike for two tasks; the digest at its end is not.

    Args:
        dag_id: the DAG.
        task_id: the task, its groups included.
        map_index: the place of a mapped task, -1 for one that is not mapped.
        logical_date: the DAG run's logical date; None where it has none (a run by hand in Airflow 3).
        dag_run_id: the DAG run's own id, which stands in for the date where there is none.
        digits: hexadecimal digits of the digest.

    >>> run_id_of("nightly", "score", -1, datetime(2026, 1, 31, tzinfo=UTC), "scheduled__2026-01-31")
    'nightly.score.20260131T000000Z-95d360c08e0e'
    >>> run_id_of("nightly", "score", 3, None, "manual__2026-01-31T10:20:30+00:00").startswith("nightly.score.3.manual")
    True
    """
    moment = dag_run_id if logical_date is None else _utc(logical_date).isoformat()
    told = _plain(dag_run_id) if logical_date is None else f"{_utc(logical_date):%Y%m%dT%H%M%SZ}"
    exact = "\0".join([dag_id, task_id, str(map_index), "" if logical_date is None else "date", moment])
    digest = sha256(exact.encode()).hexdigest()[:digits]
    place = "" if map_index < 0 else f".{map_index}"
    room = _LENGTH - digits - 1
    told = told[: room // 2]
    names = f"{_plain(dag_id)}.{_plain(task_id)}"[: room - len(told) - len(place) - 1]
    # a name begins with a letter or a digit; what was left out is in the digest
    return f"{names.lstrip('._-') or 'run'}{place}.{told}-{digest}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def _utc(moment: datetime) -> datetime:
    """In UTC; a moment without a zone is one in UTC, as Airflow has it."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
