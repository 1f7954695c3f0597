"""A small table as text or as escaped HTML: the one way a repr shows rows and columns.

>>> print(text(("column", "code"), [("age", "NULL"), ("price", "OUT_OF_RANGE")]))
column  code
------  ------------
age     NULL
price   OUT_OF_RANGE
"""

from __future__ import annotations

import re
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
    styles = [_RIGHT if i in flush else _LEFT for i in range(len(header))]
    first, more = cells[:ROWS], cells[ROWS:]
    table = _table(header, first, styles, caption)
    return table + (folded(f"{len(more):,} more", _table(header, more, styles, "")) if more else "")


ROWS = 50
"""How many rows of a table stand open in HTML."""


def note(words: str) -> str:
    """A line of text beside tables, escaped."""
    return f'<p style="text-align:left">{_breakable(printable(words))}</p>'


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
    return f'<td style="{style}{blanks}">{_breakable(words)}</td>'


# no colours: those of the page are right in its light and its dark theme
_LEFT = "text-align:left;vertical-align:top"
_RIGHT = "text-align:right;vertical-align:top;font-variant-numeric:tabular-nums"


def _breakable(words: str) -> str:
    """The words escaped; a long one may be broken, as a rule behind a comma or a `_`, where its column is narrow.

    By elements, because JupyterLab drops the style that would do it from a notebook that it does not trust.
    """
    short_and_long = re.split(r"(\S{25,})", words)
    parts = [re.findall(_PART, each) if i % 2 else [each] for i, each in enumerate(short_and_long)]
    return "".join("<wbr>".join(map(escape, each)) for each in parts)


_PART = re.compile("[^,_]{0,11}[,_]|[^,_]{1,12}")


def pretty(shown: object, printer: Any, cycle: bool) -> None:
    """A class's `_repr_pretty_`: IPython and notebooks show its objects as they print; their `repr` is for programs."""
    printer.text(str(shown))
