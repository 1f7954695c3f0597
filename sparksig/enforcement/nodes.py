"""What happens to one value, as frozen data that nests as the declared type does, and how it is decided.

A node is made from a declared and an observed type, and from nothing else: no row, no Spark. `sql` spells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import prod
from typing import TypeAlias

from sparksig.enforcement.columns import differs_by_case, find_name
from sparksig.enforcement.policy import Policy
from sparksig.errors import Code, Problem
from sparksig.signature.casts import (
    Between,
    Cast,
    Fixed,
    Guard,
    InNanoseconds,
    Source,
    carrier,
    find_cast,
    find_rounding,
)
from sparksig.signature.dtypes import ELEMENTS, SPARK, Element, Kind
from sparksig.signature.schema import ColSpec, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import (
    ArrayType,
    DecimalType,
    Field,
    MapType,
    ObservedType,
    OtherType,
    ScalarType,
    StructType,
    VectorType,
)


@dataclass(frozen=True, slots=True)
class Types:
    """What was declared at a place and what the table has there, in words."""

    declared: str
    observed: str


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value: cast, then judged.

    Attributes:
        cast: the cell of the cast table.
        nulls: whether a null is admitted.
        nan: whether NaN is admitted.
        after: what the cast value must satisfy besides: the bounds of the model's container.
    """

    cast: Cast
    nulls: bool
    nan: bool = True
    after: tuple[Guard, ...] = ()

    @property
    def types(self) -> Types:
        """What was declared and what the table has, in words."""
        return Types(self.cast.target.mlflow or self.cast.target.numpy, carrier(self.cast.source))


@dataclass(frozen=True, slots=True)
class AnyNode:
    """A value of any type, handed on as it is."""

    observed: ObservedType
    nulls: bool

    @property
    def types(self) -> Types:
        """What was declared and what the table has, in words."""
        return Types("Any", str(self.observed))


@dataclass(frozen=True, slots=True)
class AbsentNode:
    """An optional column or member that the table has not: a typed null."""

    declared: ColumnType


@dataclass(frozen=True, slots=True)
class ArrayNode:
    """An array whose elements are all treated alike; `types` says what is told of it."""

    element: Node
    nulls: bool
    types: Types


@dataclass(frozen=True, slots=True)
class MapNode:
    """A map with string keys whose values are all treated alike."""

    value: Node
    nulls: bool
    types: Types


@dataclass(frozen=True, slots=True)
class Member:
    """A declared property, and which field of the observed struct it is; None for an absent optional one."""

    name: str
    position: int | None
    node: Node


@dataclass(frozen=True, slots=True)
class StructNode:
    """A struct; `same` says that its fields are the declared properties, in their order, and nothing else."""

    members: tuple[Member, ...]
    nulls: bool
    same: bool
    types: Types


@dataclass(frozen=True, slots=True)
class VectorNode:
    """A Spark ML vector, from a vector column or from an array of doubles; a null entry is always a violation."""

    from_vector: bool
    nulls: bool
    nan: bool
    types: Types


class Layout(StrEnum):
    """How the entries of one row's tensor lie in the table."""

    FLAT = "flat"  # one array, C order
    NESTED = "nested"  # arrays in arrays, as deep as the shape
    VECTOR = "vector"  # a Spark ML vector
    BINARY = "binary"  # the bytes of the entries, C order, little-endian
    SCALAR = "scalar"  # one value: the shape has one entry


@dataclass(frozen=True, slots=True)
class TensorNode:
    """One tensor a row.

    Attributes:
        element: what happens to each entry; a null entry is always a violation.
        shape: the shape of one row's tensor, without the batch dimension; -1 is any size.
        layout: how the entries lie in the table.
        nulls: whether a null row is admitted.
    """

    element: ScalarNode
    shape: tuple[int, ...]
    layout: Layout
    nulls: bool
    types: Types

    @property
    def length(self) -> int | None:
        """How many entries a row has; None where the shape leaves a size open."""
        return None if -1 in self.shape else prod(self.shape)


