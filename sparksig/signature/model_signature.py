"""The signature: what goes in, what comes out, and which params there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from sparksig.errors import SignatureError
from sparksig.signature.members import class_name
from sparksig.signature.params import ParamSchema, read_params
from sparksig.signature.schema import ColSpec, Schema, TensorSpec, read_schema
from sparksig.signature.types import (
    AnyType,
    Array,
    ColumnType,
    DataType,
    Findings,
    Map,
    Object,
    Property,
    json_kind,
    parse_json,
    presence,
    read_whole,
)
from sparksig.tables import html, note, printable

PARTS = ("inputs", "outputs", "params")
"""The parts of a signature, each of which may be absent."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ModelSignature:
    """What a model declares.

    Args:
        inputs: what it takes: a Schema, or a dataclass with a column for each field; None where nothing is declared.
        outputs: what it returns, in the same forms.
        params: what a caller may set.

    Raises:
        SignatureError: nothing is given, or something of another class, or a dataclass with a field that no column is.

    >>> ModelSignature(inputs=Schema([ColSpec("double", "age")])).to_dict()["inputs"]
    '[{"type": "double", "name": "age", "required": true}]'
    """

    inputs: Schema | None
    outputs: Schema | None
    params: ParamSchema | None

    def __init__(
        self,
        inputs: Schema | type | None = None,
        outputs: Schema | type | None = None,
        params: ParamSchema | None = None,
    ) -> None:
        if inputs is None and outputs is None and params is None:
            raise SignatureError("a signature has inputs, outputs or params: at least one of them")
        object.__setattr__(self, "inputs", _as_schema(inputs, "inputs"))
        object.__setattr__(self, "outputs", _as_schema(outputs, "outputs"))
        if not isinstance(params, ParamSchema | None):
            raise SignatureError(f"the params of a signature are a ParamSchema, not a {class_name(params)}")
        object.__setattr__(self, "params", params)

    def __repr__(self) -> str:
        return "".join(f"{part}: \n  {getattr(self, part)!r}\n" for part in PARTS)

    def _repr_html_(self) -> str:
        parts = [(part, value) for part in PARTS if (value := getattr(self, part))]
        rows = [(part, name, kind, _told(part, last)) for part, value in parts for name, kind, last in value.rows()]
        return html(("part", "name", "type", "presence"), rows) or note("no params")

    def to_dict(self) -> dict[str, str | None]:
        """MLflow's form, as an MLmodel file holds it: a JSON text or None for each part; no params are None."""
        return {part: value.to_json() if (value := getattr(self, part)) else None for part in PARTS}

    def to_json(self) -> str:
        """MLflow's form as a JSON text of three lines."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelSignature:
        """The signature that MLflow's form describes; the parts may be JSON texts or what these texts say.

        Raises:
            SignatureError: with every fault and its path.
        """
        return read_whole("the signature", lambda findings: _read_signature(data, findings))

    @classmethod
    def from_json(cls, text: str) -> ModelSignature:
        """The signature that a JSON text describes. Raises SignatureError with every fault and its path."""
        return cls.from_dict(parse_json(text, "the signature"))


def _told(part: str, last: str) -> str:
    return f"default: {last}" if part == "params" else last


def _as_schema(given: object, part: str) -> Schema | None:
    if given is None or isinstance(given, Schema):
        return given
    model = given if isinstance(given, type) else type(given)
    if is_dataclass(model) and not isinstance(given, ParamSchema | ColSpec | TensorSpec):
        return schema_of(model)
    raise SignatureError(f"the {part} of a signature are a Schema or a dataclass, not a {class_name(given)}")


def schema_of(model: type) -> Schema:
    """The schema with a column for each field of a dataclass; fields that may be None are optional.

    Fields are bool, int (long), float (double), str, bytes, date and datetime, lists of these, dicts with text keys,
    other dataclasses, and Any.

    Raises:
        SignatureError: with every field that is none of these.

    >>> from dataclasses import make_dataclass
    >>> schema_of(make_dataclass("Flight", [("delay", float), ("gate", str | None)]))
    ['delay': double (required), 'gate': string (optional)]
    """
    findings = Findings()
    members = _members(model, model.__name__, findings)
    if findings.problems:
        raise SignatureError(f"the dataclass {model.__name__} has fields that no column is", findings.problems)
    return Schema([ColSpec(p.dtype, p.name, p.required) for p in members])


_BY_CLASS: dict[Any, ColumnType] = {
    **{scalar.to_python(): scalar for scalar in DataType},  # the widest of a class comes last: int is long
    datetime: DataType.datetime,
    Any: AnyType(),
}


def _members(model: type, path: str, findings: Findings) -> list[Property]:
    hints = get_type_hints(model)
    found = ((field.name, *_of_hint(hints[field.name], f"{path}.{field.name}", findings)) for field in fields(model))
    return [Property(name, kind, not optional) for name, kind, optional in found]


def _of_hint(hint: Any, path: str, findings: Findings) -> tuple[ColumnType, bool]:
    """The type that a hint says, and whether None is one of its values."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        [inner] = (argument for argument in arguments if argument is not NoneType)
        return _of_hint(inner, path, findings)[0], True
    if get_origin(hint) is list:
        return Array(_of_hint(arguments[0], f"{path}[]", findings)[0]), False
    if get_origin(hint) is dict and arguments[0] is str:
        return Map(_of_hint(arguments[1], f"{path}{{}}", findings)[0]), False
    if isinstance(hint, type) and is_dataclass(hint):
        return Object(_members(hint, path, findings)), False
    if hint not in _BY_CLASS:
        findings.wrong(path, f"{hint} is no type of a column")
    return _BY_CLASS.get(hint, AnyType()), False


