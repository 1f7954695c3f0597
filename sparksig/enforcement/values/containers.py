"""`enforce_values`: the contract on what people hold in a notebook or a test, by the plan that a table would get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.extensions import ExtensionArray

from sparksig.enforcement.nodes import AnyNode, ArrayNode, MapNode, Node, ScalarNode, StructNode
from sparksig.enforcement.planning import match_columns, plan_table
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values.feeds import Feed
from sparksig.enforcement.values.nodes import Judged, enforce_arrow, together
from sparksig.enforcement.values.reading import Declared, Reading, depth_of, from_numpy, is_missing, unmasked
from sparksig.enforcement.values.tensors import enforce_tensors, is_sparse
from sparksig.errors import Code, PolicyError, Problem, SchemaError
from sparksig.signature.dtypes import ELEMENTS, Kind
from sparksig.signature.members import class_name
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import Field, ObservedType, OtherType, ScalarType, StructType, from_arrow


def enforce_values(data: Any, schema: ModelSignature | Schema, policy: Policy | None = None, **options: Any) -> Any:
    """Values in the form that the model takes, every one as declared.

    The same casts, levels and checks as on a Spark frame: a row gets the verdict here that `tag` gives it there.

    Args:
        data: a pandas DataFrame or Series, an Arrow table or batch, a scalar, a list, a dict, a list of dicts (for
            columns); an ndarray, a dict of ndarrays, a scipy sparse matrix (for tensors). It is never changed.
        schema: a schema, or a signature, whose inputs count.
        policy: the options, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        For columns a DataFrame with the declared columns, in order, in the dtypes that the model takes; for tensors an
        ndarray, or a dict of them where they have names. A Spark frame is given to `enforce`.

    Raises:
        SchemaError: the data's columns, types or shapes cannot fit; every problem is listed.
        ViolationError: a value breaks the contract; every violation is counted by path and code.
        PolicyError: an option cannot be used.

    >>> from sparksig.signature.schema import ColSpec
    >>> schema = Schema([ColSpec("long", "id"), ColSpec("double", "amount")])
    >>> enforce_values({"id": [1, 2], "amount": [0.5, None]}, schema, allow_nulls=True)["amount"].tolist()
    [0.5, nan]
    >>> enforce_values({"id": [1, 2], "amount": [0.5, None]}, schema)
    Traceback (most recent call last):
        ...
    sparksig.errors.ViolationError: rows break the signature
      amount: 1 row(s) [NULL]
    """
    if type(data).__module__.startswith("pyspark.sql"):  # only where Spark is: nothing here needs it
        return import_module("sparksig.enforcement.frames").enforce(data, schema, policy, **options)
    policy = resolve_policy(policy, options)
    if policy.keep:
        raise PolicyError("keep= hands columns through beside those of a frame; here comes what the model takes")
    inputs = schema.inputs if isinstance(schema, ModelSignature) else schema
    if inputs is None:
        no_inputs = Problem("", "the signature declares no inputs", Code.NO_INPUTS, "declare inputs=Schema([..])")
        raise SchemaError("the data does not fit the signature", [no_inputs])
    if inputs.is_tensor_spec() and (arrays := _tensors(data, inputs)) is not None:
        return enforce_tensors(arrays, inputs, policy)
    held = Held.of(data, inputs, policy)
    plan = plan_table(held.table, inputs, policy).require_ok()
    if not policy.stable_dtypes:
        plan = replace(plan, steps=tuple(replace(step, node=_without_gaps(step.node)) for step in plan.steps))
    return held.restored(plan, held.judged(plan).require_clean())


def scored_values(data: Any, inputs: Schema) -> Any:
    """Values as a model that scores a table takes them: whatever the data is held in, in the containers of a batch.

    Args:
        data: as for `enforce_values`.
        inputs: what the model declares.

    Raises:
        SchemaError: as `enforce_values`.
        ViolationError: as `enforce_values`.

    >>> from sparksig.signature.schema import ColSpec
    >>> from sparksig.signature.types import Array as ArrayOf
    >>> scored_values(pd.DataFrame({"x": [[1, 2]]}), Schema([ColSpec(ArrayOf("long"), "x")]))["x"][0]
    array([1, 2])
    """
    policy = Policy()
    if inputs.is_tensor_spec() and (arrays := _tensors(data, inputs)) is not None:
        return enforce_tensors(arrays, inputs, policy)
    held = Held.of(data, inputs, policy)
    plan = plan_table(held.table, inputs, policy).require_ok()
    judged, feed = held.judged(plan).require_clean(), Feed.of(plan)
    steps = zip(feed.columns, plan.steps, strict=True)
    columns = tuple(replace(column, listed=held.listed.issuperset(step.positions)) for column, step in steps)
    return replace(feed, columns=columns).model_input(judged.columns, held.reading.anything)


def _without_gaps(node: Node) -> Node:
    """The node without nulls among integers, in a column or an array: numpy's integers have none."""
    match node:
        case ScalarNode(cast) if cast.target.kind is Kind.INTEGER:
            return replace(node, nulls=False, after=())
        case ArrayNode(element):
            return replace(node, element=_without_gaps(element))
        case MapNode(value) if not isinstance(value, ScalarNode):
            return replace(node, value=_without_gaps(value))
        case StructNode(members):
            inner = [m if isinstance(m.node, ScalarNode) else replace(m, node=_without_gaps(m.node)) for m in members]
            return replace(node, members=tuple(inner))
    return node


