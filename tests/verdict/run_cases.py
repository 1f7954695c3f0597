"""Runs the table of cases in a process of its own, and prints what every verb says of it as JSON.

The process may have another Spark than the tests, or be a client of Spark Connect.

    python tests/verdict/run_cases.py [--remote URL] > answers.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONF = {"spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "America/Sao_Paulo"}
STATIC_CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def session(remote: str | None) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.remote(remote) if remote else SparkSession.builder.master("local[2]")
    for key, value in (CONF if remote else {**CONF, **STATIC_CONF}).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--remote", help="the URL of a Spark Connect server")
    given = parser.parse_args()
    os.environ["PYSPARK_PYTHON"] = sys.executable  # a worker would run the `python3` of PATH
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from tests.verdict import cases, crossing, places, unrepresentable

    spark = session(given.remote)
    if not given.remote:
        spark.sparkContext.setLogLevel("OFF")
    found = cases.answers(cases.frame(spark).repartition(3))
    kind = type(spark).__module__
    told = {"version": spark.version, "kind": kind, "answers": found, "ends": places.placed(spark)}
    udf = {"predicted": crossing.predicted(spark), "lost bits": crossing.lost_bits(spark), "used": crossing.used(spark)}
    told |= {"python": unrepresentable.answers(spark), "python scored": unrepresentable.predicted(spark)}
    print(json.dumps({**told, **udf, "registered": crossing.registered(spark)}))
    spark.stop()


if __name__ == "__main__":
    main()
