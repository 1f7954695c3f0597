"""What a table holds against a signature, before anybody scores it. Nothing is written but, if asked for, a summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sparksig._version import __version__
from sparksig.enforcement.counts import count_violations
from sparksig.enforcement.frames import plan, tag
from sparksig.enforcement.steps import Plan
from sparksig.errors import ConfigError, Problem, SinkError, SparksigError
from sparksig.pipeline.accounting import Thresholds
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.config.job import no_source
from sparksig.pipeline.faults import OverThreshold, RunError, Stopped, told, verdict_of
from sparksig.pipeline.io import has_file_system, missing, parquet_table, read_table, unwritable, write_text
from sparksig.pipeline.progress import timed, watched
from sparksig.pipeline.run.attempt import signature_digest, warn_of
from sparksig.pipeline.run.lineage import Lineage
from sparksig.report.live import Progress, Silent
from sparksig.report.summary import Report, Summary
from sparksig.signature.model_signature import ModelSignature
from sparksig.sources.registry import load_signature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True, slots=True)
class CheckConfig(JobConfig):
    """What a validation is asked to do: a job's configuration, of which it needs a table and a signature, no outputs.

    >>> CheckConfig("table/", signature="signature.json").output
    ''
    """

    def _missing(self) -> Iterator[Problem]:
        yield from no_source(self)
        if not self.model and not self.signature:
            yield Problem("--model", "not given", hint="give the model, or a signature with --signature")


@dataclass(slots=True)
class Validation:
    """What a validation has found.

    Attributes:
        config: what was asked.
        plan: what enforcing the signature would do; None before the schemas have been looked at.
        report: the rows and what is wrong with them; None where only the schemas were looked at.
        seconds: seconds by phase.
        verdict: as a run of the job would end: `clean`, `quarantined`, `over_threshold`, `incompatible` or `failed`.
        error: what is wrong, if something is.
        warnings: what was in nobody's way, in words.
    """

    config: JobConfig
    plan: Plan | None = None
    report: Report | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    verdict: str = "clean"
    error: SparksigError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def summary(self) -> Summary:
        """The same as a summary. No row was scored or set apart: how many are dirty is among its facts."""
        facts: dict[str, Any] = {"versions": {"sparksig": __version__}, "config_digest": f"sha256:{self.config.digest}"}
        found = Summary(
            self.config.run_id,
            self.verdict,
            seconds=self.seconds,
            error=self.error.message if self.error else "",
            problems=self.error.problems if self.error else (),
            warnings=self.warnings,
            thresholds=Thresholds.of(self.config).to_dict(),
            source={**self.config.source, "read": "once", "digest": None},
            facts={**facts, "validated": "schema" if self.report is None else "rows"},
        )
        if self.plan is not None:
            found = replace(found, facts={**found.facts, "plan": self.plan.to_dict()})
        if self.report is not None:
            rows = {"rows_clean": self.report.rows_clean, "rows_violating": self.report.rows_violating}
            facts = {**found.facts, **rows}
            found = replace(found, rows_in=self.report.rows_in, violations=self.report.violations, facts=facts)
        return found


def validate_job(
    config: JobConfig,
    session: Callable[[], SparkSession],
    progress: Progress | None = None,
    *,
    plan_only: bool = False,
    summary: str | None = None,
) -> Validation:
    """Hold the table of a job against its signature, and what is found against the job's thresholds.

    Args:
        config: the job's configuration, or a `CheckConfig`.
        session: makes the Spark session; not called where the schema of a Parquet table is all that is asked for.
        progress: is told each phase and the Spark tasks within it.
        plan_only: whether only schemas are read.
        summary: a file that gets the summary, also of a validation that ends with an error, but for one of usage.

    Raises:
        RunError: the schema does not fit, a threshold is passed, or something failed; with the verdict and exit code.
    """
    found, listener, lineage = Validation(config), progress or Silent(), Lineage(config, "validate")
    try:
        with timed("check", found.seconds, listener):
            lineage.open()
            signature = _check(config, summary)
        with timed("plan", found.seconds, listener):
            at_rest = replace(config, trigger=None, checkpoint=None)  # of a stream: all that has come by now
            table = None if plan_only and _is_plain(config) else read_table(session(), at_rest)
            observed = parquet_table("--input", config.input) if table is None else table
            found.plan = plan(observed, signature, config.policy)
            lineage.found(found.plan, _facts(found, signature, table), None if table is None else table.sparkSession)
            found.plan.require_ok()
            lineage.start()
        if table is not None and not plan_only:
            with (
                timed("validate", found.seconds, listener),
                watched(table.sparkSession, "sparksig: validate", listener),
            ):
                _validate(found, table, signature)
    except (Exception, KeyboardInterrupt) as error:
        found.error = told(error)
        found.verdict = verdict_of(found.error, reading="validate" in found.seconds)
        if found.verdict == "usage":
            warn_of(lineage.end(found.summary))
            raise RunError(found.error, "usage") from found.error
    found.warnings = lineage.end(found.summary, isinstance(found.error, Stopped))
    if summary is not None:
        write_text(summary, json.dumps(found.summary.to_dict(), indent=2, allow_nan=False) + "\n")
    warn_of(found.warnings)
    if found.error is not None:
        raise RunError(found.error, found.verdict, found.summary) from found.error
    return found


def _check(config: JobConfig, summary: str | None) -> ModelSignature:
    """Everything that can be wrong without a Spark session."""
    declared = ("--signature", config.signature) if config.signature else ("--model", config.model)
    places = dict([("--input", config.input), declared])
    if problems := [each for flag, place in places.items() if place for each in missing(flag, place)]:
        raise ConfigError("the job cannot be run as configured", problems)
    if summary is not None and (faults := list(unwritable(summary))):
        raise SinkError("the summary cannot be written", faults)
    signature = load_signature(config.signature or config.model)
    Thresholds.of(config).require_columns_of(signature)
    return signature


def _facts(found: Validation, signature: ModelSignature, table: DataFrame | None) -> dict[str, Any]:
    """What OpenLineage is told beside the summary: the signature, and Spark where it took part."""
    versions = {} if table is None else {"spark": table.sparkSession.version}
    return {**found.summary.facts, "versions": versions, "signature_digest": signature_digest(signature)}


def _is_plain(config: JobConfig) -> bool:
    """Whether the schema that Spark would show can be read from a Parquet footer."""
    changed = config.where or config.columns is not None or config.input_options
    return bool(config.input) and config.format == "parquet" and not changed and has_file_system(config.input)


def _validate(found: Validation, table: DataFrame, signature: ModelSignature) -> None:
    policy, limits = found.config.policy, Thresholds.of(found.config, signature)
    tagged = tag(table, signature, policy)
    report = found.report = count_violations(tagged, policy.violations_column)
    found.verdict = "clean" if report.ok else "quarantined"
    bad = limits.bad_rows(tagged, policy.violations_column, report.violations)
    bad = report.rows_violating if bad is None else bad
    if passed := list(limits.passed(report.rows_in, bad, report.rows_clean, report.violations)):
        raise OverThreshold(passed[0], [Problem("", fact) for fact in passed[1:]])
