"""The same rules by pandera, Great Expectations, DQX and sparksig on the same frame: seconds, Spark jobs, findings.

All sides run in one process, in an environment of their own that is made in `build/venvs`, with Spark 4.0.
`--table FILE` prints the README's table from a file that `--json` wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from benchmarks import measure

ROOT = Path(__file__).resolve().parents[1]
PINS = (
    *("pyspark[sql]==4.0.1", "pandas==2.3.3", "numpy==2.4.6", "pyarrow==26.0.1", "PyYAML>=6"),
    *("pandera[pyspark]==0.35.0", "great_expectations==1.24.1", "databricks-labs-dqx==0.17.0"),
)
PACKAGES = ["pyspark", "pandas", "pyarrow", "pandera", "great_expectations", "databricks-labs-dqx"]
NAMES = {"sparksig": "sparksig", "pandera": "pandera", "great_expectations": "Great Expectations", "dqx": "DQX"}


def environment() -> Path:
    """The Python that has all peers; made once, and anew when the pins change."""
    folder = ROOT / "build" / "venvs" / "peers"
    python, stamp = folder / "bin" / "python", folder / ".stamp"
    digest = hashlib.sha256("\n".join([sys.version, *PINS]).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, *PINS], check=True)
        stamp.write_text(digest)
    return python


def run(count: int, small: bool) -> dict[str, Any]:
    """What was measured."""
    warnings.simplefilter("ignore")
    from pyspark.sql import SparkSession

    from benchmarks import _peer_faults, _peer_sides
    from sparksig.runtime import quiet_queries

    conf = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.memory": "4g"}
    builder = SparkSession.builder.master("local[2]")
    for key, value in conf.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    quiet_queries()
    rows = 20_000 if small else 2_000_000
    columns = {"id": "long", "n": "long", "name": "string", "flag": "boolean", **{f"d{i}": "double" for i in range(16)}}
    with tempfile.TemporaryDirectory() as folder:
        doubles = [f"if(id % 1000 = {i}, null, id / {i + 3}) as d{i}" for i in range(16)]
        texts = ["id", "if(id % 1000 = 500, 3000000000, id) as n", "string(id) as name", "id % 2 = 0 as flag", *doubles]
        spark.range(rows).selectExpr(*texts).write.parquet(f"{folder}/t")
        df = spark.read.parquet(f"{folder}/t")
        expected = {"n range": rows // 1000, **{f"d{i} null": rows // 1000 for i in range(16)}}
        jobs = {}
        for name, side in _peer_sides.VERDICTS.items():
            found = side(df, columns)
            assert found.keys() == expected.keys(), (name, found)
            assert all(n in (None, expected[rule]) for rule, n in found.items()), (name, found)
            jobs[f"verdict: {name}"] = _peer_sides.jobs_of(df, lambda side=side: side(df, columns))
        for name, halves in _peer_sides.SPLITS.items():
            jobs[f"split: {name}"] = _peer_sides.jobs_of(df, lambda halves=halves: halves(df, columns))
        verdicts = {name: lambda side=side: side(df, columns) for name, side in _peer_sides.VERDICTS.items()}
        verdicts["bare count of nulls"] = lambda: df.selectExpr(*[f"count({name})" for name in columns]).collect()
        results = {}
        seconds = measure.rounds(verdicts, count)
        for name in verdicts:
            if name != "sparksig":
                results[f"{name}_over_sparksig"] = (seconds, measure.ratios(seconds, name, "sparksig"))
        halves = {name: lambda side=side: side(df, columns) for name, side in _peer_sides.SPLITS.items()}
        split_seconds = measure.rounds(halves, count)
        results["dqx_split_over_sparksig"] = (split_seconds, measure.ratios(split_seconds, "dqx", "sparksig"))
    return {"results": results, "jobs": jobs, "found": _peer_faults.found(spark), "rows": rows}


def table(content: dict[str, Any]) -> str:
    """The README's table."""
    verdicts = {name: content["seconds"][f"pandera_over_sparksig: {name}"][1] for name in NAMES}
    splits = {name: content["seconds"][f"dqx_split_over_sparksig: {name}"][1] for name in ("sparksig", "dqx")}
    jobs = content["jobs"]
    lines = ["| | " + " | ".join(NAMES.values()) + " |", "|---" * (len(NAMES) + 1) + "|"]
    lines.append("| seconds to a verdict | " + " | ".join(f"{verdicts[n]:.1f}" for n in NAMES) + " |")
    lines.append("| Spark jobs for it | " + " | ".join(str(jobs[f"verdict: {n}"]) for n in NAMES) + " |")
    shown = (f"{splits[n]:.1f}" if n in splits else "cannot" for n in NAMES)
    lines.append("| seconds to write good and bad rows apart | " + " | ".join(shown) + " |")
    words = {1: "found", 0: "passes", None: "no rule", "TypeError": "fails", "MISSING_COLUMN": "said once"}
    words |= {"missing": "said once", 8: "each row is bad"}
    for fault, cells in content["found"].items():
        lines.append(f"| {fault} | " + " | ".join(words.get(cells[n], str(cells[n])) for n in NAMES) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = measure.parser(__doc__ or "", 5)
    parser.add_argument("--inside", action="store_true", help="this is the environment that has all peers")
    parser.add_argument("--table", metavar="FILE", help="print the README's table from FILE, and measure nothing")
    given = parser.parse_args()
    if given.table:
        print(table(json.loads(Path(given.table).read_text())), end="")
        return
    if not given.inside:
        python = environment()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK", "SPARK", "PYTHON", "VIRTUAL_ENV"))}
        env |= {"PYTHONPATH": str(ROOT), "GX_ANALYTICS_ENABLED": "false", "SPARK_LOCAL_IP": "127.0.0.1"}
        command = [str(python), "-m", "benchmarks.peers", "--inside", *sys.argv[1:]]
        raise SystemExit(subprocess.run(command, env=env, cwd=os.getcwd(), check=False).returncode)
    found = run(given.rounds, given.small)
    more = {key: found[key] for key in ("jobs", "found", "rows")}
    measure.report(found["results"], PACKAGES, given.json, more)
    for fault, cells in found["found"].items():
        print(f"{fault:<40} {cells}")
    print(found["jobs"])


if __name__ == "__main__":
    main()
