from __future__ import annotations

import decimal
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp

from sparksig.enforcement.values import enforce_values
from sparksig.errors import SignatureError
from sparksig.pipeline.io import read_examples
from sparksig.sources.data import infer_params
from sparksig.sources.inference import infer_schema, infer_signature


def shown(data: Any) -> str:
    return repr(infer_schema(data))


def cells(*values: object) -> pd.DataFrame:
    return pd.DataFrame({"a": np.fromiter(values, dtype=object, count=len(values))})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (5, "[long (required)]"),
        ("x", "[string (required)]"),
        (date(2024, 1, 2), "[datetime (required)]"),
        ([], "[string (required)]"),
        ([1, None], "[long (required)]"),
        ([[1], []], "[Array(long) (required)]"),
        ([{"a": 1}, {"b": None, "a": 2}], "['a': long (required), 'b': Any (optional)]"),
        ([{"a": "x"}, {"a": float("nan")}], "['a': string (optional)]"),
        ([{"a": 1.5}, {"a": float("nan")}], "['a': double (required)]"),
        (
            {"a": [1.5, None], "b": {"c": [{"d": 1}]}},
            "['a': Array(double) (optional), 'b': {c: Array({d: long (required)}) (required)} (required)]",
        ),
        (np.zeros((2, 3), "float32"), "[Tensor('float32', (-1, 3))]"),
        (np.array(["abc"]), "[Tensor('str', (-1,))]"),
        (
            {"x": np.zeros((2, 3)), "y": np.zeros(2, bool)},
            "['x': Tensor('float64', (-1, 3)), 'y': Tensor('bool', (-1,))]",
        ),
        (sp.csr_matrix(np.eye(3, dtype="float32")), "[Tensor('float32', (-1, 3))]"),
        (pd.Series([1.5], name="p"), "['p': double (required)]"),
        (pd.Series([1, 2]), "[long (required)]"),
        (pd.Series([1.5, None]), "[double (required)]"),  # as MLflow 3.18: an unnamed column cannot be optional
        (pd.Series(["a", None]), "[string (required)]"),
        (pd.Series([1, None], dtype=object), "[long (required)]"),
        (pd.Series([1, None], dtype="Int64"), "[long (required)]"),
        (pd.Series([pd.NaT, pd.Timestamp(0)]), "[datetime (required)]"),
        (pd.Series([None, "x"], dtype="string[pyarrow]"), "[string (required)]"),
        (pd.DataFrame({0: [1], 1: [1.5]}), "[0: long (required), 1: double (required)]"),
        (pd.DataFrame({"a": pd.array([1, None], "Int32")}), "['a': integer (optional)]"),
        (pd.DataFrame({"a": pd.array([1], "uint32")}), "['a': long (required)]"),
        (pd.DataFrame({"a": pd.Categorical(["x", None])}), "['a': string (optional)]"),
        (pd.DataFrame({"a": pd.to_datetime(["2024-01-02", None])}), "['a': datetime (optional)]"),
        (pd.DataFrame({"a": pd.array([1.5, None], pd.ArrowDtype(pa.float32()))}), "['a': float (optional)]"),
        (
            pd.DataFrame({"a": pd.array([[1], None], pd.ArrowDtype(pa.list_(pa.int32())))}),
            "['a': Array(integer) (optional)]",
        ),
        (cells(), "['a': string (required)]"),
        (cells(None, None), "['a': Any (optional)]"),
        (cells(b"x", bytearray(b"y")), "['a': binary (required)]"),
        (cells({"x": 1}, {"x": 2, "y": "z"}), "['a': {x: long (required), y: string (optional)} (required)]"),
        (cells([1.5], None, np.array([2.5])), "['a': Array(double) (optional)]"),
        (cells(np.zeros((2, 2), "float32")), "['a': Array(Array(float)) (required)]"),
        (cells(np.array([{"x": 1}, None])), "['a': Array({x: long (optional)}) (required)]"),
    ],
)
def test_infer_signature_declares_the_types_of_example_data(data: Any, expected: str) -> None:
    assert shown(data) == expected


