"""One run: check, plan, score, quarantine, reconcile, commit. Nothing is committed before it has been counted."""

from __future__ import annotations

import json
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa

from sparksig._version import __version__
from sparksig.enforcement.frames import count_violations, plan, split
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan
from sparksig.errors import AccountingError, ConfigError, Problem, SinkError, SparksigError
from sparksig.pipeline.accounting import Thresholds, digest, together
from sparksig.pipeline.config import JobConfig, typed_params
from sparksig.pipeline.faults import OverThreshold, RunError, told, verdict_of
from sparksig.pipeline.io import has_file_system, missing, parquet_table, read_table, unwritable, write_text
from sparksig.pipeline.progress import timed, watched
from sparksig.pipeline.run.checkpoint import require_same_rows
from sparksig.pipeline.sinks import Commit, Sink, recover
from sparksig.pipeline.tables import TableSink, same_table
from sparksig.report.html import page_template, report_html
from sparksig.report.live import Progress, Silent
from sparksig.report.summary import Summary
from sparksig.scoring.calls import ModelCall
from sparksig.scoring.frames import score
from sparksig.signature.params import resolve_params
from sparksig.sources.mlmodel import load_signature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_READ = {"none": "twice", "disk": "pinned"}
"""How often the source is read, by what `pin` says: in the summary's words."""

_FINISHED = "an attempt at this run had been decided when it was killed; it was finished before this one began"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are not to be read, because a stream has brought them.

    Attributes:
        table: the rows.
        stream: Spark's id of the stream.
        digest: the digest of the stream's configuration.
    """

    table: DataFrame
    stream: str
    digest: str


@dataclass(slots=True)
class Attempt:
    """What an attempt at a run has found so far."""

    config: JobConfig
    policy: Policy
    sinks: dict[str, Sink]
    tables: dict[str, TableSink]  # what the sinks are on their way to, if they are
    progress: Progress
    summary: Summary
    batch: Batch | None = None
    commit: Commit | None = None  # once it is decided that the run holds
    reading: bool = False  # whether rows are being read: from then on a fault is no longer one of usage

    @classmethod
    def of(cls, config: JobConfig, progress: Progress | None = None, batch: Batch | None = None) -> Attempt:
        """An attempt that has found nothing yet."""
        name, stream = uuid4().hex[:12], batch.stream if batch else ""
        tables = {
            "quarantine": ("--quarantine-table", config.quarantine_table),
            "scored": ("--output-table", config.output_table),
        }
        kind_of = "parquet" if config.output_table else config.output_format
        form = (kind_of, config.output_options, config.partition_by)
        sinks = {
            kind: Sink(folder, config.run_id, kind, name, *form, stream=stream)
            for kind, folder in config.folders.items()
        }
        summary = Summary(
            config.run_id,
            "failed",
            outputs={"summary": config.summary},
            thresholds=Thresholds.of(config).to_dict(),
            source={**config.source, "read": _READ[config.pin], "digest": None},
        )
        named = {
            kind: TableSink(flag, table, config.run_id, config.output_format)
            for kind, (flag, table) in tables.items()
            if table
        }
        return cls(config, config.policy, sinks, named, progress or Silent(), summary, batch)

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a phase and tell of it."""
        return timed(name, self.summary.seconds, self.progress)

    @contextmanager
    def spark_phase(self, name: str, spark: SparkSession) -> Iterator[None]:
        """The same for a phase of Spark jobs, whose tasks are told."""
        self.reading = True
        with self.phase(name), watched(spark, f"sparksig {self.config.run_id}: {name}", self.progress):
            yield


