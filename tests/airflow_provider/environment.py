"""A separate Airflow environment next to the one with Spark, and a home for it: SQLite, DAGs, connections."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from tests.cluster import free_port

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).parent / "constraints.txt"
SPARK_PYTHON = sys.executable
"""The Python of the environment that has Spark: that of the tests."""

_FOREIGN = ("AIRFLOW", "PYSPARK", "SPARK", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS", "COLUMNS")


def python_with_airflow() -> Path:
    """The interpreter of Airflow's environment; made once, made anew when what it is made of changes."""
    folder = ROOT / "build" / "venvs" / "airflow"
    python, stamp = folder / "bin" / "python", folder / ".stamp"
    made_of = [sys.version, PINS.read_text(), (ROOT / "pyproject.toml").read_text(), str(ROOT)]
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once must not install into one another
        if not stamp.exists() or stamp.read_text() != digest:
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            # the checkout itself, so that what is tested is what stands here
            _run([*pip, "--constraint", str(PINS), "--editable", f"{ROOT}[airflow]"])
            _migrated(folder)
            stamp.write_text(digest)
    return python


def _migrated(folder: Path) -> None:
    """Make the empty database once: that takes longer than the tests that want one."""
    home = folder / "home"
    _run([str(folder / "bin" / "airflow"), "db", "migrate"], Home(home).env())


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@dataclass(frozen=True)
class Home:
    """Airflow's home: its database, its DAGs, its logs."""

    root: Path
    url: str = ""

    @classmethod
    def made(cls, root: Path) -> Home:
        """A home with an empty database and no DAGs."""
        python = python_with_airflow()
        (root / "dags").mkdir(parents=True)
        shutil.copy(python.parent.parent / "home" / "airflow.db", root / "airflow.db")
        return cls(root, f"http://127.0.0.1:{free_port()}")

    @property
    def dags(self) -> Path:
        return self.root / "dags"

    def env(self, **more: str) -> dict[str, str]:
        """What a user of Airflow has set: nothing of Spark's, but for the connection and the commands of Spark's own
        environment on the path.
        """
        own = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        spark = {"conn_type": "spark", "host": "local[2]", "extra": {"deploy-mode": "client"}}
        return {
            **own,
            "PATH": os.pathsep.join([str(Path(SPARK_PYTHON).parent), os.environ.get("PATH", "")]),
            "AIRFLOW_HOME": str(self.root),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.root / 'airflow.db'}",
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(spark),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the tests, as long as it has to be",
            "AIRFLOW__API__SECRET_KEY": "another secret of the tests",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__API__WORKERS": "1",
            "NO_PROXY": "*",
            "SPARK_ENV_PYTHON": SPARK_PYTHON,
            "CHECKOUT": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def airflow(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command of Airflow's."""
        command = [str(python_with_airflow().parent / "airflow"), *words]
        return _called(command, self.root, self.env(**more))

    def python(self, code: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Code in Airflow's environment."""
        return _called([str(python_with_airflow()), "-c", code], self.root, self.env(**more))

    def dag_test(self, dag_id: str, day: str = "2026-01-31", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a DAG for a day; once more for the same day clears its tasks first."""
        return self.airflow("dags", "test", dag_id, day, **more)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What Airflow's database says."""
        with sqlite3.connect(self.root / "airflow.db") as database:
            return database.execute(sql, values).fetchall()

    def states(self, dag_id: str) -> dict[str, tuple[str, int]]:
        """The state of each task in the last run of a DAG and the number of its tries; mapped ones with their place."""
        sql = """select task_id, map_index, state, try_number from task_instance where dag_id = ?1
                 and run_id = (select run_id from dag_run where dag_id = ?1 order by id desc limit 1)"""
        found = self.query(sql, dag_id)
        return {f"{task}[{at}]" if at >= 0 else task: (str(state), tries) for task, at, state, tries in found}

    def xcom(self, dag_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task has left for others, in its last run."""
        sql = "select value from xcom where dag_id = ? and task_id = ? and key = ? order by dag_run_id, map_index"
        found = self.query(sql, dag_id, task_id, key)
        return json.loads(found[-1][0]) if found else None

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Events of assets: of which, and what they tell."""
        sql = "select a.name, e.extra from asset_event e join asset a on a.id = e.asset_id order by e.id"
        return [(name, json.loads(extra)) for name, extra in self.query(sql)]

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Airflow as it runs for its users: its API, its scheduler with workers, its reader of DAG files."""
        log = self.root / "alive.log"
        started = []
        url = urlsplit(self.url)
        try:
            with open(log, "w") as out:
                for words in (
                    ["api-server", "--host", str(url.hostname), "--port", str(url.port)],
                    ["scheduler"],
                    ["dag-processor"],
                ):
                    command = [str(python_with_airflow().parent / "airflow"), *words]
                    streams: dict[str, Any] = {"stdout": out, "stderr": out, "start_new_session": True}
                    started.append(subprocess.Popen(command, cwd=self.root, env=self.env(), **streams))
            yield
        finally:
            for process in started:
                os.killpg(process.pid, signal.SIGTERM)
            for process in started:
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(60)

    def get(self, path: str) -> Any:
        """What the API that the UI asks says."""
        with build_opener(ProxyHandler({})).open(f"{self.url}/api/v2/{path}", timeout=60) as answer:
            return json.load(answer)


def _called(command: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=900, check=False)
