"""What a model returns, where its signature does not say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

from sparksig.enforcement.values import scored_values
from sparksig.errors import ModelError, NotSupportedError, SignatureError
from sparksig.models.artifact import Packed
from sparksig.models.loading import Trust, load_model
from sparksig.scoring.calls.models import declared_by, from_registry
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import resolve_params
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, ColumnType
from sparksig.sources.inference import infer_schema

Returns: TypeAlias = "Schema | ColSpec | TensorSpec | ColumnType | str"
"""What declares outputs: a schema, one column of it, or a type, by MLflow's name where it has one."""


def returning(signature: ModelSignature, returns: Returns | None) -> ModelSignature:
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
    trust: Trust = False,
) -> Schema:
    """What a model returns for an example, as a schema for `returns=`. The model is loaded and called here.

    Args:
        model: what `score` takes.
        example: a few rows of what the model takes, in any form that `enforce_values` takes.
        signature: the model's contract; a model directory brings its own.
        params: params to override, by name.
        trust: True, or the artifact's `sha256:..`, for artifacts that run code when loaded.

    Returns:
        What to declare: a column for each that the model returns, or a tensor.

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
    model = from_registry(model)
    if signature is None and isinstance(model, str | os.PathLike | Packed):
        signature = declared_by(model)
    if signature is None or signature.inputs is None:
        raise SignatureError("a model that is an object has no signature: give signature=")
    resolved = resolve_params(signature.params, params)
    batch = scored_values(example, signature.inputs)
    loaded = load_model(model, trust=trust)
    try:
        prediction = loaded.predict(batch, dict(resolved))
    except (ModelError, NotSupportedError):
        raise
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
