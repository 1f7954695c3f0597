"""Inside a batch: Arrow columns to what the model takes, its prediction to Arrow columns. Runs on executors.

Numbers and tensors travel from Arrow to numpy without a Python loop. The prediction is held to the output schema as
strictly as a table is held to the inputs: names, types without loss, shapes and the number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sparksig.enforcement.steps import words
from sparksig.enforcement.values import arrow_type, cast_array
from sparksig.errors import Code, NotSupportedError, OutputError, Problem
from sparksig.signature.casts import Level, find_cast
from sparksig.signature.dtypes import ARROW, ELEMENTS, Element
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import DataType


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One declared output: its name, its element type and, for a tensor, the shape of one row."""

    name: str
    spec: ColSpec | TensorSpec
    element: Element
    shape: tuple[int, ...]
    required: bool

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of the column in the scored frame."""
        kind = arrow_type(self.element)
        for _ in self.shape:
            kind = pa.list_(kind)
        return kind


@dataclass(frozen=True, slots=True)
class Outputs:
    """The output schema, ready to hold predictions to it.

    Attributes:
        columns: the declared outputs.
        named: whether they have names.
    """

    columns: tuple[OutputColumn, ...]
    named: bool

    @classmethod
    def of(cls, schema: Schema) -> Outputs:
        """Read an output schema.

        Raises:
            NotSupportedError: it declares types that predictions are not held to yet; all of them are named.
        """
        columns, problems = [], []
        for i, spec in enumerate(schema):
            name = str(i) if spec.name is None else str(spec.name)
            element = _output_element(spec)
            if element is None:
                problems.append(Problem(name, f"{words(spec)} as an output is not built yet"))
                continue
            shape = tuple(spec.shape[1:]) if isinstance(spec, TensorSpec) else ()
            required = not (isinstance(spec, ColSpec) and not spec.required)
            columns.append(OutputColumn(name, spec, element, shape, required))
        if problems:
            raise NotSupportedError("the output schema declares types that are not built yet", problems)
        return cls(tuple(columns), schema.has_input_names())

    def to_arrow(self, prediction: Any, rows: int) -> list[pa.Array]:
        """The prediction as Arrow columns, held to the schema.

        Args:
            prediction: what the model returned for a batch.
            rows: how many rows the batch had.

        Raises:
            OutputError: names, types, shapes, nulls or the number of rows are not as declared; every fault is listed.
        """
        found = self._fields(prediction)
        arrays: list[pa.Array] = []
        problems: list[Problem] = []
        for column, values in zip(self.columns, found, strict=True):
            result = _output_array(column, values, rows)
            if isinstance(result, Problem):
                problems.append(result)
            else:
                arrays.append(result)
        if problems:
            raise OutputError("the model's output breaks the output schema", problems)
        return arrays

    def _fields(self, prediction: Any) -> list[Any]:
        if isinstance(prediction, pd.DataFrame | Mapping) and (self.named or len(self.columns) > 1):
            names = [c.name for c in self.columns] if self.named else list(prediction)[: len(self.columns)]
            return [prediction.get(name, _ABSENT) for name in names]
        if len(self.columns) == 1:
            single = isinstance(prediction, pd.DataFrame) and prediction.shape[1] == 1
            return [prediction.iloc[:, 0] if single else prediction]
        if isinstance(prediction, np.ndarray) and prediction.ndim == 2 and prediction.shape[1] == len(self.columns):
            return list(prediction.T)
        if isinstance(prediction, list) and all(
            isinstance(row, list | tuple) and len(row) == len(self.columns) for row in prediction
        ):  # not through numpy, which would make one type of all columns
            return [list(column) for column in zip(*prediction, strict=True)] or [[] for _ in self.columns]
        fact = f"{len(self.columns)} columns are declared, the model returned {_words(prediction)}"
        raise OutputError("the model's output breaks the output schema", [Problem("", fact, Code.WRONG_OUTPUT)])


_ABSENT = object()
"""Stands for a declared output that the prediction has not."""


def _output_element(spec: ColSpec | TensorSpec) -> Element | None:
    if isinstance(spec, ColSpec):
        return spec.type.element if isinstance(spec.type, DataType) else None
    return ELEMENTS.get(spec.type.name) if spec.shape[0] == -1 and all(n >= 0 for n in spec.shape[1:]) else None


def _output_array(column: OutputColumn, values: Any, rows: int) -> pa.Array | Problem:
    """One output column in its declared type, or what is wrong with it."""
    if values is _ABSENT:
        return Problem(column.name, "declared, but the output has no such column", Code.WRONG_OUTPUT)
    if column.shape or isinstance(column.spec, TensorSpec):
        values = np.asarray(values)
        if values.shape != (rows, *column.shape):
            fact = f"declared {words(column.spec)} for {rows} rows, the model returned shape {values.shape}"
            return Problem(column.name, fact, Code.WRONG_OUTPUT)
        values = values.reshape(-1)
    try:
        array = _column_array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _wrong_output(column, _words(values))
    if len(array) != rows * int(np.prod(column.shape, dtype=int)):
        fact = f"the batch has {rows} rows, the model returned {len(array)}"
        return Problem(column.name, fact, Code.WRONG_OUTPUT)
    return _checked_output(column, array, rows)


def _checked_output(column: OutputColumn, array: pa.Array, rows: int) -> pa.Array | Problem:
    row = ARROW.get(str(array.type), ARROW["timestamp[us]"] if pa.types.is_timestamp(array.type) else None)
    if pa.types.is_null(array.type):
        array, row = array.cast(arrow_type(column.element)), column.element
    cast = None if row is None else find_cast(row, column.element)
    if cast is None or cast.level > Level.CHECKED:
        return _wrong_output(column, _type_words(array.type))
    if pa.types.is_timestamp(array.type):
        try:
            array = array.cast(pa.timestamp("us", tz=array.type.tz))
        except pa.ArrowInvalid:
            return _wrong_output(column, "moments that microseconds do not hold")
    entries, faults = cast_array(cast, array)
    if faults:
        codes = ", ".join(f"{int(wrong.mask.sum())} x {wrong.code}" for wrong in faults)
        return _wrong_output(column, f"{array.type} with values that do not fit: {codes}")
    if column.required and entries.null_count:
        return _wrong_output(column, f"{entries.null_count} null(s)")
    return _nested(entries, column.shape, rows)


def _nested(entries: pa.Array, shape: tuple[int, ...], rows: int) -> pa.Array:
    """Flat entries as lists of lists, in C order."""
    for depth in reversed(range(len(shape))):
        lists = rows * int(np.prod(shape[:depth], dtype=int))
        entries = pa.ListArray.from_arrays(np.arange(lists + 1, dtype=np.int32) * np.int32(shape[depth]), entries)
    return entries


def _column_array(values: Any) -> pa.Array:
    """The model's column as an Arrow array in the type that it has, nulls where pandas means nulls."""
    if isinstance(values, pd.Series):
        array = pa.array(values, from_pandas=values.dtype.kind not in "f")  # NaN in a float column is a value
    elif isinstance(values, np.ndarray) and values.dtype.kind == "U":
        array = pa.array(values.tolist(), pa.string())
    else:
        array = pa.array(values.reshape(-1) if isinstance(values, np.ndarray) and values.ndim == 2 else values)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return pc.dictionary_decode(array) if pa.types.is_dictionary(array.type) else array


def _wrong_output(column: OutputColumn, got: str) -> Problem:
    return Problem(column.name, f"declared {words(column.spec)}, the model returned {got}", Code.WRONG_OUTPUT)


def _type_words(kind: pa.DataType) -> str:
    """An Arrow type without the names in it: a dict's keys may be data."""
    return str(kind).partition("<")[0] if pa.types.is_nested(kind) else str(kind)


def _words(value: Any) -> str:
    """What an object is, without what it holds."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
