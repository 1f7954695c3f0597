"""Which files a dataset has, in which schema, as Spark reads them: seen without Spark."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparksig.cli import main
from sparksig.errors import Code, ConfigError, SchemaError
from sparksig.pipeline.dataset import (
    Dataset,
    group_by_header,
    open_dataset,
    parquet_dataset,
    parquet_table,
    read_examples,
)
from sparksig.pipeline.dataset.listing import list_files
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, **columns: Any) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)

    return write


def shown(path: Path, **options: str) -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {field.name: str(field.type) for field in parquet_table("TABLE", str(path), options).fields}


def ends(argv: list[str]) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return int(caught.value.code or 0)


def rejection(path: Path, form: str = "parquet", **options: str) -> str:
    with pytest.raises(ConfigError) as caught:
        dataset = open_dataset("--input", str(path), form, options)
        assert dataset is not None
        dataset.inspect()
    assert [problem.path for problem in caught.value.problems] == ["--input"]
    return str(caught.value)


# ---- the folders of tables


@pytest.mark.parametrize(
    ("kind", "mark"),
    [("Delta", "_delta_log/0.json"), ("Iceberg", "metadata/v1.metadata.json"), ("Hudi", ".hoodie/hoodie.properties")],
)
@pytest.mark.parametrize("form", ["parquet", "csv", "json", "orc"])
def test_list_rejects_the_folder_of_a_table_by_its_name(tmp_path: Path, kind: str, mark: str, form: str) -> None:
    data = tmp_path / "lake" / "t" / "data" / "day=1"
    data.mkdir(parents=True)
    (data / "f").write_text("x")
    table = tmp_path / "lake" / "t"
    assert open_dataset("--input", str(table / "data"), form) is not None
    (table / mark).parent.mkdir()
    (table / mark).write_text("{}")
    for place in (table, table / "data", data, data / "f", tmp_path / "lake"):
        said = rejection(place, form)
        assert f"{kind} table" in said and "--input-table" in said


def test_plan_and_infer_reject_the_folder_of_a_table(tmp_path: Path, write: Write) -> None:
    write("t/f.parquet", x=[1.0])
    (tmp_path / "t" / "_delta_log").mkdir()
    for read in (parquet_table, read_examples):
        with pytest.raises(ConfigError, match="Delta table"):
            read("TABLE", str(tmp_path / "t"))


# ---- which files


def test_list_takes_the_files_that_spark_takes(tmp_path: Path, write: Write) -> None:
    for name in ("a", "b", "_x=1", ".c", "_d", "e._COPYING_", "_SUCCESS"):
        write(f"t/{name}", x=[1.0])
    (tmp_path / "t" / "empty").touch()
    write("t/_hidden/f", x=[1.0])
    write("t/.hidden/f", x=[1.0])
    listing = list_files("--input", str(tmp_path / "t"))
    assert [file.name for file in listing.data] == ["_x=1", "a", "b"]
    assert listing.empty == ("empty",)


def test_list_rejects_files_that_spark_would_pass_over(tmp_path: Path, write: Write) -> None:
    write("t/a.parquet", x=[1.0])
    write("t/late/b.parquet", x=[1.0])
    said = rejection(tmp_path / "t")
    assert "1 file of" in said and "late/b.parquet" in said and "--input-option recursiveFileLookup=true" in said
    (tmp_path / "t" / "a.parquet").unlink()
    assert "recursiveFileLookup" in rejection(tmp_path / "t")  # also where all files are in subfolders
    write("p/k=1/b.parquet", x=[1.0])
    write("p/a.parquet", x=[1.0])
    assert "outside of the partition folders: a.parquet" in rejection(tmp_path / "p")


def test_list_takes_subfolders_with_the_option_of_the_hint(tmp_path: Path, write: Write) -> None:
    for name in ("a", "late/b", "late/k=1/c", "_hidden/d"):
        write(f"t/{name}", x=[1.0])
    listing = list_files("--input", str(tmp_path / "t"), {"recursivefilelookup": "True"})
    assert [file.name for file in listing.data] == ["a", "late/b", "late/k=1/c"]
    assert shown(tmp_path / "t", recursiveFileLookup="true") == {"x": "double"}
    assert read_examples("DATA", str(tmp_path / "t"), {"recursiveFileLookup": "true"}).num_rows == 3


def test_list_takes_subfolders_of_partitions_as_spark_does(tmp_path: Path, write: Write) -> None:
    for name in ("k=1/a", "k=1/late/b", "_k=2/_hidden/c"):
        write(f"t/{name}", x=[1.0])
    listing = list_files("--input", str(tmp_path / "t"))
    assert [(file.name, file.values[0].raw) for file in listing.data] == [("k=1/a", "1"), ("k=1/late/b", "1")]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("k=1/a", "j=1/a"), "different columns"),
        (("k=1/a", "k=1/j=1/a"), "different columns"),
        (("a/k=1/a", "b/k=1/a"), "begin in different folders"),
        (("k=/a",), "without a name or a value"),
        (("=1/a",), "without a name or a value"),
        (("_SUCCESS", ".a", "a._COPYING_"), "no data file"),
    ],
)
def test_list_rejects_folders_that_spark_rejects(
    tmp_path: Path, write: Write, names: tuple[str, ...], says: str
) -> None:
    for name in names:
        write(f"t/{name}", x=[1.0])
    assert says in rejection(tmp_path / "t")


def test_list_rejects_a_file_of_which_spark_reads_no_row(tmp_path: Path, write: Write) -> None:
    for name in ("_a", ".b", "c._COPYING_"):
        write(name, x=[1.0])
        assert "Spark reads no row of" in rejection(tmp_path / name)
    write("_x=1", x=[1.0])
    assert shown(tmp_path / "_x=1") == {"x": "double"}
    (tmp_path / "empty").touch()
    assert "is empty" in rejection(tmp_path / "empty")


def test_list_says_that_all_files_are_empty(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    assert "no data file" in rejection(tmp_path / "t")
    (tmp_path / "t" / "a").touch()
    assert "all of its files are empty" in rejection(tmp_path / "t")


def test_list_takes_the_options_that_choose_files(tmp_path: Path, write: Write) -> None:
    write("t/k=1/a.parquet", x=[1.0])
    write("t/k=1/a.csv", x=[1.0])
    (file,) = list_files("--input", str(tmp_path / "t"), {"pathGlobFilter": "*.parquet"}).data
    assert file.name == "k=1/a.parquet"
    assert shown(tmp_path / "t" / "k=1", basePath=str(tmp_path / "t"), pathGlobFilter="*.parquet") == {
        "x": "double",
        "k": "integer",
    }
    with pytest.raises(ConfigError, match="pathGlobFilter has a bracket"):
        list_files("--input", str(tmp_path / "t"), {"pathGlobFilter": "*.{parquet"})
    assert open_dataset("--input", str(tmp_path / "t"), "parquet", {"modifiedAfter": "2026-01-01T00:00:00"}) is None


def test_list_takes_the_files_in_the_log_of_a_streams_sink(tmp_path: Path, write: Write) -> None:
    for name in ("a b", "c", "d", "e"):
        write(f"t/{name}", x=[1.0])
    log = tmp_path / "t" / "_spark_metadata"
    log.mkdir()
    entries = {"0": ["e"], "1.compact": ["a b"], "1": ["d"], "2": ["c"], ".2.crc": ["d"]}
    for batch, names in entries.items():
        lines = [json.dumps({"path": (tmp_path / "t" / name).as_uri(), "action": "add"}) for name in names]
        (log / batch).write_text("\n".join(["v1", *lines]))
    assert [file.name for file in list_files("--input", str(tmp_path / "t")).data] == ["a b", "c"]


# ---- one schema for all files


def test_plan_reads_every_footer(tmp_path: Path, write: Write) -> None:
    write("t/1.parquet", x=[1.0], s=[{"a": 1}])
    write("t/2.parquet", bonus=[1.0], X=[1.0], s=[{"b": "x", "A": 1}])
    with pytest.warns(UserWarning) as caught:
        table = parquet_table("TABLE", str(tmp_path / "t"))
    assert str(table) == "struct<x:double,s:struct<a:long,b:string>,bonus:double>"
    texts = [str(each.message) for each in caught]
    assert [text.partition(": ")[2] for text in texts] == [
        "column s.b is missing in 1 of 2 files (1.parquet); their rows have null in it",
        "column bonus is missing in 1 of 2 files (1.parquet); their rows have null in it",
    ]


def test_sql_rejects_a_path_whose_files_differ(
    tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("t/1.parquet", x=[1.0])
    write("t/2.parquet", y=[1.0], x=[1.0])
    (tmp_path / "s.json").write_text(ModelSignature(Schema([ColSpec("double", "x")])).to_json())
    command = ["sql", str(tmp_path / "s.json"), str(tmp_path / "t")]
    assert ends(command) == 2
    assert "--name" in capsys.readouterr().err
    assert ends([*command, "--name", "t"]) == 0
    assert ends([*command, "--input-option", "recursiveFileLookup=true"]) == 2


def test_infer_reads_columns_that_only_arrow_distinguishes_as_one(tmp_path: Path, write: Write) -> None:
    utc, rome = (pa.array([0], pa.timestamp("us", zone)) for zone in ("UTC", "Europe/Rome"))
    part = {"s": [{"a": 1}]}
    write("t/1.parquet", x=[1.0], code=pa.array(["a"]).dictionary_encode(), at=utc, **part)
    write("t/2.parquet", at=rome, code=["b"], X=[2.0], s=[{"a": 2, "b": "c"}])
    table = read_examples("DATA", str(tmp_path / "t"))
    assert table.drop_columns(["at"]).to_pydict() == {
        "x": [1.0, 2.0],
        "code": ["a", "b"],
        "s": [{"a": 1, "b": None}, {"a": 2, "b": "c"}],
    }
    declared = str(tmp_path / "s.json")
    assert ends(["infer", str(tmp_path / "t"), "-o", declared]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ends(["plan", declared, str(tmp_path / "t")]) == 0


def test_plan_names_the_first_files_and_how_many_more(tmp_path: Path, write: Write) -> None:
    for number in range(6):
        write(f"t/{number}.parquet", **({"x": [1.0], "y": [1.0]} if number == 4 else {"x": [1.0]}))
    with pytest.warns(
        UserWarning, match=r"y is missing in 5 of 6 files \(0.parquet, 1.parquet, 2.parquet and 2 more\)"
    ):
        parquet_table("TABLE", str(tmp_path / "t"))


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ([1.0], ["a"], "x"),
        ([1.0], [1], "x"),
        ([{"a": 1}], [{"a": "b"}], "x.a"),
        ([[1]], [["a"]], "x[]"),
        ([[{"a": 1}]], [[{"a": 1.5}]], "x[].a"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [1], "x"),
        (pa.array([0], pa.timestamp("us")), pa.array([0], pa.timestamp("us", "UTC")), "x"),
    ],
)
def test_plan_rejects_types_that_differ_between_files(
    tmp_path: Path, write: Write, one: Any, other: Any, path: str
) -> None:
    write("t/1.parquet", x=one)
    write("t/2.parquet", x=other)
    with pytest.raises(SchemaError) as caught:
        parquet_table("TABLE", str(tmp_path / "t"))
    (problem,) = caught.value.problems
    assert (problem.path, problem.code) == (path, Code.INCOMPATIBLE_TYPE)
    assert "in 2.parquet" in problem.fact


def test_plan_takes_a_column_without_values_for_the_type_of_other_files(tmp_path: Path, write: Write) -> None:
    write("t/1.parquet", x=pa.nulls(1), y=pa.nulls(1))
    write("t/2.parquet", x=[1.0], y=pa.nulls(1))
    assert shown(tmp_path / "t") == {"x": "double", "y": "integer"}


def test_plan_names_damaged_files(tmp_path: Path, write: Write) -> None:
    write("t/1.parquet", x=[1.0])
    (tmp_path / "t" / "2.parquet").write_text("secret")
    assert "2.parquet is not of the format Parquet, or is damaged" in rejection(tmp_path / "t")
    (tmp_path / "t" / "1.parquet").unlink()
    assert "no Parquet file is at" in rejection(tmp_path / "t")
    assert "--format" in rejection(tmp_path / "t")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([b"0" * 16], pa.uuid()), "UUIDs"),
        (pa.array([1], pa.time64("us")), "times of day"),
        (pa.array([1], pa.time64("ns")), "times of day"),
        (pa.array([1], pa.time32("ms")), "times of day"),
        (pa.array([1], pa.decimal256(39, 2)), "decimals of more than 38 digits"),
        (pa.array([1], pa.timestamp("ns")), "nanoseconds"),
        (pa.array([[1]], pa.list_(pa.timestamp("ns", "UTC"))), "nanoseconds"),
        (pa.array([1.5], pa.float16()), "half floats"),
        (pa.array([1], pa.decimal256(38, 2)), None),
        (pa.array([1], pa.duration("us")), None),
        (pa.array([b"ab"], pa.binary(2)), None),
    ],
)
def test_plan_rejects_what_spark_rejects(tmp_path: Path, write: Write, column: pa.Array, kind: str | None) -> None:
    write("t/1.parquet", x=[1.0])
    write("t/2.parquet", x=[1.0], c=column)
    with pytest.warns(UserWarning, match="column c is missing"):
        dataset = parquet_dataset("TABLE", str(tmp_path / "t"))
    if kind is None:
        assert dataset.rejected() == []
        return
    (problem,) = dataset.rejected()
    assert problem.path.split(".")[0] == "c" and problem.code == Code.UNSUPPORTED_TYPE
    assert kind in problem.fact and "2.parquet" in problem.fact


def test_plan_puts_a_partition_column_in_the_place_of_one_in_the_files(tmp_path: Path, write: Write) -> None:
    write("t/K=1/f.parquet", k=["a"], x=[1.0])
    assert shown(tmp_path / "t") == {"K": "integer", "x": "double"}
    assert read_examples("DATA", str(tmp_path / "t")).to_pylist() == [{"K": 1, "x": 1.0}]


def test_plan_reads_footers_with_progress(tmp_path: Path, write: Write) -> None:
    write("t/0.parquet", x=[1.0])
    for number in range(1, 320):
        (tmp_path / "t" / f"{number}.parquet").hardlink_to(tmp_path / "t" / "0.parquet")
    reported: list[tuple[int, int]] = []
    parquet_table("TABLE", str(tmp_path / "t"), None, lambda done, total: reported.append((done, total)))
    assert reported[-1] == (320, 320) and len(reported) > 2


# ---- CSV headers


def groups(folder: Path, **options: str) -> list[tuple[tuple[str, ...], list[str]]]:
    dataset = open_dataset("--input", str(folder), "csv", options)
    assert dataset is not None
    found = group_by_header(dataset.listing.files, dataset.data, options)
    return [(group.names, [file.name for file in group.files]) for group in found]


def test_csv_files_are_grouped_by_header(tmp_path: Path) -> None:
    texts = {"1": "a,b\n1,2\n", "2": "b,a\n", "3": '\n"a","b"\r\n3,4', "4": "\ufeffa,b\n", "5": "a,b,c\n"}
    for name, text in {**texts, "6": "b,a\r1,2\r", "7": "b,a\r\n1,2\r\n"}.items():
        (tmp_path / name).write_text(text, newline="")
    assert groups(tmp_path, header="true") == [
        (("a", "b"), ["1", "3", "4"]),
        (("b", "a"), ["2", "6", "7"]),
        (("a", "b", "c"), ["5"]),
    ]
    assert [names for names, _ in groups(tmp_path)] == [("_c0", "_c1"), ("_c0", "_c1", "_c2")]


def test_csv_headers_are_read_in_the_dialect_of_the_options(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("# no header\nä;b\n1;2\n", encoding="latin-1")
    (tmp_path / "2").write_text("b;ä\n", encoding="latin-1")
    assert groups(tmp_path, Header="TRUE", delimiter=";", comment="#", encoding="ISO-8859-1") == [
        (("ä", "b"), ["1"]),
        (("b", "ä"), ["2"]),
    ]


def test_csv_files_whose_header_only_spark_can_read_are_groups_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("a,b\n")
    for name in ("2.gz", "3.gz"):
        (tmp_path / name).write_bytes(b"not compressed")
    assert groups(tmp_path, header="true") == [(("a", "b"), ["1"]), ((), ["2.gz"]), ((), ["3.gz"])]


def test_csv_columns_that_differ_by_case_only_are_not_missing(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("a,b\n")
    (tmp_path / "2").write_text("B,C,A\n")
    dataset = open_dataset("--input", str(tmp_path), "csv", {"header": "true"})
    assert isinstance(dataset, Dataset)
    dataset.take_groups(group_by_header(dataset.listing.files, dataset.data, {"header": "true"}))
    assert [(each.path, each.files) for each in dataset.lacking] == [("C", ("1",))]


def test_plan_rejects_columns_of_a_file_that_differ_by_case_only(tmp_path: Path, write: Write) -> None:
    write("t/1.parquet", x=[1.0], X=[2.0], b=[1])
    write("t/2.parquet", x=[1.0], B=[1])
    dataset = open_dataset("TABLE", str(tmp_path / "t"), "parquet")
    assert dataset is not None
    dataset.inspect()
    assert [(each.path, each.code) for each in dataset.rejected()] == [("x and X", Code.DUPLICATE_COLUMN)]


def test_csv_headers_without_a_name_in_common_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("a,b\n1,2\n")
    (tmp_path / "2").write_text("471108,3\n4,5\n")
    dataset = open_dataset("--input", str(tmp_path), "csv", {"header": "true"})
    assert isinstance(dataset, Dataset)
    found = group_by_header(dataset.listing.files, dataset.data, {"header": "true"})
    with pytest.raises(SchemaError, match="the header of 2 has no column of the others") as caught:
        dataset.take_groups(found)
    assert "471108" not in str(caught.value)
