"""One run: check, plan, score, quarantine, reconcile, commit. Nothing is committed before it has been counted."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sparksig import errors
from sparksig._version import __version__
from sparksig.enforcement.frames import count_violations, plan, split
from sparksig.enforcement.policy import Policy
from sparksig.errors import AccountingError, SparksigError
from sparksig.models.artifact import Artifact
from sparksig.models.loading import require_trust
from sparksig.pipeline.config import JobConfig, typed_params
from sparksig.pipeline.io import Sink, require_path, spark_path, write_text
from sparksig.report.summary import Summary
from sparksig.scoring.frames import score
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import resolve_params
from sparksig.sources.mlmodel import load_signature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Tell = Callable[[str], None]
"""Called with the name of each phase when it begins."""

EXIT = {"clean": 0, "quarantined": 0, "incompatible": 3, "over_threshold": 4, "failed": 5}
"""Exit codes by verdict; 2 is a configuration that cannot be run."""

_USAGE = (
    errors.ConfigError,
    errors.PolicyError,
    errors.SignatureError,
    errors.ParamError,
    errors.ModelLoadError,
    errors.SinkError,
    errors.NotSupportedError,
)


class OverThreshold(SparksigError):
    """Too many rows are dirty; nothing has been committed."""


@dataclass(slots=True)
class _Run:
    """What a run has found so far."""

    config: JobConfig
    tell: Tell
    summary: Summary
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.tell(name)
        start = time.monotonic()
        try:
            yield
        finally:
            self.summary.seconds[name] = self.summary.seconds.get(name, 0.0) + time.monotonic() - start


def exit_code(error: BaseException) -> int:
    """The exit code for an error: 2 usage or configuration, 3 schema, 4 threshold, 5 everything else."""
    if isinstance(error, _USAGE):
        return 2
    if isinstance(error, errors.SchemaError):
        return 3
    return 4 if isinstance(error, OverThreshold) else 5


def run(config: JobConfig, session: Callable[[], SparkSession], tell: Tell = lambda phase: None) -> Summary:
    """Run the batch job.

    Args:
        config: what to do.
        session: makes the Spark session; called after everything that can be checked without one has been checked.
        tell: called with the name of each phase when it begins.

    Returns:
        The summary, as it was written to `config.summary`.

    Raises:
        SparksigError: the run ended without committing anything; `exit_code` says with which code. The summary has
            been written for every code but 2.
    """
    sinks = {kind: Sink(folder, config.run_id, kind) for kind, folder in _folders(config).items()}
    work = _Run(config, tell, Summary(config.run_id, "failed", outputs={"summary": config.summary}))
    try:
        with work.phase("check"):
            signature, params = _check(config, sinks)
        _score(work, signature, params, sinks, session)
    except Exception as error:
        told = told_error(error)
        _discard(sinks)
        code = exit_code(told)
        if code != 2:
            verdict = next(verdict for verdict, number in EXIT.items() if number == code)
            _write(replace(work.summary, verdict=verdict, problems=tuple(str(told).splitlines())), config)
        if told is error:
            raise
        raise told from None  # Spark's own message may hold a row
    return work.summary


def _folders(config: JobConfig) -> dict[str, str]:
    return {"scored": config.output, "quarantine": config.quarantine}


def _check(config: JobConfig, sinks: dict[str, Sink]) -> tuple[ModelSignature, dict[str, Any]]:
    """Everything that can be wrong without a Spark session."""
    require_path("--input", config.input)
    require_path("--model", config.model)
    signature = load_signature(config.signature or config.model)
    params = typed_params(config.params, signature.params)
    resolve_params(signature.params, params)
    require_trust(Artifact.read(config.model), config.trusted)
    for sink in sinks.values():
        sink.require_ours()
    return signature, params


def _score(
    work: _Run,
    signature: ModelSignature,
    params: dict[str, Any],
    sinks: dict[str, Sink],
    session: Callable[[], SparkSession],
) -> None:
    config = work.config
    policy = Policy(level=config.level, allow_rounding=config.allow_rounding, allow_nulls=config.allow_nulls)
    with work.phase("start Spark"):
        spark = session()
    with work.phase("plan"):
        table = spark.read.format(config.format).load(spark_path(config.input))
        made = plan(table, signature, policy).require_ok()
        scored = score(table, config.model, signature, params, on_violation="drop", trust=config.trusted, policy=policy)
        dirty = split(table, signature, policy).quarantined
    work.summary = replace(work.summary, params=tuple(params), facts=_facts(config, signature, made.to_dict(), spark))
    with work.phase("score"):
        sinks["scored"].write(scored)
    with work.phase("quarantine"):
        sinks["quarantine"].write(dirty)
    with work.phase("reconcile"):
        _reconcile(work, spark, table, (scored, dirty), sinks)
    with work.phase("commit"):
        _commit(work, sinks)
    _write(work.summary, config)


def _reconcile(
    work: _Run, spark: SparkSession, table: DataFrame, written: tuple[DataFrame, DataFrame], sinks: dict[str, Sink]
) -> None:
    """Count what was written, and hold it against the source."""
    scored, dirty = (sink.read_back(spark, rows) for sink, rows in zip(sinks.values(), written, strict=True))
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


def _commit(work: _Run, sinks: dict[str, Sink]) -> None:
    for sink in sinks.values():
        sink.commit()
    outputs = {kind: sink.final for kind, sink in sinks.items()}
    work.summary = replace(work.summary, outputs={**outputs, **work.summary.outputs})


def _discard(sinks: dict[str, Sink]) -> None:
    for sink in sinks.values():
        try:
            sink.discard()
        except (OSError, SparksigError):  # the error that brought us here is the one to tell
            continue


def _facts(
    config: JobConfig, signature: ModelSignature, plan_dict: dict[str, Any], spark: SparkSession
) -> dict[str, Any]:
    return {
        "versions": {"sparksig": __version__, "spark": spark.version},
        "config_digest": f"sha256:{config.digest}",
        "model_digest": Artifact.read(config.model).digest,
        "signature": signature.to_dict(),
        "plan": plan_dict,
    }


def _write(summary: Summary, config: JobConfig) -> None:
    write_text(config.summary, json.dumps(summary.to_dict(), indent=2, allow_nan=False) + "\n")


def told_error(error: Exception) -> Exception:
    """An error as it may be told: ours, one of ours that Spark carried out of a worker, or one without data."""
    if isinstance(error, SparksigError):
        return error
    text = str(error)
    found = re.findall(r"sparksig\.errors\.(\w+): (.*(?:\n  .*)*)", text)
    if found:
        name, message = found[-1]
        kind = getattr(errors, name, errors.ModelError)
        return kind(message) if issubclass(kind, SparksigError) else errors.ModelError(message)
    if raised := re.search(r"sparksig: a row breaks the signature: [^\n]*", text):
        return errors.ViolationError(raised.group())
    return errors.ModelError(f"Spark ended with {type(error).__name__}; its log has the details")
