"""MLflow reads the signatures written here, and the other way round, without a change of meaning."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given, settings

from sparksig.signature.model_signature import ModelSignature
from sparksig.sources.mlmodel import load_signature, set_signature
from tests.signature.strategies import signatures

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mlflow_models = pytest.importorskip("mlflow.models")


def as_mlflow(signature: ModelSignature) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlflow_models.ModelSignature.from_dict(signature.to_dict())


@given(signatures())
def test_signature_written_here_is_read_by_mlflow(signature: ModelSignature) -> None:
    theirs = as_mlflow(signature)
    assert theirs.to_dict() == signature.to_dict()
    assert repr(theirs) == repr(signature)


@given(signatures())
def test_signature_written_by_mlflow_is_read_here(signature: ModelSignature) -> None:
    assert ModelSignature.from_dict(as_mlflow(signature).to_dict()) == signature


@settings(max_examples=25)
@given(signatures(), signatures())
def test_set_signature_writes_what_mlflow_loads(
    tmp_path_factory: pytest.TempPathFactory, before: ModelSignature, after: ModelSignature
) -> None:
    folder = tmp_path_factory.mktemp("model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mlflow_models.Model(
            flavors={"python_function": {"python_version": "3.10"}}, signature=as_mlflow(before)
        )
        model.save(str(folder / "MLmodel"))
        assert load_signature(folder) == before
        set_signature(folder, after)
        loaded = mlflow_models.Model.load(str(folder))
    assert loaded.signature.to_dict() == after.to_dict()
    assert {**loaded.to_dict(), "signature": None} == {**model.to_dict(), "signature": None}
