"""Rows that break the contract: in which ways, and the columns that are judged by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from sparksig.enforcement.nodes import Types
from sparksig.enforcement.values.casts import Mask
from sparksig.errors import Code, Problem, ViolationError


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows that break the contract in one way.

    Attributes:
        path: where in the row.
        code: in which way.
        mask: which rows.
        types: what was declared and observed there, in words.
    """

    path: str
    code: Code
    mask: Mask
    types: Types

    def lifted(self, owner: np.ndarray[Any, np.dtype[np.int64]], rows: int) -> Fault:
        """A fault of elements as one of the rows that hold them.

        Args:
            owner: the row of each element.
            rows: how many rows there are.
        """
        mask = np.zeros(rows, bool)
        mask[owner[self.mask]] = True
        return replace(self, mask=mask)


@dataclass(frozen=True, slots=True)
class Judged:
    """Columns after enforcement.

    Attributes:
        columns: one Arrow array a step, tensors as their entries lie; a bad value is null.
        faults: what was found, in the order of the steps.
    """

    columns: tuple[pa.Array, ...]
    faults: tuple[Fault, ...]

    @property
    def clean(self) -> Mask | None:
        """Which rows break nothing; None where all of them are clean."""
        return ~np.any([fault.mask for fault in self.faults], axis=0) if self.faults else None

    def require_clean(self) -> Judged:
        """Itself.

        Raises:
            ViolationError: a row breaks the contract; counts by path and code.
        """
        if self.faults:
            problems = [Problem(f.path, f"{int(f.mask.sum())} row(s)", f.code) for f in self.faults]
            raise ViolationError("rows break the signature", problems)
        return self


def together(opening: Sequence[Fault], faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """All faults of rows, one a place: where a cell could not be opened, its null is not told as well."""
    found = list(opening)
    for fault in faults:
        mask = fault.mask.copy()
        for other in opening:
            if other.path == fault.path:
                mask &= ~other.mask
        found.append(replace(fault, mask=mask))
    return tuple(fault for fault in found if fault.mask.any())


def faults_of(path: str, code: Code, mask: Mask, types: Types) -> list[Fault]:
    """The fault of the rows in a mask, if any is."""
    return [Fault(path, code, mask, types)] if mask.any() else []


def lost(before: Sequence[object], after: Sequence[object]) -> Mask:
    """Where a value was and is None."""
    return np.array([a is None and b is not None for b, a in zip(before, after, strict=True)], bool)
