"""Records that Spark could not parse: they are quarantined, and never scored as rows of nulls.

Spark reads such a record as a row of nulls and keeps its text in a column of its own, `_corrupt_record` by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparksig.errors import Code
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.io import corrupt_column, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_FORMATS = ("json", "csv", "xml")


def split_corrupt(config: JobConfig, table: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """The rows that Spark could parse, and the others; None where the source has no column for them.

    Args:
        config: the job. Rows that it requeues keep the column.
        table: the rows of the source.
    """
    from pyspark.sql import functions as F

    if config.format.lower() not in _FORMATS and config.requeues is None:
        return table, None
    name = corrupt_column(table.sparkSession, config.input_options)
    if dict(table.dtypes).get(name) != "string":
        return table, None
    text = F.col(quoted(name))
    if others := [column for column in table.columns if column != name]:
        # Spark rejects a query that reads no other column than this one, which counting would be. Nothing of the other
        # column is used: a substring of length 0.
        nothing = F.coalesce(F.substring(F.col(quoted(others[0])).cast("string"), 1, 0), F.lit(""))
        text = F.concat(text, nothing)
    return table.where(text.isNull()), table.where(text.isNotNull())


def with_corrupt(config: JobConfig, tagged: DataFrame, corrupt: DataFrame | None) -> DataFrame:
    """Add rows that Spark could not parse to rows with their violations, which are in the last column."""
    from pyspark.sql import functions as F

    if corrupt is None:
        return tagged
    name = corrupt_column(tagged.sparkSession, config.input_options)
    form = "record" if config.requeues is not None else config.format.lower()
    facts = {"path": name, "code": Code.UNPARSABLE.value, "expected": form, "observed": "string"}
    kind = tagged.schema[tagged.columns[-1]].dataType
    violation = F.struct(*[F.lit(fact).alias(field) for field, fact in facts.items()])
    columns: list[Any] = [*map(quoted, corrupt.columns), F.array(violation).cast(kind).alias(tagged.columns[-1])]
    return tagged.union(corrupt.select(*columns))
