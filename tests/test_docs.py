"""The documents are correct: links resolve, their Python runs, the API reference is generated from docstrings."""

from __future__ import annotations

import ast
import builtins
import doctest
import logging
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

import sparksig
from docs.reference import GROUPS, HANDED_BACK, Reference, parameters, sections, slug
from sparksig.errors import Code

ROOT = Path(__file__).resolve().parent.parent
ERRORS = (ROOT / "docs" / "errors.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
API = ROOT / "docs" / "api.md"
REFERENCE = Reference.read()
PUBLIC = [name for name in sparksig.__all__ if name != "__version__"]
FUNCTIONS = [name for names in REFERENCE.groups.values() for name in names if REFERENCE.find(name).is_function]


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


# ---- codes


def test_docs_errors_page_has_a_heading_per_code_in_order() -> None:
    assert re.findall(r"^## (\w+)$", ERRORS, re.MULTILINE) == [code.value for code in Code]


def test_docs_errors_page_has_meaning_cause_and_fix_per_code() -> None:
    for section in re.split(r"^## ", ERRORS, flags=re.MULTILINE)[1:]:
        name = section.split("\n", 1)[0]
        assert re.findall(r"^\*\*(\w+)\.\*\* ", section, re.MULTILINE) == ["Meaning", "Cause", "Fix"], name


# ---- links and anchors


@cache
def anchors(page: Path) -> set[str]:
    """What a code host calls the headings of a page; one that stands twice is numbered."""
    found: dict[str, int] = {}
    names = set()
    flat = tokens(page)
    for at, token in enumerate(flat):
        if token.type == "heading_open":
            said = "".join(child.content for child in flat[at + 1].children or ())
            seen = found[slug(said)] = found.get(slug(said), -1) + 1
            names.add(f"{slug(said)}-{seen}" if seen else slug(said))
    return names


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        for child in token.children or ():
            if child.type in ("link_open", "image"):
                yield str(child.attrs.get("href", child.attrs.get("src")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_links_and_anchors_resolve(page: Path) -> None:
    lost = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if re.match(r"https?://", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_name_only_existing_files_and_targets(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"`((?:sparksig|tests|jobs|docs|docker|benchmarks)/[\w./-]+)`", text)
    # what a build makes, and what is imported, is not among the files
    assert [name for name in named if not (ROOT / name).exists()] == []
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"`make ([a-z-]+)[` ]", text)
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


# ---- Python in the documents


def blocks(page: Path, kind: str) -> list[str]:
    return [token.content for token in tokens(page) if token.type == "fence" and token.info.strip() == kind]


WITH_PYTHON = [page for page in PAGES if page.name not in ("README.md", "api.md")]
"""The README's blocks have tests of their own, those of the API are the package's doctests."""


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_docs_python_blocks_run_and_fragments_parse(page: Path) -> None:
    for number, code in enumerate(blocks(page, "python")):
        exec(compile(code, f"{page.name}, block {number}", "exec"), {"__name__": "__main__"})
    for code in blocks(page, "python fragment"):
        ast.parse(code)
    for code in blocks(page, "pycon"):
        test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
        assert doctest.DocTestRunner().run(test).failed == 0
    kinds = {token.info.strip() for token in tokens(page) if token.type == "fence"}
    assert {kind for kind in kinds if kind.startswith("py")} <= {"python", "python fragment", "pycon"}


def test_dtype_names_of_numbers_appear_only_in_the_table() -> None:
    homes = set()
    for file in (ROOT / "sparksig").rglob("*.py"):
        constants = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
        homes |= {file.name for value in constants if value in ("uint8", "uint16", "uint32", "int8")}
    assert homes == {"dtypes.py", "onnx.py"}  # as CONTRIBUTING.md says


def test_docs_table_of_marks_equals_pytests() -> None:
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| `make", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert [f"{name}: {what}" for name, what in rows] == markers


# ---- the API


def test_docs_api_reference_is_generated_from_the_docstrings() -> None:
    assert API.read_text() == REFERENCE.markdown(), "run make docs"


def test_docs_api_reference_lists_every_public_name_in_one_group() -> None:
    listed = [name for names in GROUPS.values() for name in names.split()]
    assert sorted(listed) == sorted(PUBLIC)
    assert len(set(REFERENCE.anchors.values())) == len(REFERENCE.headings) == len(REFERENCE.anchors)
    assert "report.summary.Count" in REFERENCE.groups[HANDED_BACK]


def test_docs_docstrings_raise_no_griffe_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="griffe"):
        Reference.read().markdown()
    assert caplog.messages == []


def test_docs_api_reference_contains_no_html() -> None:
    html = [t.content for t in tokens(API) if t.type == "html_block"]
    html += [c.content for t in tokens(API) for c in t.children or () if c.type == "html_inline"]
    assert [one for one in html if not one.startswith("<!--")] == []


def parts(name: str) -> dict[str, object]:
    return dict(sections(REFERENCE.find(name)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docs_functions_document_args_result_errors_and_an_example(name: str) -> None:
    function, said = REFERENCE.find(name), parts(name)
    args = said.get("parameters", [])
    assert isinstance(args, list)
    assert [arg.name for arg in args] == [p.name for p in parameters(function)]
    assert isinstance(function, griffe.Function)
    assert ("returns" in said) == (str(function.returns) != "None")
    assert "raises" in said or name in ("check_compatible", "testing.example_rows")  # which take what is a signature
    assert "example" in said


ERRORS_BY_KIND = {name for name in PUBLIC if name.endswith(("Error", "Fault"))} - {"SparksigError"}
"""They are what the first of them is, and say when they are raised."""


@pytest.mark.parametrize("name", [n for n in PUBLIC if REFERENCE.find(n).is_class and n not in ERRORS_BY_KIND])
def test_docs_classes_document_their_fields_and_an_example(name: str) -> None:
    said = parts(name)
    assert "example" in said and "text" in said
    told = [each.name for kind in ("parameters", "attributes") for each in said.get(kind, [])]  # type: ignore[attr-defined]
    fields = [p.name for p in parameters(REFERENCE.find(name))]
    assert told == fields or not fields


@pytest.mark.parametrize("name", [*FUNCTIONS, *PUBLIC])
def test_docs_raises_sections_name_existing_errors(name: str) -> None:
    for kind, value in sections(REFERENCE.find(name)):
        for each in value if kind == "raises" else ():
            error = getattr(sparksig, str(each.annotation), None) or getattr(builtins, str(each.annotation))
            assert issubclass(error, Exception)
