"""What `enforce_values` returns is accepted again, at every level, and a model may return what it received."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    Map,
    Object,
    Policy,
    Property,
    Schema,
    SchemaError,
    SparkMLVector,
    ViolationError,
    enforce_values,
)
from sparksig.scoring.batches import Outputs

NAN = float("nan")
DAY = dt.datetime(2024, 2, 29, 12, 30)
SCALARS: dict[str, list[Any]] = {
    "boolean": [True, False],
    "integer": [2**31 - 1, 0],
    "long": [2**53, -(2**53)],
    "float": [0.5, NAN],
    "double": [0.1, NAN],
    "string": ["a", ""],
    "binary": [b"\0", b""],
    "datetime": [DAY, DAY],
}


def columns() -> dict[str, tuple[Any, list[Any]]]:
    """Every kind of declared type with three values, of which the last one is a null."""
    found: dict[str, tuple[Any, list[Any]]] = {}
    for name, (first, second) in SCALARS.items():
        member = Object([Property("n", name, False), Property("m", "string")])
        found[name] = name, [first, second, None]
        found[f"list of {name}"] = Array(name), [[first, None], [second], None]
        found[f"map of {name}"] = Map(name), [{"k": first}, {"l": None}, None]
        found[f"member {name}"] = member, [{"n": first, "m": "x"}, {"n": None, "m": "y"}, None]
        found[f"members {name}"] = Array(member), [[{"n": first, "m": "x"}, {"n": None, "m": "y"}], [], None]
    found["lists of lists"] = Array(Array("long")), [[[1], []], [[None]], None]
    found["vector"] = SparkMLVector(), [[0.5, 1.0], [0.0, 2.0], None]
    found["any"] = AnyType(), [1, {"k": [None]}, None]
    return found


def same(first: Any, second: Any) -> bool:
    """Whether two cells are the same value of the same class."""
    if isinstance(first, np.ndarray | list) and type(first) is type(second):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return type(first) is type(second) and (first == second or (first != first and second != second))


COLUMNS = columns()


@pytest.mark.parametrize("level", ["strict", "safe", "checked", "parse"])
@pytest.mark.parametrize("nulls", ["optional", "allow_nulls"])
def test_enforce_values_accepts_what_it_returned(level: str, nulls: str) -> None:
    for name, (kind, values) in COLUMNS.items():
        schema = Schema([ColSpec(kind, "x", nulls == "allow_nulls")])
        policy = Policy(level=level, allow_nulls=nulls == "allow_nulls", on_absent="ignore")
        once = enforce_values([{"x": value} for value in values], schema, policy=Policy(allow_nulls=policy.allow_nulls))
        for rows in (once, once[:2], once[2:]):
            again = enforce_values(rows, schema, policy=policy)
            assert again.dtypes.equals(once.dtypes), name
            assert all(map(same, again["x"].tolist(), rows["x"].tolist())), (name, again, rows)


def test_enforce_values_accepts_what_it_returned_for_mlflow_policy() -> None:
    for name, (kind, values) in COLUMNS.items():
        schema = Schema([ColSpec(kind, "x", False)])
        if name.endswith(("integer", "long", "lists of lists")):
            values = [[[1], []]] if name == "lists of lists" else values[1:2]  # numpy has no integers with nulls
        once = enforce_values([{"x": v} for v in values if v is not None], schema, policy=Policy.mlflow())
        again = enforce_values(once, schema, policy=Policy.mlflow())
        assert all(map(same, again["x"].tolist(), once["x"].tolist())), name


def test_output_accepts_what_the_model_received() -> None:
    for name, (kind, values) in COLUMNS.items():
        schema = Schema([ColSpec(kind, "x", False)])
        outputs = Outputs.of(schema)
        rows = pd.DataFrame({"x": pd.Series(values, dtype=object)})
        expected = outputs.to_arrow(rows, 3)[0].to_pylist()
        received = enforce_values(rows, schema)
        returns = [received, received["x"], received["x"].to_numpy()]
        if not isinstance(kind, Map | Object | AnyType):  # rows of one name could be the values themselves
            returns.append(received.to_dict("records"))
        for returned in returns:
            found = outputs.to_arrow(returned, 3)[0].to_pylist()
            if name in ("float", "double"):  # where a null is NaN for the model
                found, expected = [[NAN if x is None else x for x in values] for values in (found, expected)]
            assert all(map(same, found, expected)), (name, type(returned), found, expected)


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("long", [1.5, NAN], "NOT_EXACT"),
        ("long", [2.0**53 + 2, NAN], "NOT_EXACT"),
        ("long", [np.inf, NAN], "OUT_OF_RANGE"),
        ("integer", [2.0**31, NAN], "OUT_OF_RANGE"),
    ],
)
def test_enforce_values_rejects_doubles_that_are_no_optional_integers(
    kind: str, values: list[float], code: str
) -> None:
    schema = Schema([ColSpec(kind, "n", False)])
    for column in (np.array(values), pd.Series(values), pd.Series(values).astype("category")):
        for level in ("strict", "checked"):
            with pytest.raises(ViolationError) as error:
                enforce_values({"n": column}, schema, level=level)
            assert [(p.path, p.code) for p in error.value.problems] == [("n", code)]
            assert "1 row(s)" in str(error.value)


def test_enforce_values_rejects_doubles_for_required_integers_and_outside_pandas() -> None:
    required, optional = Schema([ColSpec("long", "n")]), Schema([ColSpec("long", "n", False)])
    for data, schema in [
        (pd.DataFrame({"n": [1.0, 2.0]}), required),
        ([{"n": 1.0}, {"n": None}], optional),
        (pd.DataFrame({"n": pd.Series([1.0, None], dtype="double[pyarrow]")}), optional),
    ]:
        with pytest.raises(SchemaError, match="level='checked'"):
            enforce_values(data, schema)
    with pytest.raises(SchemaError):  # the model receives integers as integers
        enforce_values(pd.DataFrame({"n": [1.0, NAN]}), optional, policy=Policy.mlflow())


@pytest.mark.parametrize("kind", ["boolean", "integer", "long", "string", "binary", "datetime"])
def test_enforce_values_reads_nan_as_null_where_no_float_is_declared(kind: str) -> None:
    member = Schema([ColSpec(Object([Property("n", kind, False)]), "o")])
    inner = Schema([ColSpec(Object([Property("p", Object([Property("n", kind, False)]))]), "o")])
    value = SCALARS[kind][0]
    for cells in ([NAN], [NAN, None], [NAN, value]):
        expected = [None if cell is NAN else cell for cell in cells]
        found = enforce_values([{"o": {"n": cell}} for cell in cells], member)["o"]
        assert [cell["n"] for cell in found] == expected
        found = enforce_values([{"o": {"p": {"n": cell}}} for cell in cells], inner)["o"]
        assert [cell["p"]["n"] for cell in found] == expected
    with pytest.raises(ViolationError, match="NULL"):
        enforce_values([{"o": {"n": NAN}}], Schema([ColSpec(Object([Property("n", kind)]), "o")]))
    optional = Schema([ColSpec(kind, "x", False)])
    for empty in (pd.Series([NAN, NAN]), pd.Series([NAN, NAN], dtype=object), np.array([NAN, NAN])):
        assert enforce_values({"x": empty}, optional)["x"].isna().all()
