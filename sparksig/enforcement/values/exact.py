"""Casts of texts and decimals, value by value in Python's exact numbers: what no vector of numpy holds.

The rules are those of the cast table; SQL spells them too, and both are held against one oracle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import partial
from math import inf, isinf, nan
from typing import TypeAlias

import numpy as np

from sparksig.errors import Code
from sparksig.signature.casts import BOOLEAN_TEXT, DATETIME_TEXT, FLOAT_TEXT, INTEGER_TEXT, Cast, Fixed
from sparksig.signature.dtypes import Element, Kind

Read: TypeAlias = Callable[[object], object]
"""From a value that is not null to the cast value, or to the code of the guard that it fails."""

_WIDE = Context(prec=400, rounding=ROUND_HALF_UP)
_WHOLE_DOUBLES = 2**53
_DAY = 86_400_000_000
_LONGEST_OFFSET = 18 * 60

_INTEGER, _FLOAT, _BOOLEAN = (re.compile(text) for text in (INTEGER_TEXT, FLOAT_TEXT, BOOLEAN_TEXT))
_DATETIME = re.compile(DATETIME_TEXT)
_PARTS = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:(Z)|([+-])(\d\d):?(\d\d))?)?", re.ASCII
)


def reader(cast: Cast) -> Read:
    """How one value travels by a cell of the cast table whose source is text or a decimal.

    >>> from sparksig.signature.casts import find_cast
    >>> from sparksig.signature.dtypes import ELEMENTS
    >>> read = reader(find_cast(ELEMENTS["str"], ELEMENTS["int32"]))
    >>> read("12"), read("1e3"), read("9999999999")
    (12, <Code.UNPARSABLE: 'UNPARSABLE'>, <Code.OUT_OF_RANGE: 'OUT_OF_RANGE'>)
    """
    target = cast.target
    if isinstance(cast.source, Fixed):
        if target.kind is Kind.INTEGER:
            return partial(_integer_of_decimal, target=target)
        return partial(_float_of_decimal, cast=cast, scale=cast.source.scale)
    of_text: dict[Kind, Read] = {
        Kind.INTEGER: partial(_integer_of_text, target=target),
        Kind.FLOAT: partial(_float_of_text, target=target),
        Kind.BOOLEAN: _boolean_of_text,
        Kind.DATETIME: _moment_of_text,
    }
    return of_text[target.kind]


def nearest(x: Fraction, target: Element) -> float:
    """The nearest value of the float that carries a type, ties to even; infinite beyond the largest.

    >>> from sparksig.signature.dtypes import ELEMENTS
    >>> nearest(Fraction(2**24 + 1), ELEMENTS["float32"])
    16777216.0
    """
    try:
        double = float(x)  # Python rounds a fraction once
    except OverflowError:
        double = inf if x > 0 else -inf
    if target.spark == "double" or isinf(double):
        return double
    with np.errstate(over="ignore", under="ignore"):
        single = np.float32(double)
        # rounding twice is wrong where the double lies exactly between two floats and x does not
        around = [single, np.nextafter(single, np.float32(-inf)), np.nextafter(single, np.float32(inf))]
    if isinf(single):
        return float(single)
    finite = [float(value) for value in around if not isinf(value)]
    best = min(abs(Fraction(value) - x) for value in finite)
    ties = [value for value in finite if abs(Fraction(value) - x) == best]
    return min(ties, key=lambda value: int(np.float32(value).view(np.uint32)) & 1)


# ---- decimals


def _integer_of_decimal(x: object, target: Element) -> object:
    assert isinstance(x, Decimal)
    if not target.low <= x <= target.high:
        return Code.OUT_OF_RANGE
    whole = int(x)
    return whole if whole == x else Code.NOT_EXACT


def _float_of_decimal(x: object, cast: Cast, scale: int) -> object:
    assert isinstance(x, Decimal)
    target = cast.target
    y = nearest(Fraction(x), target)
    if isinf(y) or (target.suffix is None and abs(y) >= target.largest + 16):
        return Code.OUT_OF_RANGE
    if cast.rounds or not cast.guards:
        return y
    if target.suffix is None:  # float16 rides on float: it is held exactly, or not at all
        return y if Fraction(float(np.float16(y))) == Fraction(x) else Code.NOT_EXACT
    # the way back is by the shortest text of the double, which is another number from 2^53 on
    exact = scale == 0 or abs(y) >= _WHOLE_DOUBLES
    back = Decimal(y) if exact else Decimal(repr(y)).quantize(Decimal(1).scaleb(-scale), context=_WIDE)
    return y if back == x else Code.NOT_EXACT


# ---- texts


def _integer_of_text(x: object, target: Element) -> object:
    if not _INTEGER.fullmatch(str(x)):
        return Code.UNPARSABLE
    digits = str(x).lstrip("+-").lstrip("0")
    if len(digits) > len(str(target.high)):  # Python refuses to read thousands of digits
        return Code.OUT_OF_RANGE
    value = -int(digits or 0) if str(x).startswith("-") else int(digits or 0)
    return value if target.low <= value <= target.high else Code.OUT_OF_RANGE


def _float_of_text(x: object, target: Element) -> object:
    text = str(x)
    if not _FLOAT.fullmatch(text):
        return Code.UNPARSABLE
    if text.endswith("N"):
        return nan
    sign = -1.0 if text.startswith("-") else 1.0
    if text.endswith("y"):
        return sign * inf
    double = float(text)
    y = double if target.spark == "double" or not np.isfinite(double) else _float_of_long_text(text, double, target)
    if isinf(y) or (target.suffix is None and abs(y) >= target.largest + 16):
        return Code.OUT_OF_RANGE
    if y == 0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        return Code.OUT_OF_RANGE
    return sign * abs(y)


def _float_of_long_text(text: str, double: float, target: Element) -> float:
    # exact arithmetic only where it can matter, and never on an exponent that would fill the memory
    if double == 0 or abs(double) < 1e-60:
        return 0.0
    return nearest(Fraction(Decimal(text)), target)


def _boolean_of_text(x: object) -> object:
    return str(x).lower() == "true" if _BOOLEAN.fullmatch(str(x)) else Code.UNPARSABLE


def _moment_of_text(x: object) -> object:
    """Microseconds since 1970, of the wall clock as written or, with an offset, of the instant."""
    match = _DATETIME.fullmatch(str(x)) and _PARTS.fullmatch(str(x))
    if not match:
        return Code.UNPARSABLE
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = match.groups()
    offset = int(hours or 0) * 60 + int(minutes or 0)
    clock = (int(hour or 0), int(minute or 0), int(second or 0))
    if not _is_day(int(year), int(month), int(day)) or any(n > top for n, top in zip(clock, (23, 59, 59), strict=True)):
        return Code.UNPARSABLE
    if int(minutes or 0) > 59 or offset > _LONGEST_OFFSET:
        return Code.UNPARSABLE
    nanos = (fraction or "").ljust(9, "0")
    if int(nanos[6:]):
        return Code.NOT_EXACT
    days = int(np.datetime64(f"{year}-{month}-{day}", "D").astype(int))
    seconds = (clock[0] * 60 + clock[1]) * 60 + clock[2] - (-offset if sign == "-" else offset) * 60
    return days * _DAY + seconds * 1_000_000 + int(nanos[:6])


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year or 4, month, day)  # year 0 is a leap year, like 4
    except ValueError:
        return False
    return True
