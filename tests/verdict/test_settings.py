"""The same row gets the same verdict under every setting: a pairwise covering set, on one table of cases."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparksig import ColSpec, Schema, split
from tests.lanes import UNREDUCED
from tests.verdict import cases, places
from tests.verdict.covering import covering_rows, every_pair, pairs_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONF: dict[str, tuple[str, ...]] = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": ("1", "3", "10000"),
    "spark.sql.session.timeZone": ("UTC", "America/Sao_Paulo", "Asia/Kathmandu"),
    "spark.sql.ansi.enabled": ("true", "false"),
    "spark.sql.adaptive.enabled": ("true", "false"),
    "spark.sql.codegen.wholeStage": ("true", "false"),
    "spark.sql.codegen.factoryMode": ("FALLBACK", "NO_CODEGEN"),
    "spark.sql.legacy.sizeOfNull": ("true", "false"),
    "spark.sql.parser.escapedStringLiterals": ("true", "false"),
    "spark.sql.caseSensitive": ("true", "false"),
    "spark.sql.ansi.doubleQuotedIdentifiers": ("true", "false"),
    "spark.sql.timestampType": ("TIMESTAMP_LTZ", "TIMESTAMP_NTZ"),
}
SETTINGS: dict[str, tuple[Any, ...]] = {
    "partitions": (1, 7, 16),
    **CONF,
    "cached": (True, False),
    "source": ("parquet", "memory"),
}
ROWS = covering_rows(SETTINGS)
DEAR = ("split", "validate", "enforce")
"""Verbs that judge one signature at a time: every row of settings asks one of them of one signature.

`tag` is asked of all signatures in every row, `score` of one of the two that can be scored, in `make test-all` in every
row and else in every second one.
"""

pytestmark = pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")


def test_settings_rows_cover_every_pair_of_settings() -> None:
    assert set.union(*map(pairs_of, ROWS)) == every_pair(SETTINGS)
    assert [list(row) for row in ROWS] == [list(SETTINGS)] * len(ROWS)
    assert 9 <= len(ROWS) <= 20  # two settings of three values have nine pairs; without thrift there were 82,944 rows
    assert covering_rows(SETTINGS) == ROWS


@contextmanager
def configured(spark: SparkSession, conf: Mapping[str, str]) -> Iterator[None]:
    """Some settings of the session for a while; the session is everybody's."""
    before = {key: spark.conf.get(key, None) for key in conf}
    try:
        for key, value in conf.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)


@pytest.fixture(scope="module")
def sources(spark: SparkSession) -> Iterator[dict[str, DataFrame]]:
    """The table of cases in memory, and the same table in files."""
    memory = cases.frame(spark)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "table"))
        memory.repartition(4).write.parquet(path)
        yield {"memory": memory, "parquet": spark.read.parquet(path)}


@contextmanager
def table(sources: Mapping[str, DataFrame], row: Mapping[str, Any]) -> Iterator[DataFrame]:
    df = sources[row["source"]].repartition(row["partitions"])
    if not row["cached"]:
        yield df
        return
    df = df.cache()
    try:
        yield df
    finally:
        df.unpersist()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"row{number}")
def test_verbs_give_one_verdict_under_every_setting(
    spark: SparkSession, sources: dict[str, DataFrame], number: int
) -> None:
    row, wanted = ROWS[number], cases.expected_answers()
    with configured(spark, {key: row[key] for key in CONF}), table(sources, row) as df:
        assert df.rdd.getNumPartitions() == row["partitions"]
        verb = DEAR[number % len(DEAR)]
        group = cases.TURNED[number // len(DEAR) % len(cases.TURNED)]
        model = list(cases.SCORED)[number // 2 % len(cases.SCORED)]
        one = {"split": cases.split_verdicts, "validate": cases.validated, "enforce": cases.enforced}[verb]
        found: dict[str, Any] = {"tag": cases.tagged_verdicts(df), verb: one(df, group)}
        expected: dict[str, Any] = {"tag": wanted["tag"], verb: wanted[verb][group]}
        if number % 2 == 0 or UNREDUCED in os.environ:
            found["score"], expected["score"] = cases.scored(df, model), wanted["score"][model]
    assert cases.differences(found, expected) == []


def test_settings_are_restored_after_a_configured_block(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "America/Sao_Paulo"
    with configured(spark, {"spark.sql.session.timeZone": "UTC"}):
        assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.session.timeZone") == "America/Sao_Paulo"


NAN = float("nan")


@pytest.mark.parametrize("allow_nan", [True, False])
def test_split_keeps_nan_rows_of_a_cached_frame(spark: SparkSession, allow_nan: bool) -> None:
    """A comparison on a cached frame skips blocks by statistics that know no NaN (SPARK-58482)."""
    df = spark.createDataFrame([(NAN, 1), (0.5, 2), (NAN, 3), (None, 4)], "x double, n int").repartition(2).cache()
    try:
        assert df.count() == 4
        parts = split(df, places.X, allow_nan=allow_nan, keep=["n"])
        accepted = sorted(row["n"] for row in parts.accepted.collect())
        quarantined = {row["n"]: cases.verdict(row["_violations"]) for row in parts.quarantined.collect()}
        assert accepted == ([1, 2, 3] if allow_nan else [2])
        assert quarantined == {4: "x:NULL"} | ({} if allow_nan else {1: "x:NAN", 3: "x:NAN"})
        narrow = Schema([ColSpec("float", "x")])
        assert sorted(row["n"] for row in split(df, narrow, level="checked", keep=["n"]).accepted.collect()) == [
            1,
            2,
            3,
        ]
    finally:
        df.unpersist()


@pytest.mark.parametrize("adaptive", ["true", pytest.param("false", marks=pytest.mark.cluster)])
def test_enforce_checks_exactly_the_rows_of_its_input(spark: SparkSession, adaptive: str) -> None:
    with configured(spark, {"spark.sql.adaptive.enabled": adaptive}):
        assert cases.differences(places.placed(spark), places.expected_ends()) == []
