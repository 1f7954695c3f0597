"""What a run's verdict means for its task. It is read from a file, the summary, not from an error's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparksig.errors import ConfigError
from sparksig.pipeline.faults import EXIT
from sparksig.redaction import masked_values
from sparksig.report.summary import Summary, problem_dicts

Outcome = Literal["success", "skip", "fail", "retry"]
"""What becomes of the task: `fail` fails at once, whatever retries are left; `retry` fails, and retries apply."""

OUTCOMES: dict[str, Outcome] = {
    "clean": "success",
    "quarantined": "success",
    "incompatible": "fail",
    "over_threshold": "fail",
    "usage": "fail",
    "failed": "retry",
}
"""What becomes of the task by verdict, unless said otherwise."""

_CHECKED = ("rows_clean", "rows_violating")
"""What only a validation tells."""

_LISTED = 20
"""How many counts and problems an XCom holds; the summary has all of them."""


def outcomes(given: Mapping[str, Outcome], *, committing: bool) -> dict[str, Outcome]:
    """What becomes of the task by verdict.

    Args:
        given: what is said otherwise.
        committing: whether success means that rows were committed, on which other tasks then build.

    Raises:
        ValueError: a verdict about which nothing can be said, or an outcome that there is not.

    >>> outcomes({"quarantined": "skip"}, committing=True)["quarantined"]
    'skip'
    >>> outcomes({"incompatible": "success"}, committing=True)
    Traceback (most recent call last):
    ValueError: on_verdict: incompatible can be fail, skip or retry
    """
    bad = ("fail", "skip", "retry") if committing else ("fail", "skip", "retry", "success")
    allowed = {"quarantined": ("success", "fail", "skip"), "incompatible": bad, "over_threshold": bad}
    for verdict, outcome in given.items():
        if verdict not in allowed:
            raise ValueError(f"on_verdict: {verdict!r} is not one of {', '.join(allowed)}")
        if outcome not in allowed[verdict]:
            *first, last = allowed[verdict]
            raise ValueError(f"on_verdict: {verdict} can be {', '.join(first)} or {last}")
    return {**OUTCOMES, **given}


# ---- the summary


@dataclass(frozen=True, slots=True)
class Stamp:
    """How a file looked at one time, so that it can be told later whether it was written again."""

    inode: int
    changed: int
    size: int

    @classmethod
    def of(cls, path: str | None) -> Stamp | None:
        """The stamp of a file; None if there is none."""
        if not path:
            return None
        try:
            found = Path(path).stat()
        except (OSError, ValueError):
            return None
        return cls(found.st_ino, found.st_mtime_ns, found.st_size)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a try ended.

    Attributes:
        verdict: the summary's; `usage` or `failed` where this try has left none.
        why: in words without data, where it did not end well.
        summary: what the run told, if it told anything.
    """

    verdict: str
    why: str = ""
    summary: Summary | None = None


def ended(path: str | None, before: Stamp | None, run_id: str, exit_code: int | None) -> Ended:
    """How a try ended, as its summary says.

    A summary counts if this try has written it: the file has changed since, it names the run, and whether something
    was committed agrees with how the process ended. (A try that finds an earlier one killed in mid-commit finishes
    that first, and with it the earlier one's summary; if it is killed itself then, the two do not agree.)

    Args:
        path: the summary.
        before: the file before the try.
        run_id: the run.
        exit_code: the process's; None where it is not known, other than 0.
    """
    succeeded = exit_code == 0
    code = "" if exit_code is None else f" (exit code {exit_code})"
    now = Stamp.of(path)
    found, fault = (None, "is not of this try" if now else "is not there") if now == before else _read(path)
    if found is not None and found.run_id != run_id:
        found, fault = None, "is of another run"
    if found is not None and (EXIT.get(found.verdict, 5) == 0) != succeeded:
        found, fault = None, "is not what the process ended with"
    if found is None:
        if exit_code == EXIT["usage"]:
            return Ended("usage", f"nothing was tried{code}: what has to be mended stands above in the log")
        return Ended("failed", f"the run ended without telling how{code}: its summary {fault}")
    told = [f"{p.path}: {p.fact}" if p.path else p.fact for p in found.problems[:_LISTED]]
    return Ended(found.verdict if found.verdict in OUTCOMES else "failed", "\n  ".join([found.error, *told]), found)


def _read(path: str | None) -> tuple[Summary | None, str]:
    try:
        return Summary.from_dict(json.loads(Path(path or "").read_bytes())), ""
    except (OSError, ValueError, TypeError, RecursionError) as error:
        # ConfigError, a ValueError, is from a sparksig that writes another form than is read here
        other = "is of another version of sparksig" if isinstance(error, ConfigError) else "cannot be read"
        return None, other


# ---- what other tasks get to see


def small(summary: Summary, path: str | None) -> dict[str, Any]:
    """What of a summary goes into an XCom: counts, codes, paths and words; not the plan, nor the signature.

    Args:
        summary: the summary.
        path: where it lies; None if it is not kept.
    """
    checked: dict[str, Any] = {name: summary.facts[name] for name in _CHECKED if name in summary.facts}
    return {
        "run_id": summary.run_id,
        "verdict": summary.verdict,
        "rows_in": summary.rows_in,
        "rows_scored": summary.rows_scored,
        "rows_quarantined": summary.rows_quarantined,
        **checked,
        "violations": [count.to_dict() for count in summary.violations[:_LISTED]],
        "violations_in_all": len(summary.violations),
        "error": summary.error or None,
        "problems": problem_dicts(summary.problems[:_LISTED]),
        "problems_in_all": len(summary.problems),
        "warnings": list(summary.warnings[:_LISTED]),
        "warnings_in_all": len(summary.warnings),
        "outputs": masked_values(dict(summary.outputs)),
        "rejected": masked_values(summary.rejected["path"]) if summary.rejected else None,
        "seconds": round(sum(summary.seconds.values()), 3),
        "summary": masked_values(path),
    }


def lines(summary: Summary) -> list[str]:
    """What a task's log says of a run: counts by path and code, and warnings."""
    counted = {
        "in": summary.rows_in,
        "scored": summary.rows_scored,
        "quarantined": summary.rows_quarantined,
        "clean": summary.facts.get("rows_clean"),
        "with violations": summary.facts.get("rows_violating"),
    }
    rows = ", ".join(f"{rows} {name}" for name, rows in counted.items() if rows is not None)
    head = f"run {summary.run_id}: {summary.verdict}" + (f", rows: {rows}" if rows else "")
    violations = (f"{c.path}: {c.code} in {c.rows} rows" for c in summary.violations[:_LISTED])
    rejected = [f"rejected rows: {summary.rejected['path']}"] if summary.rejected else []
    return [head, *violations, *(f"warning: {line}" for line in summary.warnings[:_LISTED]), *rejected]
