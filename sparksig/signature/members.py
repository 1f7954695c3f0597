"""One Python value judged against one type: defaults and values of params, cells of object columns.

The recursion over Array, Object and Map is here once. What a scalar must be differs between a param, which MLflow reads
one way, and a cell, whose level decides: so the reading of scalars and nulls is an argument. Faults are told by path,
declared type and the value's class: never by the value, nor by a key that exists only in the data.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from sparksig.errors import Code, Problem
from sparksig.signature.dtypes import ELEMENTS, Element, Kind
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a value is not of a scalar type."""

    fact: str
    code: Code
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How scalars and nulls are read.

    Attributes:
        scalar: from a value that is not null and a type to the value as it is handed on, or to a Fault.
        null: whether a value is a null where this type is declared.
    """

    scalar: Callable[[object, DataType], object]
    null: Callable[[object, ColumnType], bool]


def judge(
    value: object, declared: ColumnType, reading: Reading, path: str = "", *, required: bool = True
) -> tuple[object, list[Problem]]:
    """The value as it is handed on, and everything that is wrong with it.

    Args:
        value: a Python value: a scalar, a list or an array, a mapping.
        declared: the type it should be of.
        reading: how scalars and nulls are read.
        path: where the value stands; `[]` is added for elements, `{}` for a map's values, `.name` for members.
        required: whether a null is a fault. Elements and a map's values follow their column, a member its Property.

    Returns:
        The value, converted and never the given container itself, and the faults; with faults the value means nothing.

    >>> judge([1, None, 2**70], Array("long"), PARAM, "a")[1][1].path
    'a[]'
    """
    problems: list[Problem] = []
    return _Judge(reading, problems).judge(value, declared, path, required), problems


@dataclass(frozen=True, slots=True)
class _Judge:
    reading: Reading
    problems: list[Problem]

    def wrong(self, path: str, code: Code, fact: str, hint: str | None = None) -> None:
        problem = Problem(path, fact, code, hint)
        if problem not in self.problems:  # a thousand elements that break in one way are one fault
            self.problems.append(problem)

    def judge(self, value: object, declared: ColumnType, path: str, required: bool) -> object:
        if isinstance(declared, AnyType):
            return copied(value)
        if self.reading.null(value, declared):
            if required:
                self.wrong(path, Code.NULL, f"null, but {declared!r} is required")
            return None
        match declared:
            case DataType():
                return self._scalar(value, declared, path)
            case Array(element):
                return self._elements(value, element, path, required)
            case SparkMLVector():
                return self._elements(value, DataType.double, path, required)
            case Map(of):
                return self._map(value, of, path, required)
            case Object():
                return self._object(value, declared, path)

    def _scalar(self, value: object, declared: DataType, path: str) -> object:
        result = self.reading.scalar(value, declared)
        if isinstance(result, Fault):
            self.wrong(path, result.code, result.fact, result.hint)
            return None
        return result

    def _elements(self, value: object, element: ColumnType, path: str, required: bool) -> list[object] | None:
        if not isinstance(value, list | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim == 0):
            self.wrong(path, Code.INCOMPATIBLE_TYPE, f"a list or an array is declared, not {class_name(value)}")
            return None
        return [self.judge(item, element, f"{path}[]", required) for item in value]

    def _map(self, value: object, of: ColumnType, path: str, required: bool) -> dict[str, object] | None:
        if not isinstance(value, Mapping):
            self.wrong(path, Code.INCOMPATIBLE_TYPE, f"a map is declared, not {class_name(value)}")
            return None
        if not all(isinstance(key, str) for key in value):
            self.wrong(path, Code.INCOMPATIBLE_TYPE, "the keys of a map are text")
        return {str(key): self.judge(item, of, f"{path}{{}}", required) for key, item in value.items()}

    def _object(self, value: object, declared: Object, path: str) -> dict[str, object] | None:
        if not isinstance(value, Mapping):
            self.wrong(path, Code.INCOMPATIBLE_TYPE, f"an object is declared, not {class_name(value)}")
            return None
        known = {p.name for p in declared.properties}
        if strangers := sum(key not in known for key in value):
            self.wrong(path, Code.UNEXPECTED_FIELD, f"the signature does not declare {strangers} of the members")
        result: dict[str, object] = {}
        for member in declared.properties:
            place = f"{path}.{member.name}"
            if member.name in value:
                result[member.name] = self.judge(value[member.name], member.dtype, place, bool(member.required))
            elif member.required:
                self.wrong(place, Code.MISSING_FIELD, "required, but the object has no such member")
        return result


def copied(value: object) -> object:
    """The value; of lists, dicts and arrays a copy, at every level, so that nobody else holds a part of it.

    >>> source = [1, {"a": []}]
    >>> copied(source) == source, copied(source)[1] is source[1]
    (True, False)
    """
    return copy.deepcopy(value) if isinstance(value, list | dict | tuple | set | np.ndarray) else value


def is_null(value: object, declared: ColumnType) -> bool:
    """Whether a value is a null: None, pandas' NA or NaT, and NaN where the type has no NaN of its own."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    has_nan = isinstance(declared, DataType) and declared.element.kind is Kind.FLOAT
    return not has_nan and isinstance(value, float | np.floating) and bool(np.isnan(value))


