"""The signature of a model from examples of what it takes and returns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from sparksig.errors import Problem, SignatureError
from sparksig.signature.model_signature import ModelSignature, schema_of
from sparksig.signature.params import ParamSchema
from sparksig.signature.paths import column_of
from sparksig.signature.schema import Schema
from sparksig.signature.types import AnyType
from sparksig.tables import printable


def infer_signature(
    inputs: Any = None,
    outputs: Any = None,
    params: Mapping[str, Any] | None = None,
    *,
    strict: bool = False,
    nullable_as_optional: bool = False,
) -> ModelSignature:
    """The signature that example data shows.

    Args:
        inputs: what the model takes: a pandas DataFrame or Series, an ndarray or a dict of them, a sparse matrix, a
            scalar, a list, a dict, a list of dicts, a `pyarrow.Table`, a Spark DataFrame, of which the schema is read
            and no row, or an instance of a dataclass, which shows what its class declares.
        outputs: what it returns, of the same kinds.
        params: default values by name.
        strict: raise where nothing but Any can be declared; otherwise the column becomes Any, and a warning names it.
        nullable_as_optional: of a Spark DataFrame, take nullable columns as optional ones. They are required
            otherwise, as in MLflow, because nearly every Spark column is nullable. Of other data a column is optional
            where values are missing.

    Returns:
        The signature.

    Raises:
        SignatureError: nothing is given, or params have values that no param can have, or `strict` says so.

    >>> import pandas as pd
    >>> infer_signature(pd.DataFrame({"age": [31.5, None], "city": ["Oslo", "Bari"]})).inputs
    ['age': double (optional), 'city': string (required)]
    """
    found: dict[str, Schema | None] = {"inputs": None, "outputs": None}
    for part, data in (("inputs", inputs), ("outputs", outputs)):
        if data is None:
            continue
        schema, problems = _infer(data, nullable_as_optional)
        problems += _unsaid(schema, data, [problem.path for problem in problems])
        if problems and strict:
            raise SignatureError(f"the {part} cannot be inferred", problems)
        if problems:
            _warn(part, problems)
        found[part] = schema
    return ModelSignature(found["inputs"], found["outputs"], _params(params))


def infer_schema(data: Any, *, nullable_as_optional: bool = False) -> Schema:
    """The schema that example data shows, as `infer_signature` finds it.

    Raises:
        SignatureError: for a column nothing but Any can be declared.
    """
    schema, problems = _infer(data, nullable_as_optional)
    if problems:
        raise SignatureError("the schema cannot be inferred", problems)
    return schema


def _infer(data: Any, nullable_as_optional: bool) -> tuple[Schema, list[Problem]]:
    if _is_spark(data):
        from sparksig.sources.spark_schema import schema_from_struct

        return schema_from_struct(data.schema, nullable_as_optional=nullable_as_optional)
    if _is_arrow(data):
        from sparksig.sources.observed import table_from_data
        from sparksig.sources.table_schema import schema_from_table

        return schema_from_table(table_from_data(data), nullable_as_optional=True)
    if is_dataclass(data) and not isinstance(data, type):
        return schema_of(type(data)), []  # what it declares, whatever this one of it holds
    from sparksig.sources.data import infer_schema

    return infer_schema(data)


def _params(given: Any) -> ParamSchema | None:
    from sparksig.sources.data import infer_params

    if given is None or (isinstance(given, Mapping) and not given):
        return None
    return infer_params(given)


def _is_arrow(data: Any) -> bool:
    return type(data).__name__ == "Table" and type(data).__module__.startswith("pyarrow")


def _is_spark(data: Any) -> bool:
    return type(data).__name__ == "DataFrame" and type(data).__module__.startswith("pyspark.sql")


def _unsaid(schema: Schema, data: Any, known: list[str]) -> list[Problem]:
    """The columns whose examples are all missing or empty. In a Spark schema Any is what a variant is."""
    if _is_spark(data) or _is_arrow(data) or (known and not schema.has_input_names()):
        return []
    silent = [x for x in schema.columns if isinstance(x.type, AnyType)]
    names = ["" if x.name is None else str(x.name) for x in silent]
    columns = list(map(str, schema.input_names()))
    reported = {column_of(path, columns) for path in known}
    return [Problem(name, "no value says what it is") for name in names if name not in reported]


def _warn(part: str, problems: list[Problem]) -> None:
    what = "; ".join(f"{printable(p.path)}: {p.fact}" if p.path else p.fact for p in problems)
    warnings.warn(f"declared as Any, and never checked, because nothing else fits {part}: {what}", stacklevel=3)