@dataclass(frozen=True, slots=True)
class ColumnsNode:
    """One tensor of rank one a row, each entry in a column of its own; a null entry is always a violation."""

    entries: tuple[tuple[str, ScalarNode], ...]


Node: TypeAlias = (
    ScalarNode | AnyNode | AbsentNode | ArrayNode | MapNode | StructNode | VectorNode | TensorNode | ColumnsNode
)


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value is: a column, and the way inside it. `items` and `[].price` read `items[].price`."""

    column: str
    inner: str = ""

    def __truediv__(self, step: str) -> Path:
        return Path(self.column, self.inner + step)

    def __str__(self) -> str:
        return self.column + self.inner


ELEMENT, VALUE = "[]", "{}"
"""The steps into an array's elements and a map's values; a map's keys are data and never told."""


@dataclass(frozen=True, slots=True)
class NodeBuilder:
    """Decides nodes under one policy, and collects every fault on the way."""

    policy: Policy
    problems: list[Problem]

    def column(self, spec: ColSpec | TensorSpec, fields: Sequence[Field], path: Path) -> Node | None:
        """The node of a declared column on the columns of the table that hold it; None if there was a fault."""
        nulls = not spec.required or self.policy.admits_nulls(path.column)
        if isinstance(spec, ColSpec):
            return self._node(spec.type, fields[0].type, path, nulls)
        if len(fields) > 1:
            return self._columns(spec, fields)
        return self._tensor(spec, fields[0].type, path, nulls)

    def _node(self, declared: ColumnType, kind: ObservedType, path: Path, nulls: bool) -> Node | None:
        types = Types(words(declared), str(kind))
        match declared, kind:
            case DataType(), _:
                return self._scalar(declared.element, kind, path, nulls, container=not path.inner)
            case AnyType(), _:
                return AnyNode(kind, nulls)
            case Array(dtype), ArrayType(element):
                inner = self._node(dtype, element, path / ELEMENT, nulls)
                return None if inner is None else ArrayNode(inner, nulls, types)
            case Map(value_type), MapType(ScalarType(Element(numpy="str")), value):
                inner = self._node(value_type, value, path / VALUE, nulls)
                return None if inner is None else MapNode(inner, nulls, types)
            case Object(), StructType():
                return self._struct(declared, kind, path, nulls)
            case SparkMLVector(), _ if path.inner:
                self._unsupported(path, "vectors inside other columns are not enforced")
                return None
            case SparkMLVector(), VectorType() | ArrayType(ScalarType(Element(numpy="float64"))):
                return VectorNode(isinstance(kind, VectorType), nulls, self.policy.allow_nan, types)
        self._refuse(path, words(declared), kind)
        return None

    def _struct(self, declared: Object, kind: StructType, path: Path, nulls: bool) -> StructNode | None:
        names = [field.name for field in kind.fields]
        members: list[Member] = []
        if _holds_vector(kind):
            self._unsupported(path, "vectors inside structs cannot be opened by Spark SQL")
            return None
        before = len(self.problems)
        for prop in declared.properties:
            step = path / f".{prop.name}"
            found = find_name(prop.name, names, self.policy.case_sensitive)
            # null members follow their column where that admits nulls, and their own property where it does not
            admits = nulls or not prop.required or self.policy.admits_nulls(step.column, step.inner)
            if isinstance(found, int):
                node = self._node(prop.dtype, kind.fields[found].type, step, admits)
                if node is not None:
                    members.append(Member(prop.name, found, node))
            elif found.code is Code.MISSING_COLUMN and not prop.required and not differs_by_case(prop.name, names):
                members.append(Member(prop.name, None, AbsentNode(prop.dtype)))
            else:
                code = Code.MISSING_FIELD if found.code is Code.MISSING_COLUMN else found.code
                fact = "required, but the struct has no such field" if code is Code.MISSING_FIELD else found.fact
                self.problems.append(Problem(str(step), fact, code, found.hint))
        self._unknown_fields(declared, kind, path)
        if len(self.problems) > before:
            return None
        same = [m.name for m in members] == names
        return StructNode(tuple(members), nulls, same, Types(words(declared), str(kind)))

    def _unknown_fields(self, declared: Object, kind: StructType, path: Path) -> None:
        known = {p.name if self.policy.case_sensitive else p.name.lower() for p in declared.properties}
        for field in kind.fields:
            name = field.name if self.policy.case_sensitive else field.name.lower()
            if name not in known and not differs_by_case(field.name, [p.name for p in declared.properties]):
                hint = "declare it as an optional Property, or leave it out of the struct"
                fact = "the signature has no such property"
                self.problems.append(Problem(str(path / f".{field.name}"), fact, Code.UNEXPECTED_FIELD, hint))

    def _tensor(self, spec: TensorSpec, kind: ObservedType, path: Path, nulls: bool) -> TensorNode | None:
        row, shape = spec.element, tuple(spec.shape[1:])
        if row is None:
            self._unsupported(path, f"{spec.type.name} has no Spark type that carries it")
            return None
        if not spec.shape or spec.shape[0] != -1:
            self._unsupported(path, f"{words(spec)} has no open first dimension: a table has any number of rows")
            return None
        layout, entry = _layout(shape, kind, row)
        if layout is None:
            self._refuse(path, words(spec), kind, _TENSOR_HINT)
            return None
        if layout is Layout.BINARY and row.kind is Kind.FLOAT and not self.policy.allow_nan:
            self._unsupported(path, "allow_nan=False cannot be asked of binary tensors")
            return None
        before = len(self.problems)
        element = self._scalar(row, entry, path, False, container=False)
        if element is None:  # told of the column that the table has, not of the entries in it
            self.problems[before:] = [
                replace(problem, fact=f"declared {words(spec)}, the table has {kind}")
                for problem in self.problems[before:]
            ]
            return None
        return TensorNode(element, shape, layout, nulls, Types(words(spec), str(kind)))

    def _columns(self, spec: TensorSpec, fields: Sequence[Field]) -> ColumnsNode | None:
        entries = []
        for field in fields:
            path = Path(field.name)
            if spec.element is None:
                self._unsupported(path, f"{spec.type.name} has no Spark type that carries it")
            elif (node := self._scalar(spec.element, field.type, path, False, container=False)) is not None:
                entries.append((field.name, node))
        return ColumnsNode(tuple(entries)) if len(entries) == len(fields) else None

    def _scalar(
        self, target: Element, kind: ObservedType, path: Path, nulls: bool, *, container: bool
    ) -> ScalarNode | None:
        source = _source(kind)
        exact = None if source is None else find_cast(source, target)
        declared = target.mlflow or target.numpy
        if exact is None or source is None:
            self._refuse(path, declared, kind)
            return None
        level = self.policy.level_of(path.column, path.inner)
        rounding = find_rounding(source, target)
        if self.policy.rounds(path.column, path.inner) and rounding is not None and rounding.level <= level:
            exact = rounding
        if exact.level > level:
            hint = f"level='{exact.level}' admits it, value by value"
            if exact.level <= "safe":
                hint = f"level='{exact.level}' admits it, without loss"
            if rounding is not None:
                hint += "; allow_rounding=True rounds each value to the nearest"
            self._refuse(path, declared, kind, hint)
            return None
        after = tuple(_container(target, nulls, container))
        return ScalarNode(exact, nulls, self.policy.allow_nan or target.kind is not Kind.FLOAT, after)

    def _refuse(self, path: Path, declared: str, kind: ObservedType, hint: str | None = None) -> None:
        if isinstance(kind, OtherType):
            self._unsupported(path, f"declared {declared}, the table has {kind}, which only Any takes")
            return
        fact = f"declared {declared}, the table has {kind}"
        self.problems.append(Problem(str(path), fact, Code.INCOMPATIBLE_TYPE, hint))

    def _unsupported(self, path: Path, fact: str) -> None:
        self.problems.append(Problem(str(path), fact, Code.UNSUPPORTED_TYPE))


