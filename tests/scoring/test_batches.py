"""Model batches, without Spark: what the model receives, and how its output is checked against the output schema."""

from __future__ import annotations

import datetime as dt
import pickle
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
    NotSupportedError,
    Object,
    OutputError,
    Property,
    Schema,
    SparkMLVector,
    TensorSpec,
    plan,
)
from sparksig.enforcement.values import Feed, enforce_arrow
from sparksig.scoring.batches import Outputs


def fed(schema: Schema, columns: dict[str, pa.Array], **options: Any) -> Any:
    """What the model receives for Arrow columns, through the very plan of their schema."""
    batch = pa.table(columns)
    made = plan(batch.schema, schema, **options).require_ok()
    arrays = [column.combine_chunks() for column in batch.columns]
    judged = enforce_arrow(made, arrays, batch.num_rows).require_clean()
    return pickle.loads(pickle.dumps(Feed.of(made))).model_input(judged.columns)


UTC = pa.timestamp("us", tz="UTC")


def test_model_input_dtypes_are_the_same_in_every_batch() -> None:
    schema = Schema(
        [
            *(ColSpec("integer", "i"), ColSpec("integer", "oi", required=False)),
            *(ColSpec("long", "n"), ColSpec("long", "on", required=False)),
            *(ColSpec("boolean", "b"), ColSpec("boolean", "ob", required=False)),
            *(ColSpec("float", "f"), ColSpec("double", "d", required=False), ColSpec("datetime", "t", required=False)),
            *(ColSpec("string", "s", required=False), ColSpec("binary", "y"), ColSpec("long", "gone", required=False)),
        ]
    )
    types = {
        **{"i": pa.int8(), "oi": pa.int32(), "n": pa.int64(), "on": pa.int64(), "b": pa.bool_(), "ob": pa.bool_()},
        **{"f": pa.float32(), "d": pa.float64(), "t": UTC, "s": pa.string(), "y": pa.binary()},
    }
    full = {
        **{"i": 1, "oi": 1, "n": 2**62, "on": 2**53, "b": True, "ob": True, "f": 0.5, "d": 0.1},
        **{"t": dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "s": "x", "y": b"\0"},
    }
    gaps = {**full, **dict.fromkeys(("oi", "on", "ob", "d", "t", "s"))}
    expected = {
        **{"i": "int32", "oi": "float64", "n": "int64", "on": "float64", "b": "bool", "ob": "object"},
        **{"f": "float32", "d": "float64", "t": "datetime64[ns]", "s": "object", "y": "object", "gone": "float64"},
    }
    for rows in ([full], [gaps], [full, gaps], []):
        frame = fed(schema, {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()})
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == expected
        assert list(frame.columns) == schema.input_names()
    assert frame.empty
    frame = fed(schema, {name: pa.array([full[name], gaps[name]], kind) for name, kind in types.items()})
    assert frame["n"].tolist() == [2**62] * 2 and frame["ob"].tolist() == [True, None] and frame["s"][1] is None
    assert frame["on"][0] == 2**53 and np.isnan(frame["on"][1]) and frame["t"][0] == pd.Timestamp("2020-01-01")


@pytest.mark.parametrize(
    ("kind", "carrier", "required", "dtype"),
    [
        ("long", pa.int64(), True, "int64"),
        ("long", pa.int64(), False, "object"),
        ("boolean", pa.bool_(), False, "object"),
        ("float", pa.float32(), False, "float32"),
    ],
)
def test_model_input_cell_dtypes_do_not_depend_on_other_rows(
    kind: str, carrier: pa.DataType, required: bool, dtype: str
) -> None:
    schema = Schema([ColSpec(Array(kind), "x", required=required)])
    full, gap = [[True], [True, None]] if kind == "boolean" else [[1], [1, None]]
    for rows in ([full], [full] if required else [full, gap]):
        cells = fed(schema, {"x": pa.array(rows, pa.list_(carrier))})
        assert [cell.dtype.name for cell in cells["x"]] == [dtype] * len(rows)


