from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from sparksig.enforcement.policy import Policy
from sparksig.errors import ConfigError, ParamError
from sparksig.pipeline.config import JobConfig, is_inside, model_name, typed_params
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


def test_config_default_run_id_is_derived_from_the_date_and_the_sinks_only() -> None:
    first = JobConfig(**PLACES)
    for changed in (
        {},
        {"max_bad_ratio": 0.5},
        {"model": "m2"},
        {"input": "in2"},
        {"output": "./out/"},
        {"summary": "t"},
    ):
        assert JobConfig(**{**PLACES, **changed}).run_id == first.run_id, changed
    other = JobConfig(**{**PLACES, "output": "out2"})
    tables = {**PLACES, "output": "", "quarantine": "", "quarantine_table": "q", "staging": "w"}
    named = [JobConfig(**tables, output_table=name).run_id for name in ("a.B", "`a`.b", "a.c")]
    assert named[0] == named[1]
    assert len({first.run_id, other.run_id, named[0], named[2]}) == 4
    assert JobConfig(**PLACES, params={"a": "1"}).digest != first.digest
    assert JobConfig(**PLACES, run_id="other").digest == first.digest
    today = dt.datetime.now(dt.UTC).date()
    assert first.assumed_date in (str(today), str(today - dt.timedelta(1)))
    assert (
        JobConfig(**PLACES, run_id="r").assumed_date
        is JobConfig(**PLACES, logical_date="2026-01-31").assumed_date
        is None
    )


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ("models:/late/3", "models:/late@prod", "late"),
        ("models:/cat.schema.late/3", "models://profile/cat.schema.late/latest", "cat.schema.late"),
        ("runs:/0a/model", "runs:/0b/model/", "model"),
        ("/models/late/v3/", "/models/late/v4.1", "/models/late"),
        ("/models/late/7", "/models/late/8", "/models/late"),
        ("/models/late/2026-01-31/m.onnx", "/models/late/2026-02-07/m.onnx", "/models/late/m.onnx"),
        ("/models/late-v3.onnx", "/models/late-v4.onnx", "/models/late.onnx"),
        ("s3a://k:s@b/models/late/v3", "s3://b/models/late/v4/", "s3://b/models/late"),
        (
            f"/mlruns/1/{'0a' * 16}/artifacts/model",
            f"/mlruns/1/{'0b' * 16}/artifacts/model",
            "/mlruns/1/artifacts/model",
        ),
    ],
)
def test_config_model_name_is_the_same_for_all_versions(one: str, other: str, name: str) -> None:
    assert model_name(one) == model_name(other) == name


def test_config_distinguishes_models_and_sources() -> None:
    models = (
        "models:/late/3",
        "models:/early/3",
        "runs:/0a/late",
        "/models/late",
        "/models/early",
        "/shops/17/m",
        "/shops/18/m",
    )
    assert len({model_name(model) for model in models} - {"late"}) == len(models) - 2
    sources = [
        JobConfig(**{**PLACES, "input": place}).source_name for place in ("/a//b/", "s3a://k:s@b/c?x=y", "s3://b/c")
    ]
    assert sources == ["/a/b", "s3://b/c", "s3://b/c"]


def test_config_model_name_of_a_download_is_the_registered_name(tmp_path: Path) -> None:
    (tmp_path / "registered_model_meta").write_text("model_name: late\nmodel_version: '3'\n")
    assert model_name(str(tmp_path)) == "late"


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
        ({"keep_rejected": "bad/kept"}, {"--keep-rejected": "lies inside --quarantine"}),
        ({"keep_rejected": "out"}, {"--keep-rejected": "the same as --output"}),
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
    assert day.run_id.startswith("2026-01-31-")
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


@pytest.mark.parametrize("name", ["delta.`/data/t`", "parquet.t", "json.`a.b`", "main.sales.`a/b`"])
def test_config_accepts_table_names_that_look_like_paths(name: str) -> None:
    assert JobConfig(**{**PLACES, "input": ""}, input_table=name).input_table == name


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
        ({"input": "", "input_table": "parquet.`/data/t`"}, "--input-table"),
        ({"input": "", "input_table": "`Csv` . `s3a://lake/t`"}, "--input-table"),
        ({"output_options": {"replaceWhere": "day = '${env:HOME}'"}}, "--output-option"),
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