def words(declared: ColSpec | TensorSpec | ColumnType) -> str:
    """The declared type in words: `long`, `Array(double)`, `float32(-1, 8, 8)`.

    >>> import numpy as np
    >>> words(TensorSpec(np.dtype("float32"), (-1, 8, 8)))
    'float32(-1, 8, 8)'
    """
    if isinstance(declared, TensorSpec):
        return f"{declared.type.name}({', '.join(map(str, declared.shape))})"
    return repr(declared.type if isinstance(declared, ColSpec) else declared)


def leaves(node: Node, inner: str = "") -> Iterator[tuple[str, ScalarNode]]:
    """Every scalar in a node, with the way to it."""
    match node:
        case ScalarNode():
            yield inner, node
        case ArrayNode(element):
            yield from leaves(element, inner + ELEMENT)
        case MapNode(value):
            yield from leaves(value, inner + VALUE)
        case StructNode(members):
            for member in members:
                yield from leaves(member.node, f"{inner}.{member.name}")
        case TensorNode(element):
            yield inner + entry_path(node), element


def entry_path(node: TensorNode) -> str:
    """The way from a tensor's column to its entries."""
    match node.layout:
        case Layout.SCALAR:
            return ""
        case Layout.NESTED:
            return ELEMENT * len(node.shape)
        case _:
            return ELEMENT