@dataclass(frozen=True, slots=True)
class Held:
    """Data as a table: its columns as Arrow arrays, and what was found while they were read.

    Attributes:
        table: the columns' names and types.
        arrays: the columns.
        rows: how many rows.
        reading: faults of cells, and the values of which nothing is declared.
        labels: the columns' labels as the data has them.
        index: the DataFrame's index; None where there was none.
        given: the cells of columns that hold Python objects, and pandas' own columns, by position.
        listed: the columns whose values of Any are positions in the reading's list; in others they are the values.
    """

    table: StructType
    arrays: tuple[pa.Array, ...]
    rows: int
    reading: Reading
    labels: tuple[Any, ...]
    index: Any
    given: Mapping[int, Any]
    listed: frozenset[int] = frozenset()

    @classmethod
    def of(cls, data: Any, schema: Schema, policy: Policy) -> Held:
        """Read data along a schema.

        Raises:
            SchemaError: the data is nothing that has columns.
        """
        columns, index = _columns(data, schema)
        labels = [label for label, _ in columns]
        shown = StructType(tuple(Field(str(label), OtherType("")) for label in labels))
        matches = match_columns(shown, schema, policy)[0]
        declared = {at: match.spec for match in matches for at in match.positions}
        if schema.is_tensor_spec() and not schema.has_input_names():
            declared = dict.fromkeys(range(len(labels)), next(iter(schema)))
        reading, arrays, fields, given, listed = Reading(), [], [], {}, set()
        for at, (label, column) in enumerate(columns):
            cells = _cells(column)
            if cells is not None or isinstance(column, pd.Series):
                given[at] = column if cells is None else cells
            before = len(reading.anything)
            array, kind = read_column(column, declared.get(at), reading, str(label))
            if len(reading.anything) > before:
                listed.add(at)
            arrays.append(array)
            fields.append(Field(str(label), kind))
        rows = len(arrays[0]) if arrays else 0
        return cls(
            StructType(tuple(fields)), tuple(arrays), rows, reading, tuple(labels), index, given, frozenset(listed)
        )

    def judged(self, plan: Plan) -> Judged:
        """The columns after enforcement; where a cell could not be opened, that is its one fault."""
        judged = enforce_arrow(plan, self.arrays, self.rows)
        names = {self.table.fields[at].name: step.name for step in plan.steps for at in step.positions}
        opening = [replace(f, path=_renamed(f.path, names)) for f in self.reading.faults if _declares(f.path, names)]
        return Judged(judged.columns, together(opening, judged.faults))

    def restored(self, plan: Plan, judged: Judged) -> Any:
        """What the model takes, with the data's own index and, where the signature has no names, its labels."""
        feed = Feed.of(plan)
        given = [self.given.get(step.positions[0]) if step.positions else None for step in plan.steps]
        columns = [
            replace(
                column,
                lists=isinstance(cells, np.ndarray) and not any(isinstance(c, np.ndarray) for c in cells),
                listed=self.listed.issuperset(step.positions),
            )
            for column, cells, step in zip(feed.columns, given, plan.steps, strict=True)
        ]
        feed = replace(feed, columns=tuple(columns), matrix=False)
        result = feed.model_input(judged.columns, self.reading.anything)
        if not isinstance(result, pd.DataFrame):
            return result if isinstance(result, dict) or result.flags.writeable else result.copy()
        omits = plan.policy.absent_optional == "omit"
        for column, cells, label in zip(columns, given, result.columns, strict=True):
            if isinstance(column.node, AnyNode) and isinstance(cells, pd.Series):
                result[label] = cells.array.copy()  # whatever it is, it stays
            elif isinstance(column.node, ScalarNode) and not result[label].array.__array__().flags.writeable:
                result[label] = result[label].to_numpy().copy()  # what the model writes into it is not the data
            elif omits and _may_lack(column.node) and isinstance(cells, np.ndarray):
                kept = [_as_given(made, cell) for made, cell in zip(result[label], cells, strict=True)]
                result[label] = pd.Series(kept, dtype=object, index=result.index)
        if not plan.named:
            result.columns = pd.Index([self.labels[step.positions[0]] for step in plan.steps])
        if self.index is not None:
            result.index = self.index.copy()
        return result


