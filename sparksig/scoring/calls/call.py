"""The call: a model with its params and its contract."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from sparksig.enforcement.nodes import AnyNode
from sparksig.enforcement.values import Feed
from sparksig.enforcement.values.feeds import any_values
from sparksig.errors import Code, ModelError, NotSupportedError, OutputError, ParamError, Problem, SignatureError
from sparksig.models.artifact import Artifact, Packed
from sparksig.models.flavors import graph_signature
from sparksig.models.loading import Model, Trust, load_model, require_trust
from sparksig.scoring.batches import Outputs
from sparksig.scoring.calls.models import Shipped, declared_by, from_registry
from sparksig.scoring.calls.python import warn_of_other_python
from sparksig.scoring.calls.returns import Returns, returning
from sparksig.scoring.calls.variables import from_env, require_variables
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import resolve_params
from sparksig.sources.observed import OtherType, from_arrow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Asked: TypeAlias = tuple[list[pa.Array], Sequence[str | None]]
"""Outputs, and what was raised at each row: nothing where nobody looked for it."""


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
        trust: Trust,
        param_from_env: Mapping[str, str] | None = None,
        returns: Returns | None = None,
    ) -> ModelCall:
        """Resolve everything that can be resolved on the driver.

        Raises:
            TrustError: the artifact would run code when loaded and is not trusted.
            SignatureError: there is no signature, or it declares no outputs.
            ParamError: given params do not fit; all faults are listed.
            NotSupportedError: the output schema declares what cannot be a column, or the model cannot be shipped.
            ModelLoadError: it is no model, or MLflow gives none for a URI.
            EnvironmentFault: MLflow's server cannot be asked.
        """
        digest: str | None = None
        model = from_registry(model)
        if isinstance(model, str | os.PathLike | Packed):
            with _opened(model) as artifact:
                digest = require_trust(artifact, trust)
                if signature is None:
                    signature = graph_signature(artifact, digest) or declared_by(model)
            model = Shipped.of(model) if isinstance(model, Packed) else str(artifact.path)
        else:
            if not callable(model) and not isinstance(model, Model):
                load_model(model)  # so that what is no model is told at once
            model = Shipped.of(model)
        if signature is None:
            raise SignatureError("a model that is an object has no signature: give signature=")
        signature = returning(signature, returns)
        assert signature.outputs is not None
        variables = require_variables(signature.params, params or {}, param_from_env or {})
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
        warn_of_other_python(session)
        return replace(self, model=self.model.broadcast(session)) if isinstance(self.model, Shipped) else self

    def load(self) -> Model:
        """The model, loaded in this process or taken from its cache.

        Raises:
            TrustError: the artifact here is not the one that the driver saw.
            ModelLoadError: it does not load.
        """
        if isinstance(self.model, Shipped):
            return self.model.load(self.trust or False)
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
        read = {name: from_env(self.signature.params, name, v, problems) for name, v in self.variables.items()}
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
            ModelError: the table's columns are not those of the model's training.
        """
        assert self.feed is not None
        try:
            batch = self.feed.model_input(*_told(self.feed, arrays))
            prediction = model.predict(batch, deepcopy(dict(self.params)))  # a model may change a list of them
        except (ModelError, NotSupportedError):  # raised by sparksig's own calls of models: it holds no data
            raise
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
            cells: list[Any] = any_values(arrays[i])
            if variants[i]:
                cells = [None if c is None else VariantVal(c["value"], c["metadata"]).toPython() for c in cells]
            at = np.arange(len(values), len(values) + len(cells))
            found[i] = pa.array(at, mask=np.array([cell is None for cell in cells], bool))
            values += cells
    return found, values


def _is_variant(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and from_arrow(kind) == OtherType("variant")


@contextmanager
def _opened(model: str | os.PathLike[str] | Packed) -> Iterator[Artifact]:
    """The artifact at a path, or the one whose files these are."""
    if isinstance(model, Packed):
        with model.unpacked() as artifact:
            yield artifact
    else:
        yield Artifact.read(model)
