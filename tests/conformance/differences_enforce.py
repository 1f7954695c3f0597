"""Differences of `enforce_values` under `Policy.mlflow()` from MLflow: rules on the data and the schema.

Where we accept, a trait of the data says why MLflow rejects it or returns something else. Where we reject, the data
is fixed in one respect: MLflow accepts unchanged what we then accept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import sparksig
from sparksig.errors import SparksigError
from sparksig.sources.observed import table_from_spark

import golden_rebuild as g

ZERO_ONE = "a long is no float and no double, also where a batch holds only 0 and 1"
BESIDE_NULLS = "integers among Python objects are longs, also beside a missing value or beyond 64 bits"
NO_WIDTH = "Python's integers and floats have no width: an `integer` or a `float` is each that it holds exactly"
SMALL_INTEGERS = "integers of 8 and 16 bits widen to float, which holds them exactly"
ZONED = "a datetime with a zone is an instant, and reaches the model as its wall clock in UTC"
CATEGORY = "a category is its values"
NOTHING = "a column without a value is of any type"
UNCHECKED = "columns of Python objects are checked, whatever is declared"
BYTEARRAY = "a bytearray reaches the model as bytes"
ZERO_D = "an array without dimensions in a dict is its value"
TEXT_ARRAYS = "texts in arrays stay Python's, with their nulls: numpy's texts have one width and lose trailing NULs"
ARRAY_CELLS = "elements of arrays keep their nulls and their moments"
PLAIN_MEMBERS = "members of objects and values of maps are plain Python values"
OBJECT_MOMENTS = "datetimes inside objects and maps are datetimes"
EMPTY_OBJECT = "an object without its required members is a violation, also in an optional column"
NULL_MAP = "a null for a required map is a violation, whatever its values are"
LIST_OF_LISTS = "a list of lists is the rows of an unnamed array column"
ONE_MAP = "a dict is one row where the schema declares a map"
NO_ROWS = "a table without rows is a tensor without rows"
OPEN_SIZES = "the cells of a table hold tensors of open sizes, which follow from their entries"
TENSOR_CELLS = "a table's cells are cast to a tensor's dtype only without loss, and each is looked at"
MIXED = "whole numbers among the floats of one column are floats"
NULL_MEMBERS = "a null member follows its column: in an optional one it is admitted"
SPARK_CAST = "a Spark frame comes back with the declared types in the declared order, every row under contract"
SPARK_NULLS = "a Spark frame keeps its nulls and decimals: ten rows in pandas do not stand for it"
BOOLEANS = "a null in a nullable boolean column is admitted"


def difference(given: dict[str, Any]) -> str | None:
    """The reason why we answer otherwise, or None."""
    schema = sparksig.Schema.from_json(json.dumps(given["schema"]))
    if isinstance(given["data"], dict) and given["data"].get("$") == "sparkdf":
        return _spark(schema, given["data"])
    data = g.rebuild(given["data"])
    if _accepts(schema, data):
        return next((reason for trait in TRAITS if (reason := trait(schema, data)) is not None), None)
    if _null_members(schema, data) or _column_traits(schema, data) in (ZONED, CATEGORY, SMALL_INTEGERS, NOTHING):
        return None  # MLflow refuses it as well
    first = None
    for mend in MENDS:
        found = mend(schema, data)
        if found is not None:
            reason, data = found
            first = first or reason
    return first if first and _accepts(schema, data) else None


def _accepts(schema: Any, data: Any) -> bool:
    try:
        sparksig.enforce_values(data, schema, policy=sparksig.Policy.mlflow())
    except SparksigError:
        return False
    return True


# --- traits of what we accept ---------------------------------------------------------------------------------------


def _pairs(schema: Any, data: Any) -> Iterator[tuple[Any, pd.Series[Any]]]:
    """Each declared column with the data's column."""
    if isinstance(data, list | np.ndarray) or np.isscalar(data):
        return
    if isinstance(data, dict):
        data = pd.DataFrame({name: pd.Series([cell], dtype=object) for name, cell in data.items()})
    frame = data.to_frame() if isinstance(data, pd.Series) else data
    for at, spec in enumerate(schema):
        if not isinstance(spec, sparksig.ColSpec):
            continue
        if spec.name is None:
            if at < frame.shape[1]:
                yield spec, frame.iloc[:, at]
        elif spec.name in frame.columns:
            yield spec, frame[spec.name]


