"""Rows for the tests of jobs and models: valid ones, and ones that break a signature in a known way.

`example_rows` needs nothing; the strategies need hypothesis (`pip install sparksig[testing]`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparksig.errors import Code, NotSupportedError, Problem
from sparksig.signature.dtypes import ELEMENTS, Element, Kind
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Row = dict[str, Any]
"""A row: Python's values by column, as Spark's `createDataFrame` and, at level checked, `enforce_values` take them."""

_FIRST, _LAST = datetime(1677, 9, 22), datetime(2262, 4, 11)
_OPEN = 3  # entries taken for a size that the shape leaves open
_EDGES: dict[Kind, tuple[Any, ...]] = {
    Kind.BOOLEAN: (True, False),
    Kind.STRING: ("text", "", "\u00fc \u2603 \U0001f600"),
    Kind.BINARY: (b"\x00\xff", b""),
    Kind.DATETIME: (datetime(2024, 2, 29, 12), datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999)),
}


def example_rows(signature: ModelSignature | Schema, n: int = 3) -> Any:
    """Valid rows for a signature, the same every time, edges among them.

    Numbers inside arrays, objects and maps are Python's: `enforce_values` takes them for integers and floats of 32 bits
    at level checked.

    Args:
        signature: a signature, whose inputs count, or a schema.
        n: how many rows.

    Returns:
        What the model takes: a DataFrame for columns, an ndarray or a dict of them for tensors.

    >>> example_rows(Schema([ColSpec("long", "n"), ColSpec("string", "s", required=False)]), 2)["n"].tolist()
    [1, 9223372036854775807]
    """
    schema = _schema(signature)
    if schema.is_tensor_spec():
        arrays = {spec.name: _example_tensor(spec, n) for spec in schema if isinstance(spec, TensorSpec)}
        return arrays if schema.has_input_names() else arrays[None]
    columns = {
        i if spec.name is None else spec.name: [_example(_fitting(spec), at) for at in range(n)]
        for i, spec in enumerate(schema)
        if isinstance(spec, ColSpec)
    }
    frame = pd.DataFrame({name: np.fromiter(cells, object, n) for name, cells in columns.items()})
    for spec in schema:
        if isinstance(spec, ColSpec) and isinstance(spec.type, DataType):
            name = 0 if spec.name is None and len(schema.inputs) == 1 else spec.name
            if name is not None and spec.type.element.kind not in (Kind.STRING, Kind.BINARY):
                frame[name] = frame[name].to_numpy().astype(spec.type.element.numpy)
    return frame


def valid_rows(signature: ModelSignature | Schema) -> SearchStrategy[Row]:
    """A hypothesis strategy for rows that keep the signature.

    Args:
        signature: a signature with named columns, whose inputs count, or a schema.

    Returns:
        Rows as dicts: Python's values by column.

    Raises:
        NotSupportedError: hypothesis is not installed, or the columns have no names.

    >>> from hypothesis import given
    >>> @given(valid_rows(Schema([ColSpec("integer", "n")])))
    ... def check(row):
    ...     assert -(2**31) <= row["n"] < 2**31
    >>> check()
    """
    st = _strategies()
    specs = _named(_schema(signature))
    rows: SearchStrategy[Row] = st.fixed_dictionaries({str(spec.name): _valid(spec, st) for spec in specs})
    return rows


def violating_rows(signature: ModelSignature | Schema) -> SearchStrategy[tuple[Row, str, str]]:
    """A hypothesis strategy for rows that break the signature in one place.

    Args:
        signature: a signature with named columns, whose inputs count, or a schema.

    Returns:
        Rows, each with the path and the code of the violation that must be reported of it.

    Raises:
        NotSupportedError: hypothesis is not installed, the columns have no names, or no row can break the signature
            without breaking the table's schema.

    >>> from hypothesis import given
    >>> @given(violating_rows(Schema([ColSpec("integer", "n")])))
    ... def check(drawn):
    ...     row, path, code = drawn
    ...     assert (row["n"], path, code) == (None, "n", "NULL")
    >>> check()
    """
    st = _strategies()
    specs = _named(_schema(signature))
    breaks = [(spec, *fault) for spec in specs for fault in _faults(spec)]
    if not breaks:
        raise NotSupportedError("no row can break this signature: every column admits nulls")

    def broken(drawn: tuple[Row, Any]) -> tuple[Row, str, str]:
        row, (spec, path, code, value) = drawn
        return {**row, str(spec.name): value}, path, str(code)

    rows: SearchStrategy[tuple[Row, str, str]] = st.tuples(valid_rows(signature), st.sampled_from(breaks)).map(broken)
    return rows


# ---- examples


def _fitting(spec: ColSpec) -> ColumnType:
    """The type whose examples fit: an optional long is held to what doubles hold, as whole numbers of 32 bits are."""
    return DataType.integer if spec.type is DataType.long and not spec.required else spec.type


def _example(kind: ColumnType, at: int) -> Any:
    match kind:
        case DataType():
            return _scalar_example(kind.element, at)
        case Array(element):
            return [_example(element, i) for i in range((at + 2) % 3)]
        case Map(value):
            return {f"k{i}": _example(value, i) for i in range((at + 1) % 3)}
        case Object(properties):
            return {prop.name: _example(prop.dtype, at) for prop in properties}
        case SparkMLVector():
            return [float(at), 0.5]
        case AnyType():
            return "anything"


def _scalar_example(element: Element, at: int) -> Any:
    if element.kind is Kind.INTEGER:
        return (1, element.high, element.low)[at % 3]
    if element.kind is Kind.FLOAT:
        return (0.5, -0.0, float(element.largest))[at % 3]
    edges = _EDGES[element.kind]
    return edges[at % len(edges)]


def _example_tensor(spec: TensorSpec, n: int) -> np.ndarray[Any, Any]:
    shape = (n if spec.shape[0] == -1 else spec.shape[0], *(_OPEN if s < 0 else s for s in spec.shape[1:]))
    count = int(np.prod(shape, dtype=int))
    if spec.element is None:
        return np.zeros(shape, spec.type)
    values = np.fromiter((_scalar_example(spec.element, at) for at in range(count)), object, count)
    kinds: dict[Kind, Any] = {Kind.STRING: np.dtype("U"), Kind.BINARY: np.dtype("S")}
    return np.asarray(values.astype(kinds.get(spec.element.kind, spec.type)).reshape(shape))


# ---- strategies


def _strategies() -> Any:
    try:
        return import_module("hypothesis.strategies")
    except ModuleNotFoundError:
        raise NotSupportedError("the strategies need hypothesis: pip install sparksig[testing]") from None


def _schema(signature: ModelSignature | Schema) -> Schema:
    schema = signature.inputs if isinstance(signature, ModelSignature) else signature
    if schema is None:
        raise NotSupportedError("the signature declares no inputs")
    return schema


def _named(schema: Schema) -> list[ColSpec | TensorSpec]:
    if not schema.has_input_names():
        raise NotSupportedError("rows are made for signatures that name their columns")
    unfit = [spec for spec in schema if isinstance(spec, TensorSpec) and (spec.element is None or spec.shape[0] != -1)]
    if unfit:
        problems = [Problem(str(spec.name), f"{spec!r} is no column of a table") for spec in unfit]
        raise NotSupportedError("rows are made for what a table holds", problems)
    return list(schema)


def _valid(spec: ColSpec | TensorSpec, st: Any) -> Any:
    if isinstance(spec, TensorSpec):
        assert spec.element is not None
        size = int(np.prod([_OPEN if s < 0 else s for s in spec.shape[1:]], dtype=int))
        entry = _scalars(spec.element, st)
        return st.lists(entry, min_size=size, max_size=size) if spec.shape[1:] else entry
    values = _values(spec.type, st, bool(spec.required))
    return values if spec.required else st.none() | values


def _values(kind: ColumnType, st: Any, required: bool) -> Any:
    match kind:
        case DataType():
            bounds = _long_bounds(kind, required)
            return bounds(st) if bounds else _scalars(kind.element, st)
        case Array(element):
            return st.lists(_inner(element, st), max_size=3)
        case Map(value):
            return st.dictionaries(st.text(_LETTERS, max_size=3), _inner(value, st), max_size=3)
        case Object(properties):
            return st.fixed_dictionaries({prop.name: _inner(prop.dtype, st) for prop in properties})
        case SparkMLVector():
            return st.lists(_scalars(ELEMENTS["float64"], st), max_size=3)
        case AnyType():
            return st.just("anything")


_LETTERS = "abc\u00fc"


def _inner(kind: ColumnType, st: Any) -> Any:
    return _values(kind, st, True)


def _long_bounds(kind: DataType, required: bool) -> Any:
    """Beside nulls, integers reach the model as doubles: an optional long is held to what these hold."""
    double = ELEMENTS["float64"]
    wide = kind.element.kind is Kind.INTEGER and kind.element.digits > double.digits
    return (lambda st: st.integers(double.low, double.high)) if wide and not required else None


def _scalars(element: Element, st: Any) -> Any:
    match element.kind:
        case Kind.BOOLEAN:
            return st.booleans()
        case Kind.INTEGER:
            return st.integers(element.low, element.high)
        case Kind.FLOAT:
            width = np.dtype(element.numpy).itemsize * 8
            return st.floats(width=width)
        case Kind.STRING:
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
        case Kind.BINARY:
            return st.binary(max_size=10)
        case Kind.DATETIME:
            return st.datetimes(_FIRST, _LAST)


def _faults(spec: ColSpec | TensorSpec) -> list[tuple[str, Code, Any]]:
    """The ways in which one value breaks a column: the path, the code and the value."""
    name = str(spec.name)
    if isinstance(spec, TensorSpec):
        entry = _scalar_example(spec.element, 0) if spec.element is not None else None
        size = int(np.prod([_OPEN if s < 0 else s for s in spec.shape[1:]], dtype=int))
        if not spec.shape[1:]:
            return [(name, Code.NULL, None)]
        longer = [] if -1 in spec.shape[1:] else [(name, Code.WRONG_LENGTH, [entry] * (size + 1))]
        return [(name, Code.NULL, None), (f"{name}[]", Code.NULL, [None] + [entry] * (size - 1)), *longer]
    whole = [(name, Code.NULL, None)] if spec.required else []
    if not spec.required or isinstance(spec.type, AnyType):
        return whole
    return whole + [(f"{name}{path}", code, value) for path, code, value in _inner_faults(spec.type)]


def _inner_faults(kind: ColumnType) -> list[tuple[str, Code, Any]]:
    """What can be wrong inside a value, one null at a time."""
    match kind:
        case Array(element):
            return [("[]", Code.NULL, [None])] if not isinstance(element, AnyType) else []
        case Map(value):
            return [("{}", Code.NULL, {"k": None})] if not isinstance(value, AnyType) else []
        case Object(properties):
            whole: Mapping[str, Any] = {prop.name: _example(prop.dtype, 0) for prop in properties}
            named = [prop for prop in properties if prop.required and not isinstance(prop.dtype, AnyType)]
            return [(f".{prop.name}", Code.NULL, {**whole, prop.name: None}) for prop in named]
        case SparkMLVector():
            return [("[]", Code.NULL, [None, 0.5])]
    return []
