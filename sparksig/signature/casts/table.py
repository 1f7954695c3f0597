"""The cast from an observed element to a declared one, computed from two rows of the table of types."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from sparksig.errors import Code
from sparksig.signature.casts.guards import (
    BOOLEAN_TEXT,
    DATETIME_TEXT,
    FLOAT_TEXT,
    INTEGER_TEXT,
    Between,
    Castable,
    Guard,
    HasWallClock,
    Integral,
    Matches,
    Micros,
    NotNan,
    NoUnderflow,
    StaysFinite,
    Survives,
)
from sparksig.signature.casts.levels import Level
from sparksig.signature.dtypes import ELEMENTS, Element, Kind


@dataclass(frozen=True, slots=True)
class Fixed:
    """An observed decimal: not a row of the table, since it comes in 38 x 39 sizes."""

    precision: int
    scale: int

    @property
    def high(self) -> int:
        """The greatest integer it holds; values with digits after the point stay below `high + 1`."""
        return int(10 ** (self.precision - self.scale)) - 1

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"


Source: TypeAlias = Element | Fixed


@dataclass(frozen=True, slots=True)
class Cast:
    """One cell of the cast table.

    Attributes:
        source: the observed type.
        target: the declared type.
        level: the least level that admits the cast.
        guards: what each value must satisfy, in order.
        rounds: whether values may be rounded to the nearest (only where `allow_rounding` says so).
        zone: for moments, the zone in which a wall clock becomes an instant, and in which the model sees an instant as
            a wall clock; None is UTC.
    """

    source: Source
    target: Element
    level: Level
    guards: tuple[Guard, ...] = ()
    rounds: bool = False
    zone: str | None = None

    @property
    def changes_type(self) -> bool:
        """Whether the value must be cast at all; False where it already rides on the target's carrier."""
        return carrier(self.source) != self.target.spark

    def __str__(self) -> str:
        nearest = ", to the nearest" if self.rounds else ""
        guards = f": {', '.join(map(str, self.guards))}" if self.guards else ""
        return f"{carrier(self.source)} to {self.target.numpy} ({self.level}{nearest}){guards}"


_TEXT_GUARDS: dict[Kind, tuple[Guard, ...]] = {
    Kind.INTEGER: (Matches(INTEGER_TEXT), Castable()),
    Kind.FLOAT: (Matches(FLOAT_TEXT), StaysFinite(), NoUnderflow()),
    Kind.BOOLEAN: (Matches(BOOLEAN_TEXT),),
    Kind.DATETIME: (Matches(DATETIME_TEXT), Castable(Code.UNPARSABLE), Micros()),
}

_NUMBERS = frozenset((Kind.INTEGER, Kind.FLOAT))


def carrier(source: Source) -> str:
    """The Spark type's name on which values of the source ride."""
    return source.spark if isinstance(source, Element) else str(source)


@lru_cache(maxsize=4096)
def find_cast(source: Source, target: Element) -> Cast | None:
    """The least demanding cast from an observed to a declared element type.

    Returns:
        The cast, or None where no level admits one.

    >>> print(find_cast(ELEMENTS["int64"], ELEMENTS["int32"]))
    long to int32 (checked): between -2147483648 and 2147483647
    """
    level = _level(source, target)
    return None if level is None else Cast(source, target, level, _guards(source, target))


@lru_cache(maxsize=4096)
def find_rounding(source: Source, target: Element) -> Cast | None:
    """The cast that `allow_rounding` admits from level safe on: numbers to a float type, to the nearest.

    >>> print(find_rounding(ELEMENTS["float64"], ELEMENTS["float32"]))
    double to float32 (safe, to the nearest): does not become infinite
    """
    exact = find_cast(source, target)
    if exact is None or target.suffix is None or target.kind is not Kind.FLOAT or _kind(source) not in _NUMBERS:
        return None  # a type without a literal of its own (float16) rides on a wider one, which would not round to it
    if not exact.guards:
        return None
    finite = () if _largest(source) <= target.largest else (StaysFinite(),)
    return Cast(source, target, Level.SAFE, finite, rounds=True)


