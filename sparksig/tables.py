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


def html(header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """The table as an HTML `<table>`; every cell, the header and the caption are escaped.

    >>> html(["name"], [["<script>"]])
    '<table><thead><tr><th>name</th></tr></thead><tbody><tr><td>&lt;script&gt;</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(printable(c))}</td>" for c in row) + "</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
