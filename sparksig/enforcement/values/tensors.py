"""Arrays that are tensors as a whole: an ndarray, several by name, a sparse matrix. A table's casts are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from sparksig.enforcement.nodes import Path, Types, words
from sparksig.enforcement.planning import NodeBuilder, match_columns, unknown_paths
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.values.casts import Mask, bits, cast_array
from sparksig.enforcement.values.faults import Fault, Judged, together
from sparksig.enforcement.values.feeds import stacked_entries
from sparksig.enforcement.values.reading import Reading, from_numpy, is_sparse, unmasked
from sparksig.errors import Code, Problem, SchemaError
from sparksig.signature.casts import Level, NotNan
from sparksig.signature.members import class_name, copied
from sparksig.signature.paths import ELEMENT
from sparksig.signature.schema import Schema, TensorSpec
from sparksig.sources.observed import Field, ObservedType, OtherType, StructType

_SPARSE = ("csr", "csc", "coo")


def enforce_tensors(arrays: Mapping[Any, Any], schema: Schema, policy: Policy) -> Any:
    """Arrays by name as the tensors that are declared, each a copy of exactly the declared dtype.

    Args:
        arrays: ndarrays or sparse matrices; the only key is None where the signature has no names.
        schema: what is declared.
        policy: how it is enforced.

    Raises:
        SchemaError: an array is missing, or its dtype or shape cannot fit; every problem is listed.
        ViolationError: entries break the contract; rows are counted by path and code.

    >>> schema = Schema([TensorSpec(np.dtype("float32"), (-1, 2))])
    >>> enforce_tensors({None: np.ones((1, 2), "f2")}, schema, Policy()).dtype
    dtype('float32')
    """
    unknown_paths(schema, policy)
    if schema.has_input_names():
        shown = StructType(tuple(Field(str(name), OtherType("")) for name in arrays))
        matches, _, problems = match_columns(shown, schema, policy)
        given = list(arrays.values())
        chosen = {match.name: given[at] for match in matches for at in match.positions}
    else:
        chosen, problems = {"": arrays.get(None)}, []
        if chosen[""] is None:
            problems.append(Problem("", "required, but the data has no array without a name", Code.MISSING_COLUMN))
    work = _Tensors(policy, problems)
    found = {
        path: work.tensor(chosen[path], spec, path)
        for spec in schema
        if isinstance(spec, TensorSpec) and chosen.get(path := "" if spec.name is None else str(spec.name)) is not None
    }
    if problems:
        raise SchemaError("the data does not fit the signature", problems)
    Judged((), tuple(work.faults)).require_clean()
    if not schema.has_input_names():
        return found[""]
    return {spec.name: found[str(spec.name)] for spec in schema if str(spec.name) in found}


@dataclass(slots=True)
class _Tensors:
    """Reads arrays one after the other, and notes what is wrong with them."""

    policy: Policy
    problems: list[Problem]
    faults: list[Fault] = field(default_factory=list)

    def tensor(self, array: Any, spec: TensorSpec, path: str) -> Any:
        """An array as it is declared; anything where it has faults."""
        if not isinstance(array, np.ndarray) and not is_sparse(array):
            fact = f"declared {words(spec)}, the data has {class_name(array)}"
            self.problems.append(Problem(path, fact, Code.INCOMPATIBLE_TYPE, "give an ndarray"))
            return None
        if (misfit := _misfit(array, spec)) is not None:
            self.problems.append(Problem(path, misfit, Code.WRONG_SHAPE))
            return None
        if np.ma.is_masked(array):
            mask = _rows(np.ma.getmaskarray(array).reshape(-1), array.shape)
            self.faults.append(Fault(path + ELEMENT, Code.NULL, mask, Types(words(spec), "masked array")))
            return None
        if is_sparse(array):
            return self._sparse(array, spec, path)
        if array.ndim != len(spec.shape):
            return self._ragged(array, spec, path)
        made, faults = self._entries(array, spec, path)
        self.faults += [replace(f, mask=_rows(f.mask, array.shape)) for f in faults]
        return made

    def _sparse(self, array: Any, spec: TensorSpec, path: str) -> Any:
        if array.format not in _SPARSE:
            fact, hint = f"a sparse matrix in the format {array.format}", f"give one of {', '.join(_SPARSE)}"
            self.problems.append(Problem(path, fact, Code.INCOMPATIBLE_TYPE, hint))
            return None
        result = array.copy()
        result.sum_duplicates()  # entries of one place add up in the type that they have
        made, faults = self._entries(result.data, replace(spec, shape=result.data.shape), path)
        rows = result.tocoo().coords[0]
        self.faults += [fault.lifted(rows, array.shape[0]) for fault in faults]
        result.data = made
        return result

    def _ragged(self, array: Any, spec: TensorSpec, path: str) -> Any:
        """Rows of different shapes: an array of one array a row."""
        result = np.empty(len(array), object)
        for row, cell in enumerate(array):
            found = _opened(cell)
            if found is None or not _fits(found.shape, spec.shape[1:]):
                faults = [Fault(path, Code.WRONG_SHAPE, np.ones(1, bool), Types(words(spec), "array"))]
            else:
                result[row], faults = self._entries(found, replace(spec, shape=found.shape), path)
            for fault in faults:
                self._count(replace(fault, mask=np.arange(len(array)) == row), bool(fault.mask.any()))
        return result

    def _count(self, fault: Fault, holds: bool) -> None:
        """Rows that break the contract in one way are one fault."""
        if not holds:
            return
        for at, other in enumerate(self.faults):
            if (other.path, other.code) == (fault.path, fault.code):
                self.faults[at] = replace(other, mask=other.mask | fault.mask)
                return
        self.faults.append(fault)

    def _entries(self, array: Any, spec: TensorSpec, path: str) -> tuple[Any, list[Fault]]:
        """An array of exactly the declared dtype, a copy, and the faults as masks over its entries."""
        array = unmasked(array)
        same = array.dtype == spec.type or (spec.type.kind in "US" and array.dtype.kind == spec.type.kind)
        place, element = path + ELEMENT, spec.element
        if element is None and (same or (spec.type == np.dtype(object) and tuple(spec.shape) == (-1,))):
            return copied(array), self._missing(array, spec, place)
        if same and array.dtype.kind == "M" and self.policy.zone is None:
            return array.copy(), self._missing(array, spec, place)
        level = self.policy.tensor_level or self.policy.level_of(path)
        if element is None or (level == Level.STRICT and not same):  # no carrier here: strict is the very dtype
            fact = f"declared {words(spec)}, the data has {array.dtype}"
            self._problem(Problem(path, fact, Code.INCOMPATIBLE_TYPE))
            return None, []
        reading = Reading()
        values, kind = _entries_of(array.reshape(-1), element, reading, place)
        noted: list[Problem] = []
        node = NodeBuilder(self.policy, noted).entry(element, kind, Path(path))
        for problem in noted:
            self._problem(problem)
        if node is None:
            return None, []
        made, wrong = cast_array(node.cast, values, (*(() if node.nan else (NotNan(),)), *node.after))
        missing = bits(values.is_null())
        if array.dtype.kind == "M" and self._admits_nulls(path):
            missing &= False
        judged = [Fault(place, Code.NULL, missing, node.types)]
        judged += [Fault(place, w.code, w.mask, node.types) for w in wrong]
        faults = list(together(reading.faults, judged))
        if faults:
            return None, faults
        return (array.copy() if same else stacked_entries(made, array.shape, element)), []

    def _problem(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _missing(self, array: np.ndarray[Any, Any], spec: TensorSpec, place: str) -> list[Fault]:
        """NaT where datetimes or spans of time are declared: a null, and a tensor has none."""
        if array.dtype.kind not in "mM" or self._admits_nulls(place.removesuffix(ELEMENT)):
            return []
        mask = np.isnat(array).reshape(-1)
        return [Fault(place, Code.NULL, mask, Types(words(spec), str(array.dtype)))] if mask.any() else []

    def _admits_nulls(self, path: str) -> bool:
        return self.policy.allow_nulls == "scalars" or self.policy.admits_nulls(path)


def _entries_of(flat: Any, element: Any, reading: Reading, place: str) -> tuple[pa.Array, ObservedType]:
    if flat.dtype.kind not in "OUT":
        return from_numpy(flat)
    return reading.column(flat, element, place)


def _rows(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Faults of entries as faults of the rows that hold them."""
    rows = shape[0] if shape else 1
    return np.asarray(mask.reshape(rows, -1).any(axis=1)) if rows else mask[:0]


def _opened(cell: object) -> np.ndarray[Any, Any] | None:
    """A row as an array; values of several classes stay what they are."""
    if isinstance(cell, np.ndarray):
        return np.asarray(unmasked(cell))
    if not isinstance(cell, list):
        return None
    try:
        values = np.array(cell, dtype=object)
    except ValueError:  # arrays of different lengths
        return None
    classes = {type(value) for value in values.reshape(-1)}
    if classes & {list, np.ndarray}:  # lists of different lengths
        return None
    return np.array(cell) if len(classes) == 1 else values


def _fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    return len(shape) == len(declared) and all(want in (-1, have) for have, want in zip(shape, declared, strict=True))


def _misfit(array: Any, spec: TensorSpec) -> str | None:
    """What is wrong with an array's shape."""
    shape, declared = tuple(array.shape), tuple(spec.shape)
    ragged = isinstance(array, np.ndarray) and array.dtype == object and len(shape) == 1 and -1 in declared[1:]
    if ragged or _fits(shape, declared):
        return None
    return f"declared {words(spec)}, the data has shape {shape}"