def test_model_input_numbers_unnamed_columns() -> None:
    frame = fed(Schema([ColSpec("long"), ColSpec("double")]), {"x": pa.array([1]), "y": pa.array([0.5])})
    assert list(frame.columns) == [0, 1]


@pytest.mark.parametrize(
    ("dtype", "carrier"), [("float32", pa.float32()), ("uint8", pa.int16()), ("int64", pa.int64())]
)
def test_model_input_tensors_have_the_declared_dtype_and_shape(dtype: str, carrier: pa.DataType) -> None:
    lists = pa.array([[9] * 6, [1, 2, 3, 4, 5, 6]], pa.list_(carrier)).slice(1)  # an offset, as Spark's slices have
    array = fed(Schema([TensorSpec(np.dtype(dtype), (-1, 2, 3))]), {"x": lists})
    assert array.dtype == dtype and array.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    named = fed(Schema([TensorSpec(np.dtype(dtype), (-1, 6), "x")]), {"x": lists})
    assert list(named) == ["x"] and named["x"].shape == (1, 6)


# ---- outputs


def held(schema: Schema, prediction: Any, rows: int = 2) -> list[Any]:
    return [array.to_pylist() for array in Outputs.of(schema).to_arrow(prediction, rows)]


DOUBLE = Schema([ColSpec("double")])
NAMED = Schema([ColSpec("double", "p"), ColSpec("string", "label"), ColSpec("long", "n", required=False)])


@pytest.mark.parametrize(
    "prediction",
    [
        np.array([1.0, 2.0]),
        [1.0, 2.0],
        pd.Series([1.0, 2.0]),
        pd.DataFrame({"any": [1.0, 2.0]}),
        np.array([[1.0], [2.0]]),
    ],
    ids=lambda p: type(p).__name__,
)
def test_output_accepts_one_column_in_every_container(prediction: Any) -> None:
    assert held(DOUBLE, prediction) == [[1.0, 2.0]]


def test_output_matches_named_columns_by_name() -> None:
    frame = pd.DataFrame({"more": [0, 0], "label": ["a", "b"], "n": [1, 2], "p": [0.5, np.nan]})
    p, label, n = held(NAMED, frame)
    assert p[0] == 0.5 and np.isnan(p[1]) and label == ["a", "b"] and n == [1, 2]
    assert held(NAMED, {"p": [1, 2], "label": ["a", "b"], "n": [None, 3]})[2] == [None, 3]


def test_output_converts_numbers_only_without_loss() -> None:
    assert held(Schema([ColSpec("integer")]), np.array([1, 2])) == [[1, 2]]
    assert held(Schema([ColSpec("long")]), np.array([1.0, 2.0])) == [[1, 2]]
    assert held(Schema([ColSpec("float")]), np.array([0.5, 1.5])) == [[0.5, 1.5]]
    for kind, values in [
        ("integer", [1, 2**40]),
        ("long", [1.0, 1.5]),
        ("float", [0.1, 1.0]),
        ("double", [1, 2**53 + 1]),
    ]:
        with pytest.raises(OutputError, match=r"declared (integer|long|float|double), the model returned"):
            held(Schema([ColSpec(kind)]), np.array(values))


