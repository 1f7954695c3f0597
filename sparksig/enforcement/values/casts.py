"""The cast table applied to Arrow arrays: guards and casts in numpy, one spelling beside SQL's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sparksig.enforcement.values.exact import reader
from sparksig.errors import Code, NotSupportedError
from sparksig.signature.casts import (
    Between,
    Cast,
    Fixed,
    Guard,
    HasWallClock,
    InNanoseconds,
    Integral,
    NoNulAtEnd,
    NotNan,
    StaysFinite,
    Survives,
    ValidUtf8,
)
from sparksig.signature.dtypes import ELEMENTS, Element, Kind

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

_MICROS = pa.timestamp("us", tz="UTC")
_NANOSECONDS = 9_223_372_036_854_775  # microseconds on either side of 1970 that datetime64[ns] holds


@dataclass(frozen=True, slots=True)
class Wrong:
    """Values that break one rule: the rule's code, and which of them."""

    code: Code
    mask: Mask


def arrow_type(element: Element) -> pa.DataType:
    """The Arrow type of the Spark type that carries an element.

    >>> arrow_type(ELEMENTS["uint8"]), arrow_type(ELEMENTS["datetime64[ns]"])
    (DataType(int16), TimestampType(timestamp[us, tz=UTC]))
    """
    if element.spark == "timestamp":
        return _MICROS
    if element.spark.startswith("decimal"):
        return pa.decimal128(20, 0)
    return pa.type_for_alias(_carrier(element).arrow)


def cast_array(cast: Cast, x: pa.Array, after: tuple[Guard, ...] = ()) -> tuple[pa.Array, list[Wrong]]:
    """Cast one Arrow array by a cell of the cast table.

    Args:
        cast: the cell.
        x: values of the cast's source type, nulls admitted.
        after: what the cast values must satisfy besides.

    Returns:
        The cast array on the Spark type that carries the target, null where a guard failed, and what failed. A moment
        is the instant that has its wall clock in UTC, as batches take it on the way to a model: of an instant the wall
        clock in the cast's zone.

    >>> from sparksig.signature.casts import find_cast
    >>> y, wrong = cast_array(find_cast(ELEMENTS["float64"], ELEMENTS["int32"]), pa.array([1.0, 1.5]))
    >>> y.to_pylist(), [(w.code.value, w.mask.tolist()) for w in wrong]
    ([1, None], [('NOT_EXACT', [False, True])])
    """
    if (step := _ticks_in_one(cast.target, x.type)) > 1:
        whole, finer = _in_unit(cast.target, x, step)
        y, wrong = cast_array(cast, whole, after)
        return y, [*wrong, *([Wrong(Code.NOT_EXACT, finer)] if finer.any() else [])]
    if isinstance(cast.source, Element) and cast.source.kind is Kind.STRING and (cast.guards or ValidUtf8() in after):
        bad = invalid_utf8(x)
        if bad.any():
            y, wrong = cast_array(cast, pc.if_else(pa.array(bad), pa.scalar(None, x.type), x), after)
            masks = [bad, *(w.mask for w in wrong if w.code is Code.UNPARSABLE)]
            others = [w for w in wrong if w.code is not Code.UNPARSABLE]
            return y, [Wrong(Code.UNPARSABLE, np.logical_or.reduce(masks)), *others]
    if cast.zone is not None:
        return _in_zone(cast, x, cast.zone, bool(after))
    read_singly = isinstance(cast.source, Fixed) or (cast.source.kind is Kind.STRING and bool(cast.guards))
    y, wrong = _read(cast, x) if read_singly else _cast(cast, x)
    after = tuple(guard for guard in after if not isinstance(guard, ValidUtf8))
    if not after:
        return y, wrong
    judged, late = _cast(Cast(_carrier(cast.target), cast.target, cast.level, after), y)
    return judged, [*wrong, *late]


_TICKS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds in a tick, by Arrow's unit."""


def _ticks_in_one(target: Element, given: pa.DataType) -> int:
    """How many ticks of the given moments one tick of the declared unit has; 0 where no unit is declared."""
    declared = pa.type_for_alias(target.arrow)
    if not pa.types.is_timestamp(declared) or not pa.types.is_timestamp(given):
        return 0
    return _TICKS[declared.unit] // _TICKS[given.unit]


