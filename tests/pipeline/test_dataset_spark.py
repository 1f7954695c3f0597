"""What is planned of a dataset is what Spark reads: files, types, columns by name, records that cannot be parsed."""

from __future__ import annotations

import json
import os
import warnings
import zlib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from sparksig.cli import main
from sparksig.errors import ConfigError, SchemaError
from sparksig.pipeline.dataset import model, open_dataset, parquet_table
from sparksig.pipeline.dataset.partitions import NULL, column_type
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.io import read_table
from sparksig.pipeline.io.source import require_no_table
from sparksig.pipeline.run import run, run_stream
from sparksig.pipeline.run.validation import CheckConfig, validate_job
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import Array
from sparksig.sources.observed import all_nullable, table_from_spark
from tests.pipeline.jobs import SIGNATURE, Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def ends(argv: list[str]) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return int(caught.value.code or 0)


def read(spark: SparkSession, folder: Path, **settings: Any) -> DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_table(spark, CheckConfig(str(folder), signature="s", **settings))


def rows(table: DataFrame) -> list[dict[str, Any]]:
    return sorted((row.asDict(recursive=True) for row in table.collect()), key=str)


# ---- partition columns

VALUES = [
    *("1", "+1", "007", "2147483648", "9223372036854775808", "-12345678901234567890", "1" * 38, "1" * 39, "1e3"),
    *("1e38", "1.", ".5", "1.5", "1e-1", "0e3", "1d", "2F", "NaN", "nan", "-Infinity", "inf", "0x1p3", "0x10", " 1"),
    *("2024-01-01", "2024-02-30", "2024-1-1", "2024-01", "02024-01-01", "2024-01-01T10:00:00", "2024-01-01 10:00"),
    *("2024-01-01 10:00:00", "2024-01-01 10%3A00%3A00", "2024-01-01 10:00:00.1", "2024-01-01 10:00:00.12"),
    *("2024-01-01 25:00:00", "2024%2D01%2D01", "10%3A00", "25:00:00", NULL, "true", "a%2Fb", "%C3%A9", "é", "1_0"),
    *("1e2147483648", "0001-01-01", "9999-12-31", "10000-01-01", "1.0e1", "\uff11"),
]
KINDS = ["1", "3000000000", "12345678901234567890", "1e3", "1.5", "2024-01-01", "2024-01-02 10:00:00", "x", NULL]
THREE = [["1", "1.5", NULL], ["1", "1e3", "3000000000"], ["1", "1.5", "3000000000"], ["2024-01-01", NULL, "x"]]


def test_plan_types_partition_columns_as_spark_does(spark: SparkSession, tmp_path: Path) -> None:
    sets: list[Sequence[str]] = [*([value] for value in VALUES), *map(list, combinations(KINDS, 2)), *THREE]
    differing = []
    for number, values in enumerate(sets):
        for value in values:
            (tmp_path / str(number) / f"k={value}").mkdir(parents=True)
            (tmp_path / str(number) / f"k={value}" / "f").write_text("x")
        schema = table_from_spark(spark.read.text(str(tmp_path / str(number))).schema.jsonValue())
        spark_type, own = str(schema.fields[1].type), str(column_type(values))
        if spark_type != own:
            differing.append((values, spark_type, own))
    assert differing == []