def _declares(path: str, names: Mapping[str, str]) -> bool:
    return any(path == name or path.startswith((f"{name}.", f"{name}[", f"{name}{{")) for name in names)


def _renamed(path: str, names: Mapping[str, str]) -> str:
    for name, declared in names.items():
        if path == name or path.startswith((f"{name}.", f"{name}[", f"{name}{{")):
            return declared + path[len(name) :]
    return path


def _may_lack(node: Node) -> bool:
    """Whether an object in a column may have been given without one of its members."""
    match node:
        case ArrayNode(inner) | MapNode(inner):
            return _may_lack(inner)
        case StructNode(members):
            return any(getattr(m.node, "nulls", True) or _may_lack(m.node) for m in members)
    return False


def _as_given(made: object, given: object) -> object:
    """An object without the members that it was given without."""
    if isinstance(made, dict) and isinstance(given, Mapping):
        return {name: _as_given(value, given[name]) for name, value in made.items() if name in given}
    if isinstance(made, list) and isinstance(given, list):
        return [_as_given(value, cell) for value, cell in zip(made, given, strict=True)]
    return made


# ---- columns

_COMPOUND = (Array, Object, Map, SparkMLVector)


def _columns(data: Any, schema: Schema) -> tuple[list[tuple[Any, Any]], Any]:
    """The columns of data, with their labels, and its index."""
    if isinstance(data, pa.RecordBatch | pa.Table):
        return list(zip(data.schema.names, data.columns, strict=True)), None
    if isinstance(data, pd.Series):
        data = data.to_frame()
    if isinstance(data, pd.DataFrame):
        return [(label, data.iloc[:, i]) for i, label in enumerate(data.columns)], data.index
    if isinstance(data, Mapping) and not schema.is_tensor_spec():
        return _named_columns(data, schema)
    if isinstance(data, np.ndarray) and data.ndim in (1, 2) and not schema.is_tensor_spec():
        data = unmasked(data)
        if data.dtype.names and data.ndim == 1:
            return [(name, data[name]) for name in data.dtype.names], None
        return ([(0, data)] if data.ndim == 1 else list(enumerate(data.T))), None
    if isinstance(data, list) and not schema.is_tensor_spec():
        return _listed_columns(data, schema), None
    if np.isscalar(data) and not schema.is_tensor_spec():
        return [(0, _objects([data]))], None
    raise _no_columns(data, schema)


def _no_columns(data: Any, schema: Schema) -> SchemaError:
    tensors = "an ndarray, or a dict of them where tensors have names" if schema.is_tensor_spec() else "a DataFrame"
    fact = f"{class_name(data)} holds no rows that the signature could be asked of"
    return SchemaError(
        "the data does not fit the signature", [Problem("", fact, Code.INCOMPATIBLE_TYPE, f"give {tensors}")]
    )


_SEQUENCES = (list, tuple, range, pd.Series, pd.Index, ExtensionArray, pa.Array, pa.ChunkedArray)


