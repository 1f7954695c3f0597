"""Inputs that make MLflow raise each message of docs/troubleshooting.md, and sparksig its own for the same input."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import numpy as np
import pandas as pd
import pydantic
import pytest
from sklearn.ensemble import RandomForestClassifier

import sparksig
from tests.mlflow_docs.real import Echo, Hinted, Order, load, ours, predict, save

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.models
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.pyfunc.scoring_server import invocations
    from mlflow.pyfunc.utils import pyfunc
    from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import Array, Map, Object, Property


class Case(NamedTuple):
    """Two calls: MLflow's and sparksig's."""

    theirs: Callable[[], object]
    ours: Callable[[], object]


def columns(*specs: Any) -> Any:
    """A signature of columns, each as name, type and perhaps whether it is required."""
    return ModelSignature(Schema([ColSpec(kind, name, *required) for name, kind, *required in specs]))


def tensors(*specs: Any) -> Any:
    """A signature of tensors, each as dtype, shape and perhaps a name."""
    return ModelSignature(Schema([TensorSpec(np.dtype(dtype), shape, *name) for dtype, shape, *name in specs]))


def inputs(signature: Any, data: Any, **options: Any) -> Case:
    """Data held against a signature's inputs."""
    return Case(
        lambda: predict(signature, data), lambda: sparksig.enforce_values(data, ours(signature).inputs, **options)
    )


def params(schema: Any, given: Any) -> Case:
    """Params given to a model."""
    signature = ModelSignature(Schema([ColSpec("string")]), params=schema)
    return Case(lambda: predict(signature, ["x"], given), lambda: _resolved(ours(signature).params, given))


def _resolved(schema: sparksig.ParamSchema | None, given: Any) -> dict[str, Any]:
    from sparksig.signature.params import resolve_params

    return resolve_params(schema, given)


def inferred(*data: Any) -> Case:
    """A signature from examples."""
    return Case(lambda: mlflow.models.infer_signature(*data), lambda: sparksig.infer_signature(*data))


def hinted(hint: Any, data: Any) -> Case:
    """Data given to a function with a type hint."""

    def function() -> Callable[[Any], Any]:
        def predict(model_input):
            return model_input

        predict.__annotations__["model_input"] = hint
        return predict

    def run() -> Any:
        return sparksig.validated(function())(data), sparksig.signature_from_hints(function()).inputs

    return Case(lambda: pyfunc(function())(data), run)


def served(payload: Any, model: Any = None, signature: Any = None) -> Case:
    """A payload sent to MLflow's scoring server, and read here."""

    def theirs() -> object:
        with stored(model, signature=signature) as folder:
            loaded = load(folder)
            return invocations(
                json.dumps(payload), "application/json", loaded, loaded.metadata.get_input_schema()
            ).response

    def here() -> object:
        with stored(model, signature=signature) as folder:
            return sparksig.validate_serving_input(folder, payload, trust=True)

    return Case(theirs, here)


def example(data: Any) -> Case:
    """An input example that a model is stored with."""

    def theirs() -> object:
        with stored(input_example=data) as folder:
            return folder

    return Case(theirs, lambda: sparksig.InputExample.of(data).stored())


def on_model(theirs: Callable[[Path], object], here: Callable[[Path], object], signature: Any = None) -> Case:
    """Something done with a stored model."""

    def run(call: Callable[[Path], object]) -> object:
        with stored(signature=signature) as folder:
            return call(folder)

    return Case(lambda: run(theirs), lambda: run(here))


@contextmanager
def stored(model: Any = None, **options: Any) -> Iterator[Path]:
    """A model that is stored for a while."""
    with tempfile.TemporaryDirectory() as folder:
        yield save(Path(folder) / "model", model, **options)


def _registered(folder: Path) -> None:
    """What Unity Catalog's client looks at before it uploads a model; it asks no server for it."""
    UcModelRegistryStore._validate_model_signature(None, str(folder))


TREE = "sklearn.tree._tree.Tree"


