"""`enforce_values`: the contract on what people hold in a notebook or a test, by the plan that a table would get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparksig.enforcement.planning import NodeBuilder, match_columns, plan_table, unknown_paths
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.steps import AnyNode, ArrayNode, MapNode, Node, Path, Plan, ScalarNode, StructNode, words
from sparksig.enforcement.values.casts import bits, cast_array
from sparksig.enforcement.values.cells import Declared, Reading, depth_of, from_numpy
from sparksig.enforcement.values.feeds import Feed, stacked_entries
from sparksig.enforcement.values.nodes import Fault, Judged, enforce_arrow, together
from sparksig.errors import Code, PolicyError, Problem, SchemaError
from sparksig.signature.casts import Level, NotNan
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
        unknown_paths(inputs, policy)
        return _enforce_tensors(arrays, inputs, policy)
    held = Held.of(data, inputs, policy)
    plan = plan_table(held.table, inputs, policy).require_ok()
    if not policy.stable_dtypes:
        plan = replace(plan, steps=tuple(replace(step, node=_without_gaps(step.node)) for step in plan.steps))
    judged = held.judged(plan)
    judged.require_clean()
    return held.restored(plan, judged)


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
            return result
        omits = plan.policy.absent_optional == "omit"
        for column, cells, label in zip(columns, given, result.columns, strict=True):
            if isinstance(column.node, AnyNode) and isinstance(cells, pd.Series):
                result[label] = cells.array.copy()  # whatever it is, it stays
            elif omits and _may_lack(column.node) and isinstance(cells, np.ndarray):
                kept = [_as_given(made, cell) for made, cell in zip(result[label], cells, strict=True)]
                result[label] = pd.Series(kept, dtype=object, index=result.index)
        if not plan.named:
            result.columns = pd.Index([self.labels[step.positions[0]] for step in plan.steps])
        if self.index is not None:
            result.index = self.index
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
        return _named_columns(data, schema), None
    if isinstance(data, np.ndarray) and data.ndim in (1, 2) and not schema.is_tensor_spec():
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


def _named_columns(data: Mapping[Any, Any], schema: Schema) -> list[tuple[Any, Any]]:
    """A dict is one row where a declared type is compound or every value is one value, else columns."""
    many = [value for value in data.values() if isinstance(value, list | pd.Series) or np.ndim(value) > 0]
    one_row = any(isinstance(spec, ColSpec) and isinstance(spec.type, _COMPOUND) for spec in schema) or not many
    if one_row:
        return [(name, _objects([value.item() if _is_0d(value) else value])) for name, value in data.items()]
    lengths = {len(value) for value in many}
    if len(lengths) > 1:
        problem = Problem("", "the columns have different lengths", Code.COLUMN_COUNT)
        raise SchemaError("the data does not fit the signature", [problem])
    [rows] = lengths
    return [(name, _broadcast(value, rows)) for name, value in data.items()]


def _broadcast(value: Any, rows: int) -> Any:
    if isinstance(value, pd.Series) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return value
    return _objects(value if isinstance(value, list | np.ndarray) and np.ndim(value) else [value] * rows)


def _is_0d(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


def _listed_columns(data: list[Any], schema: Schema) -> list[tuple[Any, Any]]:
    if data and all(isinstance(row, Mapping) for row in data):
        if not schema.has_input_names() and isinstance(next(iter(schema)).type, Object | Map | AnyType):
            return [(0, _objects(data))]
        names = dict.fromkeys(name for row in data for name in row)
        return [(name, _objects([row.get(name) for row in data])) for name in names]
    types = [spec.type for spec in schema]
    whole = len(types) == 1 and isinstance(types[0], (*_COMPOUND, AnyType))
    if whole or not all(isinstance(row, list | tuple | np.ndarray) for row in data):
        return [(0, _objects(data))] if data else []
    widths = {len(row) for row in data}
    if len(widths) > 1:
        raise SchemaError(
            "the data does not fit the signature", [Problem("", "the rows have different lengths", Code.COLUMN_COUNT)]
        )
    return [(i, _objects([row[i] for row in data])) for i in range(max(widths, default=0))]


def _objects(cells: Any) -> np.ndarray[Any, Any]:
    return np.fromiter(cells, dtype=object, count=len(cells))


def _cells(column: Any) -> Any:
    """The Python objects of a column that holds such."""
    if isinstance(column, pd.Series) and column.dtype == object:
        return column.to_numpy()
    if isinstance(column, np.ndarray) and column.dtype == object:
        return column
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
    if isinstance(dtype, np.dtype):
        return from_numpy(column.to_numpy())
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
    for _ in range(depth_of(cells)):
        declared = Array(declared) if isinstance(declared, DataType | Array) else Array(_holding(declared))
    return reading.column(cells, declared, label)


def _holding(element: Any) -> DataType:
    return DataType.holding(element) or DataType.double


def _arrow(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, ObservedType]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    plain = _without_views(array.type)
    array = array if plain == array.type else array.cast(plain)
    if not pa.types.is_nested(plain) and (row := ELEMENTS.get(_numpy_name(plain))) is not None:
        return array, ScalarType(row)
    return array, from_arrow(plain)


def _numpy_name(kind: pa.DataType) -> str:
    try:
        return str(np.dtype(kind.to_pandas_dtype()).name)
    except (NotImplementedError, TypeError):
        return ""


def _without_views(kind: pa.DataType) -> pa.DataType:
    """The type with plain texts, bytes and lists, which are what a worker's batches have."""
    t = pa.types
    if t.is_large_string(kind) or t.is_string_view(kind):
        return pa.string()
    if t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return pa.binary()
    if t.is_large_list(kind) or t.is_fixed_size_list(kind) or t.is_list(kind):
        return pa.list_(_without_views(kind.value_type))
    if t.is_map(kind):
        return pa.map_(_without_views(kind.key_type), _without_views(kind.item_type))
    if t.is_struct(kind):
        return pa.struct([pa.field(f.name, _without_views(f.type)) for f in kind])
    return kind