def check_registrable(signature: ModelSignature) -> None:
    """Refuse a signature that a registry with typed models does not take, such as Databricks' Unity Catalog.

    There, inputs and outputs are both declared, and every type is a type: Any says nothing that could be governed.
    `mlflow.register_model` finds the first of these faults after the upload, and the last not at all.

    Args:
        signature: the model's.

    Raises:
        SignatureError: with every fault and its path.

    >>> check_registrable(ModelSignature(Schema([ColSpec(Array(AnyType()), "tags")])))
    Traceback (most recent call last):
    sparksig.errors.SignatureError: the signature cannot be registered
      outputs: not declared
        hint: declare them: infer_signature(inputs, outputs)
      inputs.tags[]: is Any
        hint: declare what it is
    """
    findings = Findings()
    for part in ("inputs", "outputs"):
        if getattr(signature, part) is None:
            findings.wrong(part, "not declared", "declare them: infer_signature(inputs, outputs)")
    for part in ("inputs", "outputs"):
        schema: Schema | None = getattr(signature, part)
        for name, spec in zip(schema.input_names(), schema, strict=True) if schema is not None else ():
            if isinstance(spec, ColSpec):
                for path in _anything(spec.type, f"{part}.{printable(name)}"):
                    findings.wrong(path, "is Any", "declare what it is")
    if findings.problems:
        raise SignatureError("the signature cannot be registered", findings.problems)


def _anything(kind: ColumnType, path: str) -> Iterator[str]:
    """The paths at which a type says nothing."""
    match kind:
        case AnyType():
            yield path
        case Array(element):
            yield from _anything(element, f"{path}[]")
        case Map(value):
            yield from _anything(value, f"{path}{{}}")
        case Object(properties):
            for member in properties:
                yield from _anything(member.dtype, f"{path}.{printable(member.name)}")
        case _:
            pass


def _read_signature(data: object, findings: Findings) -> ModelSignature | None:
    if not isinstance(data, Mapping):
        findings.wrong("", f"a signature is an object with the keys {', '.join(PARTS)}, not {json_kind(data)}")
        return None
    if not any(data.get(part) is not None for part in PARTS):
        near = ", ".join(printable(key) for key in data)
        findings.wrong(
            "", "none of inputs, outputs and params is there", f"the keys here are: {near}" if near else None
        )
        return None
    findings.only(data, PARTS, "signature")
    inputs, outputs = (
        read_schema(part, name, findings) if (part := _part(data, name, findings)) is not None else None
        for name in ("inputs", "outputs")
    )
    given = _part(data, "params", findings)
    params = None if given is None else read_params(given, "params", findings)
    return None if findings.problems else ModelSignature(inputs, outputs, params)


def _part(data: Mapping[str, Any], name: str, findings: Findings) -> Any:
    """One part as JSON value: MLflow stores it as a text."""
    part = data.get(name)
    if not isinstance(part, str):
        return part
    try:
        return parse_json(part, "the text")
    except SignatureError as error:
        findings.wrong(name, error.message)
        return None


def signature_tree(signature: ModelSignature) -> str:
    """The signature as indented text, one line a column, an element, a member or a param.

    >>> print(signature_tree(ModelSignature(Schema([ColSpec(Array("double"), "scores")]))))
    inputs
      scores: array (required)
        []: double
    """
    return "\n".join(line for part in PARTS for line in _part_lines(part, getattr(signature, part)))


def _part_lines(part: str, value: Schema | ParamSchema | None) -> Iterator[str]:
    if not value:
        return
    yield part
    if isinstance(value, ParamSchema):
        for param in value:
            shape = "list of " if param.shape else ""
            default = printable(param.default)
            yield from _lines(param.dtype, f"{printable(param.name)}: {shape}", f" = {default}", "  ")
        return
    for name, spec in zip(value.input_names(), value, strict=True):
        if isinstance(spec, TensorSpec):
            yield f"  {printable(name)}: tensor of {spec.type.name} {spec.shape}"
        else:
            yield from _lines(spec.type, f"{printable(name)}: ", f" ({presence(spec.required)})", "  ")


def _lines(kind: ColumnType, before: str, after: str, indent: str) -> Iterator[str]:
    name = kind.name if isinstance(kind, DataType) else str(kind.to_dict()["type"])
    yield f"{indent}{before}{name}{after}"
    inner = indent + "  "
    match kind:
        case Array(element):
            yield from _lines(element, "[]: ", "", inner)
        case Map(value):
            yield from _lines(value, "{}: ", "", inner)
        case Object(properties):
            for member in properties:
                yield from _lines(member.dtype, f"{printable(member.name)}: ", f" ({presence(member.required)})", inner)
        case _:
            pass
