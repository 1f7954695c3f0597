"""A configuration from options, a file and the environment: precedence, rejected values, error messages."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sparksig.errors import ConfigError, Problem
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.config.declared import flag_of, setting_of
from sparksig.pipeline.config.reference import config_markdown
from sparksig.pipeline.config.settings import config_schema, read_config

ROOT = Path(__file__).resolve().parent.parent.parent
PLACES = {"input": "in", "model": "m", "output": "out", "quarantine": "bad", "summary": "s.json"}
SECRET = "hunter2"


def said(tmp_path: Path, text: str, environment: dict[str, str] | None = None, **flags: Any) -> JobConfig:
    (tmp_path / "job.yaml").write_text(text)
    return read_config({**PLACES, **flags}, str(tmp_path / "job.yaml"), environment or {}, JobConfig)


def refused(tmp_path: Path, text: str, environment: dict[str, str] | None = None, **flags: Any) -> dict[str, Problem]:
    """The problems by path, the file's name left out."""
    with pytest.raises(ConfigError) as caught:
        said(tmp_path, text, environment, **flags)
    assert SECRET not in str(caught.value)
    return {each.path.replace(f"{tmp_path}/", ""): each for each in caught.value.problems}


# ---- who wins


def test_config_precedence_is_option_file_environment_default(tmp_path: Path) -> None:
    environment = {"SPARKSIG_RUN_ID": "of-environment"}
    assert said(tmp_path, "").run_id not in ("", "of-environment")
    assert said(tmp_path, "", environment).run_id == "of-environment"
    assert said(tmp_path, "run_id: of-file", environment).run_id == "of-file"
    assert said(tmp_path, "run_id: of-file", environment, run_id="of-flag").run_id == "of-flag"


def test_config_option_overrides_the_file(tmp_path: Path) -> None:
    text = "allow_nulls: true\npartition_by: [a, b]\n"
    assert said(tmp_path, text).allow_nulls is True
    found = said(tmp_path, text, allow_nulls=False, partition_by=("c",))
    assert (found.allow_nulls, found.partition_by) == (False, ("c",))


def test_config_takes_one_or_several_trusted_digests(tmp_path: Path) -> None:
    one, other = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"
    assert said(tmp_path, f"trust: [{one}, {other}]").trusted == (one, other)
    assert said(tmp_path, "", trust=(one, other)).trusted == (one, other)
    alone = [said(tmp_path, f"trust: {one}"), said(tmp_path, f"trust: [{one}]"), said(tmp_path, "", trust=(one,))]
    assert [config.trusted for config in alone] == [one] * 3
    assert len({config.digest for config in alone}) == 1
    assert said(tmp_path, "trust: true").trusted is True
    for text in ("trust: []", f"trust: [{one}, 'true']", f"trust: [{one}, {one[:-1]}]", "trust: other"):
        assert list(refused(tmp_path, text)) == ["job.yaml: trust"]


def test_config_merges_maps_key_by_key(tmp_path: Path) -> None:
    found = said(tmp_path, "params: {a: 1, b: 2}", params={"b": "3", "c": "4"})
    assert found.params == {"a": 1, "b": "3", "c": "4"}


def test_config_reads_only_the_named_environment_variables(tmp_path: Path) -> None:
    class Watched(dict[str, str]):
        asked: set[str] = set()  # noqa: RUF012 - one test

        def get(self, key: str, default: Any = None) -> Any:
            self.asked.add(key)
            return super().get(key, default)

    environment = Watched({f"SPARKSIG_{one.name.upper()}": SECRET for one in fields(JobConfig)})
    named = {"SPARKSIG_RUN_ID": "r", "SPARKSIG_TRUST": "true", "SPARKSIG_LOGICAL_DATE": "2026-01-31"}
    environment.update(named)
    named["OPENLINEAGE_NAMESPACE"] = environment["OPENLINEAGE_NAMESPACE"] = "prod"
    environment["SPARKSIG_CONFIG"] = str(tmp_path / "other.yaml")
    (tmp_path / "other.yaml").write_text("level: parse")
    found = read_config(PLACES, None, environment, JobConfig)
    assert environment.asked == {*named, "SPARKSIG_CONFIG"}
    assert (found.run_id, found.trust, found.logical_date, found.level) == ("r", "true", "2026-01-31", "parse")
    assert found.lineage_namespace == "prod"
    assert SECRET not in repr(found)


def test_config_ignores_empty_environment_variables(tmp_path: Path) -> None:
    assert said(tmp_path, "", {"SPARKSIG_TRUST": "", "SPARKSIG_LOGICAL_DATE": ""}).trust is None


