"""Schemas and signatures from the hints of a model: `list[T]` for its inputs, `list[T]` or T for its outputs."""

from __future__ import annotations

import sys
import types
import typing
import warnings
from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

from sparksig.errors import Problem, SignatureError
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import Object
from sparksig.sources.hints.reading import optional_of, read_hint
from sparksig.sources.hints.tree import AnyHint, Hint
from sparksig.sources.hints.words import LISTS, hint_text, is_container, refused

_WRAP = "a model takes a list of inputs: write "


def input_hint(hint: Any, what: str = "an input", *, outputs: bool = False) -> Hint | None:
    """The tree of one input of a model's hint `list[T]`; None for the container of pandas, numpy or scipy, unchecked.

    Args:
        hint: the hint.
        what: what it is the hint of, for errors.
        outputs: whether it is the hint of outputs.

    Raises:
        SignatureError: the hint is no list, or its elements cannot be declared.
    """
    if is_container(hint):
        return None
    inner, optional = optional_of(hint)
    if optional:
        raise refused(hint, f"{what} cannot be Optional", f"write {hint_text(inner)}")
    if hint in (list, typing.List):  # noqa: UP006
        raise refused(hint, "a list of what is not said", "write list[str], or whatever its elements are")
    if typing.get_origin(hint) is not list:
        raise refused(hint, "type hints must be wrapped in list", _WRAP + _in_list(hint))
    element, *others = typing.get_args(hint)
    if others:
        fact = f"a list has one element type, not {len(others) + 1}"
        raise refused(hint, fact, f"write list[{hint_text(element)}], or a Union of the types inside list[..]")
    inside, optional = optional_of(element)
    if optional:
        raise refused(hint, f"{what} cannot be Optional", f"write list[{hint_text(inside)}]")
    return read_hint(element, outputs=outputs)


def schema_from_hint(hint: Any) -> Schema:
    """The schema of an input's hint `list[T]`: one unnamed column of T.

    Raises:
        SignatureError: the hint is no list, or its elements cannot be declared.

    >>> schema_from_hint(list[dict[str, float]])
    [Map(str -> DataType.double) (required)]
    """
    found = input_hint(hint)
    if found is None:
        raise refused(hint, "type hints must be wrapped in list", "a container of pandas, numpy or scipy has no schema")
    return _one(found, hint)


def schema_from_output_hint(hint: Any) -> Schema:
    """The schema of a return hint: `list[T]` or T, one unnamed column of T.

    Raises:
        SignatureError: it cannot be declared.
    """
    if is_container(hint):
        raise refused(hint, "a container of pandas, numpy or scipy has no schema", "declare the outputs by a Schema")
    inner, optional = optional_of(hint)
    if optional:
        raise refused(hint, "an output cannot be Optional", f"write {hint_text(inner)}")
    if typing.get_origin(hint) is list:
        return _one(input_hint(hint, "an output", outputs=True), hint)
    return _one(read_hint(hint, outputs=True), hint)


def _one(found: Hint | None, hint: Any) -> Schema:
    assert found is not None
    if isinstance(found, AnyHint) and typing.get_args(hint):
        warnings.warn(f"{hint_text(hint)} is declared as Any: its values are not validated", stacklevel=3)
    return Schema([ColSpec(found.declared)])


def signature_from_hints(function: Callable[..., Any], *, columns: bool = False) -> ModelSignature:
    """The signature that a model's type hints declare.

    Args:
        function: a function of the inputs, or of a context and the inputs, and perhaps of params; or a class or object
            with such a `predict`. A return hint declares the outputs.
        columns: declare a named column for each field of the inputs' class, as a table has them, instead of one column
            of objects, which is what MLflow declares.

    Returns:
        The signature; without params, which hints do not tell.

    Raises:
        SignatureError: there is no hint, or it cannot be declared; with what to write instead.

    >>> def predict(model_input: list[str]) -> list[float]: ...
    >>> signature_from_hints(predict).outputs
    [double (required)]
    """
    name, hints = model_hints(function)
    if name not in hints:
        raise SignatureError(f"the argument {name} has no type hint", [Problem(name, "not annotated", hint="list[..]")])
    schema = schema_from_hint(hints[name])
    if columns:
        [spec] = schema.inputs
        if not isinstance(spec.type, Object):
            raise SignatureError("columns=True needs a hint list[T] where T is a class with fields")
        schema = Schema([ColSpec(prop.dtype, prop.name, prop.required) for prop in spec.type.properties])
    returned = hints.get("return")
    unsaid = "return" not in hints or returned is type(None) or is_container(returned)
    return ModelSignature(schema, None if unsaid else schema_from_output_hint(returned))


def model_hints(function: Any) -> tuple[str, dict[str, Any]]:
    """The name of the argument that takes a model's inputs, and all hints of its `predict` by name."""
    predict = function.predict if hasattr(function, "predict") else function
    names = [
        parameter.name
        for parameter in signature(predict).parameters.values()
        if parameter.name not in ("self", "cls", "context", "params") and parameter.kind is not Parameter.VAR_KEYWORD
    ]
    if not names:
        raise SignatureError("the function has no argument that takes the model's inputs")
    plain = getattr(predict, "__wrapped__", predict)
    space = vars(sys.modules[plain.__module__]) if getattr(plain, "__module__", None) in sys.modules else {}
    try:
        hints = typing.get_type_hints(plain, globalns=dict(space), include_extras=True)
    except NameError as error:
        raise SignatureError(f"a type hint names something that is not defined: {error.name}") from None
    return ("model_input" if "model_input" in names else names[0]), hints


def _in_list(hint: Any) -> str:
    """What to write for a hint that is no list: what it holds where it holds many, else the hint, in a list."""
    parts = [part for part in typing.get_args(hint) if part is not Ellipsis]
    origin = typing.get_origin(hint)
    if origin is typing.Annotated or (origin in LISTS and parts):
        held = parts[:1] if origin in LISTS else [parts[0]]
        return hint_text(held[0]) if typing.get_origin(held[0]) is list else f"list[{hint_text(held[0])}]"
    if origin in (typing.Union, types.UnionType) and all(typing.get_origin(part) is list for part in parts):
        return f"list[{' | '.join(hint_text(typing.get_args(part)[0]) for part in parts)}]"
    try:
        read_hint(hint)
    except SignatureError:
        return "list[..] of the class of one input"
    return f"list[{hint_text(hint)}]"
