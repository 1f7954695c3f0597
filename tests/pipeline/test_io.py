from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from sparksig.errors import ConfigError, SinkError
from sparksig.pipeline.io import literal_path, missing, parquet_table, read_examples, unwritable, write_text


def test_job_detects_unwritable_paths_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, folder in (("file/x", True), ("file/x/y.json", False), ("file", True), (".", False)):
        assert len(list(unwritable(str(tmp_path / path), folder))) == 1, path
    for path, folder in (("new/deep", True), ("new/deep/y.json", False), ("file", False), (".", True)):
        assert list(unwritable(str(tmp_path / path), folder)) == [], path
    assert os.listdir(tmp_path) == ["file"]


def test_job_detects_missing_permissions_before_the_run() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: that one lies where only its owner may look
        os.chmod(folder, 0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may write everywhere
        try:
            for path, is_folder in ((f"{folder}/new/s.json", False), (folder, True)):
                (problem,) = unwritable(path, is_folder)
                assert problem.fact == f"cannot be written: no permission to write in {folder}"
        finally:
            os.seteuid(user)
            os.chmod(folder, 0o755)


def test_job_replaces_a_file_atomically(tmp_path: Path) -> None:
    path = tmp_path / "a b" / "summary.json"
    write_text(str(path), "old")
    write_text(str(path), "new")
    assert (path.read_text(), os.listdir(path.parent)) == ("new", ["summary.json"])
    with pytest.raises(SinkError):
        write_text(str(path / "below"), "x")


def test_job_reports_missing_inputs_with_their_path(tmp_path: Path) -> None:
    (problem,) = missing("--input", str(tmp_path / "x"))
    assert (problem.path, problem.fact) == ("--input", f"nothing lies at {tmp_path}/x")
    assert list(missing("--input", str(tmp_path))) == []
    assert list(missing("--input", "oss://bucket/x")) == []  # Spark knows it, or says so


@pytest.mark.parametrize("name", ["plain", "a b%20é#?", "run[1]{a,b}*"])
def test_parquet_table_schema_includes_partition_folders(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    for part in (1, 2):
        (folder / f"part={part}").mkdir(parents=True)
        pq.write_table(pa.table({"x": [1.0]}), folder / f"part={part}" / "f.parquet")
    assert str(parquet_table("TABLE", str(folder))) == "struct<x:double,part:integer>"


@pytest.mark.parametrize("content", [None, "", "text", "folder", "folder with text"])
def test_parquet_table_rejects_files_that_are_not_parquet(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "table"
    if content is not None and content.startswith("folder"):
        path.mkdir()
        if content != "folder":
            (path / "f").write_text("secret")
    elif content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        parquet_table("TABLE", str(path))
    assert [problem.path for problem in caught.value.problems] == ["TABLE"]
    assert "secret" not in str(caught.value)


def test_literal_path_escapes_glob_patterns() -> None:
    assert literal_path("/a b/[x]{1,2}*?") == r"/a b/\[x\]\{1,2\}\*\?"


def test_parquet_table_infers_partition_types_as_spark_does(tmp_path: Path) -> None:
    folders = {"day": ["2026-01-01", "2026-01-02"], "n": ["3000000000", "1"], "i": ["1", "2"], "k": ["x", "1"]}
    table = {"a": [1, 2], **folders}
    parts = pads.partitioning(pa.schema([(name, pa.string()) for name in ("day", "n", "i", "k")]), flavor="hive")
    pads.write_dataset(pa.table(table), tmp_path / "t", format="parquet", partitioning=parts)
    shown = {field.name: str(field.type) for field in parquet_table("TABLE", str(tmp_path / "t")).fields}
    assert shown == {"a": "long", "day": "date", "n": "long", "i": "integer", "k": "string"}


def test_read_examples_drops_the_pandas_index(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1.0, 2.0]}, index=[3, 5]).to_parquet(tmp_path / "t")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "t").names
    assert read_examples("DATA", str(tmp_path / "t")).column_names == ["x"]
