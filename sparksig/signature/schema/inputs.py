"""All inputs or outputs of a model, in order, named or not; and how they are told in tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparksig.errors import SignatureError
from sparksig.signature.schema.specs import ColSpec, Spec, TensorSpec, read_input
from sparksig.signature.types import (
    Array,
    ColumnType,
    DataType,
    Findings,
    Map,
    Object,
    Property,
    parse_json,
    presence,
    read_list,
    read_whole,
)
from sparksig.tables import html


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Schema:
    """The inputs or the outputs of a model.

    Args:
        inputs: a list of ColSpec, or one of TensorSpec; all named or none; unnamed columns are all required.

    Raises:
        SignatureError: the list is not that.

    >>> schema = Schema([ColSpec("double", "age"), ColSpec("string", "city", required=False)])
    >>> schema.input_names(), schema.optional_input_names()
    (['age', 'city'], ['city'])
    """

    inputs: tuple[Spec, ...]

    def __init__(self, inputs: list[ColSpec] | list[TensorSpec] | list[Spec]) -> None:
        if not isinstance(inputs, list):
            raise SignatureError(f"a Schema takes a list, not a {type(inputs).__name__}")
        if not inputs:
            raise SignatureError("a Schema without inputs is not allowed")
        if strangers := sorted({type(x).__name__ for x in inputs} - {ColSpec.__name__, TensorSpec.__name__}):
            raise SignatureError(f"a Schema takes ColSpec or TensorSpec, not {', '.join(strangers)}")
        _check_together(inputs)
        object.__setattr__(self, "inputs", tuple(inputs))

    def __iter__(self) -> Iterator[Spec]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        return repr(list(self.inputs))

    def _repr_html_(self) -> str:
        return html(("name", "type", "presence"), self.rows())

    def rows(self) -> list[tuple[str, str, str]]:
        """Name or position, type and presence of each input, for tables; an object's properties have their own rows."""
        found: list[tuple[str, str, str]] = []
        for name, x in zip(self.input_names(), self.inputs, strict=True):
            told = presence(x.required)
            found += _rows(str(name), x.type, told) if isinstance(x, ColSpec) else [(str(name), _tensor(x), told)]
        return found

    @property
    def columns(self) -> tuple[ColSpec, ...]:
        """The columns; empty for a schema of tensors."""
        return tuple(x for x in self.inputs if isinstance(x, ColSpec))

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors; empty for a schema of columns."""
        return tuple(x for x in self.inputs if isinstance(x, TensorSpec))

    def input_names(self) -> list[str | int]:
        """The names; positions, from 0, of unnamed inputs."""
        return [i if x.name is None else x.name for i, x in enumerate(self.inputs)]

    def required_input_names(self) -> list[str | int]:
        """The names, or positions, of the required inputs."""
        return [name for name, x in zip(self.input_names(), self.inputs, strict=True) if x.required]

    def optional_input_names(self) -> list[str | int]:
        """The names, or positions, of the optional inputs."""
        return [name for name, x in zip(self.input_names(), self.inputs, strict=True) if not x.required]

    def has_input_names(self) -> bool:
        """Whether inputs are known by their names."""
        return self.inputs[0].name is not None

    def is_tensor_spec(self) -> bool:
        """Whether the inputs are tensors."""
        return isinstance(self.inputs[0], TensorSpec)

    def input_types(self) -> list[ColumnType | np.dtype[Any]]:
        """The types, in order."""
        return [x.type for x in self.inputs]

    def input_dict(self) -> dict[str | int, Spec]:
        """The inputs by name. Raises SignatureError where they have none."""
        return {x.name: x for x in self._named() if x.name is not None}

    def input_types_dict(self) -> dict[str | int, ColumnType | np.dtype[Any]]:
        """The types by name. Raises SignatureError where inputs have none."""
        return {x.name: x.type for x in self._named() if x.name is not None}

    def numpy_types(self) -> list[np.dtype[Any]]:
        """The numpy dtypes, in order. Raises SignatureError where a column is compound."""
        return [t if isinstance(t, np.dtype) else t.to_numpy() for t in self._flat("numpy")]

    def pandas_types(self) -> list[np.dtype[Any]]:
        """The dtypes of pandas columns, in order. Raises SignatureError for tensors and compound columns."""
        if self.is_tensor_spec():
            raise SignatureError("tensors have no pandas types; numpy_types() has theirs")
        return [t.to_pandas() for t in self._flat("pandas") if isinstance(t, DataType)]

    def to_dict(self) -> list[dict[str, Any]]:
        """The JSON form: a list."""
        return [x.to_dict() for x in self.inputs]

    def to_json(self) -> str:
        """The JSON text, as MLflow writes it."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """The schema that a JSON text describes.

        Raises:
            SignatureError: with every fault of the text and its path.
        """
        data = parse_json(text, "the schema")
        return read_whole("the schema", lambda findings: read_schema(data, "schema", findings))

    def _named(self) -> tuple[Spec, ...]:
        if not self.has_input_names():
            raise SignatureError("the inputs of this schema have no names")
        return self.inputs

    def _flat(self, whose: str) -> list[DataType | np.dtype[Any]]:
        types = [x.type for x in self.inputs if isinstance(x.type, DataType | np.dtype)]
        if len(types) < len(self.inputs):
            raise SignatureError(f"compound columns have no {whose} types")
        return types


def _rows(path: str, kind: ColumnType, told: str) -> Iterator[tuple[str, str, str]]:
    word, inner, properties = _layers(kind)
    yield path, word, told
    for each in properties:
        yield from _rows(f"{path}{inner}.{each.name}", each.dtype, presence(each.required))


def _layers(kind: ColumnType) -> tuple[str, str, tuple[Property, ...]]:
    """A type in words without an object's properties, the way to them as faults tell it, and the properties."""
    match kind:
        case Array(element):
            word, inner, properties = _layers(element)
            return f"Array({word})", f"[]{inner}", properties
        case Map(value):
            word, inner, properties = _layers(value)
            return f"Map(str -> {word})", f"{{}}{inner}", properties
        case Object(properties):
            return "Object", "", properties
        case _:
            return repr(kind), "", ()


def _tensor(tensor: TensorSpec) -> str:
    return f"Tensor({tensor.type.name}, {tensor.shape})"


def _check_together(inputs: list[ColSpec] | list[TensorSpec] | list[Spec]) -> None:
    unnamed = [i for i, x in enumerate(inputs) if x.name is None]
    tensors = sum(isinstance(x, TensorSpec) for x in inputs)
    if 0 < len(unnamed) < len(inputs):
        places = ", ".join(map(str, unnamed))
        raise SignatureError(f"name all inputs of a schema or none; without a name: position {places}")
    if 0 < tensors < len(inputs):
        raise SignatureError("a schema has columns or tensors, not both")
    if len(unnamed) > 1 and tensors:
        raise SignatureError("a schema has one unnamed tensor at most; name them")
    # None, which only a compound column read from JSON has, passes: MLflow reads its own old files
    if optional := [i for i in unnamed if inputs[i].required is False]:
        places = ", ".join(map(str, optional))
        raise SignatureError(f"an unnamed column cannot be optional: position {places}; name all, or require all")


def read_schema(data: object, path: str, findings: Findings) -> Schema | None:
    """The schema that a JSON value describes; None when it describes none, which `findings` then say."""
    return read_list(data, path, "a schema is a list of inputs", findings, read_input, Schema)
