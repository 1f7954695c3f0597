"""What OpenLineage calls the tables and files of a job: a namespace, and a name in it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sparksig.pipeline.config import JobConfig
from sparksig.redaction import masked, without_credentials

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Name = tuple[str, str]

_STORES = {
    **{"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs"},
    **{"abfs": "abfss", "abfss": "abfss", "wasb": "wasbs", "wasbs": "wasbs"},
}
"""Object stores by scheme, and the scheme that names them: a name there has no slash in front."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_PART = re.compile(r"`((?:[^`]|``)*)`|([^.`]+)")
_METASTORE = ("spark.hadoop.hive.metastore.uris", "spark.sql.hive.metastore.uris", "hive.metastore.uris")


def of_path(path: str) -> Name:
    """The name of what lies at a path.

    >>> of_path("/data/flights/"), of_path("s3a://lake/flights/"), of_path("hdfs://name:8020/flights")
    (('file', '/data/flights'), ('s3://lake', 'flights'), ('hdfs://name:8020', '/flights'))
    """
    if not _SCHEME.match(path):
        return "file", os.path.abspath(path)
    url = urlsplit(masked(without_credentials(path)))
    scheme, inner = url.scheme.lower(), url.path.rstrip("/")
    if scheme == "file":
        return "file", unquote(inner) or "/"
    store = _STORES.get(scheme)
    return f"{store or scheme}://{url.netloc}", (inner.lstrip("/") if store else inner) or "/"


def of_table(spark: SparkSession, name: str) -> Name:
    """The name of a table in Spark's catalog, with its database: in Hive's metastore where the session has one."""
    parts = [quoted.replace("``", "`") or plain for quoted, plain in _PART.findall(name)]
    here = [str(spark.catalog.currentCatalog()), str(spark.catalog.currentDatabase())]
    parts = here[: max(0, 3 - len(parts))] + parts
    catalog, rest = parts[0], ".".join(parts[1:])
    stores = (spark.conf.get(key, None) for key in _METASTORE)
    uri = next((uri for uri in stores if uri), "").partition(",")[0]
    if catalog == "spark_catalog" and (host := urlsplit(uri).netloc.rpartition("@")[2]):
        return f"hive://{host}", rest
    return f"spark://{catalog}", rest


def of_source(config: JobConfig, spark: SparkSession | None) -> Name | None:
    """The name of what a job reads; a run's rows that were set apart are those of the quarantine. None if unknown."""
    if config.input_table is not None:
        return of_table(spark, config.input_table) if spark is not None else None
    if not config.input:
        return None
    return of_path(config.quarantine if config.requeues is not None else config.input)


def of_sinks(config: JobConfig, spark: SparkSession | None) -> dict[str, Name]:
    """The names of what a job writes, without the part that is the run's own."""
    places = {"scored": config.output, "quarantine": config.quarantine}
    tables = {"scored": config.output_table, "quarantine": config.quarantine_table}
    found = {kind: of_path(place) for kind, place in places.items() if place}
    if spark is not None:
        found |= {kind: of_table(spark, table) for kind, table in tables.items() if table}
    return found


def of_job(config: JobConfig, action: str) -> str:
    """The job's name: what was given, or one that is made of where its rows go.

    >>> of_job(JobConfig("table/", "model/", "/data/scored/", "/data/quarantine/", "summary.json"), "score")
    'sparksig.score.data_scored'
    """
    if config.lineage_job:
        return masked(config.lineage_job)
    if action == "score":
        where, path = config.output_table, config.output
    else:
        where, path = config.input_table, config.input
    name = where or (of_path(path)[1] if path else config.format)
    return f"sparksig.{action}.{name.strip('/').replace('/', '_').replace('`', '')}"
