"""What people hold as Arrow arrays: `scalars` of Python's classes, `cells` that nest as declared."""

from sparksig.enforcement.values.reading.cells import Declared, Reading, depth_of, unmasked
from sparksig.enforcement.values.reading.scalars import from_numpy, is_missing

__all__ = ["Declared", "Reading", "depth_of", "from_numpy", "is_missing", "unmasked"]
