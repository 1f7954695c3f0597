"""A tracking server and a model's own server of the real MLflow, on loopback, each a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster import environment, free_port

WAIT = 300
"""Seconds that a server may take to answer on a machine that is busy."""


@contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """The URL of a tracking server with a registry, on sqlite, which serves its artifacts too."""
    port = free_port()
    store = ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--artifacts-destination", str(folder / "art")]
    words = ["server", *store, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with _running(words, folder / "server.log", f"http://127.0.0.1:{port}/health", {}):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def served(model: str, tracking_uri: str, folder: Path) -> Iterator[str]:
    """The URL of a model that is served in this environment."""
    port = free_port()
    words = ["models", "serve", "-m", model, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    with _running(words, folder / "serve.log", f"http://127.0.0.1:{port}/ping", {"MLFLOW_TRACKING_URI": tracking_uri}):
        yield f"http://127.0.0.1:{port}/invocations"


@contextmanager
def _running(words: Sequence[str], log: Path, health: str, more: dict[str, str]) -> Iterator[None]:
    env = environment() | {"MLFLOW_DISABLE_TELEMETRY": "true"} | more
    # `mlflow models serve` starts uvicorn by its name
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    command = [sys.executable, "-m", "mlflow", *words]
    with open(log, "w") as out:
        # a group, because a server that is killed leaves its children behind
        started = subprocess.Popen(command, env=env, stdout=out, stderr=out, cwd=log.parent, start_new_session=True)
    try:
        end = time.monotonic() + WAIT
        while not _answers(health):
            assert started.poll() is None and time.monotonic() < end, log.read_text()[-4000:]
            time.sleep(0.5)
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(started.pid, number)
            with suppress(subprocess.TimeoutExpired):
                started.wait(10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
