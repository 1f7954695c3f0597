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
from sklearn.linear_model import LogisticRegression

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
    ViolationError,
    enforce_values,
    infer_signature,
    plan,
)
from sparksig.enforcement.values import Feed, enforce_arrow
from sparksig.scoring.batches import Outputs


def fed(schema: Schema, columns: dict[str, pa.Array], /, **options: Any) -> Any:
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


# ---- containers and names that models return

DAYS = [dt.datetime(2024, 1, d, tzinfo=dt.UTC) for d in (1, 2)]
ONE = Object([Property("p", "double"), Property("tags", Array("string"))])


@pytest.mark.parametrize(
    ("kind", "prediction", "expected"),
    [
        ("datetime", pd.to_datetime(["2024-01-01", "2024-01-02"]), DAYS),
        ("string", pd.Categorical(["a", "b"]), ["a", "b"]),
        ("string", pd.CategoricalIndex(["a", "b"]), ["a", "b"]),
        ("long", pd.Categorical([10, 20]), [10, 20]),
        ("long", pd.array([1, 2], "Int64"), [1, 2]),
        ("boolean", pd.array([True, False], "boolean"), [True, False]),
        ("string", pd.array(["a", "b"], "string"), ["a", "b"]),
        ("long", pd.RangeIndex(2), [0, 1]),
        ("double", [np.array([0.5]), np.array([[1.5]])], [0.5, 1.5]),
        ("float", [np.array([0.5], "f4"), np.array(1.5, "f4")], [0.5, 1.5]),
        ("double", [[0.5], (1.5,)], [0.5, 1.5]),
        ("double", pd.Series([np.array([0.5]), 1.5]), [0.5, 1.5]),
        ("double", np.array([[[0.5]], [[1.5]]]), [0.5, 1.5]),
        ("string", np.array([["a"], ["b"]], object), ["a", "b"]),
        (Array("long"), [(1, 2), (3,)], [[1, 2], [3]]),
        (Array("string"), [pd.Index(["a"]), pd.Categorical(["b", "c"])], [["a"], ["b", "c"]]),
        (Array("double"), [pd.Series([0.5]), pd.array([1.5], "Float64")], [[0.5], [1.5]]),
        (Array("double"), pd.DataFrame({"a": [0.5, 1.5], "b": [1.0, 2.0]}), [[0.5, 1.0], [1.5, 2.0]]),
        (Array(Array("long")), [((1, 2), (3,)), [pd.Index([4])]], [[[1, 2], [3]], [[4]]]),
        (SparkMLVector(), [(0.5, 1.0), pd.Index([1.5, 2.0])], [[0.5, 1.0], [1.5, 2.0]]),
        (ONE, [{"p": np.array([0.5]), "tags": ("a",)}] * 2, [{"p": 0.5, "tags": ["a"]}] * 2),
        (Map("double"), [{"a": np.array([0.5])}, {}], [[("a", 0.5)], []]),
        (Array(ONE), [({"p": [0.5], "tags": pd.Index(["a"])},), []], [[{"p": 0.5, "tags": ["a"]}], []]),
    ],
    ids=str,
)  # fmt: skip
def test_output_accepts_containers_of_pandas_tuples_and_one_element_arrays(
    kind: Any, prediction: Any, expected: list[Any]
) -> None:
    assert held(Schema([ColSpec(kind)]), prediction) == [expected]
    assert held(Schema([ColSpec(kind, "x")]), {"x": prediction}) == [expected]


@pytest.mark.parametrize(
    ("kind", "prediction", "told"),
    [
        ("double", [np.array([0.5, 1.0]), np.array([1.5])], r"with rows that do not fit: 1 x|the model returned"),
        ("double", [[[0.5], [1.0, 2.0]], [1.5]], "the model returned"),
        (Array("long"), [[[1], [2]], [[3]]], "the model returned"),
        ("long", pd.array([1, None], "Int64"), "1 x NULL"),
        ("long", pd.period_range("2024", periods=2, freq="D"), "the model returned"),
        ("string", pd.Categorical([1, 2]), "declared string, the model returned"),
    ],
)
def test_output_rejects_containers_that_hold_something_else(kind: Any, prediction: Any, told: str) -> None:
    with pytest.raises(OutputError, match=told):
        held(Schema([ColSpec(kind)]), prediction)


def test_output_accepts_tensors_of_tuples_and_pandas_containers() -> None:
    cube = Schema([TensorSpec(np.dtype("int64"), (-1, 2, 1))])
    assert held(cube, [((1,), (2,)), [[3], pd.Index([4])]]) == [[[[1], [2]], [[3], [4]]]]
    assert held(Schema([TensorSpec(np.dtype("int64"), (-1,))]), pd.Index([1, 2])) == [[1, 2]]
    assert held(TEXTS, pd.Categorical(["a", "b"])) == [["a", "b"]]


