"""A Spark Connect server on loopback, from the pip package: one process that every test on Connect is a client of."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.cluster import environment, free_port

SECONDS_TO_START = 180
MODEL_KEY = "canary-of-thirty-letters-in-it"
"""The value of the environment variable that a model reads where it runs (`param_from_env`)."""


@contextmanager
def connect_server(folder: Path, **env: str) -> Iterator[str]:
    """Yield the URL of a server that runs until the block ends.

    Args:
        folder: where the server's log goes.
        env: environment variables of the server, which its Python workers inherit.
    """
    import pyspark

    home = Path(pyspark.__file__).parent
    port = free_port()
    conf = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    settings = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    server = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--name", "sparksig-tests"]
    command = [str(home / "bin" / "spark-submit"), *server, "--master", "local[2]", *settings, "spark-internal"]
    log = folder / "connect.log"
    with open(log, "w") as out:
        variables = environment() | {"SPARK_HOME": str(home), **env}
        process = subprocess.Popen(command, env=variables, cwd=folder, stdout=out, stderr=out)
    try:
        end = time.monotonic() + SECONDS_TO_START
        while not _accepts(port):
            assert process.poll() is None and time.monotonic() < end, log.read_text()[-4000:]
            time.sleep(0.2)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _accepts(port: int) -> bool:
    with closing(socket.socket()) as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
