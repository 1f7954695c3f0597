"""How to look into a quarantine: PySpark and SQL to paste, in which every name stands as a literal.

A name is whatever somebody called a column or a folder. In Python it stands as its `repr`, which also shows characters
that would turn the text's direction. In Spark SQL no quoted text is safe: quotes and backslashes differ by version,
and `${..}` is substituted even inside them. A name that is not plain stands there as the digits of its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9_./:=-]+")
"""A path that SQL cannot misread: neither quotes nor what Spark would substitute or take for a pattern."""

_WORDS = re.compile(r"[A-Za-z0-9_.()\[\] -]*")
_TABLE = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_GLOB = re.compile(r"([\[\]{}*?\\])")


def quarantine_python(sink: Mapping[str, Any], path: str) -> str:
    r"""PySpark that counts the quarantine by path and code, and shows the rows of one path.

    Args:
        sink: the quarantine, as the summary's `sinks` has it.
        path: the violations' path.

    >>> print(quarantine_python({"path": "bad/run_id=1", "format": "parquet"}, "it's"))
    from pyspark.sql import functions as F
    <BLANKLINE>
    dirty = spark.read.format('parquet').load('bad/run_id=1')
    found = dirty.select(F.explode('_violations').alias('v'))
    found.groupBy('v.path', 'v.code').count().orderBy(F.desc('count')).show(truncate=False)
    <BLANKLINE>
    # the rows with a violation of one path
    path = "it's"
    dirty.where(F.exists('_violations', lambda v: v['path'] == path)).show()
    """
    if "table" in sink:
        source = f"spark.table({sink['table']!r})"
        if "run_id" in sink:
            source += f".where(F.col('run_id') == {sink['run_id']!r})"
    else:
        # Spark takes brackets, braces and stars in a path for a pattern
        literal = _GLOB.sub(r"\\\1", sink["path"])
        source = f"spark.read.format({sink.get('format') or 'parquet'!r}).load({literal!r})"
    return f"""from pyspark.sql import functions as F

dirty = {source}
found = dirty.select(F.explode('_violations').alias('v'))
found.groupBy('v.path', 'v.code').count().orderBy(F.desc('count')).show(truncate=False)

# the rows with a violation of one path
path = {path!r}
dirty.where(F.exists('_violations', lambda v: v['path'] == path)).show()"""


def quarantine_sql(sink: Mapping[str, Any], path: str) -> str | None:
    """The same as Spark SQL, or None where SQL cannot say the sink's name.

    >>> print(quarantine_sql({"table": "night.bad"}, "it's"))
    SELECT v.path, v.code, count(*) AS rows
    FROM night.bad LATERAL VIEW explode(_violations) AS v
    GROUP BY v.path, v.code ORDER BY rows DESC;
    <BLANKLINE>
    -- the rows with a violation of one path
    SELECT * FROM night.bad
    WHERE exists(_violations, v -> v.path = cast(X'69742773' AS string));
    >>> quarantine_sql({"path": "bad/${env:HOME}", "format": "parquet"}, "x") is None
    True
    """
    if "table" in sink:
        source = sink["table"] if _TABLE.fullmatch(sink["table"]) else None
        if source and "run_id" in sink:  # letters, digits, '.', '_' and '-'
            source = f"(SELECT * FROM {source} WHERE run_id = '{sink['run_id']}')"
    else:
        kind = sink.get("format") or "parquet"
        source = f"{kind}.`{sink['path']}`" if _TABLE.fullmatch(kind) and _PLAIN.fullmatch(sink["path"]) else None
    if source is None:
        return None
    literal = f"'{path}'" if _WORDS.fullmatch(path) else f"cast(X'{path.encode('utf-8', 'replace').hex()}' AS string)"
    return f"""SELECT v.path, v.code, count(*) AS rows
FROM {source} LATERAL VIEW explode(_violations) AS v
GROUP BY v.path, v.code ORDER BY rows DESC;

-- the rows with a violation of one path
SELECT * FROM {source}
WHERE exists(_violations, v -> v.path = {literal});"""