@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"]], ids=str)
def test_output_matches_the_names_that_are_inferred_from_integer_and_text_labels(classes: list[Any]) -> None:
    features = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
    model = LogisticRegression().fit(features, [0, 0, 1, 1])
    prediction = pd.DataFrame(model.predict_proba(features), columns=classes)
    outputs = infer_signature(features, prediction).outputs
    assert outputs is not None and len(outputs) == 2
    expected = [prediction[label].tolist() for label in classes]
    for returned in (prediction, dict(prediction), prediction.to_dict("records"), prediction.iloc[:, ::-1]):
        assert held(outputs, returned, 4) == expected


def test_output_prefers_the_label_that_is_the_name_itself() -> None:
    schema = Schema([ColSpec("long", "0"), ColSpec("long", "1")])
    frame = pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["0", 0, 1])
    for returned in (frame, dict(frame), frame.to_dict("records"), frame[[0, "0", 1]]):
        assert held(schema, returned) == [[1, 4], [3, 6]]


def test_output_reads_text_labels_by_the_signature_that_is_inferred_from_them() -> None:
    features = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
    model = LogisticRegression().fit(features, pd.Series(["hi", "hi", "lo", "lo"]))
    labels = model.predict(features)
    signature = infer_signature(features, labels)
    assert signature.outputs is not None and signature.outputs.inputs[0].type == np.dtype(object)
    assert held(signature.outputs, labels, 4) == [["hi", "hi", "lo", "lo"]]
    pairs = Schema([TensorSpec(np.dtype(object), (-1, 2), "t")])
    assert held(pairs, {"t": np.array([["a", "b"], ["c", "d"]], object)}) == [[["a", "b"], ["c", "d"]]]
    for other in (np.array([1, 2], object), np.array(["a", 1], object), np.array(["a", None], object)):
        with pytest.raises(OutputError, match=r"the model returned|1 x NULL"):
            held(Schema([TensorSpec(np.dtype(object), (-1,))]), other)


def test_output_error_says_that_keys_of_maps_are_strings() -> None:
    schema = Schema([ColSpec("long", "label"), ColSpec(Map("float"), "p"), ColSpec(Array(Map("float")), "q")])
    maps = [{0: 0.5, 1: 0.5}]
    with pytest.raises(OutputError) as raised:
        held(schema, {"label": np.array([0]), "p": maps, "q": [maps]}, 1)
    assert [problem.path for problem in raised.value.problems] == ["p", "q"]
    for problem in raised.value.problems:
        assert "keys" in problem.fact and problem.hint is not None and "keys of a map are strings" in problem.hint


def test_model_input_keeps_labels_that_are_integers() -> None:
    frame = pd.DataFrame({0: [0.0, 1.0, 2.0], 1: [1.0, 0.0, 5.0]})
    inputs = infer_signature(frame).inputs
    assert inputs is not None
    columns = {"0": pa.array([0.0, 1.0, 2.0]), "1": pa.array([1.0, 0.0, 5.0])}
    named = LogisticRegression().fit(frame.set_axis(["a", "b"], axis=1), [0, 0, 1])
    for batch in (fed(inputs, columns), enforce_values(frame, inputs)):
        assert batch.columns.tolist() == [0, 1] and all(isinstance(label, int) for label in batch.columns)
        with pytest.warns(UserWarning, match="does not have valid feature names"):  # with texts it raises
            assert len(named.predict(batch)) == 3
    tensors = Schema([TensorSpec(np.dtype("float64"), (-1, 2), 7), TensorSpec(np.dtype("float64"), (-1,), "x")])
    arrays = {7: np.zeros((1, 2)), "x": np.ones(1)}
    assert list(enforce_values(arrays, tensors)) == [7, "x"]
    rows = {"7": pa.array([[0.0, 1.0]]), "x": pa.array([1.0])}
    assert list(fed(tensors, rows)) == [7, "x"]


