"""Write the golden files from what the code produces now.

python -m tests.golden [NAME ...] [--accept-breaks]

A format that lost, renamed or retyped something is reported and left as it is, unless `--accept-breaks` is given.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.golden.comparing import compare, file_of, read_golden, write_golden
from tests.golden.formats import FORMATS
from tests.golden.runs import frames, runs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_FORMATS = ("run_outputs", "summary", "table_digests", "violations")


def produced(names: list[str]) -> Iterator[tuple[str, Any]]:
    """What the code produces of each format."""
    for name in names:
        if name in FORMATS:
            with TemporaryDirectory() as folder:
                yield name, FORMATS[name](Path(folder))
    if set(names) & set(SPARK_FORMATS):
        with TemporaryDirectory() as folder:
            spark = _session(folder)
            found = {**runs(spark, Path(folder)), **frames(spark)}
            spark.stop()
        yield from ((name, found[name]) for name in names if name in SPARK_FORMATS)


def _session(folder: str) -> SparkSession:
    # the workers need this environment, and the `python3` of PATH may be another one
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.warehouse.dir", f"{folder}/warehouse").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def main() -> int:
    """Write them; 1 if some were left as they are."""
    choices = sorted([*FORMATS, *SPARK_FORMATS])
    parser = argparse.ArgumentParser("python -m tests.golden", description="Write the golden files.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(choices)}; all unless given")
    parser.add_argument("--accept-breaks", action="store_true", help="also write what was lost, renamed or retyped")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(choices)):
        parser.error(f"no such format: {', '.join(unknown)}; use {', '.join(choices)}")
    broken = 0
    for name, present in produced(arguments.names or choices):
        differences = compare(read_golden(name), present)
        if differences.breaks and not arguments.accept_breaks:
            differences.gains.clear()
            print(differences.message(name), file=sys.stderr)
            broken = 1
        elif differences.breaks or differences.gains:
            write_golden(name, present)
            print(f"written: {file_of(name).name}")
    return broken


if __name__ == "__main__":
    sys.exit(main())