def _column_traits(schema: Any, data: Any) -> str | None:
    for spec, column in _pairs(schema, data):
        dtype, kind = column.dtype, spec.type
        name = getattr(kind, "name", None)
        if isinstance(kind, sparksig.AnyType):
            continue
        if isinstance(dtype, pd.DatetimeTZDtype):
            return ZONED
        if isinstance(dtype, pd.CategoricalDtype):
            return CATEGORY
        if name == "float" and str(dtype).lower() in ("int8", "int16", "uint8", "uint16"):
            return SMALL_INTEGERS
        if str(dtype) == "boolean" and column.isna().any():
            return BOOLEANS
        scalar = isinstance(kind, sparksig.DataType) and name not in ("float", "double", "string", "datetime")
        if scalar and dtype.kind in "fO" and len(column) and all(isinstance(x, float) and x != x for x in column):
            return NOTHING
        if _holds_objects(column) and (reason := _object_trait(name, list(column))) is not None:
            return reason
    return None


def _object_trait(name: str | None, cells: list[Any]) -> str | None:
    classes = {type(cell) for cell in cells if not _is_null(cell)}
    if not classes and (name == "float" or (not cells and name in ("integer", "long", "double", "boolean"))):
        return NOTHING
    if name == "binary" and bytearray in classes:
        return BYTEARRAY
    if name == "datetime" and any(getattr(cell, "tzinfo", None) for cell in cells):
        return ZONED
    return None


def _holds_objects(column: pd.Series[Any]) -> bool:
    return isinstance(column.dtype, np.dtype) and column.dtype.kind == "O"  # pandas' str says it equals object


def _is_null(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell)


def _nested_traits(schema: Any, data: Any) -> str | None:
    for spec, column in _pairs(schema, data):
        if not _holds_objects(column):
            continue
        for cell in column:
            if (reason := _cell_trait(cell, spec.type, False)) is not None:
                return reason
    return None


def _cell_trait(cell: Any, kind: Any, member: bool) -> str | None:
    """Why MLflow hands on another cell; `member` says that the cell is a member of an object or a value of a map."""
    if cell is None or isinstance(kind, sparksig.AnyType):
        return None
    if isinstance(kind, sparksig.Array):
        return _array_trait(cell, kind.dtype)
    if isinstance(kind, sparksig.Map):
        return next((r for value in cell.values() if (r := _cell_trait(value, kind.value_type, True))), None)
    if isinstance(kind, sparksig.Object):
        types = {prop.name: prop.dtype for prop in kind.properties}
        return next((r for name, value in cell.items() if (r := _cell_trait(value, types[name], True))), None)
    if not member or not isinstance(kind, sparksig.DataType) or _is_null(cell):
        return None
    if kind.name == "datetime":
        return OBJECT_MOMENTS
    return None if kind.name in ("string", "binary") else PLAIN_MEMBERS


def _array_trait(cell: Any, element: Any) -> str | None:
    if not isinstance(element, sparksig.DataType):
        return next((r for value in cell if (r := _cell_trait(value, element, False))), None)
    nulls = any(_is_null(value) for value in cell)
    if element.name == "string" and len(cell) and (isinstance(cell, np.ndarray) or nulls):
        return TEXT_ARRAYS
    if element.name == "datetime" and isinstance(cell, list) and cell:
        return ARRAY_CELLS
    return ARRAY_CELLS if nulls and element.name == "boolean" else None


def _container_traits(schema: Any, data: Any) -> str | None:
    kinds = [getattr(spec, "type", None) for spec in schema]
    if isinstance(data, dict) and any(isinstance(v, np.ndarray) and v.ndim == 0 for v in data.values()):
        return ZERO_D
    if isinstance(data, dict) and any(isinstance(kind, sparksig.Map) for kind in kinds):
        compound = any(isinstance(kind, sparksig.Array | sparksig.Object) for kind in kinds)
        return None if compound else ONE_MAP
    nested = isinstance(data, list) and any(isinstance(row, list | np.ndarray) for row in data)
    if nested and not schema.has_input_names() and isinstance(kinds[0], sparksig.Array):
        return LIST_OF_LISTS
    if schema.is_tensor_spec() and isinstance(data, pd.DataFrame | pd.Series):
        open_sizes = any(-1 in spec.shape[1:] for spec in schema)
        return OPEN_SIZES if open_sizes else None if len(data) else NO_ROWS
    return None


