"""The JSON schema of a summary: it accepts what runs write, and its errors show no value."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sparksig.enforcement import steps
from sparksig.errors import Code, ConfigError, NotSupportedError
from sparksig.pipeline.faults import EXIT
from sparksig.report.schema import check_summary, summary_schema
from sparksig.report.summary import SCHEMA_VERSION, Summary
from tests.report.summaries import hostile


def closed(schema: Any) -> Any:
    """The schema without room for keys that it does not name: nothing that is written may be missing in it."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def faults(document: dict[str, Any]) -> list[str]:
    """Where a document says more, less or other than the schema."""
    validator = Draft202012Validator(closed(summary_schema()))
    return [f"{error.json_path}: {error.validator}" for error in validator.iter_errors(document)]


def test_summary_schema_is_valid_for_the_written_version() -> None:
    schema = summary_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["schema_version"] == {
        "description": "Changes when a reader of an older form would misread this one.",
        "const": SCHEMA_VERSION,
    }
    assert schema["$id"] == f"urn:sparksig:summary:{SCHEMA_VERSION}"
    assert [name for name in Summary("r", "clean").to_dict() if name not in schema["required"]] == []
    assert [name for name in schema["required"] if name not in Summary("r", "clean").to_dict()] == []


def test_summary_schema_enums_equal_those_of_the_code() -> None:
    schema = summary_schema()
    assert {*schema["properties"]["verdict"]["enum"], "usage"} == set(EXIT)
    assert schema["$defs"]["step"]["properties"]["verdict"]["enum"] == ["absent", *steps._ORDER]
    validator = Draft202012Validator(schema["$defs"]["code"])
    assert [code for code in Code if not validator.is_valid(code.value)] == []


def test_summary_schema_accepts_every_verdict() -> None:
    for verdict in summary_schema()["properties"]["verdict"]["enum"]:
        document = Summary("r", verdict).to_dict()
        assert faults(document) == []
        check_summary(document)
    assert faults(hostile()) == []


def test_summary_schema_accepts_additional_keys() -> None:
    check_summary({**hostile(), "cluster": "4711"})


SECRET = "4711-4712"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"schema_version": 1, "violations": SECRET}, [("schema_version", "is not 2")]),
        ({"verdict": SECRET}, [("verdict", "is none of clean, quarantined, over_threshold, incompatible, failed")]),
        ({"rows_in": SECRET}, [("rows_in", "is not of type integer or null")]),
        ({"violations": [{"path": SECRET}]}, [("violations[0]", "lacks code, expected, observed, rows")]),
        (
            {"rows_in": -4711, "run_id": ""},
            [("rows_in", "breaks the schema's rule minimum"), ("run_id", "breaks the schema's rule minLength")],
        ),
        ({"thresholds": {"columns": {"a": SECRET}}}, [("thresholds.columns.a", "is none of warn, error")]),
    ],
)
def test_check_summary_reports_every_problem_without_values(
    changed: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_summary({**hostile(), **changed})
    assert sorted((problem.path, problem.fact) for problem in caught.value.problems) == told
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("document", [None, [], SECRET, 4711, {}])
def test_check_summary_rejects_documents_that_are_not_a_summary(document: object) -> None:
    with pytest.raises(ConfigError) as caught:
        check_summary(document)
    assert [problem.path for problem in caught.value.problems] == [""]
    assert "4711" not in str(caught.value)


def test_check_summary_names_the_missing_jsonschema_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(NotSupportedError, match=r"sparksig\[report\]"):
        check_summary({})
