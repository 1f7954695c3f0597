"""The SQL text of a plan: no user-supplied name in it, one expression a column, correct under hostile names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from sparksig import (
    ColSpec,
    ModelSignature,
    NotSupportedError,
    Object,
    Plan,
    Property,
    Schema,
    TensorSpec,
    enforce,
    plan,
    save_signature,
    split,
    tag,
    validate,
)
from sparksig.cli import app
from sparksig.enforcement import sql
from sparksig.sources.observed import Field, StructType, from_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOSTILE = [
    *("a.b", "a`b", "`", "``", "'", '"', "\\", "\n", "\r\n", "\t", " ", "a b", "sepal length (cm)", "[0]", "a[0]", "*"),
    *("${env:HOME}", "${spark.app.name}", "$1", "%s", "{}", "--", "/*", ";", "select", "_0", "_1", "v", "e", "x'41'"),
    *("a", "A", "\u00e4", "\U0001f600", "\u202e", "\u0130", "i\u0307", "1", "1a", "", "a" * 300, "<script>", "q.*"),
]
names = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), min_size=1, max_size=6, unique=True)


def observed(columns: list[str], kind: object = "long") -> StructType:
    return StructType(tuple(Field(name, from_spark(kind)) for name in columns))


def texts(made: Plan) -> list[str]:
    return [*sql.values(made), sql.violations(made), sql.assertion(made) or "", sql.accepted(made) or ""]


def test_sql_text_is_independent_of_column_names() -> None:
    kinds = {"double": "integer", "string": "double", "date": "datetime", "long": "long", "decimal(10,2)": "float"}

    def spelled(mark: str) -> list[str]:
        table = StructType(tuple(Field(f"{mark}{i}", from_spark(kind)) for i, kind in enumerate(kinds)))
        schema = Schema([ColSpec(target, f"{mark}{i}") for i, target in enumerate(kinds.values())])
        return [re.sub(r"X'[0-9a-f]*'", "X''", text) for text in texts(plan(table, schema, level="parse"))]

    assert spelled("${env:HOME}`'\"") == spelled("c")


@given(names)
def test_sql_text_contains_no_column_name(columns: list[str]) -> None:
    made = plan(observed(columns), Schema([ColSpec("integer", name) for name in columns]), level="checked")
    for text in texts(made):
        without_literals = re.sub(r"cast\(X'[0-9a-f]*' as string\)", "", text)
        assert re.fullmatch(r"[\w\s(),.;:'<>=+*/%|-]*", without_literals), without_literals
        assert not [name for name in columns if len(name) > 2 and not name.isascii() and name in text]
        assert "$" not in text and "`" not in text and '"' not in text and "\\" not in text


def test_sql_has_one_expression_per_column() -> None:
    columns = [f"c{i}" for i in range(100)]
    made = plan(observed(columns), Schema([ColSpec("long", name) for name in columns]))
    assert sql.values(made) == [f"_{i}" for i in range(100)]  # what needs no cast is not spelled again


def test_sql_nests_a_declared_tensor_and_keeps_it_flat_for_the_model() -> None:
    table = StructType((Field("x", from_spark({"type": "array", "elementType": "float", "containsNull": True})),))
    made = plan(table, Schema([TensorSpec(np.dtype("float32"), (-1, 2, 3, 4))]))
    assert sql.values(made, flat=True) == ["_0"]
    assert sql.values(made)[0].count("sequence(") == 2


@settings(max_examples=6)
@given(names, st.integers(0, 5))
def test_verbs_accept_hostile_column_names(spark: SparkSession, columns: list[str], dirty: int) -> None:
    from pyspark.sql.types import LongType, StructField
    from pyspark.sql.types import StructType as SparkStruct

    dirty %= len(columns)
    good = list(range(len(columns)))
    bad = [2**40 if i == dirty else value for i, value in enumerate(good)]
    schema = SparkStruct([StructField(name, LongType()) for name in columns])
    df = spark.createDataFrame([tuple(good), tuple(bad)], schema)
    signature = Schema([ColSpec("integer", name) for name in reversed(columns)])

    tagged = tag(df, signature, level="checked", violations_column="violations of the row")
    assert tagged.columns == [*columns, "violations of the row"]
    found = tagged.collect()
    assert [list(row)[:-1] for row in found] == [good, bad]
    assert found[0][-1] is None
    assert [(v.path, v.code, v.expected, v.observed) for v in found[1][-1]] == [
        (columns[dirty], "OUT_OF_RANGE", "integer", "long")
    ]
    parts = split(df, signature, level="checked", violations_column="violations of the row")
    assert parts.accepted.columns == list(reversed(columns))
    assert [list(row) for row in parts.accepted.collect()] == [list(reversed(good))]
    assert validate(df, signature, level="checked").rows_clean == 1
    assert [list(row) for row in enforce(df.limit(1), signature, level="checked").collect()] == [list(reversed(good))]


@pytest.mark.filterwarnings("ignore::sparksig.errors.AbsentColumnWarning")
def test_sql_statement_returns_the_rows_of_enforce(spark: SparkSession) -> None:
    from pyspark.sql.types import StructType as SparkStruct

    def field(name: str, kind: object) -> dict[str, object]:
        return {"name": name, "type": kind, "nullable": True, "metadata": {}}

    inner = {"type": "struct", "fields": [field("b`", "integer"), field("a.b", "string")]}
    fields = [field("${env:HOME}`", inner), field("'; x", "long")]
    df = spark.createDataFrame(
        [((1, "s"), 5), ((2, "t"), 6)], SparkStruct.fromJson({"type": "struct", "fields": fields})
    )
    declared = Object([Property("a.b", "string"), Property("b`", "long"), Property("c", "double", required=False)])
    schema = Schema([ColSpec("integer", "'; x"), ColSpec(declared, "${env:HOME}`")])
    made = plan(df, schema, level="checked").require_ok()
    text = sql.statement(made, "hostile")
    assert "HOME" not in text and "`" not in text
    df.createOrReplaceTempView("hostile")
    found, wanted = spark.sql(text), enforce(df, schema, level="checked")
    assert found.schema == wanted.schema and found.collect() == wanted.collect()
    spark.createDataFrame([((None, "s"), 5)], df.schema).createOrReplaceTempView("hostile")
    with pytest.raises(Exception, match="NULL"):
        spark.sql(text).count()


@pytest.mark.parametrize("name", ["it's", "a[1]", "a*", "{a,b}", "a?", "back\\slash", "a b;--", "per%20cent", "\u00fc"])
def test_cli_sql_prints_a_statement_for_exactly_that_folder(spark: SparkSession, tmp_path: Path, name: str) -> None:
    for folder, values in ((name, [1, 2]), ("a1", [7]), ("a", [7])):  # what a pattern would find, too
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table({"n": values}), tmp_path / folder / "rows.parquet")
    save_signature(ModelSignature(inputs=Schema([ColSpec("integer", "n")])), tmp_path / "signature.json")
    args = ["sql", str(tmp_path / "signature.json"), str(tmp_path / name), "--level", "checked"]
    printed = CliRunner().invoke(app, args, standalone_mode=False)
    assert printed.exception is None
    assert [row.n for row in spark.sql(printed.stdout).collect()] == [1, 2]


def test_sql_statement_rejects_vectors() -> None:
    vector = {"type": "udt", "class": "org.apache.spark.ml.linalg.VectorUDT", "sqlType": {}}
    table = StructType((Field("v", from_spark(vector)), Field("n", from_spark("long"))))
    made = plan(
        table, Schema([TensorSpec(np.dtype("float64"), (-1, 3), "v"), TensorSpec(np.dtype("int64"), (-1,), "n")])
    )
    with pytest.raises(NotSupportedError, match="v: a vector") as raised:
        sql.statement(made, "t")
    assert [problem.path for problem in raised.value.problems] == ["v"]