def _named_columns(data: Mapping[Any, Any], schema: Schema) -> tuple[list[tuple[Any, Any]], Any]:
    """A dict is one row where a declared type is compound or every value is one value, else columns with an index."""
    many = [value for value in data.values() if _is_column(value)]
    one_row = any(isinstance(spec, ColSpec) and isinstance(spec.type, _COMPOUND) for spec in schema) or not many
    if one_row:
        return [(name, _objects([value.item() if _is_0d(value) else value])) for name, value in data.items()], None
    lengths = {len(value) for value in many}
    if len(lengths) > 1:
        raise _uneven("the columns have different lengths")
    index = _common_index([value.index for value in many if isinstance(value, pd.Series)])
    [rows] = lengths
    return [(name, _broadcast(value, rows, index)) for name, value in data.items()], index


def _uneven(fact: str) -> SchemaError:
    return SchemaError("the data does not fit the signature", [Problem("", fact, Code.COLUMN_COUNT)])


def _common_index(indexes: list[Any]) -> Any:
    """The labels of all Series, which have to be the same, in whatever order; pandas would fill the others' places."""
    if not indexes or all(index.equals(indexes[0]) for index in indexes):
        return indexes[0] if indexes else None
    alike = all(len(index) == len(indexes[0]) == len(index.union(indexes[0])) for index in indexes)
    if not alike or not all(index.is_unique for index in indexes):
        raise _uneven("the columns are Series with different labels")
    return reduce(lambda first, other: first.union(other), indexes)


def _is_column(value: object) -> bool:
    return isinstance(value, _SEQUENCES) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _broadcast(value: Any, rows: int, index: Any) -> Any:
    if isinstance(value, pd.Series):
        return value if value.index.equals(index) else value.reindex(index)
    if isinstance(value, pd.Index | ExtensionArray):
        return pd.Series(value)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return unmasked(value)
    return _objects(value if _is_column(value) else [value] * rows)


