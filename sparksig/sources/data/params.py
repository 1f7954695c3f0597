"""Params from example values: they are the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparksig.errors import Code, Problem, SignatureError
from sparksig.signature.members import class_name
from sparksig.signature.params import LIST, ParamSchema, ParamSpec
from sparksig.signature.types import Array, ColumnType, DataType, Object, Property
from sparksig.sources.data.scalars import OBJECT, SCALARS, Unfit, check_range, declared, several
from sparksig.sources.data.values import common


def infer_params(params: Mapping[str, Any]) -> ParamSchema:
    """The params of which example values are the defaults.

    Args:
        params: values by name: scalars, lists or 1-D arrays of them, dicts.

    Raises:
        SignatureError: with every value that no param can have as its default.

    >>> infer_params({"threshold": 0.5, "stop": [".", "!"]})
    ['threshold': double (default: 0.5), 'stop': string (default: ['.', '!']) (shape: (-1,))]
    """
    if not isinstance(params, Mapping):
        raise SignatureError(f"params are a dict from names to values, not {class_name(params)}")
    specs: list[ParamSpec] = []
    problems: list[Problem] = []
    for name, value in params.items():
        try:
            specs.append(_param(str(name), value))
        except RecursionError:  # a dict that holds itself
            problems.append(Problem(str(name), "nested too deeply", Code.INVALID_PARAM))
        except Unfit as unfit:
            problems.append(Problem(f"{name}{unfit.path}", unfit.fact, Code.INVALID_PARAM))
        except SignatureError as error:
            problems += error.problems or [Problem(str(name), error.message, Code.INVALID_PARAM)]
    if problems:
        raise SignatureError("no params can be inferred from these values", problems)
    return ParamSchema(specs)


def _param(name: str, value: object) -> ParamSpec:
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return ParamSpec(name, _element_type(value), value, LIST)
    if isinstance(value, dict) and value:
        kind = common([value], "").type
        assert isinstance(kind, Object)
        return ParamSpec(name, _wide(kind), value)
    scalar = SCALARS.get(type(value))
    if scalar is None:
        raise Unfit(f"a param is a scalar, a list of scalars or a dict, not {class_name(value)}")
    return ParamSpec(name, scalar, value)


def _wide(kind: ColumnType) -> Any:
    """The type with long and double for integer and float, which MLflow does not read back inside an object."""
    match kind:
        case DataType.integer:
            return DataType.long
        case DataType.float:
            return DataType.double
        case Array(element):
            return Array(_wide(element))
        case Object(properties):
            return Object([Property(p.name, _wide(p.dtype), p.required) for p in properties])
        case _:
            return kind


def _element_type(values: list[object] | np.ndarray[Any, Any]) -> DataType:
    """The type of a list's elements; of numbers the one that holds them all, as numpy finds it."""
    if isinstance(values, np.ndarray) and values.dtype != OBJECT:
        return declared(values.dtype, "[]")
    if not len(values):
        return DataType.string
    kinds = set(map(type, values))
    if not kinds <= SCALARS.keys():
        raise Unfit("a list of anything but scalars of one type", "[]")
    types = {SCALARS[kind] for kind in kinds}
    if int in kinds:
        check_range([value for value in values if type(value) is int], DataType.long, "[]")
    if len(types) > 1 and all(t.element.is_number for t in types):
        return declared(np.result_type(*(t.to_numpy() for t in types)), "[]")
    if len(types) > 1:
        raise several(types, "[]")
    return types.pop()