@pytest.mark.parametrize(
    ("schema", "prediction", "told"),
    [
        (DOUBLE, ["1.0", "2.0"], "the model returned string"),
        (DOUBLE, [True, False], "the model returned bool"),
        (Schema([ColSpec("string")]), [1, 2], "declared string, the model returned long"),
        (Schema([ColSpec("boolean")]), [0, 1], "declared boolean, the model returned long"),
        (DOUBLE, [1.0], "the batch has 2 rows, the model returned 1"),
        (DOUBLE, [1.0, None], "1 x NULL"),
        (DOUBLE, [object(), object()], "the model returned object"),
        (DOUBLE, [{"Anna": 1.0}, {"b": 1.0}], "declared, but the output has no such column"),
        (Schema([ColSpec("long")]), [2**63, 1], "1 x OUT_OF_RANGE"),
        (Schema([ColSpec("datetime")]), np.array(["2026-01-01T00:00:00.000000999"] * 2, "datetime64[ns]"), "moments"),
        (Schema([ColSpec("datetime")]), np.array(["300000-01-01"] * 2, "datetime64[s]"), "microseconds do not hold"),
        (NAMED, pd.DataFrame({"p": [1.0, 2.0], "n": ["x", "y"]}), "label: declared, but the output has no such column"),
        (NAMED, pd.DataFrame({"p": [1.0, 2.0], "n": ["x", "y"]}), "n: declared long, the model returned string"),
        (NAMED, np.zeros((2, 5)), r"3 columns are declared, the model returned ndarray of shape \(2, 5\)"),
        (Schema([TensorSpec(np.dtype("float32"), (-1, 3))]), np.zeros((2, 4), "f4"), r"returned shape \(2, 4\)"),
        (Schema([TensorSpec(np.dtype("float32"), (-1, 3))]), np.zeros((1, 3), "f4"), r"for 2 rows"),
        (Schema([TensorSpec(np.dtype("float32"), (-1,))]), np.array([0.1, 0.2]), "2 x NOT_EXACT"),
    ],
)
def test_output_error_names_the_field_the_declared_and_the_returned_type(
    schema: Schema, prediction: Any, told: str
) -> None:
    with pytest.raises(OutputError, match=told):
        held(schema, prediction)


def test_output_rows_as_tuples_keep_each_columns_type() -> None:
    two = Schema([ColSpec("long", "a"), ColSpec("double", "b")])
    assert held(two, [(2**53 + 1, 0.5), (1, 1.0)]) == [[2**53 + 1, 1], [0.5, 1.0]]


TENSOR, LONGER = Schema([TensorSpec(np.dtype("float64"), (-1,))]), 2**53 + 1
PAIRS, TEXTS = Schema([TensorSpec(np.dtype("float64"), (-1, 2))]), Schema([TensorSpec(np.dtype("str"), (-1,))])
TWO = Schema([ColSpec("double"), ColSpec("long")])


@pytest.mark.parametrize(
    ("schema", "prediction", "expected"),
    [
        (Schema([ColSpec(Array("double"))]), np.array([[1.0], [2.0]]), [[1.0], [2.0]]),  # arrays of one, no scalars
        (Schema([ColSpec(SparkMLVector(), "v")]), {"v": np.array([[1.0], [2.0]])}, [[1.0], [2.0]]),
        (Schema([ColSpec(AnyType())]), np.array([[1.0], [2.0]]), ["[1.0]", "[2.0]"]),
        (Schema([ColSpec(Array("double"))]), scipy.sparse.csr_matrix(np.eye(2)), [[1.0, 0.0], [0.0, 1.0]]),
        (DOUBLE, scipy.sparse.csr_matrix(np.ones((2, 1))), [1.0, 1.0]),
        (DOUBLE, np.ma.masked_array([1.0, 2.0], [0, 0]), [1.0, 2.0]),
        (TEXTS, ["a\0", "b"], ["a\0", "b"]),  # numpy would cut a text at its end
        (Schema([TensorSpec(np.dtype("int64"), (-1, 2))]), [[LONGER, 1.0], (1, 2)], [[LONGER, 1], [1, 2]]),
        (Schema([TensorSpec(np.dtype("uint64"), (-1,))]), [2**64 - 1, 0], [2**64 - 1, 0]),
        (Schema([TensorSpec(np.dtype("uint64"), (-1,))]), np.array([1e19, 0.0]), [10**19, 0]),
        (TENSOR, pa.array([1.0, 2.0]), [1.0, 2.0]),
    ],
)  # fmt: skip
def test_output_accepts_every_container_unchanged(schema: Schema, prediction: Any, expected: list[Any]) -> None:
    assert held(schema, prediction) == [expected]


