"""`enforce_values` on every supported container: edge values, all problems at once, and the input unchanged."""

from __future__ import annotations

import copy
import datetime as dt
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    Map,
    ModelSignature,
    Object,
    Policy,
    PolicyError,
    Property,
    Schema,
    SchemaError,
    SparkMLVector,
    TensorSpec,
    ViolationError,
    enforce_values,
    infer_signature,
    parse_payload,
)

NAN = float("nan")
TWO = Schema([ColSpec("long", "n"), ColSpec("double", "x")])
BIG = 2**53 + 1


def told(error: Any) -> set[tuple[str, str]]:
    return {(problem.path, str(problem.code)) for problem in error.value.problems}


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"x": [0.5, NAN], "z": ["a", "b"], "n": [BIG, -1]}),
        pd.DataFrame({"x": [0.5, NAN], "n": [BIG, -1]}, dtype=object),
        pd.DataFrame({"x": pd.array([0.5, NAN], "Float64"), "n": pd.array([BIG, -1], "Int64")}).assign(
            x=pd.Series([0.5, NAN])
        ),
        pd.DataFrame({"x": [0.5, NAN], "n": pd.Series([BIG, -1], dtype="int64[pyarrow]")}),
        {"n": [BIG, -1], "x": [0.5, NAN]},
        {"n": np.array([BIG, -1]), "x": np.array([0.5, NAN])},
        [{"n": BIG, "x": 0.5}, {"x": NAN, "n": -1}],
        pa.table({"n": [BIG, -1], "x": [0.5, NAN]}),
        pa.record_batch({"x": pa.array([0.5, NAN]), "n": pa.array([BIG, -1])}),
        pa.table({"n": pa.array([BIG, -1]).dictionary_encode(), "x": pa.chunked_array([[0.5], [NAN]])}),
    ],
    ids=lambda data: type(data).__name__,
)
def test_enforce_values_accepts_the_same_table_in_every_container(data: Any) -> None:
    before = copy.deepcopy(data)
    found = enforce_values(data, ModelSignature(TWO))
    assert found.columns.tolist() == ["n", "x"] and found.dtypes.tolist() == [np.int64, np.float64]
    assert found["n"].tolist() == [BIG, -1] and found["x"][0] == 0.5 and np.isnan(found["x"][1])
    if isinstance(data, pd.DataFrame):
        pd.testing.assert_frame_equal(data, before)
    elif not isinstance(data, dict):
        assert str(data) == str(before)


def test_enforce_values_accepts_unnamed_columns_series_arrays_and_scalars() -> None:
    one, two = Schema([ColSpec("double")]), Schema([ColSpec("double")] * 2)
    for data in (1.5, [1.5], np.array([1.5]), pd.Series([1.5])):
        assert enforce_values(data, one).to_numpy().tolist() == [[1.5]]
    assert enforce_values(np.array([[1.5, 2.5]]), two).to_numpy().tolist() == [[1.5, 2.5]]
    assert enforce_values([[1.5, 2.5]], two).to_numpy().tolist() == [[1.5, 2.5]]
    indexed = pd.DataFrame({"a": [1.5], "b": [2.5], "c": [0]}, index=["row"])
    assert enforce_values(indexed, two).equals(indexed[["a", "b"]])
    named = pd.Series([1], name="n", index=[7])
    assert enforce_values(named, Schema([ColSpec("long", "n")])).index.tolist() == [7]
    assert enforce_values([[1.0, 2.0], []], Schema([ColSpec(Array("double"))]))[0].tolist() == [[1.0, 2.0], []]
    with pytest.raises(SchemaError, match="holds no rows"):
        enforce_values(None, one)


def test_enforce_values_reports_all_violations_at_once_without_values() -> None:
    schema = Schema(
        [
            *(ColSpec("integer", "i"), ColSpec("string", "s"), ColSpec("datetime", "t"), ColSpec("double", "d")),
            ColSpec(Array(Object([Property("p", "long"), Property("q", "string", required=False)])), "o"),
        ]
    )
    rows = {
        "i": [1, 2**40, 3],
        "s": ["Anna", None, "x"],
        "t": [dt.datetime(2020, 1, 1), dt.datetime(9999, 1, 1), pd.NaT],
        "d": [0.5, 1.5, None],
        "o": [[{"p": 1}], [{"p": None}, {"Anna": 1}], [{"p": 2, "q": None}]],
    }
    with pytest.raises(ViolationError) as raised:
        enforce_values(pd.DataFrame(rows, dtype=object), schema, level="checked")
    assert told(raised) == {
        *{("i", "OUT_OF_RANGE"), ("s", "NULL"), ("t", "OUT_OF_RANGE"), ("t", "NULL"), ("d", "NULL")},
        *{("o[].p", "NULL"), ("o[]", "UNEXPECTED_FIELD")},
    }
    assert "Anna" not in str(raised.value) and str(2**40) not in str(raised.value)
    with pytest.raises(SchemaError) as refused:
        enforce_values(pd.DataFrame({"i": ["Anna"], "x": [1], "d": [[1]], "t": [True], "o": ["Anna"]}), schema)
    assert {path for path, _ in told(refused)} == {"i", "s", "t", "d", "o"} and "Anna" not in str(refused.value)


