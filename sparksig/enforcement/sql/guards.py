"""The cast table spelled as Spark SQL: how one value is cast, and what each guard asks of it."""

from __future__ import annotations

from sparksig.enforcement.nodes import ScalarNode
from sparksig.errors import Code
from sparksig.signature.casts import (
    Between,
    Cast,
    Castable,
    Fixed,
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
    Source,
    StaysFinite,
    Survives,
    ValidUtf8,
    WallClockInNanoseconds,
    carrier,
)
from sparksig.signature.dtypes import ELEMENTS, SPARK, Element, Kind

_NONZERO = r"\A[^eE]*[1-9]"
_INFINITY = r"\A[+-]?Infinity\z"
_BEYOND_MICROS = r"[.][0-9]{6}[0-9]*[1-9]"
_ZONED = r"(Z|[+-][0-9]{2}:?[0-9]{2})\z"
_TO_MINUTES = r"\A([^:]*:[0-9]{2})(Z|[+-].*)?\z"
_FIRST, _LAST = "timestamp'1677-09-21 00:12:43.145225Z'", "timestamp'2262-04-11 23:47:16.854775Z'"
_FAR, _FAR_DAYS = "timestamp_micros({}9000000000000000000L)", 100_000_000


def text(value: str) -> str:
    """A string literal that means the same in every version and under every setting, whatever it holds.

    >>> text("`${env:HOME}`")
    "cast(X'60247b656e763a484f4d457d60' as string)"
    """
    return f"cast(X'{value.encode('utf-8', 'surrogatepass').hex()}' as string)"


def ddl(kind: str) -> str:
    """Spark SQL's name of a type that Spark's schemas call `kind`.

    >>> ddl("timestamp"), ddl("decimal(20,0)")
    ('timestamp_ltz', 'decimal(20,0)')
    """
    # what `timestamp` alone means in a text is up to spark.sql.timestampType
    return "timestamp_ltz" if kind == "timestamp" else kind


def judgements(node: ScalarNode, x: str) -> list[tuple[Code, str]]:
    """Each (code, condition) in the order of judgement: the cast's guards on `x`, the container's on the cast value."""
    cast = node.cast
    judged = [(guard.code, _guard(guard, cast, x)) for guard in cast.guards]
    after = (*(() if node.nan else (NotNan(),)), *node.after)
    stays = Cast(SPARK.get(cast.target.spark, cast.target), cast.target, cast.level)
    return judged + [(guard.code, _guard(guard, stays, cast_value(cast, x))) for guard in after]


def _guard(guard: Guard, cast: Cast, x: str) -> str:
    """One guard on `x`, a value of the cast's source type."""
    y = cast_value(cast, x)
    match guard:
        case Between(low, high):
            return between(x, cast.source, low, high)
        case NotNan():
            return f"not isnan({x})"
        case Integral():
            return f"sign({x} % 1) = 0D" if isinstance(cast.source, Fixed) else f"{x} = rint({x})"
        case StaysFinite():
            return _stays_finite(cast, x, y)
        case Survives():
            return _survives(cast, x, y)
        case Matches(grammar):
            return f"{x} rlike {text(_whole(grammar))}"
        case Castable():
            return f"{y} is not null"
        case NoUnderflow():
            return f"({y} <> 0 or not {x} rlike {text(_NONZERO)})"
        case Micros():
            return f"not {x} rlike {text(_BEYOND_MICROS)}"
        case InNanoseconds():
            return f"{x} between {_FIRST} and {_LAST}"
        case NoNulAtEnd():
            return f"not endswith({x}, cast(X'00' as {cast.target.spark}))"
        case ValidUtf8():
            return valid_utf8(x)
        case InYears():
            return _in_years(cast, x)
        case HasWallClock(zone):
            same = f"{_shown(y, zone)} = {_moment(cast, x)}"
            is_text = isinstance(cast.source, Element) and cast.source.kind is Kind.STRING
            return f"({x} rlike {text(_ZONED)} or {same})" if is_text else same
        case WallClockInNanoseconds(zone):
            return f"{_shown(x, zone)} between {_FIRST} and {_LAST}"


def valid_utf8(x: str) -> str:
    """That a string is valid UTF-8: `encode` writes U+FFFD for bytes that are not. Spark 3.5 has no `is_valid_utf8`."""
    return f"encode({x}, 'UTF-8') = cast({x} as binary)"


def _in_years(cast: Cast, x: str) -> str:
    match carrier(cast.source):
        case "date":
            return f"{x} between date'0001-01-01' and date'9999-12-31'"
        case "timestamp_ntz":
            return f"{x} between timestamp_ntz'0001-01-01 00:00:00' and timestamp_ntz'9999-12-31 23:59:59.999999'"
        case _:
            return f"{x} between timestamp'0001-01-01 00:00:00Z' and timestamp'9999-12-31 23:59:59.999999Z'"


def between(x: str, source: Source, low: int | None, high: int | None) -> str:
    """That a value lies between two bounds of its own type; None is no bound, and one of the two is given."""
    if low is not None and high is not None:
        return f"{x} between {number(low, source)} and {number(high, source)}"
    return f"{x} >= {number(low, source)}" if low is not None else f"{x} <= {number(high or 0, source)}"


def number(value: int, source: Source) -> str:
    """A literal of the source's own type: mixed types widen, and what they widen to depends on ANSI."""
    return f"{value}{'BD' if isinstance(source, Fixed) else source.suffix}"


