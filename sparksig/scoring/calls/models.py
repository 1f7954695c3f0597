"""Models on their way: from where a user has one to where it runs."""

from __future__ import annotations

import os
import pickle
import warnings
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any

from sparksig.errors import ModelLoadError, NotSupportedError, Problem
from sparksig.models.artifact import MLMODEL, Artifact, Packed
from sparksig.models.loading import CACHED, Model, Trust, load_model
from sparksig.signature.model_signature import ModelSignature
from sparksig.sources.mlmodel import signature_in
from sparksig.sources.registry import fetched, is_model_uri, load_signature

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SENT_AT_MOST = 128 << 20  # by a Connect client, if its channel was not built otherwise
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
        if context is None and len(self.pickled) > _SENT_AT_MOST:
            fact = f"the model has {len(self.pickled) >> 20} MiB, and Spark Connect sends at most {_SENT_AT_MOST >> 20}"
            warnings.warn(f"{fact}: give the path of its directory, where the workers can read it", stacklevel=2)
        if context is None or not isinstance(self.pickled, bytes) or len(self.pickled) < _LARGE:
            return self
        return Shipped(context.broadcast(self.pickled), self.digest)

    def load(self, trust: Trust = False) -> Model:
        """The model, from this process's cache where it has been loaded before.

        Args:
            trust: the digest of the artifact, if it is one.
        """
        with _lock:
            if self.digest not in _shipped:
                pickled = self.pickled if isinstance(self.pickled, bytes) else self.pickled.value
                _shipped[self.digest] = load_model(pickle.loads(pickled), trust=trust)
                while len(_shipped) > CACHED:
                    _shipped.popitem(last=False)
            _shipped.move_to_end(self.digest)
            return _shipped[self.digest]


def from_registry(model: Any) -> Any:
    """The model itself, or, behind a URI of MLflow's, its files, which travel to the workers as they are now.

    Raises:
        ModelLoadError: MLflow knows no such model, or it is none.
        EnvironmentFault: MLflow's server cannot be asked.
        NotSupportedError: MLflow is not installed.
    """
    if not isinstance(model, str) or not is_model_uri(model):
        return model
    with fetched(model) as (uri, folder):
        if folder.is_file():
            hint = "an ONNX file is read as a file, or logged by mlflow.onnx" if folder.suffix == ".onnx" else None
            raise ModelLoadError("there is no model", [Problem(uri, "is a file, not a model's directory", hint=hint)])
        return Packed.of(Artifact.read(folder, uri))


def declared_by(model: Any) -> ModelSignature:
    """The signature that a path or the files of a model declare.

    Raises:
        SignatureError: there is none, or it is malformed.
    """
    if isinstance(model, Packed):
        return signature_in(model.files[MLMODEL], model.origin)
    assert isinstance(model, str | os.PathLike)
    return load_signature(model)
