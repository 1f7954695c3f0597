"""A plan applied to values that are here: Arrow columns in a worker, and what people hold in notebooks and tests."""

from sparksig.enforcement.values.casts import arrow_type, bits, cast_array
from sparksig.enforcement.values.faults import Fault, Judged
from sparksig.enforcement.values.feeds import Feed, FeedColumn
from sparksig.enforcement.values.held import enforce_values, enforced_values, scored_values
from sparksig.enforcement.values.nodes import declared_arrow, enforce_arrow

__all__ = [
    "Fault",
    "Feed",
    "FeedColumn",
    "Judged",
    "arrow_type",
    "bits",
    "cast_array",
    "declared_arrow",
    "enforce_arrow",
    "enforce_values",
    "enforced_values",
    "scored_values",
]
