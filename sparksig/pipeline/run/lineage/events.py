"""A run in OpenLineage's words. Names, codes and counts; never a row's value, never a param's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attr
from openlineage.client import event_v2 as ol
from openlineage.client.facet_v2 import (
    InputDatasetFacet,
    JobFacet,
    RunFacet,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)

from sparksig._version import __version__
from sparksig.pipeline.run.lineage.names import Name
from sparksig.pipeline.run.lineage.quality import assertions_facet, metrics_facet
from sparksig.report.summary import Summary
from sparksig.sources.observed import ArrayType, Field, MapType, ObservedType, StructType

if TYPE_CHECKING:
    from sparksig.pipeline.run.lineage.parents import Ancestor
    from sparksig.pipeline.run.lineage.record import Lineage

PRODUCER = f"urn:sparksig:{__version__}"
"""Who says all this; a URN, because the package has no address that would be the same for everybody."""

_MANY = 50


@attr.define
class SparksigVerdictRunFacet(RunFacet):
    """How the run ended, of which model and signature; `verdict.schema.json` beside this file is its JSON Schema."""

    runId: str
    verdict: str | None = None
    modelDigest: str | None = None
    modelUri: str | None = None
    signatureDigest: str | None = None
    configDigest: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return "urn:sparksig:openlineage:verdict:1#/$defs/SparksigVerdictRunFacet"


def run_event(told: Lineage, kind: str, at: datetime, summary: Summary | None) -> ol.RunEvent:
    """The event that a run has begun or ended.

    Args:
        told: what is known of the run.
        kind: OpenLineage's type of the event.
        at: when it happened.
        summary: how the run ended; None at its beginning.
    """
    job: dict[str, JobFacet] = {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="SPARKSIG", jobType=told.action.upper(), producer=PRODUCER
        )
    }
    namespace, name = told.job
    return ol.RunEvent(
        eventType=ol.RunState[kind],
        eventTime=at.isoformat(),
        run=ol.Run(told.uuid, dict(_run_facets(told, summary))),
        job=ol.Job(namespace, name, job),
        inputs=[_input(told, told.source or (namespace, f"{name}.input"), summary)],
        outputs=[_output(told, kind, place, summary) for kind, place in told.sinks.items()],
        producer=PRODUCER,
    )


def _run_facets(told: Lineage, summary: Summary | None) -> Iterator[tuple[str, RunFacet]]:
    facts = told.facts
    yield (
        "sparksig_verdict",
        SparksigVerdictRunFacet(
            runId=told.run_id,
            verdict=summary.verdict if summary else None,
            modelDigest=facts.get("model_digest"),
            modelUri=facts.get("model_uri"),
            signatureDigest=facts.get("signature_digest"),
            configDigest=facts.get("config_digest"),
            producer=PRODUCER,
        ),
    )
    if told.parent is not None:
        yield "parent", _parent(told.parent.run, told.parent.root)
    if told.config.logical_date:
        day = f"{told.config.logical_date}T00:00:00Z"
        yield "nominalTime", nominal_time_run.NominalTimeRunFacet(nominalStartTime=day, producer=PRODUCER)
    if version := facts.get("versions", {}).get("spark"):
        yield (
            "processing_engine",
            processing_engine_run.ProcessingEngineRunFacet(version, "spark", __version__, producer=PRODUCER),
        )
    if summary is not None and summary.error:
        yield (
            "errorMessage",
            error_message_run.ErrorMessageRunFacet(_words(summary), "PYTHON", producer=PRODUCER),
        )


def _words(summary: Summary) -> str:
    """The error with the faults behind it, as many as one wants to read."""
    lines = [summary.error, *(f"  {problem}" for problem in summary.problems[:_MANY])]
    if len(summary.problems) > _MANY:
        lines.append(f"  and {len(summary.problems) - _MANY} more: the summary lists them")
    return "\n".join(lines)


def _parent(run: Ancestor, root: Ancestor) -> parent_run.ParentRunFacet:
    return parent_run.ParentRunFacet(
        run=parent_run.Run(run.run),
        job=parent_run.Job(run.namespace, run.job),
        root=parent_run.Root(parent_run.RootRun(root.run), parent_run.RootJob(root.namespace, root.job)),
        producer=PRODUCER,
    )


def _input(told: Lineage, place: Name, summary: Summary | None) -> ol.InputDataset:
    judged: dict[str, InputDatasetFacet] = {}
    if summary is not None and told.plan is not None:
        judged["dataQualityAssertions"] = assertions_facet(told.plan, summary, told.config, PRODUCER)
        if summary.rows_in is not None:
            judged["dataQualityMetrics"] = metrics_facet(told.plan, summary, PRODUCER)
            judged["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                rowCount=summary.rows_in, producer=PRODUCER
            )
    return ol.InputDataset(*place, judged, facets=_schema(told.plan.table if told.plan else None))


def _output(told: Lineage, kind: str, place: Name, summary: Summary | None) -> ol.OutputDataset:
    written: dict[str, Any] = {}
    if summary is not None and summary.verdict in ("clean", "quarantined"):
        rows = summary.rows_scored if kind == "scored" else summary.rows_quarantined
        written["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=rows, producer=PRODUCER
        )
    return ol.OutputDataset(*place, written, facets=_schema(told.schemas.get(kind)))


def _schema(table: StructType | None) -> dict[str, Any]:
    if table is None:
        return {}
    return {"schema": schema_dataset.SchemaDatasetFacet(_fields(table.fields), producer=PRODUCER)}


def _fields(fields: tuple[Field, ...]) -> list[schema_dataset.SchemaDatasetFacetFields]:
    return [
        schema_dataset.SchemaDatasetFacetFields(
            field.name, _type(field.type), ordinal_position=place, fields=list(_inside(field.type)) or None
        )
        for place, field in enumerate(fields, 1)
    ]


def _type(kind: ObservedType) -> str:
    """The type in a word where `fields` say the rest, as OpenLineage has it."""
    match kind:
        case StructType():
            return "struct"
        case ArrayType() if any(_inside(kind)):
            return "array"
        case MapType() if any(_inside(kind)):
            return "map"
        case _:
            return str(kind)


def _inside(kind: ObservedType) -> Iterator[schema_dataset.SchemaDatasetFacetFields]:
    """The members of a struct, of an array's structs, of a map's."""
    match kind:
        case StructType(fields):
            yield from _fields(fields)
        case ArrayType(StructType() as element):
            yield from _fields((Field("_element", element),))
        case MapType(key, StructType() as value):
            yield from _fields((Field("key", key), Field("value", value)))
        case _:
            return