def test_enforce_values_treats_nan_as_a_value_and_none_as_a_null() -> None:
    one = Schema([ColSpec("double", "x", required=False)])
    found = enforce_values(pd.DataFrame({"x": [NAN, None, 1.5]}, dtype=object), one)["x"]
    assert np.isnan(found[0]) and np.isnan(found[1])
    with pytest.raises(ViolationError, match=r"x: 1 row\(s\) \[NAN\]"):
        enforce_values(pd.DataFrame({"x": [NAN, None, 1.5]}, dtype=object), one, allow_nan=False)
    with pytest.raises(ViolationError, match=r"x: 1 row\(s\) \[NULL\]"):
        enforce_values({"x": [NAN, None, -0.0]}, Schema([ColSpec("double", "x")]))
    texts = Schema([ColSpec("string", "x")])
    with pytest.raises(ViolationError, match=r"x: 2 row\(s\) \[NULL\]"):
        enforce_values({"x": ["a", NAN, pd.NA]}, texts)
    with pytest.raises(ViolationError, match=r"x: 1 row\(s\) \[UNPARSABLE\]"):
        enforce_values({"x": ["a", "\ud800"]}, texts)


def test_enforce_values_checks_edges_of_numbers_and_timestamps() -> None:
    long, double, moment = (Schema([ColSpec(kind, "x")]) for kind in ("long", "double", "datetime"))
    assert enforce_values({"x": [2**63 - 1, -(2**63)]}, long)["x"].tolist() == [2**63 - 1, -(2**63)]
    assert enforce_values({"x": [Decimal("1"), Decimal("2")]}, long)["x"].tolist() == [1, 2]
    assert str(enforce_values({"x": [-0.0]}, double)["x"][0]) == "-0.0"
    for value, code in [(2**63, "OUT_OF_RANGE"), (1.5, "NOT_EXACT"), (NAN, "NAN"), (Decimal("0.1"), "NOT_EXACT")]:
        with pytest.raises(ViolationError, match=code):
            enforce_values({"x": [value]}, long, level="checked")
    with pytest.raises(ViolationError, match="NOT_EXACT"):
        enforce_values({"x": [BIG]}, double, level="checked")
    assert enforce_values({"x": [BIG]}, double, allow_rounding=True)["x"][0] == 2.0**53
    assert enforce_values({"x": ["+7", "1e3"]}, double, level="parse")["x"].tolist() == [7.0, 1000.0]
    nanos = pd.Timestamp("2020-01-01 00:00:00.000000001")
    assert enforce_values({"x": [nanos]}, moment)["x"][0] == nanos
    assert enforce_values(pd.DataFrame({"x": pd.Series([nanos])}), moment)["x"][0] == nanos
    zoned = pd.Timestamp("2020-01-01 01:00", tz="Europe/Berlin")
    assert enforce_values({"x": [zoned]}, moment)["x"][0] == pd.Timestamp("2020-01-01")
    mixed = [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 12)]
    assert enforce_values({"x": mixed}, moment)["x"].dt.hour.tolist() == [0, 12]
    with pytest.raises(SchemaError, match="with and without a zone"):
        enforce_values({"x": [zoned, nanos]}, moment)
    with pytest.raises(SchemaError, match="several classes"):
        enforce_values({"x": [1, "a"]}, long, level="parse")


def test_enforce_values_gives_optional_integers_and_booleans_one_dtype() -> None:
    schema = Schema([ColSpec("long", "n", required=False), ColSpec("boolean", "b", required=False)])
    for data in ({"n": [1], "b": [True]}, {"n": [None], "b": [None]}, {"z": [1]}):
        assert enforce_values(data, schema, on_absent="ignore").dtypes.tolist() == [np.float64, object]
    assert enforce_values({"n": [1], "b": [True]}, schema, policy=Policy.mlflow()).dtypes.tolist() == [np.int64, bool]


def test_enforce_values_takes_every_long_where_dtypes_may_differ_by_batch() -> None:
    schema = Schema([ColSpec("long", "n"), ColSpec("long", "o", required=False)])
    found = enforce_values({"n": [BIG], "o": [-BIG]}, schema, policy=Policy.mlflow())
    assert found.dtypes.tolist() == [np.int64, np.int64] and found.iloc[0].tolist() == [BIG, -BIG]
    enforce_values(found, schema, policy=Policy.mlflow())