def class_name(value: object) -> str:
    """The class of a value as errors show it: `int`, `numpy.int64`."""
    cls = type(value)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__.partition('.')[0]}.{cls.__name__}"


_EXACT: dict[type, Element] = {
    **{np.dtype(scalar.element.numpy).type: scalar.element for scalar in DataType},
    bool: ELEMENTS["bool"],
    str: ELEMENTS["str"],
    bytes: ELEMENTS["bytes"],
}
"""The element type of a value, by its exact class; bool is a subclass of int and no number."""


_SURROGATE = re.compile("[\ud800-\udfff]")
"""What a byte that is not UTF-8 becomes on the command line; no worker can encode it."""


def admit(value: object, declared: DataType) -> object:
    """The scalar rule of params, MLflow's with what it lacks: the value is range-checked and never rounded.

    Python ints and floats have no width: an int becomes any number that holds it exactly, a float any float. Numpy
    scalars count as their type and widen only. A datetime takes dates, datetimes and what numpy reads as one.

    >>> admit(1, DataType.double), admit(2**40, DataType.integer).code.value
    (1.0, 'OUT_OF_RANGE')
    """
    target = declared.element
    if target.kind is Kind.DATETIME:
        return _moment(value)
    if type(value) is int:
        return _integer(value, target)
    if type(value) is float and target.kind is Kind.FLOAT:
        return value
    source = _EXACT.get(type(value))
    if source is None or not admits(source, target):
        return Fault(f"{class_name(value)} is no {declared.name}", Code.INCOMPATIBLE_TYPE)
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, str) and _SURROGATE.search(plain):
        return Fault("a string that has no UTF-8 form", Code.UNPARSABLE)
    return _integer(plain, target) if isinstance(plain, int) and source.is_number else plain


def admits(source: Element, target: Element) -> bool:
    """Whether a param declared as the target takes values of the source type."""
    if source.kind is Kind.INTEGER and target.kind is Kind.FLOAT:
        return True  # held exactly or not: the value decides
    return source.kind is target.kind and source.digits <= target.digits


def _integer(value: int, target: Element) -> object:
    if target.kind is Kind.INTEGER:
        inside = target.low <= value <= target.high
        return value if inside else Fault(f"an integer outside {target.low} to {target.high}", Code.OUT_OF_RANGE)
    if target.kind is not Kind.FLOAT:
        return Fault(f"int is no {target.mlflow}", Code.INCOMPATIBLE_TYPE)
    try:
        result = float(value)
    except OverflowError:
        return Fault(f"an integer beyond every {target.mlflow}", Code.OUT_OF_RANGE)
    return result if int(result) == value else Fault("an integer that a float would round", Code.NOT_EXACT)


def _moment(value: object) -> object:
    if isinstance(value, np.datetime64):
        return _from_numpy(value)
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, datetime):
        if getattr(value, "nanosecond", 0):  # a pandas Timestamp
            return Fault("a datetime finer than a microsecond", Code.NOT_EXACT)
        wall = value.astimezone(UTC) if value.tzinfo else value
        return datetime.combine(wall.date(), wall.time()).replace(fold=0)
    if isinstance(value, date):
        return value
    return Fault(f"{class_name(value)} is no datetime", Code.INCOMPATIBLE_TYPE)


def _from_text(text: str) -> object:
    no_datetime = Fault("a text that is no datetime", Code.UNPARSABLE, "write it as 2024-01-31 or 2024-01-31T12:00:00")
    start = text.strip()[:1]
    if not start.isdigit() and (not start or start not in "+-"):  # numpy reads `now` and `today`, and '' as a null
        return no_datetime
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns when it turns an offset into UTC, which is what is wanted
            return _from_numpy(np.datetime64(text))
    except ValueError:
        return no_datetime


def _from_numpy(moment: np.datetime64) -> object:
    plain = moment.item()
    if isinstance(plain, int):  # finer than microseconds, or outside Python's years
        micros = moment.astype("M8[us]")
        if micros.astype(moment.dtype) != moment:
            return Fault("a datetime finer than a microsecond", Code.NOT_EXACT)
        plain = micros.item()
    return plain if isinstance(plain, date) else Fault("a datetime outside the years 1 to 9999", Code.OUT_OF_RANGE)


PARAM = Reading(admit, lambda value, declared: value is None)
"""How a param's value is read: as `admit` says, and only None is a null."""
