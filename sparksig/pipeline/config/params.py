"""Params as people write them, in the types that a signature declares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sparksig.errors import Code, ParamError, Problem
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.types import DataType


def typed_params(given: Mapping[str, Any], schema: ParamSchema | None) -> dict[str, Any]:
    """Params as they come from a command line or a file, in the types that the signature declares.

    Args:
        given: values. A string or datetime param takes a text as it is, every other one reads it as JSON; what is no
            text is a value already.
        schema: the signature's params.

    Raises:
        ParamError: what is not a value of the declared type; all of them are listed, none is shown.

    >>> from sparksig import ParamSchema, ParamSpec
    >>> typed_params({"threshold": "0.4"}, ParamSchema([ParamSpec("threshold", "double", 0.5)]))
    {'threshold': 0.4}
    """
    declared = {spec.name: spec for spec in schema} if schema is not None else {}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        if (spec := declared.get(name)) is None:
            values[name] = value  # whoever resolves params warns of it
            continue
        values[name], found = _typed(spec, value)
        problems += found
    if problems:
        raise ParamError("params that do not fit the signature", problems)
    return values


def _typed(spec: ParamSpec, value: Any) -> tuple[Any, list[Problem]]:
    if isinstance(value, str) and (spec.shape is not None or spec.dtype not in (DataType.string, DataType.datetime)):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            problem = Problem(spec.name, "the given text is no JSON value", Code.INVALID_PARAM, _param_hint(spec))
            return None, [problem]
    return value, spec.read(value)[1]


def _param_hint(spec: ParamSpec) -> str:
    """How a value of a declared type is written."""
    if spec.shape is not None:
        return f'declared list of {spec.dtype!r}: write [1, 2], or ["a", "b"] for texts'
    forms = {DataType.boolean: "true or false", DataType.integer: "3", DataType.long: "3"}
    form = forms.get(spec.dtype, "0.5") if isinstance(spec.dtype, DataType) else "an object: {...}"
    return f"declared {spec.dtype!r}: write {form}"
