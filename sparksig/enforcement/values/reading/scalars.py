"""Scalars of Python's, numpy's and pandas' classes as Arrow arrays.

Of values of several classes one type is found that holds them all; a value that it does not hold is a fault of its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparksig.enforcement.nodes import Types
from sparksig.enforcement.values.casts import Mask, arrow_type, cast_array
from sparksig.enforcement.values.faults import Fault, faults_of, lost
from sparksig.errors import Code
from sparksig.signature.casts import Between, find_cast
from sparksig.signature.dtypes import ELEMENTS, SPARK, Element, Kind
from sparksig.sources.observed import DecimalType, ObservedType, OtherType, ScalarType

_CLASSES: dict[type, Element] = {
    **{np.dtype(row.numpy).type: row for row in ELEMENTS.values() if row.kind not in (Kind.DATETIME, Kind.BINARY)},
    bool: ELEMENTS["bool"],
    int: ELEMENTS["int64"],
    float: ELEMENTS["float64"],
    str: ELEMENTS["str"],
    bytes: ELEMENTS["bytes"],
    bytearray: ELEMENTS["bytes"],
    np.bytes_: ELEMENTS["bytes"],
    datetime: ELEMENTS["datetime64[us]"],
    pd.Timestamp: ELEMENTS["datetime64[us]"],
    np.datetime64: ELEMENTS["datetime64[us]"],
    date: ELEMENTS["datetime64[D]"],
}
"""The element type of a value by its exact class."""

_WIDEST = 38  # digits of the widest decimal


@dataclass(frozen=True, slots=True)
class Scalars:
    """Reads the scalars of one place: what they are is read from their classes.

    Attributes:
        path: where they are.
        faults: where rows are noted whose value the common type does not hold.
        nan_is_null: whether NaN is a null where no float is declared, also if all other values are floats.
    """

    path: str
    faults: list[Fault]
    nan_is_null: bool = False

    def column(self, cells: Any, declared: Element) -> tuple[pa.Array, ObservedType]:
        """Scalars as an Arrow array, and the type that they show."""
        if isinstance(cells, np.ndarray) and cells.dtype.kind not in "OUT":
            return nan_as_null(*from_numpy(cells), declared) if self.nan_is_null else from_numpy(cells)
        values = np.fromiter(cells, dtype=object, count=len(cells))
        classes = set(map(type, values))
        if len(classes) == 1 and float in classes:
            floats = pa.array(values.astype(float)), ScalarType(ELEMENTS["float64"], generic=True)
            return nan_as_null(*floats, declared) if self.nan_is_null else floats
        missing = _missing(values, classes, nan_is_value=not self.nan_is_null or declared.kind is Kind.FLOAT)
        kept = values[~missing]
        classes = set(map(type, kept))
        if not classes:
            return pa.nulls(len(values), arrow_type(declared)), ScalarType(SPARK.get(declared.spark, declared))
        if classes == {Decimal}:
            return _decimals(values, kept, missing)
        rows = {_CLASSES[kind] for kind in classes} if classes <= _CLASSES.keys() else set()
        row = rows.pop() if len(rows) == 1 else _together(rows)
        if row is None:
            return pa.nulls(len(values)), OtherType(_named(classes))
        if row.kind is Kind.DATETIME:
            return self._moments(values, kept, missing, row)
        if row.kind is Kind.STRING:
            values, missing = self._texts(values, missing)
        wider = any(kind is int or _CLASSES[kind].high > row.high for kind in classes)
        if row.numpy == "int64" and wider and not _in_longs(kept):
            return _long_integers(values, kept, missing)
        if row.kind is Kind.FLOAT and not all(issubclass(kind, float | np.floating) for kind in classes):
            # numpy's integers and floats compare as floats, Python's as what they are
            values = np.fromiter((v.item() if isinstance(v, np.generic) else v for v in values), object, len(values))
            kept = values[~missing]
            if declared.kind is Kind.INTEGER and not all(map(_is_double, kept)):
                return self._wholes(values, missing)
            values, missing = self._doubles(values, missing)
        if row.kind is Kind.BINARY:
            values = np.array([None if gone else bytes(v) for v, gone in zip(values, missing, strict=True)], object)
        elif row.is_number:
            values[missing] = 0
            generic = classes <= {int, float}
            return pa.array(values.astype(row.numpy), mask=missing), ScalarType(row, generic)
        return pa.array(values, pa.type_for_alias(row.arrow), mask=missing), ScalarType(row)

    def _doubles(self, values: np.ndarray[Any, Any], missing: Mask) -> tuple[np.ndarray[Any, Any], Mask]:
        """Without the whole numbers among floats that no double holds: they are faults of their rows."""
        inexact = np.fromiter((not gone and not _is_double(v) for v, gone in zip(values, missing, strict=True)), bool)
        self._note(Code.NOT_EXACT, inexact, Types("double", "an integer among floats"))
        return values, missing | inexact

    def _wholes(self, values: np.ndarray[Any, Any], missing: Mask) -> tuple[pa.Array, ObservedType]:
        """Integers that no double holds among floats, where integers are declared: each value by itself."""
        long = ELEMENTS["int64"]
        whole = [
            gone or (value == value and abs(value) != np.inf and int(value) == value and long.low <= value <= long.high)
            for value, gone in zip(values, missing, strict=True)
        ]
        good = np.array(whole, bool)
        self._note(Code.NOT_EXACT, ~good, Types("long", "a float among integers"))
        absent = missing | ~good
        found = [None if gone else int(value) for value, gone in zip(values, absent, strict=True)]
        return pa.array(found, pa.int64()), ScalarType(long)

    def _moments(
        self, values: np.ndarray[Any, Any], kept: np.ndarray[Any, Any], missing: Mask, row: Element
    ) -> tuple[pa.Array, ObservedType]:
        """Datetimes in microseconds, or nanoseconds where one needs them; what does not fit is a fault of its row."""
        if row.numpy == "datetime64[D]":
            return pa.array(values, pa.date32(), mask=missing), ScalarType(row)
        zoned = {isinstance(v, datetime) and v.tzinfo is not None for v in kept}
        if len(zoned) > 1:
            return pa.nulls(len(values)), OtherType("datetimes with and without a zone")
        found = [None if gone else _nanos(v) for v, gone in zip(values, missing, strict=True)]
        fine = any(v is not None and v % 1000 for v in found)
        unit, step = ("ns", 1) if fine else ("us", 1000)
        types = Types("datetime", "timestamp" if zoned == {True} else "timestamp_ntz")
        whole = [None if v is not None and v.denominator > 1 else v for v in found]
        self._note(Code.NOT_EXACT, lost(found, whole), types)
        ticks = [None if v is None or not _LONG.low <= v // step <= _LONG.high else int(v) // step for v in whole]
        self._note(Code.OUT_OF_RANGE, lost(whole, ticks), types)
        naive = pa.array(ticks, pa.int64()).cast(pa.timestamp(unit))
        if zoned == {True}:
            return naive.cast(pa.timestamp(unit, tz="UTC")), ScalarType(SPARK["timestamp"])
        return naive, ScalarType(row, generic=True)

    def _texts(self, values: np.ndarray[Any, Any], missing: Mask) -> tuple[np.ndarray[Any, Any], Mask]:
        """Without the texts that UTF-8 does not hold, half of a surrogate pair: they are faults of their rows."""
        broken = np.fromiter((isinstance(v, str) and not encodes(v) for v in values), bool, len(values))
        self._note(Code.UNPARSABLE, broken, Types("string", "text that is no Unicode"))
        return values, missing | broken

    def _note(self, code: Code, mask: Mask, types: Types) -> None:
        self.faults.extend(faults_of(self.path, code, mask, types))


def from_numpy(array: np.ndarray[Any, Any]) -> tuple[pa.Array, ObservedType]:
    """A 1-D array of one of numpy's own dtypes as an Arrow array; NaN stays a value, NaT is a null.

    >>> from_numpy(np.array([1, 2], "uint8"))[1].element.numpy
    'uint8'
    """
    kind = array.dtype.kind
    if kind == "M":
        unit = np.datetime_data(array.dtype)[0]
        row = ELEMENTS["datetime64[D]" if unit == "D" else "datetime64[us]"]
        finest = array if unit in ("D", "us", "ns") else array.astype("M8[us]")
        if not np.array_equal(finest.astype(array.dtype), array, equal_nan=True):  # numpy's casts wrap around
            return pa.nulls(len(array)), OtherType("datetimes that microseconds do not hold")
        return pa.array(finest, mask=np.isnat(array)), ScalarType(row, generic=unit != "D")
    if kind == "S":
        return pa.array(array.tolist(), pa.binary()), ScalarType(ELEMENTS["bytes"])
    found = ELEMENTS.get(array.dtype.name)
    if found is None:
        return pa.nulls(len(array)), OtherType(array.dtype.name)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return pa.array(np.ascontiguousarray(native)), ScalarType(found)


def is_missing(cell: object) -> bool:
    """Whether a cell is a null: None, NA and NaT; NaN, too, which among floats is a value."""
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float | np.floating) and cell != cell)


def nan_as_null(array: pa.Array, kind: ObservedType, declared: Element) -> tuple[pa.Array, ObservedType]:
    """Values of numpy or Python with NaN as a null, unless a float is declared: then NaN is a value.

    Where nothing but NaN remains, the values show no type, and the declared one is returned.

    >>> nan_as_null(*from_numpy(np.array([np.nan])), ELEMENTS["int64"])[1].element.numpy
    'int64'
    """
    if declared.kind is Kind.FLOAT or not pa.types.is_floating(array.type) or not len(array):
        return array, kind
    values = array.to_numpy(zero_copy_only=False)
    nan = np.isnan(values)
    if not nan.any():
        return array, kind
    if nan.all():
        return pa.nulls(len(array), arrow_type(declared)), ScalarType(SPARK.get(declared.spark, declared))
    return pa.array(values, mask=nan), kind


def integers_of(array: pa.Array, declared: Element, path: str) -> tuple[pa.Array, list[Fault]]:
    """Doubles of pandas or numpy as the integers that are declared, NaN as a null.

    pandas and numpy have no other form for integers with nulls, and the model receives them in this form as well.

    Args:
        array: the doubles.
        declared: the integer type.
        path: where they are.

    Returns:
        The integers, null where a double is not one, and the faults of those rows.

    >>> integers_of(pa.array([1.0, np.nan]), ELEMENTS["int64"], "n")[0].to_pylist()
    [1, None]
    """
    values, _ = nan_as_null(array, ScalarType(ELEMENTS["float64"]), declared)
    if pa.types.is_integer(values.type):
        return values, []
    cast = find_cast(ELEMENTS["float64"], declared)
    assert cast is not None
    double = cast.source
    assert isinstance(double, Element)
    # beyond them a double stands for several integers
    bounds = (Between(double.low, double.high, Code.NOT_EXACT),) if declared.digits > double.digits else ()
    result, wrong = cast_array(cast, values, bounds)
    types = Types(declared.mlflow or declared.numpy, "double")
    masks: dict[Code, Mask] = {}
    for found in wrong:
        masks[found.code] = masks.get(found.code, False) | found.mask
    return result, [fault for code, mask in masks.items() for fault in faults_of(path, code, mask, types)]


def _missing(values: np.ndarray[Any, Any], classes: set[type], *, nan_is_value: bool) -> Mask:
    """None, NA and NaT; NaN unless it is a value and all other values are floats."""
    try:
        missing = np.asarray(pd.isna(values), bool)
    except InvalidOperation:  # a signalling NaN refuses to be compared
        gone = [is_missing(v) or (isinstance(v, Decimal) and v.is_nan()) for v in values]
        missing = np.array(gone, bool)
    others = {kind for kind in classes if not issubclass(kind, float | np.floating | type(None) | _NAT | _NA)}
    floats = any(issubclass(kind, float | np.floating) for kind in classes)
    if nan_is_value and not others and floats:
        nan = np.fromiter((isinstance(v, float | np.floating) for v in values), bool, len(values))
        return np.asarray(missing & ~nan)
    return missing


_NA, _NAT = type(pd.NA), type(pd.NaT)


def _together(rows: set[Element]) -> Element | None:
    """One type for values of several: whole numbers among floats are doubles, dates among datetimes are datetimes."""
    kinds = {row.kind for row in rows}
    if kinds == {Kind.DATETIME}:
        return ELEMENTS["datetime64[us]"]
    if kinds == {Kind.INTEGER}:
        low, high = min(row.low for row in rows), max(row.high for row in rows)
        holding = [row for row in ELEMENTS.values() if row.kind is Kind.INTEGER and row.low <= low and high <= row.high]
        return min(holding, key=lambda row: row.digits, default=ELEMENTS["int64"])
    if kinds and kinds <= {Kind.INTEGER, Kind.FLOAT}:
        return ELEMENTS["float64"]
    return None


def _named(classes: set[type]) -> str:
    return ("values of several classes: " if len(classes) > 1 else "") + ", ".join(sorted(k.__name__ for k in classes))


def _in_longs(kept: np.ndarray[Any, Any]) -> bool:
    row = ELEMENTS["int64"]
    return bool(min(kept) >= row.low and max(kept) <= row.high)


def _long_integers(
    values: np.ndarray[Any, Any], kept: np.ndarray[Any, Any], missing: Mask
) -> tuple[pa.Array, ObservedType]:
    if max(abs(int(v)) for v in kept) >= 10**_WIDEST:
        return pa.nulls(len(values)), OtherType("integers beyond 38 digits")
    whole = np.array([None if gone else Decimal(int(v)) for v, gone in zip(values, missing, strict=True)], object)
    return pa.array(whole, pa.decimal128(_WIDEST, 0)), DecimalType(_WIDEST, 0)


def _decimals(values: np.ndarray[Any, Any], kept: np.ndarray[Any, Any], missing: Mask) -> tuple[pa.Array, ObservedType]:
    if not all(v.is_finite() for v in kept):
        return pa.nulls(len(values)), OtherType("infinite decimals")
    scale = max(max(0, -int(v.as_tuple().exponent)) for v in kept)
    whole = max(max(0, v.adjusted() + 1) for v in kept)
    if whole + scale > _WIDEST:
        return pa.nulls(len(values)), OtherType("decimals beyond 38 digits")
    precision = max(1, whole + scale)
    return pa.array(values, pa.decimal128(precision, scale), mask=missing), DecimalType(precision, scale)


_EPOCH = datetime(1970, 1, 1)
_LONG = ELEMENTS["int64"]
_NANOS: dict[str, int | Fraction] = {
    **{unit: seconds * 10**9 for unit, seconds in {"W": 604_800, "D": 86_400, "h": 3600, "m": 60, "s": 1}.items()},
    **{"ms": 10**6, "us": 1000, "ns": 1},
    **{unit: Fraction(1, 1000**n) for n, unit in enumerate(("ps", "fs", "as"), 1)},
}
_LAST_YEAR = 10**6  # numpy counts days for longer, nobody else does


def _nanos(value: Any) -> int | Fraction:
    """Nanoseconds since 1970 of a wall clock, or of an instant in UTC."""
    if isinstance(value, pd.Timestamp):
        value = value.to_datetime64()
    if isinstance(value, np.datetime64):
        unit, count = np.datetime_data(value.dtype)
        ticks = int(value.astype(np.int64)) * count
        if unit in ("Y", "M"):
            far = _LAST_YEAR * (12 if unit == "M" else 1)
            near = np.array(max(-far, min(far, ticks))).astype(f"M8[{unit}]")
            unit, ticks = "D", int(near.astype("M8[D]").astype(np.int64))
        return ticks * _NANOS[unit]
    plain = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    delta = plain.replace(tzinfo=None) - _EPOCH - (plain.utcoffset() or timedelta(0))  # beyond year 9999, too
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1000


def _is_double(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return True
    try:
        return bool(float(value) == value)
    except OverflowError:
        return False


def encodes(text: str) -> bool:
    """Whether UTF-8 holds a text: it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
