"""What people write: `validated` makes a model read its inputs by their hint, `validate_hint` reads them at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, overload

from sparksig.errors import Problem, SignatureError
from sparksig.models.typed.examples import example_reader
from sparksig.models.typed.values import HintReader
from sparksig.sources.hints import hint_text, input_hint, model_hints

Target = TypeVar("Target")


class TypeFromExample:
    """The hint of inputs whose type an example says: `@validated(example=[..])`.

    The example is a list of scalars, a list of dicts, a DataFrame or a Series; inputs are enforced by the schema that
    is inferred from it, and handed on in its container.

    >>> from sparksig import validated
    >>> @validated(example=["a", "bc"])
    ... def predict(model_input: TypeFromExample):
    ...     return [len(text) for text in model_input]
    >>> predict(["def"])
    [3]
    """


def validate_hint(data: Any, hint: Any) -> Any:
    """Data as the hint says, every element validated.

    Args:
        data: a list; a DataFrame becomes one first: its rows where the hint's elements are objects, else its first
            column. Nulls are None there, but NaN where a float is declared.
        hint: `list[T]`; a container of pandas, numpy or scipy takes the data as it is.

    Returns:
        The list, dicts as the objects that the hint names.

    Raises:
        SignatureError: the hint cannot be declared.
        ViolationError: elements break the hint; all of them are counted, by path and code.

    >>> validate_hint([1, 2], list[int])
    [1, 2]
    >>> validate_hint([1, "x", "y"], list[int])
    Traceback (most recent call last):
        ...
    sparksig.errors.ViolationError: the data breaks the type hint list[int]
      []: 2 element(s): int is declared, not str [INCOMPATIBLE_TYPE]
    """
    found = input_hint(hint)
    return data if found is None else HintReader(found, hint_text(hint)).read(data)


@overload
def validated(target: Target) -> Target: ...


@overload
def validated(target: None = None, *, example: Any = None) -> Callable[[Target], Target]: ...


def validated(target: Any = None, *, example: Any = None) -> Any:
    """Make a model validate its inputs by its type hints, before its own code sees them.

    Args:
        target: a function of the inputs, or of a context and the inputs, and perhaps of `params`; or a class with such
            a `predict`. `params` and `context` are passed through, the signature stays the same for tools.
        example: an input example, for the hint `TypeFromExample`.

    Returns:
        The function or class, which validates before it predicts; without `target`, a decorator.

    Raises:
        SignatureError: there is no hint, or it cannot be declared; with what to write instead.

    >>> @validated
    ... def predict(model_input: list[str]) -> list[int]:
    ...     return [len(text) for text in model_input]
    >>> predict(["a", "bc"])
    [1, 2]
    """
    if target is None:
        return lambda function: _validated(function, example)
    return _validated(target, example)


def _validated(target: Any, example: Any) -> Any:
    name, hints = model_hints(target)
    if name not in hints:
        problem = Problem(name, "not annotated", hint="write list[..], or TypeFromExample with @validated(example=..)")
        raise SignatureError(f"the argument {name} has no type hint", [problem])
    hint = hints[name]
    if hint is TypeFromExample:
        read = example_reader(example)
    else:
        found = input_hint(hint)
        if found is None:
            return target
        read = HintReader(found, hint_text(hint)).read
    if isinstance(target, type):
        plain = inspect.getattr_static(target, "predict")
        wrapped = _wrapped(getattr(plain, "__func__", plain), name, read)
        bound: Any = type(plain) if isinstance(plain, staticmethod | classmethod) else None
        target.predict = wrapped if bound is None else bound(wrapped)  # type: ignore[attr-defined]
        return target
    return _wrapped(target, name, read)


def _wrapped(function: Callable[..., Any], name: str, read: Callable[[Any], Any]) -> Callable[..., Any]:
    shape = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        bound = shape.bind(*args, **named)
        if name in bound.arguments:
            bound.arguments[name] = read(bound.arguments[name])
        return function(*bound.args, **bound.kwargs)

    return call
