"""A summary as one HTML page: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sparksig import tables
from sparksig.errors import NotSupportedError
from sparksig.redaction import masked_values
from sparksig.report.query import quarantine_python, quarantine_sql
from sparksig.report.summary import Summary, sorted_counts

if TYPE_CHECKING:
    from jinja2 import Template

SHOWN = 20
"""So many rows of a long table are shown at once; the others open on demand."""

_VERDICTS = {
    "clean": ("good", "Committed. Every row was clean and has been scored."),
    "quarantined": ("fair", "Committed. Clean rows have been scored, the others are in the quarantine."),
    "over_threshold": (
        "bad",
        "Nothing was committed: more rows are dirty, or there are more warnings, than tolerated.",
    ),
    "incompatible": ("bad", "Nothing was committed: the table does not fit the signature."),
    "failed": ("bad", "Nothing was committed: the run failed."),
}
_COMMITTED = ("clean", "quarantined")
_READ = {
    "once": "read once",
    "pinned": "read once and pinned",
    "twice": "read twice, and compared",
}


def report_html(summary: Mapping[str, Any]) -> str:
    """One self-contained page of what a run did: the verdict, counts, violations, the plan, timings.

    Args:
        summary: the summary, as `Summary.to_dict` gives it and `summary.json` holds it.

    Returns:
        An HTML document. It asks for nothing, runs nothing, and follows the reader's choice of dark or light. Keys of
        rows are not on it, even where the summary has some.

    Raises:
        ConfigError: it is not a summary of this version.
        NotSupportedError: jinja2 is missing.

    >>> page = report_html(Summary("<r1>", "clean", 2, 2, 0).to_dict())
    >>> "&lt;r1&gt;" in page, "<script" in page
    (True, False)
    """
    found = Summary.from_dict(masked_values(summary))  # a summary of an older version is not masked
    tone, sentence = _VERDICTS[found.verdict]
    batches = list(reversed(found.facts.get("batches", [])))
    before = sum(batch["verdict"] in _COMMITTED for batch in batches)
    if before and tone == "bad":
        sentence = f"The stream was stopped. What was committed before that stands, batches: {before}."
    style = _data("style.css")
    return page_template().render(
        run=found,
        tone=tone,
        committed=tone != "bad" or before > 0,
        batches=batches,
        sentence=sentence,
        violations=sorted_counts(found.violations),
        total=sum(found.seconds.values()),
        policy=_policy(found),
        queries=_queries(found) if tone != "bad" or before or found.rejected else [],
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


@cache
def page_template() -> Template:
    """The page's template. A job that will write a report asks for it before it begins.

    Raises:
        NotSupportedError: jinja2 is missing.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise NotSupportedError("an HTML report needs jinja2: pip install 'sparksig[report]'") from None
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(count=_count, share=share)
    environment.globals.update(SHOWN=SHOWN, READ=_READ)
    return environment.from_string(_data("layout.html.jinja"))


def share(part: float, whole: float) -> str:
    """A part of a whole in percent; nothing that is there is 0%, and nothing that lacks something is 100%.

    >>> share(1, 4), share(1, 3), share(1, 336776), share(336775, 336776), share(0, 0), share(5, 5)
    ('25%', '33.3%', '<0.1%', '>99.9%', '0%', '100%')
    """
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.1f}".removesuffix(".0") + "%"


def _count(number: int | None) -> str:
    return "not counted" if number is None else f"{number:,}"


def _shown(value: object) -> object:
    """What could turn the direction of a text, hide in it or break it is shown as an escape."""
    return value if hasattr(value, "__html__") else tables.printable(value)


def _policy(summary: Summary) -> dict[str, str]:
    """The options that differ from the defaults; what is no text as JSON."""
    given = summary.facts.get("plan", {}).get("policy", {})
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in given.items()
    }


def _queries(summary: Summary) -> list[tuple[str, list[str]]]:
    """What to paste to look into the quarantine, by language; nothing where there is none or no row in it."""
    sink = summary.rejected or summary.sinks.get("quarantine") or {"path": summary.outputs.get("quarantine")}
    if not summary.rows_quarantined or not summary.violations or not (sink.get("path") or sink.get("table")):
        return []
    path = sorted_counts(summary.violations)[0].path
    texts = {"PySpark": quarantine_python(sink, path), "Spark SQL": quarantine_sql(sink, path)}
    return [(language, text.split("\n")) for language, text in texts.items() if text is not None]


def _data(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text("utf-8")
