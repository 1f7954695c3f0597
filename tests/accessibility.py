"""Accessibility violations that axe reports for a page in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page


def judged(page: Page, within: str | None = None) -> tuple[list[str], list[str]]:
    """The rules of accessibility that a page, or all that a selector finds, breaks, and those that it keeps."""
    from axe_playwright_python.sync_playwright import Axe

    context: Any = within
    found = Axe().run(page, context).response
    return [each["id"] for each in found["violations"]], [each["id"] for each in found["passes"]]
