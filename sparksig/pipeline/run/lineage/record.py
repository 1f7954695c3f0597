"""What is known of a run for OpenLineage, and when it is told: before rows are read, and when it has ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from sparksig.enforcement.steps import Plan
from sparksig.errors import NotSupportedError
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.run.lineage.names import Name, of_job, of_sinks, of_source
from sparksig.pipeline.run.lineage.parents import Parent, parent_run
from sparksig.pipeline.run.lineage.sending import Emit, emitter, send
from sparksig.redaction import masked
from sparksig.report.summary import Summary
from sparksig.sources.observed import StructType, table_from_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_RUNS = UUID("b9a0a8a4-5d1c-5f0e-9d0b-6f2f6f1f7a51")  # a namespace of our own: other makers of UUIDs never meet it


@dataclass(slots=True)
class Lineage:
    """What OpenLineage is told of a run. Nothing, and nothing is done for it, until `open` has found a place for it.

    Attributes:
        config: the job.
        action: what it does: `score` or `validate`.
        run_id: sparksig's own name of the run.
        began: when it began.
        emit: what emits an event; None where nothing is to be emitted.
        started: whether its beginning was told.
        plan: what enforcing the signature does; None until the schemas have been looked at.
        facts: what a summary says of the model, the signature and the engine.
        source: what OpenLineage calls the table.
        sinks: what it calls the outputs, by kind.
        schemas: the outputs' schemas, by kind.
        parent: the run that has started this one.
        failures: what could not be told, in words.
    """

    config: JobConfig
    action: str
    run_id: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    emit: Emit | None = None
    started: bool = False
    plan: Plan | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    source: Name | None = None
    sinks: Mapping[str, Name] = field(default_factory=dict)
    schemas: Mapping[str, StructType] = field(default_factory=dict)
    parent: Parent | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def job(self) -> Name:
        """The job's namespace and name."""
        namespace = self.config.lineage_namespace or (self.parent.run.namespace if self.parent else "default")
        return masked(namespace), of_job(self.config, self.action)

    @property
    def uuid(self) -> str:
        """The run's id as OpenLineage wants it: the same for the same run of the same job."""
        return str(uuid5(_RUNS, "\n".join((*self.job, self.run_id))))

    def open(self) -> None:
        """Find out where events go.

        Raises:
            NotSupportedError: openlineage-python is missing, and the job's configuration asks for it.
            ConfigError: OpenLineage's own configuration cannot be used.
        """
        self.run_id = self.run_id or self.config.run_id
        try:
            self.emit = emitter(self.config.lineage)
        except NotSupportedError as error:
            if self.config.lineage:
                raise
            # the variables may be there for somebody else: they stop no job that was not told to emit
            self.failures.append(f"nothing was emitted where OpenLineage's variables say: {error.message}")
            return
        if self.emit is not None:
            self._look(None)

    def found(self, plan: Plan, facts: Mapping[str, Any], spark: SparkSession | None) -> None:
        """Take what is known once the schemas have been looked at."""
        if self.emit is not None:
            self.plan, self.facts = plan, facts
            self._look(spark)

    def start(self, outputs: Mapping[str, DataFrame] | None = None) -> None:
        """Tell that the run has begun. No row was read by then.

        Args:
            outputs: what will be written, by kind.
        """
        if self.emit is not None:
            self.schemas = {kind: table_from_spark(rows.schema.jsonValue()) for kind, rows in (outputs or {}).items()}
            self.started = True  # first: who is stopped while it is told does not tell it again
            self._tell("START", self.began, None)

    def end(self, summary: Summary, stopped: bool = False) -> tuple[str, ...]:
        """Tell how the run has ended, and that it had begun where that was not told.

        Args:
            summary: how it ended.
            stopped: whether somebody stopped it.

        Returns:
            What could not be told: warnings for the summary, and for whoever listens.
        """
        if self.emit is not None and (self.started or summary.verdict != "usage"):
            if not self.started:
                self._tell("START", self.began, None)
            well = summary.verdict in ("clean", "quarantined")
            self._tell("COMPLETE" if well else "ABORT" if stopped else "FAIL", datetime.now(UTC), summary)
        return tuple(self.failures)

    def _look(self, spark: SparkSession | None) -> None:
        """Names, and the parent: what only a session knows is asked for once there is one."""
        try:
            self.source, self.sinks = of_source(self.config, spark), {}
            if self.action == "score":
                self.sinks = of_sinks(self.config, spark)
        except Exception as error:  # a catalog that does not answer is no reason to stop
            self.failures.append(f"OpenLineage: a dataset has no name ({type(error).__name__})")
        try:
            self.parent = parent_run(os.environ, lambda key: spark.conf.get(key, None) if spark else None)
        except Exception:
            self._fail_once("OpenLineage: the parent run is said in a form that cannot be read; none is told")

    def _fail_once(self, text: str) -> None:
        if text not in self.failures:
            self.failures.append(text)

    def _tell(self, kind: str, at: datetime, summary: Summary | None) -> None:
        from sparksig.pipeline.run.lineage.events import run_event

        assert self.emit is not None
        try:
            reason = send(self.emit, run_event(self, kind, at, summary))
        except Exception as error:  # a fault of ours: the run does not hang on it either
            reason = f"unexpected {type(error).__name__}"
        if reason is not None:
            self.failures.append(f"OpenLineage: the event {kind} was not emitted ({reason})")
