"""A UDF's columns as JSON text and back, exactly, for the Sparks that have no UDFs on Arrow arrays.

Before 4.1 a UDF is given pandas or pickled values: an integer beside a null becomes a float, NaN becomes null, and a
moment is a wall clock of the session that has to fit nanoseconds. Text crosses as it is. The JVM writes it with
`to_json`, which needs no schema, and says with `typeof` what it was; the prediction is read by `from_json`, with
numbers that JSON lacks as texts.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as t

from sparksig.errors import Code, NotSupportedError, OutputError, Problem
from sparksig.signature.dtypes import SPARK

if TYPE_CHECKING:
    from pyspark.sql import Column
    from pyspark.sql.types import DataType

_CLOCK = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"
_OPTIONS = {
    **{"ignoreNullFields": "false", "timeZone": "UTC", "dateFormat": "yyyy-MM-dd"},
    **{"timestampFormat": _CLOCK, "timestampNTZFormat": _CLOCK},
}
_MICROS, _MOMENT = -62135596800000001, "0000-12-31T23:59:59.999999"
"""A moment that the formats of before Spark 3 write as another, and what it is."""

_LONGEST = 10_000_000  # characters of one text that JSON readers take, with room for what is two of theirs
_JSON = json.JSONDecoder(object_pairs_hook=list, parse_float=str)  # names may stand twice; floats later, by type
_SHORT = {"bigint": "long", "int": "integer", "smallint": "short", "tinyint": "byte"}


# ---- on the driver


def asked(column: Column) -> tuple[Column, Column]:
    """A column of any type as text, and what type it is, for `read`."""
    from pyspark.sql import functions as F

    held = F.struct(column)
    text = F.to_json(held, _OPTIONS)
    # to_json puts the sign for it in the place of bytes that are no UTF-8, the cast leaves them
    replaced = (F.instr(text, _REPLACED) > 0) & (_count(held.cast("string")) < _count(text))
    kind = F.struct(F.typeof(column), F.timestamp_micros(F.lit(_MICROS)))
    return F.when(replaced, F.lit("")).otherwise(text), F.to_json(kind, _OPTIONS)


def _count(text: Column) -> Column:
    """How many bytes of a text are those of the sign for what is no UTF-8."""
    from pyspark.sql import functions as F

    return F.octet_length(text) - F.octet_length(F.replace(text, F.lit(_REPLACED), F.lit("")))


_REPLACED = "\ufffd"


def answered(text: Column, kind: DataType) -> Column:
    """What `written` wrote, as a column of a type."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    wire = T.StructType([T.StructField("v", _wire(kind)), T.StructField("whole", T.BooleanType())])
    unread = F.raise_error("sparksig: a prediction cannot be read back from its text")

    def opened(row: Column) -> Column:
        return F.when(row["whole"].isNull(), unread).otherwise(_from_wire(row["v"], kind))

    return F.transform(F.array(F.from_json(text, wire)), opened)[0].cast(kind)  # which names the fields


def _wire(kind: DataType) -> DataType:
    """The type in which JSON holds a type exactly."""
    from pyspark.sql import types as T

    match kind:
        case T.ArrayType():
            return T.ArrayType(_wire(kind.elementType))
        case T.MapType():
            return T.MapType(T.StringType(), _wire(kind.valueType))
        case T.StructType():
            return T.StructType([T.StructField(f"f{i}", _wire(f.dataType)) for i, f in enumerate(kind.fields)])
        case T.IntegralType() | T.TimestampType():
            return T.LongType()
        case T.BooleanType():
            return kind
    return T.StringType()


def _from_wire(column: Column, kind: DataType) -> Column:
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    match kind:
        case T.ArrayType():
            return F.transform(column, lambda x: _from_wire(x, kind.elementType))
        case T.MapType():
            return F.transform_values(column, lambda _, x: _from_wire(x, kind.valueType))
        case T.StructType():
            parts = [_from_wire(column[f"f{i}"], f.dataType) for i, f in enumerate(kind.fields)]
            return F.when(column.isNotNull(), F.struct(*parts))
        case T.TimestampType():
            return F.timestamp_micros(column)
        case T.BinaryType():
            return F.unbase64(column)
        case T.BooleanType() | T.StringType():
            return column
    return column.cast(kind)


# ---- in a worker: what comes in


