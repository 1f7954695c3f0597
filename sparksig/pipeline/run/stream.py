"""A stream's batches: each is a run of its own, named by the checkpoint and the batch, and holds exactly once.

Spark numbers the batches and keeps in the checkpoint which rows each of them has. A batch that was committed here but
not there yet, because the process was killed in between, comes again with the same rows, and replaces its own output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from sparksig.enforcement.frames import plan
from sparksig.enforcement.planning import for_workers
from sparksig.errors import AbsentColumnWarning, AccountingError, NotSupportedError, Problem, SparksigError
from sparksig.pipeline.config import JobConfig, marked
from sparksig.pipeline.faults import RunError, Stopped, told
from sparksig.pipeline.io import spark_path
from sparksig.pipeline.run.attempt import (
    Attempt,
    Batch,
    ended,
    facts_of,
    undisturbed,
    write_report,
    write_summary,
)
from sparksig.pipeline.run.batch import check, read_source, run
from sparksig.pipeline.run.checkpoint import Checkpoint
from sparksig.report.live import Progress
from sparksig.report.summary import Count, Summary, sorted_counts
from sparksig.signature.model_signature import ModelSignature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def run_stream(config: JobConfig, session: Callable[[], SparkSession], progress: Progress | None = None) -> Summary:
    """Run the batch job on what has come to its source since the last time.

    Args:
        config: what to do; it has a trigger and a checkpoint.
        session: makes the Spark session; called after everything that can be checked without one has been checked.
        progress: is told each phase, and those of each batch.

    Returns:
        The summary of all batches, as it was written to `config.summary`; each has one of its own beside it.

    Raises:
        RunError: a batch ended without committing anything, or the stream could not be read; the batches before it
            stand, and the summary counts them. The next time begins with that batch.
    """
    work = Attempt.of(config, progress)
    checkpoint = Checkpoint(config.checkpoint or "")
    stream = _Stream(work, checkpoint, checkpoint.named() or config.run_id)
    work.summary = replace(work.summary, run_id=stream.name)
    try:
        with work.phase("check"):
            work.lineage.run_id = stream.name
            call = check(work)
            stream.signature = call.signature if config.signature else None
        with work.phase("start Spark"):
            spark = session()
            _require_classic(spark)
        with work.phase("plan"):
            table = read_source(work, spark)
            made = for_workers(plan(table, call.signature, work.policy))
            facts = facts_of(work, call, made, spark)
            work.lineage.found(made, facts, spark)
            work.warn(made.warning_lines, AbsentColumnWarning)
            made.require_ok()
            work.summary = replace(work.summary, facts=facts)
        with work.phase("batches"):
            stream.follow(table)
        stream.account()
        with undisturbed():
            write_summary(work)
            write_report(work)
    except (Exception, KeyboardInterrupt) as error:
        cause = stream.cause(error)
        if stream.failed is not None:
            work.lineage.emit = None  # that batch has told it: each is a run of its own
        with undisturbed():
            end = ended(work, cause)
        raise end from cause
    return work.summary


def _require_classic(spark: SparkSession) -> None:
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        hint = "spark-submit it, or run it without --trigger"
        fact = "Spark Connect runs a stream's batches on its server, without this process"
        raise NotSupportedError("a stream is run by a classic session", [Problem("--trigger", fact, hint=hint)])


@dataclass(slots=True)
class _Stream:
    """The batches of one invocation.

    Attributes:
        work: what was found; its summary is that of all batches.
        checkpoint: where Spark keeps how far it has read.
        name: what the runs of the batches begin with.
        signature: the signature that was given beside the model, if one was.
        identity: Spark's id of the stream, once it has begun.
        begun: that it has.
        batches: the summaries of the batches that were committed, by number.
        failed: the number of the batch that failed, and how.
        error: what ended the stream, where it was no batch.
    """

    work: Attempt
    checkpoint: Checkpoint
    name: str
    signature: ModelSignature | None = None
    identity: str = ""
    begun: Event = field(default_factory=Event)
    batches: dict[int, Summary] = field(default_factory=dict)
    failed: tuple[int, RunError] | None = None
    error: Exception | None = None

    def follow(self, table: DataFrame) -> None:
        """Run every batch that there is.

        Raises:
            Exception: what ended it before.
        """
        writer = table.writeStream.foreachBatch(self._run_batch).trigger(availableNow=True)
        query = writer.option(
            "checkpointLocation", spark_path(self.work.config.checkpoint or "", table.sparkSession)
        ).start()
        try:
            self.identity = str(query.id)
            self.checkpoint.name(self.name)  # before the first batch: it keeps its name wherever it is moved to
            self.begun.set()
            waiting = Thread(target=self._wait, args=(query,), name="sparksig-stream", daemon=True)
            waiting.start()
            while waiting.is_alive():  # a signal arrives here, and not in the middle of a call to the JVM
                waiting.join(0.2)
        except KeyboardInterrupt:
            with undisturbed():
                query.stop()  # waits for the batch that is under way
            raise
        if self.error is not None:
            raise self.error

    def _wait(self, query: Any) -> None:
        try:
            query.awaitTermination()
        except Exception as error:
            self.error = error

    def _run_batch(self, table: DataFrame, number: int) -> None:
        """One batch, in a thread of Spark's own."""
        self.begun.wait()
        config = self.work.config
        batch = Batch(table, self.identity, config.digest, self.work.model, self.signature)
        progress = _Numbered(self.work.progress, number)
        try:
            self._require_files(number)
            own = _of_batch(config, self.name, number)
            self.batches[number] = run(own, lambda: table.sparkSession, progress, batch)
        except RunError as error:
            self.failed = (number, error)
            raise

    def _require_files(self, number: int) -> None:
        try:
            self.checkpoint.require_files(number)
        except AccountingError as error:
            raise RunError(error, "failed") from error

    def account(self) -> None:
        """Put what the committed batches have in the summary."""
        done = self.batches.values()
        listed = [_line(number, summary) for number, summary in self.batches.items()]
        if self.failed is not None and (found := self.failed[1].summary) is not None:
            listed.append(_line(self.failed[0], found))
            self.work.summary = replace(self.work.summary, rejected=found.rejected)
        counts: Counter[tuple[str, str, str, str]] = Counter()
        for count in (count for summary in done for count in summary.violations):
            counts[(count.path, count.code, count.expected, count.observed)] += count.rows
        tables = {kind: table.name for kind, table in self.work.tables.items()}
        places: dict[str, str] = (tables or self.work.config.folders) if done else {}
        quarantined = sum(summary.rows_quarantined or 0 for summary in done)
        self.work.summary = replace(
            self.work.summary,
            verdict="quarantined" if quarantined else "clean",
            rows_in=sum(summary.rows_in or 0 for summary in done),
            rows_scored=sum(summary.rows_scored or 0 for summary in done),
            rows_quarantined=quarantined,
            violations=sorted_counts(Count(*key, rows) for key, rows in counts.items()),
            outputs={**places, **self.work.summary.outputs},
            sinks={kind: _whole(place, [summary.sinks[kind] for summary in done]) for kind, place in places.items()},
            facts={**self.work.summary.facts, "batches": listed},
        )

    def cause(self, error: BaseException) -> SparksigError:
        """What stopped the stream, in words that may be told; the summary counts what was committed before."""
        if self.begun.is_set():
            self.account()
        cause = told(error)
        if isinstance(error, KeyboardInterrupt) and self.batches:
            cause = Stopped("stopped by a signal; the batches that were committed before stand")
        if self.failed is not None and not isinstance(error, KeyboardInterrupt):
            number, end = self.failed
            found = end.__cause__ if isinstance(end.__cause__, SparksigError) else end
            cause = type(found)(f"batch {number}: {found.message}", found.problems)
            self.work.reading = end.verdict == "failed"
        elif self.begun.is_set():
            self.work.reading = True
        self.work.reading = self.work.reading or bool(self.batches)
        return cause


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Tells the phases of a batch with its number."""

    progress: Progress
    number: int

    def begin(self, phase: str) -> None:
        """Tell it."""
        self.progress.begin(f"batch {self.number}: {phase}")

    def tasks(self, done: int, total: int) -> None:
        """Tell it."""
        self.progress.tasks(done, total)

    def end(self, phase: str, seconds: float, well: bool) -> None:
        """Tell it."""
        self.progress.end(f"batch {self.number}: {phase}", seconds, well)


def _of_batch(config: JobConfig, name: str, number: int) -> JobConfig:
    """The run that a batch is."""
    return replace(
        config,
        run_id=f"{name}.batch-{number}",
        summary=marked(config.summary, f".batch-{number}"),
        report=None,
        trigger=None,
        checkpoint=None,
    )


def _line(number: int, summary: Summary) -> dict[str, Any]:
    """What the summary of all says of a batch."""
    return {
        "batch": number,
        "run_id": summary.run_id,
        "verdict": summary.verdict,
        "rows_in": summary.rows_in,
        "rows_scored": summary.rows_scored,
        "rows_quarantined": summary.rows_quarantined,
        "summary": summary.outputs["summary"],
    }


def _whole(place: str, sinks: list[dict[str, Any]]) -> dict[str, Any]:
    """The sinks of all batches as one."""
    facts = {name: fact for name, fact in sinks[0].items() if name != "run_id"}
    where = {"table" if "table" in facts else "path": place}
    return {**facts, **where, "rows": sum(sink["rows"] for sink in sinks)}