def test_enforce_values_reports_a_cell_at_its_own_column_where_names_begin_alike() -> None:
    strings = Schema([ColSpec("string", "a", required=False), ColSpec("string", "z", required=False)])
    for columns in (["x", "x.b"], ["x.b", "x"]):
        data = pd.DataFrame({"x": ["fine", "fine"], "x.b": ["fine", "\ud800"]}, columns=columns)
        with pytest.raises(ViolationError) as raised:
            enforce_values(data, strings, columns={"a": "x", "z": "x.b"})
        assert told(raised) == {("z", "UNPARSABLE")}


def test_enforce_values_admits_nulls_inside_any() -> None:
    members = Object([Property("x", AnyType())])
    schema = Schema([ColSpec(Array(AnyType()), "e"), ColSpec(Map(AnyType()), "v"), ColSpec(members, "o")])
    row = {"e": [None, 1], "v": {"k": None}, "o": {"x": None}}
    assert enforce_values([row], schema).to_dict("records") == [row]
    with pytest.raises(ViolationError) as raised:
        enforce_values([{**row, "o": {}}], schema)
    assert told(raised) == {("o.x", "MISSING_FIELD")}
    with pytest.raises(ViolationError) as raised:
        enforce_values({"x": [None, 1]}, Schema([ColSpec(AnyType(), "x")]))
    assert told(raised) == {("x", "NULL")}


def test_enforce_values_keeps_nested_cells_and_leaves_the_input_unchanged() -> None:
    item = Object([Property("price", "double"), Property("more", AnyType(), required=False)])
    schema = Schema([ColSpec(Array(item), "items"), ColSpec(Map(Array("long")), "m"), ColSpec(SparkMLVector(), "v")])
    data = pd.DataFrame(
        {
            "items": [[{"price": 0.5, "more": {"k": [1]}}], []],
            "m": [{"a": [BIG], "": []}, {}],
            "v": [np.array([1.0, 2.0]), np.array([])],
        }
    )
    before = copy.deepcopy(data)
    found = enforce_values(data, schema)
    assert found["items"].tolist() == [[{"price": 0.5, "more": {"k": [1]}}], []]
    assert found["m"].tolist() == [{"a": [BIG], "": []}, {}] and found["v"][0].dtype == np.float64
    found["items"][0][0]["price"] = 7.0
    found["m"][0]["a"].append(1)
    assert str(data.to_dict()) == str(before.to_dict())
    for cells, path, code in [
        ([{"price": 0.5}], "items", "UNSUPPORTED_TYPE"),
        ([[5], [{"price": 0.5}]], "items[]", "INCOMPATIBLE_TYPE"),
        ([[{}]], "items[].price", "MISSING_FIELD"),
        ([None], "items", "NULL"),
        ([[None]], "items[]", "NULL"),
    ]:
        more = pd.DataFrame({"items": cells, "m": [{}] * len(cells), "v": [[1.0]] * len(cells)}, dtype=object)
        with pytest.raises((ViolationError, SchemaError)) as raised:
            enforce_values(more, schema)
        assert (path, code) in told(raised), cells
    with pytest.raises(ViolationError, match=r"m: 1 row\(s\) \[INCOMPATIBLE_TYPE\]"):
        enforce_values(data.assign(m=[{1: [1]}, {}]), schema)


def test_enforce_values_checks_tensors_of_every_layout() -> None:
    images = Schema([TensorSpec(np.dtype("uint8"), (-1, 2, 2))])
    array = np.arange(8, dtype="uint8").reshape(2, 2, 2)
    found = enforce_values(array, images)
    assert found.dtype == np.uint8 and (found == array).all() and not np.shares_memory(found, array)
    assert enforce_values(array.astype("int64"), images, level="checked").dtype == np.uint8
    with pytest.raises(ViolationError, match=r"\[\]: 1 row\(s\) \[OUT_OF_RANGE\]"):
        enforce_values(array.astype("int64") + 250 * (array == 7), images, level="checked")
    for wrong in (array.reshape(2, 4), array[0], array.astype("float64")):
        with pytest.raises(SchemaError):
            enforce_values(wrong, images)
    flat = pd.DataFrame({"image": [[0, 1, 2, 3], [4, 5, 6, 7]]})
    assert (enforce_values(flat, images, level="checked") == array).all()
    two = Schema([TensorSpec(np.dtype("float32"), (-1, 2), "a"), TensorSpec(np.dtype("str"), (-1,), "b")])
    named = enforce_values({"b": np.array(["x", "yz"]), "a": np.zeros((2, 2), "f4"), "c": np.zeros(1)}, two)
    assert list(named) == ["a", "b"] and named["b"].tolist() == ["x", "yz"]
    with pytest.raises(SchemaError) as raised:
        enforce_values({"a": np.zeros((2, 3), "f4")}, two)
    assert told(raised) == {("a", "WRONG_SHAPE"), ("b", "MISSING_COLUMN")}
    sparse = scipy.sparse.csr_matrix(np.eye(3))
    kept = enforce_values(sparse, Schema([TensorSpec(np.dtype("float64"), (-1, 3))]))
    assert isinstance(kept, scipy.sparse.csr_matrix) and (kept != sparse).nnz == 0
    columns = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert enforce_values(columns, Schema([TensorSpec(np.dtype("float64"), (-1, 2))])).tolist() == [[1, 3], [2, 4]]
    open_ = Schema([TensorSpec(np.dtype("float64"), (-1, -1))])
    ragged = enforce_values(pd.DataFrame({"a": [[1.0], [1.0, 2.0]]}), open_)
    assert [row.tolist() for row in ragged] == [[1.0], [1.0, 2.0]]