def test_config_problem_names_its_origin_and_hides_the_value(tmp_path: Path) -> None:
    environment = {"SPARKSIG_LOGICAL_DATE": SECRET}
    found = refused(tmp_path, f"trust: {SECRET}\nmax_bad_ratio: 7", environment, run_id=f"../{SECRET}")
    assert set(found) == {"job.yaml: trust", "job.yaml: max_bad_ratio", "--run-id", "SPARKSIG_LOGICAL_DATE"}


# ---- the file


def test_config_reads_every_key_of_the_schema(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "input": "t",
        "model": "m2",
        "output": "o",
        "quarantine": "q",
        "summary": "s",
        "format": "csv",
        "signature": "g",
        "params": {"a": [1, "x"], "b": "1"},
        "param_from_env": {"c": "MODEL_C"},
        "level": {"a": "checked", "*": "strict"},
        "allow_rounding": ["a", "b"],
        "allow_nulls": True,
        "on_absent": {"a": "error", "*": "ignore"},
        "trust": True,
        "run_id": "r",
        "fail_on_quarantine": True,
        "fail_on_warning": True,
        "input_options": {"header": True, "maxColumns": 20, "sep": ";", "samplingRatio": 0.5},
        "where": "a > 1",
        "columns": ["a", "b.c"],
        "output_format": "orc",
        "output_options": {"compression": "zlib"},
        "partition_by": ["a"],
        "keep_rejected": "k",
        "max_bad_rows": 0,
        "max_bad_ratio": 1,
        "column_actions": {"a": "warn", "b": "error"},
        "on_model_error": "quarantine",
        "pin": "disk",
        "report": "r.html",
        "logical_date": "2026-01-31",
        "lineage": "events.jsonl",
        "lineage_namespace": "prod",
        "lineage_job": "nightly",
    }
    tables = {"input_table": "a.b", "output_table": "c.d", "quarantine_table": "e.f", "staging": "w"}
    stream = {"trigger": "available-now", "checkpoint": "k"}
    assert (
        given.keys() | tables.keys() | stream.keys()
        == set(config_schema()["properties"])
        == {one.name for one in fields(JobConfig)}
    )
    (tmp_path / "job.json").write_text(json.dumps(given))  # JSON is YAML
    found = read_config({}, str(tmp_path / "job.json"), {}, JobConfig)
    options = {"header": "true", "maxColumns": "20", "sep": ";", "samplingRatio": "0.5"}
    lists = {name: tuple(given[name]) for name in ("allow_rounding", "columns", "partition_by")}
    expected = {**given, **lists, "input_options": options, "trust": "true"}
    assert {name: getattr(found, name) for name in given} == expected
    kept = read_config({"model": "m", "summary": "s", **tables, **stream}, None, {}, JobConfig)
    assert {name: getattr(kept, name) for name in {**tables, **stream}} == {**tables, **stream}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2026-01-31", "2026-01-31"),
        ("1:30", "1:30"),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("'1'", "1"),
        ("1", 1),
        ("-1", -1),
        ("9007199254740993", 9007199254740993),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("1.", 1.0),
        ("true", True),
        ("False", False),
        ("[a, 1]", ["a", 1]),
        ("{no: 1}", {"no": 1}),
        ("|\n    two\n    lines", "two\nlines"),
    ],
)
def test_config_reads_yaml_scalars_as_written(tmp_path: Path, text: str, value: Any) -> None:
    found = said(tmp_path, f"params:\n  a: {text}").params["a"]
    assert (found, type(found)) == (value, type(value))


def test_config_rejects_unknown_keys_at_once_with_hints(tmp_path: Path) -> None:
    found = refused(tmp_path, f"max-bad-rows: {SECRET}\ninptu_options: 1\nzzz: 1\nwhere: 'a'\n")
    assert {path: each.fact for path, each in found.items()} == {
        f"job.yaml: {key}": "no such key" for key in ("max-bad-rows", "inptu_options", "zzz")
    }
    hints = [each.hint for each in found.values()]
    assert hints[:2] == ["did you mean max_bad_rows?", "did you mean input_options?"]
    assert "sparksig config-schema" in str(hints[2])


