"""Values that break casts: bounds and their neighbors, values that no type holds, and random ones of every size."""

from __future__ import annotations

import datetime as dt
import math
import random
import re
import struct
from decimal import Decimal, localcontext
from typing import Any

from tests.enforcement import oracle

TARGETS = ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"]

_POWERS = [0, 1, 7, 8, 15, 16, 24, 31, 32, 53, 63]
_WHOLE = sorted({s * (2**p + d) for p in _POWERS for d in (-2, -1, 0, 1, 2) for s in (1, -1)})
_DOUBLES = [
    *map(float, _WHOLE),
    *(0.5, -0.5, -0.0, 1.5, 0.1, 1 / 3, 2147483647.5, -2147483648.5, 9223372036854774784.0, 9223372036854775808.0),
    *(1e300, -1e300, 5e-324, 1e-45, 1.4e-45, 2.2250738585072014e-308, 1.1754943508222875e-38, 1e-40, 1e39),
    *(oracle.LARGEST["float"], 3.4028235677973362e38, 3.4028235677973366e38, oracle.LARGEST["double"]),
    *(float("nan"), float("inf"), float("-inf"), 16777217.0, 65504.0, 65520.0),
]
_TEXTS = [
    *(
        "0",
        "-0",
        "+7",
        "007",
        "12",
        " 12",
        "12 ",
        "12\n",
        "\n12",
        "1_000",
        "1,000",
        "0x1F",
        "1e3",
        "1.0",
        "1.",
        ".5",
        ".",
    ),
    *("", "-", "+", "e5", "1e", "1e+", "1d", "1f", "1.5D", "NaN", "nan", "Infinity", "+Infinity", "-Infinity", "inf"),
    *("true", "TRUE", "tRuE", "false", "t", "yes", "1", "true ", "\u0661\u0662", "\uff11\uff12"),
    *("2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775808", "-9223372036854775809", "9" * 60, "0" * 60 + "5", "1e308", "1e309", "-1e309", "1e-400"),
    *("0e-400", "-0.0", "3.4028235e38", "3.4028236e38", "1e-46", "7.1e-46", "0.1", "16777217", "9007199254740993"),
    *("1.000000059604644775390625", "1.00000005960464477539062500000000001", "4.9e-324", "2.4e-324"),
    *("2024-02-29", "2023-02-29", "2024-1-5", "2024-01-05T00:00:00", "2024-01-05 23:59:59.123456", "2024-13-01"),
    *("2024-01-05T10:00:00Z", "2024-01-05T10:00:00+02:00", "2024-01-05T10:00:00-0330", "2024-01-05T10:00+02:00"),
    *("2024-01-05T10:00", "2024-01-05T10", "2024-01-05Z", "2024-01-05T24:00:00", "2024-01-05T10:00:60", "20240105"),
    *("2024-01-05T10:00:00.123456789", "2024-01-05T10:00:00.123456000", "2024-01-05T10:00:00.1234567890"),
    *(
        "1677-09-21T00:12:43.145225",
        "1677-09-21T00:12:43.145224",
        "2262-04-11T23:47:16.854775",
        "2262-04-11T23:47:16.854776",
    ),
    *(
        "9999-12-31",
        "0001-01-01",
        "2018-11-04",
        "2018-11-04T00:30:00",
        "2018-02-17T23:30:00",
        "2024-01-05T10:00:00+19:00",
    ),
    *("2024-01-05T10:00:00 UTC", "2024-01-05T10:00:00[Europe/Berlin]", "2024-01-05T10:00:00\n", "epoch", "now"),
]
_MOMENTS = [
    *(dt.datetime(2024, 2, 29, 12, 0, 0, 1), dt.datetime(1970, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999999)),
    *(dt.datetime(2018, 11, 4), dt.datetime(2018, 11, 4, 0, 30), dt.datetime(2018, 2, 17, 23, 30)),
    *(oracle.FIRST, oracle.LAST, oracle.FIRST - dt.timedelta(microseconds=1), dt.datetime(9999, 12, 31, 23, 59, 59)),
    *(oracle.LAST + dt.timedelta(microseconds=1), dt.datetime(1582, 10, 4), dt.datetime(1, 1, 2)),
]


def decimals(p: int, s: int) -> list[Decimal]:
    with localcontext(oracle.WIDE):
        return _decimals(p, s)