@pytest.mark.parametrize("name", ["a.b", "`", "", "x y", "${env:HOME}", "items[].price"])
def test_enforce_values_accepts_any_name_and_reports_duplicates(name: str) -> None:
    schema = Schema([ColSpec("long", name or " ")])
    assert enforce_values({name or " ": [1]}, schema).iloc[0, 0] == 1
    twice = pd.DataFrame([[1, 2]], columns=[name or " "] * 2)
    with pytest.raises(SchemaError, match="DUPLICATE_COLUMN"):
        enforce_values(twice, schema)
    with pytest.raises(ViolationError) as raised:
        enforce_values({name or " ": [None, 1]}, schema)
    assert told(raised) == {(name or " ", "NULL")}


def test_enforce_values_rejects_frame_only_options_by_name() -> None:
    with pytest.raises(PolicyError, match="keep="):
        enforce_values({"n": [1], "x": [0.5]}, TWO, keep=["n"])


def test_enforce_values_accepts_tables_without_rows() -> None:
    empty = pd.DataFrame({"n": pd.Series([], dtype="int64"), "x": pd.Series([], dtype=object)})
    assert enforce_values(empty, TWO).shape == (0, 2)
    assert enforce_values(pa.table({"n": pa.array([], pa.int64()), "x": pa.array([], pa.float64())}), TWO).shape == (
        0,
        2,
    )


def test_enforce_values_keeps_any_values_of_arrow_columns() -> None:
    inside = Object([Property("a", AnyType())])
    schema = Schema([ColSpec(AnyType(), "x"), ColSpec(inside, "o"), ColSpec(Array(AnyType()), "l")])
    table = pa.table({"x": ["p", "q"], "o": [{"a": 0}, {"a": 1}], "l": [[1], [0, 0]]})
    found = enforce_values(table, schema)
    assert found["x"].tolist() == ["p", "q"] and found["o"].tolist() == [{"a": 0}, {"a": 1}]
    assert [list(cell) for cell in found["l"]] == [[1], [0, 0]]
    mixed = table.to_pandas().assign(o=pd.Series([{"a": [5]}, {"a": "z"}], dtype=object))
    assert enforce_values(mixed, schema)["o"].tolist() == [{"a": [5]}, {"a": "z"}]


def test_enforce_values_keeps_scalars_of_several_classes_exact() -> None:
    def cells(*values: Any) -> pd.DataFrame:
        return pd.DataFrame({"x": pd.Series(list(values), dtype=object)})

    integer, long, double, moment = (Schema([ColSpec(kind, "x")]) for kind in ("integer", "long", "double", "datetime"))
    assert enforce_values(cells(np.int8(-1), np.uint8(255)), integer)["x"].tolist() == [-1, 255]
    assert enforce_values(cells(np.int32(-1), np.uint32(2**32 - 1)), long)["x"].tolist() == [-1, 2**32 - 1]
    assert enforce_values(cells(np.uint64(5), -1), long, level="checked")["x"].tolist() == [5, -1]
    zoned = (
        dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=5))),
        dt.datetime.min.replace(tzinfo=dt.UTC),
    )
    for schema, values, code in [
        (double, (np.int64(BIG), 0.5), "NOT_EXACT"),
        (double, (np.uint64(BIG), np.float32(0.5)), "NOT_EXACT"),
        (long, (np.uint64(2**63), -1), "OUT_OF_RANGE"),
        (long, (np.int64(BIG), np.float64(2**63)), "NOT_EXACT"),
        (moment, (np.datetime64(1, "ps"),), "NOT_EXACT"),
        (moment, (np.datetime64(2**60, "s"), np.datetime64(1, "ns")), "OUT_OF_RANGE"),
        (moment, (np.datetime64(2**60, "Y"),), "OUT_OF_RANGE"),
        (moment, zoned, "OUT_OF_RANGE"),
        (moment, (pd.Timestamp(np.datetime64("20000-01-01", "s")),), "OUT_OF_RANGE"),
        (double, (Decimal("sNaN"), Decimal(1)), "NULL"),
    ]:
        with pytest.raises(ViolationError) as raised:
            enforce_values(cells(*values), schema, level="checked")
        assert told(raised) == {("x", code)}, values
    arrays = Schema([ColSpec(Array("double"), "x")])
    with pytest.raises(ViolationError, match="NOT_EXACT"):
        enforce_values(cells(np.array([BIG]), np.array([0.5])), arrays)


