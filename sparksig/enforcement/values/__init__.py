"""A plan applied to values that are here: Arrow columns in a worker, and what people hold in notebooks and tests."""

from sparksig.enforcement.values.arrays import Judged, arrow_type, cast_array, enforce_arrow

__all__ = ["Judged", "arrow_type", "cast_array", "enforce_arrow"]
