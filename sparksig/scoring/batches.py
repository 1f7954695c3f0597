"""A model's prediction for one batch as Arrow columns, held to the output schema. Runs on executors.

The prediction is held as strictly as a table is held to the inputs, by the same plan, level checked: names, types
without loss, shapes, nulls and the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparksig.enforcement.nodes import ColumnsNode, Node, Path, ScalarNode, TensorNode, words
from sparksig.enforcement.planning import NodeBuilder
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values import Fault, arrow_type
from sparksig.enforcement.values.faults import together
from sparksig.enforcement.values.nodes import apply
from sparksig.enforcement.values.reading import Reading, depth_of, from_numpy, read_column, unmasked
from sparksig.errors import Code, NotSupportedError, OutputError, Problem
from sparksig.scoring.anything import carrier, has_any, json_text, with_texts
from sparksig.signature.casts import Level
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import ArrayType, Field, ObservedType

_POLICY = Policy(level=Level.CHECKED)

BATCH_BYTES = 64 << 20
"""How many bytes of inputs and outputs go to the model at once, as the signature's widths say."""

BATCH_ROWS = 10_000
"""How many rows go to the model at once, at most; Spark's own default."""

_STRING_KEYS = "the keys of a map are strings: {str(key): value ..}; an ONNX converter's option is zipmap=False"

