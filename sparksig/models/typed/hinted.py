"""Models that MLflow saved with the signature of their type hint: they receive what the hint accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sparksig.errors import SignatureError
from sparksig.models.typed.tables import listed
from sparksig.signature.schema import Schema
from sparksig.sources.hints import Hint, input_hint, model_hints, schema_from_hint


class HintedModel:
    """A model of MLflow's whose predict validates its inputs by a type hint.

    The stored signature has each field under its own name, and requires fields that have a default. The model accepts
    aliases, and absent fields where they have a default.

    Attributes:
        inputs: the schema of the hint, with aliases, and with fields optional that have a default.
    """

    def __init__(self, model: Any, method: str, hint: Any, tree: Hint) -> None:
        self._function, self._tree = getattr(model, method), tree
        self.inputs: Schema = schema_from_hint(hint)

    @classmethod
    def of(cls, model: Any, method: str) -> HintedModel | None:
        """The model with its hint; None if the hint is not found, or is not one that can be declared.

        Args:
            model: what MLflow's loader returned.
            method: the name of its method that predicts.
        """
        predictor = getattr(model, "python_model", None)
        predictor = getattr(predictor, "func", predictor)  # of a model that is a function
        if predictor is None:
            return None
        try:
            name, hints = model_hints(predictor)
            tree = input_hint(hints.get(name))
        except SignatureError:
            return None
        return None if tree is None else cls(model, method, hints[name], tree)

    def predict(self, batch: Any, params: Mapping[str, Any] | None = None) -> Any:
        """The prediction for a table, or for the list that the hint declares."""
        return self._function(listed(batch, self._tree) if isinstance(batch, pd.DataFrame) else batch, params=params)
