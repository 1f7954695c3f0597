"""The same plan applied to Arrow columns: the guards of the cast table spelled in numpy, for batches inside a UDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sparksig.enforcement.steps import AbsentNode, Layout, Plan, ScalarNode, Step, TensorNode
from sparksig.errors import Code, NotSupportedError, Problem, ViolationError
from sparksig.signature.casts import (
    Between,
    Cast,
    Fixed,
    Guard,
    InNanoseconds,
    Integral,
    NotNan,
    StaysFinite,
    Survives,
)
from sparksig.signature.dtypes import ELEMENTS, Element, Kind
from sparksig.signature.types import DataType

_NANOSECONDS = 9_223_372_036_854_775  # microseconds on either side of 1970 that datetime64[ns] holds

_Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Judged:
    """Columns after enforcement.

    Attributes:
        columns: one Arrow array a step, tensors flat; a bad value is null.
        faults: (path, code, mask of rows) for each violation found.
    """

    columns: tuple[pa.Array, ...]
    faults: tuple[tuple[str, Code, _Mask], ...]

    def require_clean(self) -> Judged:
        """Itself.

        Raises:
            ViolationError: a row breaks the contract; counts by path and code.
        """
        if self.faults:
            problems = [Problem(path, f"{int(mask.sum())} row(s)", code) for path, code, mask in self.faults]
            raise ViolationError("rows break the signature", problems)
        return self


def enforce_arrow(plan: Plan, columns: Sequence[pa.Array], rows: int) -> Judged:
    """Apply a plan to the Arrow columns of one batch.

    Args:
        plan: made from the batch's own schema.
        columns: the table's columns, in the order the plan knows.
        rows: the number of rows.

    Raises:
        NotSupportedError: the plan has a cast that is not built for Arrow columns yet: text and decimals.
    """
    judged = [_step(step, columns, rows) for step in plan.steps]
    faults = [fault for _, found in judged for fault in found if fault[2].any()]
    return Judged(tuple(column for column, _ in judged), tuple(faults))


def cast_array(cast: Cast, x: pa.Array) -> tuple[pa.Array, list[tuple[Code, _Mask]]]:
    """Cast one Arrow array by a cell of the cast table.

    Args:
        cast: the cell.
        x: values of the cast's source type, nulls admitted.

    Returns:
        The cast array, null where a guard failed, and the masks of the values that failed, by code.

    Raises:
        NotSupportedError: text and decimals are not built yet.
    """
    if isinstance(cast.source, Fixed) or (cast.source.kind is Kind.STRING and cast.guards):
        raise NotSupportedError(f"{cast} is not built for Arrow columns yet; score() casts in Spark and has it")
    return _cast(cast, x, ())


def arrow_type(element: Element) -> pa.DataType:
    """The Arrow type of the Spark type that carries an element.

    >>> arrow_type(ELEMENTS["uint8"]), arrow_type(ELEMENTS["datetime64[ns]"])
    (DataType(int16), TimestampType(timestamp[us, tz=UTC]))
    """
    if element.spark == "timestamp":
        return pa.timestamp("us", tz="UTC")
    if element.spark.startswith("decimal"):
        return pa.decimal128(20, 0)
    rides = [row for row in ELEMENTS.values() if row.spark == element.spark]
    return pa.type_for_alias(max(rides, key=lambda row: row.digits).arrow)


def _step(step: Step, columns: Sequence[pa.Array], rows: int) -> tuple[pa.Array, list[tuple[str, Code, _Mask]]]:
    match step.node:
        case AbsentNode(DataType() as declared):
            return pa.nulls(rows, arrow_type(declared.element)), []
        case ScalarNode() as node:
            assert step.position is not None
            array, faults = _scalar(node, columns[step.position])
            return array, [(step.name, code, mask) for code, mask in faults]
        case TensorNode(layout=Layout.FLAT) as node if node.length is not None:
            assert step.position is not None
            return _flat_tensor(step.name, node, columns[step.position])
    raise NotSupportedError(f"{step.name}: {step.declared} from {step.observed} is not built for Arrow columns yet")


def _scalar(node: ScalarNode, x: pa.Array) -> tuple[pa.Array, list[tuple[Code, _Mask]]]:
    after = (*(() if node.nan else (NotNan(),)), *node.after)
    nulls = [] if node.nulls or not x.null_count else [(Code.NULL, _bits(x.is_null()))]
    cast_array(node.cast, x.slice(0, 0))  # refuses what is not built
    array, faults = _cast(node.cast, x, after)
    return array, [*nulls, *faults]


def _flat_tensor(path: str, node: TensorNode, x: pa.Array) -> tuple[pa.Array, list[tuple[str, Code, _Mask]]]:
    missing = _bits(x.is_null())
    lengths = pc.fill_null(pc.list_value_length(x), 0).to_numpy(zero_copy_only=False)
    faults = [] if node.nulls else [(path, Code.NULL, missing)]
    faults.append((path, Code.WRONG_LENGTH, ~missing & (lengths != node.length)))
    entries, found = _scalar(node.element, x.flatten())
    owner = np.repeat(np.arange(len(x)), lengths)
    for code, mask in found:
        rows = np.zeros(len(x), bool)
        rows[owner[mask]] = True
        faults.append((f"{path}[]", code, rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), entries, mask=pa.array(missing))
    return lists, faults


def _cast(cast: Cast, x: pa.Array, after: tuple[Guard, ...]) -> tuple[pa.Array, list[tuple[Code, _Mask]]]:
    target = arrow_type(cast.target)
    if not cast.guards and not after:
        return _convert(x, target), []
    given = _bits(x.is_valid())
    good, faults = given.copy(), []
    source = _numbers(x)
    with np.errstate(all="ignore"):  # values that a guard refuses may overflow on the way
        result = source if not cast.target.is_number else source.astype(ELEMENTS[_carrier_numpy(cast.target)].numpy)
        for guard, values in [*((g, source) for g in cast.guards), *((g, result) for g in after)]:
            bad = good & ~_holds(guard, cast, values, result)
            good &= ~bad
            if bad.any():
                faults.append((guard.code, bad))
    kept = x if good.all() else pc.if_else(pa.array(good), x, pa.scalar(None, x.type))
    return _convert(kept, target), faults


def _holds(guard: Guard, cast: Cast, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Any:
    """One guard, in numpy: true where the value passes."""
    match guard:
        case Between(low, high):
            at_least = True if low is None else x >= low
            return at_least & (np.ones(len(x), bool) if high is None else x <= high)
        case NotNan():
            return ~np.isnan(x)
        case Integral():
            return np.rint(x) == x
        case StaysFinite():
            limit = float(cast.target.largest + 16) if cast.target.suffix is None else np.inf
            return np.isnan(x) | np.isinf(x) | (np.abs(y) < limit)
        case Survives():
            back = x.astype(np.float16).astype(x.dtype) if cast.target.suffix is None else y.astype(x.dtype)
            return np.isnan(x) | (back == x)
        case InNanoseconds():
            return (x >= -_NANOSECONDS) & (x <= _NANOSECONDS)
    raise NotSupportedError(f"{guard} is not built for Arrow columns yet")


def _carrier_numpy(target: Element) -> str:
    rides = [row for row in ELEMENTS.values() if row.spark == target.spark]
    return max(rides, key=lambda row: row.digits).numpy


def _numbers(x: pa.Array) -> np.ndarray[Any, Any]:
    """The values as numpy numbers, anything where they are null; moments as microseconds."""
    if pa.types.is_temporal(x.type):
        x = _convert(x, pa.timestamp("us", tz="UTC")).cast(pa.int64())
    if x.null_count:
        x = pc.fill_null(x, False if pa.types.is_boolean(x.type) else 0)
    return np.asarray(x.to_numpy(zero_copy_only=False))


def _convert(x: pa.Array, target: pa.DataType) -> pa.Array:
    if x.type == target:
        return x
    if pa.types.is_timestamp(target) and not pa.types.is_timestamp(x.type):
        x = x.cast(pa.timestamp("us"))  # a date is a wall clock; it is read in UTC
    return x.cast(target, safe=False)


def _bits(mask: pa.BooleanArray) -> _Mask:
    return np.asarray(mask.to_numpy(zero_copy_only=False))
