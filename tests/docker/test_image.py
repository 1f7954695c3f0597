"""The built image, and the services of compose.yaml in it: master, workers, history server and the batch job."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pyarrow.dataset as ds
import pytest
from sklearn.linear_model import LinearRegression

from sparksig.signature.model_signature import ModelSignature
from tests.cluster import free_port
from tests.docker import image
from tests.docker.composed import Service, service
from tests.pipeline.jobs import SECRET, SIGNATURE, TABLE, Job

pytestmark = pytest.mark.docker

SPARK = 185
STRANGER = "12345:0"
"""A user that the image does not know, in group 0, as OpenShift makes them up."""

ADDRESSES = {
    name: f"127.0.0.{last}" for last, name in enumerate(["master", "worker-1", "worker-2", "history", "job"], 1)
}
"""Each service has an address of its own: executors of one address read each other's files, and here they have none."""


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if lack := image.missing():
        # where everything is looked at, nothing is left out
        pytest.fail(lack) if os.environ.get("CI") == "true" else pytest.skip(lack)
    image.build()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A table of four rows, of which one is dirty, a model that doubles, and a folder for user 185 to write into."""
    import pandas as pd

    model = LinearRegression().fit(pd.DataFrame({"x": [0.0, 1.0, 2.0]}), [0.0, 2.0, 4.0])
    made = Job(tmp_path / "in")
    made.root.mkdir()
    made.table(TABLE.slice(0, 2), TABLE.slice(2)).model(model, ModelSignature(SIGNATURE.inputs, SIGNATURE.outputs))
    for name in ("out", "events"):
        (tmp_path / name).mkdir()
        shutil.chown(tmp_path / name, SPARK, 0)
        (tmp_path / name).chmod(0o775)
    return made


def read(folder: Path, kind: str, run_id: str) -> list[dict[str, Any]]:
    rows = ds.dataset(folder / kind / f"run_id={run_id}", format="parquet").to_table().to_pylist()
    return sorted(rows, key=lambda row: int(row["id"]))


def assert_scored(out: Path, uid: int, gid: int) -> None:
    """Each row where it belongs, the accounts right, and every file its writer's."""
    scored, quarantined = read(out, "scored", "r"), read(out, "quarantine", "r")
    assert [(row["id"], row["prediction"]) for row in scored] == [
        (number, pytest.approx(2 * x)) for number, x in ((1, 1.0), (2, SECRET), (4, 4.0))
    ]
    assert [(row["id"], row["_violations"][0]["code"]) for row in quarantined] == [(3, "NULL")]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["verdict"], summary["rows_in"], summary["rows_scored"]) == ("quarantined", 4, 3)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in out.rglob("*")}
    assert owners == {(uid, gid)}


def options(root: str = "/data/in", out: str = "/data/out") -> list[str]:
    """The job's own, as docker/job.yaml says them."""
    places = {"input": f"{root}/source", "model": f"{root}/model", "summary": f"{out}/summary.json"}
    places |= {"output": f"{out}/scored", "quarantine": f"{out}/quarantine", "run-id": "r"}
    return [word for name, value in places.items() for word in (f"--{name}", value)]


# ---- the image by itself


def test_docker_image_follows_the_spark_on_kubernetes_conventions() -> None:
    config = image.configured()
    env = dict(entry.split("=", 1) for entry in config["Env"])
    assert (config["User"], config["Entrypoint"]) == ("185", ["/opt/entrypoint.sh"])
    assert (config["WorkingDir"], env["SPARK_HOME"]) == ("/opt/spark/work-dir", "/opt/spark")
    assert env["PYSPARK_PYTHON"] == env["PYSPARK_DRIVER_PYTHON"] == "/opt/venv/bin/python"


def test_docker_image_is_complete_and_has_the_pinned_versions() -> None:
    with image.container() as made:
        doctor = made.run(*image.configured()["Cmd"])
        frozen = made.run("pip", "freeze", "--exclude", "sparksig").stdout.split()
        who = made.run("sh", "-c", "id -u; id -g; touch /opt/venv/x /opt/spark/x 2>&1; find /opt/sparksig -type f")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    pins = {line.lower() for line in (image.ROOT / "constraints.txt").read_text().split()}
    assert [line for line in frozen if line.lower() not in pins] == []
    assert {line.partition("==")[0] for line in frozen} > {"lightgbm", "pyspark", "scikit-learn", "Jinja2"}
    uid, gid, *rest = who.stdout.splitlines()
    assert (uid, gid) == ("185", "185")
    assert [line.rpartition(": ")[2] for line in rest[:2]] == ["Permission denied"] * 2
    assert {Path(line).name for line in rest[2:]} == {"batch_score.py", "infer.py", "validate.py", "constraints.txt"}


def test_docker_image_contains_every_path_of_the_docs() -> None:
    docs = (image.ROOT / "docs" / "docker.md").read_text()
    told = set(re.findall(r"(no )?`(/opt/[\w./-]+)`", docs))
    with image.container() as made:
        there = made.run("find", *sorted(path for _, path in told), "-maxdepth", "0").stdout.split()
    assert len(told) > 5
    assert sorted(there) == sorted(path for no, path in told if not no)


def test_docker_image_imports_the_packages_requested_at_build() -> None:
    # LightGBM needs a library of the system
    with image.container() as made:
        done = made.run("python", "-c", "import lightgbm, jinja2")
    assert (done.returncode, done.stderr) == (0, "")


# ---- driver: without a cluster, by a user that the image does not know


