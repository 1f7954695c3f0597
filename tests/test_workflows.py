"""The workflows of GitHub Actions agree with the Makefile and the metadata; schemas and zizmor cannot check that."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lanes import SUITES

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}


def commands(job: dict[str, Any]) -> Iterator[str]:
    """Yield the shell commands of a job, with `$VARIABLE` and `${{ matrix.key }}` replaced, for each matrix member."""
    matrix = job.get("strategy", {}).get("matrix", {})
    for values in product(*matrix.values()):
        members = dict(zip(matrix, values, strict=True))
        for step in job.get("steps", []):
            command = step.get("run", "")
            for name, value in step.get("env", {}).items():
                command = command.replace(f"${{{name}}}", value)
            for key, member in members.items():
                command = command.replace(f"${{{{ matrix.{key} }}}}", member)
            yield command


def make_targets(workflow: str) -> set[str]:
    """Return the make targets that a workflow runs."""
    jobs = WORKFLOWS[workflow]["jobs"].values()
    lines = "\n".join(command for job in jobs for command in commands(job))
    return set(re.findall(r'^make "?([\w-]+)', lines, re.MULTILINE))


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_workflow_runs_existing_make_targets(workflow: str) -> None:
    targets = make_targets(workflow)
    missing = [name for name in targets if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)]
    assert targets and missing == []


def test_ci_workflow_runs_the_check_and_the_tests() -> None:
    assert make_targets("ci") == {"check", "test"}


def test_nightly_workflow_runs_every_marked_suite() -> None:
    assert make_targets("nightly") == {f"test-{suite.partition('_')[0]}" for suite in SUITES}


def test_ci_workflow_tests_the_declared_python_versions() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    declared = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)
    assert WORKFLOWS["ci"]["jobs"]["test"]["strategy"]["matrix"]["python"] == declared


def test_only_the_publish_job_gets_an_identity_token() -> None:
    jobs = {(workflow, name): job for workflow, content in WORKFLOWS.items() for name, job in content["jobs"].items()}
    with_token = {name for name, job in jobs.items() if "id-token" in job["permissions"]}
    publish = jobs["publish", "publish"]
    assert all(content["permissions"] == {} for content in WORKFLOWS.values())
    assert with_token == {("publish", "publish")}
    assert publish["environment"] == "pypi" and set(publish["needs"]) == {"test", "build"}