@pytest.mark.parametrize(
    ("schema", "prediction", "told"),
    [
        (PAIRS, [[LONGER, 0.5], [1, 2]], r"1 x NOT_EXACT\[\]"),
        (PAIRS, [np.array([LONGER, 1]), np.array([0.5, 1])], r"1 x NOT_EXACT\[\]"),
        (PAIRS, pd.DataFrame({"a": [LONGER, 1], "b": [0.5, 1]}), r"1 x NOT_EXACT\[\]"),
        (PAIRS, [[True, 0.5], [1.0, 2.0]], "values of several classes: bool, float"),
        (TENSOR, [10**400, 1.0], "1 x NOT_EXACT"),
        (DOUBLE, np.ma.masked_array([1.0, 2.0], [0, 1]), "1 x NULL"),
        (TENSOR, np.ma.masked_array([1.0, 2.0], [0, 1]), "1 x NULL"),
        (TENSOR, 1.0, "the model returned float"),
        (TENSOR, None, "the model returned NoneType"),
        (TEXTS, {"Anna": 1, "Bob": 2}, "the model returned dict"),
        (TEXTS, "ab", "the model returned str"),
        (PAIRS, [[1.0], [2.0], [3.0]], r"for 2 rows, the model returned list of shape \(3, 1\)"),
        (TWO, pd.DataFrame({"Anna": [1.0, 2.0]}), r"2 columns are declared, the model returned DataFrame of shape"),
        (TWO, {"a": [1.0, 2.0], "b": [1, 2], "c": [3, 4]}, "2 columns are declared, the model returned dict"),
    ],
)
def test_output_rejects_values_that_would_change(schema: Schema, prediction: Any, told: str) -> None:
    with pytest.raises(OutputError, match=told) as raised:
        held(schema, prediction)
    assert "Anna" not in str(raised.value)


@pytest.mark.parametrize(
    "cell",
    [{1: "a", "1": "b"}, "\ud800", {"\ud800": 1}, np.datetime64("2020-01-01", "ns"), np.array(["2020"], "M8[ns]"),
     [np.timedelta64(1, "ns")], [float("inf")], {"a": {"b": b"c"}}, [10**38]],
    ids=str,
)  # fmt: skip
def test_output_any_accepts_only_what_json_stores_exactly(cell: Any) -> None:
    with pytest.raises(OutputError, match="values that JSON does not hold"):
        held(Schema([ColSpec(AnyType())]), [cell, 1])


def test_output_accepts_tensors_of_any_rank() -> None:
    for shape in [(), (3,), (3, 2), (2, 0, 4)]:
        schema = Schema([TensorSpec(np.dtype("float32"), (-1, *shape))])
        values = np.arange(2 * int(np.prod(shape)), dtype="float32").reshape(2, *shape)
        assert held(schema, values) == [values.tolist()]


def test_output_accepts_datetimes_and_binaries() -> None:
    moments = np.array(["2020-01-01T00:00:00.000001", "2262-04-11"], "datetime64[us]")
    assert held(Schema([ColSpec("datetime")]), moments)[0][0] == dt.datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC)
    assert held(Schema([ColSpec("binary")]), [b"a", b""]) == [[b"a", b""]]