_TENSOR_HINT = "a tensor is an array of its entries, flat in C order or nested as its shape is, a vector, or binary"


def _layout(shape: tuple[int, ...], kind: ObservedType, row: Element) -> tuple[Layout | None, ObservedType]:
    """How a column can hold a tensor, and the type of its entries there; no layout where it cannot."""
    # in one run of entries at most one size can be left open: it follows from the others and the length
    one_run = len(shape) > 0 and shape.count(-1) <= 1
    if isinstance(kind, ScalarType | DecimalType):
        if _is_binary(kind, row):
            return (None if -1 in shape else Layout.BINARY), ScalarType(SPARK.get(row.spark, row))
        return (Layout.SCALAR if shape in ((), (1,)) else None), kind
    if isinstance(kind, VectorType):
        return (Layout.VECTOR if one_run else None), ScalarType(SPARK["double"])
    depth = 0
    entry: ObservedType = kind
    while isinstance(entry, ArrayType):
        depth, entry = depth + 1, entry.element
    if depth == len(shape) and depth > 1:
        return Layout.NESTED, entry
    return (Layout.FLAT if depth == 1 and one_run else None), entry


def _is_binary(kind: ObservedType, row: Element) -> bool:
    """Whether the column holds the bytes of entries: text and moments have no bytes of their own."""
    return kind == ScalarType(SPARK["binary"]) and (row.is_number or row.kind is Kind.BOOLEAN)


def _container(target: Element, nulls: bool, column: bool) -> Iterator[Guard]:
    """What the array that the model receives can hold: integers beside nulls are float64, moments are nanoseconds."""
    if target.kind is Kind.DATETIME:
        yield InNanoseconds()
    double = ELEMENTS["float64"]
    if column and nulls and target.kind is Kind.INTEGER and target.digits > double.digits:
        yield Between(double.low, double.high, Code.NOT_EXACT)


def _source(kind: ObservedType) -> Source | None:
    match kind:
        case ScalarType(element):
            return element
        case DecimalType(precision, scale):
            return Fixed(precision, scale)
    return None


def _holds_vector(kind: ObservedType) -> bool:
    match kind:
        case StructType(fields):
            return any(_holds_vector(field.type) for field in fields)
        case ArrayType(inner) | MapType(_, inner):
            return _holds_vector(inner)
        case OtherType(name):
            return name.startswith("user-defined")
    return isinstance(kind, VectorType)