def _is_0d(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


def _listed_columns(data: list[Any], schema: Schema) -> list[tuple[Any, Any]]:
    data = [row.to_dict() if isinstance(row, pd.Series) else row[()] if _is_0d(row) else row for row in data]
    if data and all(isinstance(row, Mapping) for row in data):
        if not schema.has_input_names() and isinstance(next(iter(schema)).type, Object | Map | AnyType):
            return [(0, _objects(data))]
        names = dict.fromkeys(name for row in data for name in row)
        return [(name, _objects([row.get(name) for row in data])) for name in names]
    if schema.has_input_names() and any(isinstance(row, Mapping) for row in data):
        fact = f"rows of several classes: {', '.join(sorted({class_name(row) for row in data}))}"
        problem = Problem("", fact, Code.INCOMPATIBLE_TYPE, "give a list of dicts")
        raise SchemaError("the data does not fit the signature", [problem])
    types = [spec.type for spec in schema]
    whole = len(types) == 1 and isinstance(types[0], (*_COMPOUND, AnyType))
    if whole or not all(isinstance(row, list | tuple | np.ndarray) for row in data):
        return [(0, _objects(data))] if data else []
    widths = {len(row) for row in data}
    if len(widths) > 1:
        raise _uneven("the rows have different lengths")
    return [(i, _objects([row[i] for row in data])) for i in range(max(widths, default=0))]


def _objects(cells: Any) -> np.ndarray[Any, Any]:
    return np.fromiter(cells, dtype=object, count=len(cells))


def _cells(column: Any) -> Any:
    """The Python objects of a column that holds such."""
    if isinstance(column, pd.Series) and column.dtype == object:
        return column.to_numpy()
    if isinstance(column, np.ndarray) and column.dtype.kind in "OUT":
        return column.astype(object, copy=False)
    return None


def read_column(
    column: Any, spec: ColSpec | TensorSpec | None, reading: Reading, label: str
) -> tuple[pa.Array, ObservedType]:
    """A column of pandas, numpy or Arrow as an Arrow array, and the type that it shows.

    Args:
        column: the values.
        spec: what is declared for them; None where nothing is.
        reading: where faults of cells are noted.
        label: the column's name.
    """
    cells = _cells(column)
    if cells is not None:
        return (
            (pa.nulls(len(cells)), OtherType("objects")) if spec is None else _read_cells(cells, spec, reading, label)
        )
    if isinstance(spec, ColSpec) and isinstance(spec.type, AnyType):
        values = column.to_pylist() if isinstance(column, pa.Array | pa.ChunkedArray) else list(column)
        return reading.column(values, spec.type, label)
    if isinstance(column, np.ndarray):
        return from_numpy(column)
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return _arrow(column)
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _arrow(pa.array(column.dt.tz_convert("UTC")))
    if isinstance(dtype, np.dtype | pd.SparseDtype):
        return from_numpy(np.asarray(column))
    if isinstance(dtype, pd.CategoricalDtype) and dtype.categories.dtype.kind in "biufM":
        array, kind = read_column(pd.Series(dtype.categories), spec, reading, label)
        codes = column.cat.codes.to_numpy()
        return array.take(pa.array(codes, mask=codes < 0)), kind
    if isinstance(dtype, pd.CategoricalDtype):
        values = column.astype(object).to_numpy()
        return _read_cells(values, spec, reading, label) if spec is not None else (pa.nulls(len(values)), OtherType(""))
    try:
        return _arrow(pa.array(column))
    except (pa.ArrowException, TypeError, ValueError):
        return pa.nulls(len(column)), OtherType(str(dtype))


def _read_cells(
    cells: Sequence[object], spec: ColSpec | TensorSpec, reading: Reading, label: str
) -> tuple[pa.Array, ObservedType]:
    if isinstance(spec, ColSpec):
        return reading.column(cells, spec.type, label)
    declared: Declared = spec.element or ELEMENTS["float64"]
    nothing = len(spec.shape) > 1 and all(map(is_missing, cells))  # the shape has to say it
    for _ in range(1 if nothing else depth_of(cells)):
        declared = Array(declared) if isinstance(declared, DataType | Array) else Array(_holding(declared))
    return reading.column(cells, declared, label)


def _holding(element: Any) -> DataType:
    return DataType.holding(element) or DataType.double


def _arrow(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, ObservedType]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    plain = _without_views(array.type)
    try:
        array = array if plain == array.type else array.cast(plain)
        if pa.types.is_string(plain):
            array.cast(pa.binary()).cast(plain)  # which looks whether it is UTF-8
        elif pa.types.is_temporal(plain) and (pa.types.is_timestamp(plain) or pa.types.is_date(plain)):
            array.cast(pa.timestamp("us"), safe=False) if _is_fine(plain) else array.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        held = "texts that are no UTF-8" if pa.types.is_string(plain) else "datetimes that microseconds do not hold"
        return pa.nulls(len(array)), OtherType(held)
    if not pa.types.is_nested(plain) and (row := ELEMENTS.get(_numpy_name(plain))) is not None:
        return array, ScalarType(row)
    return array, from_arrow(plain)


def _numpy_name(kind: pa.DataType) -> str:
    try:
        return str(np.dtype(kind.to_pandas_dtype()).name)
    except (NotImplementedError, TypeError):
        return ""


def _is_fine(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.unit in ("us", "ns")


def _without_views(kind: pa.DataType) -> pa.DataType:
    """The type with plain texts, bytes and lists, which are what a worker's batches have."""
    t = pa.types
    if t.is_large_string(kind) or t.is_string_view(kind):
        return pa.string()
    if t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return pa.binary()
    if t.is_decimal32(kind) or t.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if t.is_large_list(kind) or t.is_fixed_size_list(kind) or t.is_list(kind):
        return pa.list_(_without_views(kind.value_type))
    if t.is_map(kind):
        return pa.map_(_without_views(kind.key_type), _without_views(kind.item_type))
    if t.is_struct(kind):
        return pa.struct([f.with_type(_without_views(f.type)) for f in kind])  # its metadata tells a variant
    return kind


# ---- tensors


def _tensors(data: Any, schema: Schema) -> dict[Any, Any] | None:
    """Arrays by name; None where the data is a table."""
    if isinstance(data, np.ndarray) or is_sparse(data):
        one = len(schema.inputs) == 1 and isinstance(data, np.ndarray)
        return {schema.inputs[0].name if one else None: data}
    if isinstance(data, Mapping) and data and all(isinstance(value, np.ndarray) for value in data.values()):
        return dict(data)
    if isinstance(data, Mapping):
        raise _no_columns(data, schema)
    return None
