"""Sinks that are tables by name: a run's rows are appended once, under a column with its run id.

A table cannot be replaced whole together with another one, so nothing is replaced: rows are staged in a folder and
counted there, then appended. What a run finds of its own id in a table must be what it has staged: an attempt that
was killed between the tables is finished by the next one, and other rows are never put beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparksig.errors import Problem, SinkError
from sparksig.pipeline.accounting import Digest, digest
from sparksig.pipeline.config import FILES, RUN_COLUMN
from sparksig.pipeline.faults import from_spark, spark_words
from sparksig.pipeline.io import quoted, table_format
from sparksig.scoring.anything import loosened

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CHAR = "__CHAR_VARCHAR_TYPE_STRING"  # where Spark keeps that a column of texts is declared as char or varchar
_PART = re.compile(r"`((?:[^`]|``)*)`|([^.`]+)")


def same_table(spark: SparkSession, one: str, other: str) -> bool:
    """Whether two names are of one table, with or without its database and its catalog, quoted or not."""
    here = [spark.catalog.currentCatalog().lower(), spark.catalog.currentDatabase().lower()]
    first, second = ([quoted or plain for quoted, plain in _PART.findall(name.lower())] for name in (one, other))
    whole = [[*here[: max(0, 3 - len(parts))], *parts] for parts in (first, second)]
    return whole[0] == whole[1]


@dataclass(frozen=True, slots=True)
class TableSink:
    """The rows of one run in a table.

    Attributes:
        flag: the flag that names the table.
        name: the table.
        run_id: the run.
        format: Spark's format of the table, where it is made by the first run.
    """

    flag: str
    name: str
    run_id: str
    format: str = "parquet"

    def facts(self) -> dict[str, Any]:
        """What the summary says of it."""
        guarantee = "appended once; an attempt that was killed in between is finished by the next one"
        return {"table": self.name, "run_id": self.run_id, "format": self.format, "guarantee": guarantee}

    def faults(self, spark: SparkSession, rows: DataFrame) -> Iterator[Problem]:
        """What keeps rows from being appended as they are.

        Args:
            spark: the session.
            rows: the rows, without the run's id.
        """
        if RUN_COLUMN in (name.lower() for name in rows.columns):
            yield Problem(self.flag, f"the rows have a column {RUN_COLUMN} of their own", hint="--column without it")
            return
        try:
            kind = spark.catalog.getTable(self.name).tableType if self._exists(spark) else None
            database = ".".join(quoted or plain for quoted, plain in _PART.findall(self.name)[:-1])
            if database and kind is None and not spark.catalog.databaseExists(database):
                yield Problem(self.flag, f"there is no database {database} for {self.name}")
                return
        except Exception as error:
            if not from_spark(error):
                raise
            yield Problem(self.flag, f"Spark does not take {self.name}: {spark_words(error)}")
            return
        if kind is None:
            return
        if kind in ("VIEW", "TEMPORARY"):
            yield Problem(self.flag, f"{self.name} is a view", hint="name a table")
            return
        for field in spark.table(self.name).schema:
            if _CHAR in field.metadata:
                fact = f"{field.name} is {field.metadata[_CHAR]} in {self.name}, which pads or refuses texts"
                yield Problem(self.flag, fact, hint="declare it as string")
        declared = {field.name: loosened(field.dataType).simpleString() for field in spark.table(self.name).schema}
        wanted = {field.name: loosened(field.dataType).simpleString() for field in rows.schema} | {RUN_COLUMN: "string"}
        for name in sorted(declared.keys() | wanted.keys()):
            if declared.get(name) != wanted.get(name):
                there, here = declared.get(name, "missing"), wanted.get(name, "no column")
                fact = f"{name} is {there} in {self.name}, and {here} here"
                yield Problem(self.flag, fact, hint="nothing is cast on the way into a table")

    def staged_as(self, spark: SparkSession) -> str:
        """The form in which rows are counted on their way: the table's own, where it can change what it is given."""
        found = self.format
        if self._exists(spark):
            found = table_format(spark, self.name)
        return found if found in FILES else "parquet"

    def publish(self, spark: SparkSession, staged: DataFrame) -> None:
        """Append the rows, unless they are there.

        Raises:
            SinkError: the table holds other rows of the run, or Spark cannot write to it.
        """
        fields = staged.schema.fields
        wanted, there = digest(staged, fields), self._held(spark, staged.columns, fields)
        if there.rows == 0 and wanted.rows:
            self._append(spark, staged)
            there = self._held(spark, staged.columns, fields)
        elif there.rows == 0 and not self._exists(spark):
            self._append(spark, staged)  # a table without rows, for who reads it
        if there != wanted:
            hint = f"remove them (where {RUN_COLUMN} = '{self.run_id}') or take another run id"
            fact = f"holds {there.rows} rows of this run that are not the {wanted.rows} of this attempt"
            raise SinkError("a table's rows cannot be replaced", [Problem(self.name, fact, hint=hint)])

    def _append(self, spark: SparkSession, staged: DataFrame) -> None:
        from pyspark.sql import functions as F

        rows = staged.select("*", F.lit(self.run_id).alias(RUN_COLUMN))
        try:
            if self._exists(spark):
                names = map(quoted, spark.table(self.name).columns)
                rows.select(*names).write.insertInto(self.name)
            else:
                rows.write.format(self.format).partitionBy(RUN_COLUMN).saveAsTable(self.name)
        except Exception as error:
            if not from_spark(error):
                raise
            raise SinkError("a table cannot be written", [Problem(self.name, spark_words(error))]) from None

    def _held(self, spark: SparkSession, columns: Sequence[str], fields: Sequence[Any]) -> Digest:
        """What the table holds of the run."""
        from pyspark.sql import functions as F

        if not self._exists(spark):
            return Digest()
        spark.catalog.refreshTable(self.name)
        names = map(quoted, columns)
        return digest(spark.table(self.name).where(F.col(RUN_COLUMN) == self.run_id).select(*names), fields)

    def _exists(self, spark: SparkSession) -> bool:
        return bool(spark.catalog.tableExists(self.name))
