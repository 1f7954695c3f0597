"""What two types have in common, and whether a signature may take another's place."""

from __future__ import annotations

from sparksig.errors import SignatureError
from sparksig.signature.types import AnyType, Array, ColumnType, Map, Object, Property


def merge(a: ColumnType, b: ColumnType) -> ColumnType:
    """The type of values of which some are of type `a` and some of type `b`, as MLflow infers it.

    Any says nothing about a value, so the other type stands; an Object then has optional properties only. A property
    that one side lacks is optional.

    Raises:
        SignatureError: there is no such type: an integer and a float, a scalar and a list.

    >>> merge(Object([Property("x", "long")]), Object([Property("x", "long"), Property("y", "string")]))
    {x: long (required), y: string (optional)}
    """
    match a, b:
        case _ if a == b:
            return a
        case (AnyType(), other) | (other, AnyType()):
            return _optional(other)
        case Array(x), Array(y):
            return Array(merge(x, y))
        case Map(x), Map(y):
            return Map(merge(x, y))
        case Object(xs), Object(ys):
            return _merge_objects(xs, ys)
        case _:
            raise SignatureError(f"{a!r} and {b!r} have no type in common")


def _optional(kind: ColumnType) -> ColumnType:
    match kind:
        case Object(properties):
            return Object([Property(p.name, p.dtype, False) for p in properties])
        case _:
            return kind


def _merge_objects(xs: tuple[Property, ...], ys: tuple[Property, ...]) -> Object:
    left, right = ({p.name: p for p in side} for side in (xs, ys))
    both = left.keys() & right.keys()
    merged = [
        Property(name, merge(left[name].dtype, right[name].dtype), left[name].required and right[name].required)
        for name in both
    ]
    return Object(merged + [Property(p.name, p.dtype, False) for p in (*xs, *ys) if p.name not in both])
