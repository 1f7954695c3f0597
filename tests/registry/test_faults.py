"""Network faults behind `runs:/`, and how they differ from paths that do not exist."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sparksig.cli import main
from sparksig.errors import EnvironmentFault, ModelLoadError
from sparksig.scoring.calls import from_registry
from sparksig.sources.registry import fetched, load_signature
from tests.registry.servers import WAIT, ArtifactServer, artifact_server
from tests.registry.stores import SIGNATURE, Store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations

ASK: list[Callable[[str], object]] = [load_signature, from_registry]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    with artifact_server(tmp_path / "artifacts") as server:
        yield server


@pytest.fixture
def run(store: Store, server: ArtifactServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a run whose artifacts, with a model among them, are on that server."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(tmp_path.name, artifact_location=f"{server.url}/e")
    made = client.create_run(experiment).info
    assert made.artifact_uri.startswith(server.url)
    shutil.copytree(store.saved.path, server.root / "e" / made.run_id / "artifacts" / "deep" / "model")
    return f"runs:/{made.run_id}"


@pytest.mark.parametrize("fails", [500, 429, "drop", "short", "page", "gone"])
def test_registry_reports_network_faults_as_environment_faults(
    fails: int | str, run: str, server: ArtifactServer, temporary: Path
) -> None:
    uri = f"{run}/deep/model"
    assert load_signature(uri) == SIGNATURE
    server.fails = fails
    if fails == "gone":
        server.shutdown()
        server.server_close()
    for server.at in ("list", "get"):
        if (server.at, fails) == ("get", "page"):
            continue  # what is no model there is told when it is read; a digest tells it of the rest
        for ask in ASK:
            with pytest.raises(EnvironmentFault, match="MLflow cannot be asked") as caught:
                ask(uri)
            assert "canary" not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize("path", ["none", "deep/none", "deep/model/none/none", "deep/model/MLmodel/none"])
def test_registry_reports_a_missing_path_as_a_load_error(path: str, run: str, temporary: Path) -> None:
    for ask in ASK:
        with pytest.raises(ModelLoadError, match="MLflow gives no such model"):
            ask(f"{run}/{path}")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_registry_reports_rejected_requests_as_load_errors(
    status: int, run: str, server: ArtifactServer, temporary: Path
) -> None:
    server.fails = status
    for ask in ASK:
        with pytest.raises(ModelLoadError, match=f"answered HTTP {status}") as caught:
            ask(f"{run}/deep/model")
        assert "canary" not in str(caught.value) and caught.value.__cause__ is None


def test_registry_reports_a_failed_download_of_a_listed_file(run: str, server: ArtifactServer, temporary: Path) -> None:
    server.fails, server.at = 500, "get"
    with pytest.raises(EnvironmentFault, match="MLflow lists it, but could not download it"):
        from_registry(f"{run}/deep/model/MLmodel")


def test_registry_removes_fetches_of_killed_processes(run: str, server: ArtifactServer, temporary: Path) -> None:
    uri = f"{run}/deep/model"
    code = f"from sparksig.scoring.calls import from_registry; from_registry({uri!r})"
    env = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}
    server.fails, server.at = "hang", "get"
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=env) as process:
        end = time.monotonic() + WAIT
        while not (left := list(temporary.glob("sparksig-fetched-*/model/**/MLmodel"))):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        server.fails = None
        from_registry(uri)
        assert left[0].exists()  # its process lives
        process.send_signal(signal.SIGKILL)
        process.wait()
    with fetched(uri) as (_, mine):
        assert not left[0].exists()
        assert load_signature(uri) == SIGNATURE
        assert (mine / "MLmodel").exists()


def test_cli_show_exit_codes_distinguish_faults_from_missing_paths(
    run: str, server: ArtifactServer, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["show", f"{run}/deep/model"]) == 0
    assert ended(["show", f"{run}/deep/none"]) == 2
    server.fails = "drop"
    assert ended(["show", f"{run}/deep/model"]) == 5
    assert "MLflow cannot be asked" in capsys.readouterr().err


def ended(argv: list[str]) -> object:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    return stop.value.code
