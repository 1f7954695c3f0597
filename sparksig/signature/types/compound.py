"""The types around the scalar ones: lists, objects, maps, and what is never looked into, with the union of all types.

Each says its JSON form and is read from it; so the forms are read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypeVar

from sparksig.errors import SignatureError, closest
from sparksig.signature.types.documents import Findings, json_kind, read_whole
from sparksig.signature.types.scalars import DataType
from sparksig.tables import printable


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Array:
    """A list of elements of one type.

    Args:
        dtype: the type of the elements, or the name of a scalar type.

    Raises:
        SignatureError: `dtype` is no type.

    >>> Array("string").to_dict()
    {'type': 'array', 'items': {'type': 'string'}}
    """

    dtype: ColumnType
    depth: int = field(init=False, compare=False)

    def __init__(self, dtype: ColumnType | str) -> None:
        object.__setattr__(self, "dtype", as_type(dtype, "the elements of an Array"))
        object.__setattr__(self, "depth", _depth(self.dtype))

    def __repr__(self) -> str:
        return f"Array({self.dtype!r})"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "array", "items": self.dtype.to_dict()}

    @classmethod
    def from_json_dict(cls, **form: Any) -> Self:
        """The type that a JSON form describes. Raises SignatureError with every fault."""
        return _from_form(cls, form)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Property:
    """A named member of an Object.

    Args:
        name: the key.
        dtype: its type, or the name of a scalar type.
        required: whether the key must be there and its value not be null. None, which JSON may say, means optional.

    Raises:
        SignatureError: `name` is no text or `dtype` no type.

    >>> Property("city", "string", required=False).to_dict()
    {'city': {'type': 'string', 'required': False}}
    """

    name: str
    dtype: ColumnType
    required: bool | None

    def __init__(self, name: str, dtype: ColumnType | str, required: bool | None = True) -> None:
        if not isinstance(name, str):
            raise SignatureError(f"the name of a Property is text, not {type(name).__name__}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "dtype", as_type(dtype, f"Property {name!r}"))
        object.__setattr__(self, "required", presence_flag(required, f"Property {name!r}"))

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype!r} ({presence(self.required)})"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: one key, the name."""
        return {self.name: self.dtype.to_dict() | {"required": self.required}}

    @classmethod
    def from_json_dict(cls, **form: Any) -> Property:
        """The member that a JSON form with one key, the name, describes. Raises SignatureError with every fault."""
        if len(form) != 1:
            raise SignatureError(f"the JSON form of a Property has one key, its name, not {len(form)}")
        return _from_form(Object, {"type": "object", "properties": form}).properties[0]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Object:
    """A struct: named members, kept in the order of their names.

    Args:
        properties: a list of Property, not empty, without repeated names.

    Raises:
        SignatureError: the list is not that.

    >>> Object([Property("b", "long"), Property("a", "string", required=False)])
    {a: string (optional), b: long (required)}
    """

    properties: tuple[Property, ...]
    depth: int = field(init=False, compare=False)

    def __init__(self, properties: list[Property]) -> None:
        if not isinstance(properties, list):
            raise SignatureError(f"an Object takes a list of Property, not a {type(properties).__name__}")
        if not properties:
            raise SignatureError("an Object without properties is not allowed")
        if strangers := sorted({type(p).__name__ for p in properties} - {Property.__name__}):
            raise SignatureError(f"an Object takes a list of Property, not of {', '.join(strangers)}")
        if repeated := duplicates(p.name for p in properties):
            raise SignatureError(f"an Object names a property twice: {', '.join(map(repr, repeated))}")
        object.__setattr__(self, "properties", tuple(sorted(properties, key=lambda p: p.name)))
        object.__setattr__(self, "depth", _depth(*(p.dtype for p in properties)))

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.properties)) + "}"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "object", "properties": {k: v for p in self.properties for k, v in p.to_dict().items()}}

    @classmethod
    def from_json_dict(cls, **form: Any) -> Self:
        """The type that a JSON form describes. Raises SignatureError with every fault."""
        return _from_form(cls, form)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Map:
    """A map from text to values of one type; its keys are data, not part of the signature.

    Args:
        value_type: the type of the values, or the name of a scalar type.

    Raises:
        SignatureError: `value_type` is no type.

    >>> Map(Array("long"))
    Map(str -> Array(long))
    """

    value_type: ColumnType
    depth: int = field(init=False, compare=False)

    def __init__(self, value_type: ColumnType | str) -> None:
        object.__setattr__(self, "value_type", as_type(value_type, "the values of a Map"))
        object.__setattr__(self, "depth", _depth(self.value_type))

    def __repr__(self) -> str:
        return f"Map(str -> {self.value_type})"  # str, not repr: MLflow shows `DataType.long` here

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "map", "values": self.value_type.to_dict()}

    @classmethod
    def from_json_dict(cls, **form: Any) -> Self:
        """The type that a JSON form describes. Raises SignatureError with every fault."""
        return _from_form(cls, form)


@dataclass(frozen=True, slots=True, repr=False)
class AnyType:
    """Anything: declared, and never looked into.

    >>> AnyType().to_dict()
    {'type': 'any'}
    """

    def __repr__(self) -> str:
        return "Any"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "any"}


