"""What a table holds, as a digest that does not depend on the order of its rows: nothing lost, doubled or changed.

The digest of two tables together is the sum of theirs, so scored and quarantined rows are held against their source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from sparksig.enforcement.frames import positional
from sparksig.enforcement.sql import column as numbered
from sparksig.scoring.anything import loosened

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType, MapType, StructField

_CHUNKS = ((40, 24), (20, 20), (0, 20))
"""The shifts and widths, in bits, of the pieces of a hash that are summed apart: a sum of longs holds 2^39 of them."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Rows, as a count and sums of the hashes of rows.

    Attributes:
        rows: how many rows.
        sums: the sum of each piece of their hashes.
        xor: the exclusive or of their hashes.

    >>> one, other = Digest(1, (1, 2, 3), 5), Digest(2, (0, 0, 1), 4)
    >>> one + other
    Digest(rows=3, sums=(1, 2, 4), xor=1)
    >>> str(one)
    '1-1-2-3-0000000000000005'
    """

    rows: int = 0
    sums: tuple[int, ...] = (0,) * len(_CHUNKS)
    xor: int = 0

    def __add__(self, other: Digest) -> Digest:
        sums = tuple(a + b for a, b in zip(self.sums, other.sums, strict=True))
        return Digest(self.rows + other.rows, sums, self.xor ^ other.xor)

    def __str__(self) -> str:
        return "-".join([str(self.rows), *(f"{part:x}" for part in self.sums), f"{self.xor % 2**64:016x}"])


def digest(df: DataFrame, fields: Sequence[StructField]) -> Digest:
    """The digest of a frame's first columns, in one job.

    Args:
        df: the frame.
        fields: its first columns, as the source has them: what they are decides how they are hashed, so that a source
            and what was written from it are hashed alike.
    """
    from pyspark.sql import functions as F

    columns = [(numbered(i), field) for i, field in enumerate(fields)]
    hashed = positional(df).select(row_hash(columns).alias("h"))
    pieces = [F.shiftrightunsigned("h", shift).bitwiseAND(F.lit((1 << width) - 1)) for shift, width in _CHUNKS]
    found = hashed.agg(
        F.count(F.lit(1)), F.expr("coalesce(bit_xor(h), 0)"), *[F.coalesce(F.sum(p), F.lit(0)) for p in pieces]
    ).collect()[0]
    return Digest(int(found[0]), tuple(int(part) for part in found[2:]), int(found[1]))


def row_hash(columns: Sequence[tuple[str, StructField]]) -> Column:
    """The hash of a row: its columns' names, plain words, and what they hold."""
    from pyspark.sql import functions as F

    parts = [part for name, f in columns for part in _canonical(F.col(name), f.dataType, f.nullable)]
    return F.xxhash64(*parts) if parts else F.lit(0).cast("long")


def together(parts: Sequence[Digest]) -> Digest:
    """The digest of several tables as one."""
    return reduce(add, parts, Digest())


def _canonical(value: Column, kind: DataType, nullable: bool) -> Iterator[Column]:
    """What of a value goes into the hash of its row.

    A hash passes over nulls, so that they are said apart; it takes no maps, whose entries are hashed sorted, and no
    variants, which are hashed as JSON. Spark's hash takes every NaN for one and -0.0 for 0.0.
    """
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if nullable:
        yield value.isNull()
    match kind:
        case T.StructType():
            # fields by position: their names may be alike or hold anything
            kinds = [loosened(f.dataType) for f in kind.fields]  # what is read back may be null anywhere
            renamed = T.StructType([T.StructField(f"f{i}", one, True) for i, one in enumerate(kinds)])
            whole = value.cast(renamed)
            for i, f in enumerate(kind.fields):
                yield from _canonical(whole.getField(f"f{i}"), f.dataType, True)
        case T.MapType():
            yield F.size(value)
            yield F.array_sort(F.transform(F.map_entries(value), _entry(kind)))
        case T.ArrayType(elementType=inner) if not _plain(inner):
            yield F.size(value)
            yield F.transform(value, lambda element: F.struct(*_canonical(element, inner, True)))
        case T.ArrayType():
            yield F.size(value)
            yield value
            if kind.containsNull:  # where they are, only in an array that has some
                nulls = F.transform(value, lambda element: element.isNull())
                yield F.when(F.exists(value, lambda element: element.isNull()), nulls)
        case _ if kind.typeName() == "variant":
            yield F.to_json(value)
        case T.StringType():
            # as binary, because a collation makes different strings equal
            yield value.cast("binary")
        case _:
            yield value


def _entry(kind: MapType) -> Callable[[Column], Column]:
    from pyspark.sql import functions as F

    def entry(one: Column) -> Column:
        return F.struct(
            *_canonical(one.getField("key"), kind.keyType, False),
            *_canonical(one.getField("value"), kind.valueType, True),
        )

    return entry


def _plain(kind: DataType) -> bool:
    """Whether Spark's own hash of an array of such elements says all but where nulls are."""
    from pyspark.sql import types as T

    nested = isinstance(kind, T.ArrayType | T.MapType | T.StructType | T.StringType)
    return not nested and kind.typeName() != "variant"
