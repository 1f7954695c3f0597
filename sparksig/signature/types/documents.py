"""What is read from the JSON of a signature: its values, and everything that is wrong in them, told at once."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sparksig.errors import Problem, SignatureError
from sparksig.tables import printable

Whole = TypeVar("Whole")


@dataclass(slots=True)
class Findings:
    """What a reader found wrong in one document, and what it did not know, so that all of it is told at once."""

    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def wrong(self, path: str, fact: str, hint: str | None = None) -> None:
        """Notes a fault."""
        if (problem := Problem(path, fact, hint=hint)) not in self.problems:
            self.problems.append(problem)

    def adopt(self, path: str, error: SignatureError) -> None:
        """Notes the fault that a constructor found."""
        detail = "".join(f": {problem.fact}" for problem in error.problems)
        self.wrong(path, f"{error.message}{detail}")

    def only(self, data: Mapping[str, Any], known: Collection[str], path: str, *, fatal: bool = False) -> None:
        """Notes keys beyond the known ones: faults where they are fatal, otherwise something to warn about."""
        for key in data:
            if key in known:
                continue
            if fatal:
                self.wrong(path, f"unknown key {printable(key)!r}", f"the keys are {', '.join(known)}")
            else:
                self.unknown.append(f"{path}.{printable(key)}")

    def close(self, what: str) -> None:
        """Warns once about what was unknown and raises once about what was wrong.

        Raises:
            SignatureError: with every fault.
        """
        if self.unknown:
            warnings.warn(f"{what}: unknown keys are ignored: {', '.join(self.unknown)}", stacklevel=4)
        if self.problems:
            raise SignatureError(f"{what} cannot be read", self.problems)


def read_whole(what: str, read: Callable[[Findings], Whole | None]) -> Whole:
    """What a reader makes of a whole document, for a method that a user calls: its caller is warned.

    Raises:
        SignatureError: with every fault.
    """
    findings = Findings()
    found = read(findings)
    findings.close(what)
    assert found is not None
    return found


def read_list(
    data: object,
    path: str,
    form: str,
    findings: Findings,
    read: Callable[[object, str, Findings], object],
    make: Callable[[list[Any]], Whole],
) -> Whole | None:
    """What a JSON list describes; None when it describes nothing, which `findings` then say.

    Args:
        data: the JSON value.
        path: where it stands in its document.
        form: what it should be, in words.
        findings: takes what is wrong or unknown.
        read: reads one entry.
        make: takes all entries, and may refuse them together.
    """
    if not isinstance(data, list):
        findings.wrong(path, f"{form}, not {json_kind(data)}")
        return None
    before = len(findings.problems)
    entries = [read(entry, f"{path}[{i}]", findings) for i, entry in enumerate(data)]
    if len(findings.problems) > before:
        return None
    try:
        return make([entry for entry in entries if entry is not None])
    except SignatureError as error:
        findings.adopt(path, error)
        return None


def parse_json(text: str, what: str) -> Any:
    """The value of a JSON text.

    Raises:
        SignatureError: the text is no JSON; the message has the position, not the text.
    """
    if not isinstance(text, str | bytes | bytearray):
        raise SignatureError(f"{what} is not JSON: a text is expected, not {json_kind(text)}")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SignatureError(f"{what} is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise SignatureError(f"{what} is nested too deeply") from None
    except ValueError:  # a number of more digits than Python reads
        raise SignatureError(f"{what} has a number that is too long") from None


def json_kind(value: object) -> str:
    """What a JSON value is, in words that do not show it.

    >>> json_kind([1, 2])
    'a list'
    """
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case list():
            return "a list"
        case _:
            return f"a {type(value).__name__}"
