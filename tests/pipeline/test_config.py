from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparksig.enforcement.policy import Policy
from sparksig.errors import ConfigError, ParamError
from sparksig.pipeline.config import JobConfig, is_inside, typed_params
from sparksig.signature.params import ParamSchema, ParamSpec

PLACES = {"input": "in", "model": "m", "output": "out", "quarantine": "bad", "summary": "s.json"}
SCHEMA = ParamSchema(
    [
        ParamSpec("threshold", "double", 0.5),
        ParamSpec("top", "integer", 1),
        ParamSpec("exact", "boolean", False),
        ParamSpec("label", "string", "a"),
        ParamSpec("since", "datetime", "2020-01-01"),
        ParamSpec("stops", "string", ["."], (-1,)),
    ]
)


def faults(**changed: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        JobConfig(**{**PLACES, **changed})
    return {problem.path: problem.fact for problem in caught.value.problems}


def test_config_default_run_id_is_derived_from_the_settings() -> None:
    first, second = JobConfig(**PLACES), JobConfig(**PLACES)
    assert first.run_id == second.run_id
    assert first.run_id.endswith(first.digest[:8])
    assert JobConfig(**PLACES, params={"a": "1"}).digest != first.digest
    assert JobConfig(**PLACES, run_id="other").digest == first.digest


def test_config_reports_every_problem_at_once() -> None:
    found = faults(input="", level="lenient", run_id="../x", trust="sha256:1")
    assert list(found) == ["--input", "--level", "--run-id", "--trust"]


@pytest.mark.parametrize("run_id", ["..", "a/b", "-x", ".x", "a b", "é", "x" * 129, "a\n", "a=b"])
def test_config_rejects_run_ids_that_leave_or_hide_a_folder(run_id: str) -> None:
    assert list(faults(run_id=run_id)) == ["--run-id"]


@pytest.mark.parametrize("run_id", ["demo", "2026-01-31", "r.1_b", "0"])
def test_config_accepts_plain_run_ids(run_id: str) -> None:
    assert JobConfig(**PLACES, run_id=run_id).run_id == run_id


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        ({"quarantine": "./out/"}, {"--quarantine": "the same as --output"}),
        ({"quarantine": "out/bad"}, {"--quarantine": "lies inside --output"}),
        ({"output": "bad/x/../y"}, {"--output": "lies inside --quarantine"}),
        ({"output": "in"}, {"--output": "the same as --input"}),
        ({"quarantine": "in/bad"}, {"--quarantine": "lies inside --input"}),
        ({"output": "m"}, {"--output": "the same as --model"}),
        ({"summary": "out/s.json"}, {"--summary": "lies inside --output"}),
        ({"summary": "in/s.json"}, {"--summary": "lies inside --input"}),
        ({"input": "s3://b/t", "output": "s3://b/t/x/.."}, {"--output": "the same as --input"}),
    ],
)
def test_config_rejects_paths_that_overlap(changed: dict[str, str], fact: dict[str, str]) -> None:
    assert faults(**changed) == fact


def test_config_accepts_an_earlier_run_as_input_under_another_run_id() -> None:
    assert JobConfig(**{**PLACES, "input": "out/run_id=a"}, run_id="b")
    assert list(faults(input="out/run_id=a", run_id="a")) == ["--input"]


def test_config_default_run_id_starts_with_the_logical_date() -> None:
    day = JobConfig(**PLACES, logical_date="2026-01-31")
    assert day.run_id == f"2026-01-31-{day.digest[:8]}"
    assert JobConfig(**PLACES, logical_date="2026-02-01").digest == day.digest
    assert JobConfig(**PLACES, pin="none", max_bad_rows=None).digest == day.digest  # as by default
    assert JobConfig(**PLACES, max_bad_rows=0).digest != day.digest
    for wrong in ("2026-02-30", "20260131", "2026-1-31", "today", "2026-01-31\n", ""):
        assert list(faults(logical_date=wrong)) == ["--logical-date"]