def _in_unit(target: Element, x: pa.Array, step: int) -> tuple[pa.Array, Mask]:
    """Moments in the declared unit, null where something would be cut off, and where that is."""
    ticks = x.cast(pa.int64())
    finer = bits(x.is_valid()) & (ticks.fill_null(0).to_numpy() % step != 0)
    kept = pc.if_else(pa.array(finer), None, ticks)
    return kept.cast(x.type).cast(pa.timestamp(pa.type_for_alias(target.arrow).unit, tz=x.type.tz)), finer


def invalid_utf8(x: pa.Array) -> Mask:
    """Which strings are not valid UTF-8.

    >>> invalid_utf8(pa.array([b"a", bytes([255]), None]).view(pa.string())).tolist()
    [False, True, False]
    """
    if not (pa.types.is_string(x.type) or pa.types.is_large_string(x.type)):
        return np.zeros(len(x), bool)
    raw = x.cast(pa.binary() if pa.types.is_string(x.type) else pa.large_binary())
    try:
        raw.cast(x.type)  # which validates
    except pa.ArrowInvalid:
        return np.fromiter((value is not None and not _is_utf8(value) for value in raw.to_pylist()), bool, len(x))
    return np.zeros(len(x), bool)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def outside_years(x: pa.Array) -> Mask:
    """Which dates and timestamps lie outside the years 1 to 9999.

    >>> outside_years(pa.array([0, 2_932_897, None], pa.int32()).cast(pa.date32())).tolist()
    [False, True, False]
    """
    if pa.types.is_date32(x.type):
        ticks, day = x.cast(pa.int32()), 1
    elif pa.types.is_date64(x.type):
        ticks, day = x.cast(pa.int64()), 86_400_000
    elif pa.types.is_timestamp(x.type):
        ticks, day = x.cast(pa.int64()), 86_400 * 10**9 // _TICKS[x.type.unit]
    else:
        return np.zeros(len(x), bool)
    found = ticks.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    low, high = (min(max(bound * day, -(2**63)), 2**63 - 1) for bound in _YEARS)
    return np.asarray((found < low) | (found >= high)) if high < 2**63 - 1 else np.zeros(len(x), bool)


_YEARS = (-719_162, 2_932_897)  # the first days of the years 1 and 10000, in days since 1970


def bits(mask: pa.Array | pa.ChunkedArray) -> Mask:
    """A boolean Arrow array without nulls as numpy's."""
    return np.asarray(mask.to_numpy(zero_copy_only=False))


def _carrier(element: Element) -> Element:
    """The row of the table that fills the Spark type on which an element rides."""
    rides = [row for row in ELEMENTS.values() if row.spark == element.spark]
    return max(rides, key=lambda row: row.digits)


def _read(cast: Cast, x: pa.Array) -> tuple[pa.Array, list[Wrong]]:
    """Texts and decimals: value by value, but for decimals that every double or long holds."""
    if isinstance(cast.source, Fixed) and not cast.guards and cast.target.kind is Kind.INTEGER:
        return x.cast(arrow_type(cast.target)), []
    read = reader(cast)
    found = [None if value is None else read(value) for value in x.to_pylist()]
    codes = dict.fromkeys(value for value in found if isinstance(value, Code))
    wrong = [Wrong(code, np.fromiter((value is code for value in found), bool, len(found))) for code in codes]
    values = [None if isinstance(value, Code) else value for value in found]
    if cast.target.kind is Kind.DATETIME:
        return _moments(pa.array(values, pa.int64())), wrong
    return pa.array(values, arrow_type(cast.target)), wrong


