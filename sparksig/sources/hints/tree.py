"""A hint as a tree: each part says what a value must be, and what is declared for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sparksig.signature.types import AnyType, Array, ColumnType, Map


@dataclass(frozen=True)
class ScalarHint:
    """A Python class whose instances are scalars: `int`, `str`, `date`, .."""

    cls: type
    declared: ColumnType


@dataclass(frozen=True)
class LiteralHint:
    """One of the values that are listed."""

    values: tuple[object, ...]
    declared: ColumnType


@dataclass(frozen=True)
class ListHint:
    """A list of values of one hint."""

    element: Hint

    @property
    def declared(self) -> ColumnType:
        """The declared type."""
        return Array(self.element.declared)


@dataclass(frozen=True)
class DictHint:
    """A dict with text keys and values of one hint."""

    value: Hint

    @property
    def declared(self) -> ColumnType:
        """The declared type."""
        return Map(self.value.declared)


@dataclass(frozen=True)
class OptionalHint:
    """None, or a value of the hint; what holds it is optional."""

    inner: Hint

    @property
    def declared(self) -> ColumnType:
        """The declared type."""
        return self.inner.declared


@dataclass(frozen=True)
class AnyHint:
    """Anything: Any, or a Union that nothing tells apart."""

    declared: ColumnType = field(default_factory=AnyType)


@dataclass(frozen=True)
class ObjectHint:
    """A class with fields: a pydantic model, a dataclass, or several models told apart by a discriminator.

    Attributes:
        cls: the class; for several models what pydantic validates them by.
        fields: the hint of each field, by the name under which the class accepts it: its alias where it has one.
        pydantic: whether pydantic validates its values.
        declared: the declared type.
        variants: the single models, where a discriminator tells them apart.
        defaults: the fields with a default that cannot be None: a null of a table stands for the default.
        renamed: for fields with an alias, the alias by the field's own name, under which MLflow declares it.
    """

    cls: Any
    fields: tuple[tuple[str, Hint], ...]
    pydantic: bool
    declared: ColumnType
    variants: tuple[ObjectHint, ...] = ()
    defaults: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()


Hint: TypeAlias = ScalarHint | LiteralHint | ListHint | DictHint | OptionalHint | AnyHint | ObjectHint