def test_config_accepts_table_names_instead_of_paths_not_both() -> None:
    named = {"input_table": "a.b", "output_table": "c", "quarantine_table": "d", "staging": "staging"}
    paths = dict.fromkeys(("input", "output", "quarantine"), "")
    assert JobConfig(**{**PLACES, **paths}, **named).source == {"table": "a.b"}
    assert list(faults(**named)) == ["--input-table", "--output-table", "--quarantine-table"]
    assert list(faults(**paths)) == ["--input", "--output", "--quarantine"]


def test_config_accepts_options_alone_as_source_except_for_files() -> None:
    options = {"url": "jdbc:x", "password": "hunter2"}
    job = JobConfig(**{**PLACES, "input": ""}, format="jdbc", input_options=options)
    assert "hunter2" not in str(job.source)
    assert list(faults(input="", format="csv", input_options=options)) == ["--input"]


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"max_bad_rows": -1}, "--max-bad-rows"),
        ({"max_bad_rows": True}, "--max-bad-rows"),
        ({"max_bad_ratio": 1.01}, "--max-bad-ratio"),
        ({"max_bad_ratio": float("nan")}, "--max-bad-ratio"),
        ({"column_actions": {"a": "ignore"}}, "--column-action"),
        ({"pin": "memory"}, "--pin"),
        ({"level": {"a": "lenient"}}, "--level"),
        ({"columns": ("a", "a")}, "--column"),
        ({"columns": ("",)}, "--column"),
        ({"partition_by": ("a", "a")}, "--partition-by"),
        ({"where": "a = '${env:HOME}'"}, "--where"),
        ({"input": "", "input_table": "${env:HOME}"}, "--input-table"),
        ({"report": "out/r.html"}, "--report"),
        ({"report": "s.json"}, "--report"),
    ],
)
def test_config_rejects_invalid_values(changed: dict[str, Any], flag: str) -> None:
    assert list(faults(**changed)) == [flag]


def test_config_policy_reflects_the_settings() -> None:
    job = JobConfig(**PLACES, level={"a": "parse"}, allow_rounding=("b",), allow_nulls=True)
    assert job.policy == Policy(level={"a": "parse"}, allow_rounding=["b"], allow_nulls=True)


def test_config_repr_hides_possible_secrets() -> None:
    secret = {"password": "hunter2"}
    job = JobConfig(**PLACES, params=secret, input_options=secret, output_options=secret, where="k = 'hunter2'")
    assert "hunter2" not in repr(job)


def test_config_path_checks_follow_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert is_inside(f"{tmp_path}/link/x", f"{tmp_path}/real")
    assert is_inside(f"file://{tmp_path}/link", f"{tmp_path}/real")
    assert not is_inside(f"{tmp_path}/really", f"{tmp_path}/real")


def test_config_reads_params_by_their_declared_types() -> None:
    texts = {"threshold": "1", "top": "3", "exact": "true", "label": "007", "stops": '["a", "b"]', "other": "[1]"}
    assert typed_params(texts, SCHEMA) == {
        "threshold": 1,
        "top": 3,
        "exact": True,
        "label": "007",
        "stops": ["a", "b"],
        "other": "[1]",
    }
    values = {"threshold": 0.25, "top": 3, "exact": True, "label": "007", "stops": ["a"], "since": "2024-02-29"}
    assert typed_params(values, SCHEMA) == values  # as a file has them
    assert typed_params({"a": "1"}, None) == {"a": "1"}


def test_config_reports_every_bad_param_at_once_without_values() -> None:
    bad = {
        "threshold": "hunter2",
        "top": "1.5",
        "exact": "yes-hunter2",
        "since": "hunter2",
        "stops": "[" * 9000 + "hunter2",
    }
    with pytest.raises(ParamError) as caught:
        typed_params(bad, SCHEMA)
    assert [problem.path for problem in caught.value.problems] == list(bad)
    assert {str(problem.code) for problem in caught.value.problems} == {"INVALID_PARAM"}
    with pytest.raises(ParamError) as values:
        typed_params({"label": 7, "exact": 1, "stops": "a", "top": 1.5}, SCHEMA)
    assert [problem.path for problem in values.value.problems] == ["label", "exact", "stops", "top"]
    assert "hunter2" not in str(caught.value)
    assert "1.5" not in str(caught.value)
    assert "write true or false" in str(caught.value)