def _null_members(schema: Any, data: Any) -> str | None:
    for spec, column in _pairs(schema, data):
        if _holds_objects(column) and any(_lacks(cell, spec.type, not spec.required, False) for cell in column):
            return NULL_MEMBERS
    return None


def _lacks(cell: Any, kind: Any, optional: bool, required: bool) -> bool:
    """Whether a null stands in a required member of an object, though what is around it is optional."""
    if isinstance(kind, sparksig.Array) and isinstance(cell, list | np.ndarray):
        return any(_lacks(value, kind.dtype, optional, False) for value in cell)
    if isinstance(kind, sparksig.Map) and isinstance(cell, dict):
        nulls = required and optional and any(value is None for value in cell.values())
        return nulls or any(_lacks(value, kind.value_type, optional, required) for value in cell.values())
    if isinstance(kind, sparksig.Object) and isinstance(cell, dict):
        for prop in kind.properties:
            value = cell.get(prop.name)
            if prop.required and optional and prop.name in cell and _is_null(value):
                return True
            if _lacks(value, prop.dtype, optional or not prop.required, bool(prop.required)):
                return True
    return False


def _mixed(schema: Any, data: Any) -> str | None:
    """MLflow reads each cell by itself, and an integer in one by the rule of 0 and 1."""
    for spec, column in _pairs(schema, data):
        nested = not isinstance(spec.type, sparksig.DataType)
        if nested and _holds_objects(column) and any(_holds_longs(cell, spec.type, (0, 1)) for cell in column):
            return MIXED
    return None


def _no_width(schema: Any, data: Any) -> str | None:
    """MLflow makes numpy's 64 bits of Python's numbers."""
    if np.isscalar(data) and not schema.is_tensor_spec():
        return NO_WIDTH if _has_no_width(data, next(iter(schema)).type) else None
    for spec, column in _pairs(schema, data):
        if _holds_objects(column) and any(_has_no_width(cell, spec.type) for cell in column):
            return NO_WIDTH
    return None


def _has_no_width(cell: Any, kind: Any) -> bool:
    if isinstance(kind, sparksig.Array) and isinstance(cell, list):
        return any(_has_no_width(value, kind.dtype) for value in cell)
    if isinstance(kind, sparksig.Map) and isinstance(cell, dict):
        return any(_has_no_width(value, kind.value_type) for value in cell.values())
    if isinstance(kind, sparksig.Object) and isinstance(cell, dict):
        return any(_has_no_width(cell.get(prop.name), prop.dtype) for prop in kind.properties)
    return type(cell) is {"integer": int, "float": float}.get(getattr(kind, "name", ""))


TRAITS = (_null_members, _mixed, _container_traits, _column_traits, _no_width, _nested_traits)


# --- what we refuse, mended -----------------------------------------------------------------------------------------


def _mend_columns(data: Any, schema: Any, mended: Any) -> Any:
    """The data with each column that `mended(spec, column)` makes another of; None where it makes none."""
    found = {column.name: new for spec, column in _pairs(schema, data) if (new := mended(spec, column)) is not None}
    if not found:
        return None
    if isinstance(data, dict):
        return {name: found[name].iloc[0] if name in found else value for name, value in data.items()}
    if isinstance(data, pd.Series):
        return found[data.name]
    return pd.DataFrame({name: found.get(name, data[name]) for name in data.columns})


def _floats(column: pd.Series[Any]) -> pd.Series[Any]:
    return pd.Series([np.nan if _is_null(x) else float(x) for x in column], index=column.index, name=column.name)


def _zero_one(schema: Any, data: Any) -> tuple[str, Any] | None:
    def mended(spec: Any, column: pd.Series[Any]) -> Any:
        if getattr(spec.type, "name", None) in ("float", "double"):
            # with a missing value beside them, integers among objects are floats in pandas
            objects = _holds_objects(column) and len(column) and all(type(x) is int for x in column)
            if (column.dtype == np.int64 or objects) and all(x in (0, 1) for x in column):
                return _floats(column).astype("float32" if spec.type.name == "float" else "float64")
            return None
        if not _holds_objects(column):
            return None
        cells = [_with_floats(cell, spec.type) for cell in column]
        if any(_holds_longs(cell, spec.type) for cell in cells):
            return None  # which MLflow refuses, too
        changed = any(new is not old for new, old in zip(cells, column, strict=True))
        return pd.Series(cells, dtype=object, index=column.index, name=column.name) if changed else None

    if isinstance(data, list) and all(type(x) is int and x in (0, 1) for x in data) and data:
        [kind] = {getattr(spec.type, "name", None) for spec in schema}
        return (
            (ZERO_ONE, np.array(data, {"float": "f4", "double": "f8"}[kind])) if kind in ("float", "double") else None
        )
    if type(data) is int and data in (0, 1) and getattr(schema.inputs[0].type, "name", None) == "double":
        return ZERO_ONE, float(data)
    new = _mend_columns(data, schema, mended)
    return None if new is None else (ZERO_ONE, new)


