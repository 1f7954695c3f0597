"""The JSON form of a summary, published as a JSON Schema: `summary.schema.json` beside this file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sparksig.errors import ConfigError, NotSupportedError, Problem

if TYPE_CHECKING:
    from jsonschema import ValidationError


def summary_schema() -> dict[str, Any]:
    """The JSON Schema of `summary.json`, in the version that `Summary.to_dict` writes.

    >>> summary_schema()["$id"]
    'urn:sparksig:summary:2'
    """
    found: dict[str, Any] = json.loads(files(__package__).joinpath("summary.schema.json").read_text("utf-8"))
    return found


def check_summary(document: object) -> None:
    """Hold a document against the JSON Schema.

    Args:
        document: what `summary.json` holds, as JSON values.

    Raises:
        ConfigError: it is not a summary of this version; every fault is listed, and none shows a value.
        NotSupportedError: the library jsonschema is missing.

    >>> check_summary({"schema_version": 1})
    Traceback (most recent call last):
    sparksig.errors.ConfigError: not a summary
      schema_version: is not 2
    """
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        raise NotSupportedError("a summary is checked with jsonschema: pip install 'sparksig[report]'") from None
    errors = list(Draft202012Validator(summary_schema()).iter_errors(document))
    # what another version of the form has or lacks is no fault of its own
    errors = [each for each in errors if list(each.absolute_path) == ["schema_version"]] or errors
    if errors:
        # a library's message would show the value; it says one by one what is lacking
        facts = dict.fromkeys((_path(e.absolute_path), _fact(e)) for e in errors)
        hint = "`sparksig summary-schema` prints the form that is read here"
        raise ConfigError(f"not a summary; {hint}", [Problem(*fact) for fact in facts])


def _path(steps: Iterable[str | int]) -> str:
    """The way to a fault: the names and the places that lead to it.

    >>> _path(["violations", 0, "rows"])
    'violations[0].rows'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _fact(error: ValidationError) -> str:
    """What a rule of the schema asks for and does not get, in words without the value."""
    asked: Any = error.validator_value
    found: Any = error.instance
    match error.validator:
        case "required":
            return f"lacks {', '.join(name for name in asked if name not in found)}"
        case "type":
            return f"is not of type {' or '.join([asked] if isinstance(asked, str) else asked)}"
        case "const":
            return f"is not {asked}"
        case "enum":
            return f"is none of {', '.join(asked)}"
        case _:
            return f"breaks the schema's rule {error.validator}"
