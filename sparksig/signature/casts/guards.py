"""Guards: what every value of a column must satisfy for its cast, as data. SQL and numpy spell them, each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from sparksig.errors import Code


@dataclass(frozen=True, slots=True)
class Between:
    """`low <= x <= high`, bounds being values of the source type; None is no bound."""

    low: int | None
    high: int | None
    code: Code = Code.OUT_OF_RANGE

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"at most {self.high}" if self.low is None else f"at least {self.low}"
        return f"between {self.low} and {self.high}"


class _Worded:
    """A guard whose words are the same for every value and type."""

    __slots__ = ()
    words: ClassVar[str]

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class NotNan(_Worded):
    """x is not NaN."""

    code: Code = Code.NAN
    words: ClassVar[str] = "not NaN"


@dataclass(frozen=True, slots=True)
class Integral(_Worded):
    """x has nothing after the point."""

    code: Code = Code.NOT_EXACT
    words: ClassVar[str] = "integral"


@dataclass(frozen=True, slots=True)
class StaysFinite(_Worded):
    """The cast does not make an infinity out of a finite x."""

    code: Code = Code.OUT_OF_RANGE
    words: ClassVar[str] = "does not become infinite"


@dataclass(frozen=True, slots=True)
class Survives(_Worded):
    """x is the same after the way to the target and back; NaN and infinities are."""

    code: Code = Code.NOT_EXACT
    words: ClassVar[str] = "survives the way there and back"


@dataclass(frozen=True, slots=True)
class Matches(_Worded):
    """The whole text x matches the grammar, a regular expression that Java and Python read alike."""

    grammar: str
    code: Code = Code.UNPARSABLE
    words: ClassVar[str] = "matches the grammar"


@dataclass(frozen=True, slots=True)
class Castable(_Worded):
    """The cast of the text x has a value: a number inside the target's range, a day that the calendar has."""

    code: Code = Code.OUT_OF_RANGE
    words: ClassVar[str] = "has a value in the target type"


@dataclass(frozen=True, slots=True)
class NoUnderflow(_Worded):
    """A text x that is not zero does not become 0."""

    code: Code = Code.OUT_OF_RANGE
    words: ClassVar[str] = "does not become 0"


@dataclass(frozen=True, slots=True)
class Micros(_Worded):
    """The text x has no digit other than 0 beyond the microsecond, which is what a Spark timestamp holds."""

    code: Code = Code.NOT_EXACT
    words: ClassVar[str] = "nothing beyond the microsecond"


@dataclass(frozen=True, slots=True)
class InNanoseconds(_Worded):
    """The moment x is one that datetime64[ns] holds: from 1677-09-21 00:12:43.145225 to 2262-04-11 23:47:16.854775."""

    code: Code = Code.OUT_OF_RANGE
    words: ClassVar[str] = "a moment that datetime64[ns] holds"


@dataclass(frozen=True, slots=True)
class NoNulAtEnd(_Worded):
    """The text or the bytes x do not end with a zero: numpy's fixed widths are filled with zeros, and drop them."""

    code: Code = Code.NOT_EXACT
    words: ClassVar[str] = "no zero at the end, which numpy would drop"


@dataclass(frozen=True, slots=True)
class ValidUtf8(_Worded):
    """The string x is valid UTF-8. Spark and Parquet hold any bytes as a string; Python does not."""

    code: Code = Code.UNPARSABLE
    words: ClassVar[str] = "valid UTF-8"


@dataclass(frozen=True, slots=True)
class InYears(_Worded):
    """The date or timestamp x lies in the years 1 to 9999, which are those of Python's dates."""

    code: Code = Code.OUT_OF_RANGE
    words: ClassVar[str] = "in the years 1 to 9999"


@dataclass(frozen=True, slots=True)
class HasWallClock:
    """The zone has the wall clock x: its clocks were not put forward over it. A text with an offset is an instant."""

    zone: str
    code: Code = Code.OUT_OF_RANGE

    def __str__(self) -> str:
        return f"a wall clock that {self.zone} has"


@dataclass(frozen=True, slots=True)
class WallClockInNanoseconds:
    """What the clocks of the zone show at the moment x is what datetime64[ns] holds; in UTC that is InNanoseconds."""

    zone: str
    code: Code = Code.OUT_OF_RANGE

    def __str__(self) -> str:
        return f"a wall clock in {self.zone} that datetime64[ns] holds"


Guard: TypeAlias = (
    Between
    | NotNan
    | Integral
    | StaysFinite
    | Survives
    | Matches
    | Castable
    | NoUnderflow
    | Micros
    | InNanoseconds
    | NoNulAtEnd
    | ValidUtf8
    | InYears
    | HasWallClock
    | WallClockInNanoseconds
)


INTEGER_TEXT = r"[+-]?[0-9]+"
FLOAT_TEXT = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity"
BOOLEAN_TEXT = "[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]"
DATETIME_TEXT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