def _forest(trusted: list[str], then: Callable[[Path], object] = str) -> object:
    """A forest that MLflow stores by skops with these types, and what is then done with it."""
    model = RandomForestClassifier(n_estimators=1).fit([[0.0], [1.0]], [0, 1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.sklearn.save_model(model, str(path), skops_trusted_types=trusted, pip_requirements=[])
        return then(path)


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """A variable of the environment, for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        yield


def under(name: str, value: str, case: Case) -> Case:
    """MLflow's side of a case with a variable of the environment."""

    def theirs() -> object:
        with environment(name, value):
            return case.theirs()

    return Case(theirs, case.ours)


class Anonymous(pydantic.BaseModel):
    note: Optional[str]  # noqa: UP045


Frame = pd.DataFrame
PEOPLE = columns(("age", "double"), ("city", "string"))
MIXED = Frame({"x": [1, "a"], "y": [1.0, 2.0]})
FLAT = tensors(("float64", (-1, 4), "input_features"))
GENERATION = ParamSchema(
    [
        ParamSpec("temperature", "double", 0.7),
        ParamSpec("stop", "string", ["."], (-1,)),
        ParamSpec("top", "integer", 3),
    ]
)
MEMBER = columns(("o", Object([Property("a", "long")])))
LONG = columns(("n", "long"))
PLACE = "models:/fraud/1"

CASES: dict[str, Case] = {
    # ---- columns
    "Failed to enforce schema of data": inputs(PEOPLE, Frame({"age": ["x"]})),
    "Failed to enforce model input schema.": under(
        "MLFLOW_DISABLE_SCHEMA_DETAILS", "true", inputs(PEOPLE, Frame({"age": [1.0]}))
    ),
    "Model is missing inputs ['age']": inputs(PEOPLE, Frame({"Age": [1.0], "city": ["Oslo"]})),
    "Model is missing inputs ['..', '..']": inputs(columns(("x", "double"), ("y", "double")), np.array([[1.0, 2.0]])),
    "Model is missing inputs ['input_features']": inputs(FLAT, Frame(np.zeros((2, 4)), columns=list("abcd"))),
    "Found extra inputs": inputs(columns(("age", "double")), Frame({"age": [1.0], "id": [7]}), extra="forbid"),
    "Model inference is missing inputs.": inputs(columns((None, "double"), (None, "double")), Frame({"a": [1.0]})),
    "Expected input to be DataFrame.": inputs(columns(("x", "double")), None),
    "This model contains a column-based signature": inputs(
        columns(("x", "double"), ("y", "double")), {"x": [1.0, 2.0], "y": [1.0]}
    ),
    # ---- types of columns
    "Incompatible input types for column n. Can not safely convert float64 to int64": inputs(
        LONG, Frame({"n": [1.0, 2.5]})
    ),
    "Incompatible input types for column x. Can not safely convert int64 to float64": inputs(
        columns(("x", "double")), Frame({"x": [1, 2]})
    ),
    "Incompatible input types for column x. Can not safely convert float64 to float32": inputs(
        columns(("x", "float")), Frame({"x": [1.5, 0.1]})
    ),
    "Incompatible input types for column x. Can not safely convert int64 to int32": inputs(
        columns(("x", "integer")), Frame({"x": [1, 2]})
    ),
    "Incompatible input types for column score.": inputs(columns(("score", "long")), Frame({"score": ["85"]})),
    "Incompatible input types for column x. Can not safely convert int64 to <U0": inputs(
        columns(("x", "string")), Frame({"x": [85]})
    ),
    "Incompatible input types for column city.": inputs(
        columns(("city", "string")), Frame({"city": pd.Categorical(["Oslo"])})
    ),
    "cannot convert NA to integer": inputs(
        columns(("n", "long", False)), Frame({"n": pd.array([1, None], dtype="Int64")})
    ),
    "Please ensure that the input data of datetime column": inputs(
        columns(("t", "datetime")), Frame({"t": pd.to_datetime(["2024-01-02 03:04Z"])})
    ),
    "Failed to convert column t": inputs(columns(("t", "datetime")), Frame({"t": ["soon"]})),
    # ---- arrays, objects and maps
    "Expected data to be list or numpy array": inputs(columns(("a", Array("double"))), Frame({"a": [[1.0], None]})),
    "Incompatible input types for column . ": inputs(columns(("a", Array("long"))), Frame({"a": [["1"]]})),
    "Missing required properties": inputs(
        columns(("o", Object([Property("a", "long"), Property("b", "long")]))), Frame({"o": [{"a": 1}]})
    ),
    "Invalid properties": inputs(MEMBER, Frame({"o": [{"a": 1, "z": 2}]})),
    "Failed to enforce schema for key": inputs(MEMBER, Frame({"o": [{"a": 1.5}]})),
    "Expected data to be a dict": inputs(columns(("m", Map("long"))), Frame({"m": [[1]]})),
    # ---- tensors
    "Shape of input": inputs(tensors(("float32", (-1, 784))), np.zeros((10, 28, 28), "float32")),
    "dtype of input": inputs(tensors(("float32", (-1, 3))), np.zeros((2, 3))),
    "This model contains a tensor-based model signature with input names": inputs(
        tensors(("float32", (-1, 2), "x")), {"x": [[1.0, 2.0]]}
    ),
    "This model contains a tensor-based model signature with no input names": inputs(
        tensors(("float32", (-1, 2))), [[1.0, 2.0]]
    ),
    "the input shape must be of the structure": inputs(
        tensors(("float64", (-1, 2, 2))), Frame(np.zeros((1, 4)), columns=list("abcd"))
    ),
    "The value in the Input DataFrame column 'x'": inputs(
        tensors(("float64", (-1, 2), "x")), Frame({"x": [[1.0, 2.0, 3.0]]})
    ),
    "Because the model signature requires tensor spec input": inputs(
        tensors(("float64", (-1, 1, 2), "x")), Frame({"x": [[[1.0, 2.0]]]})
    ),
    "the first dimension of shape must be a variable": inputs(
        tensors(("float64", (-1, -1), "x")), Frame({"x": [[1.0, 2.0]]})
    ),
    # ---- params
    "Invalid parameters found": params(GENERATION, {"temperature": "hot", "top": 2**40}),
    "Value must be a 1D array": params(GENERATION, {"stop": "."}),
    "Unrecognized params": params(GENERATION, {"temprature": 0.1}),
    "can only be specified at inference time": params(None, {"temperature": 0.1}),
    "Parameters must be a dictionary.": params(GENERATION, [1]),
    "Binary type is not supported": Case(
        lambda: ParamSpec("b", "binary", b"x"), lambda: sparksig.ParamSpec("b", "binary", b"x")
    ),
    # ---- inferring and declaring
    "Hint: Inferred schema contains integer column(s).": inferred(Frame({"n": [1, 2]})),
    "Failed to infer schema for inputs.": inferred(MIXED),
    "Failed to infer schema for parameters": inferred("x", None, {"top": None}),
    "MLflow does not support inferring model signature": inferred([Order(id=1)]),
    "At least one of inputs, outputs or params": inferred(),
    "Creating Schema with a combination of named": Case(
        lambda: Schema([ColSpec("double", "a"), ColSpec("double")]),
        lambda: sparksig.Schema([sparksig.ColSpec("double", "a"), sparksig.ColSpec("double")]),
    ),
    "Please choose one of ColSpec or TensorSpec": Case(
        lambda: Schema([ColSpec("double", "a"), TensorSpec(np.dtype("float32"), (-1,), "b")]),
        lambda: sparksig.Schema(
            [
                sparksig.ColSpec("double", "a"),
                sparksig.TensorSpec(np.dtype("float32"), (-1,), "b"),
            ]
        ),
    ),
    "Creating Schema with multiple unnamed TensorSpecs": Case(
        lambda: Schema([TensorSpec(np.dtype("float32"), (-1,))] * 2),
        lambda: sparksig.Schema([sparksig.TensorSpec(np.dtype("float32"), (-1,))] * 2),
    ),
    "Unsupported type 'int'": Case(lambda: ColSpec("int", "a"), lambda: sparksig.ColSpec("int", "a")),
    "TensorSpec cannot be converted to spark dataframe": Case(
        lambda: tensors(("float32", (-1, 2))).inputs.as_spark_schema(),
        lambda: sparksig.struct_type(ours(tensors(("float32", (-1, 2))))),
    ),
    # ---- type hints
    "Type hints must be wrapped in list[...]": hinted(str, "x"),
    "Failed to validate data against type hint": hinted(list[int], [1, "x"]),
    "Data doesn't match type hint": hinted(list[Order], [{}]),
    "Unsupported type hint": hinted(list[complex], [1j]),
    "Optional field": hinted(list[Anonymous], [{"note": None}]),
    "Input cannot be Optional type.": hinted(list[Optional[str]], ["a"]),  # noqa: UP045
    "Union type hint is inferred as AnyType": hinted(list[Union[int, str]], ["a"]),  # noqa: UP007
    # ---- serving
    "The input must be a JSON dictionary": served({"n": 1}, signature=LONG),
    "Data is not compatible with model signature.": served({"dataframe_records": [{"n": "x"}]}, signature=LONG),
    "Request payload must be a dictionary with 'inputs' key": served({"instances": [{"id": 1}]}, Hinted()),
    "Numpy arrays in list": example([np.zeros(2)]),
    # ---- storing, registering and loading
    "Model passed for registration did not contain": on_model(_registered, sparksig.load_signature),
    "Model passed for registration contained": on_model(
        _registered, lambda folder: sparksig.check_registrable(sparksig.load_signature(folder)), LONG
    ),
    "Failed to set signature on": Case(
        lambda: mlflow.models.set_signature(PLACE, LONG), lambda: sparksig.set_signature(PLACE, ours(LONG))
    ),
    'Failed to download an "MLmodel" model file': Case(
        lambda: mlflow.models.set_signature("no/such/model", LONG),
        lambda: sparksig.set_signature("no/such/model", ours(LONG)),
    ),
    "The saved sklearn model references untrusted types.": Case(
        lambda: _forest([]), lambda: _forest([TREE], sparksig.load_model)
    ),
    "Passing a Python object": on_model(
        lambda folder: mlflow.pyfunc.save_model(str(folder.parent / "again"), python_model=Echo(), pip_requirements=[]),
        sparksig.load_model,
    ),
    "Deserializing model using pickle is disallowed": under(
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION",
        "false",
        on_model(lambda folder: mlflow.pyfunc.load_model(str(folder)), sparksig.load_model),
    ),
}
