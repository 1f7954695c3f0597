"""Provider code that needs no Airflow: run ids, outcomes of verdicts, the job's config file, XCom contents."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparksig.airflow.runs import run_id_of
from sparksig.airflow.settings import Settings, as_yaml, job_settings
from sparksig.airflow.verdicts import OUTCOMES, Stamp, ended, lines, outcomes, small
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.config.files import parsed
from sparksig.pipeline.faults import EXIT
from sparksig.report.summary import Count, Summary
from tests.airflow_provider.environment import PINS

NAMES = st.text(st.characters(categories=["L", "N"], include_characters="_.-"), min_size=1, max_size=250)
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


# ---- names of runs


@given(NAMES, NAMES, st.integers(-1, 5000), MOMENTS, NAMES)
@example("-" * 250, "ü" * 250, 0, None, "." * 250)
def test_airflow_run_id_of_any_task_is_accepted_by_the_job(
    dag: str, task: str, at: int, moment: datetime | None, run: str
) -> None:
    made = run_id_of(dag, task, at, moment, run)
    assert RUN_ID.fullmatch(made)
    assert JobConfig("table/", "model/", "scored/", "quarantine/", "s.json", run_id=made).run_id == made


def test_airflow_run_id_differs_for_different_tasks_and_dates() -> None:
    day = datetime(2026, 1, 31, tzinfo=UTC)
    tasks = [
        ("a", "b.c", -1, day, "r"),
        ("a.b", "c", -1, day, "r"),
        ("a", "b_c", -1, day, "r"),
        ("a", "b.c", 0, day, "r"),
        ("a", "b.c", 1, day, "r"),
        ("a", "b.c", -1, day + timedelta(microseconds=1), "r"),
        ("a", "b.c", -1, None, "r"),
        ("a", "b.c", -1, None, day.isoformat()),
        ("a", "ü.c", -1, day, "r"),
        ("a", "ö.c", -1, day, "r"),
        ("a" * 200, "b", -1, day, "r"),
        ("a" * 200, "c", -1, day, "r"),
    ]
    assert len({run_id_of(*each) for each in tasks}) == len(tasks)


def test_airflow_run_id_depends_on_the_logical_date_not_on_the_run_name() -> None:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=-3)))
    assert run_id_of("d", "t", -1, moment, "scheduled__1") == run_id_of("d", "t", -1, elsewhere, "backfill__2")


# ---- verdicts


def test_airflow_maps_every_verdict_to_an_outcome() -> None:
    assert OUTCOMES.keys() == EXIT.keys()
    assert {verdict for verdict, outcome in OUTCOMES.items() if outcome == "success"} == {
        verdict for verdict, code in EXIT.items() if code == 0
    }


@pytest.mark.parametrize("given", [{"failed": "success"}, {"usage": "retry"}, {"quarantined": "retry"}, {"clean": "x"}])
def test_airflow_rejects_outcomes_that_turn_a_failure_into_success(given: Any) -> None:
    with pytest.raises(ValueError, match="on_verdict"):
        outcomes(given, committing=False)


def written(path: Path, verdict: str = "clean", run_id: str = "r", **more: Any) -> str:
    """A summary in a file, put there as the job does it: a new file takes the old one's place."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(Summary(run_id, verdict, 3, 2, 1, **more).to_dict()))
    os.replace(part, path)
    return str(path)


@pytest.mark.parametrize(("verdict", "code"), sorted((v, c) for v, c in EXIT.items() if v != "usage"))
def test_airflow_reads_the_verdict_from_the_summary(tmp_path: Path, verdict: str, code: int) -> None:
    found = ended(written(tmp_path / "s.json", verdict), None, "r", code)
    assert found.verdict == verdict
    assert found.summary is not None


def test_airflow_ignores_a_summary_of_a_previous_try(tmp_path: Path) -> None:
    path = written(tmp_path / "s.json", "incompatible")
    before = Stamp.of(path)
    assert ended(path, before, "r", 137).verdict == "failed"
    assert "not of this try" in ended(path, before, "r", 137).why
    written(tmp_path / "s.json", "incompatible")  # the same text again, by this try
    assert ended(path, before, "r", 3).verdict == "incompatible"


