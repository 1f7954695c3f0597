"""Models whose inputs are declared by type hints: values are validated by the hint and handed on as what it says.

Nothing is coerced but dicts, which become instances of pydantic models and dataclasses. Faults are told by path, code
and class; pydantic's own messages print values and are not handed on.
"""

from sparksig.models.typed.examples import example_reader
from sparksig.models.typed.hinted import HintedModel
from sparksig.models.typed.validation import TypeFromExample, validate_hint, validated

__all__ = ["HintedModel", "TypeFromExample", "example_reader", "validate_hint", "validated"]
