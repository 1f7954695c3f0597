"""One call of the model, as data that travels to the executors: what to load, what it takes, what it must return."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from sparksig.enforcement.steps import AnyNode
from sparksig.enforcement.values import Feed, scored_values
from sparksig.enforcement.values.exact import reader
from sparksig.errors import Code, ModelError, NotSupportedError, OutputError, ParamError, Problem, SignatureError
from sparksig.models.artifact import Artifact
from sparksig.models.flavors import graph_signature
from sparksig.models.loading import CACHED, Model, load_model, require_trust
from sparksig.scoring.batches import Outputs
from sparksig.signature.casts import find_cast
from sparksig.signature.dtypes import ELEMENTS, Kind
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, resolve_params
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, ColumnType, DataType
from sparksig.sources.inference import infer_schema
from sparksig.sources.mlmodel import load_signature
from sparksig.sources.observed import OtherType, from_arrow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Returns: TypeAlias = "Schema | ColSpec | TensorSpec | ColumnType | str"
"""What declares outputs: a schema, one column of it, or a type, by MLflow's name where it has one."""

Asked: TypeAlias = tuple[list[pa.Array], Sequence[str | None]]
"""Outputs, and what was raised at each row: nothing where nobody looked for it."""

_LARGE = 1 << 20  # what Spark itself takes for large enough to broadcast a function

