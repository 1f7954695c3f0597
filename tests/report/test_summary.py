from __future__ import annotations

import json

import pytest

from sparksig.errors import Code, ConfigError, Problem, SchemaError
from sparksig.report.summary import Count, Report, Summary, sorted_counts
from sparksig.report.text import error_text, summary_text


def test_summary_sorts_counts_by_rows() -> None:
    counts = [Count(path, "NULL", "long", "long", rows) for path, rows in (("b", 1), ("a", 1), ("c", 9))]
    assert [count.path for count in sorted_counts(counts)] == ["c", "a", "b"]


def test_report_prints_its_counts_and_escapes_html() -> None:
    report = Report(3, 2, (Count("<b>", "NULL", "long", "long", 1),))
    assert (report.rows_violating, report.ok) == (1, False)
    assert "&lt;b&gt;" in report._repr_html_()
    assert "<b>" not in report._repr_html_()
    assert str(Report(3, 3)) == "3 rows: 3 clean, 0 with violations"
    assert json.loads(json.dumps(report.to_dict()))["violations"][0]["path"] == "<b>"


def test_summary_is_json_for_failed_and_clean_runs() -> None:
    failed = Summary("r", "failed", error="no", problems=(Problem("a", "b", Code.NULL, "c"), Problem("d", "e")))
    found = json.loads(json.dumps(failed.to_dict(), allow_nan=False))
    assert (found["rows_in"], found["rows_scored"], found["rows_quarantined"]) == (None, None, None)
    assert found["problems"] == [
        {"path": "a", "code": "NULL", "fact": "b", "hint": "c"},
        {"path": "d", "code": None, "fact": "e", "hint": None},
    ]
    assert Summary("r", "clean").to_dict()["error"] is None


FULL = Summary(
    "r",
    "quarantined",
    rows_in=3,
    rows_scored=2,
    rows_quarantined=1,
    violations=(Count("id", "NULL", "long", "long", 1, ({"id": 7},)),),
    seconds={"score": 1.25},
    outputs={"scored": "out/run_id=r"},
    params=("threshold",),
    warnings=("unknown param",),
    facts={"versions": {"sparksig": "1"}, "model_digest": None},
    error="no",
    problems=(Problem("a", "b", Code.NULL, "c"), Problem("", "e")),
    thresholds={"max_bad_rows": 1, "max_bad_ratio": None, "columns": {"id": "error"}},
    sinks={"scored": {"path": "out", "format": "parquet", "rows": 2, "guarantee": "the old or the new"}},
    source={"path": "in", "format": "parquet", "read": "once", "digest": None},
)


def test_summary_round_trips_through_json() -> None:
    for summary in (FULL, Summary("r", "failed")):
        assert Summary.from_dict(json.loads(json.dumps(summary.to_dict(), allow_nan=False))) == summary


def test_summary_from_dict_rejects_invalid_documents_without_values() -> None:
    found = FULL.to_dict()
    wrong = [
        ({}, "schema_version"),
        ({**found, "schema_version": 1}, "schema_version"),
        ({"schema_version": found["schema_version"]}, ""),
        ({**found, "violations": ["4711"]}, ""),
        ({**found, "problems": [{"path": "4711", "code": "4711", "fact": "", "hint": ""}]}, ""),
        ({**found, "sinks": ["4711"]}, ""),
        ({**found, "thresholds": 4711}, ""),
    ]
    for given, path in wrong:
        with pytest.raises(ConfigError) as caught:
            Summary.from_dict(given)
        assert [problem.path for problem in caught.value.problems] == [path]
        assert "4711" not in str(caught.value)


def test_summary_text_shows_missing_counts_as_not_counted() -> None:
    text = summary_text(Summary("r", "failed", seconds={"check": 0.1, "score": 1.25}))
    assert "in           not counted" in text
    assert text.splitlines()[-1] == "total      1.4"


def test_report_error_text_escapes_control_characters() -> None:
    text = error_text(SchemaError("no", [Problem("a\x1b[2J\rb", "fact", hint="do\x07")]))
    assert text.splitlines() == ["no", r"  a\x1b[2J\rb: fact", r"    hint: do\x07"]
