"""An attempt at a run: what it has found so far, and how it ends when it does not go well."""

from __future__ import annotations

import json
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sparksig._version import __version__
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan
from sparksig.errors import Problem, SparksigError
from sparksig.models.artifact import Packed
from sparksig.pipeline.accounting import Thresholds
from sparksig.pipeline.config import JobConfig, model_name
from sparksig.pipeline.dataset import Dataset
from sparksig.pipeline.faults import OverThreshold, RunError, Stopped, verdict_of
from sparksig.pipeline.io import write_text
from sparksig.pipeline.progress import timed, watched
from sparksig.pipeline.run.lineage import Lineage
from sparksig.pipeline.sinks import Commit, Sink
from sparksig.pipeline.tables import TableSink
from sparksig.report.html import report_html
from sparksig.report.live import Progress, Silent
from sparksig.report.summary import Summary
from sparksig.scoring.calls import ModelCall
from sparksig.signature.model_signature import ModelSignature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


RECOVERED = "an attempt at this run had been decided when it was killed; it was finished before this one began"
"""The warning of a run that has finished an earlier attempt."""


def date_warning(config: JobConfig) -> str:
    """The warning of a run that is named after the current date; empty where it has another name."""
    if config.assumed_date is None:
        return ""
    return f"no logical date was given: the run is for {config.assumed_date}, today in UTC (--logical-date names a day)"


_READ = {"none": "twice", "disk": "pinned"}
"""How often the source is read, by what `pin` says: in the summary's words."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are not to be read, because a stream has brought them.

    Attributes:
        table: the rows.
        stream: Spark's id of the stream.
        digest: the digest of the stream's configuration.
        model: the stream's `Attempt.model`, so that all its batches have the same one.
        signature: the signature that was given beside the model, if one was.
    """

    table: DataFrame
    stream: str
    digest: str
    model: Any
    signature: ModelSignature | None


@dataclass(slots=True)
class Attempt:
    """What an attempt at a run has found so far."""

    config: JobConfig
    policy: Policy
    sinks: dict[str, Sink]
    tables: dict[str, TableSink]  # what the sinks are on their way to, if they are
    progress: Progress
    summary: Summary
    lineage: Lineage
    batch: Batch | None = None
    dataset: Dataset | None = None  # the files of the source, if it is files
    model: Any = None  # the path, or the files of a model that MLflow has
    commit: Commit | None = None  # once it is decided that the run holds
    kept: list[DataFrame] = field(default_factory=list)  # frames on the executors' disks while it lasts
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
        # a batch of a stream is identified by its checkpoint instead
        source, model = ("", "") if stream else (config.source_name, model_name(config.model))
        form = (kind_of, config.output_options, config.partition_by)
        sinks = {
            kind: Sink(folder, config.run_id, kind, name, *form, stream=stream, source=source, model=model)
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
        return cls(config, config.policy, sinks, named, progress or Silent(), summary, Lineage(config, "score"), batch)

    def warn(self, lines: Iterable[str], category: type[Warning] = UserWarning) -> None:
        """Add warnings to the summary, and issue them; those of a stream's batch are issued by the stream."""
        for line in lines:
            self.summary = replace(self.summary, warnings=(*self.summary.warnings, line))
            if self.batch is None:
                warnings.warn(line, category, stacklevel=2)

    @property
    def failing_warnings(self) -> tuple[str, ...]:
        """The warnings that end a run with `fail_on_warning`: those of its table, its model and its params."""
        others = (RECOVERED, date_warning(self.config))
        return tuple(line for line in self.summary.warnings if line not in others)

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a phase and tell of it."""
        return timed(name, self.summary.seconds, self.progress)

    @contextmanager
    def spark_phase(self, name: str, spark: SparkSession) -> Iterator[None]:
        """The same for a phase of Spark jobs, whose tasks are told."""
        self.reading = True
        with self.phase(name), watched(spark, f"sparksig {self.config.run_id}: {name}", self.progress):
            yield


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
    if isinstance(error, OverThreshold):
        problems += _keep_rejected(work)
    for sink in work.sinks.values():
        try:
            sink.undo()
        except (OSError, SparksigError):
            problems.append(Problem(sink.staging, "could not be removed"))
    verdict = verdict_of(error, work.reading)
    if verdict == "usage":
        told = replace(work.summary, verdict=verdict, error=error.message)
        warn_of(work.lineage.end(told, isinstance(error, Stopped)))
        return RunError(error, verdict)
    outputs = {"summary": work.config.summary, **({"report": work.config.report} if work.config.report else {})}
    work.summary = replace(work.summary, verdict=verdict, outputs=outputs, error=error.message)
    work.summary = replace(work.summary, problems=tuple(problems))
    untold = work.lineage.end(work.summary, isinstance(error, Stopped))
    work.summary = replace(work.summary, warnings=(*work.summary.warnings, *untold))
    try:
        write_summary(work)
    except SparksigError as second:
        problems += second.problems
    write_report(work)
    warn_of(untold)
    return RunError(type(error)(error.message, problems), verdict, work.summary)


def _keep_rejected(work: Attempt) -> list[Problem]:
    """Keep the quarantined rows of a run over a threshold where they can be inspected; what has failed there."""
    sink, folder, rows = work.sinks["quarantine"], work.config.rejected, work.summary.rows_quarantined
    if not sink.begun:  # a stream, whose batch has kept its own
        return []
    try:
        if not rows:
            sink.forget_rejected(folder)
            return []
        place = sink.reject(folder)
    except (OSError, SparksigError) as failure:
        fact = f"the quarantined rows could not be kept ({type(failure).__name__})"
        return [Problem(sink.rejected(folder), fact, hint="name another folder with --keep-rejected")]
    work.summary = replace(work.summary, rejected={"path": place, "format": sink.format, "rows": rows})
    return []


def tell_end(work: Attempt) -> None:
    """Tell OpenLineage that the run stands. What cannot be told is one more warning in the summary."""
    if untold := work.lineage.end(work.summary):
        work.summary = replace(work.summary, warnings=(*work.summary.warnings, *untold))
        with suppress(OSError, SparksigError):  # the one that was committed stands
            write_summary(work)
        warn_of(untold)


def warn_of(untold: Iterable[str]) -> None:
    """Warn of what could not be told."""
    for text in untold:
        warnings.warn(text, stacklevel=2)


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
        **({"model_uri": work.model.origin} if isinstance(work.model, Packed) else {}),
        "signature": call.signature.to_dict(),
        "signature_digest": signature_digest(call.signature),
        "plan": made.to_dict(),
    }


def signature_digest(signature: ModelSignature) -> str:
    """A digest of what a signature declares."""
    return f"sha256:{sha256(signature.to_json().encode()).hexdigest()}"


def write_summary(work: Attempt) -> None:
    """Write the summary as it is by now."""
    write_text(work.config.summary, summary_json(work.summary))


def summary_json(summary: Summary) -> str:
    """What its file holds."""
    return json.dumps(summary.to_dict(), indent=2, allow_nan=False) + "\n"
