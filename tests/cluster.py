"""A standalone cluster on loopback, from the pip package: a master and two workers, each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def environment(*, python_path: bool = True) -> dict[str, str]:
    """This process's, with nothing of its Spark about it; the working tree for its Python, if that is wanted."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK", "SPARK", "PYTHON"))}
    local = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
    return {**env, **local, **({"PYTHONPATH": str(ROOT)} if python_path else {})}


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextmanager
def standalone(folder: Path, *, python_path: bool = True) -> Iterator[str]:
    """The URL of a cluster whose workers have a core each and work in a folder."""
    import pyspark

    home = Path(pyspark.__file__).parent
    env = environment(python_path=python_path) | {"SPARK_HOME": str(home), "SPARK_NO_DAEMONIZE": "1"}
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    run = [str(home / "bin" / "spark-class")]
    master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port)]
    commands = [[*run, *master, "--webui-port", str(free_port())]]
    for i in range(2):
        worker = ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g"]
        commands.append([*run, *worker, "--webui-port", str(free_port()), "--work-dir", str(folder / f"w{i}"), url])
    log = folder / "cluster.log"
    started = []
    try:
        with open(log, "w") as out:
            for command in commands:
                started.append(subprocess.Popen(command, env=env, stdout=out, stderr=out))
                time.sleep(3 if len(started) == 1 else 0)
        for _ in range(120):
            if log.read_text().count("Successfully registered with master") == 2:
                break
            time.sleep(0.5)
        yield url
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)
