"""The image, built by buildah without a container engine: Debian is its base, and commands run in it by chroot.

A chroot has its own files and user but the machine's network, so the containers of a test reach each other by
loopback. Other features of an engine (a network with names, read-only roots, volumes) are missing.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "docker"
"""Where images and containers lie: `make clean` removes it."""

BASE, IMAGE = "localhost/sparksig-base", "localhost/sparksig"
ARGS = {"BASE": BASE, "EXTRAS": "cli,report,sklearn,spark", "PACKAGES": "lightgbm"}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

_BUILDAH = ["buildah", "--root", str(HOME / "storage"), "--runroot", str(HOME / "run")]


def missing() -> str:
    """What this machine lacks to build an image, and how to get it; nothing when all is there."""
    tools = [tool for tool in ("buildah", "debootstrap") if not shutil.which(tool)]
    if tools:
        return f"needs {' and '.join(tools)}; on Debian: apt-get install --no-install-recommends buildah debootstrap"
    if os.geteuid() != 0:
        return "debootstrap has to be run by root; run: sudo make test-docker"
    return "" if mirror() else "needs a Debian with package lists, to know its mirror: run apt-get update"


@cache
def mirror() -> str:
    """Where this machine has its Debian from, as apt is configured."""
    if not shutil.which("apt-cache"):
        return ""
    said = subprocess.run(["apt-cache", "policy"], capture_output=True, text=True, check=True).stdout
    source = re.compile(r"^ *\d+ (\S+) ([a-z]+)/main .*\n +release .*o=Debian,.*n=\2,l=Debian,", re.MULTILINE)
    found = source.search(said)
    return found.group(1) if found else ""


def release() -> str:
    """The Debian that the Dockerfile's own base is one of."""
    found = re.search(r"^ARG BASE=debian:(\w+)-slim$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    return found.group(1)


def buildah(*words: str | Path) -> str:
    """Run buildah and return what it prints."""
    done = subprocess.run([*_BUILDAH, *map(str, words)], capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, f"buildah {words[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


def _base() -> None:
    """The Debian that the image is built on: made once, from this machine's mirror and with what it trusts."""
    if BASE in buildah("images", "--format", "{{.Name}}").split():
        return
    root, archive = HOME / "rootfs", HOME / "rootfs.tar"
    shutil.rmtree(root, ignore_errors=True)
    steps: list[list[str | Path]] = [
        ["debootstrap", "--variant=minbase", "--include=ca-certificates", release(), root, mirror()],
        ["chroot", root, "update-ca-certificates"],
        ["tar", "--create", "--file", archive, "--directory", root, "."],
    ]
    for step in steps:
        if step[0] == "chroot" and CERTIFICATES.exists():
            # pip in the image must trust whom this machine trusts; it is the base that knows them, not the Dockerfile
            shutil.copy(CERTIFICATES, root / "usr" / "local" / "share" / "ca-certificates" / "machine.crt")
        done = subprocess.run(step, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 0, f"{step[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    container = buildah("from", "scratch")
    buildah("add", container, archive, "/")
    buildah("commit", "--rm", container, BASE)
    shutil.rmtree(root)
    archive.unlink()


def build() -> None:
    """Build the image of the checkout as it stands; what has not changed since the last time is not built again."""
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _base()
        args = [word for name, value in ARGS.items() for word in ("--build-arg", f"{name}={value}")]
        context = ["--file", ROOT / "docker" / "Dockerfile", ROOT]
        buildah("bud", "--isolation", "chroot", "--pull-never", "--layers", *args, "--tag", IMAGE, *context)


def configured() -> dict[str, Any]:
    """The image's configuration, as an engine reads it."""
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    return found


@dataclass(frozen=True)
class Container:
    """A container of the image: folders mounted in it (`:ro` for reading only), variables, a user."""

    name: str
    mounts: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""

    def command(self, *words: str) -> list[str]:
        """How to run words in it, by the image's entrypoint; a chroot has no name that an address belongs to."""
        env = {"SPARK_LOCAL_IP": "127.0.0.1", **self.env}
        options = [word for source, target in self.mounts.items() for word in ("--volume", f"{source}:{target}")]
        options += [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        options += ["--user", self.user] if self.user else []
        run = ["run", "--isolation", "chroot", "--hostname", "localhost", *options, self.name, "--"]
        return [*_BUILDAH, *run, *configured()["Entrypoint"], *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=600, check=False)

    def start(self, log: Path, words: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command, in a session of its own."""
        with open(log, "w") as out:
            return subprocess.Popen(self.command(*words), stdout=out, stderr=out, text=True, start_new_session=True)

    @property
    def root(self) -> Path:
        """Its root folder, as seen from outside."""
        return Path(buildah("mount", self.name))


def end_session(leader: int) -> None:
    """End all that a started command has started, which buildah leaves alone, and wait until it is gone."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(100):
            left = [int(found.name) for found in Path("/proc").glob("[0-9]*") if _in_session(found, leader)]
            if not left:
                return
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, wanted)
            time.sleep(0.2)


def _in_session(process: Path, leader: int) -> bool:
    try:
        state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:  # it has ended meanwhile
        return False
    return int(session) == leader and state != "Z"


@contextmanager
def container(
    mounts: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None, user: str = ""
) -> Iterator[Container]:
    """A container of the image, removed afterwards."""
    made = Container(buildah("from", "--pull-never", IMAGE), mounts or {}, env or {}, user)
    try:
        yield made
    finally:
        buildah("rm", made.name)