@pytest.mark.parametrize(
    ("kind", "carrier", "rows"),
    [
        ("integer", pa.int32(), [[[1, 2], [3, 4]], [[5, 6]]]),
        ("integer", pa.int32(), [[[1, 2], [3, 4]], [[5], [6]], [[7, 8, 9]]]),  # each cell has a shape of its own
        ("double", pa.float64(), [[[[1.0], [2.0]], [[3.0], [4.0]]]]),
        ("boolean", pa.bool_(), [[[True, False]], [[True]]]),
        ("datetime", UTC, [[[dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 2] * 3]),
    ],
)
def test_model_input_cells_of_nested_arrays_are_arrays_of_several_dimensions(
    kind: str, carrier: pa.DataType, rows: list[Any]
) -> None:
    depth = np.ndim(np.asarray(rows[0], object))
    declared: Any = kind
    for _ in range(depth):
        declared, carrier = Array(declared), pa.list_(carrier)
    schema = Schema([ColSpec(declared, "x")])
    dtype = {"integer": "int32", "double": "float64", "boolean": "bool", "datetime": "datetime64[ns]"}[kind]
    plain = [np.vectorize(lambda t: t.replace(tzinfo=None))(row) if kind == "datetime" else row for row in rows]
    expected = [np.asarray(row).astype(dtype) for row in plain]
    batches = [fed(schema, {"x": pa.array(part, carrier)}) for part in (rows, rows[:1])]
    batches.append(enforce_values(pd.DataFrame({"x": expected}), schema))
    for batch in batches:
        for cell, value in zip(batch["x"], expected, strict=False):
            np.testing.assert_array_equal(cell, value, strict=True)


def test_model_input_cells_of_ragged_or_optional_arrays_stay_arrays_of_arrays() -> None:
    schema = Schema([ColSpec(Array(Array("long")), "x")])
    carrier = pa.list_(pa.list_(pa.int64()))
    cells = fed(schema, {"x": pa.array([[[1], [2, 3]], [], [[4, 5], [6, 7]], [[]]], carrier)})["x"]
    assert cells[0].dtype == object and [part.tolist() for part in cells[0]] == [[1], [2, 3]]
    assert len(cells[1]) == 0 and cells[2].tolist() == [[4, 5], [6, 7]] and cells[2].dtype == "int64"
    optional = Schema([ColSpec(Array(Array("long")), "x", required=False)])
    cells = fed(optional, {"x": pa.array([[[1, 2]], None, [[3, None], None]], carrier)})["x"]
    assert cells[0].shape == (1,) and cells[1] is None and cells[2][1] is None and cells[2][0].tolist() == [3, None]
    lists = enforce_values(pd.DataFrame({"x": [[[1, 2], [3, 4]]]}), schema)["x"]
    assert lists.tolist() == [[[1, 2], [3, 4]]]  # given as lists, they stay lists


PERSON = Object([Property("name", "string"), Property("age", "long"), Property("city", "string", required=False)])
PEOPLE = Schema([ColSpec(PERSON)])


def test_model_input_object_without_a_name_is_built_from_columns() -> None:
    names, ages = pa.array(["A", "B"]), pa.array([1, 2], pa.int32())
    expected = [{"name": "A", "age": 1, "city": None}, {"name": "B", "age": 2, "city": None}]
    people = pa.StructArray.from_arrays([names, ages], ["name", "age"])
    for columns, options in [
        ({"id": pa.array([7, 8]), "age": ages, "name": names}, {}),
        ({"x": names, "age": ages, "name": names}, {"columns": ["name", "age"]}),
        ({"row": people, "age": ages}, {}),
        ({"NAME": names, "age": ages}, {"case_sensitive": False}),
    ]:
        batch = fed(PEOPLE, columns, on_absent="ignore", **options)  # type: ignore[arg-type]
        assert list(batch.columns) == [0] and batch[0].tolist() == expected
    frame = pd.DataFrame({"age": [1, 2], "name": ["A", "B"], "more": [0, 0]}, index=[5, 6])
    for data in (frame, pa.table({"age": ages, "name": names})):
        batch = enforce_values(data, PEOPLE, on_absent="ignore")
        assert list(batch.columns) == [0] and batch[0].tolist() == expected
    with pytest.raises(ViolationError, match=r"0\.age: 1 row\(s\) \[INCOMPATIBLE_TYPE\]|0\.age: .* \[NULL\]"):
        enforce_values(frame.assign(age=[1, None]).astype({"age": "Int64"}), PEOPLE, on_absent="ignore")


def test_plan_hint_names_the_column_of_an_input_without_a_name() -> None:
    matrix = Schema([TensorSpec(np.dtype("float32"), (-1, 3))])
    rows, text, number = pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32())), pa.array(["a"]), pa.array([1.5])
    person = pa.array([{"name": "A", "age": 1}])
    for schema, columns, hint in [
        (matrix, {"id": text, "x": rows}, "columns=['x'] names the one that fits"),
        (matrix, {"id": text, "n": text, "x": rows}, "columns=['x'] names the one that fits"),
        (matrix, {"id": text, "x": rows, "y": rows}, "columns=[..] names the column that is meant: 'x', 'y'"),
        (DOUBLE, {"id": text, "x": number}, "columns=['x'] names the one that fits"),
        (PEOPLE, {"id": text, "who": person}, "columns=['who'] names the one that fits"),
    ]:
        table = pa.table(columns)
        for problem in plan(table.schema, schema, on_absent="ignore").problems:
            assert problem.hint is not None and hint in problem.hint
        chosen = ["x"] if "x" in columns else ["who"]
        assert plan(table.schema, schema, columns=chosen, on_absent="ignore").ok


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