def read(texts: pd.Series[Any], kinds: pd.Series[Any]) -> pa.Array:
    """The column that `asked` wrote, as Arrow array.

    Args:
        texts: one JSON object a row.
        kinds: the type, the same in each row; there is one row at least.

    Raises:
        NotSupportedError: it holds a type that text does not hold exactly, or bytes that are no text, or the session
            formats moments as Spark 2 did.

    >>> kinds = pd.Series(['{"col1":"array<float>","col2":"0000-12-31T23:59:59.999999"}'] * 2)
    >>> read(pd.Series(['{"c":[0.1,null,"NaN"]}', '{"c":null}']), kinds).to_pylist()
    [[0.10000000149011612, None, nan], None]
    """
    kind_text, moment = json.loads(kinds.iloc[0]).values()
    if moment != _MOMENT:
        fact = "spark.sql.legacy.timeParserPolicy=LEGACY writes days of before 1582 as others"
        raise _unfit(Problem("", fact, hint="use CORRECTED, or score()"))
    if (texts == "").any():
        raise _unfit(Problem("", "a text in the struct is no UTF-8", Code.UNPARSABLE))
    cells = [_JSON.decode(text)[0][1] for text in texts]
    problems: list[Problem] = []
    kind = _type(kind_text, next((cell for cell in cells if cell is not None), None), problems)
    if problems:
        raise _unfit(*problems)
    return _array(cells, kind)


def _unfit(*problems: Problem) -> NotSupportedError:
    return NotSupportedError("before Spark 4.1 not everything reaches a UDF as it is; score() takes it", list(problems))


def _type(text: str, example: Any, problems: list[Problem]) -> pa.DataType:
    """The Arrow type for a type as `typeof` says it; there names stand unquoted, those of the example are known."""
    names = [name for name, _ in example] if text.startswith("struct<") and example is not None else []
    kind, end = _parsed(text, 0, names, "", problems)
    if not problems and end != len(text):
        problems.append(_odd_names(""))
    return kind


def _odd_names(path: str) -> Problem:
    return Problem(path, "',', ':', '<' or '>' in the names of fields inside hides their types")


def _parsed(text: str, at: int, names: Sequence[str], path: str, problems: list[Problem]) -> tuple[pa.DataType, int]:
    """The type that starts at a place of the text, and where it ends."""
    if text.startswith("struct<", at):
        fields: list[pa.Field] = []
        at += len("struct<")
        while text[at : at + 1] not in (">", ""):
            known = names[len(fields)] if len(fields) < len(names) else None
            name = known if known is not None and text.startswith(f"{known}:", at) else text[at:].partition(":")[0]
            kind, at = _parsed(text, at + len(name) + 1, (), f"{path}.{name}" if path else name, problems)
            fields.append(pa.field(name, kind))
            at += text.startswith(",", at)
        return pa.struct(fields), at + 1
    if text.startswith("array<", at):
        kind, at = _parsed(text, at + len("array<"), (), f"{path}[]", problems)
        return pa.list_(pa.field("element", kind)), at + 1
    if text.startswith("map<", at):
        key, at = _parsed(text, at + len("map<"), (), path, problems)
        kind, at = _parsed(text, at + 1, (), f"{path}{{}}", problems)
        if not t.is_string(key):
            problems.append(Problem(path, "a map with keys that are no texts", Code.UNSUPPORTED_TYPE))
            key = pa.string()
        return pa.map_(key, kind), at + 1
    match = _LEAF.match(text, at)
    assert match is not None
    return _leaf(match[0], path, problems), match.end()


_LEAF = re.compile(r"[^,<>(]*(\([0-9, ]*\))?")


def _leaf(name: str, path: str, problems: list[Problem]) -> pa.DataType:
    if decimal := re.fullmatch(r"decimal\((\d+),(\d+)\)", name):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    row = SPARK.get(_SHORT.get(name, name.partition(" collate ")[0]))
    if row is None:
        if name.startswith(("interval", "variant")):
            fact = f"{name} has no exact text"
            problems.append(Problem(path, fact, Code.UNSUPPORTED_TYPE, "leave it out of the struct"))
        elif name != "void":
            problems.append(_odd_names(path.rpartition(".")[0]))
        return pa.null()
    return pa.timestamp("us", "UTC") if name == "timestamp" else pa.type_for_alias(row.arrow)