@pytest.mark.parametrize(
    ("data", "path", "says"),
    [
        (cells(1, "x"), "a", "long, string"),
        (cells(decimal.Decimal(1)), "a", "Decimal"),
        (cells((1, 2)), "a", "tuple"),
        (cells({"x": [1, "y"]}), "a.x[]", "long, string"),
        (cells({"x": 1}, {"x": "y"}), "a.x", "long, string"),
        (cells({1: 2}), "a", "text"),
        (cells([1], {"x": 1}), "a", "dict, list"),
        (cells(2**70), "a", "no long holds"),
        (cells(np.zeros(1, "int8")), "a", "int8"),
        (pd.DataFrame({"a": np.zeros(1, "uint64")}), "a", "uint64"),
        (pd.DataFrame({"a": pd.to_timedelta([1])}), "a", "timedelta"),
        ([{"a": 1}, {"a": 1.5}], "a", "double, long"),
        ({"a": {1}}, "a", "set"),
        ((1, 2), "", "tuple"),
        ({1: 2}, "", "text"),
        ({}, "", "no columns"),
        (np.array(1.5), "", "no batch"),
        (np.zeros(1, [("x", "i4")]), "", "records"),
    ],
)
def test_infer_signature_declares_any_with_one_warning_when_undecidable(data: Any, path: str, says: str) -> None:
    with pytest.raises(SignatureError) as caught:
        infer_signature(data, strict=True)
    [problem] = caught.value.problems
    assert problem.path == path and says in problem.fact
    with pytest.warns(UserWarning, match="declared as Any") as warned:
        found = infer_signature(data).inputs
    assert len(warned) == 1 and path in str(warned[0].message)
    assert found is not None and "Any" in repr(found)


def test_infer_signature_keeps_other_columns_and_names_all_bad_ones() -> None:
    data = pd.DataFrame({"a": [1.5], "b": [{1}], "c": ["x"], "d": [(1,)]})
    with pytest.warns(UserWarning, match=r"b: .*; d: "):
        found = infer_signature(data).inputs
    assert repr(found) == "['a': double (required), 'b': Any (required), 'c': string (required), 'd': Any (required)]"


def test_infer_signature_error_hides_values() -> None:
    with pytest.raises(SignatureError) as caught:
        infer_signature(cells("s3cret", 5), params={"p": ["s3cret", 5]}, strict=True)
    assert "s3cret" not in str(caught.value)


def test_infer_signature_rejects_nested_pydantic_objects() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Message(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        text: str

    with pytest.raises(SignatureError, match="model_dump"):
        infer_signature([{"m": Message(text="x")}])
    with pytest.warns(UserWarning, match="Any"):
        assert repr(infer_signature(Message(text="x")).inputs) == "[Any (required)]"


def test_infer_signature_declares_the_types_of_params() -> None:
    given = {
        "t": 0.5,
        "n": np.int32(1),
        "on": True,
        "s": ["a"],
        "mix": [1, 2.5],
        "o": {"x": 1},
        "e": [],
        "f": np.zeros(0),
    }
    found = infer_signature(params=given).params
    assert found is not None
    assert [(p.name, repr(p.dtype), p.shape) for p in found] == [
        *(("t", "double", None), ("n", "integer", None), ("on", "boolean", None), ("s", "string", (-1,))),
        *(
            ("mix", "double", (-1,)),
            ("o", "{x: long (required)}", None),
            ("e", "string", (-1,)),
            ("f", "double", (-1,)),
        ),
    ]


def test_infer_signature_reports_all_bad_params_at_once() -> None:
    bad: dict[str, Any] = {
        "a": None,
        "b": b"x",
        "c": (1,),
        "d": [1, None],
        "e": {},
        "f": [[1]],
        "g": [1, True],
        "h": 2**63,
        "i": [2**63],
    }
    with pytest.raises(SignatureError) as caught:
        infer_signature(1, params=bad)
    assert {p.path[0] for p in caught.value.problems} >= set("acdefghi")


def test_infer_signature_requires_data_or_params() -> None:
    assert infer_signature(1, params={}).params is None
    with pytest.raises(SignatureError, match="at least one"):
        infer_signature()


def test_infer_signature_accepts_long_columns_without_warning() -> None:
    texts, numbers = [f"v{i}" for i in range(200_000)], [[float(i), 1.0] for i in range(200_000)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (
            shown(pd.DataFrame({"s": texts, "v": numbers})) == "['s': string (required), 'v': Array(double) (required)]"
        )


def test_infer_signature_declares_any_for_a_column_of_nulls_and_names_it() -> None:
    data = cells(None, None)
    with pytest.warns(UserWarning, match="a: no value says what it is"):
        assert repr(infer_signature(data).inputs) == "['a': Any (optional)]"
    with pytest.raises(SignatureError, match="no value says"):
        infer_signature(data, strict=True)


CYCLE: dict[str, Any] = {}
CYCLE["a"] = CYCLE
LISTS = type("Lists", (list,), {})


@pytest.mark.parametrize(
    "data",
    [
        [True, np.array(1.0)],
        CYCLE,
    ],
)
def test_infer_signature_declares_any_for_data_without_usable_columns(data: Any) -> None:
    with pytest.warns(UserWarning, match="declared as Any") as caught:
        assert repr(infer_signature(data).inputs) == "[Any (required)]"
    assert len(caught) == 1
    with pytest.raises(SignatureError):
        infer_signature(data, strict=True)


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=["a", None]),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
        pd.DataFrame([[1, 2]], columns=[1.5, 2.5]),
        pd.DataFrame([[1, 2]], columns=[True, False]),
        pd.DataFrame([[1]], columns=[pd.Timestamp("2024-01-01")]),
        pd.Series([1], name=("a", 1)),
    ],
)
def test_infer_signature_rejects_tables_whose_columns_have_no_name_of_their_own(data: Any) -> None:
    for part in ("inputs", "outputs"):
        with pytest.raises(SignatureError) as error:
            infer_signature(**{part: data})
        [problem] = error.value.problems
        assert problem.code == "UNSUPPORTED_TYPE" and ("label" in problem.fact or "name" in problem.fact)