def test_docker_driver_scores_as_an_unnamed_user_and_returns_the_exit_code(job: Job) -> None:
    out = job.root.parent / "out"
    mounts = {str(job.root): "/data/in:ro", str(out): "/data/out"}
    env = {"SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1", "SPARKSIG_TRUST": job.trust}
    driver = ["driver", "--master", "local[1]", "/opt/sparksig/jobs/batch_score.py", *options()]
    with image.container(mounts, env, STRANGER) as made:
        over = made.run(*driver, "--max-bad-rows", "0")
        assert over.returncode == 4, over.stdout + over.stderr
        assert [path.name for path in out.iterdir()] == ["summary.json"]
        done = made.run(*driver)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_scored(out, 12345, 0)


# ---- the services of compose.yaml


class Scene:
    """Services in containers of their own, which share this machine's loopback and two folders."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        self.job, self.stack, self.folder = job, stack, job.root.parent
        self.ports = {name: str(free_port()) for name in ("7077", "8080", "8081", "18080", "4040")}
        self.variables = {
            **{"SPARKSIG_IN": str(job.root), "SPARKSIG_OUT": str(self.folder / "out")},
            **{"SPARKSIG_TRUST": job.trust, "SPARKSIG_RUN_ID": "r", "SPARKSIG_WORKER_MEMORY": "1200m"},
        }
        self.running: dict[str, subprocess.Popen[str]] = {}

    def service(self, name: str) -> Service:
        elsewhere = {"master": ADDRESSES["master"], "localhost": ADDRESSES[name]}
        return service(name, self.variables, self.ports | elsewhere)

    def container(self, name: str, **env: str) -> image.Container:
        wanted = self.service(name)
        # a named volume takes its owner from the image's folder: the fixture has done that
        mounts = {(str(self.folder / place) if place == "events" else place): at for place, at in wanted.mounts.items()}
        context = image.container(mounts, {"SPARK_LOCAL_IP": ADDRESSES[name], **wanted.env, **env}, wanted.user)
        return self.stack.enter_context(context)

    def start(self, name: str, container: image.Container, *words: str) -> None:
        self.running[name] = container.start(self.folder / f"{name}.log", words)
        self.stack.callback(self.stop, name)

    def up(self, name: str, **env: str) -> image.Container:
        """Start a service and wait until its health check passes."""
        made, wanted = self.container(name, **env), self.service(name)
        self.start(name, made, *wanted.command)
        self.wait(lambda: made.run(*wanted.check).returncode == 0, f"{name} to be healthy", name)
        return made

    def wait(self, done: Callable[[], bool], what: str, *names: str) -> None:
        for _ in range(240):
            if done():
                return
            assert all(self.running[name].poll() is None for name in names), self.log()
            time.sleep(0.5)
        raise AssertionError(f"waited for {what}\n{self.log()}")

    def stop(self, name: str) -> None:
        self.running[name].terminate()
        image.end_session(self.running[name].pid)
        self.running[name].wait(30)

    def ask(self, name: str, port: str, path: str) -> Any:
        address = f"http://{ADDRESSES[name]}:{self.ports[port]}{path}"
        with build_opener(ProxyHandler({})).open(address, timeout=10) as answer:
            return json.load(answer)

    def log(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))


@pytest.fixture
def scene(job: Job) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(job, stack)


def test_docker_compose_job_scores_on_two_workers_with_history(scene: Scene) -> None:
    scene.up("master")
    workers = [scene.up(name) for name in ("worker-1", "worker-2")]
    scene.wait(lambda: scene.ask("master", "8080", "/json/")["aliveworkers"] == 2, "two workers", "master")
    done = scene.container("job").run(*scene.service("job").command)
    assert done.returncode == 0, done.stdout + done.stderr + scene.log()
    assert_scored(scene.folder / "out", SPARK, SPARK)
    # executors ran in the workers' containers and found sparksig there, which is in the image and nowhere else
    for worker in workers:
        assert [path.name for path in (worker.root / "opt" / "spark" / "work").glob("app-*/*")], scene.log()
    scene.up("history")
    scene.wait(
        lambda: bool(scene.ask("history", "18080", "/api/v1/applications?status=completed")),
        "the run's events",
        "history",
    )
    assert {path.stat().st_uid for path in (scene.folder / "events").rglob("*")} == {SPARK}


def test_docker_executor_started_as_on_kubernetes_joins_the_job(scene: Scene) -> None:
    """No worker: the only executor is a container with the word `executor` and Kubernetes' variables."""
    scene.up("master")
    submit, *command = scene.service("job").command
    port = scene.ports["4040"]
    scene.start("job", scene.container("job"), submit, "--conf", f"spark.driver.port={port}", *command)
    scene.wait(lambda: bool(scene.ask("master", "8080", "/json/")["activeapps"]), "the job to register", "job")
    app = scene.ask("master", "8080", "/json/")["activeapps"][0]["id"]
    exports = ("java.lang", "java.lang.invoke", "java.nio", "java.util", "java.util.concurrent", "sun.nio.ch")
    opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in exports]
    env = {
        **{f"SPARK_JAVA_OPT_{number}": option for number, option in enumerate(["-Dsparksig.first=0", *opened])},
        **{
            "SPARK_DRIVER_URL": f"spark://CoarseGrainedScheduler@{ADDRESSES['job']}:{port}",
            "SPARK_APPLICATION_ID": app,
        },
        **{"SPARK_EXECUTOR_ID": "1", "SPARK_EXECUTOR_CORES": "1", "SPARK_EXECUTOR_MEMORY": "600m"},
        **{
            "SPARK_EXECUTOR_POD_IP": ADDRESSES["worker-1"],
            "SPARK_EXECUTOR_POD_NAME": "pod",
            "SPARK_RESOURCE_PROFILE_ID": "0",
        },
    }
    scene.start("executor", scene.container("worker-1", **env), "executor")
    code = scene.running["job"].wait(500)
    assert code == 0, scene.log()
    assert_scored(scene.folder / "out", SPARK, SPARK)
