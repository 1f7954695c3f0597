"""How a column can hold a tensor, seen from its type alone."""

from __future__ import annotations

from math import prod

import numpy as np

from sparksig.enforcement.nodes import Layout
from sparksig.signature.dtypes import SPARK, Element, Kind
from sparksig.sources.observed import ArrayType, DecimalType, ObservedType, ScalarType, VectorType


def tensor_hint(row: Element, shape: tuple[int, ...]) -> str:
    """The ways in which a column can hold a tensor, in words, with the length of the array that would."""
    many = f"{prod(shape)} " if -1 not in shape else ""
    ways = [f"an array of its {many}entries, flat in C order"] if shape.count(-1) < 2 and shape else []
    ways += ["arrays nested as its shape is"] if len(shape) > 1 else []
    ways += ["a vector"] if row.is_number and ways and shape.count(-1) < 2 else []
    ways += ["one value"] if shape in ((), (1,)) else []
    if -1 not in shape and (row.is_number or row.kind is Kind.BOOLEAN):
        ways.append(f"binary of {prod(shape) * np.dtype(row.numpy).itemsize} bytes")
    return f"a row's tensor is {', or '.join(ways)}"


def layout_of(shape: tuple[int, ...], kind: ObservedType, row: Element) -> tuple[Layout | None, ObservedType]:
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
