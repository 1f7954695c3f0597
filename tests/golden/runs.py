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
from sparksig.pipeline.run.checkpoint import NAME
from sparksig.pipeline.run.validation import CheckConfig, validate_job
from sparksig.pipeline.sinks import Sink
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from tests.golden.comparing import shape
from tests.pipeline.estimators import Raising
from tests.pipeline.jobs import SIGNATURE, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DATABASE = "golden"
KINDS = ("scored", "quarantine")


def runs(spark: SparkSession, folder: Path) -> dict[str, Any]:
    """The summaries of runs with every kind of end, and the files and rows that they leave."""
    batch, stream = _batch(_job(folder / "batch"), spark), _stream_to_tables(_job(folder / "stream"), spark)
    summaries = {
        "batch": batch.summary(),
        "stream to tables": stream.summary(),
        "stream batch to tables": _read(stream.root / "summary.batch-0.json"),
        "failed before Spark": _failed(_job(folder / "unstarted"), _no_java),
        "failed": _failed(_job(folder / "failed", Raising()), lambda: spark),
        "incompatible": _incompatible(_job(folder / "incompatible"), spark),
        "validate": _validated(_job(folder / "validate"), lambda: spark),
        "validate schema": _validated(_job(folder / "plan"), _no_session, plan_only=True),
    }
    outputs = {
        "batch": {
            "files": _files(batch),
            "columns": {kind: _arrow_columns(batch, kind) for kind in KINDS},
            "quarantined rows": batch.rows("quarantine"),
            "markers": {kind: _marker(batch.root / kind / "run_id=r") for kind in KINDS},
        },
        "stream to tables": {
            "files": _files(stream),
            "columns": {kind: _columns(spark.table(f"{DATABASE}.{kind}")) for kind in KINDS},
            "run id": _starred(stream.summary()["batches"][0]["run_id"]),
        },
        "batch of a stream": {"marker": _marker_of_a_batch(folder, spark)},
    }
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
    return spark.sql(" union all ".join(f"select {line}" for line in lines)).coalesce(1)


# ---- the runs


def _job(root: Path, model: object | None = None) -> Job:
    root.mkdir()
    return Job(root).table(TABLE).model(model)


def _batch(job: Job, spark: SparkSession) -> Job:
    params = {"factor": "3", "unknown": "1"}  # the second one is a warning
    bounds: dict[str, Any] = {"max_bad_rows": 3, "max_bad_ratio": 0.5, "column_actions": {"x": "warn"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(job.config(params=params, level={"x": "safe"}, report=job.path("report.html"), **bounds), lambda: spark)
    return job


def _stream_to_tables(job: Job, spark: SparkSession) -> Job:
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    tables = {"output_table": f"{DATABASE}.scored", "quarantine_table": f"{DATABASE}.quarantine"}
    places = {"output": "", "quarantine": "", "staging": job.path("staging"), "checkpoint": job.path("checkpoint")}
    run_stream(job.config(run_id="", trigger="available-now", **places, **tables), lambda: spark)
    return job


def _failed(job: Job, session: Callable[[], SparkSession], **changed: Any) -> Any:
    try:
        run(job.config(**changed), session)
    except RunError:
        return job.summary()
    raise AssertionError("the run was committed")


def _no_java() -> NoReturn:
    raise EnvironmentFault("Spark cannot start", [Problem("JAVA_HOME", "no Java", hint="install one")])


def _incompatible(job: Job, spark: SparkSession) -> Any:
    signature = ModelSignature(Schema([ColSpec("double", "absent"), ColSpec("double", "x")]), SIGNATURE.outputs)
    (job.root / "signature.json").write_text(signature.to_json())
    return _failed(job, lambda: spark, signature=job.path("signature.json"))


def _validated(job: Job, session: Callable[[], SparkSession], plan_only: bool = False) -> Any:
    config = CheckConfig(job.path("source"), job.path("model"), run_id="r", max_bad_rows=3, max_bad_ratio=0.5)
    validate_job(config, session, plan_only=plan_only, summary=job.path("summary.json"))
    return job.summary()


def _no_session() -> NoReturn:
    raise AssertionError("the schema of a Parquet table is read without Spark")


def _marker_of_a_batch(folder: Path, spark: SparkSession) -> Any:
    sink = Sink(str(folder / "scored"), "stream-0.batch-0", "scored", stream="stream-0")
    sink.write(spark.range(0))
    return _marker(Path(sink.staging))


# ---- what they leave


def _files(job: Job) -> list[str]:
    """The files that a run leaves, without Spark's own."""
    left = [name for name in job.left() if (job.root / name).is_file() and not name.endswith("_SUCCESS")]
    ours = [name for name in left if not name.startswith("checkpoint/") or name == f"checkpoint/{NAME}"]
    return sorted({_starred(name) for name in ours})


def _starred(name: str) -> str:
    """A name with a star for what differs from run to run."""
    return re.sub(r"part-.*?(\.\w+)$", r"part-*\1", re.sub(r"stream-\w{8}", "stream-*", name))


def _marker(folder: Path) -> dict[str, Any]:
    """The marker in a run's folder: its version, and the types of its keys."""
    marker = _read(folder / MARKER)
    return {"kind": marker["kind"], "version": marker["version"], "keys": shape(marker)}


def _columns(frame: DataFrame) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in frame.schema}


def _arrow_columns(job: Job, kind: str) -> dict[str, str]:
    schema = ds.dataset(job.root / kind, format="parquet").schema
    return {field.name: str(field.type) for field in schema}


def _read(file: Path) -> Any:
    return json.loads(file.read_text())