def _with_floats(cell: Any, kind: Any) -> Any:
    """A cell whose 0 and 1 are floats where doubles are declared; the very cell where there is nothing to mend."""
    if isinstance(kind, sparksig.Array) and isinstance(cell, list | np.ndarray):
        if getattr(kind.dtype, "name", None) in ("float", "double"):
            present = [x for x in cell if not _is_null(x)]
            whole = len(present) > 0 and all(isinstance(x, int | np.int64) for x in present)
            gaps = len(present) < len(cell) and kind.dtype.name == "double"
            if not whole or not (gaps or all(x in (0, 1) for x in present)):
                return cell
            return np.asarray(
                [np.nan if _is_null(x) else x for x in cell], "f4" if kind.dtype.name == "float" else "f8"
            )
        cells = [_with_floats(x, kind.dtype) for x in cell]
        return cells if any(new is not old for new, old in zip(cells, cell, strict=True)) else cell
    if isinstance(kind, sparksig.Object) and isinstance(cell, dict):
        types = {prop.name: prop.dtype for prop in kind.properties}
        made = {name: _with_floats(x, types[name]) if name in types else x for name, x in cell.items()}
        return made if any(made[name] is not cell[name] for name in cell) else cell
    if isinstance(kind, sparksig.Map) and isinstance(cell, dict):
        made = {name: _with_floats(x, kind.value_type) for name, x in cell.items()}
        return made if any(made[name] is not cell[name] for name in cell) else cell
    if getattr(kind, "name", None) == "double" and type(cell) is int and cell in (0, 1):
        return float(cell)
    return cell


def _holds_longs(cell: Any, kind: Any, but: tuple[int, ...] = ()) -> bool:
    """Whether an integer stands where a float or a double is declared, inside a cell; some integers do not count."""
    if isinstance(kind, sparksig.Array) and isinstance(cell, list | np.ndarray):
        floats = any(isinstance(x, float) for x in cell)  # beside a float they are floats for pandas, too
        return not (but and floats) and any(_holds_longs(x, kind.dtype, but) for x in cell)
    if isinstance(kind, sparksig.Map) and isinstance(cell, dict):
        return any(_holds_longs(x, kind.value_type, but) for x in cell.values())
    if isinstance(kind, sparksig.Object) and isinstance(cell, dict):
        return any(_holds_longs(cell.get(prop.name), prop.dtype, but) for prop in kind.properties)
    floats = getattr(kind, "name", None) in ("float", "double")
    return floats and isinstance(cell, int | np.integer) and not isinstance(cell, bool) and cell not in but


def _beside_nulls(schema: Any, data: Any) -> tuple[str, Any] | None:
    def mended(spec: Any, column: pd.Series[Any]) -> Any:
        if getattr(spec.type, "name", None) != "double" or not _holds_objects(column):
            return None
        present = [x for x in column if not _is_null(x)]
        whole = bool(present) and all(isinstance(x, int) for x in present)
        gaps = len(present) < len(column)
        big = any(not -(2**63) <= int(x) < 2**64 for x in present) if whole else False
        mixed = len({type(x) is bool for x in present}) > 1
        return _floats(column) if whole and ((gaps and not mixed) or big) else None

    new = _mend_columns(data, schema, mended)
    return None if new is None else (BESIDE_NULLS, new)


def _unchecked(schema: Any, data: Any) -> tuple[str, Any] | None:
    """MLflow hands on objects for texts and bytes as they are, and for booleans what is still an object."""

    def mended(spec: Any, column: pd.Series[Any]) -> Any:
        name = getattr(spec.type, "name", None)
        fill = {"string": "x", "binary": b"x", "boolean": True}.get(str(name))
        text = isinstance(column.dtype, pd.StringDtype)
        objects = _holds_objects(column)
        if fill is None or not (objects or (text and name == "binary")):
            return None
        texts = {type(x) for x in column if not _is_null(x)} == {str}  # pandas 3 has a dtype for them
        if name == "boolean" and (texts or not _holds_objects(column.infer_objects())):
            return None
        return pd.Series(
            [None if _is_null(x) else fill for x in column], dtype=object, index=column.index, name=column.name
        )

    new = _mend_columns(data, schema, mended)
    return None if new is None else (UNCHECKED, new)


