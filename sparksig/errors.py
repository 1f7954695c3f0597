"""Codes and exceptions: the part of the interface that people read at night.

Every fault has a stable code, a path, a fact and, where there is one, a hint. A fault found in a schema, a signature or
a parameter is raised as a `Problem`, all of them at once; a fault found in a row is data (the column `_violations`).
No message holds a value of a row or a given parameter: promise 6 of the design.

    SparksigError
    ├── SignatureError      (ValueError)           a signature that cannot be declared, read or inferred
    ├── SchemaError         (TypeError)            a table or container that can never satisfy the signature
    ├── ViolationError      (ValueError)           rows that break the contract, counted by path and code
    ├── ParamError          (ValueError)           given parameters that do not fit the ParamSchema
    ├── PolicyError         (ValueError)           options that contradict each other or name unknown columns
    ├── ConfigError         (ValueError)           a job configuration that cannot be run
    ├── ModelLoadError      (RuntimeError)         an artifact that cannot be loaded
    │   └── TrustError      (PermissionError)      an artifact that would run code and is not trusted
    ├── ModelError          (RuntimeError)         the model raised on a batch
    ├── OutputError         (ValueError)           the model's output breaks the output schema
    ├── SinkError           (OSError)              a sink that must not or cannot be written
    ├── AccountingError     (RuntimeError)         rows in and rows out do not add up
    ├── EnvironmentFault    (RuntimeError)         Java, Spark or a library is missing or too old
    └── NotSupportedError   (NotImplementedError)  what sparksig does not do (yet), by name
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from sparksig.redaction import masked


class Code(StrEnum):
    """What can be wrong, as a word that does not change. Codes are API.

    >>> Code.NULL.value
    'NULL'
    """

    # found in schemas
    MISSING_COLUMN = "MISSING_COLUMN"
    UNEXPECTED_COLUMN = "UNEXPECTED_COLUMN"
    DUPLICATE_COLUMN = "DUPLICATE_COLUMN"
    AMBIGUOUS_COLUMN = "AMBIGUOUS_COLUMN"
    COLUMN_COUNT = "COLUMN_COUNT"
    INCOMPATIBLE_TYPE = "INCOMPATIBLE_TYPE"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    NO_INPUTS = "NO_INPUTS"
    # found in rows
    NULL = "NULL"
    NAN = "NAN"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    NOT_EXACT = "NOT_EXACT"
    UNPARSABLE = "UNPARSABLE"
    WRONG_LENGTH = "WRONG_LENGTH"
    WRONG_SHAPE = "WRONG_SHAPE"
    MISSING_FIELD = "MISSING_FIELD"
    UNEXPECTED_FIELD = "UNEXPECTED_FIELD"
    # found around the model
    INVALID_PARAM = "INVALID_PARAM"
    MODEL_ERROR = "MODEL_ERROR"
    WRONG_OUTPUT = "WRONG_OUTPUT"
    BAD_PAYLOAD = "BAD_PAYLOAD"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where, which code, the fact and what would fix it. Credentials in its texts are masked.

    Attributes:
        path: where, such as `price`, `inputs.tags[]` or `--param`; empty for the whole.
        fact: what is so, without a value of a row or of a given param.
        code: which kind of fault; None where there is no code for it.
        hint: what would fix it; None where nothing is known.

    >>> print(Problem("age", "required, but the table has no such column", Code.MISSING_COLUMN, "add it"))
    age: required, but the table has no such column [MISSING_COLUMN]
        hint: add it
    """

    path: str
    fact: str
    code: Code | None = None
    hint: str | None = None

    def __post_init__(self) -> None:
        for name in ("path", "fact", "hint"):
            if text := getattr(self, name):
                object.__setattr__(self, name, masked(text))

    def __str__(self) -> str:
        code = f" [{self.code}]" if self.code else ""
        hint = f"\n    hint: {self.hint}" if self.hint else ""
        return f"{self.path or '$'}: {self.fact}{code}{hint}"


