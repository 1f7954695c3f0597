from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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


def test_a_run_without_a_name_gets_one_that_says_what_was_asked() -> None:
    first, second = JobConfig(**PLACES), JobConfig(**PLACES)
    assert first.run_id == second.run_id
    assert first.run_id.endswith(first.digest[:8])
    assert JobConfig(**PLACES, params={"a": "1"}).digest != first.digest
    assert JobConfig(**PLACES, run_id="other").digest == first.digest


def test_every_fault_is_told_at_once() -> None:
    found = faults(input="", level="lenient", run_id="../x", trust="sha256:1")
    assert list(found) == ["--input", "--level", "--run-id", "--trust"]


@pytest.mark.parametrize("run_id", ["..", "a/b", "-x", ".x", "a b", "é", "x" * 129, "a\n", "a=b"])
def test_run_ids_that_could_leave_their_folder_or_hide(run_id: str) -> None:
    assert list(faults(run_id=run_id)) == ["--run-id"]


@pytest.mark.parametrize("run_id", ["demo", "2026-01-31", "r.1_b", "0"])
def test_run_ids(run_id: str) -> None:
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
def test_places_that_would_read_or_replace_each_other(changed: dict[str, str], fact: dict[str, str]) -> None:
    assert faults(**changed) == fact


def test_an_earlier_run_can_be_scored_but_not_by_a_run_of_its_name() -> None:
    assert JobConfig(**{**PLACES, "input": "out/run_id=a"}, run_id="b")
    assert list(faults(input="out/run_id=a", run_id="a")) == ["--input"]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert is_inside(f"{tmp_path}/link/x", f"{tmp_path}/real")
    assert is_inside(f"file://{tmp_path}/link", f"{tmp_path}/real")
    assert not is_inside(f"{tmp_path}/really", f"{tmp_path}/real")


def test_params_are_read_as_their_types_say() -> None:
    texts = {"threshold": "1", "top": "3", "exact": "true", "label": "007", "stops": '["a", "b"]', "other": "[1]"}
    assert typed_params(texts, SCHEMA) == {
        "threshold": 1,
        "top": 3,
        "exact": True,
        "label": "007",
        "stops": ["a", "b"],
        "other": "[1]",
    }
    assert typed_params({"a": "1"}, None) == {"a": "1"}


def test_every_bad_param_is_told_at_once_and_no_value_is() -> None:
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
    assert "hunter2" not in str(caught.value)
    assert "1.5" not in str(caught.value)
    assert "write true or false" in str(caught.value)
