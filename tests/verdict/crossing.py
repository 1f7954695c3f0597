"""Inputs and outputs of a model behind `predict_udf`, where values could be damaged in transfer.

Spark before 4.1 has no UDFs on Arrow arrays. Imports no test tool, as tests/verdict/cases.py does not.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    Map,
    ModelSignature,
    Object,
    Property,
    Schema,
    SparkMLVector,
    TensorSpec,
    predict_udf,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PAIR = Object([Property("n", "long", False), Property("at", "datetime", False), Property("x", "float", False)])
EVERY = Schema(
    [
        *(ColSpec("long", "big"), ColSpec("double", "x"), ColSpec("float", "y"), ColSpec("string", "text")),
        *(ColSpec("binary", "raw"), ColSpec("datetime", "at"), ColSpec("boolean", "flag", False)),
        *(ColSpec(Array("long"), "longs", False), ColSpec(Array(Array("float")), "floats", False)),
        *(ColSpec(PAIR, "pair", False), ColSpec(Map("double"), "weights", False)),
        *(ColSpec(Map(Array(PAIR)), "deep", False), ColSpec(SparkMLVector(), "v", False)),
    ]
)
ODD = "a:int,b.`<"  # Spark does not quote names where it says what a struct is
INTEGER = Schema([ColSpec("integer")])
FULL = """
select 1 as id, 9007199254740993L as big, cast('nan' as double) as x, -0.0f as y, true as flag,
  concat(char(0), '\U0001f600\u2028"', char(92)) as text, X'00ff80' as raw,
  timestamp'2018-02-18 02:30:00.000001Z' as at, array(9007199254740993L, null, -9223372036854775808L) as longs,
  array(array(cast('nan' as float), null, 0.1f, cast('-inf' as float)), null, array()) as floats,
  named_struct('n', 9007199254740993L, 'at', timestamp'2018-02-18 03:30:00Z', 'x', 1.4E-45f) as pair,
  map('', null, '\u00e9', cast('inf' as double), 'z', 4.9E-324D, 'nan', cast('nan' as double)) as weights,
  map('k',array(named_struct('n', cast(null as long), 'at', timestamp'1677-09-22 00:12:44Z', 'x', -0.0f), null)) as deep
"""
BARE = """
select 2 as id, -9223372036854775808L, 1.7976931348623157E308D, cast('3.4028235E38' as float), null, '\ufffd', X'',
  timestamp'2262-04-11 23:47:16.854775Z', null, array(), null, map(), null
"""
DIRTY = """
select 3 as id, null, 1D, 1f, null, 'x', X'00', timestamp'9999-12-31 23:59:59.999999Z', array(), null, null, null, null
"""
ANYTHING = """
select 9007199254740993L as n, cast('nan' as double) as x, cast(null as double) as y, -0.0d as z,
  cast('-inf' as float) as w, 0.1f as f, array(1L, null, 9223372036854775807L) as longs,
  array(cast('nan' as double), null) as xs, date'9999-12-31' as day, date'0001-01-01' as dawn,
  timestamp_ntz'2018-11-04 00:30:00' as wall, X'00ff' as raw,
  cast('12345678901234567890.123456789012345678' as decimal(38,18)) as exact, cast(0 as decimal(38,18)) as zero,
  map('', null, 'b', named_struct('v', array(-128Y, null))) as nest, cast(null as struct<a:int>) as gone,
  null as nil, array() as empty, named_struct('x', 1, 'X', 2S) as names, true as yes, named_struct('a b', 1) as `c d`