def test_enforce_values_rejects_invalid_unicode_without_showing_it() -> None:
    half = "\ud800"
    texts, keys = Schema([ColSpec("string")]), Schema([ColSpec(Map("long"))])
    tensor = Schema([TensorSpec(np.dtype("str"), (-1,))])
    for data, schema in [
        (np.array([half, "a"]), texts),
        ([{half: 1}, {"a": 1}], keys),
        (np.array([half, "a"]), tensor),
        (np.array([half, "a"], dtype=object), tensor),
    ]:
        with pytest.raises(ViolationError, match=r"1 row\(s\) \[UNPARSABLE\]") as raised:
            enforce_values(data, schema)
        assert "ud800" not in str(raised.value)


def test_enforce_values_reads_masks_and_index_labels() -> None:
    masked = np.ma.array([1, 2], mask=[False, True])
    long, tensor = Schema([ColSpec("long", "n")]), Schema([TensorSpec(np.dtype("int64"), (-1,))])
    for data, schema, path in [
        (masked, Schema([ColSpec("long")]), "0"),
        ({"n": masked}, long, "n"),
        (pd.DataFrame({"n": pd.Series([masked], dtype=object)}), Schema([ColSpec(Array("long"), "n")]), "n[]"),
        (masked, tensor, "[]"),
    ]:
        with pytest.raises(ViolationError) as raised:
            enforce_values(data, schema)
        assert told(raised) == {(path, "NULL")}
    assert enforce_values(masked[:1], tensor).tolist() == [1]
    two = Schema([ColSpec("long", "n"), ColSpec("long", "m")])
    turned = {"n": pd.Series([1, 2], index=[0, 1]), "m": pd.Series([20, 10], index=[1, 0])}
    found = enforce_values(turned, two)
    assert found["m"].tolist() == [10, 20] and found.index.tolist() == [0, 1]
    with pytest.raises(SchemaError, match="different labels"):
        enforce_values({**turned, "m": pd.Series([20, 10], index=[1, 5])}, two)


def test_enforce_values_accepts_columns_in_every_sequence_and_array() -> None:
    long, two = Schema([ColSpec("long", "n")]), Schema([ColSpec("long")] * 2)
    for column in ((1, 2), range(1, 3), pd.Index([1, 2]), pd.array([1, 2]), pa.array([1, 2]), pd.Categorical([1, 2])):
        assert enforce_values({"n": column}, long)["n"].tolist() == [1, 2]
    assert enforce_values([pd.Series({"n": 1})], long)["n"].tolist() == [1]
    records = np.array([(1, 2)], dtype=[("n", "i8"), ("m", "i8")])
    for rows in (np.array([[1, 2]]).view(np.matrix), records, [np.array([1, 2])]):
        assert enforce_values(rows, two).to_numpy().tolist() == [[1, 2]]
    assert enforce_values([np.array(1)], Schema([ColSpec("long")]))[0].tolist() == [1]
    texts = np.array(["a", "b"], np.dtypes.StringDType())
    assert enforce_values(texts, Schema([ColSpec("string")]))[0].tolist() == ["a", "b"]
    small = pd.DataFrame({"n": pd.Categorical(np.array([1, 2], "i4"))})
    assert enforce_values(small, Schema([ColSpec("integer", "n")]))["n"].dtype == np.int32
    assert enforce_values(pd.DataFrame({"n": pd.arrays.SparseArray([1, 0])}), long)["n"].tolist() == [1, 0]
    for column in (pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1])), pa.array([1, 1])):
        assert enforce_values(pa.table({"n": column}), long)["n"].tolist() == [1, 1]
    for wrong in ({"n": [[1], [1, 2]]}, {"n": {1, 2}}):
        with pytest.raises(SchemaError, match="UNSUPPORTED_TYPE"):
            enforce_values(wrong, long)


def test_enforce_values_rejects_arrow_values_out_of_pandas_range() -> None:
    with pytest.raises(SchemaError, match="UNSUPPORTED_TYPE"):
        enforce_values(pa.table({"x": pa.array([2**60], pa.timestamp("s"))}), Schema([ColSpec("datetime", "x")]))
    small = pa.table({"x": pa.array([7], pa.decimal32(5, 0))})
    assert enforce_values(small, Schema([ColSpec("long", "x")]))["x"].tolist() == [7]


