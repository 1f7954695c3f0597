"""`time_zone=`: the local time that the model receives, the instant in the frame, and local times that do not exist."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from sparksig import (
    Array,
    ColSpec,
    ModelSignature,
    NotSupportedError,
    Object,
    Policy,
    Property,
    Schema,
    enforce,
    enforce_values,
    plan,
    score,
    tag,
)
from sparksig.enforcement import sql
from sparksig.enforcement.frames import opened, positional
from tests.enforcement import oracle

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ZONES = ["America/Sao_Paulo", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"]
"""Midnights that are not there, hours twice, half an hour twice, a day that is not there, changes at a minute past."""

SESSIONS = ["UTC", "America/Sao_Paulo", "Asia/Kathmandu"]
SOURCES = ["date", "timestamp_ntz", "timestamp", "string"]
MICRO, HOUR = dt.timedelta(microseconds=1), dt.timedelta(hours=1)


def changes(zone: ZoneInfo, years: range = range(1860, 2040)) -> Iterator[dt.datetime]:
    """Instants, to the second, at which the zone's clocks were put to another offset."""
    day = dt.datetime(years[0], 1, 1, tzinfo=dt.UTC)
    while day.year < years[-1]:
        after = day + dt.timedelta(days=1)
        if day.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = day, after
            while high - low > dt.timedelta(seconds=1):
                middle = low + (high - low) / 2
                middle = middle.replace(microsecond=0)
                if middle.astimezone(zone).utcoffset() == day.astimezone(zone).utcoffset():
                    low = middle
                else:
                    high = middle
            yield high
        day = after


def moments(zone: str) -> list[dt.datetime]:
    """Wall clocks around the zone's changes and around what datetime64[ns] holds."""
    rng = random.Random(zone)
    found = list(changes(ZoneInfo(zone)))
    chosen = [*found[:6], *found[-6:], *rng.sample(found, 20)]
    shown = [each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for each in chosen]
    around = [each + step for each in shown for step in (-2 * HOUR, -HOUR, -HOUR / 2, -MICRO, 0 * HOUR, HOUR / 2, HOUR)]
    bounds = [bound + step for bound in (oracle.FIRST, oracle.LAST) for step in (-24 * HOUR, -MICRO, 0 * MICRO, MICRO)]
    far = [dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), dt.datetime(2018, 11, 4), dt.datetime(2011, 12, 30, 12)]
    return [*around, *bounds, *far]


def rows(zone: str) -> list[tuple[Any, ...]]:
    """A date, a wall clock, an instant and a text a row."""
    found = []
    for i, wall in enumerate(moments(zone)):
        text = wall.isoformat() + ("", "Z", "+05:30")[i % 3] if i % 5 else wall.date().isoformat()
        found.append((wall.date(), wall, wall.replace(tzinfo=dt.UTC), text))
    return [*found, (None,) * len(SOURCES)]


def asked(value: Any, source: str, zone: str) -> Any:
    """What the oracle says: a code, or the instant and the wall clock that the zone's clocks show at it."""
    if value is None:
        return "NULL"
    try:
        instant = oracle.cast(value, source, "datetime", zone=zone)
    except oracle.Refused as refused:
        return str(refused)
    return instant, instant.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def moment(micros: int | None) -> dt.datetime | None:
    return None if micros is None else dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros)


SCHEMA = Schema([ColSpec("datetime", name) for name in SOURCES])