def _in_zone(cast: Cast, x: pa.Array, zone: str, bounded: bool) -> tuple[pa.Array, list[Wrong]]:
    """Moments as the wall clocks of a zone: what its clocks skip is out of range, as what nanoseconds do not hold."""
    guards = tuple(guard for guard in cast.guards if not isinstance(guard, HasWallClock))
    y, wrong = cast_array(replace(cast, zone=None, guards=guards), x)
    instants = _instants(cast, x)
    ticks = y.cast(pa.timestamp(y.type.unit)).cast(pa.int64()).fill_null(0).to_numpy()
    walls, has = _wall_clocks(ticks, instants, y.type.unit, zone)
    present = bits(y.is_valid())
    skipped = present & ~instants & ~has
    late: list[Mask] = [skipped]
    if bounded:
        micros = walls // (1000 if y.type.unit == "ns" else 1)
        late.append(present & ~skipped & ((micros < -_NANOSECONDS) | (micros > _NANOSECONDS)))
    good = present & ~np.any(late, axis=0)
    found = [Wrong(Code.OUT_OF_RANGE, mask) for mask in late if mask.any()]
    made = pa.array(walls, pa.int64(), mask=~good).cast(pa.timestamp(y.type.unit))
    return made.cast(pa.timestamp(y.type.unit, tz="UTC")), [*wrong, *found]