def closest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of several names, for a hint "did you mean ..?".

    Upper and lower case and the separators between words do not count. Where no name is similar enough as a whole, one
    that shares a word is taken: `age` and `customer_age`.

    Args:
        name: the name that is missing or unknown.
        names: the names that exist.
        cutoff: the least similarity, from 0 to 1.

    >>> closest("price", ["PRICE_EUR", "id"]), closest("age", ["customerAge", "city"]), closest("age", ["city"])
    ('PRICE_EUR', 'customerAge', None)
    """
    by_form = {"".join(_words(each)): each for each in reversed(list(names))}  # the first of equal forms is kept
    if near := get_close_matches("".join(_words(name)), by_form, n=1, cutoff=cutoff):
        return by_form[near[0]]
    words = {word for word in _words(name) if len(word) > 2}
    shared = {each: len(words.intersection(_words(each))) for each in reversed(by_form.values())}
    return max((each for each, count in shared.items() if count), key=shared.__getitem__, default=None)


def _words(name: str) -> list[str]:
    """The words of a name, in lower case.

    >>> _words("customerAge_inYears2")
    ['customer', 'age', 'in', 'years2']
    """
    return [word.lower() for word in _WORD.findall(name)] or [name.lower()]


_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[^\W_A-Z]+")


class AbsentColumnWarning(UserWarning):
    """Optional columns or struct members that the signature declares and the table does not have.

    >>> import warnings
    >>> from sparksig import ColSpec, Schema, enforce_values
    >>> schema = Schema([ColSpec("long", "id"), ColSpec("string", "city", required=False)])
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", AbsentColumnWarning)
    ...     enforced = enforce_values({"id": [1], "town": ["Oslo"]}, schema)
    >>> enforced["city"].tolist(), [warning.category.__name__ for warning in caught]
    ([None], ['AbsentColumnWarning'])
    """


class SparksigError(Exception):
    """Base of every error that sparksig raises. `problems` lists each fault; `str()` tells them all.

    Credentials in the message are masked.

    Args:
        message: the fact in one sentence.
        problems: the single faults, if there are several or one needs a path.

    >>> print(SparksigError("the table does not fit", [Problem("age", "is missing", Code.MISSING_COLUMN)]))
    the table does not fit
      age: is missing [MISSING_COLUMN]
    """

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        self.message = masked(message)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(self.message)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {problem}" for problem in self.problems)])

    def __reduce__(self) -> tuple[type[SparksigError], tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.message, self.problems)  # an error of a worker travels to the driver by pickle


class SignatureError(SparksigError, ValueError):
    """A signature that cannot be declared, read or inferred."""


class SchemaError(SparksigError, TypeError):
    """A table or container whose schema can never satisfy the signature; no row has been read."""


class ViolationError(SparksigError, ValueError):
    """Rows that break the contract; the problems carry counts by path and code, never a value."""


class ParamError(SparksigError, ValueError):
    """Given parameters that do not fit the ParamSchema."""


class PolicyError(SparksigError, ValueError):
    """Options that contradict each other or name columns that the signature has not."""


class ConfigError(SparksigError, ValueError):
    """A job configuration that cannot be run."""


class ModelLoadError(SparksigError, RuntimeError):
    """A model artifact that cannot be loaded."""


class TrustError(ModelLoadError, PermissionError):
    """A model artifact that would run code when loaded, and that nobody has vouched for."""

    __str__ = SparksigError.__str__


class ModelError(SparksigError, RuntimeError):
    """The model raised on a batch; the message has the exception's class and the batch's size, no data."""


class OutputError(SparksigError, ValueError):
    """The model's output breaks the output schema."""


class SinkError(SparksigError, OSError):
    """A sink that must not or cannot be written."""

    __str__ = SparksigError.__str__


class AccountingError(SparksigError, RuntimeError):
    """Rows in and rows out do not add up; nothing has been committed."""


class EnvironmentFault(SparksigError, RuntimeError):
    """Java, Spark, Python or a library is missing or too old."""


class NotSupportedError(SparksigError, NotImplementedError):
    """What sparksig does not do, or not yet, said by name. It never passes silently."""
