"""Tensors stored as bytes, compared with numpy: all exponents, signed zeros, subnormals, infinities and NaN."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sparksig import Schema, TensorSpec, enforce, plan, split, struct_type
from sparksig.signature.dtypes import TABLE, Kind

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DTYPES = [row.numpy for row in TABLE if row.is_number or row.kind is Kind.BOOLEAN]
SHAPE = (2, 3, 2)
ENTRIES = 12


def entries(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """All values of a byte or two; of wider types every exponent with edge fractions, bounds, and random bits."""
    size = dtype.itemsize
    if dtype.kind == "b":
        return np.array([True, False] * ENTRIES)
    bits = np.arange(1 << (8 * size), dtype=np.uint64) if size <= 2 else _bits_of(dtype)
    return bits.astype(f"<u{size}").view(dtype.newbyteorder("<"))


def _bits_of(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    width = 8 * dtype.itemsize
    rng = np.random.default_rng(3)
    chosen = [int(n) for n in rng.integers(0, 2**width, 3000, dtype=np.uint64, endpoint=False)] if width < 64 else []
    chosen += [int.from_bytes(rng.bytes(width // 8), "little") for _ in range(3000)]
    chosen += [(1 << p) + d for p in range(width) for d in (-1, 0)] + [(1 << width) - 1, (1 << width) - 2]
    if dtype.kind == "f":
        fraction = np.finfo(dtype).nmant
        tops = range(1 << (width - fraction))  # every sign and exponent
        chosen += [top << fraction | low for top in tops for low in (0, 1, (1 << fraction) - 1, 1 << (fraction - 1))]
    return np.array(chosen, dtype=np.uint64)


def column(dtype: np.dtype[Any]) -> list[bytes]:
    """The entries in rows of one tensor each."""
    found = entries(dtype)
    found = found[: len(found) // ENTRIES * ENTRIES]
    return [row.tobytes() for row in found.reshape(-1, ENTRIES)]


def frame(spark: SparkSession, values: list[Any]) -> DataFrame:
    return spark.createDataFrame([(i, v) for i, v in enumerate(values)], "i int, x binary").coalesce(1)


@pytest.mark.parametrize("codegen", ["CODEGEN_ONLY", "NO_CODEGEN"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_enforce_decodes_binary_tensor_entries_as_numpy_does(spark: SparkSession, dtype: str, codegen: str) -> None:
    kind = np.dtype(dtype)
    rows = column(kind)[:: 1 if codegen == "CODEGEN_ONLY" else 7]
    schema = Schema([TensorSpec(kind, (-1, *SHAPE), "x")])
    spark.conf.set("spark.sql.codegen.factoryMode", codegen)
    spark.conf.set("spark.sql.codegen.wholeStage", str(codegen == "CODEGEN_ONLY").lower())
    try:
        made = enforce(frame(spark, rows), schema, keep=["i"])
        assert made.dtypes[0] == ("x", struct_type(schema)["x"].dataType.simpleString())
        found = dict((i, x) for x, i in made.collect())
    finally:
        spark.conf.unset("spark.sql.codegen.factoryMode")
        spark.conf.unset("spark.sql.codegen.wholeStage")
    assert len(found) == len(rows)
    for i, raw in enumerate(rows):
        want = np.frombuffer(raw, kind.newbyteorder("<")).reshape(SHAPE)
        assert alike(found[i], want), raw.hex()


def alike(found: Any, want: np.ndarray[Any, Any]) -> bool:
    """Equal bit for bit, but that one NaN is any NaN."""
    if want.dtype.kind != "f":
        return bool(np.array_equal(np.array(found, dtype=object).astype(want.dtype), want))
    with np.errstate(invalid="ignore"):  # a signalling NaN
        pairs = zip(np.array(found, dtype=np.float64).ravel(), want.astype(np.float64).ravel(), strict=True)
    return all((a != a and b != b) or struct.pack(">d", a) == struct.pack(">d", b) for a, b in pairs)


def test_split_accepts_binary_tensors_of_the_exact_byte_length(spark: SparkSession) -> None:
    table = frame(spark, [bytes(8), b"", bytes(7), None, bytes(9)])
    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 2), "x")])
    parts = split(table, schema)
    assert parts.accepted.collect() == [([0.0, 0.0],)]
    assert [row["_violations"][0]["code"] for row in parts.quarantined.orderBy("i").collect()] == [
        *("WRONG_LENGTH", "WRONG_LENGTH", "NULL", "WRONG_LENGTH"),
    ]
    nulls = split(table, schema, allow_nulls=True).accepted
    assert nulls.collect() == [([0.0, 0.0],), (None,)]


@pytest.mark.parametrize("kind", ["binary", "array<float>", "array<int>"])
def test_enforce_keeps_allowed_null_tensors_null_in_every_rank(spark: SparkSession, kind: str) -> None:
    table = spark.createDataFrame([(None,)], f"x {kind}")
    for shape in ((-1, 4), (-1, 2, 2), (-1, 2, 1, 2)):
        schema = Schema([TensorSpec(np.dtype("float32"), shape, "x")])
        assert enforce(table, schema, level="checked", allow_nulls=True).collect() == [(None,)]


def test_enforce_time_is_linear_in_tensor_entries(spark: SparkSession) -> None:
    """Entries are cast once each, not once for each slice that they are in."""
    table = spark.range(2).selectExpr("transform(sequence(1, 60000), i -> cast(i as double)) as x")
    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 200, 100, 3), "x")])
    started = time.monotonic()
    found = enforce(table, schema, level="checked").selectExpr("x[199][99][2]").collect()
    assert found == [(60000.0,)] * 2
    assert time.monotonic() - started < 12  # about 1 second; 20 where each slice makes the whole array again


def test_plan_lists_the_checks_of_binary_tensors(spark: SparkSession) -> None:
    checks = {}
    for dtype in ("bool", "uint8", "float16"):
        made = plan(frame(spark, [b""]), Schema([TensorSpec(np.dtype(dtype), (-1, 2), "x")]))
        checks[dtype] = made.steps[0].checks
    assert checks["bool"] == ("not null", "2 entries in bytes", "[] 0 or 1")
    assert checks["uint8"] == checks["float16"] == ("not null", "2 entries in bytes")


def test_split_reads_a_binary_tensor_without_inner_dimensions_as_one_entry(spark: SparkSession) -> None:
    table = frame(spark, [struct.pack("<q", -(2**63)), struct.pack("<q", 7), b"", None])
    schema = Schema([TensorSpec(np.dtype("int64"), (-1,), "x")])
    parts = split(table, schema)
    assert parts.accepted.dtypes == [("x", "bigint")] == struct_types(schema)
    assert [row.x for row in parts.accepted.collect()] == [-(2**63), 7]
    assert [row["_violations"][0].code for row in parts.quarantined.collect()] == ["WRONG_LENGTH", "NULL"]
    relaxed = enforce(table.where("i <> 2"), schema, allow_nulls=True)
    assert [row.x for row in relaxed.collect()] == [-(2**63), 7, None]


def struct_types(schema: Schema) -> list[tuple[str, str]]:
    return [(field.name, field.dataType.simpleString()) for field in struct_type(schema)]