def test_airflow_ignores_a_summary_of_another_run(tmp_path: Path) -> None:
    found = ended(written(tmp_path / "s.json", "incompatible", "other"), None, "r", 3)
    assert (found.verdict, found.summary) == ("failed", None)


@pytest.mark.parametrize(("verdict", "code"), [("clean", 137), ("quarantined", None), ("failed", 0), ("clean", 5)])
def test_airflow_ignores_a_summary_that_contradicts_the_exit_code(
    tmp_path: Path, verdict: str, code: int | None
) -> None:
    found = ended(written(tmp_path / "s.json", verdict), None, "r", code)
    assert (found.verdict, found.summary) == ("failed", None)


def test_airflow_reads_usage_errors_from_the_exit_code(tmp_path: Path) -> None:
    assert ended(str(tmp_path / "s.json"), None, "r", 2).verdict == "usage"
    assert ended(None, None, "r", 2).verdict == "usage"
    assert ended(None, None, "r", None).verdict == "failed"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": 99}', "[" * 100_000, "\xff"])
def test_airflow_treats_an_unreadable_summary_as_failed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(text, encoding="latin-1")
    assert ended(str(path), None, "r", 0).verdict == "failed"
    assert ended(str(tmp_path), None, "r", 0).verdict == "failed"


# ---- the file


def test_airflow_settings_equal_those_of_the_job() -> None:
    of_streams = {"trigger", "checkpoint"}  # a stream's runs are not a task's
    assert set(Settings.__annotations__) == {one.name for one in fields(JobConfig)} - of_streams


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example(
    {"a": "no", "b": "1e3", "c": "007", "d": "2026-01-31", "e": "&x", "f": 1e300, "g": float("inf"), "h": "\u2028"}
)
@example({"x" * 200: {"y" * 200: ["\u2028\x7f\x00\ufeff\U0001f600", " leading", "trailing "]}})
def test_airflow_config_file_round_trips_through_the_job(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "said.yaml"
    path.write_text(as_yaml(said), encoding="utf-8")
    problems: list[Any] = []
    found = parsed(str(path), problems)
    assert (problems, repr(found)) == ([], repr(said))


def test_airflow_settings_override_a_file_key_by_key(tmp_path: Path) -> None:
    text = "model: m\nparams: {a: 1, b: no}\ncolumns: [x, y]\n"
    found = job_settings(text, {"params": {"a": 2}, "columns": ["z"]}, tmp_path)
    assert found == {"model": "m", "params": {"a": 2, "b": "no"}, "columns": ["z"]}


# ---- what is told


def summary(violations: int = 1) -> Summary:
    counts = tuple(Count(f"c{at}", "NULL", "double", "double", 1) for at in range(violations))
    return Summary("r", "quarantined", 3, 2, 1, counts, {"score": 1.25}, {"scored": "out/"}, facts={"plan": {"ok": 1}})


def test_airflow_xcom_is_small_json_for_thousands_of_violations() -> None:
    told = small(summary(5000), "s.json")
    assert len(json.dumps(told)) < 4000
    assert told["violations_in_all"] == 5000
    assert (told["verdict"], told["rows_in"], told["summary"], "plan" in told) == ("quarantined", 3, "s.json", False)


def test_airflow_log_shows_counts() -> None:
    assert lines(summary()) == ["run r: quarantined, rows: 3 in, 2 scored, 1 quarantined", "c0: NULL in 1 rows"]
    assert lines(Summary("r", "incompatible")) == ["run r: incompatible"]


def test_airflow_environment_pins_are_exact() -> None:
    pins = [line for line in PINS.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    assert not any(line.startswith(("pyspark=", "sparksig=")) for line in pins)
    assert any(line.startswith("apache-airflow==3.") for line in pins)
