"""The report page in a headless Chromium: hostile names have no effect, and the page is accessible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparksig.report.html import report_html
from sparksig.report.summary import Count, Summary
from tests.accessibility import judged
from tests.report.summaries import NAMES, SHOWN, hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PAGES: dict[str, dict[str, Any]] = {
    "hostile": hostile(),
    "usual": hostile(error="", problems=(), warnings=()),
    "clean": hostile(verdict="clean", violations=(), rows_quarantined=0, error="", problems=()),
    "failed": Summary("r", "failed", error="the disk is full").to_dict(),
    "long": Summary(
        "r", "over_threshold", 99, 9, 90, tuple(Count(f"c{n}", "NULL", "long", "long", 90 - n) for n in range(60))
    ).to_dict(),
}
DESKTOP, PHONE = 1280, 360


class Seen:
    """A page that was opened, and all that it did meanwhile."""

    def __init__(self, browser: Browser, file: Path, width: int, scheme: Any) -> None:
        self.events: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, service_workers="block"
        )
        self.page: Page = self.context.new_page()
        self.page.on("dialog", self.dismiss)
        self.page.on("console", lambda message: self.events.append(f"console {message.text}"))
        self.page.on("pageerror", lambda error: self.events.append(f"error {error}"))
        self.page.on("request", lambda request: self.events.append(f"request {request.url}"))
        self.page.goto(file.as_uri())
        self.page.wait_for_load_state("networkidle")
        self.page.mouse.move(width / 2, 400)
        assert self.events.pop(0) == f"request {file.as_uri()}"

    def dismiss(self, dialog: Any) -> None:
        self.events.append(f"dialog {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def seen(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Open one of PAGES, or any other text, at a width and in a light."""
    opened: list[Seen] = []

    def show(name: str, width: int = DESKTOP, scheme: str = "light", text: str | None = None) -> Seen:
        file = tmp_path / f"{name}.html"
        file.write_text(text or report_html(PAGES[name]), encoding="utf-8")
        opened.append(Seen(browser, file, width, scheme))
        return opened[-1]

    yield show
    for each in opened:
        each.context.close()


def test_report_page_listener_detects_dialogs_and_requests(seen: Any) -> None:
    bad = seen("bad", text="<script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(3)>")
    assert [event.split()[0] for event in bad.events if "dialog" in event] == ["dialog", "dialog"]
    assert "request http://127.0.0.1:9/x" in bad.events


def test_report_page_policy_blocks_injected_html(seen: Any) -> None:
    page = report_html(PAGES["hostile"])
    holes = (
        "<script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(3)><p id=p style='color:red' onclick=1>"
    )
    broken = seen("broken", text=page.replace("<main>", f"<main>{holes}"))
    assert [event for event in broken.events if not event.startswith(("console", "request"))] == []
    assert len([event for event in broken.events if "Content Security Policy" in event]) >= 3
    assert broken.page.evaluate("getComputedStyle(document.getElementById('p')).color") != "rgb(255, 0, 0)"


@pytest.mark.parametrize("name", PAGES)
def test_report_page_runs_and_fetches_nothing(name: str, seen: Any) -> None:
    found = seen(name)
    assert found.events == []
    assert (
        found.page.evaluate("document.scripts.length + document.querySelectorAll('img, link, iframe, a').length") == 0
    )
    with_handlers = (
        "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on|style/.test(a.name)))"
    )
    assert found.page.evaluate(f"{with_handlers}.length") == 0
    # and the style is in force
    assert found.page.evaluate("getComputedStyle(document.querySelector('section')).borderTopWidth") == "1px"


def test_report_page_shows_every_name_unchanged(seen: Any) -> None:
    page = seen("hostile").page
    page.locator("summary").evaluate_all("all => all.forEach(each => each.parentElement.open = true)")
    names = page.locator(".violations tbody th > .name").evaluate_all("all => all.map(each => each.textContent)")
    assert sorted(names) == sorted([name or "empty name" for name in NAMES] + [SHOWN])
    assert page.title() == f"Quarantined: run {NAMES[0]}"
    # text from right to left stays in its cell, and the words around it in their order
    direction = "getComputedStyle(document.querySelector('.violations .types')).direction"
    assert page.evaluate(direction) == "ltr"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_report_page_fits_the_viewport(name: str, width: int, seen: Any) -> None:
    page = seen(name, width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    assert page.evaluate(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []


def test_report_page_accessibility_check_detects_barriers(seen: Any) -> None:
    barriers, _ = judged(
        seen("pale", text="<p style='color:#999;background:#fff'>pale</p><table><tr><th></th></tr>").page
    )
    assert {"color-contrast", "html-has-lang", "landmark-one-main", "document-title"} <= set(barriers)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_report_page_has_no_accessibility_barriers(name: str, scheme: str, width: int, seen: Any) -> None:
    barriers, passed = judged(seen(name, width, scheme).page)
    assert barriers == []
    assert {"color-contrast", "landmark-one-main", "region", "html-has-lang"} <= set(passed)


def test_report_page_follows_the_color_scheme(seen: Any) -> None:
    shown = [seen("clean", scheme=scheme).page for scheme in ("light", "dark")]
    light, dark = (
        page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)") for page in shown
    )
    assert min(light) > 200 and max(dark) < 60


def test_report_page_selects_a_snippet_with_one_click(seen: Any) -> None:
    page = seen("hostile").page
    page.locator("pre").first.click()
    selected = page.evaluate("getSelection().toString()")
    assert selected.strip() == page.locator("pre").first.text_content().strip()
    compile(selected, "pasted", "exec")


def test_report_page_shows_the_verdict_on_the_first_screen(seen: Any) -> None:
    for width in (DESKTOP, PHONE):
        page = seen("usual", width).page
        for place, words in (("h1", "Quarantined"), (".tiles", "336,776"), (".tiles", "331,776")):
            box = page.locator(place, has_text=words).bounding_box()
            assert box is not None and box["y"] + box["height"] <= 800, words