def _decimals(p: int, s: int) -> list[Decimal]:
    step = Decimal(1).scaleb(-s)
    top = Decimal(10**p - 1).scaleb(-s)
    near = [Decimal(w) + d for w in _WHOLE for d in (0, step)]
    some = [
        Decimal("0.1"),
        Decimal("0.5"),
        Decimal("1.5"),
        Decimal("123456789.25"),
        Decimal("90071992547409930"),
        Decimal("1152921504606846980"),
    ]
    values = [0 * step, step, -step, top, -top, top - step, *near, *some]
    return sorted({v for v in values if abs(v) <= top and v == v.quantize(step)})


SOURCES: dict[str, list[Any]] = {
    **{name: [w for w in _WHOLE if -(2**bits) <= w < 2**bits] for name, bits in oracle.INTEGERS.items()},
    "float": [oracle.to_float32(x) for x in _DOUBLES],
    "double": _DOUBLES,
    "boolean": [True, False],
    "string": _TEXTS,
    "binary": [b"", b"1", b"\xff\x00"],
    "date": sorted({m.date() for m in _MOMENTS} | {dt.date(1677, 9, 21), dt.date(1677, 9, 22), dt.date(2262, 4, 12)}),
    "timestamp_ntz": _MOMENTS,
    "timestamp": [m.replace(tzinfo=dt.UTC) for m in _MOMENTS if dt.datetime(1, 1, 3) < m < dt.datetime(9999, 12, 30)],
    **{
        f"decimal({p},{s})": decimals(p, s)
        for p, s in (
            *((5, 0), (9, 0), (10, 0), (18, 0), (19, 0), (38, 0), (7, 2), (15, 2), (15, 15), (16, 0)),
            *((17, 2), (20, 0), (38, 18), (38, 28), (38, 29), (38, 38)),
        )
    },
}


def some(source: str, rng: random.Random) -> Any:
    """A random value of a Spark type: numbers of every magnitude, texts that are nearly one."""
    if source in oracle.INTEGERS:
        return rng.randrange(-(2 ** (bits := rng.randint(0, oracle.INTEGERS[source]))), 2**bits)
    if source in oracle.FLOATS:
        value = _some_double(rng)
        return oracle.to_float32(value) if source == "float" else value
    if source.startswith("decimal"):
        p, s = map(int, re.findall(r"\d+", source))
        with localcontext(oracle.WIDE):
            return Decimal(rng.choice((1, -1)) * rng.randrange(10 ** rng.randint(0, p))).scaleb(-s)
    if source == "string":
        return _some_text(rng)
    if source in ("date", "timestamp", "timestamp_ntz"):
        # inside what Python's own clock and Spark's both hold in every zone
        moment = dt.datetime(1, 1, 3) + dt.timedelta(microseconds=rng.randrange(315_530_000_000_000_000))
        moment = rng.choice((moment, oracle.FIRST, oracle.LAST)) + dt.timedelta(microseconds=rng.randint(-2, 2))
        return moment.date() if source == "date" else moment.replace(tzinfo=dt.UTC if source == "timestamp" else None)
    return rng.random() < 0.5 if source == "boolean" else rng.randbytes(rng.randint(0, 9))


def _some_double(rng: random.Random) -> float:
    match rng.randint(0, 3):
        case 0:
            return float(struct.unpack(">d", rng.randbytes(8))[0])
        case 1:
            return oracle.to_float32(struct.unpack(">f", rng.randbytes(4))[0])
        case 2:
            return float(rng.randrange(-(2**64), 2**64) >> rng.randint(0, 63))
    return math.nextafter(float(rng.choice(_WHOLE)), rng.choice((math.inf, -math.inf)))


def _some_text(rng: random.Random) -> str:
    number = repr(_some_double(rng)) if rng.random() < 0.5 else str(some("decimal(38,18)", rng))
    text = rng.choice((number, str(some("long", rng)), some("timestamp_ntz", rng).isoformat(), rng.choice(_TEXTS)))
    if rng.random() < 0.3:  # one character more, less or other
        at = rng.randint(0, len(text))
        text = (
            text[:at] + rng.choice(("", "0", "9", ".", "-", "+", "e", "E", " ", "\n", ":", "Z", "T")) + text[at + 1 :]
        )
    return text
