"""Schemas at the limits of what can be declared."""

from __future__ import annotations

import numpy as np
import pytest

from sparksig import Schema, SignatureError, TensorSpec


def test_schema_accepts_void_tensors_only_as_mlflow_reads_them_back() -> None:
    schema = Schema([TensorSpec(np.dtype("void"), (-1, 2))])
    assert Schema.from_json(schema.to_json()) == schema
    for dtype in ("V5", "f4,i8"):
        with pytest.raises(SignatureError, match="cannot be declared"):
            TensorSpec(np.dtype(dtype), (-1,))