@pytest.mark.parametrize(
    ("text", "path", "fact"),
    [
        ("max_bad_rows: hunter2", "max_bad_rows", "a whole number from 0 is expected, not this text"),
        ("max_bad_rows: 1.5", "max_bad_rows", "a whole number from 0 is expected, not a number"),
        ("max_bad_rows: true", "max_bad_rows", "a whole number from 0 is expected, not true or false"),
        ("max_bad_rows: -1", "max_bad_rows", "a whole number from 0 is expected, not a whole number"),
        ("max_bad_rows:", "max_bad_rows", "a whole number from 0 is expected, not nothing"),
        ("max_bad_ratio: .nan", "max_bad_ratio", "a number from 0 to 1 is expected, not a number"),
        ("allow_nulls: 'true'", "allow_nulls", "true or false, or a list of texts is expected, not this text"),
        ("allow_nulls: [1]", "allow_nulls[0]", "a text is expected, not a whole number"),
        ("run_id: 20260131", "run_id", "a text is expected, not a whole number"),
        ("columns: a", "columns", "a list of texts is expected, not this text"),
        ("pin: hunter2", "pin", "none or disk is expected, not this text"),
        ("level: {a: hunter2}", "level.a", "one of strict, safe, checked, parse is expected, not this text"),
        ("column_actions: {a: hunter2}", "column_actions.a", "warn or error is expected, not this text"),
        (
            "input_options: {a: [hunter2]}",
            "input_options.a",
            "a text, or true or false, or a whole number, or a number is expected, not a list",
        ),
        ("where: {a: hunter2}", "where", "a text is expected, not a map"),
        ("where: a\nwhere: hunter2", "where", "given twice"),
        ("params: {a: 1, a: hunter2}", "params.a", "given twice"),
        ("params: {a: &x hunter2, b: *x}", "params.b", "an alias, which is not read here"),
        ("params: &x {a: *x}", "params.a", "an alias, which is not read here"),
        ("where: !hunter hunter2", "where", "a tag, which is not read here"),
        ("where: !!python/name:os.system hunter2", "where", "a tag, which is not read here"),
        ("params: {? [hunter2] : 1}", "params", "a key that is no text"),
        ('params: {"\\ud800": hunter2}', "params", "half a surrogate pair, which is no character"),
        ("params: {a: " + "[" * 49 + "hunter2" + "]" * 49 + "}", "params.a" + "[0]" * 49, "nested too deeply"),
        ('where: "\\ud800"', "where", "half a surrogate pair, which is no character"),
    ],
)
def test_config_rejects_values_of_the_wrong_type_by_path(tmp_path: Path, text: str, path: str, fact: str) -> None:
    found = refused(tmp_path, text)
    assert {where: each.fact for where, each in found.items()} == {f"job.yaml: {path}": fact}


@pytest.mark.parametrize("text", ["- a", "text", "a: [", "a: b: c", "{" * 5000, "a: 1\n---\nb: 2", "\0", "a: *b"])
def test_config_rejects_files_that_are_not_a_yaml_map(tmp_path: Path, text: str) -> None:
    (found,) = refused(tmp_path, text).items()
    assert found[0] == "job.yaml"


def test_config_rejects_missing_and_non_utf8_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(PLACES, str(tmp_path / "none.yaml"), {}, JobConfig)
    (tmp_path / "latin").write_bytes(b"where: \xe9")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        read_config(PLACES, str(tmp_path / "latin"), {}, JobConfig)


def test_config_reports_problems_of_options_and_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("input: in\noutput: in\nnope: 1\n")
    with pytest.raises(ConfigError) as caught:
        read_config({"level": "odd"}, str(tmp_path / "job.yaml"), {}, JobConfig, [Problem("--param", "odd")])
    paths = [each.path.replace(f"{tmp_path}/", "") for each in caught.value.problems]
    assert paths == [
        *("--param", "job.yaml: nope", "--model", "--quarantine", "--summary", "--level", "job.yaml: output"),
    ]


# ---- what explains it


def test_config_docs_are_generated_from_the_settings() -> None:
    assert (ROOT / "docs" / "config.md").read_text() == config_markdown(), "run make docs"


def test_config_docs_example_is_valid(tmp_path: Path) -> None:
    example = config_markdown().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "job.yaml").write_text(example)
    assert read_config({}, str(tmp_path / "job.yaml"), {}, JobConfig).params == {"threshold": 0.4}


def test_config_documents_every_setting_and_gives_each_its_own_option() -> None:
    flags = [flag_of(one) for one in fields(JobConfig)]
    assert len(set(flags)) == len(flags)
    assert all(setting_of(one).help.endswith(".") for one in fields(JobConfig))


def test_config_schema_is_valid_and_rejects_unknown_keys() -> None:
    schema = config_schema()
    Draft202012Validator.check_schema(schema)
    takes = Draft202012Validator(schema).is_valid
    assert takes({"trust": True, "level": {"*": "parse"}, "columns": ["a"], "input_options": {"header": True}})
    assert not any(map(takes, [{"nope": 1}, {"trust": False}, {"level": "odd"}, {"where": None}, {"columns": "a"}]))
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    assert "required" not in schema
    assert schema["properties"]["pin"]["enum"] == ["none", "disk"]
    assert schema["properties"]["max_bad_ratio"] | {"description": ""} == {
        "description": "",
        "maximum": 1,
        "minimum": 0,
        "type": "number",
    }
