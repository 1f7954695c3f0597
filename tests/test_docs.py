"""docs/errors.md explains every code, and nothing that is none."""

from __future__ import annotations

import re
from pathlib import Path

from sparksig.errors import Code

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "errors.md").read_text()


def test_every_code_has_its_heading_in_the_order_of_the_code() -> None:
    assert re.findall(r"^## (\w+)$", TEXT, re.MULTILINE) == [code.value for code in Code]


def test_every_heading_has_meaning_cause_and_fix() -> None:
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        name = section.split("\n", 1)[0]
        assert re.findall(r"^\*\*(\w+)\.\*\* ", section, re.MULTILINE) == ["Meaning", "Cause", "Fix"], name
