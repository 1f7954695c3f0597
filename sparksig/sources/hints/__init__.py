"""Schemas from type hints: a hint is read once, into a tree that says what is declared and what a value must be.

The hints are MLflow's: `list[T]`, where T is a scalar, a list, a dict with text keys, a pydantic model or Any. Beyond
them T may be a dataclass, a date, a Decimal, a Literal, or pydantic models told apart by a discriminator.
"""

from sparksig.sources.hints.signatures import (
    input_hint,
    model_hints,
    schema_from_hint,
    schema_from_output_hint,
    signature_from_hints,
)
from sparksig.sources.hints.tree import (
    AnyHint,
    DictHint,
    Hint,
    ListHint,
    LiteralHint,
    ObjectHint,
    OptionalHint,
    ScalarHint,
)
from sparksig.sources.hints.words import hint_text

__all__ = [
    "AnyHint",
    "DictHint",
    "Hint",
    "ListHint",
    "LiteralHint",
    "ObjectHint",
    "OptionalHint",
    "ScalarHint",
    "hint_text",
    "input_hint",
    "model_hints",
    "schema_from_hint",
    "schema_from_output_hint",
    "signature_from_hints",
]