def run(
    config: JobConfig,
    session: Callable[[], SparkSession],
    progress: Progress | None = None,
    batch: Batch | None = None,
) -> Summary:
    """Run the batch job.

    Args:
        config: what to do.
        session: makes the Spark session; called after everything that can be checked without one has been checked.
        progress: is told each phase and the Spark tasks within it.
        batch: the rows, where they are not to be read.

    Returns:
        The summary, as it was written to `config.summary`.

    Raises:
        RunError: the run ended without committing anything, and says with which verdict and exit code. Its summary has
            been written for every verdict but `usage`. An interrupt ends a run in the same way.
    """
    work = Attempt.of(config, progress, batch)
    try:
        with work.phase("check"):
            call, params = check(work)
        _work(work, call, params, session)
    except (Exception, KeyboardInterrupt) as error:
        cause = told(error)  # nothing else of `error` may be told: Spark's own message may hold a row
        with undisturbed():
            end = ended(work, cause)
        raise end from cause
    with undisturbed():  # the run stands: a signal that comes now must not say that nothing was committed
        if work.commit is not None:
            with suppress(OSError, SparksigError):  # what is left behind is removed by the next one
                work.commit.settle()
        write_report(work)
    return work.summary


def check(work: Attempt) -> tuple[ModelCall, dict[str, Any]]:
    """Everything that can be wrong without a Spark session: the call of the model, and the params that were given."""
    config = work.config
    if config.report:
        page_template()  # raises where what makes the page is not installed
    problems = [*(missing("--input", config.input) if config.input else ()), *missing("--model", config.model)]
    if config.signature is not None:
        problems += missing("--signature", config.signature)
    if problems:
        raise ConfigError("the job cannot be run as configured", problems)
    faults = [
        *unwritable(config.summary),
        *(unwritable(config.report) if config.report else ()),
        *(fault for sink in work.sinks.values() for fault in sink.faults()),
    ]
    if faults:
        raise SinkError("the job must not or cannot write where it was told to", faults)
    if not work.tables and recover(config.output, config.run_id):
        work.summary = replace(work.summary, warnings=(_FINISHED,))
    signature = load_signature(config.signature or config.model)
    Thresholds.of(config).require_columns_of(signature)
    typed = typed_params(config.params, signature.params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resolve_params(signature.params, typed)
    unknown = tuple(str(each.message) for each in caught)
    for text in unknown:
        warnings.warn(text, stacklevel=2)
    known = {spec.name for spec in signature.params or ()}
    params = {name: value for name, value in typed.items() if name in known}
    work.summary = replace(work.summary, params=tuple(params), warnings=(*work.summary.warnings, *unknown))
    call = ModelCall.of(config.model, signature, params, config.trusted, config.param_from_env)
    plan(pa.schema([]), signature, work.policy)  # what is not built yet is refused by name, whatever the table is
    if work.batch is None and config.input and config.format == "parquet" and has_file_system(config.input):
        parquet_table("--input", config.input)
    return call, params


def _work(work: Attempt, call: ModelCall, params: dict[str, Any], session: Callable[[], SparkSession]) -> None:
    config, sinks, signature = work.config, work.sinks, call.signature
    with work.phase("start Spark"):
        spark = session()
    with work.phase("plan"):
        table = read_table(spark, config) if work.batch is None else work.batch.table
        made = plan(table, signature, work.policy).require_ok()
        options: dict[str, Any] = {"trust": call.trust or False, "policy": work.policy}
        options["param_from_env"] = config.param_from_env
        table = _pinned(table, config.pin)
        scored = score(table, config.model, signature, params, on_violation="drop", **options)
        dirty = split(table, signature, work.policy).quarantined
        work.summary = replace(work.summary, facts=facts_of(work, call, made, spark))
        rows = {"scored": scored, "quarantine": dirty}
        _require_folders(config, rows)
        if work.tables:
            _require_tables(work, spark, rows)
    try:
        with work.spark_phase("score", spark):
            sinks["scored"].write(scored)
        with work.spark_phase("quarantine", spark):
            sinks["quarantine"].write(dirty)
        with work.spark_phase("reconcile", spark):
            _reconcile(work, spark, table, (scored, dirty))
    finally:
        if config.pin == "disk":
            with suppress(Exception):  # the session may be gone
                table.unpersist()
    if work.tables:
        with work.spark_phase("commit", spark):
            _publish(work, spark, rows)
        return
    with work.phase("commit"), undisturbed():
        _commit(work)


def _require_folders(config: JobConfig, rows: Mapping[str, DataFrame]) -> None:
    """Refuse to partition by what an output has not: Spark would say so after the first of them was written."""
    problems = []
    for name in config.partition_by:
        lacking = [kind for kind, frame in rows.items() if name.lower() not in map(str.lower, frame.columns)]
        if lacking:
            fact = f"no column {name} is in the rows of: {', '.join(lacking)}"
            problems.append(Problem("--partition-by", fact, hint="take columns of the source"))
    if problems:
        raise ConfigError("the outputs cannot be partitioned", problems)


def _require_tables(work: Attempt, spark: SparkSession, rows: Mapping[str, DataFrame]) -> None:
    """Look at the tables before a row is read; what is on its way to them is counted in their own form."""
    faults = [f for kind, sink in work.tables.items() for f in sink.faults(spark, rows[kind])]
    if not faults and same_table(spark, *(sink.name for sink in work.tables.values())):
        faults = [Problem("--quarantine-table", "the same as --output-table", hint="name two tables")]
    if faults:
        raise SinkError("the rows do not fit the tables", faults)
    for kind, sink in work.tables.items():
        work.sinks[kind].format = sink.staged_as(spark)


def _pinned(table: DataFrame, pin: str) -> DataFrame:
    """The table, on the executors' disks from its first reading on if it must not be read again."""
    from pyspark import StorageLevel

    return table.persist(StorageLevel.DISK_ONLY) if pin == "disk" else table


def _reconcile(work: Attempt, spark: SparkSession, table: DataFrame, written: tuple[DataFrame, DataFrame]) -> None:
    """Count what was written, and hold it against the source: its rows, and what they hold."""
    scored, dirty = (sink.read_back(spark, rows) for sink, rows in zip(work.sinks.values(), written, strict=True))
    fields = table.schema.fields
    source, kept, set_apart = (digest(frame, fields) for frame in (table, scored, dirty))
    report = count_violations(dirty, dirty.columns[-1])
    counts = {"scored": kept.rows, "quarantine": set_apart.rows}
    work.summary = replace(
        work.summary,
        rows_in=source.rows,
        rows_scored=kept.rows,
        rows_quarantined=set_apart.rows,
        violations=report.violations,
        verdict="quarantined" if set_apart.rows else "clean",
        source={**work.summary.source, "digest": str(source)},
        sinks={kind: {**(work.tables or work.sinks)[kind].facts(), "rows": rows} for kind, rows in counts.items()},
    )
    if lost := [sink for kind, sink in work.sinks.items() if counts[kind] and not sink.arrived()]:
        hint = "a folder that Spark's machines and this one share"
        fact = "what Spark has written there is on another machine"
        raise SinkError("the rows cannot be given their place", [Problem(s.folder, fact, hint=hint) for s in lost])
    if source != together([kept, set_apart]) or report.rows_clean:
        forms = sorted({sink.format for sink in work.sinks.values()} - {"parquet"})
        raise _unaccounted(work.config, forms, source.rows, kept.rows, set_apart.rows)
    if work.batch is not None:
        rows = dict(zip(work.sinks, written, strict=True))
        require_same_rows(spark, work.sinks, rows, source, len(fields))
    limits = Thresholds.of(work.config)
    bad = limits.bad_rows(dirty, dirty.columns[-1], report.violations)
    bad = set_apart.rows if bad is None else bad
    if passed := list(limits.passed(source.rows, bad, kept.rows, report.violations)):
        raise OverThreshold(f"{passed[0]}; nothing was committed", [Problem("", fact) for fact in passed[1:]])


def _unaccounted(config: JobConfig, forms: Sequence[str], rows: int, scored: int, quarantined: int) -> AccountingError:
    """What is told where the outputs are not the source, and what it can come from."""
    fact = "the rows that were written are not those of the source"
    if rows != scored + quarantined:
        fact = f"the source has {rows} rows, but {scored} were scored and {quarantined} quarantined"
    causes = []
    if config.pin == "none":
        causes.append(Problem("--input", "may have changed while it was read", hint="pin: disk reads it once"))
    if config.partition_by:
        told = "a folder's name holds no empty text, which is read as null, and no hour that a clock shows twice"
        causes.append(Problem("--partition-by", told, hint="partition by other columns, such as dates"))
    flag = "--output-table" if config.output_table else "--output-format"
    causes += [Problem(flag, f"{form} may not give back all that it is given") for form in forms]
    return AccountingError(fact, causes)


def _commit(work: Attempt) -> None:
    """Both sinks and the summary, or none of them."""
    start = time.monotonic()
    outputs = {kind: sink.final for kind, sink in work.sinks.items()}
    if work.config.report:
        outputs["report"] = work.config.report
    work.summary = replace(work.summary, outputs={**outputs, **work.summary.outputs})
    work.summary.seconds["commit"] = time.monotonic() - start  # until here: what comes now is in no file any more
    # the quarantine first: nobody sees scored rows without those that were set apart for them
    sinks = {kind: work.sinks[kind] for kind in ("quarantine", "scored")}
    work.commit = Commit.of(sinks, work.config.summary, _text(work.summary))
    work.commit.decide()
    work.commit.finish()


def _publish(work: Attempt, spark: SparkSession, rows: Mapping[str, DataFrame]) -> None:
    """Append what is staged to its tables, the quarantine first, then write the summary."""
    outputs = {kind: sink.name for kind, sink in work.tables.items()}
    if work.config.report:
        outputs["report"] = work.config.report
    work.summary = replace(work.summary, outputs={**outputs, **work.summary.outputs})
    for kind, table in work.tables.items():
        if lost := [sink.staging for sink in work.sinks.values() if not sink.staged(sink.attempt)]:
            problems = [Problem(place, "is another attempt's by now") for place in lost]
            raise SinkError("the same run is under way elsewhere", problems)
        table.publish(spark, work.sinks[kind].read_back(spark, rows[kind]))
    with undisturbed():
        write_summary(work)
        for sink in work.sinks.values():
            with suppress(OSError, SparksigError):  # the next attempt removes what is left
                sink.undo()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal in between the commits: one that comes now is too late."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals arrive in the main thread only
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def ended(work: Attempt, error: SparksigError) -> RunError:
    """Leave nothing behind but the summary, and make the error that says so."""
    problems = list(error.problems)
    if work.commit is not None:
        try:
            work.commit.take_back()
        except (OSError, SparksigError):
            problems.append(Problem(work.commit.place, "could not be taken back"))
    for sink in work.sinks.values():
        try:
            sink.undo()
        except (OSError, SparksigError):
            problems.append(Problem(sink.staging, "could not be removed"))
    verdict = verdict_of(error, work.reading)
    if verdict == "usage":
        return RunError(error, verdict)
    outputs = {"summary": work.config.summary, **({"report": work.config.report} if work.config.report else {})}
    work.summary = replace(work.summary, verdict=verdict, outputs=outputs, error=error.message)
    work.summary = replace(work.summary, problems=tuple(problems))
    try:
        write_summary(work)
    except SparksigError as second:
        problems += second.problems
    write_report(work)
    return RunError(type(error)(error.message, problems), verdict, work.summary)


def write_report(work: Attempt) -> None:
    """Write the page. The run stands without it: it can be made of the summary again."""
    if not work.config.report:
        return
    try:
        write_text(work.config.report, report_html(work.summary.to_dict()))
    except Exception as error:  # whatever it is: what a run has done does not hang on how it is shown
        warnings.warn(f"the report was not written ({type(error).__name__}): sparksig report makes it", stacklevel=3)


def facts_of(work: Attempt, call: ModelCall, made: Plan, spark: SparkSession) -> dict[str, Any]:
    """What a summary says of what was asked and what does it."""
    return {
        "versions": {"sparksig": __version__, "spark": spark.version},
        "config_digest": f"sha256:{work.batch.digest if work.batch else work.config.digest}",
        "model_digest": call.trust,
        "signature": call.signature.to_dict(),
        "signature_digest": f"sha256:{sha256(call.signature.to_json().encode()).hexdigest()}",
        "plan": made.to_dict(),
    }


def write_summary(work: Attempt) -> None:
    """Write the summary as it is by now."""
    write_text(work.config.summary, _text(work.summary))


def _text(summary: Summary) -> str:
    return json.dumps(summary.to_dict(), indent=2, allow_nan=False) + "\n"
