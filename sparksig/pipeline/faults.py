"""How a run ends that does not go well: which verdict, which exit code, and which words may be told.

An error of Spark's may hold values of rows, in its message or in Java's stack. What is told of it is its class and its
error condition, which are words of Spark's own; the rest stays in Spark's log.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Any

from sparksig import errors
from sparksig.errors import Problem, SparksigError
from sparksig.report.summary import Summary

EXIT = {"clean": 0, "quarantined": 0, "usage": 2, "incompatible": 3, "over_threshold": 4, "failed": 5}
"""Exit codes by verdict."""

_USAGE = (
    errors.ConfigError,
    errors.PolicyError,
    errors.SignatureError,
    errors.ParamError,
    errors.ModelLoadError,
    errors.SinkError,
    errors.NotSupportedError,
)
_CONDITION = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z][A-Z0-9_]*)*")
_RAISED = re.compile(r"^([A-Z]\w+)(?:: |$)", re.MULTILINE)
_WORKERS = re.compile(r"sparksig\.errors\.(\w+): (.*(?:\n  .*)*)")


class OverThreshold(SparksigError):
    """Too many rows are dirty; nothing has been committed."""


class Stopped(SparksigError):
    """Somebody stopped the run; nothing has been committed."""


class RunError(SparksigError):
    """A run that ended without committing anything. What stopped it is its `__cause__`.

    Attributes:
        verdict: how it ended; `usage` where it never really began.
        summary: what the run had found by then, as it was written; None where nothing was written (`usage`).
    """

    def __init__(self, cause: SparksigError, verdict: str, summary: Summary | None = None) -> None:
        super().__init__(cause.message, cause.problems)
        self.verdict = verdict
        self.summary = summary

    def __reduce__(self) -> tuple[type[RunError], tuple[SparksigError, str, Summary | None]]:  # type: ignore[override]
        return type(self), (SparksigError(self.message, self.problems), self.verdict, self.summary)

    @property
    def code(self) -> int:
        """The exit code."""
        return EXIT[self.verdict]


def verdict_of(error: SparksigError, reading: bool = False) -> str:
    """How a run ends that was stopped by an error.

    Args:
        error: what stopped it.
        reading: whether rows were being read by then: what was asked for had been found possible, so a fault of the
            model, a sink or a worker is no longer one of usage.

    >>> verdict_of(errors.SinkError("a foreign folder")), verdict_of(errors.SinkError("the disk is full"), reading=True)
    ('usage', 'failed')
    """
    if isinstance(error, OverThreshold):
        return "over_threshold"
    if not reading and isinstance(error, _USAGE):
        return "usage"
    return "incompatible" if not reading and isinstance(error, errors.SchemaError) else "failed"


def exit_code(error: SparksigError) -> int:
    """The exit code of an error that no run has caught."""
    return error.code if isinstance(error, RunError) else EXIT[verdict_of(error)]


def told(error: BaseException) -> SparksigError:
    """An error as it may be told: ours, one of ours that Spark carried out of a worker, or one without any text.

    >>> told(KeyError("4711"))
    SparksigError('unexpected KeyError: this is a fault of sparksig itself')
    """
    if isinstance(error, SparksigError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Stopped("stopped by a signal; nothing was committed")
    if from_spark(error):
        return _from_worker(str(error)) or _without_text(error)
    if isinstance(error, OSError):
        return errors.SinkError(f"unexpected {type(error).__name__}: {error.strerror or 'no reason given'}")
    return SparksigError(f"unexpected {type(error).__name__}: this is a fault of sparksig itself")


def from_spark(error: BaseException) -> bool:
    """Whether Spark, or the connection to it, raised it."""
    return type(error).__module__.partition(".")[0] in ("pyspark", "py4j", "grpc")


def spark_words(error: BaseException) -> str:
    """Spark's error without anything of a row: its class, its conditions, and the file, column and types they name.

    An error of Java's that pyspark does not translate is described by the errors behind it.
    """
    chain = list(_chain(error))
    name = chain[0].getClass().getSimpleName() if chain[0] is not error else type(error).__name__
    conditions: list[str] = []
    facts: dict[str, str] = {}
    for each in chain:
        condition = _asked(each, "getCondition") or _asked(each, "getErrorClass")  # the latter is 3.5's
        if isinstance(condition, str) and _CONDITION.fullmatch(condition) and condition not in conditions:
            conditions.append(condition)
            named = dict(_asked(each, "getMessageParameters") or {})
            facts |= {key: str(named[key]) for key in _SHOWN if key in named and key not in facts}
    words = f"{name} [{', '.join(conditions)}]" if conditions else name
    return f"{words} ({', '.join(f'{key}: {fact}' for key, fact in facts.items())})" if facts else words


_SHOWN = ("provider", "path", "column", "expectedType", "actualType", "sourceType", "targetType")
"""Parameters of Spark's conditions that are never a row's."""


def _chain(error: BaseException) -> Iterator[Any]:
    """An error, or the errors of Java's behind one that pyspark passes on as it is, outermost first."""
    java = getattr(error, "java_exception", None)
    if java is None:
        yield error
    for _ in range(_DEPTH):
        if java is None:
            return
        yield java
        java = _asked(java, "getCause")


_DEPTH = 10
"""How many causes of an error are looked at."""


def _asked(error: Any, method: str) -> Any:
    """What a method of an error returns; None if it has no such method, or there is no JVM behind it any more."""
    try:
        return getattr(error, method)()
    except Exception:
        return None


def _from_worker(text: str) -> SparksigError | None:
    """The error of ours that a Python worker raised, out of the traceback that Spark made of it."""
    found = _WORKERS.findall(text)
    if not found:
        return None
    name, message = found[-1]
    kind = getattr(errors, name, None)
    if kind is errors.ModelError and message.startswith("the model raised"):
        hint = "--on-model-error quarantine finds the rows and scores the others; --where leaves out what it says"
        return errors.ModelError(message, [Problem("--model", "which rows it was is not known", hint=hint)])
    return kind(message) if isinstance(kind, type) and issubclass(kind, SparksigError) else None


def _without_text(error: BaseException) -> SparksigError:
    """Spark's error with no word of its text, unless that word is the name of one of Python's own exceptions."""
    raised = [name for name in _RAISED.findall(str(error)) if _is_exception(name)]
    problems = []
    if raised:
        hint = None
        if raised[-1] == "ModuleNotFoundError":
            hint = "PYSPARK_PYTHON names the workers' Python; it must have sparksig and what the model needs"
        problems.append(Problem("worker", f"raised {raised[-1]}", hint=hint))
    return SparksigError(f"Spark ended with {spark_words(error)}", problems)


def _is_exception(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)