@dataclass(frozen=True, slots=True, repr=False)
class SparkMLVector:
    """A vector of Spark ML, dense or sparse. The model receives vectors of one length as a 2-D float64 array.

    >>> SparkMLVector().to_dict()
    {'type': 'sparkml_vector'}
    """

    def __repr__(self) -> str:
        return "SparkML vector"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "sparkml_vector"}

    @classmethod
    def from_json_dict(cls, **form: Any) -> Self:
        """The type that a JSON form describes. Raises SignatureError with every fault."""
        return _from_form(cls, form)


ColumnType: TypeAlias = DataType | Array | Object | Map | AnyType | SparkMLVector

MAX_DEPTH = 100
"""How many levels of types may lie in one another; far more than data has, and far less than Python's stack."""


def _depth(*inner: ColumnType) -> int:
    """The levels of a type with these inside.

    Raises:
        SignatureError: there are too many.
    """
    depth = 1 + max(getattr(kind, "depth", 0) for kind in inner)
    if depth > MAX_DEPTH:
        raise SignatureError(f"types are nested more than {MAX_DEPTH} levels deep")
    return depth


_SIMPLE: dict[str, ColumnType] = {
    **{scalar.name: scalar for scalar in DataType},
    "any": AnyType(),
    "sparkml_vector": SparkMLVector(),
}
_CONTENT = {"array": "items", "object": "properties", "map": "values"}


def presence(required: bool | None) -> str:
    """`required` or `optional`, as reprs say it."""
    return "required" if required else "optional"


def presence_flag(given: object, where: str) -> bool | None:
    """`given` as the value of `required`.

    Raises:
        SignatureError: it is neither a boolean nor None; `where` says what it was given for.
    """
    if given is None or isinstance(given, bool):
        return given
    raise SignatureError(f"{where}: required is True or False, not {json_kind(given)}")


def duplicates(names: Iterable[str]) -> list[str]:
    """The names that come more than once, in order, each once."""
    return [name for name, count in Counter(names).items() if count > 1]


def as_type(given: object, where: str) -> ColumnType:
    """`given` as a type: itself, or the scalar type with that name.

    Raises:
        SignatureError: it is neither; `where` says what it was given for.
    """
    if isinstance(given, ColumnType):
        return given
    if isinstance(given, str) and given in DataType.__members__:
        return DataType[given]
    shown = repr(given) if isinstance(given, str) else f"a {type(given).__name__}"
    raise SignatureError(f"{where}: {shown} is no type: {_suggest(given)}")


def _suggest(given: object) -> str:
    near = closest(given, DataType.__members__, cutoff=0.5) if isinstance(given, str) else None
    known = f"a scalar is one of {', '.join(DataType.__members__)}"
    return f"did you mean {near!r}? {known}" if near else known


def read_type(
    data: object, path: str, findings: Findings, extra: Collection[str] = (), depth: int = 0
) -> ColumnType | None:
    """The type that a JSON form describes; None when it describes none, which `findings` then say.

    Args:
        data: the JSON value.
        path: where it stands in its document.
        findings: takes what is wrong or unknown.
        extra: keys beside those of the type itself that are known here.
        depth: how many types this one lies in.
    """
    if depth > MAX_DEPTH:
        findings.wrong("", f"types are nested more than {MAX_DEPTH} levels deep")  # a path would be as long
        return None
    if not isinstance(data, Mapping):
        findings.wrong(path, f"a type is an object with the key 'type', not {json_kind(data)}")
        return None
    name = data.get("type")
    if not isinstance(name, str):
        findings.wrong(path, "the key 'type' is missing" if name is None else f"'type' is {json_kind(name)}")
        return None
    content = _CONTENT.get(name)
    findings.only(data, ("type", *filter(None, [content]), *extra), path)
    if content is None:
        if name not in _SIMPLE:
            findings.wrong(f"{path}.type", f"{printable(name)!r} is no type", _suggest(name))
        return _SIMPLE.get(name)
    if content not in data:
        findings.wrong(path, f"the key {content!r} of type {name!r} is missing")
        return None
    inside = f"{path}.{content}"
    if name == "object":
        return _read_object(data[content], inside, findings, depth + 1)
    element = read_type(data[content], inside, findings, depth=depth + 1)
    if element is None:
        return None
    return Array(element) if name == "array" else Map(element)


T = TypeVar("T")


def _from_form(kind: type[T], form: Mapping[str, Any]) -> T:
    found = read_whole(f"the {kind.__name__}", lambda findings: read_type(form, kind.__name__, findings))
    if not isinstance(found, kind):
        raise SignatureError(f"the JSON form is no {kind.__name__} but {found!r}")
    return found


def _read_object(data: object, path: str, findings: Findings, depth: int) -> Object | None:
    if not isinstance(data, Mapping):
        findings.wrong(path, f"properties are an object from names to types, not {json_kind(data)}")
        return None
    before = len(findings.problems)
    members: list[Property] = []
    for name, form in data.items():
        place = f"{path}.{printable(name)}"
        dtype = read_type(form, place, findings, extra=("required",), depth=depth)
        required = read_required(form, place, findings, missing=True)
        if dtype is not None:
            members.append(Property(str(name), dtype, required))
    if len(findings.problems) > before:
        return None
    try:
        return Object(members)
    except SignatureError as error:
        findings.adopt(path, error)
        return None


def read_required(data: object, path: str, findings: Findings, missing: bool | None) -> bool | None:
    """The value of the key `required`; `missing` where there is none."""
    required = data.get("required", missing) if isinstance(data, Mapping) else missing
    if required is None or isinstance(required, bool):
        return required
    findings.wrong(f"{path}.required", f"true or false, not {json_kind(required)}")
    return None
