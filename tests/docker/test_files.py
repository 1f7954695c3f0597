"""Checks of docker/ without building an image: linters, schema, pins, and agreement of files and docs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.config.settings import read_config
from tests.docker.composed import FILE, VARIABLE, put_in, service, services

ROOT = Path(__file__).resolve().parents[2]
DOCKER, BIN = ROOT / "docker", Path(sys.executable).parent
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
DOCS = (ROOT / "docs" / "docker.md").read_text()
GIVEN = {"SPARKSIG_IN": "/in", "SPARKSIG_OUT": "/out"}


def pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def called(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"exit code {done.returncode}"


# ---- the Dockerfile and the entrypoint


def test_docker_hadolint_reports_nothing() -> None:
    assert called(BIN / "hadolint", DOCKER / "Dockerfile") == ""


def test_docker_hadolint_detects_a_bad_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp && sudo true\n")
    assert "DL3004" in called(BIN / "hadolint", tmp_path / "Dockerfile")


def test_docker_entrypoint_is_an_executable_shell_script() -> None:
    assert called("bash", "-n", DOCKER / "entrypoint.sh") == ""
    assert (DOCKER / "entrypoint.sh").stat().st_mode & 0o111 == 0o111


def test_docker_versions_are_pinned_only_in_the_constraints() -> None:
    assert re.findall(r"[=~<>]=\s*\d", DOCKERFILE) == []
    # whatever pip does, and whatever it builds with, is under both files
    constraint = re.search(r'PIP_CONSTRAINT="([^"]+)"', DOCKERFILE)
    assert constraint and constraint.group(1).split() == ["/src/constraints.txt", "/src/docker/build-constraints.txt"]
    assert DOCKERFILE.index("PIP_CONSTRAINT=") < DOCKERFILE.index("pip wheel") < DOCKERFILE.index("pip install")


def test_docker_build_requirements_are_pinned_once() -> None:
    build, all_else = pins(DOCKER / "build-constraints.txt"), pins(ROOT / "constraints.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in project["build-system"]["requires"]}
    assert names <= build.keys()
    assert build.keys() & all_else.keys() == set()
    assert all(re.fullmatch(r"[0-9][0-9.]*", version) for version in build.values())


def test_docker_default_arguments_match_the_project_and_docs() -> None:
    args = dict(re.findall(r'^ARG (\w+)="?([^"\n]*)"?$', DOCKERFILE, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(args["EXTRAS"].split(",")) <= project["optional-dependencies"].keys()
    assert {"cli", "spark"} <= set(args["EXTRAS"].split(","))
    # Debian 12 has Python 3.11; Spark 4 needs Java 17
    assert (args["BASE"], project["requires-python"], args["JAVA"]) == ("debian:bookworm-slim", ">=3.11", "17")
    for name, default in args.items():
        assert f"| `{name}` | `{default}` |" in DOCS if default else f"| `{name}` | none |" in DOCS, name


def test_docker_context_contains_exactly_what_is_copied() -> None:
    copied = {
        word.rstrip("/")
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
        if not word.startswith("--")
    }
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


# ---- compose


def test_docker_compose_file_matches_its_schema() -> None:
    check = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert called(*check, FILE) == ""


def test_docker_compose_schema_detects_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {one: {image: a, depends_upon: [two]}}\n")
    check = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert "depends_upon" in called(*check, tmp_path / "compose.yaml")


def test_docker_services_are_locked_down_and_wait_for_health_checks() -> None:
    found = services()
    assert set(found) == {"master", "worker-1", "worker-2", "history", "job"}
    for name, one in found.items():
        assert one["read_only"] is True and one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", [])), name
        for other in one.get("depends_on", {}):
            assert "healthcheck" in found[other], (name, other)
    assert all("healthcheck" in one for name, one in found.items() if name != "job")


def test_docker_workers_and_job_mount_the_same_folders() -> None:
    job, *workers = (service(name, GIVEN, {}) for name in ("job", "worker-1", "worker-2"))
    assert job.mounts["/in"] == "/data/in:ro" and job.mounts["/out"] == "/data/out"
    assert [{"/in": worker.mounts["/in"], "/out": worker.mounts["/out"]} for worker in workers] == [
        {"/in": "/data/in:ro", "/out": "/data/out"}
    ] * 2
    with pytest.raises(KeyError, match="SPARKSIG_IN"):
        service("job", {}, {})


def test_docker_mounts_and_job_paths_exist() -> None:
    for name in services():
        for source in service(name, GIVEN, {}).mounts:
            assert source in ("/in", "/out") or Path(source).is_file() or Path(source).name == "events", source
    jobs = [word for word in service("job", GIVEN, {}).command if word.startswith("/opt/sparksig/")]
    assert [(ROOT / word.removeprefix("/opt/sparksig/")).is_file() for word in jobs] == [True]


def test_docker_event_log_is_written_where_the_history_server_reads() -> None:
    lines = (DOCKER / "spark-defaults.conf").read_text().splitlines()
    conf = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    assert conf["spark.eventLog.enabled"] == "true"
    assert conf["spark.eventLog.dir"] == conf["spark.history.fs.logDirectory"] == "file:/opt/spark/events"
    for name in ("job", "history"):
        mounts = service(name, GIVEN, {}).mounts.values()
        assert {"/opt/spark/events", "/opt/spark/conf/spark-defaults.conf:ro"} <= set(mounts)


def test_docker_job_file_is_a_valid_config_of_the_mounted_folders() -> None:
    config = read_config({}, str(DOCKER / "job.yaml"), {}, JobConfig)
    assert config.input == "/data/in/source" and config.model == "/data/in/model"
    written = yaml.safe_load((DOCKER / "job.yaml").read_text())
    assert all(written[key].startswith("/data/out/") for key in ("output", "quarantine", "summary"))


# ---- the docs


def test_docker_docs_name_every_variable_and_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", DOCS, re.MULTILINE)
    told = {
        name.strip(" `"): default.strip(" `")
        for names, defaults in rows
        for name, default in zip(names.split(","), defaults.split(",") * 3, strict=False)
    }
    for found in VARIABLE.finditer(FILE.read_text()):
        name, default = found["name"], found["text"] or "none"
        if found["how"] == "?":
            default = "must be given"
        assert name in told, name
        assert told[name] in (default, "as above"), name
    assert put_in("${SPARKSIG_USER:-185:185}", {}) == "185:185"


def test_docker_docs_name_only_existing_paths_services_and_targets() -> None:
    for path in re.findall(r"\bdocker/[\w.-]+", DOCS):
        assert (ROOT / path).is_file(), path
    for command in re.findall(r"compose\.yaml \w+ .*?(\w[\w-]*)$", DOCS, re.MULTILINE):
        assert command in {*services(), "volumes"}, command
    for target in re.findall(r"\bmake ([\w-]+)", DOCS):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for path in re.findall(r"`(/opt/[\w./-]+)`", DOCS):
        made = path in DOCKERFILE or f" {Path(path).parent}/\n" in DOCKERFILE
        assert made or f"no `{path}`" in DOCS, path
    for link in re.findall(r"\]\(([^)#]+)", DOCS):
        assert (ROOT / "docs" / link).exists(), link
