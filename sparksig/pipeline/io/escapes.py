"""Strings that are not valid UTF-8, in files that store characters: an escaped form keeps their bytes.

Spark writes U+FFFD to JSON in place of bytes that are not valid UTF-8. A reader of the file could not distinguish the
damaged string from a valid one, so the string is written as `ESCAPE` and its bytes in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sparksig.scoring.anything import loosened

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

    Rewrite = Callable[[Column, DataType], Column]

ESCAPE = "invalid UTF-8, hex "
"""The prefix of an escaped string. A valid string that begins with it is escaped too: each form has one meaning."""

_FORMATS = ("json", "csv")


def stores_characters(form: str) -> bool:
    """Whether files of a format cannot hold bytes that are not valid UTF-8."""
    return form.lower() in _FORMATS


def escape_strings(rows: DataFrame) -> DataFrame:
    """Escape the strings that are not valid UTF-8, at every depth."""
    return _rewritten(rows, _escaped)


def restore_strings(rows: DataFrame) -> DataFrame:
    """Restore the strings that `escape_strings` has escaped."""
    return _rewritten(rows, _restored)


def _escaped(string: Column, kind: DataType) -> Column:
    from pyspark.sql import functions as F

    content = string.cast("binary")
    changes = (F.encode(string, "UTF-8") != content) | string.startswith(ESCAPE)
    return F.when(changes, F.concat(F.lit(ESCAPE), F.hex(content)).cast(kind)).otherwise(string)


def _restored(string: Column, kind: DataType) -> Column:
    from pyspark.sql import functions as F

    content = F.unhex(F.substring(string, len(ESCAPE) + 1, 2**31 - 1)).cast(kind)
    return F.when(string.startswith(ESCAPE), F.coalesce(content, string)).otherwise(string)


def _rewritten(rows: DataFrame, rewrite: Rewrite) -> DataFrame:
    """The frame with each string rewritten; columns without strings are not touched."""
    from pyspark.sql import functions as F

    if not any(_has_string(field.dataType) for field in rows.schema.fields):
        return rows
    columns = []
    for field in rows.schema.fields:
        column = F.col(f"`{field.name.replace('`', '``')}`")
        if _has_string(field.dataType):
            metadata = {"metadata": field.metadata} if field.metadata else {}
            column = _value(column, field.dataType, rewrite).alias(field.name, **metadata)
        columns.append(column)
    return rows.select(*columns)


def _value(value: Column, kind: DataType, rewrite: Rewrite) -> Column:
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if not _has_string(kind):
        return value
    match kind:
        case T.ArrayType(elementType=element):
            return F.transform(value, lambda x: _value(x, element, rewrite))
        case T.MapType(keyType=key, valueType=member):
            if _has_string(key):
                value = F.transform_keys(value, lambda k, _: _value(k, key, rewrite))
            return F.transform_values(value, lambda _, x: _value(x, member, rewrite))
        case T.StructType():
            # fields by position: their names may be alike
            opened = value.cast(
                T.StructType([T.StructField(f"f{i}", loosened(f.dataType), True) for i, f in enumerate(kind.fields)])
            )
            members = [
                _value(opened.getField(f"f{i}"), f.dataType, rewrite).alias(f.name) for i, f in enumerate(kind.fields)
            ]
            return F.when(value.isNotNull(), F.struct(*members))
    return rewrite(value, kind)


def _has_string(kind: DataType) -> bool:
    from pyspark.sql import types as T

    match kind:
        case T.ArrayType():
            return _has_string(kind.elementType)
        case T.MapType():
            return _has_string(kind.keyType) or _has_string(kind.valueType)
        case T.StructType():
            return any(_has_string(field.dataType) for field in kind.fields)
    return isinstance(kind, T.StringType)
