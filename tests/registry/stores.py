"""An MLflow store with a model in it, shared by the tests of a local store and of a server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from sparksig.models.artifact import Artifact
from sparksig.models.saving import save_model
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema
from tests.models.estimators import Threshold

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow

FRAME = pd.DataFrame({"x": [-1.0, 0.2, 3.0]})
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("double", "x")]),
    outputs=Schema([ColSpec("double", "probability"), ColSpec("boolean", "late")]),
    params=ParamSchema([ParamSpec("threshold", "double", 0.5)]),
)
WIDER = ModelSignature(Schema([ColSpec("double", "x"), ColSpec("string", "y", required=False)]), SIGNATURE.outputs)


@dataclass(frozen=True)
class Store:
    """What lies in the store.

    Attributes:
        saved: the directory that sparksig wrote, logged as it is as `model` and `again`; version 1 of `late`.
        run: the run that logged it, and two models of MLflow's own as `plain` and `other`.
        plain: the URI of the logged model `plain`, which has no signature.
        other: the same of `other`, with another signature of MLflow's own making; version 2 of `late`.
    """

    saved: Artifact
    run: str
    plain: str
    other: str


@contextmanager
def tracking(uri: str) -> Iterator[None]:
    """MLflow asks that store, and says nothing of itself to others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.delenv("MLFLOW_REGISTRY_URI", raising=False)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)
            mlflow.set_registry_uri(before)


def fill(folder: Path) -> Store:
    """Log and register: `late` has the versions 1 and 2, and the aliases `prod` (1) and `next` (2)."""
    model = LinearRegression().fit(np.array([[1.0], [2.0]]), [1.0, 2.0])
    saved = save_model(folder / "model", Threshold(), SIGNATURE, (FRAME, {"threshold": 0.5}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.set_experiment("nightly")
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(saved.path), "model")
            mlflow.log_artifacts(str(saved.path), "again")
            # without requirements MLflow starts a process for each model that imports it, to find out what it needs
            needs = {"pip_requirements": ["scikit-learn"]}
            plain = mlflow.sklearn.log_model(model, name="plain", **needs).model_uri
            other = mlflow.sklearn.log_model(model, name="other", input_example=FRAME, **needs).model_uri
        mlflow.register_model(f"runs:/{run.info.run_id}/model", "late")
        mlflow.register_model(other, "late")
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("late", "prod", "1")
    client.set_registered_model_alias("late", "next", "2")
    return Store(saved, run.info.run_id, plain, other)