@pytest.fixture
def session_zone(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[str]:
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield request.param
    spark.conf.set("spark.sql.session.timeZone", str(before))


@pytest.mark.parametrize("session_zone", SESSIONS, indirect=True)
def test_tag_uses_the_policys_time_zone_in_every_session(spark: SparkSession, session_zone: str) -> None:
    for zone in ZONES:
        data = [(i, *row) for i, row in enumerate(rows(zone))]
        table = spark.createDataFrame(data, "i int, " + ", ".join(f"`{name}` {name}" for name in SOURCES))
        policy = Policy(level="parse", time_zone=zone)
        made = plan(table, SCHEMA, policy).require_ok()
        both = [*sql.values(made), *sql.values(made, flat=True)]
        found = positional(tag(table, SCHEMA, policy)).selectExpr("_0", "_5", *[f"unix_micros({v})" for v in both])
        refused = 0
        for i, violations, *values in found.collect():
            codes = {v.path: v.code for v in violations or []}
            for at, name in enumerate(SOURCES):
                want = asked(data[i][at + 1], name, zone)
                got = codes.get(name) or (moment(values[at]), moment(values[at + len(SOURCES)]))
                assert got == want, (zone, name, data[i][at + 1])
                refused += want == "OUT_OF_RANGE"
        assert refused > 10  # bounds, and wall clocks over which the clocks were put forward


def test_tag_rejects_nonexistent_local_times_and_enforce_takes_the_earlier_of_two(spark: SparkSession) -> None:
    walls = ["2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-03-31 01:59:59.999999", "2024-03-31 03:00:00"]
    table = spark.createDataFrame([(w,) for w in walls], "t string").selectExpr("cast(t as timestamp_ntz) as t")
    schema = Schema([ColSpec("datetime", "t")])
    found = tag(table, schema, time_zone="Europe/Berlin").selectExpr("_violations.code[0]").collect()
    assert [row[0] for row in found] == ["OUT_OF_RANGE", None, None, None]
    good = enforce(table.where("month(t) = 10"), schema, time_zone="Europe/Berlin")
    assert good.selectExpr("unix_micros(t)").collect() == [(1729989000000000,)]  # 00:30 UTC, still in summer time


def test_tag_reports_timestamps_at_sparks_limits_without_raising(spark: SparkSession) -> None:
    longest = 2**63 - 1
    table = spark.range(1).selectExpr(
        *(f"timestamp_micros({sign}{longest}L) as t{i}" for i, sign in enumerate(("", "-"))),
        "date_from_unix_date(106751991) as d0",
        "date_from_unix_date(-106751991) as d1",
        "date_from_unix_date(2147483647) as d2",
    )
    schema = Schema([ColSpec("datetime", name) for name in table.columns])
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles", "UTC"):
        made = plan(table, schema, time_zone=zone).require_ok()
        fed = [f"unix_micros({value})" for value in sql.values(made, flat=True)]  # Python has no such years
        found = opened(table, made).selectExpr(sql.violations(made), *fed).collect()[0]
        assert [v.code for v in found[0]] == ["OUT_OF_RANGE"] * 5


def test_score_feeds_local_times_at_every_depth(spark: SparkSession) -> None:
    inside = Object([Property("at", "datetime"), Property("all", Array("datetime"))])
    schema = Schema([ColSpec("datetime", "t"), ColSpec("datetime", "day"), ColSpec(inside, "o")])
    table = spark.sql("""select t, date'2024-07-01' as day, named_struct('at', t, 'all', array(t)) as o
                         from values (timestamp'2024-07-01 22:30:00Z') as v(t)""")

    def hours(batch: pd.DataFrame) -> pd.DataFrame:
        o = batch["o"][0]
        seen = [batch["t"][0], batch["day"][0], pd.Timestamp(o["at"]), pd.Timestamp(o["all"][0])]
        return pd.DataFrame({"seen": [" ".join(each.strftime("%d-%H:%M") for each in seen)]})

    signature = ModelSignature(schema, Schema([ColSpec("string", "seen")]))
    found = {zone: score(table, hours, signature, time_zone=zone).collect()[0] for zone in ("UTC", "Asia/Kathmandu")}
    assert found["UTC"]["prediction"] == "01-22:30 01-00:00 01-22:30 01-22:30"
    assert found["Asia/Kathmandu"]["prediction"] == "02-04:15 01-00:00 02-04:15 02-04:15"
    assert found["UTC"]["t"] == found["Asia/Kathmandu"]["t"]  # kept as it is: an instant


def test_enforce_keeps_instants_with_a_time_zone(spark: SparkSession) -> None:
    table = spark.sql("select timestamp'2024-07-01 22:30:00Z' as t, date'2024-07-01' as d")
    schema = Schema([ColSpec("datetime", "t"), ColSpec("datetime", "d")])
    found = enforce(table, schema, time_zone="Asia/Kathmandu").selectExpr("unix_micros(t)", "unix_micros(d)").collect()
    assert found == [(1719873000000000, 1719771300000000)]  # 22:30 UTC; 18:15 UTC of the day before


def test_enforce_values_applies_the_time_zone_or_rejects_it_by_name() -> None:
    data = pd.DataFrame({"t": pd.to_datetime(["2024-07-01T22:30:00Z"])})
    try:
        found = enforce_values(data, Schema([ColSpec("datetime", "t")]), time_zone="Asia/Kathmandu")
    except NotSupportedError as error:
        assert "Asia/Kathmandu" in str(error)
    else:
        assert found["t"].tolist() == [pd.Timestamp("2024-07-02T04:15:00")]
