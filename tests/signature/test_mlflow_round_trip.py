"""Signatures written here are read by MLflow, and the other way round, without a change of meaning."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given

from sparksig.signature.model_signature import ModelSignature
from tests.signature.strategies import signatures

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mlflow_models = pytest.importorskip("mlflow.models")


def as_mlflow(signature: ModelSignature) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlflow_models.ModelSignature.from_dict(signature.to_dict())


@given(signatures())
def test_mlflow_reads_what_is_written_here(signature: ModelSignature) -> None:
    theirs = as_mlflow(signature)
    assert theirs.to_dict() == signature.to_dict()
    assert repr(theirs) == repr(signature)


@given(signatures())
def test_what_mlflow_writes_is_read_here(signature: ModelSignature) -> None:
    assert ModelSignature.from_dict(as_mlflow(signature).to_dict()) == signature