_OPEN = 256  # bytes taken for what has no width of its own: a text, an array, an object


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One declared output.

    Attributes:
        name: its name; its position, as text, where outputs have none.
        spec: what is declared.
        variant: whether what leaves as JSON text becomes a variant.
    """

    name: str
    spec: ColSpec | TensorSpec
    variant: bool = False

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type in which it leaves the worker: Any as JSON text, a vector as an array of doubles."""
        if isinstance(self.spec, ColSpec):
            return carrier(self.spec.type)
        assert self.spec.element is not None
        kind = arrow_type(self.spec.element)
        for _ in self.spec.shape[1:]:
            kind = pa.list_(pa.field("element", kind))
        return kind

    def read(self, values: Any, rows: int) -> pa.Array | Problem:
        """The model's values as the declared type, or what is wrong with them.

        Args:
            values: the model's values for this output, one a row.
            rows: how many rows the batch had.
        """
        if isinstance(self.spec, TensorSpec):
            return self._tensor(self.spec, values, rows)
        if isinstance(self.spec.type, AnyType):
            return self._json(values, rows)
        column = _column(values, self.spec.type)
        if column is None or len(column) != rows:
            count = _words(values) if column is None else len(column)
            return self._wrong(f"the batch has {rows} rows, the model returned {count}")
        if has_any(self.spec.type) and isinstance(column, pa.Array | pa.ChunkedArray):
            column = _cells(column.to_pylist())
        reading = Reading()
        array, kind = read_column(column, self.spec, reading, self.name, nulls=not self.spec.required)
        return self._enforced(array, kind, reading.faults, reading.anything)

    def _tensor(self, spec: TensorSpec, values: Any, rows: int) -> pa.Array | Problem:
        shape = tuple(spec.shape[1:])
        values = _tensor_rows(values)
        dense = _dense(values)
        if dense is None:  # rows of different shapes, and what numpy would make one type of
            cells = values if isinstance(values, list) else []
            if len(cells) != rows or depth_of(cells) != len(shape):
                return self._wrong(f"declared {words(spec)} for {rows} rows, the model returned {_words(values)}")
            declared: Any = spec.element
            for _ in shape:
                declared = Array(_scalar(declared))
            reading = Reading()
            array, kind = reading.column(cells, declared, self.name)
            return self._enforced(array, kind, reading.faults)
        fits = all(size in (-1, found) for size, found in zip(shape, dense.shape[1:], strict=False))
        if dense.ndim != len(spec.shape) or len(dense) != rows or not fits:
            found = f"shape {dense.shape}"
            return self._wrong(f"declared {words(spec)} for {rows} rows, the model returned {found}")
        entries, observed = from_numpy(dense.reshape(-1))
        for depth in reversed(range(1, dense.ndim)):
            lists = int(np.prod(dense.shape[:depth], dtype=int))
            offsets = pa.array(np.arange(lists + 1) * dense.shape[depth], pa.int32())
            entries, observed = pa.ListArray.from_arrays(offsets, entries), ArrayType(observed)
        return self._enforced(entries, observed, [])

    def _json(self, values: Any, rows: int) -> pa.Array | Problem:
        column = _column(values, AnyType())
        if column is None or len(column) != rows:
            return self._wrong(f"the batch has {rows} rows, the model returned {_words(values)}")
        try:
            cells = [None if _missing(cell) else json_text(cell, self.variant) for cell in column]
        except (TypeError, ValueError):
            return self._wrong("declared Any, the model returned values that JSON does not hold")
        if self.spec.required and None in cells:
            return self._wrong(f"declared Any, the model returned {cells.count(None)} null(s)")
        return pa.array(cells, pa.string())

    def _enforced(
        self, array: pa.Array, kind: ObservedType, opening: Sequence[Fault], anything: Sequence[object] = ()
    ) -> pa.Array | Problem:
        problems: list[Problem] = []
        builder = NodeBuilder(_POLICY, problems, feeds=False)
        node = builder.column(self.spec, [Field(self.name, kind)], Path(self.name))
        if node is None:
            facts = "; ".join(p.fact.replace("the table has", "the model returned") for p in problems)
            places = ", ".join(p.path for p in problems if p.path != self.name)
            return self._wrong(f"{facts}{f' ({places})' if places else ''}")
        made, faults = apply(node, array, self.name)
        if wrong := together(opening, faults):
            counts = ", ".join(f"{int(f.mask.sum())} x {f.code}{f.path.removeprefix(self.name)}" for f in wrong)
            fact = f"declared {words(self.spec)}, the model returned {kind} with rows that do not fit: {counts}"
            if opened := sorted({f.types.observed for f in opening if f.code is Code.INCOMPATIBLE_TYPE}):
                fact += f" ({', '.join(opened)})"
            return self._wrong(fact, _STRING_KEYS if any("keys" in text for text in opened) else None)
        try:
            if isinstance(self.spec, ColSpec):
                made = with_texts(made, self.spec.type, anything, self.variant)
            return made.cast(self.arrow)
        except pa.ArrowInvalid:
            return self._wrong(f"declared {words(self.spec)}, the model returned moments that microseconds do not hold")
        except (TypeError, ValueError):
            return self._wrong(f"declared {words(self.spec)}, the model returned values that JSON does not hold")

    def _wrong(self, fact: str, hint: str | None = None) -> Problem:
        return Problem(self.name, fact, Code.WRONG_OUTPUT, hint)


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
            NotSupportedError: it declares types that no prediction column can have; all of them are named.
        """
        columns = [OutputColumn(str(i) if s.name is None else str(s.name), _readable(s)) for i, s in enumerate(schema)]
        problems = [Problem(c.name, fact) for c in columns if (fact := _unfit(c.spec)) is not None]
        if problems:
            raise NotSupportedError("the output schema declares types that cannot be columns", problems)
        return cls(tuple(columns), schema.has_input_names())

    def as_variants(self) -> Outputs:
        """The same, for texts of which `parse_json` makes variants."""
        return replace(self, columns=tuple(replace(column, variant=True) for column in self.columns))

    @property
    def specs(self) -> list[ColSpec | TensorSpec]:
        """What is declared, without names of its own."""
        return [column.spec for column in self.columns]

    def to_arrow(self, prediction: Any, rows: int) -> list[pa.Array]:
        """The prediction as Arrow columns, held to the schema.

        Args:
            prediction: what the model returned for a batch.
            rows: how many rows the batch had.

        Raises:
            OutputError: names, types, shapes, nulls or the number of rows are not as declared; every fault is listed.

        >>> outputs = Outputs.of(Schema([ColSpec("double", "p"), ColSpec(Array("string"), "labels")]))
        >>> [column.to_pylist() for column in outputs.to_arrow([{"p": 0.5, "labels": ["a"]}], 1)]
        [[0.5], [['a']]]
        """
        arrays: list[pa.Array] = []
        problems: list[Problem] = []
        for column, values in zip(self.columns, self._fields(prediction), strict=True):
            if values is _ABSENT:
                fact = "declared, but the output has no such column"
                problems.append(Problem(column.name, fact, Code.WRONG_OUTPUT))
                continue
            result = column.read(values, rows)
            (problems if isinstance(result, Problem) else arrays).append(result)
        if problems:
            raise OutputError("the model's output breaks the output schema", problems)
        return arrays

    def nulls(self, rows: int) -> list[pa.Array]:
        """The columns of rows that were not scored."""
        return [pa.nulls(rows, column.arrow) for column in self.columns]

    def _fields(self, prediction: Any) -> list[Any]:
        """The model's values for each declared output."""
        if isinstance(prediction, pd.MultiIndex):
            prediction = prediction.to_frame(index=False)
        one = self.columns[0].spec if len(self.columns) == 1 else None
        whole = isinstance(one, ColSpec) and isinstance(one.type, Object | Map | AnyType)
        if isinstance(prediction, pd.DataFrame) and not (one is not None and isinstance(one, TensorSpec)):
            self._check_labels(prediction)
        if isinstance(prediction, pd.DataFrame | Mapping) and self.named:
            labels = _by_name(prediction.keys())
            known = [labels.get(column.name, _ABSENT) for column in self.columns]
            return [_ABSENT if label is _ABSENT else prediction[label] for label in known]
        if isinstance(prediction, pd.DataFrame | Mapping) and len(prediction.keys()) == len(self.columns) > 1:
            if isinstance(prediction, pd.DataFrame):  # by position: labels may be repeated
                return [prediction.iloc[:, i] for i in range(prediction.shape[1])]
            return [prediction[name] for name in prediction]
        if _are_dicts(prediction) and not whole:
            return [_row_fields(prediction, column) for column in self.columns]
        if one is not None:
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

    def _check_labels(self, prediction: pd.DataFrame) -> None:
        """Reject a table of which a column could be lost: labels of several levels, and a declared name twice.

        Raises:
            OutputError: the table has such labels.
        """
        names = [column.name for column in self.columns] if self.named else []
        repeated = [name for name in names if sum(label == name for label in prediction.columns) > 1]
        problems = [
            Problem(name, "the output has several columns of this name", Code.WRONG_OUTPUT) for name in repeated
        ]
        if any(isinstance(label, tuple) for label in prediction.columns):
            fact = "the model returned columns with labels of several levels"
            problems = [Problem("", fact, Code.WRONG_OUTPUT, "return a DataFrame with labels of one level")]
        if problems:
            raise OutputError("the model's output breaks the output schema", problems)


