"""The signature: what goes in, what comes out, and which params there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sparksig.errors import SignatureError
from sparksig.signature.params import ParamSchema, read_params
from sparksig.signature.schema import Schema, TensorSpec, read_schema
from sparksig.signature.types import (
    Array,
    ColumnType,
    DataType,
    Findings,
    Map,
    Object,
    json_kind,
    parse_json,
    presence,
)
from sparksig.tables import html, printable

PARTS = ("inputs", "outputs", "params")
"""The parts of a signature, each of which may be absent."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ModelSignature:
    """What a model declares.

    Args:
        inputs: what it takes; None where nothing is declared.
        outputs: what it returns.
        params: what a caller may set.

    Raises:
        SignatureError: nothing is given, or something of another class.

    >>> from sparksig.signature.schema import ColSpec
    >>> ModelSignature(inputs=Schema([ColSpec("double", "age")])).to_dict()["inputs"]
    '[{"type": "double", "name": "age", "required": true}]'
    """

    inputs: Schema | None
    outputs: Schema | None
    params: ParamSchema | None

    def __init__(
        self, inputs: Schema | None = None, outputs: Schema | None = None, params: ParamSchema | None = None
    ) -> None:
        if inputs is None and outputs is None and params is None:
            raise SignatureError("a signature has inputs, outputs or params: at least one of them")
        for part, value, kind in zip(PARTS, (inputs, outputs, params), (Schema, Schema, ParamSchema), strict=True):
            if not isinstance(value, kind | None):
                raise SignatureError(f"the {part} of a signature are a {kind.__name__}, not a {type(value).__name__}")
            object.__setattr__(self, part, value)

    def __repr__(self) -> str:
        return "".join(f"{part}: \n  {getattr(self, part)!r}\n" for part in PARTS)

    def _repr_html_(self) -> str:
        rows = [(part, *row) for part in PARTS if (value := getattr(self, part)) for row in value.rows()]
        return html(("part", "name", "type", "required / default"), rows)

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
        findings = Findings()
        signature = _read_signature(data, findings)
        findings.close("the signature")
        assert signature is not None
        return signature

    @classmethod
    def from_json(cls, text: str) -> ModelSignature:
        """The signature that a JSON text describes. Raises SignatureError with every fault and its path."""
        return cls.from_dict(parse_json(text, "the signature"))


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

    >>> from sparksig.signature.schema import ColSpec
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