def _array(cells: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Parsed JSON as an array of a type."""
    if t.is_struct(kind):
        names = [field.name for field in kind]
        absent = [(name, None) for name in names]
        rows = [absent if cell is None else cell for cell in cells]
        if any([name for name, _ in row] != names for row in rows):
            raise _unfit(_odd_names(""))
        columns = [[row[i][1] for row in rows] for i in range(len(names))]
        arrays = [_array(column, field.type) for column, field in zip(columns, kind, strict=True)]
        mask = pa.array([cell is None for cell in cells], pa.bool_())
        return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=mask)
    if t.is_list(kind):
        return pa.ListArray.from_arrays(_offsets(cells), _array(_joined(cells), kind.value_type), type=kind)
    if t.is_map(kind):
        pairs = _joined(cells)
        keys, values = pa.array([k for k, _ in pairs], pa.string()), _array([v for _, v in pairs], kind.item_type)
        return pa.MapArray.from_arrays(_offsets(cells), keys, values)
    if t.is_floating(kind):
        return pa.array(cells, pa.string()).cast(
            kind
        )  # of the text itself: by way of a double a float would be rounded twice
    if t.is_decimal(kind):
        return pa.array([None if cell is None else Decimal(cell) for cell in cells], kind)
    if t.is_binary(kind):
        return pa.array([None if cell is None else b64decode(cell) for cell in cells], kind)
    if t.is_date(kind) or t.is_timestamp(kind):
        unit = "D" if t.is_date(kind) else "us"
        moments = np.array(["NaT" if cell is None else cell for cell in cells], f"datetime64[{unit}]")
        mask = np.array([cell is None for cell in cells], bool)
        whole = pa.array(moments.astype("int64").astype("int32" if unit == "D" else "int64"), mask=mask)
        return whole.cast(kind)
    return pa.array(cells, kind)


def _joined(cells: Sequence[Any]) -> list[Any]:
    return list(chain.from_iterable(cell for cell in cells if cell is not None))


def _offsets(cells: Sequence[Any]) -> pa.Array:
    """Where each list starts and the last one ends; null at one that is null."""
    ends = np.cumsum([0, *(0 if cell is None else len(cell) for cell in cells)])
    return pa.array(ends, pa.int32(), mask=np.array([*(cell is None for cell in cells), False]))


# ---- in a worker: what goes out


def written(array: pa.Array) -> pd.Series[Any]:
    """Predictions as JSON texts, for `answered`.

    Raises:
        OutputError: a text is longer than readers of JSON take, or a map has a key twice.

    >>> written(pa.array([[0.5, None], None])).tolist()
    ['{"v": ["0.5", null], "whole": true}', '{"v": null, "whole": true}']
    """
    return pd.Series([json.dumps({"v": cell, "whole": True}) for cell in _cells(array)], dtype=object)


def _cells(array: pa.Array) -> list[Any]:
    """The values as JSON holds them: nothing but whole numbers, texts and booleans, in lists and objects."""
    kind = array.type
    if t.is_struct(kind):
        names = [f"f{i}" for i in range(kind.num_fields)]
        columns = [_cells(column) for column in array.flatten()]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        return [row if there else None for row, there in zip(rows, array.is_valid().to_pylist(), strict=True)]
    if t.is_list(kind):
        cells = iter(_cells(array.flatten()))  # of the lists that are not null, one after the other
        return [None if n is None else list(islice(cells, n)) for n in array.value_lengths().to_pylist()]
    if t.is_map(kind):
        return [None if pairs is None else _object(pairs) for pairs in _pairs(array)]
    if t.is_timestamp(kind):
        return [*array.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()).to_pylist()]
    values: list[Any] = array.to_pylist()
    if t.is_floating(kind) or t.is_decimal(kind):
        return [None if value is None else str(value) for value in values]
    if t.is_binary(kind):
        values = [None if value is None else b64encode(value).decode() for value in values]
    if any(isinstance(value, str) and len(value) > _LONGEST for value in values):
        raise _uncrossed(f"a text, or bytes in base64, of more than {_LONGEST} characters")
    return values


def _pairs(array: pa.Array) -> Iterator[list[tuple[str, Any]] | None]:
    offsets, keys, items = np.asarray(array.offsets), array.keys.to_pylist(), _cells(array.items)
    for i, there in enumerate(array.is_valid().to_pylist()):
        at = slice(offsets[i], offsets[i + 1])
        yield list(zip(keys[at], items[at], strict=True)) if there else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise OutputError(
            "the model's output does not cross", [Problem("", "a map has a key twice", Code.WRONG_OUTPUT)]
        )
    return found


def _uncrossed(fact: str) -> OutputError:
    problem = Problem("", fact, Code.WRONG_OUTPUT, "use score()")
    return OutputError("before Spark 4.1 not every output leaves a UDF", [problem])
