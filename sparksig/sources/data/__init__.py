"""Schemas and params from example data: pandas, numpy, scipy's sparse matrices and Python values."""

from sparksig.sources.data.params import infer_params
from sparksig.sources.data.schemas import infer_schema

__all__ = ["infer_params", "infer_schema"]