DAYS = pa.array([0, 2**31 - 1, -(2**31), None], pa.int32()).view(pa.date32())
BROKEN = pa.array([b"a", b"\xff", b"\xed\xa0\x80", None]).view(pa.string())
TICKS = pa.array([0, 2**63 - 1, -62_135_596_800_000_001, None])
NESTED = pa.array([0, 1, 2, 3, 4], pa.int32())
UNHELD = [
    (DAYS, "datetime", "x", "OUT_OF_RANGE"),
    (DAYS, AnyType(), "x", "OUT_OF_RANGE"),
    (TICKS.cast(pa.timestamp("us")), AnyType(), "x", "OUT_OF_RANGE"),
    (TICKS.cast(pa.timestamp("us", "America/New_York")), AnyType(), "x", "OUT_OF_RANGE"),
    (BROKEN, "string", "x", "UNPARSABLE"),
    (pa.array([b"1", b"\xff", b"a", None]).view(pa.string()), "long", "x", "UNPARSABLE"),
    (pa.array([b"2020-01-01", b"2020-01-01\xff", b"", None]).view(pa.string()), "datetime", "x", "UNPARSABLE"),
    (BROKEN, AnyType(), "x", "UNPARSABLE"),
    (BROKEN.cast(pa.large_string()), "string", "x", "UNPARSABLE"),
    (BROKEN.dictionary_encode(), AnyType(), "x", "UNPARSABLE"),
    (pa.ListArray.from_arrays(NESTED, BROKEN), Array("string"), "x[]", "UNPARSABLE"),
    (pa.ListArray.from_arrays(NESTED, DAYS), AnyType(), "x[]", "OUT_OF_RANGE"),
    (pa.StructArray.from_arrays([BROKEN], ["a"]), Object([Property("a", "string")]), "x.a", "UNPARSABLE"),
    (pa.StructArray.from_arrays([BROKEN], ["a"]), AnyType(), "x.a", "UNPARSABLE"),
    (pa.MapArray.from_arrays(NESTED[:4], BROKEN[:3], DAYS[:3]), Map("datetime"), "x", "UNPARSABLE"),
    (pa.MapArray.from_arrays(NESTED[:4], BROKEN[:3], DAYS[:3]), AnyType(), "x{}", "OUT_OF_RANGE"),
    (pa.MapArray.from_arrays(NESTED[:4], DAYS[:3], BROKEN[:3]), AnyType(), "x", "OUT_OF_RANGE"),
]


@pytest.mark.parametrize("column, kind, path, code", UNHELD)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_enforce_values_rejects_what_python_cannot_hold_row_by_row(
    column: Any, kind: Any, path: str, code: str, zone: str | None
) -> None:
    schema = Schema([ColSpec(kind, "x", False)])
    with pytest.raises(ViolationError) as raised:
        enforce_values(pa.table({"x": column}), schema, level="parse", time_zone=zone)
    said = {(p.path, str(p.code)): p.fact for p in raised.value.problems}
    assert said[path, code] == "2 row(s)"


def test_enforce_values_passes_what_python_holds_at_the_ends_of_its_years() -> None:
    first, last = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
    table = pa.table(
        {
            "t": pa.array([first, last], pa.timestamp("us", "Pacific/Kiritimati")),
            "d": pa.array([first.date(), last.date()]),
        }
    )
    found = enforce_values(table, Schema([ColSpec(AnyType(), "t"), ColSpec(AnyType(), "d")]))
    assert [t.replace(tzinfo=None) for t in found["t"]] == [first, last] and found["d"].tolist() == [
        first.date(),
        last.date(),
    ]


def test_enforce_values_rejects_a_map_with_a_key_twice() -> None:
    keys = pa.array(["a", "b", "a", "a", "c", "c"])
    maps = pa.MapArray.from_arrays(pa.array([0, 2, 4, 6], pa.int32()), keys, pa.array(range(6)))
    with pytest.raises(ViolationError) as raised:
        enforce_values(pa.table({"m": maps}), Schema([ColSpec(Map("long"), "m")]))
    assert {(p.path, str(p.code), p.fact) for p in raised.value.problems} == {("m", "NOT_EXACT", "2 row(s)")}


