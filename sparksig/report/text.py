"""A summary in words, as the terminal shows it."""

from __future__ import annotations

from sparksig import tables
from sparksig.report.summary import Summary


def summary_text(summary: Summary) -> str:
    """The summary as a few small tables.

    >>> print(summary_text(Summary("r1", "clean", rows_in=1200, rows_scored=1200, outputs={"scored": "out/run_id=r1"})))
    run r1: clean
    <BLANKLINE>
    rows          count
    -----------  ------
    in            1,200
    scored        1,200
    quarantined       0
    <BLANKLINE>
    output  path
    ------  -------------
    scored  out/run_id=r1
    """
    counts = [("in", summary.rows_in), ("scored", summary.rows_scored), ("quarantined", summary.rows_quarantined)]
    parts = [f"run {summary.run_id}: {summary.verdict}"]
    parts.append(tables.text(("rows", "count"), [(name, f"{n:,}") for name, n in counts], right=[1]))
    if summary.violations:
        rows = [(c.path, c.code, c.expected, c.observed, f"{c.rows:,}") for c in summary.violations]
        parts.append(tables.text(("column", "code", "declared", "observed", "rows"), rows, right=[4]))
    if summary.seconds:
        phases = [(phase, f"{seconds:.1f}") for phase, seconds in summary.seconds.items()]
        phases.append(("total", f"{sum(summary.seconds.values()):.1f}"))
        parts.append(tables.text(("phase", "seconds"), phases, right=[1]))
    if summary.outputs:
        parts.append(tables.text(("output", "path"), list(summary.outputs.items())))
    return "\n\n".join(parts)
