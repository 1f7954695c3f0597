"""HTML representations of sparksig's objects: the markup, and how Jupyter's own styles render it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparksig import tables
from sparksig.enforcement.frames import Split
from tests.accessibility import judged
from tests.reprs import SHOWN_OBJECTS, TOLD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pyspark.sql import SparkSession

TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "details", "summary", "wbr"}
STYLES = "text-align:left|text-align:right|vertical-align:top|font-variant-numeric:tabular-nums|white-space:pre-wrap"
STYLE = re.compile(f"({STYLES}|;)+")
THEMES = ("light", "dark")
WIDTHS = (1000, 700)


class Parsed(HTMLParser):
    """The cells' texts of an HTML fragment; it fails where a tag, an attribute or the nesting is not ours."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert all(name == "style" and STYLE.fullmatch(value or "") for name, value in attrs), attrs
        if tag == "wbr":
            return
        self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] == "td":
            self.cells[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


@pytest.mark.parametrize("name", SHOWN_OBJECTS)
def test_html_repr_is_well_formed_and_does_not_affect_the_page(name: str) -> None:
    Parsed(SHOWN_OBJECTS[name]._repr_html_())


@pytest.mark.parametrize("name", ["signature", "schema", "refused", "report"])
def test_html_repr_shows_every_name_unchanged_in_a_cell(name: str) -> None:
    assert set(TOLD) <= set(Parsed(SHOWN_OBJECTS[name]._repr_html_()).cells)


def test_html_repr_check_detects_bad_markup() -> None:
    for bad in (
        "<style>p {}</style>",
        "<p onclick='x'></p>",
        "<p><table></p>",
        "<p style='color:red'></p>",
        "<!--x-->",
    ):
        with pytest.raises(AssertionError):
            Parsed(bad)


def test_html_repr_of_empty_objects_says_so() -> None:
    shown = {name: re.sub("<[^>]+>", "", SHOWN_OBJECTS[name]._repr_html_()) for name in SHOWN_OBJECTS}
    assert (shown["no params"], shown["only no params"]) == ("no params", "no params")
    assert shown["equal"] == "the signatures are equal"
    assert shown["clean"] == "12,345 rows: 12,345 clean, 0 with violations"


def test_html_repr_folds_a_long_table_and_keeps_every_row() -> None:
    page = SHOWN_OBJECTS["wide"]._repr_html_()
    assert page.index(">c49<") < page.index("<summary>950 more</summary>") < page.index(">c50<") < page.index(">c999<")
    assert page.index("<summary>300 columns not in the signature</summary>") < page.index("c1000, c1001")
    assert tables.html(["n"], [[n] for n in range(tables.ROWS)]).count("details") == 0


def test_html_repr_of_a_plan_shows_problems_first() -> None:
    page = SHOWN_OBJECTS["refused"]._repr_html_()
    assert page.startswith('<table><caption style="text-align:left">the table does not fit: 16 problems</caption>')


def test_ipython_shows_plans_and_reports_as_they_print() -> None:
    from IPython.lib.pretty import pretty

    for name in ("fits", "refused", "report", "changes", "equal"):
        assert pretty(SHOWN_OBJECTS[name]) == str(SHOWN_OBJECTS[name])


def test_split_repr_shows_its_columns_without_a_job(spark: SparkSession) -> None:
    frame = spark.range(3).selectExpr("raise_error('read') as `a<b`")
    parts = Split(frame, frame)
    accepted, quarantined = parts
    assert accepted is quarantined is frame
    spark.conf.set("spark.sql.repl.eagerEval.enabled", True)
    try:
        assert repr(parts) == "Split(accepted=DataFrame[a<b: void], quarantined=DataFrame[a<b: void])"
        assert str(parts).splitlines()[2:] == ["accepted     a<b: void", "quarantined  a<b: void"]
        assert "<td" in parts._repr_html_() and "a&lt;b: void" in parts._repr_html_()
    finally:
        spark.conf.unset("spark.sql.repl.eagerEval.enabled")


# ---- in a browser, as JupyterLab shows it


def notebook_page(theme: str) -> str:
    """A notebook whose outputs are our objects, as nbconvert renders it with JupyterLab's styles."""
    import nbformat
    from nbconvert import HTMLExporter

    cells = []
    for name, value in SHOWN_OBJECTS.items():
        data = {"text/html": value._repr_html_(), "text/plain": str(value)}
        output = nbformat.v4.new_output("execute_result", data)  # type: ignore[no-untyped-call]
        cells.append(nbformat.v4.new_code_cell(name, outputs=[output]))  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    return str(HTMLExporter(theme=theme, template_name="lab").from_notebook_node(notebook)[0])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    files = {theme: tmp_path_factory.mktemp("pages") / f"{theme}.html" for theme in THEMES}
    for theme, file in files.items():
        file.write_text(notebook_page(theme), encoding="utf-8")
    return files


@pytest.fixture
def seen(browser: Browser, pages: dict[str, Path]) -> Iterator[Any]:
    """Open the notebook in a theme and a width, without a network; what is folded is unfolded."""
    opened: list[Any] = []

    def show(theme: str = "light", width: int = WIDTHS[0]) -> tuple[Page, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 800})
        opened.append(context)
        page, events = context.new_page(), list[str]()

        def dismiss(dialog: Any) -> None:
            events.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", dismiss)
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
        page.goto(pages[theme].as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        return page, events

    yield show
    for context in opened:
        context.close()


@pytest.mark.browser
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_html_repr_is_not_wider_than_its_cell(theme: str, width: int, seen: Any) -> None:
    page, _ = seen(theme, width)
    wide = "[...document.querySelectorAll('.jp-OutputArea-output')].filter(e => e.scrollWidth > e.clientWidth)"
    assert page.evaluate("document.querySelectorAll('.jp-OutputArea-output table').length") > 10
    assert page.evaluate(f"{wide}.map(e => e.textContent.slice(0, 60))") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_html_repr_in_jupyter_shows_every_name_and_runs_nothing(seen: Any) -> None:
    page, events = seen()
    cells = page.locator("td").evaluate_all("all => all.map(each => each.textContent)")
    assert set(TOLD) <= set(cells)
    assert page.evaluate("document.querySelectorAll('.jp-OutputArea-output :is(img, script, style)').length") == 0
    assert events == []
    # two blanks are two blanks
    words = page.get_by_role("cell", name="two blanks", exact=True).first
    assert words.evaluate("each => each.innerText") == "two  blanks"


@pytest.mark.browser
def test_html_repr_aligns_strings_left_and_numbers_right(seen: Any) -> None:
    page, _ = seen()
    aligned = """all => all.map(table => [...table.rows].map(row =>
        [...row.cells].map(cell => getComputedStyle(cell).textAlign).join(' ')))"""
    report = page.locator("table", has=page.get_by_text("8,255", exact=True))
    tables_of_rows = page.locator(".jp-OutputArea-output table").evaluate_all(aligned)
    assert set(report.evaluate_all(aligned)[0]) == {"left left left left right"}
    assert all(len(set(rows)) == 1 for rows in tables_of_rows)
    assert sum("right" in rows[0] for rows in tables_of_rows) == 1


@pytest.mark.browser
@pytest.mark.parametrize("theme", THEMES)
def test_html_repr_in_jupyter_has_no_accessibility_barriers(theme: str, seen: Any) -> None:
    page, _ = seen(theme)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
    barriers, passed = judged(page, ".jp-OutputArea-output")
    assert barriers == []
    assert "color-contrast" in passed
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(shade) < 60 if theme == "dark" else min(shade) > 200
