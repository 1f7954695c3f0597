"""What people hold as Arrow arrays: `containers` have columns, `columns` have cells, `cells` nest down to `scalars`."""

from sparksig.enforcement.values.reading.cells import Reading, depth_of, unmasked
from sparksig.enforcement.values.reading.columns import objects_in, read_column
from sparksig.enforcement.values.reading.containers import columns_of, is_sparse, tensors_of
from sparksig.enforcement.values.reading.scalars import from_numpy

__all__ = [
    "Reading",
    "columns_of",
    "depth_of",
    "from_numpy",
    "is_sparse",
    "objects_in",
    "read_column",
    "tensors_of",
    "unmasked",
]
