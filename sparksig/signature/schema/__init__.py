"""What a model takes or returns: columns or tensors, in order, named or not.

The constructors, constraints, JSON forms and reprs are MLflow's; so a missing `required` means true for a scalar column
and optional for a compound one.
"""

from sparksig.signature.schema.inputs import Schema, read_schema
from sparksig.signature.schema.specs import ColSpec, Spec, TensorSpec

__all__ = ["ColSpec", "Schema", "Spec", "TensorSpec", "read_schema"]
