"""One run: check, plan, score, quarantine, reconcile, commit. Nothing is committed before it has been counted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from sparksig.enforcement.frames import plan, split_by
from sparksig.enforcement.planning import for_workers
from sparksig.enforcement.steps import Plan
from sparksig.errors import AbsentColumnWarning, ConfigError, Problem, SinkError, SparksigError
from sparksig.pipeline.accounting import Thresholds
from sparksig.pipeline.config import JobConfig, joined, model_name, typed_params
from sparksig.pipeline.dataset import MANY
from sparksig.pipeline.faults import told
from sparksig.pipeline.io import missing, open_source, quoted, read_table, unwritable
from sparksig.pipeline.run.attempt import (
    RECOVERED,
    Attempt,
    Batch,
    date_warning,
    ended,
    facts_of,
    tell_end,
    undisturbed,
    write_report,
)
from sparksig.pipeline.run.corrupt import split_corrupt, with_corrupt
from sparksig.pipeline.run.outputs import commit, publish, reconcile, require_folders, require_tables
from sparksig.pipeline.sinks import recover
from sparksig.report.html import page_template
from sparksig.report.live import Progress
from sparksig.report.summary import Summary
from sparksig.scoring.calls import ModelCall, declared_by, from_registry
from sparksig.scoring.frames import score_by
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import resolve_params
from sparksig.sources.registry import load_signature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


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
            call = check(work)
        _work(work, call, session)
    except (Exception, KeyboardInterrupt) as error:
        cause = told(error)  # nothing else of `error` may be told: Spark's own message may hold a row
        with undisturbed():
            end = ended(work, cause)
        raise end from cause
    with undisturbed():  # the run stands: a signal that comes now must not say that nothing was committed
        if work.commit is not None:
            with suppress(OSError, SparksigError):  # what is left behind is removed by the next one
                work.commit.settle()
        with suppress(OSError, SparksigError):
            work.sinks["quarantine"].forget_rejected(config.rejected)
        tell_end(work)
        write_report(work)
    return work.summary


def check(work: Attempt) -> ModelCall:
    """Everything that can be wrong without a Spark session. What comes of it is the call of the model."""
    config = work.config
    if config.report:
        page_template()  # raises where what makes the page is not installed
    work.lineage.open()
    problems = [*_no_source(config), *missing("--model", config.model)]
    if config.signature is not None:
        problems += missing("--signature", config.signature)
    if problems:
        raise ConfigError("the job cannot be run as configured", problems)
    quarantine = work.sinks["quarantine"]
    places = [
        *(sink.faults() for sink in work.sinks.values()),
        unwritable(config.summary),
        *([unwritable(config.report)] if config.report else []),
        quarantine.rejected_faults(config.rejected),
    ]
    faults = [fault for place in places for fault in _collected(place)]
    if faults:
        raise SinkError("the job must not or cannot write where it was told to", faults)
    if not work.tables and recover(config.output, config.run_id):
        work.summary = replace(work.summary, warnings=(RECOVERED,))
    _require_same_job(work)
    if text := date_warning(config):
        work.warn([text])
    signature = _find_model(work)
    Thresholds.of(config).require_columns_of(signature)
    typed = typed_params(config.params, signature.params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resolve_params(signature.params, typed)
    work.warn(str(each.message) for each in caught)
    known = {spec.name for spec in signature.params or ()}
    params = {name: value for name, value in typed.items() if name in known}
    work.summary = replace(work.summary, params=tuple(params))
    call = ModelCall.of(work.model, signature, params, config.trusted, config.param_from_env)
    plan(pa.schema([]), signature, work.policy)  # what is not built yet is refused by name, whatever the table is
    if work.batch is None and (dataset := open_source(config)) is not None:
        work.dataset = dataset
        if dataset.has_footers and len(dataset.data) < MANY:
            dataset.inspect(work.progress.tasks)
    return call


def _collected(faults: Iterator[Problem]) -> Iterator[Problem]:
    """Faults, and those of a file system that cannot be opened, so that all places are reported at once."""
    try:
        yield from faults
    except SinkError as error:
        yield from error.problems


def _require_same_job(work: Attempt) -> None:
    """Reject a run id under which another job has committed rows: they would be replaced silently."""
    other_jobs = [other for sink in work.sinks.values() if (other := sink.other_job()) is not None]
    if not other_jobs or work.tables:
        return
    config = work.config
    names = (*other_jobs[0], config.source_name, model_name(config.model))
    fact = "the committed run {} has the source {} and the model {}, this job has the source {} and the model {}"
    hint = "name this run with --run-id, or remove the committed run if it is to be replaced"
    problem = Problem("--run-id", fact.format(config.run_id, *names), hint=hint)
    raise SinkError("the run would replace that of another job", [problem])


def _no_source(config: JobConfig) -> Iterator[Problem]:
    """What is wrong with the place of the source, as far as that is known without Spark."""
    if not config.input:
        return
    absent = list(missing("--input", config.input, read_by_spark=True))
    if absent and config.requeues is not None:
        kept = joined(config.rejected, f"run_id={config.requeues}")
        hint = "a run's name is in its summary, and in the name of its folder"
        if config.input != kept and not list(missing("--keep-rejected", kept)):
            hint = "it was not committed; --rejected takes the rows that were kept when it ended 4"
        yield Problem("RUN_ID", f"there is no run {config.requeues} in {config.quarantine}", hint=hint)
        return
    yield from absent


def _find_model(work: Attempt) -> ModelSignature:
    """Note the model, and return its signature. What MLflow has is fetched once: an alias may be moved meanwhile."""
    config, batch = work.config, work.batch
    if batch is None:
        work.model = from_registry(config.model)
        given = load_signature(config.signature) if config.signature else None
    else:
        work.model, given = batch.model, batch.signature
    return declared_by(work.model) if given is None else given


def _work(work: Attempt, call: ModelCall, session: Callable[[], SparkSession]) -> None:
    with work.phase("start Spark"):
        spark = session()
    try:
        rows = _staged(work, call, spark)
    finally:
        for frame in work.kept:
            with suppress(Exception):  # the session may be gone
                frame.unpersist()
    if work.tables:
        with work.spark_phase("commit", spark):
            publish(work, spark, rows)
        return
    with work.phase("commit"), undisturbed():
        commit(work)


def _staged(work: Attempt, call: ModelCall, spark: SparkSession) -> dict[str, DataFrame]:
    """Both outputs, written beside their place and held against the source."""
    config, sinks = work.config, work.sinks
    with work.phase("plan"):
        table = read_source(work, spark) if work.batch is None else work.batch.table
        made = for_workers(plan(table, call.signature, work.policy))
        facts = facts_of(work, call, made, spark)
        work.lineage.found(made, facts, spark)
        work.warn(made.warning_lines, AbsentColumnWarning)
        made.require_ok()
        if config.pin == "disk":
            table = _kept(work, table)
        scored, dirty = _parts(work, table, call, made)
        work.summary = replace(work.summary, facts=facts)
        rows = {"scored": scored, "quarantine": dirty}
        require_folders(work, rows)
        if work.tables:
            require_tables(work, spark, rows)
        work.lineage.start(rows)
    with work.spark_phase("score", spark):
        sinks["scored"].write(scored)
    with work.spark_phase("quarantine", spark):
        sinks["quarantine"].write(dirty)
    with work.spark_phase("reconcile", spark):
        reconcile(work, spark, table, (scored, dirty), call.signature)
    return rows


def read_source(work: Attempt, spark: SparkSession) -> DataFrame:
    """The table of the source; the summary gets what a reader should know about its files."""
    if work.dataset is None:
        work.dataset = open_source(work.config, spark)
    table = read_table(spark, work.config, work.dataset, work.progress.tasks)
    if work.dataset is not None:
        work.dataset.warn()
        source = {**work.summary.source, "files": len(work.dataset.data)}
        warned = (*work.summary.warnings, *work.dataset.warnings)
        work.summary = replace(work.summary, source=source, warnings=warned)
    return table


def _parts(work: Attempt, table: DataFrame, call: ModelCall, made: Plan) -> tuple[DataFrame, DataFrame]:
    """The rows to be scored with their predictions, and those that are set apart as they are with what is wrong."""
    call = call.shipped_by(table.sparkSession)
    table, corrupt = split_corrupt(work.config, table)
    if work.config.on_model_error == "fail":
        scored = score_by(call, made, table, on_violation="drop")
        return scored, with_corrupt(work.config, split_by(made, table).quarantined, corrupt)
    tagged = score_by(call, made, table, on_model_error="quarantine")
    # kept: a row's part is what the model made of it, and a model need not make the same of it twice
    tagged = _kept(work, tagged)
    violations = quoted(work.policy.violations_column)
    clean = tagged.where(f"{violations} is null").drop(work.policy.violations_column)
    dirty = tagged.where(f"{violations} is not null").select(*map(quoted, table.columns), violations)
    return clean, with_corrupt(work.config, dirty, corrupt)


def _kept(work: Attempt, frame: DataFrame) -> DataFrame:
    """A frame that is on the executors' disks from its first reading on, because it must not be made again."""
    from pyspark import StorageLevel

    work.kept.append(frame.persist(StorageLevel.DISK_ONLY))
    return work.kept[-1]