def _wall_clocks(
    ticks: np.ndarray[Any, Any], instants: Mask, unit: str, zone: str
) -> tuple[np.ndarray[Any, Any], Mask]:
    """The wall clocks of a zone at instants, in ticks, others as they are; and whether the zone has each of them."""
    per_second = 1_000_000_000 if unit == "ns" else 1_000_000
    far = ticks >= _RULES_END * per_second  # Arrow knows no rule for the years that no list of changes reaches
    near = pa.array(np.where(far, 0, ticks)).cast(pa.timestamp(unit))
    shown = pc.local_timestamp(near.cast(pa.timestamp(unit, tz=zone)))
    there = pc.assume_timezone(near, zone, ambiguous="earliest", nonexistent="earliest")
    has = bits(pc.equal(pc.local_timestamp(there), near))
    walls = np.where(instants & ~far, shown.cast(pa.int64()).to_numpy(), ticks)
    for at in np.flatnonzero(far):
        offset, has[at] = _far_offset(int(ticks[at]) // per_second, zone, bool(instants[at]))
        walls[at] += offset * per_second
    return walls, has


_RULES_END = 2_114_380_800  # 2037-01-01, in seconds


def _far_offset(seconds: int, zone: str, instant: bool) -> tuple[int, bool]:
    """What must be added to get the wall clock, in seconds, and whether the zone has it."""
    if seconds > _YEAR_9999:
        return 0, True  # no datetime64[ns] holds it in any zone
    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    rules = ZoneInfo(zone)
    if instant:
        shown = moment.replace(tzinfo=UTC).astimezone(rules).replace(tzinfo=None)
        return int((shown - moment).total_seconds()), True
    back = moment.replace(tzinfo=rules).astimezone(UTC).astimezone(rules).replace(tzinfo=None)
    return 0, back == moment


_YEAR_9999 = 253_370_764_800


def _instants(cast: Cast, x: pa.Array) -> Mask:
    """Which values are instants, not wall clocks: those of TIMESTAMP, and texts with an offset."""
    assert isinstance(cast.source, Element)
    if cast.source.kind is Kind.STRING:
        return bits(pc.fill_null(pc.match_substring_regex(x, _ZONED), False))
    return np.full(len(x), cast.source.spark == "timestamp")


_ZONED = r":[0-9:.]*(Z|[+-][0-9]{2}:?[0-9]{2})\z"


def _cast(cast: Cast, x: pa.Array) -> tuple[pa.Array, list[Wrong]]:
    target = arrow_type(cast.target)
    if not cast.guards:
        return _convert(x, target), []
    given = bits(x.is_valid())
    good, wrong = given.copy(), []
    source = _numbers(x)
    with np.errstate(all="ignore"):  # values that a guard refuses may overflow on the way
        result = source.astype(_numpy(cast.target)) if cast.target.is_number else source
        for guard in cast.guards:
            bad = good & ~_holds(guard, cast, source, result)
            good &= ~bad
            if bad.any():
                wrong.append(Wrong(guard.code, bad))
        if not wrong and x.type != target and cast.target.is_number and result.dtype != object:
            return pa.array(result, target, mask=None if given.all() else ~given), []
    kept = x if not wrong else pc.if_else(pa.array(good), x, pa.scalar(None, x.type))
    return _convert(kept, target), wrong


def _holds(guard: Guard, cast: Cast, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Any:
    """One guard, in numpy: true where the value passes."""
    match guard:
        case Between(low, high):
            return _between(x, low, high)
        case NotNan():
            return ~np.isnan(x)
        case Integral():
            return np.rint(x) == x
        case StaysFinite():
            limit = float(cast.target.largest + 16) if cast.target.suffix is None else np.inf
            return np.isnan(x) | np.isinf(x) | (np.abs(y) < limit)
        case Survives():
            back = x.astype(np.float16).astype(x.dtype) if cast.target.suffix is None else y.astype(x.dtype)
            return np.isnan(x) | (back == x)
        case InNanoseconds():
            return (x >= -_NANOSECONDS) & (x <= _NANOSECONDS)
        case NoNulAtEnd():
            ends = (value is not None and value[-1:] in ("\0", b"\0") for value in x)
            return ~np.fromiter(ends, bool, len(x))
    raise NotSupportedError(f"{guard} is not built for values without Spark")


def _between(x: np.ndarray[Any, Any], low: int | None, high: int | None) -> Any:
    inside = np.ones(len(x), bool)
    if low is not None:
        inside &= np.asarray(x >= _own(low, x), bool)
    if high is not None:
        inside &= np.asarray(x <= _own(high, x), bool)
    return inside


def _own(bound: int, x: np.ndarray[Any, Any]) -> Any:
    """A bound in the array's own type: mixed types would widen, and round."""
    if x.dtype.kind == "u":
        return x.dtype.type(max(bound, 0))
    return bound if x.dtype == object else x.dtype.type(bound)


def _numpy(target: Element) -> Any:
    name = _carrier(target).numpy
    return object if target.spark.startswith("decimal") else name


def _numbers(x: pa.Array) -> np.ndarray[Any, Any]:
    """The values as numpy numbers, anything where they are null; moments as microseconds, decimals as Python's."""
    if pa.types.is_decimal(x.type):
        return np.array([0 if value is None else int(value) for value in x.to_pylist()], dtype=object)
    if pa.types.is_temporal(x.type):
        x = _convert(x, _MICROS).cast(_MICROS, safe=False).cast(pa.int64())
    if x.null_count:
        x = pc.fill_null(x, pa.scalar(_FILLED.get(x.type, 0), x.type))
    return np.asarray(x.to_numpy(zero_copy_only=False))


_FILLED: dict[pa.DataType, object] = {pa.bool_(): False, pa.string(): "", pa.binary(): b""}


def _convert(x: pa.Array, target: pa.DataType) -> pa.Array:
    if x.type == target:
        return x
    if pa.types.is_timestamp(target):
        if not pa.types.is_timestamp(x.type):
            x = _midnights(x)
        finest = "ns" if x.type.unit == "ns" else "us"  # a worker's batches have no nanoseconds, pandas has
        return x.cast(pa.timestamp(finest, tz=x.type.tz)).cast(pa.timestamp(finest, tz="UTC"))
    if pa.types.is_decimal(target):
        return pa.array([None if value is None else int(value) for value in x.to_pylist()], target)
    if x.type == pa.float16() and pa.types.is_floating(target):
        return pa.array(_numbers(x).astype(target.to_pandas_dtype()), mask=~bits(x.is_valid()))
    return x.cast(target, safe=False)


def _midnights(days: pa.Array) -> pa.Array:
    """Dates as timestamps without a zone; a date that microseconds do not hold is the last one that they do."""
    count = days.cast(pa.date32()).cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    micros = np.clip(count, -_FAR_DAYS, _FAR_DAYS) * 86_400_000_000
    return pa.array(micros, mask=~bits(days.is_valid())).cast(pa.timestamp("us"))


_FAR_DAYS = 100_000_000


def _moments(micros: pa.Array) -> pa.Array:
    return micros.cast(pa.timestamp("us")).cast(_MICROS)