# ---- tensors


def _tensors(data: Any, schema: Schema) -> dict[Any, Any] | None:
    """Arrays by name; None where the data is a table."""
    if isinstance(data, np.ndarray) or type(data).__module__.startswith("scipy.sparse"):
        one = len(schema.inputs) == 1 and isinstance(data, np.ndarray)
        return {schema.inputs[0].name if one else None: data}
    if isinstance(data, Mapping) and data and all(isinstance(value, np.ndarray) for value in data.values()):
        return dict(data)
    if isinstance(data, Mapping):
        raise _no_columns(data, schema)
    return None


def _enforce_tensors(arrays: dict[Any, Any], schema: Schema, policy: Policy) -> Any:
    problems: list[Problem] = []
    faults: list[Fault] = []
    found: dict[str, Any] = {}
    for spec in schema:
        assert isinstance(spec, TensorSpec)
        path = str(spec.name) if spec.name is not None else ""
        array = arrays.get(spec.name)
        if array is None:
            fact = "required, but the data has no such array"
            problems.append(Problem(path, fact, Code.MISSING_COLUMN))
        elif (misfit := _misfit(array, spec)) is not None:
            problems.append(Problem(path, misfit, Code.WRONG_SHAPE))
        else:
            found[path] = _entries(array, spec, policy, path, problems, faults)
    extra = [name for name in arrays if name not in {spec.name for spec in schema}]
    if policy.extra == "forbid":
        problems += [Problem(str(n), "the signature has no such tensor", Code.UNEXPECTED_COLUMN) for n in extra]
    if problems:
        raise SchemaError("the data does not fit the signature", problems)
    Judged((), tuple(faults)).require_clean()
    return found if schema.has_input_names() else found[""]


def _misfit(array: Any, spec: TensorSpec) -> str | None:
    """What is wrong with an array's shape."""
    shape, declared = tuple(array.shape), tuple(spec.shape)
    ragged = isinstance(array, np.ndarray) and array.dtype == object and len(shape) == 1 and -1 in declared[1:]
    if ragged:
        return None
    if len(shape) == len(declared) and all(want in (-1, have) for have, want in zip(shape, declared, strict=True)):
        return None
    return f"declared {words(spec)}, the data has shape {shape}"


def _entries(
    array: Any, spec: TensorSpec, policy: Policy, path: str, problems: list[Problem], faults: list[Fault]
) -> Any:
    """An array of exactly the declared dtype; a copy, so that the model cannot change the data."""
    if not isinstance(array, np.ndarray):
        dense = _entries(np.asarray(array.data), _stored(spec, array.data), policy, path, problems, faults)
        result = array.copy()
        result.data = dense
        return result
    same = array.dtype == spec.type or (spec.type.kind in "US" and array.dtype.kind == spec.type.kind)
    element = spec.element
    if element is None and (same or (spec.type == np.dtype(object) and tuple(spec.shape) == (-1,))):
        return array.copy()
    level = policy.tensor_level or policy.level_of(path)
    if element is None or (level == Level.STRICT and not same):  # no carrier here: strict is the very dtype
        fact = f"declared {words(spec)}, the data has {array.dtype}"
        problems.append(Problem(path, fact, Code.INCOMPATIBLE_TYPE))
        return None
    values, kind = from_numpy(array.reshape(-1)) if array.dtype != object else _objects_of(array, element)
    builder = NodeBuilder(policy, problems)
    node = builder.entry(element, kind, Path(path))
    if node is None:
        return None
    after = (*(() if node.nan else (NotNan(),)), *node.after)
    made, wrong = cast_array(node.cast, values, after)
    missing = bits(values.is_null())
    rows = array.shape[0] if array.ndim else 1
    for code, mask in [(Code.NULL, missing), *((w.code, w.mask) for w in wrong)]:
        if mask.any() and not (code is Code.NULL and array.dtype.kind == "M"):
            faults.append(Fault(f"{path}[]", code, np.asarray(mask.reshape(rows, -1).any(axis=1)), node.types))
    if same and not faults:
        return array.copy()
    if made.null_count and array.dtype.kind != "M":
        return None
    return stacked_entries(made, array.shape, element)


def _objects_of(array: Any, element: Declared) -> tuple[pa.Array, ObservedType]:
    return Reading().column(array.reshape(-1), element, "")


def _stored(spec: TensorSpec, data: Any) -> TensorSpec:
    """The spec for the entries that a sparse matrix stores."""
    return TensorSpec(spec.type, data.shape, spec.name)
