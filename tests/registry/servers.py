"""Servers on loopback: MLflow's tracking and model servers, and an artifact server with injectable faults."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

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


ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


class ArtifactServer(ThreadingHTTPServer):
    """Lists and gives the files of a folder as MLflow's server does, unless it is told to fail.

    Attributes:
        root: the folder.
        fails: how it fails: a status of HTTP, `drop` without an answer, `short` in the middle of one, `page` of a
            proxy, or `hang`, in the middle of an answer until `over` is set; None if it does not.
        at: whether it fails at `list` or at `get`.
    """

    fails: int | str | None = None
    at: str = "list"

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Artifacts)
        self.root, self.over = root, threading.Event()

    @property
    def url(self) -> str:
        """Where artifacts are."""
        return f"http://127.0.0.1:{self.server_port}{ARTIFACTS}"


class _Artifacts(BaseHTTPRequestHandler):
    server: ArtifactServer

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        listed = parse_qs(asked.query).get("path")
        path = self.server.root / (listed[0] if listed else unquote(asked.path.removeprefix(ARTIFACTS)).strip("/"))
        if self.server.fails is not None and self.server.at == ("list" if listed else "get"):
            self._fail(self.server.fails)
        elif listed:
            files = [{"path": file.name, "is_dir": file.is_dir()} for file in (path.iterdir() if path.is_dir() else ())]
            self._answer(200, json.dumps({"files": files}).encode())
        elif path.is_file():
            self._answer(200, path.read_bytes())
        else:
            self._answer(404, b"")

    def _fail(self, how: int | str) -> None:
        if isinstance(how, int):
            self._answer(how, b"canary-text of a server")
        elif how == "page":
            self._answer(200, b"<html>log in</html>")
        elif how == "short":
            self._answer(200, b"{", 100)
        elif how == "hang":
            self._answer(200, b"{", 100)
            self.wfile.flush()
            self.server.over.wait()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def artifact_server(root: Path) -> Iterator[ArtifactServer]:
    """A server of the artifacts in a folder, until it is shut down."""
    with ArtifactServer(root) as server:
        running = threading.Thread(target=server.serve_forever, args=(0.01,))
        running.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            running.join()
