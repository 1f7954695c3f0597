"""What a run writes: whether it can be written, whether it is what was read, and its commit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sparksig.enforcement.counts import count_violations
from sparksig.errors import AccountingError, Code, ConfigError, Problem, SchemaError, SinkError, SparksigError
from sparksig.pipeline.accounting import Thresholds, digest, together
from sparksig.pipeline.config import RUN_COLUMN, JobConfig
from sparksig.pipeline.faults import OverThreshold, from_spark, spark_words
from sparksig.pipeline.run.attempt import Attempt, summary_json, undisturbed, write_summary
from sparksig.pipeline.run.checkpoint import require_same_rows
from sparksig.pipeline.sinks import Commit
from sparksig.pipeline.tables import same_table
from sparksig.signature.model_signature import ModelSignature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def require_folders(work: Attempt, rows: Mapping[str, DataFrame]) -> None:
    """Refuse what Spark would refuse after rows were read: columns to partition by, a form that cannot hold the rows.

    No row is read for it: of none, Spark writes the same kind of file. Parquet holds everything that Spark has.
    """
    if not work.tables:
        require_no_run_column(name for frame in rows.values() for name in frame.columns)
    problems = []
    for name in work.config.partition_by:
        lacking = [kind for kind, frame in rows.items() if name.lower() not in map(str.lower, frame.columns)]
        if lacking:
            fact = f"no column {name} is in the rows of: {', '.join(lacking)}"
            problems.append(Problem("--partition-by", fact, hint="take columns of the source"))
    if problems:
        raise ConfigError("the outputs cannot be partitioned", problems)
    if work.tables or (work.config.output_format == "parquet" and not work.config.partition_by):
        return
    for kind, frame in rows.items():
        try:
            work.sinks[kind].write(frame.limit(0))
        except Exception as error:
            if not from_spark(error):
                raise
            form = work.config.output_format
            fact = f"Spark cannot write the rows of {kind} as {form}: {spark_words(error)}"
            problems.append(Problem("--output-format", fact))
    if problems:
        raise ConfigError("the outputs cannot be written", problems)


def require_no_run_column(columns: Iterable[str]) -> None:
    """Reject a column that readers of an output folder would see replaced by the run's id.

    Raises:
        SchemaError: there is one.
    """
    if names := sorted({name for name in columns if name.lower() == RUN_COLUMN}):
        fact = f"the output folders `{RUN_COLUMN}=<id>` would replace it for their readers"
        hint = "leave it out: --column names the columns to take"
        problems = [Problem(name, fact, Code.DUPLICATE_COLUMN, hint) for name in names]
        raise SchemaError(f"the rows have a column {RUN_COLUMN} of their own", problems)


def require_tables(work: Attempt, spark: SparkSession, rows: Mapping[str, DataFrame]) -> None:
    """Look at the tables before a row is read; what is on its way to them is counted in their own form."""
    faults = [f for kind, sink in work.tables.items() for f in sink.faults(spark, rows[kind])]
    if not faults and same_table(spark, *(sink.name for sink in work.tables.values())):
        faults = [Problem("--quarantine-table", "the same as --output-table", hint="name two tables")]
    if faults:
        raise SinkError("the rows do not fit the tables", faults)
    for kind, sink in work.tables.items():
        work.sinks[kind].format = sink.staged_as(spark)


def reconcile(
    work: Attempt,
    spark: SparkSession,
    table: DataFrame,
    written: tuple[DataFrame, DataFrame],
    signature: ModelSignature,
) -> None:
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
    limits = Thresholds.of(work.config, signature)
    bad = limits.bad_rows(dirty, dirty.columns[-1], report.violations)
    bad = set_apart.rows if bad is None else bad
    passed = [
        *limits.passed(source.rows, bad, kept.rows, report.violations),
        *limits.forbidden(work.failing_warnings),
    ]
    if passed:
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


def commit(work: Attempt) -> None:
    """Both sinks and the summary, or none of them."""
    start = time.monotonic()
    outputs = {kind: sink.final for kind, sink in work.sinks.items()}
    if work.config.report:
        outputs["report"] = work.config.report
    work.summary = replace(work.summary, outputs={**outputs, **work.summary.outputs})
    work.summary.seconds["commit"] = time.monotonic() - start  # until here: what comes now is in no file any more
    # the quarantine first: nobody sees scored rows without those that were set apart for them
    sinks = {kind: work.sinks[kind] for kind in ("quarantine", "scored")}
    work.commit = Commit.of(sinks, work.config.summary, summary_json(work.summary))
    work.commit.decide()
    work.commit.finish()


def publish(work: Attempt, spark: SparkSession, rows: Mapping[str, DataFrame]) -> None:
    """Append what is staged to its tables, the quarantine first, then write the summary."""
    outputs = {kind: sink.name for kind, sink in work.tables.items()}
    if work.config.report:
        outputs["report"] = work.config.report
    work.summary = replace(work.summary, outputs={**outputs, **work.summary.outputs})
    for kind, table in work.tables.items():
        if lost := [sink.staging for sink in work.sinks.values() if not sink.staged(sink.attempt)]:
            problems = [Problem(place, "is another attempt's by now") for place in lost]
            raise SinkError("the same run is under way elsewhere", problems)
        table.publish(spark, work.sinks[kind].read_back(spark, rows[kind], escaped=True))
    with undisturbed():
        write_summary(work)
        for sink in work.sinks.values():
            with suppress(OSError, SparksigError):  # the next attempt removes what is left
                sink.undo()