def test_enforce_values_result_shares_no_data_with_the_input() -> None:
    held = [{"k": [1]}]
    schema = Schema([ColSpec("long", "n"), ColSpec(AnyType(), "a"), ColSpec(Array("long"), "l")])
    data = pd.DataFrame({"n": [1], "a": held, "l": [np.array([1, 2])]}, index=pd.Index([5], name="i"))
    found = enforce_values(data, schema)
    found.iloc[0, 0] = 7
    found["a"].iloc[0]["k"].append(2)
    found["l"].iloc[0][0] = 7
    found.index.name = "other"
    assert data["n"].tolist() == [1] and held == [{"k": [1]}] and data["l"].iloc[0].tolist() == [1, 2]
    assert data.index.name == "i"
    objects = np.array([[1], [2, 3]], dtype=object)
    enforce_values(objects, Schema([TensorSpec(np.dtype(object), (-1,))]))[0].append(9)
    assert objects[0] == [1]
    table = enforce_values(pa.table({"n": [1, 2]}), Schema([ColSpec("long", "n")]))
    table.loc[table["n"] > 1, "n"] = 0
    assert table["n"].tolist() == [1, 0]


def test_enforce_values_checks_datetime_ragged_and_sparse_tensors() -> None:
    moments = Schema([TensorSpec(np.dtype("M8[ns]"), (-1,))])
    day, none = np.array(["2020-01-01"], "M8[ns]"), np.array(["NaT"], "M8[ns]")
    for policy in (Policy(level="strict"), Policy.mlflow()):
        assert enforce_values(day, moments, policy=policy).tolist() == day.tolist()
    with pytest.raises(ViolationError, match=r"\[\]: 1 row\(s\) \[NULL\]"):
        enforce_values(none, moments)
    assert np.isnat(enforce_values(none, moments, policy=Policy.mlflow())).all()
    open_ = Schema([TensorSpec(np.dtype("float64"), (-1, -1))])
    cells = np.array([np.zeros(1), [1.0, 2.0], np.zeros(2, "f4")], dtype=object)
    assert [row.dtype for row in enforce_values(cells, open_)] == [np.float64] * 3
    for wrong in (np.zeros((1, 2)), [[1.0], [1.0, 2.0]], None):
        with pytest.raises(ViolationError, match=r"\$: 2 row\(s\) \[WRONG_SHAPE\]"):
            enforce_values(np.array([np.zeros(1), wrong, wrong, np.zeros(3)], dtype=object), open_)
    for row, code in [([BIG, 0.5], "NOT_EXACT"), (np.ma.array([1.0], mask=[True]), "NULL"), ([None, 1.0], "NULL")]:
        with pytest.raises(ViolationError, match=rf"\[\]: 1 row\(s\) \[{code}\]"):
            enforce_values(np.array([row, np.zeros(3)], dtype=object), open_)
    bytes_ = Schema([TensorSpec(np.dtype("uint8"), (-1, 2))])
    twice = scipy.sparse.coo_matrix(([200, 100], ([0, 0], [0, 0])), shape=(1, 2))
    with pytest.raises(ViolationError, match=r"1 row\(s\) \[OUT_OF_RANGE\]"):
        enforce_values(twice, bytes_, level="checked")
    rows = scipy.sparse.csc_matrix(np.array([[0.5, 1.5], [0, 0.5], [1, 0]]))
    with pytest.raises(ViolationError, match=r"2 row\(s\) \[NOT_EXACT\]"):
        enforce_values(rows, bytes_, level="checked")
    for other in (scipy.sparse.dok_matrix((1, 2)), scipy.sparse.lil_matrix((1, 2))):
        with pytest.raises(SchemaError, match="in the format"):
            enforce_values(other, bytes_)
    named = Schema([TensorSpec(np.dtype("uint8"), (-1,), "a")])
    assert enforce_values({"A": np.ones(1, "u1")}, named, case_sensitive=False)["a"].tolist() == [1]
    assert enforce_values({"z": np.ones(1, "u1")}, named, columns={"a": "z"})["a"].tolist() == [1]
    with pytest.raises(ViolationError, match=r"a: 1 row\(s\) \[NULL\]"):
        enforce_values(pd.DataFrame({"a": [None]}), Schema([TensorSpec(np.dtype("float32"), (-1, 2), "a")]))


def test_enforce_values_rejects_a_variant_in_sparks_arrow_layout() -> None:
    parts = [pa.field("value", pa.binary()), pa.field("metadata", pa.binary(), metadata={"variant": "true"})]
    table = pa.table({"x": pa.array([{"value": b"1", "metadata": b""}], pa.struct(parts))})
    wanted = [ColSpec("long", "x"), ColSpec(Array("long"), "x"), ColSpec(Object([Property("value", "binary")]), "x")]
    for spec in wanted:
        with pytest.raises(SchemaError) as raised:
            enforce_values(table, Schema([spec]))
        assert told(raised) == {("x", "UNSUPPORTED_TYPE")}