def _empty_objects(schema: Any, data: Any) -> tuple[str, Any] | None:
    def mended(spec: Any, column: pd.Series[Any]) -> Any:
        hit = isinstance(spec.type, sparksig.Object) and not spec.required and any(cell == {} for cell in column)
        cells = [None if isinstance(cell, dict) and not cell else cell for cell in column]
        return pd.Series(cells, dtype=object, index=column.index, name=column.name) if hit else None

    new = _mend_columns(data, schema, mended)
    return None if new is None else (EMPTY_OBJECT, new)


def _null_maps(schema: Any, data: Any) -> tuple[str, Any] | None:
    def mended(spec: Any, column: pd.Series[Any]) -> Any:
        anything = isinstance(spec.type, sparksig.Map) and isinstance(spec.type.value_type, sparksig.AnyType)
        hit = anything and _holds_objects(column) and any(cell is None for cell in column)
        cells = [{} if cell is None else cell for cell in column]
        return pd.Series(cells, dtype=object, index=column.index, name=column.name) if hit else None

    new = _mend_columns(data, schema, mended)
    return None if new is None else (NULL_MAP, new)


def _tensor_cells(schema: Any, data: Any) -> tuple[str, Any] | None:
    """MLflow casts a table's cells to the dtype of a tensor, whatever they lose, and mixed columns to one dtype."""
    if not schema.is_tensor_spec() or not isinstance(data, pd.DataFrame | pd.Series) or not len(data):
        return None
    frame = data.to_frame() if isinstance(data, pd.Series) else data
    specs = {spec.name: spec for spec in schema}
    if any(-1 in spec.shape[1:] for spec in schema):
        return None  # MLflow takes no such table
    if None in specs and frame.shape[1] > 1:
        try:
            joined = frame.to_numpy()
        except ValueError:
            return None
        same = joined.dtype == specs[None].type
        return (TENSOR_CELLS, pd.DataFrame(joined, columns=frame.columns)) if same else None
    made = {}
    for name in frame.columns:
        spec = specs.get(None) or specs.get(name)
        cells = list(frame[name])
        if spec is None:
            made[name] = frame[name]
            continue
        arrays = [np.asarray(cell) for cell in cells]
        fits = all(a.ndim < 2 and a.dtype.kind in "biuf" for a in arrays)
        if not fits or (spec.type.kind not in "biuf"):
            return None
        made[name] = pd.Series([a.astype(spec.type) if a.ndim else a.astype(spec.type)[()] for a in arrays])
        if arrays[0].ndim:
            made[name] = made[name].astype(object)
    return TENSOR_CELLS, pd.DataFrame(made)


MENDS = (_zero_one, _beside_nulls, _unchecked, _empty_objects, _null_maps, _tensor_cells)


# --- Spark ----------------------------------------------------------------------------------------------------------


def _spark(schema: Any, data: dict[str, Any]) -> str | None:
    from sparksig.enforcement.planning import plan_table

    table = table_from_spark(data["schema"])
    plan = plan_table(table, schema, sparksig.Policy.mlflow())
    rows = [[None if cell is None else cell for cell in row] for row in data["rows"]]
    if not plan.ok:
        kinds = {field.name: str(field.type) for field in table.fields}
        for problem in plan.problems:
            cells = [row[list(kinds).index(problem.path)] for row in rows if problem.path in kinds]
            if kinds.get(problem.path) != "long" or not all(cell in (None, 0, 1) for cell in cells):
                return None
        return ZERO_ONE
    for step in plan.steps:
        cells = [row[step.positions[0]] for row in rows] if step.positions else []
        if step.observed.startswith("decimal") and "double" not in step.declared:
            return SPARK_NULLS
        if (
            step.observed in ("long", "integer", "short", "byte")
            and step.declared in ("long", "integer")
            and None in cells
        ):
            return SPARK_NULLS
        if step.observed.startswith("decimal") or step.verdict == "widened":
            return SPARK_CAST
    positions = [step.positions[0] for step in plan.steps if step.positions]
    return SPARK_CAST if positions != sorted(positions) else None
