"""The cast table: which observed element may become which declared one, from which level on, with which row guards.

A cast is decided from two rows of the table of types. The level says who must allow it; the guards say what every value
must satisfy, in the order in which they are tried: the first that fails names the violation.
"""

from sparksig.signature.casts.guards import (
    BOOLEAN_TEXT,
    DATETIME_TEXT,
    FLOAT_TEXT,
    INTEGER_TEXT,
    Between,
    Castable,
    Guard,
    HasWallClock,
    InNanoseconds,
    Integral,
    InYears,
    Matches,
    Micros,
    NoNulAtEnd,
    NotNan,
    NoUnderflow,
    StaysFinite,
    Survives,
    ValidUtf8,
    WallClockInNanoseconds,
)
from sparksig.signature.casts.levels import Level
from sparksig.signature.casts.table import Cast, Fixed, Source, carrier, find_cast, find_rounding, in_zone

__all__ = [
    "BOOLEAN_TEXT",
    "DATETIME_TEXT",
    "FLOAT_TEXT",
    "INTEGER_TEXT",
    "Between",
    "Cast",
    "Castable",
    "Fixed",
    "Guard",
    "HasWallClock",
    "InNanoseconds",
    "InYears",
    "Integral",
    "Level",
    "Matches",
    "Micros",
    "NoNulAtEnd",
    "NoUnderflow",
    "NotNan",
    "Source",
    "StaysFinite",
    "Survives",
    "ValidUtf8",
    "WallClockInNanoseconds",
    "carrier",
    "find_cast",
    "find_rounding",
    "in_zone",
]