def test_enforce_values_rejects_nanoseconds_for_microsecond_tensors() -> None:
    moments = Schema([TensorSpec(np.dtype("M8[us]"), (-1,))])
    whole = np.array(["2024-01-01T00:00:00.000001", "1700-01-01", "2262-04-11"], "M8[ns]")
    found = enforce_values(whole, moments)
    assert found.dtype == "M8[us]" and (found == whole).all()
    for fine in ("2024-01-01T00:00:00.000000001", "1969-12-31T23:59:59.999999999"):
        with pytest.raises(ViolationError) as raised:
            enforce_values(np.array([fine, "2024-01-01"], "M8[ns]"), moments)
        assert [(p.code, p.fact) for p in raised.value.problems] == [("NOT_EXACT", "1 row(s)")]


TEXT = {"role": "user", "content": "what is in it?"}
PARTS = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/1.png"}}]}


@pytest.mark.parametrize("messages", [[TEXT, TEXT], [TEXT, PARTS], [PARTS, TEXT, PARTS], [TEXT]])
@pytest.mark.parametrize("rest", [{"max_tokens": 5}, {"stop": "x", "max_tokens": 5}, {}])
def test_enforce_values_reads_a_conversation_as_one_row(messages: list[Any], rest: dict[str, Any]) -> None:
    chat = {"messages": messages, **rest}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = infer_signature(chat)
    for found in (enforce_values(chat, signature), parse_payload(chat, signature).data):
        assert found.to_dict("records") == [chat]
    assert enforce_values([chat, chat], signature).to_dict("records") == [chat, chat]


def test_enforce_values_reads_lists_beside_lists_as_columns() -> None:
    schema = Schema([ColSpec(AnyType(), "a"), ColSpec("long", "n")])
    assert enforce_values({"a": [1, "x"], "n": [1, 2]}, schema)["n"].tolist() == [1, 2]
    assert len(enforce_values({"a": np.array([1, 2]), "n": 5}, schema)) == 2
    assert len(enforce_values({"a": [1, "x"]}, Schema([ColSpec(AnyType(), "a")]))) == 2


def test_enforce_values_rejects_labels_of_several_levels_and_keeps_repeated_ones_by_position() -> None:
    levels = pd.DataFrame([[1.0, 2.0]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    named, two = Schema([ColSpec("double", "a")]), Schema([ColSpec("double")] * 2)
    for schema in (named, two, Schema([ColSpec(AnyType())]), Schema([TensorSpec(np.dtype("float64"), (-1, 2))])):
        with pytest.raises(SchemaError, match="labels of several levels"):
            enforce_values(levels, schema)
    twice = levels.set_axis(["a", "a"], axis=1)
    assert enforce_values(twice, two).equals(twice)
    with pytest.raises(SchemaError, match="DUPLICATE_COLUMN"):
        enforce_values(twice, named)


def test_enforce_values_ignores_extra_keys_beside_tensors() -> None:
    one = Schema([TensorSpec(np.dtype("float64"), (-1, 2), "a")])
    two = Schema([TensorSpec(np.dtype("float64"), (-1, 2), "a"), TensorSpec(np.dtype("float64"), (-1, 1), "x")])
    array = np.ones((2, 2))
    for extra in (1, "text", [1, 2], {"k": 1}):
        assert enforce_values({"a": array, "x": extra}, one)["a"].tolist() == array.tolist()
        with pytest.raises(SchemaError, match="x: the signature has no such column"):
            enforce_values({"a": array, "x": extra}, one, extra="forbid")
        with pytest.raises(SchemaError, match=r"x: declared float64\(-1, 1\), the data has"):
            enforce_values({"a": array, "x": extra}, two)


def test_enforce_values_casts_cells_of_numbers_to_a_tensor_without_loss_under_mlflow_policy() -> None:
    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 2), "a")])
    found = enforce_values(pd.DataFrame({"a": [[0.0, 1.0]]}), schema, policy=Policy.mlflow())["a"]
    assert found.dtype == np.float32 and found.tolist() == [[0.0, 1.0]]
    with pytest.raises(ViolationError, match=r"a\[\]: 1 row\(s\) \[NOT_EXACT\]"):
        enforce_values(pd.DataFrame({"a": [[0.1, 1.0]]}), schema, policy=Policy.mlflow())
    with pytest.raises(SchemaError, match="declared float32"):  # an array has a dtype, which MLflow compares as well
        enforce_values({"a": np.array([[0.0, 1.0]])}, schema, policy=Policy.mlflow())


def test_enforce_values_reads_tensors_and_datetimes_in_cells_as_mlflow_3_18() -> None:
    tensor = Schema([TensorSpec(np.dtype("float64"), (-1, 2), "a")])
    table = pd.DataFrame({"a": [[1.0, 2.0], [3.0, 4.0]]}, index=[5, 6])
    datetimes = Schema([ColSpec(Array("datetime"), "a")])
    day = dt.datetime(2024, 1, 2)
    for policy in (Policy(), Policy.mlflow()):
        assert enforce_values(table, tensor, policy=policy)["a"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert enforce_values([{"a": [day]}], datetimes, policy=policy)["a"][0] == [day]
