"""A small table as text or as escaped HTML: the one way a repr shows rows and columns.

>>> print(text(("column", "code"), [("age", "NULL"), ("price", "OUT_OF_RANGE")]))
column  code
------  ------------
age     NULL
price   OUT_OF_RANGE
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def printable(value: object) -> str:
    r"""`value` as one line of text: control characters and line breaks are shown as escapes.

    >>> print(printable("a\nb"))
    a\nb
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(value))


def text(header: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[int] = ()) -> str:
    """The table as aligned text without trailing blanks; columns whose index is in `right` are right-aligned."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    flush = set(right)

    def line(row: Sequence[str]) -> str:
        padded = (c.rjust(w) if i in flush else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["-" * w for w in widths]), *map(line, cells)])


def html(header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "", right: Iterable[int] = ()) -> str:
    """The table as an HTML `<table>`; every cell, the header and the caption are escaped.

    Notebooks align the text of tables to the right, and no style of ours may reach their page: each cell has its own. Of
    many rows those behind the first are folded; where there is none, the caption stands alone.

    Args:
        header: the columns' names.
        rows: the cells.
        caption: what stands above.
        right: the index of each column that is right-aligned; others are left-aligned.

    >>> html(["name"], [["<script>"]])
    '<table><thead><tr><th style="text-align:left;vertical-align:top">name</th></tr></thead><tbody><tr><td style="text-align:left;vertical-align:top">&lt;script&gt;</td></tr></tbody></table>'
    """  # noqa: E501
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        return note(caption) if caption else ""
    flush = set(right)
    long = {i for i, column in enumerate(zip(*cells, strict=True)) if any(map(_is_long, column))}
    styles = [_style(i in flush, i in long) for i in range(len(header))]
    first, more = cells[:ROWS], cells[ROWS:]
    table = _table(header, first, styles, caption)
    return table + (folded(f"{len(more):,} more", _table(header, more, styles, "")) if more else "")


ROWS = 50
"""How many rows of a table stand open in HTML."""


def note(words: str) -> str:
    """A line of text beside tables, escaped."""
    return f'<p style="text-align:left;overflow-wrap:anywhere">{escape(printable(words))}</p>'


def folded(words: str, content: str) -> str:
    """HTML that shows itself when the words, which are escaped, are clicked."""
    return f"<details><summary>{escape(printable(words))}</summary>{content}</details>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str], caption: str) -> str:
    head = "".join(f'<th style="{style}">{escape(name)}</th>' for name, style in zip(header, styles, strict=True))
    body = "".join(f"<tr>{''.join(map(_cell, row, styles))}</tr>" for row in rows)
    title = f'<caption style="text-align:left">{escape(printable(caption))}</caption>' if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(words: str, style: str) -> str:
    blanks = ";white-space:pre-wrap" if "  " in words or words != words.strip() else ""
    told = escape(words)
    if _is_long(words):  # the names in a struct's type are broken behind a comma first
        told = told.replace(",", ",<wbr>")
    return f'<td style="{style}{blanks}">{told}</td>'


def _style(right: bool, long: bool) -> str:
    """No colours: those of the page are right in its light and its dark theme."""
    aligned = "text-align:right;font-variant-numeric:tabular-nums" if right else "text-align:left"
    return f"{aligned};vertical-align:top" + (";overflow-wrap:anywhere;min-width:12em" if long else "")


def _is_long(words: str) -> bool:
    """Whether a word, which no line breaks by itself, is wider than a column should be."""
    return any(len(word) > _WORD for word in words.split())


_WORD = 30


def pretty(shown: object, printer: Any, cycle: bool) -> None:
    """A class's `_repr_pretty_`: IPython and notebooks show its objects as they print; their `repr` is for programs."""
    printer.text(str(shown))
