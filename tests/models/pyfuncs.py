"""MLflow's models of Python code, one for each way of writing them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow.pyfunc
    from mlflow.pyfunc import PythonModel
    from mlflow.types.type_hints import TypeFromExample


class WithParams(PythonModel):  # type: ignore[misc]
    def predict(self, context, model_input, params=None):
        return model_input["x"] * params["factor"]


class WithoutParams(PythonModel):  # type: ignore[misc]
    def predict(self, context, model_input):
        return model_input["x"] + 1


class WithArtifact(PythonModel):  # type: ignore[misc]
    """Reads a file when it is loaded, and again for each batch."""

    def load_context(self, context: Any) -> None:
        self.first = float(Path(context.artifacts["offset"]).read_text())

    def predict(self, context, model_input):
        offset = float(Path(context.artifacts["offset"]).read_text())
        assert offset == self.first
        return model_input["x"] + offset * context.model_config["scale"]


class Counting(PythonModel):  # type: ignore[misc]
    """Tells in a file which process loads it."""

    def load_context(self, context: Any) -> None:
        with open(context.model_config["loads"], "a") as file:
            file.write(f"{os.getpid()}\n")

    def predict(self, context, model_input):
        return model_input["x"]


class Tensors(PythonModel):  # type: ignore[misc]
    def predict(self, context, model_input):
        assert isinstance(model_input, np.ndarray) and model_input.dtype == np.float32
        return model_input.sum(axis=2)


class NamedTensors(PythonModel):  # type: ignore[misc]
    def predict(self, context, model_input, params=None):
        assert isinstance(model_input, dict)
        return {"out": model_input["a"] * params["factor"] + model_input["b"][:, None]}


class Person(pydantic.BaseModel):
    name: str
    age: int
    city: str | None = None


class Hinted(PythonModel):  # type: ignore[misc]
    def predict(self, model_input: list[Person], params: dict[str, Any] | None = None) -> list[str]:
        assert all(type(person) is Person for person in model_input)
        sign = (params or {}).get("sign", "!")
        return [f"{person.name} {person.age} {person.city}{sign}" for person in model_input]


class HintedTexts(PythonModel):  # type: ignore[misc]
    def predict(self, model_input: list[str]) -> list[int]:
        assert isinstance(model_input, list)
        return [len(text) for text in model_input]


class HintedByExample(PythonModel):  # type: ignore[misc]
    def predict(self, model_input: TypeFromExample) -> list[str]:
        if isinstance(model_input, pd.DataFrame):  # how MLflow calls it when it infers the outputs
            return ["?"] * len(model_input)
        assert isinstance(model_input[0], dict)
        return [f"{row['n']}{row['s']}" for row in model_input]  # type: ignore[attr-defined]


def function(model_input: list[str]) -> list[str]:
    return [text.upper() for text in model_input]


def save(model: Any, path: Path, **options: Any) -> Path:
    """Write a model as MLflow does, by value: nothing of these tests is there where it is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(str(path), python_model=model, pip_requirements=["none"], **options)
    return path


FRAME = pd.DataFrame({"x": [1.0, 2.5, -1.0]})
