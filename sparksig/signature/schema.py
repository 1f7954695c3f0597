"""What a model takes or returns: columns or tensors, in order, named or not.

The constructors, constraints, JSON forms and reprs are MLflow's; so a missing `required` means true for a scalar column
and optional for a compound one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sparksig.errors import SignatureError
from sparksig.signature.dtypes import ELEMENTS, Element
from sparksig.signature.types import (
    Array,
    ColumnType,
    DataType,
    Findings,
    Map,
    Object,
    Property,
    as_type,
    json_kind,
    parse_json,
    presence,
    presence_flag,
    read_required,
    read_type,
)
from sparksig.tables import html, printable


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ColSpec:
    """A column.

    Args:
        type: its type, or the name of a scalar type.
        name: its name; None for a column known by its position. A whole number is taken, as in MLflow.
        required: whether the column must be there. None, which a compound column has when its JSON does not say, means
            optional.

    Raises:
        SignatureError: `type` is no type, or `name` no name.

    >>> ColSpec("double", "age"), ColSpec("string", "city", required=False)
    ('age': double (required), 'city': string (optional))
    """

    type: ColumnType
    name: str | int | None
    required: bool | None

    def __init__(self, type: ColumnType | str, name: str | int | None = None, required: bool | None = True) -> None:
        object.__setattr__(self, "type", as_type(type, "a column" if name is None else f"column {name!r}"))
        object.__setattr__(self, "name", _name(name))
        object.__setattr__(
            self, "required", presence_flag(required, "a column" if name is None else f"column {name!r}")
        )

    def __repr__(self) -> str:
        name = "" if self.name is None else f"{self.name!r}: "
        return f"{name}{self.type!r} ({presence(self.required)})"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: the type's own keys, `name` where there is one, `required`."""
        name = {} if self.name is None else {"name": self.name}
        return {**self.type.to_dict(), **name, "required": self.required}

    @classmethod
    def from_json_dict(cls, **form: Any) -> ColSpec:
        """The input that a JSON form describes. Raises SignatureError with every fault."""
        findings = Findings()
        found = _read_column(form, "ColSpec", findings)
        findings.close("the ColSpec")
        assert found is not None
        return found


@dataclass(frozen=True, slots=True, init=False, repr=False)
class TensorSpec:
    """A tensor; always required.

    Args:
        type: the numpy dtype of its elements, without a size for texts and bytes.
        shape: one whole number a dimension, the batch first; -1 where the length varies.
        name: its name; None for a tensor known by its position.

    Raises:
        SignatureError: the dtype is none that JSON can say, or the shape no shape.

    >>> TensorSpec(np.dtype("float32"), (-1, 28, 28), "image")
    'image': Tensor('float32', (-1, 28, 28))
    """

    type: np.dtype[Any]
    shape: tuple[int, ...]
    name: str | int | None

    def __init__(self, type: np.dtype[Any], shape: tuple[int, ...] | list[int], name: str | int | None = None) -> None:
        object.__setattr__(self, "type", _dtype(type))
        object.__setattr__(self, "shape", _shape(shape))
        object.__setattr__(self, "name", _name(name))

    @property
    def required(self) -> bool:
        """True: there are no optional tensors."""
        return True

    @property
    def element(self) -> Element | None:
        """The row of the table of types; None for a dtype that no Spark column carries."""
        return ELEMENTS.get(self.type.name)

    def __repr__(self) -> str:
        name = "" if self.name is None else f"{self.name!r}: "
        return f"{name}Tensor({self.type.name!r}, {self.shape!r})"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        name = {} if self.name is None else {"name": self.name}
        return {**name, "type": "tensor", "tensor-spec": {"dtype": self.type.name, "shape": list(self.shape)}}

    @classmethod
    def from_json_dict(cls, **form: Any) -> TensorSpec:
        """The input that a JSON form describes. Raises SignatureError with every fault."""
        findings = Findings()
        found = _read_tensor(form, "TensorSpec", findings)
        findings.close("the TensorSpec")
        assert found is not None
        return found


