"""Files and folders: what a run reads, whether it could write, and the form of a path that Spark and Arrow take."""

from sparksig.pipeline.io.files import parquet_table, read_examples
from sparksig.pipeline.io.paths import file_system, has_file_system, literal_path, missing, object_store, spark_path
from sparksig.pipeline.io.source import quoted, read_table
from sparksig.pipeline.io.texts import read_text, unwritable, write_text

__all__ = [
    "file_system",
    "has_file_system",
    "literal_path",
    "missing",
    "object_store",
    "parquet_table",
    "quoted",
    "read_examples",
    "read_table",
    "read_text",
    "spark_path",
    "unwritable",
    "write_text",
]
