"""Folders of data files as Spark reads them: which files, partition columns, one schema. Used by every command."""

from sparksig.pipeline.dataset.examples import read_examples
from sparksig.pipeline.dataset.footers import Report
from sparksig.pipeline.dataset.headers import Group, group_by_header
from sparksig.pipeline.dataset.listing import LISTING_OPTIONS, MARKS, RECURSIVE, table_error, unread_error
from sparksig.pipeline.dataset.model import MANY, Dataset, open_dataset, parquet_dataset, parquet_table
from sparksig.pipeline.dataset.written import MARKER

__all__ = [
    "LISTING_OPTIONS",
    "MANY",
    "MARKER",
    "MARKS",
    "RECURSIVE",
    "Dataset",
    "Group",
    "Report",
    "group_by_header",
    "open_dataset",
    "parquet_dataset",
    "parquet_table",
    "read_examples",
    "table_error",
    "unread_error",
]
