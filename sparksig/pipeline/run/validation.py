"""What a table holds against a signature, before anybody scores it. Nothing is written but, if asked for, a summary."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sparksig._version import __version__
from sparksig.enforcement.counts import count_violations
from sparksig.enforcement.frames import plan, tag_by
from sparksig.enforcement.planning import for_workers
from sparksig.enforcement.steps import Plan
from sparksig.errors import AbsentColumnWarning, ConfigError, Problem, SinkError, SparksigError
from sparksig.pipeline.accounting import Thresholds
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.config.job import no_source
from sparksig.pipeline.dataset import LISTING_OPTIONS
from sparksig.pipeline.faults import OverThreshold, RunError, Stopped, told, verdict_of
from sparksig.pipeline.io import missing, open_source, read_table, unwritable, write_text
from sparksig.pipeline.progress import timed, watched
from sparksig.pipeline.run.attempt import signature_digest, warn_of
from sparksig.pipeline.run.corrupt import split_corrupt, with_corrupt
from sparksig.pipeline.run.lineage import Lineage
from sparksig.pipeline.run.outputs import require_no_run_column
from sparksig.report.live import Progress, Silent
from sparksig.report.summary import Report, Summary
from sparksig.signature.model_signature import ModelSignature
from sparksig.sources.registry import load_signature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True, slots=True, repr=False)
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
            dataset = open_source(at_rest)
            if dataset is not None and dataset.has_footers:
                dataset.inspect(listener.tasks)
            plain = plan_only and dataset is not None and _is_plain(config)
            if not plain:
                dataset = dataset or open_source(at_rest, session())
            table = None if plain else read_table(session(), at_rest, dataset, listener.tasks)
            observed = dataset.table if dataset is not None and table is None else table
            if dataset is not None:
                dataset.warn()
                found.warnings = tuple(dataset.warnings)
            rejected = dataset.rejected() if dataset is not None and table is None else []
            found.plan = for_workers(plan(observed, signature, config.policy))
            found.plan = replace(found.plan, problems=(*found.plan.problems, *rejected))
            lineage.found(found.plan, _facts(found, signature, table), None if table is None else table.sparkSession)
            found.warnings = (*found.warnings, *found.plan.warning_lines)
            for line in found.plan.warning_lines:
                warnings.warn(line, AbsentColumnWarning, stacklevel=2)
            found.plan.require_ok()
            if config.output:
                require_no_run_column(found.plan.columns)
            lineage.start()
        if table is None or plan_only:
            _require_few(Thresholds.of(config).forbidden(found.warnings))
        else:
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
    untold = lineage.end(found.summary, isinstance(found.error, Stopped))
    found.warnings = (*found.warnings, *untold)
    if summary is not None:
        write_text(summary, json.dumps(found.summary.to_dict(), indent=2, allow_nan=False) + "\n")
    warn_of(untold)
    if found.error is not None:
        raise RunError(found.error, found.verdict, found.summary) from found.error
    return found


def _check(config: JobConfig, summary: str | None) -> ModelSignature:
    """Everything that can be wrong without a Spark session."""
    declared = ("--signature", config.signature) if config.signature else ("--model", config.model)
    places = dict([("--input", config.input), declared])
    if problems := [
        each
        for flag, place in places.items()
        if place
        for each in missing(flag, place, read_by_spark=flag == "--input")
    ]:
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
    chosen = {name.lower() for name in config.input_options} <= set(LISTING_OPTIONS)
    return config.format == "parquet" and not config.where and config.columns is None and chosen


def _validate(found: Validation, table: DataFrame, signature: ModelSignature) -> None:
    policy, limits = found.config.policy, Thresholds.of(found.config, signature)
    assert found.plan is not None
    table, corrupt = split_corrupt(found.config, table)
    tagged = with_corrupt(found.config, tag_by(found.plan, table), corrupt)
    report = found.report = count_violations(tagged, policy.violations_column)
    found.verdict = "clean" if report.ok else "quarantined"
    bad = limits.bad_rows(tagged, policy.violations_column, report.violations)
    bad = report.rows_violating if bad is None else bad
    passed = limits.passed(report.rows_in, bad, report.rows_clean, report.violations)
    _require_few([*passed, *limits.forbidden(found.warnings)])


def _require_few(passed: Iterable[str]) -> None:
    """Raise if a threshold is passed."""
    if facts := list(passed):
        raise OverThreshold(facts[0], [Problem("", fact) for fact in facts[1:]])
