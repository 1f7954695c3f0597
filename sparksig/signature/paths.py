"""Paths: where a value is in a row, as text. `items` is a column, `items[].price` a member of its elements.

A dot in a path may also be part of a column's name. Which column a path lies in is therefore decided from the columns
that there are, never from the beginning of the text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import Array, ColumnType, Map, Object, SparkMLVector

ELEMENT, VALUE = "[]", "{}"
"""The steps into an array's elements and a map's values; a map's keys are data and never shown."""


def paths_in(declared: ColSpec | TensorSpec | ColumnType, path: str) -> Iterator[str]:
    """The path of a declared column, then every path below it.

    >>> from sparksig.signature.types import Property
    >>> list(paths_in(Array(Object([Property("price", "double")])), "items"))
    ['items', 'items[]', 'items[].price']
    """
    yield path
    match declared:
        case ColSpec(type=kind):
            yield from (below for below in paths_in(kind, path) if below != path)
        case Array(dtype):
            yield from paths_in(dtype, path + ELEMENT)
        case Map(value_type):
            yield from paths_in(value_type, path + VALUE)
        case Object(properties):
            for prop in properties:
                yield from paths_in(prop.dtype, f"{path}.{prop.name}")


def _entries_in(spec: ColSpec | TensorSpec, path: str) -> Iterator[str]:
    """The paths of the entries of a tensor or a vector, which no option names."""
    if isinstance(spec, TensorSpec):
        yield from (path + ELEMENT * depth for depth in range(1, max(len(spec.shape), 2)))
    elif isinstance(spec.type, SparkMLVector):
        yield path + ELEMENT


def columns_by_path(schema: Schema) -> dict[str, tuple[str, ...]]:
    """For every path of a schema, the columns that have it: two where a name with a dot reads like a member.

    >>> from sparksig.signature.types import Property
    >>> price = Object([Property("raw", "double")])
    >>> columns_by_path(Schema([ColSpec(price, "price"), ColSpec("double", "price.raw")]))
    {'price': ('price',), 'price.raw': ('price', 'price.raw')}
    """
    columns: dict[str, tuple[str, ...]] = {}
    for name, spec in zip(map(str, schema.input_names()), schema, strict=True):
        for path in dict.fromkeys([*paths_in(spec, name), *_entries_in(spec, name)]):
            columns[path] = (*columns.get(path, ()), name)
    return columns


def column_of(path: str, columns: Iterable[str]) -> str | None:
    """The column in which a path lies; None if it is in none of them.

    Args:
        path: where a value is.
        columns: all columns that there are. Of several that the path can lie in, the longest name is taken.

    >>> column_of("price.raw", ["price", "price.raw"]), column_of("price.raw", ["price"])
    ('price.raw', 'price')
    """
    containing = [name for name in columns if path == name or path.startswith((f"{name}.", f"{name}[", f"{name}{{"))]
    return max(containing, key=len, default=None)
