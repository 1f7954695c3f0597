"""The table: every fact about an element type stands in one row of it, once.

An *element* is what one cell of a column or one entry of a tensor can be. Its row says what numpy, MLflow, Spark and
Arrow call it and, for numbers, how many integer bits it holds exactly. Lookups are indexes built from the rows, so a
type is added by adding a row; whether every value of one type is a value of another is one comparison of intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The families of element types."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"
    BINARY = "binary"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class Element:
    """One row of the table.

    Attributes:
        numpy: numpy's name of the dtype; the key of the row.
        mlflow: MLflow's DataType name, None where only a tensor can declare the type.
        number: the value of MLflow's DataType enum, None where `mlflow` is.
        spark: the Spark type that carries it, by its name in Spark's schema JSON (which Spark SQL parses too).
        arrow: pyarrow's alias of the type.
        kind: the family.
        digits: numbers only, the bits of an integer that is always held exactly (int32 31, float32 24, float64 53).
        signed: False for unsigned integers.
        decimals: floats only, the decimal precision that survives the way into the type and back, where a decimal of
            that precision may be widened silently.
        largest: floats only, the largest finite value, as an integer.
        suffix: the suffix of a number literal in Spark SQL that has exactly this type, None where there is none.
    """

    numpy: str
    mlflow: str | None
    number: int | None
    spark: str
    arrow: str
    kind: Kind
    digits: int = 0
    signed: bool = True
    decimals: int = 0
    largest: int = 0
    suffix: str | None = None

    def __repr__(self) -> str:
        return f"Element({self.numpy!r})"

    @property
    def low(self) -> int:
        """The least integer such that all integers from it up to `high` are held exactly."""
        if self.kind is Kind.FLOAT:
            return -(1 << self.digits)
        return -(1 << self.digits) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest integer such that all integers from `low` up to it are held exactly.

        >>> ELEMENTS["float32"].high, ELEMENTS["int8"].high
        (16777216, 127)
        """
        return 1 << self.digits if self.kind is Kind.FLOAT else (1 << self.digits) - 1

    @property
    def is_number(self) -> bool:
        """Whether the type is an integer or a float."""
        return self.kind in (Kind.INTEGER, Kind.FLOAT)


_B, _I, _F, _S, _Y, _D = Kind.BOOLEAN, Kind.INTEGER, Kind.FLOAT, Kind.STRING, Kind.BINARY, Kind.DATETIME

# fmt: off
TABLE: tuple[Element, ...] = (
    #       numpy             mlflow      no.   spark            arrow            kind
    Element("bool",           "boolean",  1,    "boolean",       "bool",          _B),
    Element("int8",           None,       None, "byte",          "int8",          _I, digits=7, suffix="Y"),
    Element("int16",          None,       None, "short",         "int16",         _I, digits=15, suffix="S"),
    Element("int32",          "integer",  2,    "integer",       "int32",         _I, digits=31, suffix=""),
    Element("int64",          "long",     3,    "long",          "int64",         _I, digits=63, suffix="L"),
    Element("uint8",          None,       None, "short",         "uint8",         _I, digits=8, signed=False),
    Element("uint16",         None,       None, "integer",       "uint16",        _I, digits=16, signed=False),
    Element("uint32",         None,       None, "long",          "uint32",        _I, digits=32, signed=False),
    Element("uint64",         None,       None, "decimal(20,0)", "uint64",        _I, digits=64, signed=False),
    Element("float16",        None,       None, "float",         "halffloat",     _F, digits=11, largest=65504),
    Element("float32",        "float",    4,    "float",         "float",         _F, digits=24, suffix="F",
            largest=(2**24 - 1) << 104),
    Element("float64",        "double",   5,    "double",        "double",        _F, digits=53, suffix="D",
            largest=(2**53 - 1) << 971, decimals=15),
    Element("str",            "string",   6,    "string",        "string",        _S),
    Element("bytes",          "binary",   7,    "binary",        "binary",        _Y),
    Element("datetime64[ns]", "datetime", 8,    "timestamp",     "timestamp[ns]", _D),
    Element("datetime64[us]", None,       None, "timestamp_ntz", "timestamp[us]", _D),
    Element("datetime64[D]",  None,       None, "date",          "date32",        _D),
)
# fmt: on

ELEMENTS: dict[str, Element] = {row.numpy: row for row in TABLE}
"""Rows by numpy name."""

MLFLOW: dict[str, Element] = {row.mlflow: row for row in TABLE if row.mlflow is not None}
"""Rows by MLflow name."""


def _widest(name: Callable[[Element], str]) -> dict[str, Element]:
    """An index in which the row that fills its type wins over rows that merely ride on it."""
    index: dict[str, Element] = {}
    for row in sorted(TABLE, key=lambda row: row.digits):
        index[name(row)] = row
    return index


SPARK: dict[str, Element] = {name: row for name, row in _widest(lambda row: row.spark).items() if "(" not in name}
"""Rows by Spark name: the row that is the Spark type itself (`short` is int16, and only carries uint8)."""

ARROW: dict[str, Element] = {row.arrow: row for row in TABLE}
"""Rows by Arrow alias."""