def test_infer_reads_partition_values_as_spark_does(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [["1", NULL], ["3000000000"], ["1e3", "12345678901234567890"], ["1d", ".5"], ["2024-01-01"], ["a%2Fb", "x"]]
    for number, values in enumerate([*sets, ["2024-01-01 10%3A00%3A00", "2024-01-01"]]):
        folder = tmp_path / str(number)
        for value in values:
            write(folder / f"k={value}" / "f.parquet", x=[1.0])
        from sparksig.pipeline.dataset import read_examples

        own = read_examples("DATA", str(folder)).column("k").to_pylist()
        own = [value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for value in own]
        table = spark.read.parquet(str(folder))
        if dict(table.dtypes)["k"] == "timestamp":  # as a local time of the session's zone
            table = table.selectExpr("cast(k as string) as k")
        assert sorted(map(str, own)) == sorted(str(row.k) for row in table.collect())
        declared = str(tmp_path / f"{number}.json")
        assert ends(["infer", str(folder), "-o", declared]) == 0
        assert ends(["plan", declared, str(folder)]) == 0, capsys.readouterr()


def test_job_reads_partition_columns_that_are_in_the_files_too(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "t" / "code=a" / "f.parquet", x=[1.0], Code=["b"], y=[1])
    write(tmp_path / "t" / "code=c" / "f.parquet", x=[2.0], Code=["d"])
    write(tmp_path / "t" / "code=c" / "g.parquet", x=[3.0])
    table = read(spark, tmp_path / "t")
    with pytest.warns(UserWarning):
        assert [field.name for field in parquet_table("T", str(tmp_path / "t")).fields] == table.columns
    assert [(row["x"], row["code"], row["y"]) for row in rows(table)] == [
        (1.0, "a", 1),
        (2.0, "c", None),
        (3.0, "c", None),
    ]


# ---- files

LAYOUTS = {
    "plain": ["a", "b"],
    "hidden": ["a", ".b", "_c", "_SUCCESS", "d._COPYING_", "_k=1", "_e/f", ".g/h"],
    "partitions": ["k=1/a", "k=1/_b", "k=2/c/d", ".k=4/f"],
    "partitions of two names": ["k=1/a", "_k=3/e"],
    "underscore": ["_k=1/a", "_k=2/b"],
    "deep": ["a/k=1/b", "a/k=2/c"],
    "subfolders": ["a", "late/b"],
    "only subfolders": ["a/b", "c/d"],
    "next to partitions": ["a", "k=1/b"],
    "uneven": ["k=1/a", "k=1/j=1/b"],
}


def test_list_has_the_files_that_spark_reads(spark: SparkSession, tmp_path: Path) -> None:
    from pyspark.sql import functions as F

    for layout, names in LAYOUTS.items():
        folder = tmp_path / layout
        for name in names:
            write(folder / name, x=[1.0])
        (folder / names[0]).with_name("empty").touch()
        try:
            dataset = open_dataset("--input", str(folder), "parquet")
        except ConfigError:
            assert layout in (
                "subfolders",
                "only subfolders",
                "next to partitions",
                "uneven",
                "partitions of two names",
            )
            continue
        assert dataset is not None
        found = spark.read.parquet(str(folder)).select(F.input_file_name()).distinct().collect()
        assert {unquote(row[0]).rpartition(f"/{layout}/")[2] for row in found} == {file.name for file in dataset.data}


GLOBS = ["*.{a,b}", "[ab].*", "[^a].*", "[!a].*", "?.b", r"\{c\}.b", "*", "a.a", "a+b", "[a-b].{a,c}", "{a,{b,x}}.a"]


def test_list_chooses_the_files_that_a_glob_chooses_in_spark(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("a.a", "a.b", "b.a", "^.a", "!.b", "{c}.b", "a+b", "aab"):
        (tmp_path / name).write_text("x")
    for glob in GLOBS:
        options = {"pathGlobFilter": glob}
        found = spark.read.options(**options).text(str(tmp_path)).inputFiles()
        dataset = open_dataset("--input", str(tmp_path), "text", options)
        assert dataset is not None
        assert sorted(file.name for file in dataset.data) == sorted(Path(unquote(name)).name for name in found), glob


def test_job_reads_the_files_that_spark_chooses_by_their_time(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "t" / "1.parquet", x=[1.0])
    write(tmp_path / "t" / "2.parquet", y=[2.0], x=[2.0])
    write(tmp_path / "t" / "old.parquet", x=["text"])
    write(tmp_path / "t" / "old" / "3.parquet", x=[3.0])
    for name in ("old.parquet", "old/3.parquet"):
        os.utime(tmp_path / "t" / name, (1e9, 1e9))
    recent = {"modifiedAfter": "2020-01-01T00:00:00"}
    assert [(row["x"], row["y"]) for row in rows(read(spark, tmp_path / "t", input_options=recent))] == [
        (1.0, None),
        (2.0, 2.0),
    ]
    with pytest.raises(ConfigError, match="does not read 1 file of"):
        read(spark, tmp_path / "t", input_options={"modifiedBefore": "2020-01-01T00:00:00"})
    job = Job(tmp_path).model()
    with pytest.warns(UserWarning, match="column y is missing in 1 of 2 files"):
        summary = run(job.config(input=job.path("t"), input_options=recent), lambda: spark)
    assert "y is missing in 1 of 2 files (1.parquet)" in summary.warnings[0]


def test_job_reads_files_by_name_where_only_spark_can_list(spark: SparkSession, tmp_path: Path) -> None:
    hadoop = spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
    hadoop.set(f"fs.viewfs.mounttable.{tmp_path.name}.link./t", f"file://{tmp_path}")

    def listed(folder: str, **settings: Any) -> DataFrame:
        place = f"viewfs://{tmp_path.name}/t/{folder}"
        return read_table(spark, CheckConfig(place, signature="s", **settings))

    write(tmp_path / "p" / "1.parquet", x=[1.0])
    write(tmp_path / "p" / "2.parquet", y=[2.0], x=[2.0])
    assert [(row["x"], row["y"]) for row in rows(listed("p"))] == [(1.0, None), (2.0, 2.0)]
    write(tmp_path / "p" / "late" / "3.parquet", x=[3.0])
    with pytest.raises(ConfigError, match=r"does not read 1 file of .*late/3\.parquet"):
        listed("p")
    assert listed("p", input_options={"recursiveFileLookup": "true"}).count() == 3
    for name, text in {"1": "a,b\n1,100\n", "2": "b,a\n200,2\n"}.items():
        (tmp_path / "c").mkdir(exist_ok=True)
        (tmp_path / "c" / name).write_text(text)
    with pytest.raises(Exception, match="CSV header does not conform"):
        listed("c", format="csv", input_options={"header": "true"}).collect()


def test_job_rejects_files_whose_columns_differ_by_case_where_case_counts(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "t" / "1.parquet", x=[1.0])
    write(tmp_path / "t" / "2.parquet", X=[2.0])
    assert [row["x"] for row in rows(read(spark, tmp_path / "t"))] == [1.0, 2.0]
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        with pytest.raises(SchemaError, match="X and x: differ by case only between files"):
            read(spark, tmp_path / "t")
    finally:
        spark.conf.unset("spark.sql.caseSensitive")


@pytest.mark.parametrize("form", ["parquet", pytest.param("csv", marks=pytest.mark.cluster)])
def test_job_and_plan_reject_files_that_are_not_read_and_take_the_hint(
    spark: SparkSession, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(tmp_path).model()
    for name, number in (("a", 1.0), ("late/b", 2.0)):
        if form == "parquet":
            write(tmp_path / "source" / name, x=[number])
        else:
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "source" / name).write_text(f"x\n{number}\n")
    header: dict[str, Any] = {"format": form, "level": "parse", "input_options": {"header": "true"}}
    for act in (
        lambda: run(job.config(**header), lambda: spark),
        lambda: run_stream(
            job.config(**header, run_id="", trigger="available-now", checkpoint=job.path("c")), lambda: spark
        ),
        lambda: validate_job(
            CheckConfig(job.path("source"), job.path("model"), **header), lambda: spark, plan_only=True
        ),
    ):
        with pytest.raises(RunError, match="recursiveFileLookup=true") as caught:
            act()
        assert caught.value.code == 2 and "late/b" in str(caught.value)
    options = {"header": "true", "recursiveFileLookup": "true"}
    assert run(job.config(**{**header, "input_options": options}), lambda: spark).rows_in == 2
    if form == "parquet":
        assert ends(["plan", job.path("model"), job.path("source")]) == 2
        assert ends(["plan", job.path("model"), job.path("source"), "--input-option", "recursiveFileLookup=true"]) == 0
        assert "the table fits" in capsys.readouterr().out


def test_every_command_rejects_the_folder_of_a_table(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(tmp_path).model()
    write(tmp_path / "source" / "day=1" / "f.parquet", x=[1.0])
    (tmp_path / "source" / "_delta_log").mkdir()
    for place in ("source", "source/day=1"):
        commands = [
            ["plan", job.path("model"), job.path(place)],
            ["sql", job.path("model"), job.path(place)],
            ["infer", job.path(place)],
            ["validate", "--plan-only", "--model", job.path("model"), "--input", job.path(place)],
            ["validate", "--model", job.path("model"), "--input", job.path(place), "--format", "orc"],
        ]
        for command in commands:
            assert ends(command) == 2, command
            assert "Delta table" in capsys.readouterr().err
        stream = {"run_id": "", "trigger": "available-now", "checkpoint": job.path("c")}
        for act, more in ((run, {}), (run_stream, stream)):
            with pytest.raises(RunError, match="Delta table") as caught:
                act(job.config(input=job.path(place), **more), lambda: spark)
            assert caught.value.code == 2


def test_job_rejects_the_folder_of_a_table_where_only_spark_can_list(spark: SparkSession, tmp_path: Path) -> None:
    for number, mark in enumerate(("_delta_log/0.json", ".hoodie/x", "metadata/v1.metadata.json")):
        table = tmp_path / str(number) / "t"
        (table / mark).parent.mkdir(parents=True)
        (table / mark).touch()
        for place in (table, table / "k=1", table / "k=1" / "f"):
            with pytest.raises(ConfigError, match="table, not a folder of files"):
                require_no_table(spark, f"file://{place}")
    require_no_table(spark, f"file://{tmp_path}")
    require_no_table(spark, "nonesuch://host/x")


# ---- one schema


def test_job_reads_columns_that_only_some_files_have(spark: SparkSession, tmp_path: Path) -> None:
    signature = ModelSignature(
        Schema([ColSpec("double", "x"), ColSpec("double", "bonus", required=False)]),
        SIGNATURE.outputs,
        SIGNATURE.params,
    )
    job = Job(tmp_path).model(signature=signature)
    write(tmp_path / "source" / "k=1" / "1.parquet", x=[1.0], s=[{"a": 1}])
    write(tmp_path / "source" / "k=2" / "2.parquet", bonus=[5.0], X=[2.0], s=[{"b": "y"}], v=pa.nulls(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other columns
        with pytest.warns(UserWarning, match="column bonus is missing in 1 of 2 files"):
            summary = run(job.config(), lambda: spark)
    assert any("bonus is missing in 1 of 2 files (k=1/1.parquet)" in text for text in summary.warnings)
    assert json.loads((tmp_path / "summary.json").read_text())["warnings"] == list(summary.warnings)
    assert [row["bonus"] for row in sorted(job.rows("scored"), key=lambda row: row["x"])] == [None, 5.0]
    assert [str(row["s"]) for row in rows(spark.read.parquet(job.path("scored/run_id=r")))] == [
        "{'a': 1, 'b': None}",
        "{'a': None, 'b': 'y'}",
    ]


def test_job_rejects_a_later_file_with_nanoseconds(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "t" / "1.parquet", at=pa.array([0], pa.timestamp("us")))
    write(tmp_path / "t" / "2.parquet", at=pa.array([0], pa.timestamp("ns")))
    with pytest.raises(SchemaError, match=r"at: Spark does not read nanoseconds[^\n]* 2\.parquet"):
        read(spark, tmp_path / "t")


@pytest.mark.parametrize("first", [pytest.param(True, marks=pytest.mark.cluster), False])
def test_job_reads_a_column_without_values_in_some_files(spark: SparkSession, tmp_path: Path, first: bool) -> None:
    full: dict[str, Any] = {
        "d": [1.5],
        "s": ["a"],
        "l": [3],
        "b": [True],
        "a": [[1]],
        "o": [{"k": "v"}],
        "t": pa.array([0], pa.timestamp("us", "UTC")),
        "y": pa.array([0], pa.date32()),
        "n": pa.array([1], pa.decimal128(20, 2)),
        "r": [b"x"],
    }
    void = {name: pa.nulls(1) for name in full}
    write(tmp_path / "t" / "1.parquet", **(void if first else full))
    write(tmp_path / "t" / "2.parquet", **(full if first else void))
    table = read(spark, tmp_path / "t")
    assert table_from_spark(table.schema.jsonValue()) == parquet_table("T", str(tmp_path / "t"))
    (empty,) = table.where("d is null").collect()
    assert set(empty) == {None}
    assert table.where("d is not null").select("d", "s", "l", "o.k").collect() == [(1.5, "a", 3, "v")]


def test_job_reads_columns_that_only_some_orc_files_have(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    pa.orc.write_table(pa.table({"x": [1.0]}), tmp_path / "t" / "1.orc")
    pa.orc.write_table(pa.table({"y": ["a"], "x": [2.0]}), tmp_path / "t" / "2.orc")
    assert rows(read(spark, tmp_path / "t", format="orc")) == [{"x": 1.0, "y": None}, {"x": 2.0, "y": "a"}]
    pa.orc.write_table(pa.table({"x": ["a"]}), tmp_path / "t" / "3.orc")
    with pytest.raises(SchemaError, match=r"x: is string in 3\.orc"):
        read(spark, tmp_path / "t", format="orc")


def test_spark_tasks_read_many_footers(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sparksig.pipeline.io import reading

    for number in range(7):
        write(tmp_path / "t" / f"{number}.parquet", **({"x": [1.0]} if number % 2 else {"x": [1.0], "y": [1]}))
    monkeypatch.setattr(reading, "MANY", 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "read_footers", None)  # nothing is left to be read in this process
        assert [row["y"] for row in rows(read(spark, tmp_path / "t"))].count(None) == 3
    write(tmp_path / "t" / "7.parquet", x=["a"])
    with pytest.raises(SchemaError, match=r"x: is string in 7\.parquet"):
        read(spark, tmp_path / "t")
    (tmp_path / "t" / "8.parquet").write_text("secret")
    with pytest.raises(ConfigError, match=r"8\.parquet is not of the format Parquet"):
        read(spark, tmp_path / "t")


# ---- CSV


def test_job_reads_csv_files_by_the_names_in_their_headers(spark: SparkSession, tmp_path: Path) -> None:
    texts = {"k=1/1": "a,b\n1,100\n2,200\n", "k=x/2": "b,a\n400,4\n", "k=x/3": "a\n5\n", "k=1/4": "c,A\n6.5,6\n"}
    for name, text in texts.items():
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_text(text)
    table = read(spark, tmp_path / "t", format="csv", input_options={"header": "true"})
    assert [(row["a"], row["b"], row["c"], row["k"]) for row in rows(table)] == [
        ("1", "100", None, "1"),
        ("2", "200", None, "1"),
        ("4", "400", None, "x"),
        ("5", None, None, "x"),
        ("6", None, "6.5", "1"),
    ]
    inferred = read(spark, tmp_path / "t", format="csv", input_options={"header": "true", "inferSchema": "true"})
    assert dict(inferred.dtypes) == {"a": "int", "b": "int", "k": "string", "c": "double"}
    (tmp_path / "t" / "k=1" / "5").write_text("b,c\nx,007\n")
    mixed = read(spark, tmp_path / "t", format="csv", input_options={"header": "true", "inferSchema": "true"})
    assert dict(mixed.dtypes) == {"a": "int", "b": "string", "k": "string", "c": "double"}
    assert sorted(str(row.b) for row in mixed.collect()) == ["100", "200", "400", "None", "None", "x"]


def test_job_reads_csv_files_by_name_whatever_their_form(spark: SparkSession, tmp_path: Path) -> None:
    packed = zlib.compress(b"b,a\n200,2\n")
    forms: dict[str, tuple[bytes, dict[str, str]]] = {
        "old line ends": (b"b,a\r200,2\r", {}),
        "spaces": (b" b , a \n200,2\n", {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}),
        "lines in a name": (b'b,"a"\n200,2\n', {"multiLine": "true"}),
        "other case": (b"B,A\n200,2\n", {}),
        "compression that only Spark reads.deflate": (packed, {}),
    }
    for form, (second, options) in forms.items():
        (tmp_path / form).mkdir()
        (tmp_path / form / "1").write_bytes(b"a,b\n1,100\n")
        (tmp_path / form / f"2{Path(form).suffix}").write_bytes(second)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = read_table(
                spark,
                CheckConfig(
                    str(tmp_path / form), signature="s", format="csv", input_options={"header": "true", **options}
                ),
            )
        assert [(row["a"], row["b"]) for row in rows(table)] == [("1", "100"), ("2", "200")], form


def test_job_warns_of_a_csv_column_that_spark_numbers(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "1").write_text("x,b\n1,100\n")
    (tmp_path / "source" / "2").write_text("x,b,b\n2,200,300\n")
    job = Job(tmp_path).model()
    options: dict[str, Any] = {"format": "csv", "input_options": {"header": "true"}, "level": "parse"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        summary = run(job.config(**options), lambda: spark)
    assert "column b is missing in 1 of 2 files (2)" in summary.warnings[0]


def test_job_scores_csv_files_of_other_order(spark: SparkSession, tmp_path: Path) -> None:
    job = Job(tmp_path).model()
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "1.csv").write_text("x,b\n1,100\n")
    (tmp_path / "source" / "2.csv").write_text("b,x\n400,4\n")
    options: dict[str, Any] = {"format": "csv", "input_options": {"header": "true"}, "level": "parse"}
    summary = run(job.config(**options), lambda: spark)
    assert (summary.rows_in, summary.rows_scored) == (2, 2)
    assert sorted(row["prediction"] for row in job.rows("scored")) == [2.0, 8.0]
    stream = job.config(**options, run_id="", trigger="available-now", checkpoint=job.path("c"))
    with pytest.raises(RunError, match="the headers of CSV files differ") as caught:
        run_stream(stream, lambda: spark)
    assert caught.value.code == 3


def test_stream_fails_on_a_csv_file_with_another_header(spark: SparkSession, tmp_path: Path) -> None:
    job = Job(tmp_path).model()
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "1.csv").write_text("x,b\n1,100\n")
    options: dict[str, Any] = {"format": "csv", "input_options": {"header": "true"}, "level": "parse"}
    stream = job.config(**options, run_id="", trigger="available-now", checkpoint=job.path("c"))
    assert run_stream(stream, lambda: spark).rows_scored == 1
    (tmp_path / "source" / "1.csv").write_text("b,x\n1,100\n")
    (tmp_path / "source" / "1.csv").rename(tmp_path / "source" / "2.csv")
    (tmp_path / "source" / "0.csv").write_text("x,b\n1,100\n")
    with pytest.raises(RunError) as caught:
        run_stream(stream, lambda: spark)
    assert caught.value.code in (3, 5)


# ---- our own files


@pytest.mark.parametrize("form", ["parquet", "json", "csv", "orc"])
def test_requeue_reads_what_was_written(spark: SparkSession, tmp_path: Path, form: str) -> None:
    job = Job(tmp_path).model()
    columns = {
        "grade": ["1d", "2f", "007"],
        "n": pa.array([1, None, 3], pa.int32()),
        "f": pa.array([1.5] * 3, pa.float32()),
    }
    write(tmp_path / "source" / "f", x=[None, None, 1.0], empty=pa.array([None] * 3, pa.date32()), **columns)
    options: dict[str, Any] = {"partition_by": ("grade",), "output_format": form}
    if form == "csv":  # has no form for an array: the violations
        with pytest.raises(RunError):
            run(job.config(**options), lambda: spark)
        return
    assert run(job.config(**options), lambda: spark).rows_quarantined == 2
    marker = json.loads((tmp_path / "quarantine" / "run_id=r" / "_sparksig.json").read_text())
    assert marker["format"] == form and marker["version"] == 2
    assert [each["name"] for each in marker["schema"]["fields"]][-1] == "_violations"
    again = job.config(**options, allow_nulls=True).requeued("r")
    assert run(again, lambda: spark).rows_scored == 2
    folders = {each.name for each in (tmp_path / "scored" / "run_id=r.requeued").iterdir() if "=" in each.name}
    assert folders == {"grade=1d", "grade=2f"}
    scored = spark.read.format(form).load(job.path("scored/run_id=r.requeued"))
    assert form != "parquet" or (dict(scored.dtypes)["n"] == "int" and dict(scored.dtypes)["empty"] == "date")


def test_job_reads_an_output_folder_with_the_schema_of_its_runs(spark: SparkSession, tmp_path: Path) -> None:
    job = Job(tmp_path).model()
    for run_id in ("2026-01-31", "1"):
        write(tmp_path / run_id / "f", x=[1.0], grade=["007"])
        run(job.config(input=job.path(run_id), run_id=run_id, partition_by=("grade",)), lambda: spark)
    table = read(spark, tmp_path / "scored")
    assert dict(table.dtypes) == {"x": "double", "grade": "string", "prediction": "double", "run_id": "string"}
    assert {(row["run_id"], row["grade"]) for row in rows(table)} == {("2026-01-31", "007"), ("1", "007")}
    assert table_from_spark(table.schema.jsonValue()) == all_nullable(parquet_table("T", job.path("scored")))


def test_requeue_of_json_quarantines_invalid_utf8_again_and_scores_the_other_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    # valid strings that could be taken for damaged ones, and strings that are not valid
    valid = [b"ok", b"\xef\xbf\xbd", b"invalid UTF-8, hex FF", b"invalid UTF-8, hex zz"]
    strings = [*valid, b"\xff\xfe", b"\xed\xa0\x80", b"a\xe2\x82"]
    n = len(strings)
    text = pa.Array.from_buffers(pa.string(), n, pa.array(strings, pa.binary()).buffers())
    nested = pa.ListArray.from_arrays(list(range(n + 1)), text)
    mapped = pa.MapArray.from_arrays(list(range(n + 1)), text, text)
    struct = pa.StructArray.from_arrays([text, nested], ["s", "t"])
    extras = {"other": text.take(pa.array([*range(1, n), 0])), "t": nested, "m": mapped, "o": struct}
    write(tmp_path / "source" / "f", x=[1.0] + [None] * (n - 1), s=text, **extras)
    inputs = Schema([ColSpec("double", "x"), ColSpec("string", "s"), ColSpec(Array("string"), "t")])
    job = Job(tmp_path).model(signature=ModelSignature(inputs, SIGNATURE.outputs, SIGNATURE.params))
    assert run(job.config(output_format="json"), lambda: spark).rows_quarantined == n - 1
    summary = run(job.config(output_format="json", allow_nulls=True).requeued("r"), lambda: spark)
    found = {(count.path, count.code): count.rows for count in summary.violations}
    assert found == {("s", "UNPARSABLE"): 3, ("t[]", "UNPARSABLE"): 3}
    assert (summary.rows_in, summary.rows_scored, summary.rows_quarantined) == (n - 1, len(valid) - 1, 3)
    columns = "cast(s as binary) s, cast(other as binary) other, cast(t[0] as binary) t, "
    columns += "cast(map_keys(m)[0] as binary) k, cast(map_values(m)[0] as binary) v, cast(o.t[0] as binary) o"
    source = spark.read.parquet(job.path("source")).selectExpr(*columns.split(", "))
    for kind, count in (("scored", len(valid) - 1), ("quarantine", 3)):
        written = read(spark, tmp_path / kind / "run_id=r.requeued", format="json")
        rows_written = {tuple(map(bytes, row)) for row in written.selectExpr(*columns.split(", ")).collect()}
        assert len(rows_written) == count and rows_written <= {tuple(map(bytes, row)) for row in source.collect()}
    raw = spark.read.json(job.path("quarantine/run_id=r.requeued")).collect()
    assert {row["s"] for row in raw} == {f"invalid UTF-8, hex {each.hex().upper()}" for each in strings[-3:]}


def test_requeue_names_the_option_for_a_run_that_was_not_committed(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(tmp_path).model()
    write(tmp_path / "source" / "f", x=[1.0, None])
    with pytest.raises(RunError):
        run(job.config(max_bad_rows=0), lambda: spark)
    argv = ["requeue", "r", *job.argv()[1:-2], "--allow-nulls"]
    assert ends(argv) == 2
    assert "--rejected takes the rows" in capsys.readouterr().err
    assert ends([*argv, "--rejected"]) == 0


def test_requeue_says_that_there_is_no_such_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(tmp_path).model()
    write(tmp_path / "source" / "f", x=[1.0])
    argv = ["requeue", "unheard-of", *job.argv()[1:]]
    at = argv.index("--run-id")
    assert ends(argv[:at] + argv[at + 2 :]) == 2
    assert "RUN_ID: there is no run unheard-of in" in capsys.readouterr().err


def test_job_rejects_a_source_with_a_run_id_of_its_own(spark: SparkSession, tmp_path: Path) -> None:
    job = Job(tmp_path).model()
    write(tmp_path / "source" / "f", Run_Id=["a"], x=[1.0])
    with pytest.raises(RunError, match="Run_Id: .*hint: .*--column".replace(".*", "[\\s\\S]*")) as caught:
        run(job.config(), lambda: spark)
    assert caught.value.code == 3 and job.left() == ["summary.json"]
    with pytest.raises(RunError, match="a column run_id of their own"):
        validate_job(job.config(), lambda: spark, plan_only=True)
    assert run(job.config(columns=("x",)), lambda: spark).rows_scored == 1


# ---- records that cannot be parsed

BROKEN = '{"a":1,"b":2}\n{"a":3,"b":\n{"a":5,"b":6}\n'
OPTIONAL = ModelSignature(
    Schema([ColSpec("long", "a", required=False), ColSpec("long", "b", required=False)]), SIGNATURE.outputs
)


@pytest.mark.parametrize("more", [{}, {"on_model_error": "quarantine"}, {"columns": ("a", "b")}])
def test_job_quarantines_broken_json_lines(spark: SparkSession, tmp_path: Path, more: dict[str, Any]) -> None:
    from sparksig.models.saving import save_model

    job = Job(tmp_path)
    artifact = save_model(tmp_path / "model", _constant(), OPTIONAL)
    (tmp_path / "trust").write_text(artifact.digest)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "f.json").write_text(BROKEN)
    summary = run(job.config(format="json", **more), lambda: spark)
    assert (summary.rows_in, summary.rows_scored, summary.rows_quarantined) == (3, 2, 1)
    assert [(each.path, each.code, each.rows) for each in summary.violations] == [("_corrupt_record", "UNPARSABLE", 1)]
    (row,) = job.rows("quarantine")
    assert row["_corrupt_record"] == '{"a":3,"b":'
    with pytest.raises(RunError) as caught:  # no row of the requeued is clean
        run(job.config(format="json").requeued("r"), lambda: spark)
    assert caught.value.code == 4
    report = validate_job(CheckConfig(job.path("source"), job.path("model"), format="json"), lambda: spark).report
    assert report is not None and (report.rows_clean, report.rows_violating) == (2, 1)


def _constant() -> Any:
    import numpy as np
    from sklearn.dummy import DummyRegressor

    return DummyRegressor(strategy="constant", constant=1.0).fit(np.zeros((1, 1)), [1.0])


def test_stream_quarantines_json_lines_that_break_later(spark: SparkSession, tmp_path: Path) -> None:
    from sparksig.models.saving import save_model

    job = Job(tmp_path)
    artifact = save_model(tmp_path / "model", _constant(), OPTIONAL)
    (tmp_path / "trust").write_text(artifact.digest)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "1.json").write_text('{"a":1,"b":2}\n')
    config = job.config(format="json", run_id="", trigger="available-now", checkpoint=job.path("c"))
    assert run_stream(config, lambda: spark).rows_scored == 1
    (tmp_path / "source" / "2.json").write_text(BROKEN)
    summary = run_stream(config, lambda: spark)
    assert (summary.rows_scored, summary.rows_quarantined) == (2, 1)
