"""One input of a model, a column or a tensor, and how its JSON form is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sparksig.errors import SignatureError
from sparksig.signature.dtypes import ELEMENTS, Element
from sparksig.signature.types import (
    ColumnType,
    DataType,
    Findings,
    as_type,
    json_kind,
    presence,
    presence_flag,
    read_required,
    read_type,
    read_whole,
)
from sparksig.tables import printable


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
        return read_whole("the ColSpec", lambda findings: _read_column(form, "ColSpec", findings))


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
        return read_whole("the TensorSpec", lambda findings: _read_tensor(form, "TensorSpec", findings))


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


def read_input(data: object, path: str, findings: Findings) -> Spec | None:
    """The column or the tensor that a JSON value describes; None when it describes none, which `findings` then say."""
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
        findings.only(data, ("type", "name", "required", "optional"), path, fatal=True)
        kind: ColumnType | None = scalar
    else:
        kind = read_type(data, path, findings, extra=("name", "required", "optional"))
    required = _read_presence(data, path, findings, missing=True if scalar else None)
    return None if kind is None else ColSpec(kind, data.get("name"), required)


def _read_presence(data: Mapping[str, Any], path: str, findings: Findings, *, missing: bool | None) -> bool | None:
    """Whether a column is required; MLflow 2.4 to 2.9 wrote the opposite, `optional`."""
    if "optional" not in data:
        return read_required(data, path, findings, missing=missing)
    if "required" in data:
        findings.wrong(
            path, "both 'required' and 'optional' are given", "remove 'optional', which MLflow before 2.10 wrote"
        )
    elif not isinstance(data["optional"], bool):
        findings.wrong(f"{path}.optional", f"true or false, not {json_kind(data['optional'])}")
    return not data["optional"]


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
