"""One call of the model, as data that travels to the executors: what to load, what it takes, what it must return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparksig.enforcement.values import Feed
from sparksig.errors import ModelError, SignatureError
from sparksig.models.artifact import Artifact
from sparksig.models.loading import Model, load_model, require_trust
from sparksig.scoring.batches import Outputs
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import resolve_params
from sparksig.sources.mlmodel import load_signature

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model with its params and its contract, ready to be shipped.

    Attributes:
        model: an artifact's directory, or the model itself.
        trust: the digest that the artifact must have where it is loaded; None for a model that is an object.
        signature: the model's contract.
        params: every param, resolved.
        outputs: the output schema.
        feed: how columns become the model's input; None until a table is known.
    """

    model: Any
    trust: str | None
    signature: ModelSignature
    params: Mapping[str, Any]
    outputs: Outputs
    feed: Feed | None = None

    @classmethod
    def of(
        cls,
        model: Any,
        signature: ModelSignature | None,
        params: Mapping[str, Any] | None,
        trust: bool | str,
    ) -> ModelCall:
        """Resolve everything that can be resolved on the driver.

        Raises:
            TrustError: the artifact would run code when loaded and is not trusted.
            SignatureError: there is no signature, or it declares no outputs.
            ParamError: given params do not fit; all faults are listed.
            NotSupportedError: the output schema declares what is not built yet.
        """
        digest: str | None = None
        if isinstance(model, str | Path):
            artifact = Artifact.read(model)
            digest = require_trust(artifact, trust)
            signature = signature or load_signature(model)
            model = str(artifact.path)
        if signature is None:
            raise SignatureError("a model that is an object has no signature: give signature=")
        if signature.outputs is None:
            raise SignatureError("the signature declares no outputs: the type of the prediction column is not known")
        resolved = resolve_params(signature.params, params)
        return cls(model, digest, signature, resolved, Outputs.of(signature.outputs))

    def on(self, feed: Feed) -> ModelCall:
        """The same call for a table."""
        return replace(self, feed=feed)

    def load(self) -> Model:
        """The model, loaded in this process or taken from its cache.

        Raises:
            TrustError: the artifact here is not the one that the driver saw.
            ModelLoadError: it does not load.
        """
        return load_model(self.model, trust=self.trust or False)

    def predict(self, model: Model, arrays: Sequence[pa.Array], rows: int) -> list[pa.Array]:
        """Run the model on one batch of clean rows.

        Raises:
            ModelError: the model raised; its message is not handed on, since it may hold data.
            OutputError: the output is not as declared.
        """
        assert self.feed is not None
        batch = self.feed.model_input(arrays)
        failure = None
        try:
            prediction = model.predict(batch, dict(self.params))
        except Exception as error:
            failure = type(error).__name__
        if failure is not None:  # raised outside the handler: a chained exception would print what the model said
            raise ModelError(f"the model raised {failure} on a batch of {rows} rows")
        return self.outputs.to_arrow(prediction, rows)
