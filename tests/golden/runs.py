"""The stable formats that runs write: each as a tree of JSON values, from runs that are as small as can be."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow.dataset as ds

from sparksig.enforcement.frames import tag
from sparksig.errors import EnvironmentFault, Problem
from sparksig.pipeline.accounting import digest, row_hash
from sparksig.pipeline.dataset import MARKER
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run, run_stream
from sparksig.pipeline.run.validation import CheckConfig, validate_job
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from tests.golden.comparing import shape
from tests.pipeline.jobs import SIGNATURE, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DATABASE = "golden"
BOUNDS: dict[str, Any] = {"max_bad_rows": 3, "max_bad_ratio": 0.5, "column_actions": {"x": "error"}}


def runs(spark: SparkSession, folder: Path) -> dict[str, Any]:
    """The summaries of runs with every kind of end, and the files and rows that they leave."""
    written = {
        "batch": _batch(_job(folder / "batch"), lambda: spark),
        "table": _table(_job(folder / "table"), spark),
        "stream": _stream(_job(folder / "stream"), lambda: spark),
    }
    summaries = {
        **{name: job.summary() for name, job in written.items()},
        "stream batch": _read(written["stream"].root / "summary.batch-0.json"),
        "failed": _failed(_job(folder / "failed")),
        "incompatible": _incompatible(_job(folder / "incompatible"), lambda: spark),
        "over threshold": _over_threshold(_job(folder / "over"), lambda: spark),
        "validate": _validated(_job(folder / "validate"), lambda: spark),
        "validate schema": _validated(_job(folder / "plan"), _no_session, plan_only=True),
    }
    tables = {kind: _columns(spark.table(f"{DATABASE}.{kind}")) for kind in ("scored", "quarantine")}
    outputs: dict[str, dict[str, Any]]
    outputs = {name: {"files": _files(job), "markers": _markers(job)} for name, job in written.items()}
    outputs["batch"]["columns"] = {kind: _arrow_columns(written["batch"], kind) for kind in ("scored", "quarantine")}
    outputs["batch"]["quarantined rows"] = written["batch"].rows("quarantine")
    outputs["table"]["columns"] = tables
    return {"summary": {name: shape(one) for name, one in summaries.items()}, "run_outputs": outputs}


def frames(spark: SparkSession) -> dict[str, Any]:
    """The column of violations of a tagged frame, and the digests of a fixed table: their values are the format."""
    tagged = tag(spark.createDataFrame([], "x double, id long"), SIGNATURE).schema["_violations"]
    violations = {"name": tagged.name, "ddl": tagged.dataType.simpleString(), "json": tagged.json()}
    table = fixed_table(spark)
    columns = [row_hash([(name, field)]).alias(name) for name, field in zip(table.columns, table.schema, strict=True)]
    hashes = table.select(*columns).collect()
    return {
        "violations": violations,
        "table_digests": {
            "table": str(digest(table, table.schema.fields)),
            "rows": {name: " ".join(f"{row[i] % 2**64:016x}" for row in hashes) for i, name in enumerate(VALUES)},
        },
    }


VALUES: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "false"),
    "tinyint": ("1", "-128"),
    "smallint": ("1", "-32768"),
    "int": ("1", "-2147483648"),
    "bigint": ("1", "9223372036854775807L"),
    "float": ("float('NaN')", "float('-0.0')", "1.5f"),
    "double": ("double('NaN')", "-0.0d", "1.5d"),
    "decimal(10,2)": ("1.10", "-0.01"),
    "decimal(38,18)": ("1.100000000000000000", "-99999999999999999999.999999999999999999"),
    "string": ("''", "'größe'"),
    "binary": ("X''", "X'00ff'"),
    "date": ("date'2024-02-29'", "date'0001-01-01'"),
    "timestamp": ("timestamp'2024-02-29 12:00:00.000001Z'", "timestamp'1900-01-01 00:00:00Z'"),
    "timestamp_ntz": ("timestamp_ntz'2024-02-29 12:00:00.000001'", "timestamp_ntz'0001-01-01 00:00:00'"),
    "interval day to second": ("interval '1 02:03:04.000005' day to second", "interval '-1' day"),
    "interval year to month": ("interval '1-2' year to month", "interval '-1' month"),
    "array<int>": ("array()", "array(1, null, 3)"),
    "array<double>": ("array(double('NaN'), -0.0d, null)", "array(1.5d)"),
    "array<string>": ("array('a', 'bc')", "array('', null)"),
    "array<array<int>>": ("array(array(1), null, array())", "array(array(1, 2, null))"),
    "struct<a:int,b:string>": ("named_struct('a', 1, 'b', null)", "named_struct('a', null, 'b', 'x')"),
    "array<struct<a:double>>": ("array(named_struct('a', double('NaN')), null)", "array(named_struct('a', -0.0d))"),
    "map<string,int>": ("map('b', 2, 'a', null)", "map()"),
    "map<int,map<string,array<double>>>": ("map(1, map('a', array(-0.0d, null)), 2, null)", "map()"),
    "variant": ("""parse_json('{"a": [1, null], "b": "x"}')""", "parse_json('null')"),
}
"""Values of every type that Spark has; each column has a null too."""


def fixed_table(spark: SparkSession) -> DataFrame:
    """The fixed table: one column a type, its values, and nulls where it has no more of them."""
    rows = max(map(len, VALUES.values())) + 1
    padded = {kind: (*values, *["null"] * (rows - len(values))) for kind, values in VALUES.items()}
    lines = [
        ", ".join(f"cast({values[row]} as {kind}) as c{i}" for i, (kind, values) in enumerate(padded.items()))
        for row in range(rows)
    ]
    return spark.sql(" union all ".join(f"select {line}" for line in lines))


# ---- the runs


def _job(root: Path) -> Job:
    root.mkdir()
    return Job(root).table(TABLE).model()


def _batch(job: Job, session: Callable[[], SparkSession]) -> Job:
    params = {"factor": "3", "unknown": "1"}  # the second one is a warning
    bounds = {**BOUNDS, "column_actions": {"x": "warn"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(job.config(params=params, level={"x": "safe"}, report=job.path("report.html"), **bounds), session)
    return job


def _table(job: Job, spark: SparkSession) -> Job:
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    names = {f"{key}_table": f"{DATABASE}.{kind}" for key, kind in (("output", "scored"), ("quarantine", "quarantine"))}
    run(job.config(output="", quarantine="", staging=job.path("staging"), **names), lambda: spark)
    return job


def _stream(job: Job, session: Callable[[], SparkSession]) -> Job:
    run_stream(job.config(run_id="", trigger="available-now", checkpoint=job.path("checkpoint")), session)
    return job


def _ends(job: Job, session: Callable[[], SparkSession], **changed: Any) -> Any:
    try:
        run(job.config(**changed), session)
    except RunError:
        return job.summary()
    raise AssertionError("the run was committed")


def _failed(job: Job) -> Any:
    def no_java() -> NoReturn:
        raise EnvironmentFault("Spark cannot start", [Problem("JAVA_HOME", "no Java", hint="install one")])

    return _ends(job, no_java)


def _incompatible(job: Job, session: Callable[[], SparkSession]) -> Any:
    signature = ModelSignature(Schema([ColSpec("double", "absent"), ColSpec("double", "x")]), SIGNATURE.outputs)
    (job.root / "signature.json").write_text(signature.to_json())
    return _ends(job, session, signature=job.path("signature.json"))


def _over_threshold(job: Job, session: Callable[[], SparkSession]) -> Any:
    return _ends(job, session, **BOUNDS)


def _validated(job: Job, session: Callable[[], SparkSession], plan_only: bool = False) -> Any:
    config = CheckConfig(job.path("source"), job.path("model"), run_id="r", max_bad_rows=3, max_bad_ratio=0.5)
    validate_job(config, session, plan_only=plan_only, summary=job.path("summary.json"))
    return job.summary()


def _no_session() -> NoReturn:
    raise AssertionError("the schema of a Parquet table is read without Spark")


# ---- what they leave


def _files(job: Job) -> list[str]:
    """The files that a run leaves, without Spark's own; names that differ from run to run have a star in them."""
    left = [name for name in job.left(["signature.json"]) if (job.root / name).is_file()]
    ours = [name for name in left if not name.startswith("checkpoint/") or name == f"checkpoint/{MARKER}"]
    starred = (re.sub(r"part-.*?(\.\w+)$", r"part-*\1", re.sub(r"stream-\w{8}", "stream-*", name)) for name in ours)
    return sorted({name for name in starred if not name.endswith("_SUCCESS")})


def _markers(job: Job) -> dict[str, Any]:
    """The markers by folder: their version, and the types of their keys."""
    found: dict[str, Any] = {}
    for kind in ("scored", "quarantine"):
        for file in (job.root / kind).glob(f"*/{MARKER}"):
            marker = _read(file)
            found[kind] = {"kind": marker["kind"], "version": marker["version"], "keys": shape(marker)}
    return found


def _columns(frame: DataFrame) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in frame.schema}


def _arrow_columns(job: Job, kind: str) -> dict[str, str]:
    schema = ds.dataset(job.root / kind, format="parquet").schema
    return {field.name: str(field.type) for field in schema}


def _read(file: Path) -> Any:
    return json.loads(file.read_text())
