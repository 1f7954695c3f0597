"""What a run has found in a table as OpenLineage's assertions: one for each place that is judged and each code."""

from __future__ import annotations

from collections.abc import Iterator

from openlineage.client.facet_v2 import data_quality_assertions_dataset as asserted
from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as measured

from sparksig.enforcement.nodes import ScalarNode
from sparksig.enforcement.sql.conditions import codes
from sparksig.enforcement.steps import Plan, Step
from sparksig.errors import Code
from sparksig.pipeline.config import JobConfig
from sparksig.report.summary import Summary
from sparksig.signature.paths import column_of

_OF_SCHEMA = (Code.MISSING_COLUMN, Code.INCOMPATIBLE_TYPE)
"""What is asserted of every declared column before a row is read."""


def assertions_facet(
    plan: Plan, summary: Summary, config: JobConfig, producer: str
) -> asserted.DataQualityAssertionsDatasetFacet:
    """What was asserted of a table: of its columns, and of its rows if they were counted."""
    found = [*_of_columns(plan), *(_of_rows(plan, summary, config) if summary.rows_in is not None else ())]
    return asserted.DataQualityAssertionsDatasetFacet(found, producer=producer)


def metrics_facet(plan: Plan, summary: Summary, producer: str) -> measured.DataQualityMetricsInputDatasetFacet:
    """How many rows there are, and how many nulls in the columns where a null was looked for."""
    nulls = {count.path: count.rows for count in summary.violations if count.code == Code.NULL}
    columns = {
        _column(plan, step): measured.ColumnMetrics(nullCount=nulls.get(step.name, 0), quantiles=None)
        for step in plan.steps
        if isinstance(step.node, ScalarNode) and not step.node.nulls
    }
    return measured.DataQualityMetricsInputDatasetFacet(columns, summary.rows_in, producer=producer)


def _of_columns(plan: Plan) -> Iterator[asserted.Assertion]:
    """The schema: what holds of a column that can be enforced, and every fault."""
    faults = {(problem.path, problem.code) for problem in plan.problems if problem.code}
    names = {*plan.columns, *(step.name for step in plan.steps)}
    for step in plan.steps:
        for code in _OF_SCHEMA:
            if (step.name, code) not in faults:
                yield _assertion(code, True, _column(plan, step), step.name, "error", step.declared, step.observed)
    for problem in plan.problems:
        if problem.code:
            column = column_of(problem.path, names) or problem.path or None
            yield _assertion(problem.code, False, column, problem.path or "table", "error")


def _of_rows(plan: Plan, summary: Summary, config: JobConfig) -> Iterator[asserted.Assertion]:
    """The rows: how many are wrong, by place and code; none is wrong where nothing was counted."""
    counts = {(count.path, count.code): count for count in summary.violations}
    for step in plan.steps:
        for found in codes(step.node, ",".join("x" for _ in step.positions), step.name, 0):
            column = found.path if len(step.positions) > 1 else _column(plan, step)
            severity = _severity(config, step.name)
            for code in dict.fromkeys(found.codes):
                count = counts.pop((found.path, code), None)
                types = found.types.declared, found.types.observed
                yield _assertion(code, count is None, column, found.path, severity, *types, count.rows if count else 0)
    for count in counts.values():  # what no plan foresees, such as what the model does with a row
        types = count.expected, count.observed
        severity = _severity(config, count.path)
        yield _assertion(Code(count.code), False, None, count.path or "row", severity, *types, count.rows)


def _assertion(
    code: Code,
    success: bool,
    column: str | None,
    name: str,
    severity: str,
    declared: str = "",
    observed: str = "",
    rows: int | None = None,
) -> asserted.Assertion:
    return asserted.Assertion(
        assertion=str(code),
        success=success,
        column=column,
        severity=severity,
        name=f"{name} {code}",
        description=f"declared {declared}, observed {observed}" if declared and observed else None,
        expected=None if rows is None else "0",
        actual=None if rows is None else str(rows),
        params=None,
    )


def _column(plan: Plan, step: Step) -> str:
    """The column as the table has it, which is what the schema facet names."""
    return plan.columns[step.positions[0]] if step.positions else step.name


def _severity(config: JobConfig, name: str) -> str:
    """Whether one such row stops the job."""
    return "error" if config.fail_on_quarantine or config.column_actions.get(name) == "error" else "warn"