"""


def table(spark: SparkSession) -> DataFrame:
    """A row of edges, one of what is not there, one that does not fit; beside them a struct of anything."""
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    kinds = T.StructType([T.StructField("id", T.IntegerType()), T.StructField("v", VectorUDT())])
    vectors = spark.createDataFrame([(1, Vectors.sparse(3, [1], [-0.0])), (2, Vectors.dense([0.1]))], kinds)
    wide = spark.sql(ANYTHING).select(F.struct("*").alias("wide"))
    rows = spark.sql(f"{FULL} union all {BARE} union all {DIRTY}")
    return rows.join(vectors, "id", "left").crossJoin(wide).coalesce(1).sortWithinPartitions("id")


def plain(cell: Any) -> Any:
    """Plain Python values, whose text is the same everywhere."""
    if isinstance(cell, np.ndarray | list | tuple):
        return [plain(value) for value in cell]
    if isinstance(cell, dict):
        return {name: plain(value) for name, value in cell.items()}
    if isinstance(cell, pd.Timestamp | np.datetime64):
        return str(pd.Timestamp(cell))
    return cell.item() if isinstance(cell, np.generic) else cell


def tell(batch: pd.DataFrame) -> list[str]:
    """What it was given, as text: its dtypes and values."""
    kinds = [str(kind) for kind in batch.dtypes]
    return [repr((kinds, [plain(cell) for cell in row])) for row in batch.itertuples(index=False, name=None)]


def echo(batch: pd.DataFrame) -> pd.DataFrame:
    """What it was given."""
    return batch


def predicted(spark: SparkSession) -> dict[str, list[str]]:
    """What a model is given of each type, and what comes back of it when it returns that."""
    from pyspark.sql import functions as F

    df, names = table(spark), [str(spec.name) for spec in EVERY]
    given = predict_udf(tell, ModelSignature(EVERY, Schema([ColSpec("string")])), on_violation="null")
    back = predict_udf(echo, ModelSignature(EVERY, EVERY), on_violation="null")
    wide = predict_udf(tell, ModelSignature(Schema([ColSpec(AnyType(), "wide")]), Schema([ColSpec("string")])))
    tensor = TensorSpec(np.dtype("float32"), (-1, 2))
    shape = predict_udf(lambda x: -x, ModelSignature(Schema([tensor]), Schema([tensor])))
    odd = predict_udf(lambda batch: batch[ODD] + 1, ModelSignature(Schema([ColSpec("integer", ODD)]), INTEGER))
    halves = F.array(F.lit("nan").cast("float"), F.lit(0.1).cast("float"))
    big = TensorSpec(np.dtype("uint64"), (-1,))
    most = predict_udf(
        lambda batch: np.full(len(batch), 2**64 - 1, "uint64"), ModelSignature(Schema([ColSpec("long")]), Schema([big]))
    )
    found = df.select(
        given(F.struct(*names)).alias("given"),
        back(F.struct("*")).alias("back"),
        wide("wide").alias("wide"),
        F.concat_ws(" ", shape(halves).cast("array<string>")).alias("shape"),
        most(F.col("id")).cast("string").alias("most"),
        odd(**{ODD: F.col("id")}).alias("odd"),
    ).select("given", *_texts(), "wide", "shape", "most", "odd")
    rows = found.collect()
    return {name: [row[name] for row in rows] for name in found.columns}


PRINTED = ("big", "x", "y", "flag", "longs", "floats", "weights", "v")


def _texts() -> list[Any]:
    """The columns of `back` as texts that show every bit, whatever the session's zone and Spark's way of printing."""
    from pyspark.sql import functions as F

    pair = "concat_ws(' ', {0}.n, unix_micros({0}.at), cast({0}.x as string))"
    deep = f"transform(map_values(back.deep)[0], p -> if(p is null, 'null', {pair.format('p')}))"
    shown = {
        **{
            name: f"cast(back.{name} as string)"
            for name in ("big", "x", "y", "flag", "longs", "floats", "weights", "v")
        },
        **{"text": "hex(back.text)", "raw": "hex(back.raw)", "at": "cast(unix_micros(back.at) as string)"},
        **{"pair": f"if(back.pair is null, null, {pair.format('back.pair')})", "deep": f"cast({deep} as string)"},
    }
    return [F.expr(text).alias(name) for name, text in shown.items()]


def lost_bits(spark: SparkSession) -> int:
    """At how many rows of any numbers a float or a double is another, for the model or after it."""
    from pyspark.sql import functions as F

    random = np.random.default_rng(0)
    doubles = random.integers(-(2**63), 2**63, 4000).view("float64")
    floats = random.integers(-(2**31), 2**31, 4000, "int32").view("float32")
    rows = [(x, float(y)) for x, y in zip(doubles.tolist(), floats, strict=True) if x == x and y == y]
    inputs = Schema([ColSpec("double", "x"), ColSpec("float", "y")])
    outputs = Schema([*inputs, ColSpec("string", "bits")])

    def bits(batch: pd.DataFrame) -> pd.DataFrame:
        return batch.assign(bits=[struct.pack("<df", x, y).hex() for x, y in zip(batch.x, batch.y, strict=True)])

    df = spark.createDataFrame(rows, "x double, y float")
    back = df.select(predict_udf(bits, ModelSignature(inputs, outputs))(F.struct("*")).alias("p")).select("p.*")
    packed = [struct.pack("<df", *row).hex() for row in rows]
    found = [(row.bits, struct.pack("<df", row.x, row.y).hex()) for row in back.collect()]
    return sum(1 for told, one in zip(found, packed, strict=True) if told != (one, one))


def used(spark: SparkSession) -> list[Any]:
    """What comes of the prediction as a column like any other: filtered by, opened, added up, of no row."""
    from pyspark.sql import functions as F

    signature = ModelSignature(
        Schema([ColSpec("long", "n")]), Schema([ColSpec("long", "twice"), ColSpec("string", "t")])
    )
    predict = predict_udf(lambda b: pd.DataFrame({"twice": b.n * 2, "t": [f"it is {n}" for n in b.n]}), signature)
    df = spark.range(1, 5).selectExpr("id as n")
    filtered = df.where(predict()["twice"] > 6).select(predict("n").t)
    added = df.select(F.sum(predict(n=F.col("n") + 1)["twice"]))
    spread = df.select("n", predict.asNondeterministic()(F.struct("*")).alias("p")).select("n", "p.*").sort("n")
    none = df.where("n > 9").select(predict())
    rows = [[list(row) for row in found.collect()] for found in (filtered, added, spread, none)]
    return [df.select(predict().alias("p")).dtypes, *rows]


USED = [
    [["p", "struct<twice:bigint,t:string>"]],
    *([["it is 4"]], [[28]]),
    *([[1, 2, "it is 1"], [2, 4, "it is 2"], [3, 6, "it is 3"], [4, 8, "it is 4"]], []),
]


def registered(spark: SparkSession) -> str:
    """Whether the UDF serves SQL, or what is said instead."""
    udf = predict_udf(lambda batch: batch["n"], ModelSignature(Schema([ColSpec("long", "n")]), INTEGER))
    try:
        spark.udf.register("registered", udf)
    except NotImplementedError as error:
        return str(error)
    return "registered"