def rows_of_batch(plan: Plan, outputs: Outputs) -> int:
    """How many rows a batch may have: as many as BATCH_BYTES hold, and BATCH_ROWS at most.

    Args:
        plan: says what each input row holds.
        outputs: say what each prediction holds.

    >>> from sparksig.enforcement.planning import plan_table
    >>> from sparksig.sources.observed import table_from_arrow
    >>> images = Schema([TensorSpec(np.dtype("float32"), (-1, 224, 224, 3))])
    >>> plan = plan_table(table_from_arrow(pa.schema({"x": pa.list_(pa.float32())})), images, Policy())
    >>> rows_of_batch(plan, Outputs.of(Schema([ColSpec("double")])))
    111
    """
    width = sum(_width_of(step.node) for step in plan.steps) + sum(_width(c.spec) for c in outputs.columns)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(width, 1)))


def _width(spec: ColSpec | TensorSpec) -> int:
    """The bytes of one value on its Spark carrier."""
    if isinstance(spec, TensorSpec):
        sizes = [size for size in spec.shape[1:] if size >= 0]
        return int(np.prod(sizes, dtype=int)) * max(1, spec.type.itemsize) * (_OPEN if -1 in spec.shape[1:] else 1)
    scalar = isinstance(spec.type, DataType) and (spec.type.element.is_number or spec.type is DataType.datetime)
    return 8 if scalar else _OPEN


def _width_of(node: Node) -> int:
    match node:
        case TensorNode(element, shape):
            return _width(TensorSpec(np.dtype(element.cast.target.numpy), (-1, *shape)))
        case ColumnsNode(entries):
            return 8 * len(entries)
        case ScalarNode(cast) if cast.target.is_number:
            return 8
        case _:
            return _OPEN


_ABSENT = object()
"""Stands for a declared output that the prediction has not."""


def _readable(spec: ColSpec | TensorSpec) -> ColSpec | TensorSpec:
    """The declared output, with strings for objects: what MLflow infers from an array of text labels."""
    if isinstance(spec, TensorSpec) and spec.type.kind == "O":
        return TensorSpec(np.dtype("str"), spec.shape, spec.name)
    return spec


def _unfit(spec: ColSpec | TensorSpec) -> str | None:
    """Why a declared output cannot be a column; None where it can."""
    if isinstance(spec, ColSpec):
        return None
    if spec.element is None:
        return f"{words(spec)} has no Spark type that carries it"
    return None if spec.shape and spec.shape[0] == -1 else f"{words(spec)} has no open first dimension"


def _are_dicts(prediction: Any) -> bool:
    return isinstance(prediction, list) and bool(prediction) and all(isinstance(row, Mapping) for row in prediction)


def _by_name(labels: Iterable[Any]) -> dict[str, Any]:
    """Labels by the names that a signature has for them: those of `DataFrame(predict_proba)` are integers."""
    return {str(label): label for label in sorted(labels, key=lambda label: isinstance(label, str))}


