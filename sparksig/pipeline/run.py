"""One run: check, plan, score, quarantine, reconcile, commit. Nothing is committed before it has been counted."""

from __future__ import annotations

import json
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sparksig._version import __version__
from sparksig.enforcement.frames import count_violations, plan, split
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan
from sparksig.errors import AccountingError, ConfigError, Problem, SinkError, SparksigError
from sparksig.pipeline.config import JobConfig, typed_params
from sparksig.pipeline.faults import OverThreshold, RunError, told, verdict_of
from sparksig.pipeline.io import Sink, has_file_system, missing, parquet_table, unwritable, write_text
from sparksig.pipeline.progress import watched
from sparksig.pipeline.source import read_table
from sparksig.report.live import Progress, Silent
from sparksig.report.summary import Summary
from sparksig.scoring.calls import ModelCall
from sparksig.scoring.frames import score
from sparksig.signature.params import resolve_params
from sparksig.sources.mlmodel import load_signature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(slots=True)
class _Run:
    """What a run has found so far."""

    config: JobConfig
    policy: Policy
    sinks: dict[str, Sink]
    progress: Progress
    summary: Summary
    reading: bool = False  # whether rows are being read: from then on a fault is no longer one of usage

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase and tell of it."""
        with suppress(Exception):
            self.progress.begin(name)
        start, well = time.monotonic(), False
        try:
            yield
            well = True
        finally:
            seconds = self.summary.seconds.setdefault(name, time.monotonic() - start)
            with suppress(Exception):
                self.progress.end(name, seconds, well)

    @contextmanager
    def spark_phase(self, name: str, spark: SparkSession) -> Iterator[None]:
        """The same for a phase of Spark jobs, whose tasks are told."""
        self.reading = True
        with self.phase(name), watched(spark, f"sparksig {self.config.run_id}: {name}", self.progress):
            yield


def run(config: JobConfig, session: Callable[[], SparkSession], progress: Progress | None = None) -> Summary:
    """Run the batch job.

    Args:
        config: what to do.
        session: makes the Spark session; called after everything that can be checked without one has been checked.
        progress: is told each phase and the Spark tasks within it.

    Returns:
        The summary, as it was written to `config.summary`.

    Raises:
        RunError: the run ended without committing anything, and says with which verdict and exit code. Its summary has
            been written for every verdict but `usage`. An interrupt ends a run in the same way.
    """
    sinks = {"scored": Sink(config.output, config.run_id, "scored")}
    sinks["quarantine"] = Sink(config.quarantine, config.run_id, "quarantine")
    policy = Policy(level=config.level, allow_rounding=config.allow_rounding, allow_nulls=config.allow_nulls)
    summary = Summary(config.run_id, "failed", outputs={"summary": config.summary})
    work = _Run(config, policy, sinks, progress or Silent(), summary)
    try:
        with work.phase("check"):
            call, params = _check(work)
        _work(work, call, params, session)
    except (Exception, KeyboardInterrupt) as error:
        cause = told(error)  # nothing else of `error` may be told: Spark's own message may hold a row
        with _undisturbed():
            ended = _ended(work, cause)
        raise ended from cause
    for sink in sinks.values():
        with suppress(OSError, SparksigError):  # the run stands; what is left behind is removed by the next one
            sink.settle()
    return work.summary


def _check(work: _Run) -> tuple[ModelCall, dict[str, Any]]:
    """Everything that can be wrong without a Spark session: the call of the model, and the params that were given."""
    config = work.config
    problems = [*missing("--input", config.input), *missing("--model", config.model)]
    if config.signature is not None:
        problems += missing("--signature", config.signature)
    if problems:
        raise ConfigError("the job cannot be run as configured", problems)
    faults = [*unwritable(config.summary), *(fault for sink in work.sinks.values() for fault in sink.faults())]
    if faults:
        raise SinkError("the job must not or cannot write where it was told to", faults)
    signature = load_signature(config.signature or config.model)
    typed = typed_params(config.params, signature.params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resolve_params(signature.params, typed)
    unknown = tuple(str(each.message) for each in caught)
    for text in unknown:
        warnings.warn(text, stacklevel=2)
    known = {spec.name for spec in signature.params or ()}
    params = {name: value for name, value in typed.items() if name in known}
    work.summary = replace(work.summary, params=tuple(params), warnings=unknown)
    call = ModelCall.of(config.model, signature, params, config.trusted)
    plan(pa.schema([]), signature, work.policy)  # what is not built yet is refused by name, whatever the table is
    if config.format == "parquet" and has_file_system(config.input):
        parquet_table("--input", config.input)
    return call, params


def _work(work: _Run, call: ModelCall, params: dict[str, Any], session: Callable[[], SparkSession]) -> None:
    config, sinks, signature = work.config, work.sinks, call.signature
    with work.phase("start Spark"):
        spark = session()
    with work.phase("plan"):
        table = read_table(spark, config)
        made = plan(table, signature, work.policy).require_ok()
        options: dict[str, Any] = {"trust": call.trust or False, "policy": work.policy}
        scored = score(table, config.model, signature, params, on_violation="drop", **options)
        dirty = split(table, signature, work.policy).quarantined
        work.summary = replace(work.summary, facts=_facts(work, call, made, spark))
    with work.spark_phase("score", spark):
        sinks["scored"].write(scored)
    with work.spark_phase("quarantine", spark):
        sinks["quarantine"].write(dirty)
    with work.spark_phase("reconcile", spark):
        _reconcile(work, spark, table, (scored, dirty))
    with work.phase("commit"), _undisturbed():
        _commit(work)


def _reconcile(work: _Run, spark: SparkSession, table: DataFrame, written: tuple[DataFrame, DataFrame]) -> None:
    """Count what was written, and hold it against the source."""
    scored, dirty = (sink.read_back(spark, rows) for sink, rows in zip(work.sinks.values(), written, strict=True))
    rows_in, rows_scored = table.count(), scored.count()
    report = count_violations(dirty, dirty.columns[-1])
    work.summary = replace(
        work.summary,
        rows_in=rows_in,
        rows_scored=rows_scored,
        rows_quarantined=report.rows_in,
        violations=report.violations,
        verdict="quarantined" if report.rows_in else "clean",
    )
    if rows_in != rows_scored + report.rows_in or report.rows_clean:
        raise AccountingError(
            f"the source has {rows_in} rows, but {rows_scored} were scored and {report.rows_in} quarantined:"
            " the source changed while it was read"
        )
    if rows_in and not rows_scored:
        raise OverThreshold(f"none of {rows_in} rows is clean; nothing was committed")
    if report.rows_in and work.config.fail_on_quarantine:
        raise OverThreshold(f"{report.rows_in} of {rows_in} rows are dirty; nothing was committed")


def _commit(work: _Run) -> None:
    """Both sinks and the summary, or none of them."""
    start = time.monotonic()
    for sink in work.sinks.values():
        sink.commit()
    outputs = {kind: sink.final for kind, sink in work.sinks.items()}
    work.summary = replace(work.summary, outputs={**outputs, **work.summary.outputs})
    work.summary.seconds["commit"] = time.monotonic() - start
    _write(work)


@contextmanager
def _undisturbed() -> Iterator[None]:
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


def _ended(work: _Run, error: SparksigError) -> RunError:
    """Leave nothing behind but the summary, and make the error that says so."""
    problems = list(error.problems)
    for sink in work.sinks.values():
        try:
            sink.undo()
        except (OSError, SparksigError):
            problems.append(Problem(sink.staging, "could not be removed"))
    verdict = verdict_of(error, work.reading)
    if verdict == "usage":
        return RunError(error, verdict)
    outputs = {"summary": work.config.summary}
    work.summary = replace(work.summary, verdict=verdict, outputs=outputs, error=error.message)
    work.summary = replace(work.summary, problems=tuple(problems))
    try:
        _write(work)
    except SparksigError as second:
        problems += second.problems
    return RunError(type(error)(error.message, problems), verdict, work.summary)


def _facts(work: _Run, call: ModelCall, made: Plan, spark: SparkSession) -> dict[str, Any]:
    return {
        "versions": {"sparksig": __version__, "spark": spark.version},
        "config_digest": f"sha256:{work.config.digest}",
        "model_digest": call.trust,
        "signature": call.signature.to_dict(),
        "plan": made.to_dict(),
    }


def _write(work: _Run) -> None:
    write_text(work.config.summary, json.dumps(work.summary.to_dict(), indent=2, allow_nan=False) + "\n")
