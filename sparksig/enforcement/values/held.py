"""What people hold in a notebook or a test: the contract on it, by the plan that a table would get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparksig.enforcement.nodes import AnyNode, ArrayNode, MapNode, Node, ScalarNode, StructNode
from sparksig.enforcement.planning import Match, match_columns, plan_table
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values.faults import Fault, Judged, together
from sparksig.enforcement.values.feeds import Feed
from sparksig.enforcement.values.nodes import enforce_arrow
from sparksig.enforcement.values.reading import Reading, columns_of, objects_in, read_column, tensors_of
from sparksig.enforcement.values.tensors import enforce_tensors
from sparksig.errors import Code, PolicyError, Problem, SchemaError
from sparksig.signature.dtypes import Kind
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import Object
from sparksig.sources.observed import Field, OtherType, StructType


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
    return enforced_values(data, schema, resolve_policy(policy, options), warns=True)


def enforced_values(data: Any, schema: ModelSignature | Schema, policy: Policy, *, warns: bool = False) -> Any:
    """What `enforce_values` returns; absent optional columns are reported only where `warns` is set."""
    if policy.keep:
        raise PolicyError("keep= hands columns through beside those of a frame; here comes what the model takes")
    inputs = schema.inputs if isinstance(schema, ModelSignature) else schema
    if inputs is None:
        no_inputs = Problem("", "the signature declares no inputs", Code.NO_INPUTS, "declare inputs=Schema([..])")
        raise SchemaError("the data does not fit the signature", [no_inputs])
    if inputs.is_tensor_spec() and (arrays := tensors_of(data, inputs)) is not None:
        return enforce_tensors(arrays, inputs, policy)
    held = Held.of(data, inputs, policy)
    plan = plan_table(held.table, inputs, policy).require_ok()
    if warns:
        plan.warn(stacklevel=4)
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
    if inputs.is_tensor_spec() and (arrays := tensors_of(data, inputs)) is not None:
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
            return replace(node, nulls=False)
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
        reading: the values of which nothing is declared.
        faults: by position of a column, the faults of its cells.
        labels: the columns' labels as the data has them.
        index: the DataFrame's index; None where there was none.
        given: the cells of columns that hold Python objects, and pandas' own columns, by position.
        listed: the columns whose values of Any are positions in the reading's list; in others they are the values.
    """

    table: StructType
    arrays: tuple[pa.Array, ...]
    rows: int
    reading: Reading
    faults: Mapping[int, Sequence[Fault]]
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
        columns, index = columns_of(data, schema)
        labels = [label for label, _ in columns]
        shown = StructType(tuple(Field(str(label), OtherType("")) for label in labels))
        matches = match_columns(shown, schema, policy)[0]
        declared = {at: _declared(match, labels[at], policy) for match in matches for at in match.positions}
        names = {
            at: f"{match.name}.{declared[at].name}" if match.built else match.name
            for match in matches
            for at in match.positions
        }
        if schema.is_tensor_spec() and not schema.has_input_names():
            declared = dict.fromkeys(range(len(labels)), next(iter(schema)))
        reading, arrays, fields, given, listed = Reading(), [], [], {}, set()
        faults: dict[int, Sequence[Fault]] = {}
        for at, (label, column) in enumerate(columns):
            cells = objects_in(column)
            if cells is not None or isinstance(column, pd.Series):
                given[at] = column if cells is None else cells
            before, faults_before = len(reading.anything), len(reading.faults)
            spec = declared.get(at)
            nulls = isinstance(spec, ColSpec) and policy.allows_null(spec, names[at])
            gaps = nulls and policy.stable_dtypes
            array, kind = read_column(column, spec, reading, str(label), nulls=nulls, gaps=gaps)
            faults[at] = reading.faults[faults_before:]
            if len(reading.anything) > before:
                listed.add(at)
            arrays.append(array)
            fields.append(Field(str(label), kind))
        rows = len(arrays[0]) if arrays else 0
        table = StructType(tuple(fields))
        return cls(table, tuple(arrays), rows, reading, faults, tuple(labels), index, given, frozenset(listed))

    def judged(self, plan: Plan) -> Judged:
        """The columns after enforcement; where a cell could not be opened, that is its one fault."""
        judged = enforce_arrow(plan, self.arrays, self.rows)
        fields = self.table.fields
        names = {
            at: f"{step.name}.{fields[at].name}" if step.built else step.name
            for step in plan.steps
            for at in step.positions
        }
        opening = [
            replace(fault, path=names[at] + fault.path.removeprefix(self.table.fields[at].name))
            for at, faults in self.faults.items()
            for fault in faults
            if at in names
        ]
        return Judged(judged.columns, together(opening, judged.faults))

    def restored(self, plan: Plan, judged: Judged) -> Any:
        """What the model takes, with the data's own index and, where the signature has no names, its labels."""
        feed = Feed.of(plan)
        given = [self.given.get(s.positions[0]) if s.positions and not s.built else None for s in plan.steps]
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
            result.columns = pd.Index([0 if s.built else self.labels[s.positions[0]] for s in plan.steps])
        if self.index is not None:
            result.index = self.index.copy()
        return result


def _declared(match: Match, label: object, policy: Policy) -> ColSpec | TensorSpec:
    """What is declared for a column that holds a declared column, or one of the members of a declared object."""
    if match.built and isinstance(match.spec, ColSpec) and isinstance(match.spec.type, Object):
        for p in match.spec.type.properties:
            if p.name == str(label) or (not policy.case_sensitive and p.name.lower() == str(label).lower()):
                return ColSpec(p.dtype, p.name, p.required)
    return match.spec


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
