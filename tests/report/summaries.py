"""Summaries with names that could break a page, and a parser of the page's elements."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from sparksig.errors import Code, Problem
from sparksig.report.summary import Count, Summary

LONG = "n" * 300
NAMES = (
    "<script>alert(1)</script>",
    '"onload=',
    "' onmouseover='alert(2)",
    "${x}",
    "{{ 7 * 7 }}{% raw %}",
    "</style></title></textarea><img src=x onerror=alert(3)>",
    "<!-- ]]> &amp; &#x3c;b&#x3e;",
    "javascript:alert(4)",
    LONG,
    "مجموع المبيعات",
    "it's `one`\\",
    "",
    "price",
)
TURNED = "a\u202eb\u200bc\nd\x1b[2J\ud800"
"""Characters that turn a text's direction, hide in it, break it, or are none: shown as escapes."""
SHOWN = r"a\u202eb\u200bc\nd\x1b[2J\ud800"
DIGEST = f"sha256:{'0a' * 32}"
ROWS = 336_776


def hostile(names: tuple[str, ...] = (*NAMES, TURNED), **changed: Any) -> dict[str, Any]:
    """A summary in which every text that may come from elsewhere is one of the names."""
    codes = list(Code)
    columns = [
        {
            "name": name,
            "source": [name] if number % 2 else [f"t_{name}"],
            "declared": "long",
            "required": number % 3 > 0,
            "observed": f"Object({name}: integer)",
            "verdict": "widened",
            "checks": ["not null", f".{name} whole number"],
        }
        for number, name in enumerate(names)
    ]
    sink = {"format": "parquet", "guarantee": "replaced whole"}
    given: dict[str, Any] = {
        "run_id": names[0],
        "verdict": "quarantined",
        "rows_in": ROWS,
        "rows_scored": ROWS - 5000,
        "rows_quarantined": 5000,
        "violations": tuple(
            Count(name, codes[number].value, "long", f"Object({name}: integer)", 5000 // (number + 1) ** 3 + 1)
            for number, name in enumerate(names)
        ),
        "seconds": {"check": 0.1, "score": 23.7, names[0]: 1.0},
        "outputs": {"summary": names[5], "scored": "s", names[1]: names[0]},
        "params": names,
        "warnings": names,
        "facts": {
            "versions": {"sparksig": "0.1.0", "spark": names[0]},
            "config_digest": DIGEST,
            "model_digest": None,
            "signature": {},
            "plan": {"ok": True, "policy": {"columns": {n: n for n in names}}, "columns": columns, "extra": list(names)}
            | {"problems": []},
        },
        "error": "\n".join(name.replace("\n", " ") for name in names),
        "problems": tuple(Problem(name, name, codes[0], name) for name in names),
        "thresholds": {"max_bad_rows": 9, "max_bad_ratio": 0.05, "columns": dict.fromkeys(names, "warn")},
        "sinks": {
            "scored": {"table": names[4], "rows": ROWS - 5000, **sink},
            "quarantine": {"path": f"/{names[0]}/{names[-1]}", "rows": 5000, **sink},
        },
        "source": {"table": names[2], "format": names[0], "read": "twice", "digest": "0a1b"},
    }
    return Summary(**{**given, **changed}).to_dict()


@dataclass
class Page(HTMLParser):
    """What a page consists of, as a parser sees it."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page
