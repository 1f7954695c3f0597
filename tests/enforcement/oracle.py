"""The expected result of every cast, in plain Python (ints, Fractions, Decimals), written from the cast table's text.

Imports nothing from sparksig, so that a mistake in the table or in the rendered SQL is not repeated here.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from math import copysign, inf, isinf, isnan
from typing import Any
from zoneinfo import ZoneInfo

INTEGERS = {"byte": 7, "short": 15, "integer": 31, "long": 63}
FLOATS = {"float": 24, "double": 53}
LARGEST = {"float": float(struct.unpack(">f", bytes.fromhex("7f7fffff"))[0]), "double": 1.7976931348623157e308}
WIDE = Context(prec=400, rounding=ROUND_HALF_UP)
LEVELS = ["strict", "safe", "checked", "parse"]


class Refused(Exception):
    """The value is a violation; the argument is its code."""


def least_level(source: str, target: str) -> str | None:
    """The least level at which a column of the Spark type `source` may become the declared type `target`."""
    carrier = "timestamp" if target == "datetime" else target
    if source == carrier:
        return "strict"
    if source.startswith("decimal"):
        p, s = map(int, re.findall(r"\d+", source))
        safe = (s == 0 and p <= {"integer": 9, "long": 18}.get(target, -1)) or (target == "double" and p <= 15)
        return "safe" if safe else "checked" if target in INTEGERS or target in FLOATS else None
    widenings = {
        "byte": ["integer", "long", "float", "double"],
        "short": ["integer", "long", "float", "double"],
        "integer": ["long", "double"],
        "float": ["double"],
        "date": ["datetime"],
        "timestamp_ntz": ["datetime"],
    }
    if target in widenings.get(source, []):
        return "safe"
    numbers = {**INTEGERS, **FLOATS}
    if source in numbers and target in numbers:
        return "checked"
    if source == "string" and target not in ("string", "binary"):
        return "parse"
    return None


def to_float32(x: float) -> float:
    """The nearest float32, infinite from half a step beyond the largest on."""
    try:
        return float(struct.unpack(">f", struct.pack(">f", x))[0])
    except OverflowError:
        return copysign(inf, x)


def nearest(x: Fraction, target: str) -> float:
    """The nearest value of a float type to an exact number, ties to even, infinite beyond the largest."""
    try:
        double = float(x)  # Fraction to float is correctly rounded
    except OverflowError:
        double = inf if x > 0 else -inf
    if target == "double":
        return double
    if isinf(double):
        return double
    single = to_float32(double)
    if isinf(single):
        return single
    # rounding twice is wrong where the double lies exactly between two float32 and x does not
    bits = struct.unpack(">I", struct.pack(">f", single))[0]
    around = [single]
    for other in (bits - 1, bits + 1):
        if 0 <= other <= 0xFFFFFFFF and (other & 0x7F800000) != 0x7F800000:
            around.append(struct.unpack(">f", struct.pack(">I", other))[0])
    best = min(abs(Fraction(a) - x) for a in around)
    ties = [a for a in around if abs(Fraction(a) - x) == best]
    return ties[0] if len(ties) == 1 else min(ties, key=lambda a: struct.unpack(">I", struct.pack(">f", a))[0] & 1)


def cast(value: Any, source: str, target: str, rounding: bool = False, zone: str = "UTC") -> Any:
    """The value as the declared type, or Refused. `value` is not None; moments come back as instants in UTC."""
    if source == "string" and target != "string":
        return _parse(value, target, zone)
    if target in INTEGERS:
        return _to_integer(value, target)
    if target in FLOATS:
        return _to_float(value, source, target, rounding)
    if target == "datetime":
        return _moment(value, zone)
    return value


def _to_integer(value: Any, target: str) -> int:
    low, high = -(2 ** INTEGERS[target]), 2 ** INTEGERS[target] - 1
    if isinstance(value, float) and isnan(value):
        raise Refused("NAN")
    if isinstance(value, float) and isinf(value):
        raise Refused("OUT_OF_RANGE")
    exact = Fraction(value)
    if not low <= exact <= high:
        # a value between the bound and the next integer is out of range as well as not exact: the range is asked first
        raise Refused("OUT_OF_RANGE")
    if exact.denominator != 1:
        raise Refused("NOT_EXACT")
    return int(exact)


def _to_float(value: Any, source: str, target: str, rounding: bool) -> float:
    if isinstance(value, float):
        result = to_float32(value) if target == "float" else value
        if isinf(result) and not isinf(value):
            raise Refused("OUT_OF_RANGE")
        if not rounding and not isnan(value) and result != value:
            raise Refused("NOT_EXACT")
        return result
    result = nearest(Fraction(value), target)
    if source in INTEGERS:
        if not rounding and abs(value) > 2 ** FLOATS[target]:
            raise Refused("NOT_EXACT")
        return result
    p, s = map(int, re.findall(r"\d+", source))
    # whole numbers are compared exactly; with a fraction the way back is Spark's, by the double's shortest text
    exact = s == 0 or abs(result) >= 2**53
    back = Decimal(result) if exact else Decimal(repr(result)).quantize(Decimal(1).scaleb(-s), context=WIDE)
    if not rounding and not (target == "double" and p <= 15) and back != value:
        raise Refused("NOT_EXACT")
    return result


FIRST = dt.datetime(1677, 9, 21, 0, 12, 43, 145225)
LAST = dt.datetime(2262, 4, 11, 23, 47, 16, 854775)


def _moment(value: dt.date | dt.datetime, zone: str) -> dt.datetime:
    """The instant of a moment, whose wall clock in the zone is what the model sees."""
    moment = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
    try:
        # of a wall clock that the zone has twice, the first
        instant = moment.replace(tzinfo=ZoneInfo(zone)) if moment.tzinfo is None else moment
        instant = instant.astimezone(dt.UTC)
        shown = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except OverflowError as error:
        raise Refused("OUT_OF_RANGE") from error
    if not FIRST <= shown <= LAST:
        raise Refused("OUT_OF_RANGE")
    if moment.tzinfo is None and shown != moment:
        raise Refused("OUT_OF_RANGE")  # the zone's clocks were put forward over it
    return instant.replace(tzinfo=None)


def _parse(text: str, target: str, zone: str) -> Any:
    if target in INTEGERS:
        if not re.fullmatch("[+-]?[0-9]+", text, re.ASCII):
            raise Refused("UNPARSABLE")
        return _to_integer(int(text), target)
    if target in FLOATS:
        return _parse_float(text, target)
    if target == "boolean":
        if text.isascii() and text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise Refused("UNPARSABLE")
    return _parse_moment(text, zone)


def _parse_float(text: str, target: str) -> float:
    if text == "NaN":
        return float("nan")
    if re.fullmatch("[+-]?Infinity", text):
        return -inf if text[0] == "-" else inf
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text, re.ASCII):
        raise Refused("UNPARSABLE")
    exact = Fraction(text)
    result = nearest(exact, target)
    if isinf(result) or (result == 0 and exact != 0):
        raise Refused("OUT_OF_RANGE")
    return -0.0 if exact == 0 and text[0] == "-" else result


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def _parse_moment(text: str, zone: str) -> dt.datetime:
    match = _ISO.fullmatch(text)
    if not match:
        raise Refused("UNPARSABLE")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = dt.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError as error:
        raise Refused("UNPARSABLE") from error
    nanos = (fraction or "").ljust(9, "0")
    if int(nanos[6:] or 0):
        raise Refused("NOT_EXACT")
    moment += dt.timedelta(microseconds=int(nanos[:6] or 0))
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "")
        shift = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        if int(digits[2:]) > 59 or shift > dt.timedelta(hours=18):
            raise Refused("UNPARSABLE")
        try:
            moment -= shift if offset[0] == "+" else -shift
        except OverflowError as error:
            raise Refused("OUT_OF_RANGE") from error
    return _moment(moment.replace(tzinfo=dt.UTC) if offset else moment, zone)


# ---- what nests

Faults = set[tuple[str, str]]


def observed_type(kind: Any) -> str:
    """The name of an observed scalar type, `struct`, `array` or `map`."""
    return kind if isinstance(kind, str) else kind["type"]


def judge(value: Any, kind: Any, declared: dict[str, Any], path: str, nulls: bool, options: dict[str, Any]) -> Any:
    """The declared form of a value and its faults.

    Args:
        value: a Python value as Spark collects it: dicts for structs and maps, lists for arrays.
        kind: Spark's JSON of the observed type.
        declared: MLflow's JSON of the declared type.
        path: where the value is.
        nulls: whether a null is admitted here.
        options: `rounding` and `column`, whether the value is a column of its own.

    Returns:
        (value, set of (path, code)).
    """
    if value is None:
        nulls = nulls or (declared["type"] == "any" and not options.get("column"))
        return None, set() if nulls else {(path, "NULL")}
    inner = {**options, "column": False}
    match declared["type"]:
        case "array":
            cells = [judge(v, kind["elementType"], declared["items"], f"{path}[]", nulls, inner) for v in value]
            return [cell for cell, _ in cells], set().union(*(faults for _, faults in cells))
        case "map":
            found = {
                k: judge(v, kind["valueType"], declared["values"], path + "{}", nulls, inner) for k, v in value.items()
            }
            return {k: v for k, (v, _) in found.items()}, set().union(*(faults for _, faults in found.values()))
        case "object":
            return _judge_object(value, kind, declared, path, nulls, inner)
        case "any":
            return value, set()
        case name:
            return _judge_scalar(value, kind, name, path, nulls, options)


def _judge_object(
    value: dict[str, Any], kind: Any, declared: dict[str, Any], path: str, nulls: bool, options: dict[str, Any]
) -> Any:
    kinds = {field["name"]: field["type"] for field in kind["fields"]}
    result: dict[str, Any] = {}
    faults = set()
    for name, prop in sorted(declared["properties"].items()):  # as MLflow orders them
        if name not in kinds:
            result[name] = None
            continue
        admits = nulls or not prop["required"]
        result[name], found = judge(value[name], kinds[name], prop, f"{path}.{name}", admits, options)
        faults |= found
    return result, faults


def _judge_scalar(value: Any, kind: str, name: str, path: str, nulls: bool, options: dict[str, Any]) -> Any:
    try:
        result = cast(value, kind, name, options.get("rounding", False), options.get("zone", "UTC"))
        if name == "long" and nulls and options["column"] and abs(result) > 2**53:
            raise Refused("NOT_EXACT")  # beside nulls, integers reach the model as doubles
    except Refused as refused:
        return None, {(path, str(refused))}
    return result, set()