@pytest.mark.parametrize("params", [pd.DataFrame({"a": [1]}), pd.Series([1]), np.array([1, 2]), 5, {"a": CYCLE}])
def test_infer_signature_rejects_params_that_are_not_a_mapping(params: Any) -> None:
    with pytest.raises(SignatureError):
        infer_signature([1.0], params=params)


def test_infer_signature_reads_categories_lists_and_tensors_as_mlflow_does() -> None:
    with pytest.warns(UserWarning, match="no value says"):
        assert repr(infer_signature(pd.Series(pd.Categorical([None]), name="c")).inputs) == "['c': Any (optional)]"
    assert shown({"a": LISTS([1])}) == "['a': Array(long) (required)]"
    assert shown({0: np.zeros(2)}) == "[0: Tensor('float64', (-1,))]"


def test_infer_schema_treats_an_empty_csv_field_as_missing(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('age,city,note\n1,Oslo,"a"\n2,,""\n')
    found = infer_schema(read_examples("DATA", str(tmp_path / "rows.csv")))
    assert repr(found) == "['age': long (required), 'city': string (optional), 'note': string (required)]"


def test_infer_params_declares_object_members_that_mlflow_reads_back() -> None:
    [spec] = infer_params({"o": {"a": np.int32(1), "b": [np.float32(1.5)]}})
    assert repr(spec.dtype) == "{a: long (required), b: Array(double) (required)}"


def test_infer_signature_accepts_a_single_column_without_a_name() -> None:
    assert shown(pd.DataFrame([[1]], columns=[None])) == "[long (required)]"


def test_infer_signature_declares_arrow_columns_of_pandas_as_those_of_a_table() -> None:
    table = pa.table(
        {
            "decimal": pa.array([decimal.Decimal("1.10"), None]),
            "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
            "struct": pa.array([{"x": 1, "y": [1.5, None]}, {"x": None, "y": []}]),
            "lists": pa.array([[["a"]], []]),
            "maps": pa.array(
                [[[("k", decimal.Decimal("1.5"))]], []], pa.list_(pa.map_(pa.string(), pa.decimal128(3, 1)))
            ),
            "short": pa.array([1, 2], pa.int16()),
            "large": pa.array(["a", None], pa.large_string()),
            "codes": pa.array(["a", "b"]).dictionary_encode(),
            "day": pa.array([date(2024, 1, 2), None]),
            "moment": pa.array([0, 1], pa.timestamp("us", "UTC")),
            "bytes": pa.array([b"a", None]),
            "flag": pa.array([True, None]),
        }
    )
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = infer_signature(frame).inputs
        assert schema is not None and schema == infer_signature(table).inputs
        assert repr(infer_signature(frame["map"]).inputs) == "['map': Map(str -> DataType.long) (required)]"
    assert len(enforce_values(frame, schema)) == len(enforce_values(table, schema)) == 2
    wide = pa.table({"w": pa.array([decimal.Decimal("1.5")], pa.decimal128(30, 10))})
    with pytest.warns(UserWarning, match="no type holds decimal"):
        assert repr(infer_signature(wide.to_pandas(types_mapper=pd.ArrowDtype)).inputs) == "['w': Any (required)]"


@pytest.mark.parametrize("values", [[1, None], [None, 2**53], [1, float("nan")], [np.int64(1), pd.NA], [-5, None, 7]])
def test_infer_signature_declares_integers_with_nulls_as_enforce_values_reads_them(values: list[Any]) -> None:
    frame = pd.DataFrame({"n": pd.Series(values, dtype=object)})
    signature = infer_signature(frame)
    assert repr(signature.inputs) == "['n': long (optional)]"
    assert repr(infer_signature(frame["n"]).inputs) == "['n': long (optional)]"
    enforce_values(frame, signature)
