"""The schema of example data, by its container: tables, arrays, dicts, lists or one scalar."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparksig.errors import Code, Problem, SignatureError
from sparksig.signature.members import class_name
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, ColumnType, DataType, duplicates
from sparksig.sources.data.scalars import OBJECT, Unfit, declared
from sparksig.sources.data.values import common, present
from sparksig.sources.observed import table_from_data
from sparksig.sources.table_schema import schema_from_table


def infer_schema(data: Any) -> tuple[Schema, list[Problem]]:
    """The schema of example data.

    Args:
        data: a pandas DataFrame or Series, an ndarray, a sparse matrix, a dict of ndarrays (tensors); a scalar, a list,
            a dict or a list of dicts (columns).

    Returns:
        The schema and, for each column that nothing but Any can be declared for, the reason.

    Raises:
        SignatureError: there are pydantic objects inside, or columns without a name of their own.
    """
    try:
        return _infer(data)
    except (RecursionError, SignatureError):  # a list that holds itself, types that lie too deep
        return Schema([ColSpec(AnyType())]), [Problem("", "nested too deeply", Code.UNSUPPORTED_TYPE)]
    except Unfit as unfit:
        problem = Problem(unfit.path, unfit.fact, Code.UNSUPPORTED_TYPE, unfit.hint)
        if unfit.fatal:
            raise SignatureError("no signature can be inferred", [problem]) from None
        return Schema([ColSpec(AnyType())]), [problem]


def _unknown_label(label: object) -> Unfit:
    if isinstance(label, tuple):
        hint = "join the levels: df.columns = ['_'.join(map(str, label)) for label in df.columns]"
        return Unfit("the columns have labels of several levels", fatal=True, hint=hint)
    hint = "rename the columns: df.columns = df.columns.map(str)"
    return Unfit(f"a column's label is {class_name(label)}, neither str nor int", fatal=True, hint=hint)


def _infer(data: Any) -> tuple[Schema, list[Problem]]:
    match data:
        case pd.DataFrame():
            return _columns((label, data.iloc[:, i]) for i, label in enumerate(data.columns))
        case pd.Series():
            return _series(data)
        case np.ndarray():
            return Schema([_tensor(data)]), []
        case dict():
            return _dict(data)
        case list():
            return _list(data)
        case _ if type(data).__module__.startswith("scipy.sparse"):
            return Schema([TensorSpec(data.dtype, (-1, *data.shape[1:]))]), []
        case _:
            return Schema([ColSpec(common([data], "").type)]), []


def _tensor(array: np.ndarray[Any, Any], name: str | int | None = None) -> TensorSpec:
    if array.ndim == 0:
        raise Unfit("an array without dimensions has no batch")
    dtype = np.dtype(array.dtype.kind) if array.dtype.kind in "US" else array.dtype
    try:
        return TensorSpec(dtype, (-1, *array.shape[1:]), name)
    except SignatureError as error:
        raise Unfit(error.message) from None


def _dict(data: dict[Any, Any]) -> tuple[Schema, list[Problem]]:
    if data and all(isinstance(value, np.ndarray) for value in data.values()) and set(map(type, data)) <= {str, int}:
        return Schema([_tensor(value, name) for name, value in data.items()]), []
    if not all(isinstance(name, str) for name in data):
        raise Unfit("the keys of a dict are the names of columns: they must be text")
    return _schema((name, *_cell(value, name)) for name, value in data.items())


def _cell(value: object, name: str) -> tuple[ColumnType | Unfit, bool]:
    """The type of one example value, and whether it is missing or a list with something missing."""
    try:
        found = common([value], name)
        inside = isinstance(value, list) and bool(value) and common(value, name).missing
    except Unfit as unfit:
        return unfit, False
    return found.type, found.missing or inside


def _list(data: list[Any]) -> tuple[Schema, list[Problem]]:
    if not data:
        return Schema([ColSpec(DataType.string)]), []  # as MLflow has always read it
    if all(issubclass(kind, dict) for kind in set(map(type, data))):
        names = dict.fromkeys(chain.from_iterable(data))
        return _schema((name, *_row_column(data, name)) for name in names)
    return Schema([ColSpec(common(data, "").type)]), []


def _row_column(rows: list[dict[Any, Any]], name: object) -> tuple[ColumnType | Unfit, bool]:
    values = present(rows, name)
    absent = len(values) < len(rows)
    try:
        found = common(values, str(name))
    except Unfit as unfit:
        return unfit, absent or any(value is None for value in values)
    return found.type, absent or found.nulls


def _series(data: pd.Series[Any]) -> tuple[Schema, list[Problem]]:
    if data.name is not None:
        return _columns([(data.name, data)])
    found = _column(data, "")
    if isinstance(found[0], Unfit):
        raise found[0]
    return Schema([ColSpec(found[0])]), []  # an unnamed column cannot be optional, whatever is missing


def _columns(columns: Iterable[tuple[Any, pd.Series[Any]]]) -> tuple[Schema, list[Problem]]:
    return _schema((label, *_column(column, str(label))) for label, column in columns)


def _column(column: pd.Series[Any], name: str) -> tuple[ColumnType | Unfit, bool]:
    optional = bool(column.isna().any())
    if isinstance(column.dtype, pd.ArrowDtype):
        return _arrow_column(column, name)
    try:
        return _column_type(column, name), optional
    except Unfit as unfit:
        return unfit, optional


def _arrow_column(column: pd.Series[Any], name: str) -> tuple[ColumnType | Unfit, bool]:
    """A column that holds Arrow data is what an Arrow table with this column is."""
    schema, problems = schema_from_table(table_from_data(pa.table({name: pa.array(column)})), nullable_as_optional=True)
    [spec] = schema.columns
    if problems:
        return Unfit(problems[0].fact, problems[0].path, hint=problems[0].hint), not spec.required
    return spec.type, not spec.required


def _column_type(column: pd.Series[Any], name: str) -> ColumnType:
    if column.dtype == OBJECT:
        inferred = column.infer_objects()
        if inferred.dtype.kind == "f" and _are_integers(column):  # pandas makes floats of integers with nulls
            return common(column.to_numpy(), name).type
        column = inferred
    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if not len(dtype.categories):
            return AnyType()
        return _column_type(pd.Series(dtype.categories), name)
    if isinstance(dtype, pd.StringDtype) or (dtype == OBJECT and column.empty):
        return DataType.string
    if isinstance(dtype, pd.DatetimeTZDtype):
        return DataType.datetime
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)
    if plain is None or plain == OBJECT:
        return common(column.to_numpy(dtype=object), name).type
    return declared(plain, name)


def _are_integers(column: pd.Series[Any]) -> bool:
    """Whether objects are integers, some of them missing."""
    kinds = set(map(type, column[column.notna()]))
    return bool(kinds) and all(issubclass(kind, int | np.integer) for kind in kinds)


def _schema(columns: Iterable[tuple[Any, ColumnType | Unfit, bool]]) -> tuple[Schema, list[Problem]]:
    specs: list[ColSpec] = []
    problems: list[Problem] = []
    for name, kind, optional in columns:
        if isinstance(kind, Unfit):
            if kind.fatal:
                raise kind
            problems.append(Problem(kind.path, kind.fact, Code.UNSUPPORTED_TYPE))
            kind = AnyType()
        name = name.item() if isinstance(name, np.integer) else name
        # a column that cannot be known by its name leaves nothing by which the others can be
        if isinstance(name, bool) or not isinstance(name, str | int | None):
            raise _unknown_label(name)
        specs.append(ColSpec(kind, name, not optional))
    if not specs:
        raise Unfit("there are no columns")
    if repeated := duplicates(str(spec.name) for spec in specs):
        fact = f"several columns have one name: {', '.join(map(repr, repeated))}"
        raise Unfit(fact, fatal=True, hint="rename or drop all but one")
    try:
        return Schema(specs), problems
    except SignatureError as error:  # some columns have no name
        raise Unfit(error.message, fatal=True) from None
