"""Files and folders: what a run reads, whether it could write, and the form of a path that Spark and Arrow take."""

from sparksig.pipeline.dataset import parquet_table, read_examples
from sparksig.pipeline.io.escapes import escape_strings, restore_strings, stores_characters
from sparksig.pipeline.io.reading import AS_WRITTEN, corrupt_column, quoted
from sparksig.pipeline.io.source import open_source, read_table, table_format
from sparksig.pipeline.io.texts import read_text, unwritable, write_text
from sparksig.pipeline.paths import file_system, has_file_system, literal_path, missing, object_store, spark_path

__all__ = [
    "AS_WRITTEN",
    "corrupt_column",
    "escape_strings",
    "file_system",
    "has_file_system",
    "literal_path",
    "missing",
    "object_store",
    "open_source",
    "parquet_table",
    "quoted",
    "read_examples",
    "read_table",
    "read_text",
    "restore_strings",
    "spark_path",
    "stores_characters",
    "table_format",
    "unwritable",
    "write_text",
]
