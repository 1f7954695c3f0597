"""The real MLflow next to sparksig: a model that returns its input, and the error of each for an input."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic

import sparksig

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own modules
    import mlflow.models
    import mlflow.pyfunc


class Echo(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Hands back what reaches it: the inputs, or with params both."""

    def predict(self, context, model_input, params=None):
        return (model_input, params) if params else model_input


class Order(pydantic.BaseModel):
    id: int


class Hinted(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A model whose signature is its type hints."""

    def predict(self, model_input: list[Order], params: dict[str, Any] | None = None) -> list[int]:
        return [order.id for order in model_input]


def save(folder: Path, model: Any = None, **options: Any) -> Path:
    """A model that MLflow has written, without the search for what it needs, which takes a process of its own."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pyfunc.save_model(str(folder), python_model=model or Echo(), pip_requirements=[], **options)
    finally:
        logger.setLevel(before)
    return folder


def load(folder: Path) -> Any:
    """The model as MLflow loads it: it holds what `predict` is given against the signature."""
    return mlflow.pyfunc.load_model(str(folder))


def predict(signature: Any, data: Any, params: dict[str, Any] | None = None) -> Any:
    """What MLflow hands to a model that is stored with the signature, or the error that it raises."""
    with tempfile.TemporaryDirectory() as folder:
        return load(save(Path(folder) / "model", signature=signature)).predict(data, params=params)


def ours(signature: Any) -> sparksig.ModelSignature:
    """A signature of MLflow's as sparksig reads it."""
    return sparksig.ModelSignature.from_dict(signature.to_dict())


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def said(call: Callable[[], object]) -> str:
    """All that a call tells: its warnings, what MLflow logs, and its error, or its result where there is none."""
    kept, logger = _Kept(), logging.getLogger("mlflow")
    before = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                last = str(call())
            except Exception as error:
                last = str(error)
    finally:
        logger.removeHandler(kept)
        logger.setLevel(before)
    return "\n".join([*(str(warning.message) for warning in caught), *kept.texts, last])