def _stays_finite(cast: Cast, x: str, y: str) -> str:
    if cast.target.suffix is None:  # float16 rides on float: from 65520 on, half of the last step, it would be infinite
        finite = f"abs(try_cast({x} as double)) < {cast.target.largest + 16}D"
    else:
        finite = f"abs({y}) < cast('Infinity' as {cast.target.spark})"
    if isinstance(cast.source, Fixed):
        return finite
    if cast.source.kind is Kind.STRING:
        return f"(isnan({y}) or {finite} or {x} rlike {text(_INFINITY)})"
    return f"(isnan({x}) or {finite} or abs({x}) = cast('Infinity' as {cast.source.spark}))"


def _survives(cast: Cast, x: str, y: str) -> str:
    if cast.target.suffix is None:
        # float16 has no Spark type to come back from: it is a multiple of 2^-24 whose upper 11 bits are all there is
        h = f"try_cast({x} as double)"
        exact = f"{h} * 16777216D = rint({h} * 16777216D) and {h} * 4398046511105D - ({h} * 4398046511105D - {h}) = {h}"
        return f"(isnan({h}) or abs({h}) = cast('Infinity' as double) or ({exact}))"
    back = f"try_cast({y} as {carrier(cast.source)}) = {x}"
    if not isinstance(cast.source, Fixed):
        return back
    double = f"try_cast({y} as double)"
    if cast.source.scale == 0:
        return f"{_wholenumber(double)} = {x}"
    if cast.source.high < 1 << ELEMENTS["float64"].digits:
        return back
    # from 2^53 on a double has no fraction, and its shortest text is another number
    whole = f"sign({x} % 1) = 0D and {_wholenumber(double)} = try_cast({x} as decimal(38,0))"
    return f"if(abs({double}) >= 9007199254740992D, {whole}, {back})"


def _wholenumber(y: str) -> str:
    """A double without a fraction as a decimal of exactly its value; null beyond 38 digits.

    Not by a cast: Spark goes through the double's shortest text, which is another number from 2^53 on. The double is
    cut into parts that a long holds, which loses no bit, since every step is by a power of two.
    """
    top = f"try_cast({y} / 18446744073709551616D as long)"  # towards zero, as every cast to a long
    rest = f"({y} - cast({top} as double) * 18446744073709551616D)"
    middle = f"try_cast({rest} / 4294967296D as long)"
    low = f"try_cast({rest} - cast({middle} as double) * 4294967296D as long)"
    upper = f"try_multiply(cast({top} as decimal(20,0)), 18446744073709551616BD)"
    lower = f"(cast({middle} as decimal(20,0)) * 4294967296BD + cast({low} as decimal(20,0)))"
    return f"try_add({upper}, {lower})"


def cast_value(cast: Cast, x: str) -> str:
    """`x` as the Spark type that carries the target. Never raises: a value that cannot be cast becomes null."""
    if not cast.changes_type:
        return x
    if cast.target.kind is Kind.DATETIME and isinstance(cast.source, Element):
        moment = _moment(cast, x)
        if cast.zone is None:
            return moment
        instant = f"to_utc_timestamp({moment}, {text(cast.zone)})"
        return f"if({x} rlike {text(_ZONED)}, {moment}, {instant})" if cast.source.kind is Kind.STRING else instant
    return f"try_cast({x} as {cast.target.spark})"


def fed_value(cast: Cast, x: str) -> str:
    """`x` as a batch takes it on the way to a model: moments as the instants that have their wall clocks in UTC."""
    y = cast_value(cast, x)
    return y if cast.zone is None else _shown(y, cast.zone)


def _shown(x: str, zone: str) -> str:
    """What the clocks of a zone show at an instant, as the instant that has it in UTC.

    Neither this function of Spark's nor its counterpart asks for the session's time zone. Both raise at the ends of
    what a long of microseconds holds.
    """
    return (
        f"case when {x} between {_FAR.format('-')} and {_FAR.format('')} then from_utc_timestamp({x}, {text(zone)}) end"
    )


def _moment(cast: Cast, x: str) -> str:
    """A wall clock as the instant that has it in UTC, a text with an offset as its own, whatever the session's zone."""
    assert isinstance(cast.source, Element)
    if cast.source.spark == "date":
        return f"timestamp_micros({_micros_of_date(cast, x)})"
    if cast.source.spark == "timestamp_ntz":
        # not epoch + (x - epoch): days of an interval are added in the session's time zone, with its leaps
        time = f"hour({x}) * 3600000000L + minute({x}) * 60000000L + cast(extract(second from {x}) * 1000000 as long)"
        return f"timestamp_micros(try_add({_micros_of_date(cast, f'cast({x} as date)')}, {time}))"
    # Spark's own cast takes only some of ISO 8601: it is given seconds and an offset always
    seconds = f"regexp_replace({x}, {text(_TO_MINUTES)}, {text('$1:00$2')})"
    time = f"case when {x} rlike {text(_ZONED)} then {seconds} else concat({seconds}, 'Z') end"
    return f"try_cast(case when length({x}) = 10 then concat({x}, 'T00:00:00Z') else {time} end as timestamp_ltz)"


def _micros_of_date(cast: Cast, x: str) -> str:
    micros = f"try_multiply(unix_date({x}), 86400000000L)"
    if cast.zone is None:
        return micros
    return f"case when unix_date({x}) between -{_FAR_DAYS} and {_FAR_DAYS} then {micros} end"


def _whole(grammar: str) -> str:
    r"""The grammar on the whole text: `$` would accept a line break at the end, `\z` does not."""
    return rf"\A(?:{grammar})\z"
