"""The keys of a job: what can be asked of it, with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sparksig.pipeline.config.declared import declare
from sparksig.redaction import masked_repr
from sparksig.signature.casts import Level

_source = partial(declare, "Source")
_model = partial(declare, "Model")
_rows = partial(declare, "What a row may be")
_bad = partial(declare, "How many bad rows are too many")
_sinks = partial(declare, "Outputs")
_run = partial(declare, "The run")
_lineage = partial(declare, "Lineage")

_Scalar = str | bool | int | float
_LEVELS = tuple(level.value for level in Level)
_OnAbsent = Literal["warn", "error", "ignore"]
_Level = Literal["strict", "safe", "checked", "parse"]


@dataclass(frozen=True, slots=True, repr=False)
class JobKeys:
    """What a YAML file, flags and the environment can say; `docs/config.md` is made of it."""

    input: str = _source("The path of the table.", metavar="PATH")
    model: str = _model("The MLmodel directory, or where MLflow has it: `runs:/..`, `models:/..`.", metavar="DIR|URI")
    output: str = _sinks("Scored rows go to `DIR/run_id=<id>/`.", metavar="DIR")
    quarantine: str = _sinks("Dirty rows go to `DIR/run_id=<id>/`.", metavar="DIR")
    summary: str = _sinks("The summary, as JSON.", metavar="FILE")
    format: str = _source("The table's Spark format, as `spark.read.format` knows it.", "parquet", metavar="NAME")
    signature: str | None = _model("Use this signature instead of the model's own.", None, metavar="FILE")
    params: Mapping[str, Any] = _model(
        "Override params of the model. A text is read as JSON, unless the param is declared as a string or a datetime.",
        {},
        secret=True,
        flag="--param",
        metavar="K=V",
        form=dict[str, Any],
    )
    param_from_env: Mapping[str, str] = _model(
        "Params that the model's workers read from environment variables of theirs: a param's name and the variable's."
        " Their values are in no plan, no log and no file.",
        {},
        flag="--param-from-env",
        metavar="NAME=VARIABLE",
        form=dict[str, str],
    )
    level: str | Mapping[str, str] = _rows(
        "How far casts may go: `strict` not at all, `safe` without loss whatever the row, `checked` where the row's"
        " value fits exactly, `parse` also from text. In a file also a map of levels by column or path, `*` for all"
        " others.",
        Level.SAFE.value,
        metavar="LEVEL",
        choices=_LEVELS,
        form=_Level | dict[str, _Level],
    )
    allow_rounding: bool | tuple[str, ...] = _rows(
        "Let numbers be rounded to the nearest float; in a file also a list of columns or paths.", False
    )
    allow_nulls: bool | tuple[str, ...] = _rows(
        "Let required columns hold nulls; in a file also a list of columns or paths.", False
    )
    on_absent: str | Mapping[str, str] = _rows(
        "How an optional column that the table does not have is reported: `warn`, `error` (end 3, no row is read) or"
        " `ignore`. In a file also a map of these by column or path, `*` for all others.",
        "warn",
        metavar="HOW",
        choices=("warn", "error", "ignore"),
        form=_OnAbsent | dict[str, _OnAbsent],
    )
    trust: tuple[str, ...] | str | None = _model(
        "Trust a model that runs code when it is loaded (a pickle): the digest that the error names, or `true`. Of"
        " several digests the model must have one: add the digest of a new version before it is promoted.",
        None,
        metavar="sha256:..",
        form=str | Literal[True] | list[str],
        env="SPARKSIG_TRUST",
    )
    run_id: str = _run(
        "The run's name; the same name replaces its own output only. Unless given it is made of the logical date and"
        " the outputs, so that a day that is run again replaces that day. A committed run of another source or model is"
        " never replaced (2).",
        metavar="ID",
        env="SPARKSIG_RUN_ID",
    )
    fail_on_quarantine: bool = _bad(
        "One dirty row is too many, also one of a `warn` column: end 4 and commit nothing.", False
    )
    fail_on_warning: bool = _bad(
        "End 4 and commit nothing if there is a warning about the table, the model or its params, such as an optional"
        " column that the table does not have.",
        False,
    )
    input_table: str | None = _source("A table by its name in the catalog, instead of a path.", None, metavar="NAME")
    input_options: Mapping[str, str] = _source(
        "Options of the source, as `spark.read.options` takes them. Their values are shown nowhere.",
        {},
        secret=True,
        flag="--input-option",
        metavar="K=V",
        form=dict[str, _Scalar],
    )
    where: str | None = _source("Take only the rows for which this SQL condition holds.", None, True, metavar="SQL")
    columns: tuple[str, ...] | None = _source(
        "Take only these columns; `where` may speak of the others.", None, flag="--column", metavar="NAME"
    )
    output_format: str = _sinks("The Spark format of both outputs.", "parquet", metavar="NAME")
    output_options: Mapping[str, str] = _sinks(
        "Options of both outputs, as `write.options` takes them. Their values are shown nowhere.",
        {},
        secret=True,
        flag="--output-option",
        metavar="K=V",
        form=dict[str, _Scalar],
    )
    output_table: str | None = _sinks(
        "A table by name for scored rows, instead of `output`; a column `run_id` says of which run a row is. Wants"
        " `quarantine_table` and `staging`.",
        None,
        metavar="NAME",
    )
    quarantine_table: str | None = _sinks(
        "A table by name for dirty rows, instead of `quarantine`.", None, metavar="NAME"
    )
    staging: str | None = _sinks(
        "A folder for rows on their way to tables: they are counted there before they are appended.",
        None,
        metavar="DIR",
    )
    keep_rejected: str | None = _sinks(
        "Where the quarantined rows of a run that ends 4 are kept, in `DIR/run_id=<id>/`; unless given in `_rejected/`"
        " of the quarantine (with tables, of `staging`), which no reader of the quarantine sees. The next attempt at"
        " the run replaces them, and its commit removes them.",
        None,
        metavar="DIR",
    )
    partition_by: tuple[str, ...] = _sinks("Columns by which both outputs are partitioned.", (), metavar="NAME")
    max_bad_rows: int | None = _bad("So many bad rows are not too many.", None, metavar="N", least=0)
    max_bad_ratio: float | None = _bad(
        "So great a part of all rows, from 0 to 1, is not too many.", None, metavar="RATIO", least=0, most=1
    )
    column_actions: Mapping[str, str] = _bad(
        "What a violation in a column of the signature means, by column: `warn` sets its row apart, but that row is"
        " no bad one if nothing else is wrong with it; for `error` one such row is too many.",
        {},
        flag="--column-action",
        metavar="COLUMN=ACTION",
        choices=("warn", "error"),
        form=dict[str, Literal["warn", "error"]],
    )
    on_model_error: str = _rows(
        "What becomes of a row at which the model raises: `fail` ends the job, `quarantine` looks for such rows, by"
        " halves, and sets them apart as MODEL_ERROR with the exception's class. The others are scored as without them,"
        " if a prediction does not depend on the rows beside its own; what is scored is kept on the workers' disks.",
        "fail",
        metavar="HOW",
        choices=("fail", "quarantine"),
        form=Literal["fail", "quarantine"],
    )
    pin: str = _run(
        "Whether the table is written down once before it is read: `none`, or on the workers' `disk`.",
        "none",
        metavar="HOW",
        choices=("none", "disk"),
        form=Literal["none", "disk"],
    )
    report: str | None = _sinks("The report, as one HTML page.", None, metavar="FILE")
    logical_date: str | None = _run(
        "The day that the run is for; unless given today in UTC, with a warning if the run is named after it.",
        None,
        metavar="DATE",
        env="SPARKSIG_LOGICAL_DATE",
    )
    trigger: str | None = _run(
        "Read the source as a stream: `available-now` takes what has come since the last time, in one or more batches,"
        " each a run of its own, and ends. Wants `checkpoint`.",
        None,
        metavar="TRIGGER",
        choices=("available-now",),
        form=Literal["available-now"],
    )
    checkpoint: str | None = _run(
        "Where Spark keeps how far a stream has been read. Each batch is named after it,"
        " `stream-<digest of the path>.batch-<n>`; a stream takes no run id.",
        None,
        metavar="DIR",
    )
    lineage: str | None = _lineage(
        "Where OpenLineage events of the run go: a file to which they are appended, or the URL of a server; or"
        " `environment` for what OpenLineage's own configuration says, `off` for nowhere. Unless given they go where"
        " `OPENLINEAGE_URL`, `OPENLINEAGE_CONFIG` or `OPENLINEAGE__TRANSPORT..` say. docs/lineage.md explains it.",
        None,
        metavar="FILE|URL",
    )
    lineage_namespace: str | None = _lineage(
        "The namespace of the job in these events; unless given that of the parent's job, or `default`.",
        None,
        metavar="NAME",
        env="OPENLINEAGE_NAMESPACE",
    )
    lineage_job: str | None = _lineage(
        "The job's name in these events, the same each night; unless given it is made of the output's name.",
        None,
        metavar="NAME",
    )

    def __repr__(self) -> str:
        return masked_repr(self)