def in_zone(cast: Cast, zone: str | None) -> Cast:
    """The cast to a moment whose wall clocks are those of a zone, None being UTC; other casts as they are.

    >>> print(in_zone(find_cast(ELEMENTS["datetime64[D]"], ELEMENTS["datetime64[ns]"]), "Europe/Berlin"))
    date to datetime64[ns] (safe): a wall clock that Europe/Berlin has
    """
    if zone is None or cast.target.spark != "timestamp":
        return cast
    wall_clock = () if carrier(cast.source) == "timestamp" else (HasWallClock(zone),)
    return replace(cast, zone=zone, guards=(*cast.guards, *wall_clock))


def _kind(source: Source) -> Kind:
    if isinstance(source, Fixed):
        return Kind.INTEGER if source.scale <= 0 else Kind.FLOAT
    return source.kind


def _largest(source: Source) -> int:
    return source.largest or source.high if isinstance(source, Element) else source.high


def _level(source: Source, target: Element) -> Level | None:
    """Who must allow it: decided between the source and the Spark type that carries the target."""
    if carrier(source) == target.spark or _kind(source) is target.kind is Kind.STRING:
        return Level.STRICT  # char and varchar are texts
    if _widens(source, target):
        return Level.SAFE
    if _kind(source) in _NUMBERS and target.is_number:
        return Level.CHECKED
    if _kind(source) is Kind.STRING and target.kind in _TEXT_GUARDS:
        return Level.PARSE
    return None


def _widens(source: Source, target: Element) -> bool:
    """Whether every value of the source is a value of the target's carrier: one comparison of intervals."""
    ride = _ride(target)
    if isinstance(source, Fixed):
        if isinstance(ride, Fixed) or ride.kind is Kind.INTEGER:
            return source.scale == 0 and source.high <= ride.high
        return source.precision <= ride.decimals
    if isinstance(ride, Fixed):
        return source.kind is Kind.INTEGER and source.high <= ride.high
    if source.kind is Kind.DATETIME and ride.kind is Kind.DATETIME:
        return ride.mlflow is not None  # dates and zone-free timestamps are wall clocks; nothing becomes one of them
    if source.is_number and ride.is_number and (source.kind, ride.kind) != (Kind.FLOAT, Kind.INTEGER):
        return source.digits <= ride.digits
    return False


def _ride(target: Element) -> Source:
    """The Spark type that carries the target, as a source: `short` for uint8, `decimal(20,0)` for uint64."""
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", target.spark):
        return Fixed(int(match[1]), int(match[2]))
    same = [row for row in ELEMENTS.values() if row.spark == target.spark]
    return max(same, key=lambda row: row.digits)


def _guards(source: Source, target: Element) -> tuple[Guard, ...]:
    if _kind(source) is Kind.STRING:
        return _TEXT_GUARDS.get(target.kind, ())
    if not target.is_number:
        return ()
    if target.kind is Kind.INTEGER:
        return _to_integer(source, target)
    return _to_float(source, target)


def _to_integer(source: Source, target: Element) -> tuple[Guard, ...]:
    if isinstance(source, Fixed):
        whole = () if source.scale <= 0 else (Integral(),)
        return (*_between(-source.high, source.high, target.low, target.high), *whole)
    if source.kind is Kind.INTEGER:
        return _between(source.low, source.high, target.low, target.high)
    # the bounds are the outermost values of the source's own grid that lie inside the target: 2^63 - 1 is no double
    low, high = (_inward(bound, source.digits) for bound in (target.low, target.high))
    return NotNan(), Between(low, high), Integral()


def _to_float(source: Source, target: Element) -> tuple[Guard, ...]:
    if isinstance(source, Element) and source.kind is Kind.INTEGER:
        return _between(source.low, source.high, target.low, target.high, Code.NOT_EXACT)
    if isinstance(source, Element) and source.digits <= target.digits:
        return ()
    if isinstance(source, Fixed) and source.precision <= target.decimals:
        return ()
    finite = () if _largest(source) <= target.largest else (StaysFinite(),)
    return (*finite, Survives())


def _between(
    low: int, high: int, target_low: int, target_high: int, code: Code = Code.OUT_OF_RANGE
) -> tuple[Guard, ...]:
    """The intersection of two intervals as a guard, without the sides that the source cannot cross."""
    below, above = (target_low if low < target_low else None), (target_high if high > target_high else None)
    return () if below is None and above is None else (Between(below, above, code),)


def _inward(bound: int, digits: int) -> int:
    """The value with at most `digits` significant bits that is nearest to the bound, on its inner side."""
    step = 1 << max(0, abs(bound).bit_length() - digits)
    inner = abs(bound) // step * step
    return inner if bound >= 0 else -inner
