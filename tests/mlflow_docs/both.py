"""One sample run by MLflow and by sparksig, and both answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sparksig
from tests.mlflow_docs.real import ours, predict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.models
    from mlflow.exceptions import MlflowException


def inferred(*data: Any) -> sparksig.ModelSignature:
    """The signature that both infer: the same, in JSON and as text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # integers without gaps in MLflow, what becomes Any here
        theirs = mlflow.models.infer_signature(*data)
        found = sparksig.infer_signature(*data)
    assert found.to_dict() == theirs.to_dict()
    assert repr(found) == repr(theirs)
    return found


def declared(write: Callable[[Any], Any]) -> Any:
    """What both make of the same declaration, which `write` spells with the classes of one of them: MLflow's."""
    theirs = write(mlflow.types)
    found = write(sparksig)
    assert found.to_json() == theirs.to_json()
    assert repr(found) == repr(theirs)
    assert type(found).from_json(found.to_json()) == found
    return theirs


def accepted(signature: Any, data: Any, **options: Any) -> Any:
    """What reaches the model: the same from both. The signature is MLflow's."""
    found = sparksig.enforce_values(data, ours(signature).inputs, **options)
    same(found, predict(signature, data))
    return found


def refused(signature: Any, data: Any, theirs: str, *here: str, **options: Any) -> None:
    """Both refuse the data: MLflow with these words, sparksig with these codes and paths, each as `path CODE`."""
    with pytest.raises(MlflowException) as raised:
        predict(signature, data)
    assert theirs in str(raised.value)
    assert faults(lambda: sparksig.enforce_values(data, ours(signature).inputs, **options)) == sorted(here)


def faults(call: Callable[[], object]) -> list[str]:
    """The faults that a call raises, each as `path CODE`."""
    with pytest.raises(sparksig.SparksigError) as raised:
        call()
    return sorted(f"{problem.path or '$'} {problem.code}" for problem in raised.value.problems)


def same(found: Any, expected: Any) -> None:
    """Two containers hold the same: class, dtypes, shapes, names and values."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            same(found[name], value)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert type(found) is type(expected)
        assert found == expected