def _row_fields(rows: Sequence[Mapping[Any, Any]], column: OutputColumn) -> Any:
    """One output of rows that are dicts; an optional one may be absent from each of them, so it may from all."""
    name = column.name
    cells = [row[name] if name in row else row.get(_by_name(row).get(name, name), _ABSENT) for row in rows]
    if column.spec.required and all(cell is _ABSENT for cell in cells):
        return _ABSENT
    return [None if cell is _ABSENT else cell for cell in cells]


def _column(values: Any, kind: ColumnType) -> Any:
    """One output's values as a column, one per row; None for what is none.

    Args:
        values: the model's values. A scalar may be an array of one element, an array may be a tuple or one of pandas'.
        kind: what is declared.
    """
    values = _plain_array(values)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, pd.DataFrame) and isinstance(kind, Array):
        values = _tensor_rows(values)
    if isinstance(values, pd.Series) and values.dtype != object:
        return values.reset_index(drop=True)
    if isinstance(values, pd.Series):
        values = values.to_numpy()
    if isinstance(values, np.ndarray):
        if isinstance(kind, DataType) and values.ndim > 1 and values[:1].size == len(values[:1]):
            values = values.reshape(len(values))
        if values.ndim == 1 and values.dtype != object:
            return values
        values = list(values) if values.ndim else None
    return _cells([_cell(value, kind) for value in values]) if isinstance(values, list | tuple) else None


def _cell(value: Any, kind: ColumnType) -> Any:
    """A value in the containers that are read: lists for tuples and pandas' arrays, a scalar for one of its arrays."""
    match kind:
        case DataType():
            while isinstance(value, list | tuple) and len(value) == 1:
                value = value[0]
            return value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value
        case Array(DataType()):
            return _as_list(value)
        case Array(inner):
            value = _as_list(value)
            is_nested = isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object)
            return [_cell(item, inner) for item in value] if is_nested and getattr(value, "ndim", 1) else value
        case SparkMLVector():
            return _as_list(value)
        case Map(inner) if isinstance(value, Mapping):
            return {key: _cell(item, inner) for key, item in value.items()}
        case Object(properties) if isinstance(value, Mapping):
            kinds = {p.name: p.dtype for p in properties}
            return {key: _cell(item, kinds[key]) if key in kinds else item for key, item in value.items()}
    return value


def _as_list(value: Any) -> Any:
    """A tuple as a list, and pandas' own containers as arrays; anything else as it is."""
    if isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        value = value.to_numpy()
    return list(value) if isinstance(value, tuple) else value


def _cells(values: Sequence[object]) -> np.ndarray[Any, Any]:
    return np.fromiter(values, dtype=object, count=len(values))


def _plain_array(values: Any) -> Any:
    """Arrays of any class as numpy's, or as a Series where they are pandas'; masked values are null."""
    if isinstance(values, pd.Index | pd.api.extensions.ExtensionArray):
        return pd.Series(values)
    return unmasked(values.toarray() if hasattr(values, "toarray") else values)


def _tensor_rows(values: Any) -> Any:
    """A tensor output as an array of one of numpy's own dtypes or as a list of its rows; anything else as it is."""
    values = _plain_array(values)
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy() if len(set(values.dtypes)) == 1 else values.astype(object).to_numpy()
    elif isinstance(values, pd.Series):
        values = values.to_numpy()
    elif isinstance(values, pa.Array | pa.ChunkedArray):
        values = values.to_pylist()
    if isinstance(values, np.ndarray) and values.ndim and values.dtype.kind in "OUT":
        values = list(values.astype(object))
    return [_listed(row) for row in values] if isinstance(values, list | tuple) else values


def _listed(row: Any) -> Any:
    """A row of a tensor with lists for tuples and arrays for pandas' containers, at every depth."""
    row = _as_list(row)
    return [_listed(item) for item in row] if isinstance(row, list) else row


def _dense(values: Any) -> np.ndarray[Any, Any] | None:
    """A tensor output as one array; None where its rows are no arrays of one shape and dtype."""
    if isinstance(values, np.ndarray):
        return values
    if not isinstance(values, list) or not values or not all(type(row) is np.ndarray for row in values):
        return None
    alike = len({(row.dtype, row.shape) for row in values}) == 1 and values[0].dtype.kind not in "OUT"
    return np.stack(values) if alike else None


def _scalar(declared: Any) -> Any:
    return declared if isinstance(declared, DataType | Array) else DataType.holding(declared) or DataType.double


def _missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT


def _words(value: Any) -> str:
    """What an object is, without what it holds."""
    shape = getattr(value, "shape", None)
    if shape is None and isinstance(value, list):
        with suppress(ValueError):  # rows of different shapes
            shape = np.shape(value)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