Spec: TypeAlias = ColSpec | TensorSpec


def _name(name: object) -> object:
    if name is None or isinstance(name, str) or (isinstance(name, int) and not isinstance(name, bool)):
        return name
    raise SignatureError(f"a name is text, not {json_kind(name)}")


def _dtype(dtype: object) -> np.dtype[Any]:
    if not isinstance(dtype, np.dtype):
        raise SignatureError("the type of a tensor is a numpy dtype: np.dtype('float32')")
    if dtype.kind in "US" and dtype.itemsize:
        raise SignatureError("a tensor of texts or bytes has no size: np.dtype('str') or np.dtype('bytes')")
    if dtype.kind == "V" and dtype.itemsize:  # MLflow writes such a type, as `void40`, and cannot read it
        raise SignatureError("a tensor of records, or of void of a size, cannot be declared")
    return dtype.newbyteorder("=")


def _shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, tuple | list):
        raise SignatureError(f"the shape of a tensor is a tuple of whole numbers, not {json_kind(shape)}")
    if all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= -1 for n in shape):
        return tuple(map(int, shape))
    raise SignatureError("the shape of a tensor is made of whole numbers from 0 on, and -1 where the length varies")


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
        findings = Findings()
        schema = read_schema(parse_json(text, "the schema"), "schema", findings)
        findings.close("the schema")
        assert schema is not None
        return schema

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
    if not isinstance(data, list):
        findings.wrong(path, f"a schema is a list of inputs, not {json_kind(data)}")
        return None
    before = len(findings.problems)
    inputs = [_read_input(entry, f"{path}[{i}]", findings) for i, entry in enumerate(data)]
    if len(findings.problems) > before:
        return None
    try:
        return Schema([x for x in inputs if x is not None])
    except SignatureError as error:
        findings.adopt(path, error)
        return None


def _read_input(data: object, path: str, findings: Findings) -> Spec | None:
    if not isinstance(data, Mapping):
        findings.wrong(path, f"an input is an object, not {json_kind(data)}")
        return None
    try:
        if data.get("type") == "tensor":
            return _read_tensor(data, path, findings)
        return _read_column(data, path, findings)
    except SignatureError as error:
        findings.adopt(path, error)
        return None


def _read_column(data: Mapping[str, Any], path: str, findings: Findings) -> ColSpec | None:
    scalar = DataType.__members__.get(str(data.get("type")))
    if scalar:
        findings.only(data, ("type", "name", "required"), path, fatal=True)
        kind: ColumnType | None = scalar
    else:
        kind = read_type(data, path, findings, extra=("name", "required"))
    required = read_required(data, path, findings, missing=True if scalar else None)
    return None if kind is None else ColSpec(kind, data.get("name"), required)


def _read_tensor(data: Mapping[str, Any], path: str, findings: Findings) -> TensorSpec | None:
    findings.only(data, ("type", "name", "tensor-spec"), path, fatal=True)
    inner, place = data.get("tensor-spec"), f"{path}.tensor-spec"
    if not isinstance(inner, Mapping):
        findings.wrong(place, f"an object with the keys dtype and shape, not {json_kind(inner)}")
        return None
    findings.only(inner, ("dtype", "shape"), place, fatal=True)
    dtype = _read_dtype(inner.get("dtype"), f"{place}.dtype", findings)
    if "shape" not in inner:
        findings.wrong(place, "the key 'shape' is missing")
        return None
    return None if dtype is None else TensorSpec(dtype, inner["shape"], data.get("name"))


def _read_dtype(name: object, path: str, findings: Findings) -> np.dtype[Any] | None:
    if not isinstance(name, str):
        findings.wrong(path, f"the name of a numpy dtype, not {json_kind(name)}")
        return None
    try:
        return np.dtype(name)
    except (TypeError, ValueError, SyntaxError):  # numpy parses lists of dtypes and structures in such texts
        findings.wrong(path, f"{printable(name)!r} is not the name of a numpy dtype")
        return None
