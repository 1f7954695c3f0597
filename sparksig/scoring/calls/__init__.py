"""One call of the model, as data that travels to the executors: what to load, what it takes, what it must return."""

from sparksig.scoring.calls.call import Asked, ModelCall
from sparksig.scoring.calls.models import declared_by, from_registry
from sparksig.scoring.calls.returns import Returns, infer_output

__all__ = ["Asked", "ModelCall", "Returns", "declared_by", "from_registry", "infer_output"]
