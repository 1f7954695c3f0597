"""The source of a job: any format with its options, tables by name, conditions, columns; and its error messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparksig.errors import ConfigError
from sparksig.pipeline.io import read_table
from sparksig.pipeline.run import run
from sparksig.pipeline.run.validation import CheckConfig
from tests.pipeline.jobs import TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SECRET = "hunter2"


def rows(spark: SparkSession, place: str = "", **settings: Any) -> list[dict[str, Any]]:
    found = read_table(spark, CheckConfig(place, signature="s", **settings)).collect()
    return sorted((row.asDict() for row in found), key=str)


def refused(spark: SparkSession, place: str = "", **settings: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read_table(spark, CheckConfig(place, signature="s", **settings))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return {problem.path: problem.fact for problem in caught.value.problems}


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> Iterator[str]:
    """A table of the catalog."""
    name = "sparksig_night.flights"
    spark.sql("create database if not exists sparksig_night")
    spark.sql(f"create table {name} using parquet as select * from values (1, 1.5D), (2, null), (3, 4D) as t(id, x)")
    yield name
    spark.sql("drop database sparksig_night cascade")


def test_source_reads_csv_with_options(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id;x\n1;1,5\n# no row\n2;NIL\n")
    options = {"header": "true", "sep": ";", "comment": "#", "nullValue": "NIL"}
    assert rows(spark, str(tmp_path / "t.csv"), format="csv", input_options=options) == [
        {"id": "1", "x": "1,5"},
        {"id": "2", "x": None},
    ]


def test_source_reads_multiline_json(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"id": 1},\n {"id": 2}]')
    place, options = str(tmp_path / "t.json"), {"multiLine": "true"}
    assert rows(spark, place, format="json", input_options=options) == [{"id": 1}, {"id": 2}]


def test_source_reads_jdbc_from_options_alone(spark: SparkSession, tmp_path: Path) -> None:
    jvm: Any = spark._jvm
    jvm.java.lang.System.setProperty("derby.stream.error.file", str(tmp_path / "derby.log"))
    driver, url = "org.apache.derby.jdbc.EmbeddedDriver", "jdbc:derby:memory:night;create=true"
    spark.sql("select 1 as id, 1.5D as x").write.jdbc(url, "flights", properties={"driver": driver})
    options = {"driver": driver, "url": url, "dbtable": "flights", "password": SECRET}
    assert rows(spark, format="jdbc", input_options=options) == [{"id": 1, "x": 1.5}]
    wrong = {**options, "url": f"jdbc:derby:memory:{SECRET}"}
    assert refused(spark, format="jdbc", input_options=wrong).keys() == {"--input"}


def test_source_reads_a_table_by_name(spark: SparkSession, table: str) -> None:
    assert rows(spark, input_table=table) == [{"id": 1, "x": 1.5}, {"id": 2, "x": None}, {"id": 3, "x": 4.0}]


def test_source_keeps_only_rows_where_the_condition_is_true(spark: SparkSession, table: str) -> None:
    assert rows(spark, input_table=table, where="x > 2") == [{"id": 3, "x": 4.0}]
    assert rows(spark, input_table=table, where="not x > 2") == [{"id": 1, "x": 1.5}]  # not those where it is null


def test_source_selects_columns_in_order_after_the_condition(spark: SparkSession, table: str) -> None:
    assert rows(spark, input_table=table, where="id > 2", columns=("x",)) == [{"x": 4.0}]
    assert read_table(spark, CheckConfig(input_table=table, signature="s", columns=("x", "id"))).columns == ["x", "id"]


def test_source_selects_columns_with_odd_names(spark: SparkSession, tmp_path: Path) -> None:
    names = ["a.b", "`q`", "${env:HOME}", "größe", "a b", "s"]
    pq.write_table(pa.table({name: [i] for i, name in enumerate(names)}), tmp_path / "t")
    for i, name in enumerate(names):
        assert rows(spark, str(tmp_path / "t"), columns=(name,)) == [{name: i}]


def test_source_rejects_struct_fields_as_columns(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"s": [{"inner": 1}]}), tmp_path / "t")
    for name in ("s.inner", "S"):
        assert refused(spark, str(tmp_path / "t"), columns=(name,)) == {"--column": f"the table has no column {name}"}


def test_source_shows_only_sparks_condition_when_reading_fails(spark: SparkSession, table: str, tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "t")
    place = str(tmp_path / "t")
    assert "TABLE_OR_VIEW_NOT_FOUND" in refused(spark, input_table="no_such")["--input-table"]
    assert "PARSE_SYNTAX_ERROR" in refused(spark, input_table="a b c")["--input-table"]
    assert "UNRESOLVED_COLUMN" in refused(spark, place, where=f"y = '{SECRET}'")["--where"]
    assert "PARSE_SYNTAX_ERROR" in refused(spark, place, where=f"x = '{SECRET}' and (")["--where"]
    assert "as nonesuch" in refused(spark, place, format="nonesuch", input_options={"k": SECRET})["--input"]
    assert refused(spark, place, columns=("X", "xy")) == {"--column": "the table has no column xy"}


def test_job_scores_a_table_by_name_with_condition_and_columns(spark: SparkSession, tmp_path: Path, table: str) -> None:
    job = Job(tmp_path).model()
    chosen: dict[str, Any] = {"where": "id < 3", "columns": ("id", "x"), "params": {"factor": 2}}
    summary = run(job.config(input="", input_table=table, **chosen), lambda: spark)
    assert (summary.rows_in, summary.rows_scored, summary.rows_quarantined) == (2, 1, 1)
    assert job.rows("scored") == [{"id": 1, "x": 1.5, "prediction": 3.0}]
    assert {name: summary.source[name] for name in ("table", "read")} == {"table": table, "read": "twice"}


def test_job_summary_hides_option_values_and_conditions(spark: SparkSession, tmp_path: Path) -> None:
    job = Job(tmp_path).model()
    (tmp_path / "source").write_text(f'{{"x": 1.0, "k": "{SECRET}"}}\n{{"x": 2.0, "k": ""}}\n')
    options = {"dateFormat": f"'{SECRET}'"}
    config = job.config(format="json", input_options=options, where=f"k = '{SECRET}'", output_options={"o": SECRET})
    assert run(config, lambda: spark).rows_in == 1
    assert SECRET not in (tmp_path / "summary.json").read_text()


def test_source_hint_for_non_parquet_names_the_format_option(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("secret")
    with pytest.raises(ConfigError) as caught:
        read_table(spark, CheckConfig(str(tmp_path / "t"), signature="s"))
    (problem,) = caught.value.problems
    assert "--format names the format if it is not Parquet" in str(problem.hint) and "secret" not in str(caught.value)