def test_output_accepts_arrays_objects_maps_and_any() -> None:
    schema = Schema(
        [
            ColSpec(Array("float"), "scores"),
            ColSpec(Object([Property("x", "long"), Property("why", "string", required=False)]), "best"),
            ColSpec(Map("double"), "weights", required=False),
            ColSpec(AnyType(), "more"),
        ]
    )
    rows = [
        {"scores": np.array([0.5, 1.5], "f4"), "best": {"x": 1}, "weights": {"a": 0.5}, "more": {"k": [1, None]}},
        {"scores": [], "best": {"x": 2**53 + 1, "why": "b"}, "weights": None, "more": np.float64(1.5)},
    ]
    expected = [
        [[0.5, 1.5], []],
        [{"x": 1, "why": None}, {"x": 2**53 + 1, "why": "b"}],
        [[("a", 0.5)], None],
        ['{"k": [1, null]}', "1.5"],
    ]
    assert held(schema, rows) == expected
    assert held(schema, pd.DataFrame(rows)) == expected
    assert held(Schema([ColSpec(Object([Property("x", "long")]))]), [{"x": 1}, {"x": 2}]) == [[{"x": 1}, {"x": 2}]]
    assert held(Schema([ColSpec(SparkMLVector(), "v")]), {"v": np.eye(2)}) == [[[1.0, 0.0], [0.0, 1.0]]]


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        (Array("float"), [[0.1], [1.0]], r"1 x NOT_EXACT\[\]"),
        (Array("long"), [[1, None], [2]], r"1 x NULL\[\]"),
        (Array("long"), [1, 2], "the model returned long"),
        (Object([Property("x", "long")]), [{"x": 1}, {}], r"1 x MISSING_FIELD\.x"),
        (Object([Property("x", "long")]), [{"x": 1}, {"x": 1, "Anna": 2}], "1 x UNEXPECTED_FIELD "),
        (Map("long"), [{"Anna": "x"}, {"b": "y"}], r"the model returned string \(0\{\}\)"),
        (AnyType(), [float("nan"), 1], "values that JSON does not hold"),
        (AnyType(), [None, 1], r"1 null\(s\)"),
    ],
)
def test_output_error_names_the_nested_path_without_values(kind: Any, values: Any, told: str) -> None:
    with pytest.raises(OutputError, match=told) as raised:
        held(Schema([ColSpec(kind)]), values)
    assert "Anna" not in str(raised.value)


def test_output_returns_variable_size_tensors_as_nested_arrays() -> None:
    schema = Schema([TensorSpec(np.dtype("int32"), (-1, -1, 2))])
    rows = [np.array([[1, 2]], "i4"), np.array([[3, 4], [5, 6]], "i4")]
    assert held(schema, rows) == [[[[1, 2]], [[3, 4], [5, 6]]]]
    assert held(schema, np.stack([rows[1], rows[1]])) == [[[[3, 4], [5, 6]]] * 2]
    with pytest.raises(OutputError, match="2 x WRONG_SHAPE"):
        held(schema, [np.zeros((1, 3), "i4"), np.zeros((2, 3), "i4")])


def test_output_rejects_schemas_without_a_column_type_by_name() -> None:
    tensors = [TensorSpec(np.dtype("complex64"), (-1, 2), "a"), TensorSpec(np.dtype("float32"), (2, 2), "b")]
    with pytest.raises(NotSupportedError, match=r"(?s)a: .*complex64.*no Spark type.*b: .*no open first dimension"):
        Outputs.of(Schema(tensors))


def test_output_rejects_labels_that_would_lose_a_column_and_keeps_repeated_ones_by_position() -> None:
    levels = pd.DataFrame([[1.0, 2.0]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    twice = levels.set_axis(["a", "a"], axis=1)
    named, two = Outputs.of(Schema([ColSpec("double", "a")])), Outputs.of(Schema([ColSpec("double")] * 2))
    for outputs in (named, two):
        with pytest.raises(OutputError, match="labels of several levels"):
            outputs.to_arrow(levels, 1)
    with pytest.raises(OutputError, match="a: the output has several columns of this name"):
        named.to_arrow(twice, 1)
    assert [column.to_pylist() for column in two.to_arrow(twice, 1)] == [[1.0], [2.0]]
    tensor = Outputs.of(Schema([TensorSpec(np.dtype("float64"), (-1, 2))]))
    assert tensor.to_arrow(levels, 1)[0].to_pylist() == [[1.0, 2.0]]