_shipped: OrderedDict[str, Model] = OrderedDict()  # by digest, in a worker
_lock = RLock()


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model that is an object or a function, pickled once on the driver and unpickled once a worker process.

    A large one is broadcast: its bytes reach an executor once, and are read where the model is not loaded yet, not in
    each task. Spark Connect has no broadcasts; there they travel with the function.

    Attributes:
        pickled: the bytes, or Spark's broadcast of them.
        digest: of the bytes.
    """

    pickled: Any = field(repr=False)
    digest: str

    @classmethod
    def of(cls, model: object) -> Shipped:
        """Pickle a model, as Spark pickles functions.

        Raises:
            NotSupportedError: it cannot be pickled.
        """
        from pyspark import cloudpickle

        try:
            pickled: bytes = cloudpickle.dumps(model)  # type: ignore[no-untyped-call]
        except Exception as error:  # a __reduce__ can raise anything
            name = getattr(model, "name", None) if isinstance(model, Model) else type(model).__qualname__
            hint = "give the model's directory, or a function without arguments that loads it where it runs"
            problem = Problem(str(name), f"pickling raised {type(error).__name__}", hint=hint)
            raise NotSupportedError("the model cannot travel to the workers", [problem]) from error
        return cls(pickled, f"sha256:{sha256(pickled).hexdigest()}")

    def broadcast(self, session: SparkSession) -> Shipped:
        """The same, ready to be shipped by a session."""
        context = getattr(session, "_sc", None)  # Spark Connect's session has none, and raises where it is asked for it
        if context is None or not isinstance(self.pickled, bytes) or len(self.pickled) < _LARGE:
            return self
        return Shipped(context.broadcast(self.pickled), self.digest)

    def load(self) -> Model:
        """The model, from this process's cache where it has been loaded before."""
        with _lock:
            if self.digest not in _shipped:
                pickled = self.pickled if isinstance(self.pickled, bytes) else self.pickled.value
                _shipped[self.digest] = load_model(pickle.loads(pickled))
                while len(_shipped) > CACHED:
                    _shipped.popitem(last=False)
            _shipped.move_to_end(self.digest)
            return _shipped[self.digest]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model with its params and its contract, ready to be shipped.

    Attributes:
        model: an artifact's directory, or the pickled model.
        trust: the digest that the artifact must have where it is loaded; None for a model that is an object.
        signature: the model's contract.
        params: every param, resolved.
        outputs: the output schema.
        variables: params that are read where the model runs: the environment variable by the param's name.
        feed: how columns become the model's input; None until a table is known.
    """

    model: Any
    trust: str | None
    signature: ModelSignature
    params: Mapping[str, Any]
    outputs: Outputs
    variables: Mapping[str, str] = field(default_factory=dict)
    feed: Feed | None = None

    @classmethod
    def of(
        cls,
        model: Any,
        signature: ModelSignature | None,
        params: Mapping[str, Any] | None,
        trust: bool | str,
        param_from_env: Mapping[str, str] | None = None,
        returns: Returns | None = None,
    ) -> ModelCall:
        """Resolve everything that can be resolved on the driver.

        Raises:
            TrustError: the artifact would run code when loaded and is not trusted.
            SignatureError: there is no signature, or it declares no outputs.
            ParamError: given params do not fit; all faults are listed.
            NotSupportedError: the output schema declares what cannot be a column, or the model cannot be shipped.
            ModelLoadError: it is no model.
        """
        digest: str | None = None
        if isinstance(model, str | os.PathLike):
            artifact = Artifact.read(model)
            digest = require_trust(artifact, trust)
            if signature is None:
                signature = graph_signature(artifact, digest) or load_signature(model)
            model = str(artifact.path)
        else:
            if not callable(model) and not isinstance(model, Model):
                load_model(model)  # so that what is no model is told at once
            model = Shipped.of(model)
        if signature is None:
            raise SignatureError("a model that is an object has no signature: give signature=")
        signature = _returning(signature, returns)
        assert signature.outputs is not None
        variables = _variables(signature.params, params or {}, param_from_env or {})
        resolved = resolve_params(signature.params, params)
        return cls(model, digest, signature, resolved, Outputs.of(signature.outputs), variables)

    def on(self, feed: Feed) -> ModelCall:
        """The same call for a table."""
        return replace(self, feed=feed)

    def as_variants(self) -> ModelCall:
        """The same call, for a frame in which outputs of Any become variants."""
        return replace(self, outputs=self.outputs.as_variants())

    def shipped_by(self, session: SparkSession) -> ModelCall:
        """The same call, ready to be shipped by a session."""
        return replace(self, model=self.model.broadcast(session)) if isinstance(self.model, Shipped) else self

    def load(self) -> Model:
        """The model, loaded in this process or taken from its cache.

        Raises:
            TrustError: the artifact here is not the one that the driver saw.
            ModelLoadError: it does not load.
        """
        if isinstance(self.model, Shipped):
            return self.model.load()
        return load_model(self.model, trust=self.trust or False)

    def here(self) -> ModelCall:
        """The same call with the params that come from this process's environment.

        Raises:
            ParamError: a variable is not set, or its text is no value of the param's type; its text is not told.
        """
        if not self.variables:
            return self
        assert self.signature.params is not None
        problems: list[Problem] = []
        read = {name: _from_env(self.signature.params, name, v, problems) for name, v in self.variables.items()}
        if problems:
            raise ParamError("params cannot be read from the environment", problems)
        return replace(self, params={**self.params, **read}, variables={})

    def predict(self, model: Model, arrays: Sequence[pa.Array], rows: int) -> list[pa.Array]:
        """Run the model on one batch of clean rows; rows whose tensors differ in shape go to it apart.

        Raises:
            ModelError: the model raised; its message is not handed on, since it may hold data.
            OutputError: the output is not as declared.
        """

        def ask(alike: Sequence[pa.Array], count: int) -> Asked:
            found = self.attempt(model, alike, count)
            if isinstance(found, str):
                raise ModelError(f"the model raised {found} on a batch of {count} rows")
            return found, ()

        return self.by_shape(arrays, rows, ask)[0]

    def by_shape(self, arrays: Sequence[pa.Array], rows: int, ask: Callable[[Sequence[pa.Array], int], Asked]) -> Asked:
        """What is found by asking for rows whose tensors are of one shape, in the order of all rows.

        Args:
            arrays: the model's columns.
            rows: how many rows they have.
            ask: is given columns and their number of rows; it returns outputs, and what was raised at each row, if it
                looks for that.
        """
        assert self.feed is not None
        groups = self.feed.groups(arrays)
        if groups is None:
            return ask(arrays, rows)
        parts = [ask([array.take(pa.array(group)) for array in arrays], len(group)) for group in groups]
        order = np.argsort(np.concatenate(groups), kind="stable")
        found = [
            pa.concat_arrays(columns).take(pa.array(order)) for columns in zip(*(p[0] for p in parts), strict=True)
        ]
        raised = [one for part in parts for one in part[1]]
        return found, [raised[i] for i in order] if raised else ()

    def attempt(self, model: Model, arrays: Sequence[pa.Array], rows: int) -> list[pa.Array] | str:
        """Run the model on rows that it can take together; where it raises, the exception's class is returned.

        Raises:
            OutputError: the output is not as declared.
        """
        assert self.feed is not None
        batch = self.feed.model_input(*_told(self.feed, arrays))
        try:
            prediction = model.predict(batch, deepcopy(dict(self.params)))  # a model may change a list of them
        except (Exception, SystemExit) as error:
            # its class only, and outside the handler: a chained exception prints what it says
            return type(error).__name__
        try:
            return self.outputs.to_arrow(prediction, rows)
        except OutputError:
            raise
        except Exception as error:  # what a model returns can raise anything while it is read, and say what it holds
            fact = f"reading what the model returned raised {type(error).__name__}"
        raise OutputError("the model's output cannot be read", [Problem("", fact, Code.WRONG_OUTPUT)])


def _told(feed: Feed, arrays: Sequence[pa.Array]) -> tuple[Sequence[pa.Array], list[object] | None]:
    """The columns, those of Any as positions in a list beside, where one is a variant, which Arrow has no value of."""
    variants = [isinstance(c.node, AnyNode) and _is_variant(a.type) for c, a in zip(feed.columns, arrays, strict=True)]
    if not any(variants):
        return arrays, None
    from pyspark.sql.types import VariantVal

    values: list[object] = []
    found = list(arrays)
    for i, column in enumerate(feed.columns):
        if isinstance(column.node, AnyNode):
            cells = arrays[i].to_pylist()
            if variants[i]:
                cells = [None if c is None else VariantVal(c["value"], c["metadata"]).toPython() for c in cells]
            at = np.arange(len(values), len(values) + len(cells))
            found[i] = pa.array(at, mask=np.array([cell is None for cell in cells], bool))
            values += cells
    return found, values


def _is_variant(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and from_arrow(kind) == OtherType("variant")


def _returning(signature: ModelSignature, returns: Returns | None) -> ModelSignature:
    """The signature with the outputs that `returns=` declares, where it declares none itself."""
    if returns is None:
        if signature.outputs is None:
            fact = "the signature declares no outputs: the type of the prediction column is not known"
            raise SignatureError(f"{fact}; give returns=, which infer_output(model, example) finds")
        return signature
    if signature.outputs is not None:
        raise SignatureError("the signature declares outputs: returns= is for one that does not")
    if not isinstance(returns, Schema):
        returns = Schema([returns]) if isinstance(returns, ColSpec | TensorSpec) else Schema([ColSpec(returns)])
    return ModelSignature(signature.inputs, returns, signature.params)


def infer_output(
    model: Any,
    example: Any,
    signature: ModelSignature | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    trust: bool | str = False,
) -> Schema:
    """What a model returns for an example, as a schema for `returns=`. The model is loaded and called here.

    Args:
        model: what `score` takes.
        example: a few rows of what the model takes, in any form that `enforce_values` takes.
        signature: the model's contract; a model directory brings its own.
        params: params to override, by name.
        trust: True, or the artifact's `sha256:..`, for artifacts that run code when loaded.

    Raises:
        ViolationError: the example breaks the signature.
        SchemaError: it cannot fit.
        ModelError: the model raises.
        SignatureError: there is no signature, or nothing but Any can be declared for what the model returns.

    >>> import pandas as pd
    >>> from sparksig import ColSpec, ModelSignature, Schema
    >>> signature = ModelSignature(Schema([ColSpec("double", "celsius")]))
    >>> example = pd.DataFrame({"celsius": [20.0]})
    >>> infer_output(lambda batch: {"fahrenheit": batch["celsius"] * 1.8 + 32}, example, signature)
    ['fahrenheit': double (required)]
    """
    if signature is None and isinstance(model, str | os.PathLike):
        signature = load_signature(model)
    if signature is None or signature.inputs is None:
        raise SignatureError("a model that is an object has no signature: give signature=")
    resolved = resolve_params(signature.params, params)
    batch = scored_values(example, signature.inputs)
    loaded = load_model(model, trust=trust)
    try:
        prediction = loaded.predict(batch, dict(resolved))
    except (Exception, SystemExit) as error:
        # its class only, and outside the handler: a chained exception prints what it says
        raised = type(error).__name__
    else:
        columns = isinstance(prediction, Mapping) and any(isinstance(v, pd.Series) for v in prediction.values())
        found = infer_schema(pd.DataFrame(prediction) if columns else prediction)
        if any(isinstance(spec, ColSpec) and isinstance(spec.type, AnyType) for spec in found):
            raise SignatureError("the example's predictions show no type: give an example of which some are present")
        return found
    raise ModelError(f"the model raised {raised} on the example")


def _variables(schema: ParamSchema | None, given: Mapping[str, Any], variables: Mapping[str, str]) -> Mapping[str, str]:
    """The params to read from the environment, checked against the schema."""
    problems = []
    for name in variables:
        spec = next((spec for spec in schema or () if spec.name == name), None)
        if spec is None:
            problems.append(Problem(name, "param_from_env names it, but the signature has no such param"))
        elif spec.shape is not None or not isinstance(spec.dtype, DataType) or spec.dtype is DataType.datetime:
            problems.append(Problem(name, "only a text, a number or a boolean can be read from the environment"))
        elif name in given:
            problems.append(Problem(name, "given as a param and by param_from_env"))
    if problems:
        raise ParamError("params cannot be read from the environment", problems)
    return dict(variables)


def _from_env(schema: ParamSchema, name: str, variable: str, problems: list[Problem]) -> object:
    text = os.environ.get(variable)
    if text is None:
        problems.append(Problem(name, f"the environment variable {variable} is not set here", Code.INVALID_PARAM))
        return None
    [declared] = [spec.dtype for spec in schema if spec.name == name]
    assert isinstance(declared, DataType)
    if declared.element.kind is Kind.STRING:
        return text
    cast = find_cast(ELEMENTS["str"], declared.element)
    assert cast is not None
    value = reader(cast)(text)
    if isinstance(value, Code):
        problems.append(Problem(name, f"the variable's text is no {declared.name}", value))
        return None
    return value
