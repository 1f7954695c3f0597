"""`score` and `predict_udf` with every declared type as input and output; failing rows; params from the environment."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    Map,
    ModelSignature,
    NotSupportedError,
    Object,
    OutputError,
    ParamError,
    ParamSchema,
    ParamSpec,
    PolicyError,
    Property,
    Schema,
    SchemaError,
    SparkMLVector,
    TensorSpec,
    predict_udf,
    score,
)
from sparksig.models.loading import CACHED
from sparksig.scoring.batches import Outputs
from sparksig.scoring.calls import ModelCall

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ITEM = Object([Property("price", "double"), Property("tags", Array("string"), required=False)])
NESTED = Schema(
    [
        *(ColSpec(Array("long"), "counts"), ColSpec(Array(ITEM), "items"), ColSpec(Map("double"), "weights")),
        *(ColSpec(SparkMLVector(), "v", required=False), ColSpec(AnyType(), "more", required=False)),
    ]
)


def told(cell: Any) -> Any:
    """Plain Python values."""
    if isinstance(cell, np.ndarray | list):
        return [told(value) for value in cell]
    return {name: told(value) for name, value in cell.items()} if isinstance(cell, dict) else cell


def echo(batch: pd.DataFrame) -> pd.DataFrame:
    """Gives back what it was given, once it is what was promised."""
    counts = batch.counts.iloc[0]
    if not isinstance(counts, np.ndarray) or counts.dtype != np.int64 or not isinstance(batch.weights.iloc[0], dict):
        raise TypeError(type(counts).__name__)
    more = [None if value is None else {"was": value} for value in map(told, batch.more)]
    return pd.DataFrame(
        {"counts": batch.counts, "items": batch["items"], "weights": batch.weights, "v": batch.v}
    ).assign(more=pd.Series(more, dtype=object))


@pytest.fixture(scope="module")
def nested(spark: SparkSession) -> DataFrame:
    from pyspark.ml.linalg import Vectors
    from pyspark.ml.linalg import VectorUDT as UDT
    from pyspark.sql import types as T

    item = T.StructType([T.StructField("tags", T.ArrayType(T.StringType())), T.StructField("price", T.FloatType())])
    schema = T.StructType(
        [
            T.StructField("id", T.LongType()),
            T.StructField("counts", T.ArrayType(T.IntegerType())),
            T.StructField("items", T.ArrayType(item)),
            T.StructField("weights", T.MapType(T.StringType(), T.DoubleType())),
            T.StructField("v", UDT()),
            T.StructField("more", T.ArrayType(T.LongType())),
        ]
    )
    rows = [
        (1, [1, 2], [(["a", "b"], 0.5), (None, 1.5)], {"x": 1.0}, Vectors.dense([1.0, 2.0]), [1, 2]),
        (2, [], [], {}, Vectors.sparse(3, [1], [5.0]), None),
        (3, [1, None], [([], None)], {"y": None}, None, None),
    ]
    return spark.createDataFrame(rows, schema).repartition(1).sortWithinPartitions("id")


def test_score_accepts_and_returns_every_nested_type(nested: DataFrame) -> None:
    signature = ModelSignature(NESTED, NESTED)
    names = ["counts_", "items_", "weights_", "v_", "more_"]
    found = score(nested, echo, signature, output=names, keep=["id"])
    kinds = dict(found.dtypes)
    assert kinds["items_"] == "array<struct<price:double,tags:array<string>>>"
    assert (kinds["counts_"], kinds["v_"], kinds["more_"]) == ("array<bigint>", "vector", "variant")
    first, second, third = found.collect()
    assert first.counts_ == [1, 2] and [i.asDict() for i in first["items_"]] == [
        {"price": 0.5, "tags": ["a", "b"]},
        {"price": 1.5, "tags": None},
    ]
    assert first.weights_ == {"x": 1.0} and list(first.v_) == [1.0, 2.0] and first.more_.toPython() == {"was": [1, 2]}
    assert second.counts_ == [] and second.v_.toArray().tolist() == [0.0, 5.0, 0.0] and second.more_ is None
    assert third.counts_ is None and {(v.path, v.code) for v in third["_violations"]} == {
        ("counts[]", "NULL"),
        ("items[].price", "NULL"),
        ("weights{}", "NULL"),
    }


def test_score_passes_tensors_of_every_layout_in_their_shape(spark: SparkSession) -> None:
    def shapes(batch: Any) -> pd.DataFrame:
        assert {name: x.dtype.name for name, x in batch.items()} == {
            "image": "uint8",
            "open": "float32",
            "raw": "int16",
        }
        rows = len(batch["raw"])
        return pd.DataFrame(
            {
                "shapes": [[[*batch["image"].shape[1:]], [*batch["open"].shape[1:]]]] * rows,
                "sum": batch["open"].reshape(rows, -1).sum(axis=1).astype("float64") + batch["raw"].sum(axis=1),
            }
        )

    inputs = Schema(
        [
            TensorSpec(np.dtype("uint8"), (-1, 2, 2), "image"),
            TensorSpec(np.dtype("float32"), (-1, -1, 2), "open"),
            TensorSpec(np.dtype("int16"), (-1, 2), "raw"),
        ]
    )
    outputs = Schema([ColSpec(Array(Array("long")), "shapes"), ColSpec("double", "sum")])
    df = spark.sql(
        "select 0 as id, array(1S, 2S, 3S, 4S) as image, array(array(1f, 2f)) as open, X'01000200' as raw union all "
        "select 1, array(1S, 2S, 3S, 4S), array(array(1f, 2f), array(3f, 4f)), X'ffff0000' union all "
        "select 2, array(1S, 2S, 3S, 4S), array(array(5f, 6f)), X'00000000' union all "
        "select 3, array(1S, 2S, 3S, 256S), array(array(5f, 6f)), X'0000'"
    ).repartition(1)
    found = score(df, shapes, ModelSignature(inputs, outputs), output=["shapes", "sum"]).sort("id").collect()
    assert [row["sum"] for row in found] == [6.0, 9.0, 11.0, None]
    assert [row["shapes"] for row in found] == [[[2, 2], [1, 2]], [[2, 2], [2, 2]], [[2, 2], [1, 2]], None]
    assert {(v.path, v.code) for v in found[3]["_violations"]} == {("image[]", "OUT_OF_RANGE"), ("raw", "WRONG_LENGTH")}


def test_score_and_predict_udf_pass_a_single_vector_column_as_a_matrix(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.ml.linalg import Vectors

    def norms(x: Any) -> Any:
        assert isinstance(x, np.ndarray) and x.ndim == 2
        return x.sum(axis=1)

    signature = ModelSignature(Schema([ColSpec(SparkMLVector(), "v")]), Schema([ColSpec("double")]))
    df = spark.createDataFrame([(Vectors.dense([1.0, 2.0]),), (Vectors.sparse(2, [0], [5.0]),)], ["v"]).repartition(1)
    assert sorted(row.prediction for row in score(df, norms, signature).collect()) == [3.0, 5.0]
    from pyspark.sql import functions as F

    unnamed = ModelSignature(Schema([ColSpec(SparkMLVector())]), signature.outputs)
    for _ in range(2):
        udfs = predict_udf(norms, signature)(F.struct("v")), predict_udf(norms, unnamed)(F.col("v"))
        assert sorted(map(tuple, df.select(*udfs).collect())) == [(3.0, 3.0), (5.0, 5.0)]
        monkeypatch.delattr(F, "arrow_udf", raising=False)


def test_score_and_predict_udf_pass_a_variant_as_its_value(spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    signature = ModelSignature(
        Schema([ColSpec(AnyType(), "v"), ColSpec(AnyType(), "w", required=False)]), Schema([ColSpec("string")])
    )

    def tell(batch: pd.DataFrame) -> Any:
        return [repr((v, w)) for v, w in zip(batch.v, batch.w, strict=True)]

    df = spark.sql("select parse_json('{\"a\": [1, null]}') as v, 7 as w union all select parse_json('true'), null")
    expected = ["({'a': [1, None]}, 7)", "(True, None)"]
    assert [row.prediction for row in score(df.coalesce(1), tell, signature).collect()] == expected
    assert [row[0] for row in df.coalesce(1).select(predict_udf(tell, signature)(F.struct("*"))).collect()] == expected


HOLDS = Object(
    [
        *(Property("a", AnyType()), Property("A", SparkMLVector(), required=False)),
        Property("more", Array(AnyType()), required=False),
    ]
)
HOLDERS = Schema(
    [
        *(ColSpec(Array(AnyType()), "list", required=False), ColSpec(Map(AnyType()), "map")),
        *(ColSpec(HOLDS, "o`.x"), ColSpec(Array(Array(SparkMLVector())), "vectors", required=False)),
    ]
)
HELD: list[dict[str, Any]] = [
    {
        "list": [1, None, {"x": [2**53 + 1]}, "a", True],
        "map": {"": [0.1, -0.0], "k": "\u2028"},
        "o`.x": {"a": {"b": None}, "A": np.array([1.0, -0.0]), "more": [[], {}]},
        "vectors": [[[1.5], []], []],
    },
    {"list": None, "map": {}, "o`.x": {"a": np.int64(7)}, "vectors": None},
]


def held(batch: pd.DataFrame) -> list[dict[str, Any]]:
    return [HELD[i] for i in batch.i]


def variants(spark: SparkSession, **options: Any) -> Any:
    """What `held` returns, scored, and the types that it has in the frame."""
    table = spark.range(2).selectExpr("int(id) as i").coalesce(1)
    signature = ModelSignature(Schema([ColSpec("integer", "i")]), HOLDERS)
    found = score(table, held, signature, output="*", keep=[], on_violation="drop", **options)
    return dict(found.dtypes), [[opened(cell) for cell in row] for row in found.collect()]


def opened(cell: Any) -> Any:
    """Plain Python values of what Spark gives back."""
    from pyspark.sql import Row

    if hasattr(cell, "toPython"):
        return cell.toPython()
    if hasattr(cell, "toArray"):
        return cell.toArray().tolist()
    if isinstance(cell, Row):
        return [opened(value) for value in cell]
    if isinstance(cell, dict):
        return {key: opened(value) for key, value in cell.items()}
    return [opened(value) for value in cell] if isinstance(cell, list) else cell


def test_score_returns_any_and_vectors_inside_other_types(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {
        "list": "array<variant>",
        "map": "map<string,variant>",
        "o`.x": "struct<A:vector,a:variant,more:array<variant>>",
        "vectors": "array<array<vector>>",
    }
    rows = [
        [
            [1, None, {"x": [2**53 + 1]}, "a", True],
            {"": [0.1, -0.0], "k": "\u2028"},
            [[1.0, -0.0], {"b": None}, [[], {}]],
            [[[1.5], []], []],
        ],
        [None, {}, [None, 7, None], None],
    ]
    new = variants(spark)
    assert new == (kinds, rows) and repr(new[1]) == repr(rows)  # -0.0 and 0 are equal
    from pyspark.sql import functions as F

    monkeypatch.delattr(F, "arrow_udf")
    assert variants(spark) == (kinds, rows)
    monkeypatch.delattr(F, "parse_json")  # before Spark 4
    texts, [first, _] = variants(spark)
    assert texts["o`.x"] == "struct<A:vector,a:string,more:array<string>>"
    assert first[0] == ["1", None, '{"x": [9007199254740993]}', '"a"', "true"]


def test_predict_udf_returns_the_types_of_score(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import functions as F

    inputs = Schema([ColSpec("integer", "i")])
    signature = ModelSignature(inputs, HOLDERS)
    table = spark.range(2).selectExpr("int(id) as i").coalesce(1)
    ones = {
        "any": (lambda batch: [{"a": [-0.0, int(i)]} for i in batch.i], ColSpec(AnyType())),
        "vector": (lambda batch: [[float(i), -0.0] for i in batch.i], ColSpec(SparkMLVector())),
    }

    def asked() -> tuple[Any, list[Any]]:
        udfs = [predict_udf(held, signature)().alias("p")]
        udfs += [
            predict_udf(model, ModelSignature(inputs, Schema([spec])), on_violation="null")(
                F.when(F.col("i") > 0, F.struct("i"))
            ).alias(name)
            for name, (model, spec) in ones.items()
        ]
        found = table.select(*udfs)
        members = dict(found.select("p.*").dtypes)
        return (members, found.dtypes[1:]), [[opened(cell) for cell in row] for row in found.collect()]

    kinds, rows = variants(spark)
    members, [first, second] = asked()
    assert members[0] == kinds and members[1] == [("any", "variant"), ("vector", "vector")]
    assert repr([first[0], second[0]]) == repr(rows)
    assert first[1:] == [None, None] and repr(second[1:]) == "[{'a': [-0.0, 1]}, [1.0, -0.0]]"
    with pytest.raises(NotSupportedError, match=r"outputs are vectors or Any: .* or score\(\)"):
        spark.udf.register("held_", predict_udf(held, signature))
    assert table.select(predict_udf(held, signature).asNondeterministic()()).dtypes[0][1].count("variant") == 4
    monkeypatch.delattr(F, "arrow_udf")
    assert asked() == (members, [first, second])
    monkeypatch.delattr(F, "parse_json")  # before Spark 4
    assert asked()[0][0] == variants(spark)[0]


@pytest.mark.parametrize(
    ("name", "cell", "fact"),
    [
        ("map", {"canary": float("nan")}, "values that JSON does not hold"),
        ("list", [{1: "canary"}], "values that JSON does not hold"),
        ("o`.x", {"a": 1, "A": [1.0, None]}, r"1 x NULL\.A\[\]"),
        ("vectors", [[["canary"]]], "the model returned array<array<array<string>>>|array<string>"),
    ],
)
def test_output_error_names_the_path_inside_any_and_vectors(name: str, cell: Any, fact: str) -> None:
    outputs = Outputs.of(HOLDERS)
    with pytest.raises(OutputError, match=fact) as raised:
        outputs.to_arrow([HELD[1] | {name: cell}], 1)
    assert "canary" not in str(raised.value)


def test_score_accepts_a_null_inside_any_that_the_model_returns() -> None:
    found = Outputs.of(HOLDERS).to_arrow([HELD[1] | {"map": {"k": None}, "o`.x": {"a": None}}], 1)
    cells = {
        column.name: array.to_pylist()[0] for column, array in zip(Outputs.of(HOLDERS).columns, found, strict=True)
    }
    assert cells["map"] == [("k", None)] and cells["o`.x"]["a"] is None


NUMBER = ModelSignature(
    Schema([ColSpec("long", "n")]),
    Schema([ColSpec("long")]),
    ParamSchema([ParamSpec("secret", "string", ""), ParamSpec("factor", "long", 1)]),
)


def test_score_quarantines_failing_rows_by_bisection(spark: SparkSession) -> None:
    calls = spark.sparkContext.accumulator(0)

    def touchy(batch: pd.DataFrame) -> Any:
        calls.add(1)
        if batch.n.isin([7, 500]).any():
            raise ValueError("Anna was here")
        return batch.n * 2

    df = spark.range(512).selectExpr("if(id = 3, null, id) as n").repartition(1)
    rows = score(df, touchy, NUMBER, on_model_error="quarantine").collect()
    assert {row.n: row.prediction for row in rows if not row["_violations"]} == {
        n: 2 * n for n in range(512) if n not in (3, 7, 500)
    }
    wrong = {row.n: [tuple(v) for v in row["_violations"]] for row in rows if row["_violations"]}
    assert wrong[7] == wrong[500] == [("", "MODEL_ERROR", "", "ValueError")] and wrong[None][0][1] == "NULL"
    assert len(rows) == 512 and calls.value <= 1 + 2 * 2 * 9  # two calls a halving, for each of two rows
    with pytest.raises(PolicyError, match="needs on_violation='tag'"):
        score(df, touchy, NUMBER, on_model_error="quarantine", on_violation="drop")


def test_score_reads_params_from_the_workers_environment(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def use(batch: pd.DataFrame, params: dict[str, Any]) -> Any:
        return batch.n * params["factor"] + len(params["secret"])

    df = spark.range(2).selectExpr("id as n")
    monkeypatch.setenv("SPARKSIG_FACTOR", "3")  # in the driver only, after the workers' environment was made
    with pytest.raises(Exception, match="SPARKSIG_FACTOR is not set here"):
        score(df, use, NUMBER, param_from_env={"secret": "PATH", "factor": "SPARKSIG_FACTOR"}).collect()
    from_env = score(df, use, NUMBER, {"factor": 10}, param_from_env={"secret": "PATH"})
    assert [row.prediction for row in from_env.collect()] == [len(os.environ["PATH"]), 10 + len(os.environ["PATH"])]
    call = ModelCall.of(use, NUMBER, {"factor": 10}, False, {"secret": "PATH"})
    assert os.environ["PATH"].encode() not in pickle.dumps(call) and os.environ["PATH"] not in repr(call)
    with pytest.raises(ParamError, match="the variable's text is no long"):
        ModelCall.of(use, NUMBER, {}, False, {"factor": "PATH"}).here()
    for wrong, fact in [({"no": "X"}, "no such param"), ({"factor": "X"}, "given as a param and by")]:
        with pytest.raises(ParamError, match=fact):
            score(df, use, NUMBER, {"factor": 1}, param_from_env=wrong)


def test_score_loads_a_model_object_once_per_worker_process(spark: SparkSession) -> None:
    class Counted:
        def __init__(self, loads: Any) -> None:
            self.loads = loads

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__dict__.update(state)
            self.loads.add(1)

        def predict(self, batch: pd.DataFrame) -> Any:
            return batch.n

    loads = spark.sparkContext.accumulator(0)
    df = spark.range(100).selectExpr("id as n").repartition(10)
    scored = score(df, Counted(loads), NUMBER)
    assert len(scored.collect()) == 100 and len(scored.collect()) == 100
    workers = int(spark.sparkContext.defaultParallelism)
    assert 1 <= loads.value <= workers, "once a process, over twenty tasks and two jobs"


@pytest.mark.parametrize("models", [CACHED, CACHED + 1])
def test_score_caches_a_bounded_number_of_models_per_worker(spark: SparkSession, tmp_path: Path, models: int) -> None:
    class Noted:
        """Notes each time it is unpickled, and by whom."""

        def __init__(self, number: int, seen: str) -> None:
            self.number, self.seen = number, seen

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__dict__.update(state)
            with open(self.seen, "a") as file:
                file.write(f"{self.number} {os.getpid()}\n")

        def predict(self, batch: pd.DataFrame) -> Any:
            return batch.n + self.number

    from pyspark.sql import functions as F

    key, seen = "spark.sql.execution.arrow.maxRecordsPerBatch", tmp_path / "seen"
    asked = [predict_udf(Noted(i, str(seen)), NUMBER)(F.struct("n")) for i in range(models)]
    df = spark.range(3).selectExpr("id as n").coalesce(1)
    before = spark.conf.get(key)
    spark.conf.set(key, "1")  # each of three batches asks all models, one after the other
    try:
        assert [list(row) for row in df.select(*asked).collect()] == [[n + i for i in range(models)] for n in range(3)]
    finally:
        spark.conf.set(key, str(before))
    numbers, processes = zip(*(line.split() for line in seen.read_text().splitlines()), strict=True)
    assert len(set(processes)) == 1
    times = 1 if models == CACHED else 3  # the one asked for longest ago makes room: here always the next
    assert list(map(int, numbers)) == list(range(models)) * times


def test_score_and_predict_udf_broadcast_a_large_model_once_per_process(spark: SparkSession) -> None:
    class Large:
        def __init__(self, loads: Any) -> None:
            self.loads, self.weights = loads, np.arange(300_000.0)

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__dict__.update(state)
            self.loads.add(1)

        def predict(self, batch: pd.DataFrame) -> Any:
            return batch.n + int(self.weights[1]) - 1

    from pyspark import cloudpickle
    from pyspark.sql import functions as F

    loads = spark.sparkContext.accumulator(0)
    model = Large(loads)
    call = ModelCall.of(model, NUMBER, None, False).shipped_by(spark)
    assert len(cloudpickle.dumps(call)) < 10_000  # type: ignore[no-untyped-call]
    df = spark.range(100).selectExpr("id as n").repartition(10)
    predict = predict_udf(model, NUMBER)
    rows = score(df, model, NUMBER).withColumn("again", predict(F.struct("n"))).collect()
    assert [row for row in rows if not row.n == row.prediction == row.again] == []
    processes = 2 * int(spark.sparkContext.defaultParallelism)  # each of the two UDFs has its own
    assert 1 <= loads.value <= processes, "once a process, over ten tasks"


def test_predict_udf_builds_its_struct_from_column_names(spark: SparkSession) -> None:
    signature = ModelSignature(
        Schema([ColSpec("long", "a b"), ColSpec("long", "c", required=False)]), Schema([ColSpec(Array("long"))])
    )

    def pairs(batch: pd.DataFrame) -> Any:
        return [[int(a), -1 if np.isnan(c) else int(c)] for a, c in zip(batch["a b"], batch.c, strict=True)]

    predict = predict_udf(pairs, signature)
    df = spark.sql("select 1L as `a b`, 2 as c, 3L as d")
    from pyspark.sql import functions as F

    row = df.select(
        predict(F.struct("*")), predict(), predict("a b", "c"), predict(c=F.col("d"), **{"a b": F.col("c")})
    ).first()
    assert row is not None and [list(cell) for cell in row] == [[1, 2], [1, -1], [1, 2], [2, 3]]
    spark.udf.register("predict", predict)
    df.createOrReplaceTempView("pairs_")
    assert spark.sql("select predict(struct(*)) as p from pairs_").first().p == [1, 2]  # type: ignore[union-attr]
    unnamed = predict_udf(
        lambda batch: batch[0] + batch[1], ModelSignature(Schema([ColSpec("long")] * 2), Schema([ColSpec("long")]))
    )
    assert df.select(unnamed("d", F.col("c"))).first()[0] == 5  # type: ignore[index]
    spark.udf.register("unnamed", unnamed)
    one = predict_udf(lambda batch: batch[0], ModelSignature(Schema([ColSpec("long")]), Schema([ColSpec("long")])))
    spark.udf.register("one", one)
    called = "predict(c => d, `a b` => c), unnamed(d, c), unnamed(struct(d, c)), one(c), one(struct(c))"
    assert list(spark.sql(f"select {called} from pairs_").first() or ()) == [[2, 3], 5, 5, 2, 2]
    assert df.select(one(F.col("c"))).first()[0] == 2  # type: ignore[index]
    for given, names in [(["d"], {}), (["d", "c", "a b"], {}), (["d", "c"], {"c": F.col("c")})]:
        with pytest.raises(SchemaError, match="declares 2 unnamed"):
            unnamed(*given, **names)


def test_predict_udf_accepts_a_single_object_column_unwrapped(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql import functions as F

    kind = Object([Property("x", "long"), Property("o", "long", required=False)])
    named = ModelSignature(Schema([ColSpec(kind, "o2")]), Schema([ColSpec("long")]))
    unnamed = ModelSignature(Schema([ColSpec(kind)]), named.outputs)
    same = ModelSignature(Schema([ColSpec(kind, "o")]), named.outputs)
    deep = ModelSignature(Schema([ColSpec(Object([Property("x", kind)]))]), named.outputs)
    df = spark.sql("select named_struct('x', 7) as o2, named_struct('o', 1L, 'x', 8L) as o, struct(o2 as x) as d")

    def member(batch: pd.DataFrame) -> Any:
        cell = batch.iloc[0, 0]
        return [cell["x"]["x"] if isinstance(cell["x"], dict) else cell["x"]]

    def ask() -> list[Any]:
        one, none, o = (predict_udf(member, signature) for signature in (named, unnamed, same))
        inner = predict_udf(member, deep)
        asked = [one(F.col("o2")), one(F.struct("*")), one("o2"), none(F.col("o")), none(F.struct("o2")), o("o")]
        found = list(df.select(*asked, inner(F.struct("d"))).first() or ())
        with pytest.raises(Exception, match="o: declared"):
            df.select(o(F.col("o"))).collect()  # it has a member of the column's name, which it could be as well
        with pytest.raises(Exception, match="o2: required, but the table has no such column"):
            df.select(one(F.struct("d"))).collect()
        return found

    assert ask() == [7, 7, 7, 8, 7, 8, 7]
    monkeypatch.delattr(F, "arrow_udf")
    assert ask() == [7, 7, 7, 8, 7, 8, 7]


def test_predict_udf_bounds_batches_and_skips_null_rows(spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    signature = ModelSignature(Schema([ColSpec("long", "n", required=False)]), Schema([ColSpec("long")]))
    sizes = predict_udf(lambda batch: [len(batch)] * len(batch), signature, on_violation="null")
    key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(key)
    spark.conf.set(key, "0")
    try:
        df = (
            spark.range(25_000).coalesce(1).select(F.when(F.col("id") > 0, F.struct(F.col("id").alias("n"))).alias("s"))
        )
        found = df.groupBy(sizes(F.col("s")).alias("p")).count().collect()
    finally:
        spark.conf.set(key, str(before))
    assert dict(map(tuple, found)) == {None: 1, 9_999: 9_999, 10_000: 10_000, 5_000: 5_000}
