"""The configuration of one run, frozen and checked before anything is read or written."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Literal

from sparksig.enforcement.policy import Policy
from sparksig.errors import ConfigError, Problem
from sparksig.pipeline.config.declared import declare, flag_of, setting_of, unlisted
from sparksig.pipeline.config.lineage import lineage_file, unusable
from sparksig.pipeline.config.paths import is_inside, plain_path
from sparksig.signature.casts import Level

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FILES = ("parquet", "orc", "json", "csv", "text", "xml", "avro", "binaryFile")
"""Formats that read the files at a path."""

RUN_COLUMN = "run_id"
"""The column of an output table that says of which run a row is."""

_NOT_IN_DIGEST = ("run_id", "logical_date", "lineage", "lineage_namespace", "lineage_job")


_source = partial(declare, "Source")
_model = partial(declare, "Model")
_rows = partial(declare, "What a row may be")
_bad = partial(declare, "How many bad rows are too many")
_sinks = partial(declare, "Outputs")
_run = partial(declare, "The run")
_lineage = partial(declare, "Lineage")

_Scalar = str | bool | int | float
_LEVELS = tuple(level.value for level in Level)
_Level = Literal["strict", "safe", "checked", "parse"]


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What one run of the batch job is asked to do.

    Its attributes are the keys of the YAML file, and `docs/config.md` explains each. An empty text is not given.

    Raises:
        ConfigError: fields that cannot be used; all of them are listed.

    >>> job = JobConfig("table/", "model/", "scored/", "quarantine/", "summary.json", logical_date="2026-01-31")
    >>> job.run_id.startswith("2026-01-31-")
    True
    """

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
    trust: str | None = _model(
        "Vouch for a model that runs code when loaded (a pickle): the digest that the refusal names, or `true`.",
        None,
        metavar="sha256:..",
        form=str | Literal[True],
        env="SPARKSIG_TRUST",
    )
    run_id: str = _run(
        "The run's name; the same name replaces its own output only. Unless given it is made of the logical date and"
        " the digest of the configuration.",
        metavar="ID",
        env="SPARKSIG_RUN_ID",
    )
    fail_on_quarantine: bool = _bad(
        "One dirty row is too many, also one of a `warn` column: end 4 and commit nothing.", False
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
        "The day that the run is for; today in UTC unless given.", None, metavar="DATE", env="SPARKSIG_LOGICAL_DATE"
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

    def __post_init__(self) -> None:
        problems = list(self._faults())
        if self.trigger and self.checkpoint:
            if self.run_id:
                problems.append(
                    Problem("--run-id", "given beside --trigger", hint="a stream's checkpoint names its runs")
                )
            place = hashlib.sha256(plain_path(self.checkpoint).encode()).hexdigest()
            object.__setattr__(self, "run_id", f"stream-{place[:8]}")
        if not self.run_id:
            wrong = any(problem.path == "--logical-date" for problem in problems)
            day = self.logical_date if self.logical_date and not wrong else datetime.now(UTC).date()
            object.__setattr__(self, "run_id", f"{day}-{self.digest[:8]}")
        if problems := [*problems, *self._overlaps()]:
            raise ConfigError("the job cannot be run as configured", problems)

    @property
    def digest(self) -> str:
        """A sha256 of everything but the run's id, its date and its lineage: the same job has the same digest.

        What is as by default is not in it, so that a setting that is added later leaves the digests as they are.
        """
        asked = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _NOT_IN_DIGEST}
        usual = {one.name: {} if one.default is MISSING else one.default for one in fields(self)}
        given = {name: value for name, value in asked.items() if value != usual[name]}
        return hashlib.sha256(json.dumps(given, sort_keys=True, default=_json).encode()).hexdigest()

    @property
    def policy(self) -> Policy:
        """How the table is read against the signature."""
        return Policy(level=self.level, allow_rounding=self.allow_rounding, allow_nulls=self.allow_nulls)

    @property
    def source(self) -> dict[str, str]:
        """What the summary says of the table: its name, or its path and its format; no option's value."""
        again = {} if self.requeues is None else {"requeues": self.requeues}
        if self.input_table is not None:
            return {"table": self.input_table, **again}
        return {"path": self.input, "format": self.format, **again}

    @property
    def folders(self) -> dict[str, str]:
        """Where the rows of each kind are written first: the outputs, or folders in `staging` on the way to tables."""
        if self.staging:
            return {kind: f"{self.staging.rstrip('/')}/{kind}" for kind in ("scored", "quarantine")}
        return {"scored": self.output, "quarantine": self.quarantine}

    @property
    def requeues(self) -> str | None:
        """The run whose quarantine is the table: it is read without the column of violations. None for other tables."""
        if self.input_table is not None:
            name = (self.where or "").removeprefix(f"{RUN_COLUMN} = '").removesuffix("'")
            ours = self.input_table == self.quarantine_table and self.where == _of_run(name)
            return name if ours and _RUN_ID.fullmatch(name) else None
        folder, _, name = self.input.rstrip("/").rpartition("/run_id=")
        ours = bool(folder and self.quarantine) and plain_path(folder) == plain_path(self.quarantine)
        return name if ours and _RUN_ID.fullmatch(name) else None

    def requeued(self, run_id: str, given: Collection[str] = (), own: str | None = None) -> JobConfig:
        """The same job for the rows that a run has set apart.

        Args:
            run_id: that run.
            given: settings that are said for this job itself: where its summary and report go is else where those of
                the other go, with `.requeued` in it.
            own: its run id; None for the other's, with `.requeued`.

        Raises:
            ConfigError: there can be no such run.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise ConfigError("the job cannot be run as configured", [Problem("RUN_ID", "not a run's name")])
        changed: dict[str, Any] = {
            "input": f"{self.quarantine.rstrip('/')}/run_id={run_id}",
            "format": self.output_format,
            **{"input_options": self.output_options, "input_table": None, "where": None, "columns": None},
            **{"trigger": None, "checkpoint": None, "run_id": own or f"{run_id}.requeued"},
        }
        if self.quarantine_table:
            changed |= {"input": "", "input_table": self.quarantine_table, "where": _of_run(run_id)}
        for name in {"summary", "report"}.difference(given):
            if place := getattr(self, name):
                stem, suffix = posixpath.splitext(place)
                changed[name] = f"{stem}.requeued{suffix}"
        return replace(self, **changed)

    @property
    def trusted(self) -> bool | str:
        """The trust in the form that loading takes."""
        return True if self.trust == "true" else self.trust or False

    def _missing(self) -> Iterator[Problem]:
        """What a run cannot do without."""
        yield from self._no_source()
        if not self.model:
            yield Problem("--model", "not given")
        for flag, path, table in (
            ("--output", self.output, self.output_table),
            ("--quarantine", self.quarantine, self.quarantine_table),
        ):
            if not path and not table:
                yield Problem(flag, "not given", hint=f"give a folder, or a table's name with {flag}-table")
        if not self.summary:
            yield Problem("--summary", "not given")

    def _no_source(self) -> Iterator[Problem]:
        if not (self.input or self.input_table) and (self.format in (*FILES, "delta") or not self.input_options):
            yield Problem("--input", "not given", hint="give a path, or a table's name with --input-table")

    def _faults(self) -> Iterator[Problem]:
        yield from self._missing()
        yield from self._half_tables()
        yield from unusable(self.lineage)
        for name in ("input", "output", "quarantine"):
            if getattr(self, name) and getattr(self, f"{name}_table"):
                yield Problem(f"--{name}-table", f"given beside --{name}", hint="one of them says where the rows are")
        for one in fields(self):
            yield from unlisted(setting_of(one), flag_of(one), getattr(self, one.name))
        if self.run_id and not _RUN_ID.fullmatch(self.run_id):
            yield Problem("--run-id", "not a name", hint="letters, digits, '.', '_' and '-', not starting with a mark")
        if self.trust is not None and self.trust != "true" and not re.fullmatch("sha256:[0-9a-f]{64}", self.trust):
            yield Problem("--trust", "neither 'true' nor a digest", hint="sha256: and 64 hexadecimal digits")
        if bool(self.trigger) != bool(self.checkpoint):
            flag, other = ("--checkpoint", "--trigger") if self.trigger else ("--trigger", "--checkpoint")
            yield Problem(flag, f"not given beside {other}", hint="a stream needs both")
        if self.logical_date is not None and not _is_date(self.logical_date):
            yield Problem("--logical-date", "not a date", hint="write it as 2026-01-31")
        for flag, names in (("--column", self.columns or ()), ("--partition-by", self.partition_by)):
            if len(set(names)) < len(names) or "" in names:
                yield Problem(flag, "a name is given twice, or is empty")
        # Spark puts the environment into any text of SQL that asks for it so
        for name in ("where", "input_table", "output_table", "quarantine_table"):
            if "${" in (getattr(self, name) or ""):
                hint = "nothing is put in its place here; in a text write concat('$', '{')" if name == "where" else None
                yield Problem(f"--{name.replace('_', '-')}", "holds '${'", hint=hint)

    def _half_tables(self) -> Iterator[Problem]:
        """Tables want each other, a place for what is on its way, and nothing that is said of folders."""
        tables = bool(self.output_table) + bool(self.quarantine_table)
        if tables == 1 and (self.output or self.quarantine):
            flag = "--quarantine-table" if self.output_table else "--output-table"
            yield Problem(flag, "not given beside the other", hint="both outputs are folders, or both are tables")
        if tables and (self.output_table or "").lower() == (self.quarantine_table or "").lower():
            yield Problem("--quarantine-table", "the same as --output-table", hint="name two tables")
        if bool(tables) != bool(self.staging):
            fact = "given without tables" if self.staging else "not given beside tables"
            yield Problem("--staging", fact, hint="rows are counted there before they are appended to tables")
        if tables:
            for flag, given in (("--partition-by", self.partition_by), ("--output-option", self.output_options)):
                if given:
                    yield Problem(flag, "given beside tables", hint="a table has its own; make it before the first run")

    def _overlaps(self) -> Iterator[Problem]:
        """Places that are one another or lie in one another: one would be read, or replaced, as part of the other."""
        sinks = {"--output": self.output, "--quarantine": self.quarantine, "--staging": self.staging or ""}
        files = {"--summary": self.summary, "--report": self.report or "", "--checkpoint": self.checkpoint or ""}
        files["--lineage"] = lineage_file(self.lineage) or ""
        others = {"--input": self.input, "--model": self.model, "--signature": self.signature or ""}
        if self.output and self.quarantine:
            if is_inside(self.quarantine, self.output):
                yield _overlap("--quarantine", "--output", self.quarantine, self.output)
            elif is_inside(self.output, self.quarantine):
                yield _overlap("--output", "--quarantine", self.output, self.quarantine)
        for flag, place in {**sinks, **files}.items():
            for other, taken in {**others, **(sinks if flag in files else {})}.items():
                if place and taken and is_inside(place, taken):
                    yield _overlap(flag, other, place, taken)
        for flag, other in (("--report", "--summary"), ("--lineage", "--summary"), ("--lineage", "--report")):
            if files[flag] and files[other] and is_inside(files[flag], files[other]):
                yield _overlap(flag, other, files[flag], files[other])
        for flag, place in others.items():
            for other, folder in sinks.items():
                if place and folder and not is_inside(folder, place):
                    run = f"{folder.rstrip('/')}/run_id={self.run_id}"
                    if is_inside(place, run):
                        yield Problem(flag, f"lies where {other} would be written: {run}", hint="take another run id")


def _of_run(run_id: str) -> str:
    """The condition on a table's rows that they are of a run."""
    return f"{RUN_COLUMN} = '{run_id}'"


def _json(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _overlap(flag: str, other: str, place: str, taken: str) -> Problem:
    same = is_inside(taken, place)
    hint = "put it beside that folder" if not same else "name two places"
    return Problem(flag, f"{'the same as' if same else 'lies inside'} {other}", hint=hint)
