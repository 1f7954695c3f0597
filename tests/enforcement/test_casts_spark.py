"""Every admissible (Spark type, declared type) cell on real Spark, with every edge value, against the oracle."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import pytest

from sparksig import ColSpec, Policy, Schema, plan, tag
from sparksig.enforcement import sql
from sparksig.enforcement.frames import positional
from tests.enforcement import oracle

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

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
    some = [Decimal("0.1"), Decimal("0.5"), Decimal("1.5"), Decimal("123456789.25"), Decimal("90071992547409930")]
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


def cells() -> list[tuple[str, str, bool]]:
    """Each (Spark type, declared type, rounding) that some level admits."""
    exact = [(s, t, False) for s, t in itertools.product(SOURCES, TARGETS) if oracle.least_level(s, t)]
    return exact + [
        (s, t, True)
        for s, t, _ in exact
        if t in oracle.FLOATS and s != "string" and oracle.least_level(s, t) == "checked"
    ]


def expected(value: Any, source: str, target: str, rounding: bool) -> Any:
    if value is None:
        return "NULL"
    try:
        return (oracle.cast(value, source, target, rounding),)
    except oracle.Refused as refused:
        return str(refused)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return type(a) is type(b) and bool(a == b)


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> DataFrame:
    """One column for each Spark type with its edge values, null behind them."""
    height = max(map(len, SOURCES.values())) + 1
    columns = [[*values, *[None] * (height - len(values))] for values in SOURCES.values()]
    schema = ", ".join(f"`{name}` {name}" for name in SOURCES)
    return spark.createDataFrame([tuple(row) for row in zip(*columns, strict=True)], schema).repartition(3).cache()


def _evaluate(table: DataFrame, chunk: list[tuple[str, str, bool]]) -> list[Any]:
    """One Spark job for a chunk of cells: the raw values, the cast values and the violations of every row."""
    names = {f"c{i}": cell for i, cell in enumerate(chunk)}
    schema = Schema([ColSpec(target, name) for name, (_, target, _) in names.items()])
    level = {n: "safe" if r else oracle.least_level(s, t) for n, (s, t, r) in names.items()}
    policy = Policy(
        level=level, columns={n: s for n, (s, _, _) in names.items()}, allow_rounding=[n for n in names if names[n][2]]
    )
    made = plan(table, schema, policy).require_ok()
    values = positional(tag(table, schema, policy)).selectExpr(
        *[f"_{i}" for i in range(len(SOURCES) + 1)],
        # Python has no year 0, which a moment of the year 1 may be in the machine's own zone
        *[f"unix_micros({v})" if t == "datetime" else v for v, (_, t, _) in zip(sql.values(made), chunk, strict=True)],
    )
    return values.collect()


@pytest.mark.parametrize("part", range(8))
def test_every_cell_on_every_edge_value(table: DataFrame, part: int) -> None:
    every = cells()
    chunk = every[part::8]
    rows = _evaluate(table, chunk)
    width = len(SOURCES)
    faults, cases = [], 0
    for row in rows:
        raw = dict(zip(SOURCES, row[:width], strict=True))
        found = {v.path: v.code for v in row[width] or []}
        for i, (source, target, rounding) in enumerate(chunk):
            value = raw[source]
            if source == "timestamp" and value is not None:
                value = value.astimezone(dt.UTC)
            want = expected(value, source, target, rounding)
            got: Any = found.get(f"c{i}")
            if got is None:
                result = row[width + 1 + i]
                if target == "datetime":
                    result = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=result)
                got = (bytes(result) if isinstance(result, bytearray) else result,)
            if isinstance(value, bytearray) and isinstance(want, tuple):
                want = (bytes(value),)
            cases += 1
            agreed = want == got if isinstance(want, str) or isinstance(got, str) else same(want[0], got[0])
            if not agreed:
                faults.append((source, target, "rounding" if rounding else "", value, want, got))
    assert faults == []
    assert cases > 1000


def test_what_no_level_admits_is_a_problem(table: DataFrame) -> None:
    refused = [(s, t) for s, t in itertools.product(SOURCES, TARGETS) if oracle.least_level(s, t) is None]
    schema = Schema([ColSpec(t, f"c{i}") for i, (_, t) in enumerate(refused)])
    policy = Policy(level="parse", columns={f"c{i}": s for i, (s, _) in enumerate(refused)})
    made = plan(table, schema, policy)
    assert [p.path for p in made.problems] == [f"c{i}" for i in range(len(refused))]
    assert json.dumps(made.to_dict())


def test_a_level_below_the_least_one_is_a_problem_whose_hint_names_it(table: DataFrame) -> None:
    for source, target, _ in cells():
        least = str(oracle.least_level(source, target))
        below = oracle.LEVELS[: oracle.LEVELS.index(least)]
        for level in below:
            made = plan(table, Schema([ColSpec(target, "c")]), level=level, columns={"c": source})
            assert [str(p.code) for p in made.problems] == ["INCOMPATIBLE_TYPE"], (source, target, level)
            assert f"level='{least}'" in str(made.problems[0].hint)
        assert plan(table, Schema([ColSpec(target, "c")]), level=least, columns={"c": source}).ok
