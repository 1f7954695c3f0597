"""Partition folders `name=value`: their names, their values and the types that Spark infers for them.

Spark infers a type for each value, then the narrowest type that all values of a column fit. The rules here are those of
Spark's `PartitioningUtils`, without its session's time zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sparksig.signature.dtypes import SPARK
from sparksig.sources.observed import DecimalType, Field, ObservedType, OtherType, ScalarType

NULL = "__HIVE_DEFAULT_PARTITION__"
"""The folder value that Hive and Spark write for a null."""

_VOID = OtherType("void")
_NUMBER = re.compile(r"[+-]?(?:(?P<whole>\d+)(?:\.(?P<part>\d*))?|\.(?P<only>\d+))(?:[eE](?P<exponent>[+-]?\d{1,9}))?")
_DOUBLE = re.compile(
    r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?"
    r"|0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+[dDfF]?)"
)
_DATE = re.compile(r"(-?\d{4})-(\d{2})-(\d{2})")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d)?")
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}(\.\d{1,6})?")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_INTEGERS = ("integer", "long")
_DIGITS = {"integer": 10, "long": 20}  # the decimal that holds every value, as Spark sees it


@dataclass(frozen=True, slots=True)
class Value:
    """One partition folder.

    Attributes:
        name: the column.
        raw: the value as the folder has it, with its percent escapes.
    """

    name: str
    raw: str

    @property
    def text(self) -> str | None:
        """The value without escapes; None for a null."""
        return None if self.raw == NULL else unescape(self.raw)


def parse_folder(folder: str) -> Value | None:
    """Read the name of a folder; None if it is not a partition folder.

    >>> parse_folder("day=2026-01-31"), parse_folder("late")
    (Value(name='day', raw='2026-01-31'), None)
    """
    name, equals, raw = folder.partition("=")
    return Value(unescape(name), raw) if equals else None


def unescape(text: str) -> str:
    """Replace percent escapes by the characters that they stand for; Spark escapes single characters below 256."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def partition_fields(rows: Sequence[Sequence[Value]]) -> tuple[Field, ...]:
    """Type the partition columns of a dataset.

    Args:
        rows: the values of each leaf folder, all with the same columns.
    """
    if not rows:
        return ()
    return tuple(
        Field(first.name, column_type(row[position].raw for row in rows)) for position, first in enumerate(rows[0])
    )


def column_type(values: Iterable[str]) -> ObservedType:
    """Infer the type of a column from the raw values of its folders.

    >>> str(column_type(["1", "3000000000"])), str(column_type(["1", NULL])), str(column_type(["007", "x"]))
    ('long', 'integer', 'string')
    """
    inferred: ObservedType = _VOID
    for kind in map(value_type, dict.fromkeys(values)):
        inferred = wider(inferred, kind)
    return inferred


def value_type(raw: str) -> ObservedType:
    """Infer the type of one value, as Spark does without other values of its column."""
    if raw == NULL:
        return _VOID
    for infer in (_integer, _decimal, _double, _timestamp, _date, _time):
        if (kind := infer(raw)) is not None:
            return kind
    return ScalarType(SPARK["string"])


def wider(one: ObservedType, other: ObservedType) -> ObservedType:
    """The type for a column that holds values of two types; string where nothing else holds both."""
    if one == other or other == _VOID:
        return one
    if one == _VOID:
        return other
    names = {str(one), str(other)}
    if names == {"integer", "long"}:
        return ScalarType(SPARK["long"])
    if names == {"integer", "double"}:
        return ScalarType(SPARK["double"])
    if names == {"date", "timestamp"}:
        return ScalarType(SPARK["timestamp"])
    digits = [_DIGITS.get(str(kind), kind.precision if isinstance(kind, DecimalType) else 0) for kind in (one, other)]
    if all(digits):
        return DecimalType(max(digits), 0)
    return ScalarType(SPARK["string"])


def parse_value(raw: str, kind: ObservedType) -> Any:
    """The Python value of a partition folder, in the type of its column."""
    if raw == NULL:
        return None
    text = unescape(raw)
    if isinstance(kind, DecimalType):
        return Decimal(raw)
    parse = _PARSERS.get(str(kind))
    return text if parse is None else parse(text)


def _integer(raw: str) -> ObservedType | None:
    if re.fullmatch(r"[+-]?\d+", raw) is None:
        return None
    number = int(raw)
    for name, bits in (("integer", 31), ("long", 63)):
        if -(2**bits) <= number < 2**bits:
            return ScalarType(SPARK[name])
    return None


def _decimal(raw: str) -> ObservedType | None:
    """A number without digits after its point, once its exponent is applied."""
    if (match := _NUMBER.fullmatch(raw)) is None:
        return None
    whole, part = match["whole"] or "", match["part"] or match["only"] or ""
    scale = len(part) - int(match["exponent"] or 0)
    precision = len((whole + part).lstrip("0")) or 1
    if scale > 0 or precision - scale > 38:
        return None
    return DecimalType(precision - scale, 0)


def _double(raw: str) -> ObservedType | None:
    return ScalarType(SPARK["double"]) if _DOUBLE.fullmatch(raw.strip()) else None


def _timestamp(raw: str) -> ObservedType | None:
    text = unescape(raw)
    with suppress(ValueError):
        if _TIMESTAMP.fullmatch(text):
            datetime.fromisoformat(text)
            return ScalarType(SPARK["timestamp"])
    return None


def _date(raw: str) -> ObservedType | None:
    return ScalarType(SPARK["date"]) if _parse_date(raw) else None


def _time(raw: str) -> ObservedType | None:
    text = unescape(raw)
    with suppress(ValueError):
        if _TIME.fullmatch(text):
            time.fromisoformat(text)
            return OtherType("time(6)")
    return None


def _parse_date(text: str) -> tuple[int, int, int] | None:
    """Year, month and day of a date; None if it is not one. Python's own dates end in the year 9999."""
    if (match := _DATE.fullmatch(text)) is None:
        return None
    year, month, day = map(int, match.groups())
    with suppress(ValueError):
        date(year % 400 or 400, month, day)  # the calendar repeats every 400 years
        return year, month, day
    return None


def _python_date(text: str) -> date | None:
    parsed = _parse_date(text)
    return date(*parsed) if parsed and 1 <= parsed[0] <= 9999 else None


def _python_double(text: str) -> float:
    text = text.strip()
    if re.match(r"[+-]?0[xX]", text):
        return float.fromhex(text.rstrip("dDfF"))
    return float(text if text.endswith(("y", "N")) else text.rstrip("dDfF"))


def _python_timestamp(text: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    day = _python_date(text)  # a date among timestamps
    return None if day is None else datetime(day.year, day.month, day.day)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "double": _python_double,
    "date": _python_date,
    "timestamp": _python_timestamp,
}
