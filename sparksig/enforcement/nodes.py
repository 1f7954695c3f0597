"""The nodes of a plan: what happens to a value, nested as the declared types are; frozen data without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import TypeAlias

import numpy as np

from sparksig.signature.casts import Cast, Guard, carrier
from sparksig.signature.paths import ELEMENT, VALUE
from sparksig.signature.schema import ColSpec, TensorSpec
from sparksig.signature.types import ColumnType
from sparksig.sources.observed import ObservedType


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
    """A value of any type, which reaches the model as it is.

    Attributes:
        observed: the table's type.
        nulls: whether a null is admitted.
        inside: what must hold of the value so that Python can hold it; None where it always does.
    """

    observed: ObservedType
    nulls: bool
    inside: Node | None = None

    @property
    def types(self) -> Types:
        """What was declared and what the table has, in words."""
        return Types("Any", str(self.observed))


@dataclass(frozen=True, slots=True)
class VariantNode:
    """A variant in a value of Any: its dates and timestamps must be those that Python can hold."""

    @property
    def types(self) -> Types:
        """What was declared and what the table has, in words."""
        return Types("Any", "variant")


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
    """A map whose values are all treated alike.

    Attributes:
        value: what happens to each value.
        nulls: whether a null is admitted.
        types: what was declared and what the table has.
        key: what must hold of each key; None where nothing is checked.
        unique: whether a key that appears twice is a violation, as where a dict is made of the map.
    """

    value: Node
    nulls: bool
    types: Types
    key: Node | None = None
    unique: bool = False


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

    @property
    def known(self) -> int:
        """How many entries the sizes make that the shape does not leave open."""
        return int(np.prod([size for size in self.shape if size >= 0], dtype=int))


@dataclass(frozen=True, slots=True)
class ColumnsNode:
    """One tensor of rank one a row, each entry in a column of its own; a null entry is always a violation."""

    entries: tuple[tuple[str, ScalarNode], ...]


Node: TypeAlias = (
    ScalarNode
    | AnyNode
    | VariantNode
    | AbsentNode
    | ArrayNode
    | MapNode
    | StructNode
    | VectorNode
    | TensorNode
    | ColumnsNode
)


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value is: a column, and the way inside it. `items` and `[].price` read `items[].price`."""

    column: str
    steps: tuple[str, ...] = ()

    def __truediv__(self, step: str) -> Path:
        return Path(self.column, (*self.steps, step))

    def __str__(self) -> str:
        return self.column + "".join(self.steps)


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
        case ColumnsNode(entries):
            yield from entries


def entry_path(node: TensorNode) -> str:
    """The way from a tensor's column to its entries."""
    match node.layout:
        case Layout.SCALAR:
            return ""
        case Layout.NESTED:
            return ELEMENT * len(node.shape)
        case _:
            return ELEMENT
