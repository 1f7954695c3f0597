"""A summary, an error and a phase in words, as the terminal shows them."""

from __future__ import annotations

from sparksig import tables
from sparksig.errors import SparksigError
from sparksig.redaction import masked_values
from sparksig.report.summary import Summary


def summary_text(summary: Summary) -> str:
    """The summary as a few small tables.

    >>> print(summary_text(Summary("r1", "clean", 1200, 1200, 0, outputs={"scored": "out/run_id=r1"})))
    run r1: clean
    <BLANKLINE>
    rows         count
    -----------  -----
    in           1,200
    scored       1,200
    quarantined      0
    <BLANKLINE>
    output  path
    ------  -------------
    scored  out/run_id=r1
    """
    counts = [("in", summary.rows_in), ("scored", summary.rows_scored), ("quarantined", summary.rows_quarantined)]
    if "validated" in summary.facts:  # nothing was scored or set apart
        counts[1:] = [("clean", summary.facts.get("rows_clean")), ("dirty", summary.facts.get("rows_violating"))]
    rows = [(name, "not counted" if n is None else f"{n:,}") for name, n in counts]
    parts = [f"run {summary.run_id}: {summary.verdict}", tables.text(("rows", "count"), rows, right=[1])]
    if summary.violations:
        found = [(c.path, c.code, c.expected, c.observed, f"{c.rows:,}") for c in summary.violations]
        parts.append(tables.text(("column", "code", "declared", "observed", "rows"), found, right=[4]))
    if summary.seconds:
        phases = [(phase, f"{seconds:.1f}") for phase, seconds in summary.seconds.items()]
        phases.append(("total", f"{sum(summary.seconds.values()):.1f}"))
        parts.append(tables.text(("phase", "seconds"), phases, right=[1]))
    places = dict(summary.outputs) | ({"rejected": summary.rejected["path"]} if summary.rejected else {})
    if places:
        parts.append(tables.text(("output", "path"), list(masked_values(places).items())))
    return "\n\n".join(parts)


def error_text(error: SparksigError) -> str:
    r"""An error as the terminal shows it: its lines, with everything that could move a cursor shown as escapes.

    >>> print(error_text(SparksigError("the table has a column \x1b[2J")))
    the table has a column \x1b[2J
    """
    return "\n".join(tables.printable(line) for line in str(error).split("\n"))


def phase_text(phase: str, seconds: float) -> str:
    """A phase that has ended.

    >>> phase_text("score", 23.71)
    'score          23.7 s'
    """
    return f"{phase:<12} {seconds:6.1f} s"


def tasks_text(phase: str, done: int, total: int, seconds: float) -> str:
    """A phase that is not over yet.

    >>> tasks_text("score", 3, 8, 10.2)
    'score          10.2 s  3 of 8 tasks'
    """
    return f"{phase_text(phase, seconds)}  {done} of {total} tasks"
