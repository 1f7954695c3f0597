"""The report page as a parser reads it: no script, no request, every string escaped."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sparksig.errors import ConfigError, NotSupportedError
from sparksig.report.html import page_template, report_html
from sparksig.report.summary import Count, Summary
from tests.report.summaries import NAMES, SHOWN, TURNED, hostile, parsed

ROOT = Path(__file__).resolve().parent.parent.parent
HARMLESS = re.compile(
    "html|head|meta|title|style|body|header|main|footer|section|h[123]|p|b|i|span|bdi|code|pre|small|ul|li|dl|div|dt|dd"
    "|table|caption|thead|tbody|tr|th|td|details|summary|svg|rect"
)
STILL = re.compile("lang|charset|http-equiv|content|name|class|id|aria-[a-z]+|focusable|scope|open|width|height|rx")


def test_report_html_has_no_script_and_no_request_for_hostile_names() -> None:
    html = report_html(hostile())
    page = parsed(html)
    assert [tag for tag, _ in page.tags if not HARMLESS.fullmatch(tag)] == []
    assert [name for _, attributes in page.tags for name in attributes if not STILL.fullmatch(name)] == []
    assert [word for word in ("http:", "https:", "url(", "@import", "src=") if word in html] == ["src="]
    assert "src=" not in html.replace("&lt;img src=x onerror=alert(3)&gt;", "")


def test_report_html_elements_do_not_depend_on_names() -> None:
    # a dollar, which SQL cannot say in a path either
    plain = tuple(f"${number}" if name else "" for number, name in enumerate((*NAMES, TURNED)))
    assert parsed(report_html(hostile())).tags == parsed(report_html(hostile(plain))).tags


def test_report_html_shows_every_name_where_it_is_used() -> None:
    text = parsed(report_html(hostile())).text
    for name in NAMES:
        # a violation, a warning, a param, a step of the plan, a column beside it, a threshold
        assert text.count(name) >= 6, name
    assert text.count(SHOWN) >= 6
    assert re.findall(r"[\u202e\u200b\x1b\ud800]", text) == []


def test_report_html_policy_allows_only_its_own_style() -> None:
    html = report_html(hostile())
    (policy,) = [a["content"] for tag, a in parsed(html).tags if a.get("http-equiv") == "Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # the policy comes before everything that it has to hold
    tags = [tag for tag, _ in parsed(html).tags]
    assert tags[:4] == ["html", "head", "meta", "meta"] and tags.index("style") > 3


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("clean", "Committed. Every row"),
        ("quarantined", "Committed. Clean rows"),
        ("over_threshold", "Nothing was committed: more rows"),
        ("incompatible", "Nothing was committed: the table"),
        ("failed", "Nothing was committed: the run"),
    ],
)
def test_report_html_shows_the_verdict_first(verdict: str, told: str) -> None:
    text = parsed(report_html(Summary("r", verdict).to_dict())).text
    body = " ".join(text.partition("sparksig run")[2].split())
    assert re.match(rf"r . {verdict.replace('_', ' ').capitalize()} {told}", body)
    assert "Not counted" in body


def test_report_html_shows_counts_shares_and_bars() -> None:
    counts = (Count("b", "NULL", "long", "integer", 1), Count("a", "NAN", "double", "double", 4))
    page = parsed(report_html(Summary("r", "quarantined", 1200, 1195, 5, counts).to_dict()))
    text = " ".join(" ".join(page.texts).split())
    assert "Read 1,200 Scored 1,195 99.6% Quarantined 5 0.4%" in text
    assert "Every row is accounted for: read = scored + quarantined." in text
    bars = [a["width"] for tag, a in page.tags if tag == "rect" and a["class"] == "fill"]
    assert bars == ["99.40%", "100.00%", "25.00%"]  # scored, then the violations with the most rows first
    assert "do not add up" in report_html(Summary("r", "failed", 1200, 1195, 4).to_dict())
    # a run may fail though the counts are right: with rows that are not those of the source
    assert "accounted for" not in report_html(Summary("r", "failed", 1200, 1195, 5).to_dict())


def test_report_html_collapses_long_lists() -> None:
    counts = tuple(Count(f"c{number}", "NULL", "long", "long", 50 - number) for number in range(50))
    page = parsed(report_html(Summary("r", "over_threshold", 60, 10, 50, counts).to_dict()))
    assert "30 more" in page.text
    assert [attributes for tag, attributes in page.tags if tag == "details"] == [{}]
    assert all(f"c{number}" in page.text for number in range(50))


def test_report_html_lists_stream_batches_and_keeps_the_committed_ones() -> None:
    def batch(number: int, verdict: str, rows: int) -> dict[str, object]:
        counts = {"rows_in": rows, "rows_scored": rows, "rows_quarantined": 0}
        return {"batch": number, "run_id": f"s.batch-{number}", "verdict": verdict, **counts, "summary": "s.json"}

    stood = [batch(number, "clean", 1000 + number) for number in range(24)]
    facts = {"batches": [*stood, batch(24, "over_threshold", 7)]}
    html = report_html(Summary("s", "over_threshold", 24276, 24276, 0, facts=facts).to_dict())
    text = " ".join(" ".join(parsed(html).texts).split())
    assert "The stream was stopped. What was committed before that stands, batches: 24." in text
    assert "Nothing was committed" not in text and "Scored 24,276 100%" in text
    assert "24 over threshold 7 7 0 23 clean 1,023" in text and "5 more" in text
    first = {"batches": [batch(0, "failed", 7)]}
    assert "Nothing was committed" in report_html(Summary("s", "failed", 0, 0, 0, facts=first).to_dict())


def test_report_html_queries_the_quarantine_only_after_a_commit() -> None:
    assert "spark.read.format" in report_html(hostile())
    assert "spark.read.format" not in report_html(hostile(verdict="over_threshold"))
    assert "spark.read.format" not in report_html(hostile(rows_quarantined=0, rows_scored=336_776))
    by_output = hostile(sinks={}, outputs={"quarantine": "bad/run_id=r"})
    assert "FROM parquet.`bad/run_id=r`" in parsed(report_html(by_output)).text


def test_report_html_hides_row_keys() -> None:
    counts = (Count("a", "NULL", "long", "long", 1, ({"id": "4711-4712"},)),)
    assert "4711" not in report_html(Summary("r", "quarantined", 2, 1, 1, counts).to_dict())


def test_report_html_rejects_documents_that_are_not_a_summary() -> None:
    with pytest.raises(ConfigError):
        report_html({"schema_version": 1})


def test_report_html_names_the_missing_jinja_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    page_template.cache_clear()
    with pytest.raises(NotSupportedError, match=r"sparksig\[report\]"):
        report_html(hostile())


def test_report_html_and_summary_schema_work_from_a_zip(tmp_path: Path) -> None:
    home = tmp_path / "sparksig.zip"
    with zipfile.ZipFile(home, "w") as archive:
        for path in (ROOT / "sparksig").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT))
    code = """if True:
        from sparksig.report.html import report_html
        from sparksig.report.schema import __file__ as home, check_summary
        from sparksig.report.summary import Summary
        found = Summary("r", "clean").to_dict()
        check_summary(found)
        print("Every row was clean" in report_html(found), "sparksig.zip" in home)"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, env={"PYTHONPATH": str(home)}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True True\n", "")
