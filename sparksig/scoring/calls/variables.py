"""Params that are read from the environment where the model runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sparksig.enforcement.values.exact import reader
from sparksig.errors import Code, ParamError, Problem
from sparksig.signature.casts import find_cast
from sparksig.signature.dtypes import ELEMENTS, Kind
from sparksig.signature.params import ParamSchema
from sparksig.signature.types import DataType


def require_variables(
    schema: ParamSchema | None, given: Mapping[str, Any], variables: Mapping[str, str]
) -> Mapping[str, str]:
    """The params to read from the environment, checked against the schema."""
    problems = []
    for name in variables:
        spec = next((spec for spec in schema or () if spec.name == name), None)
        if spec is None:
            problems.append(Problem(name, "param_from_env names it, but the signature has no such param"))
        elif spec.shape is not None or not isinstance(spec.dtype, DataType) or spec.dtype is DataType.datetime:
            problems.append(Problem(name, "only a text, a number or a boolean can be read from the environment"))
        elif name in given:
            problems.append(Problem(name, "given as a param and by param_from_env"))
    if problems:
        raise ParamError("params cannot be read from the environment", problems)
    return dict(variables)


def from_env(schema: ParamSchema, name: str, variable: str, problems: list[Problem]) -> object:
    """A param's value out of a variable's text; what is wrong is added to the problems, without the text."""
    text = os.environ.get(variable)
    if text is None:
        problems.append(Problem(name, f"the environment variable {variable} is not set here", Code.INVALID_PARAM))
        return None
    [declared] = [spec.dtype for spec in schema if spec.name == name]
    assert isinstance(declared, DataType)
    if declared.element.kind is Kind.STRING:
        return text
    cast = find_cast(ELEMENTS["str"], declared.element)
    assert cast is not None
    value = reader(cast)(text)
    if isinstance(value, Code):
        problems.append(Problem(name, f"the variable's text is no {declared.name}", value))
        return None
    return value
