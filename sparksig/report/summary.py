"""Report and Summary: what a validation and a run found, as data. Counts, codes and paths; never a row's value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from sparksig import tables
from sparksig.errors import Code, ConfigError, Problem
from sparksig.redaction import masked_repr, masked_values

SCHEMA_VERSION = 2
"""The version of the summary's JSON form; it changes when a reader of the last one would misread the new one, or would
miss what the new one always has."""

_HEADER = ("column", "code", "declared", "observed", "rows")
_EXAMPLES = ("column", "code", "keys")
_ASKED = "keys of a few such rows, as asked for with examples= and keys="


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows have one violation.

    Attributes:
        path: where, such as `price` or `image[]`.
        code: what is wrong.
        expected: the declared type in words.
        observed: the table's type in words.
        rows: the number of rows.
        examples: the keys of a few such rows, where they were asked for: key columns' values by name.
    """

    path: str
    code: str
    expected: str
    observed: str
    rows: int
    examples: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The count as JSON values; keys that JSON does not know are text."""
        found: dict[str, Any] = {
            "path": self.path,
            "code": self.code,
            "expected": self.expected,
            "observed": self.observed,
            "rows": self.rows,
        }
        if self.examples:
            found["examples"] = [{name: _json(key) for name, key in keys.items()} for keys in self.examples]
        return found

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Count:
        """The count that `to_dict` made these JSON values of."""
        return cls(**{**found, "examples": tuple(found.get("examples", ()))})


def _json(key: object) -> object:
    if isinstance(key, float):
        return key if isfinite(key) else str(key)
    return key if key is None or isinstance(key, bool | int | str) else str(key)


def sorted_counts(counts: Iterable[Count]) -> tuple[Count, ...]:
    """Most rows first, then by path and code."""
    return tuple(sorted(counts, key=lambda c: (-c.rows, c.path, c.code)))


def _keys(keys: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{name}={key}' for name, key in keys.items())})"


@dataclass(frozen=True, slots=True)
class Report:
    """What `validate` found in a table.

    Attributes:
        rows_in: the number of rows.
        rows_clean: rows without a violation.
        violations: counts by path and code; a row with two violations counts in both.

    >>> print(Report(3, 2, (Count("age", "NULL", "long", "long", 1),)))
    3 rows: 2 clean, 1 with violations
    column  code  declared  observed  rows
    ------  ----  --------  --------  ----
    age     NULL  long      long         1
    """

    rows_in: int
    rows_clean: int
    violations: tuple[Count, ...] = ()

    @property
    def rows_violating(self) -> int:
        """Rows with at least one violation."""
        return self.rows_in - self.rows_clean

    @property
    def ok(self) -> bool:
        """Whether every row is clean."""
        return self.rows_clean == self.rows_in

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "rows_in": self.rows_in,
            "rows_clean": self.rows_clean,
            "rows_violating": self.rows_violating,
            "violations": [count.to_dict() for count in self.violations],
        }

    def _rows(self) -> list[tuple[object, ...]]:
        return [(c.path, c.code, c.expected, c.observed, f"{c.rows:,}") for c in self.violations]

    def _headline(self) -> str:
        return f"{self.rows_in:,} rows: {self.rows_clean:,} clean, {self.rows_violating:,} with violations"

    def __str__(self) -> str:
        if not self.violations:
            return self._headline()
        parts = [self._headline(), tables.text(_HEADER, self._rows(), right=[4])]
        if self._examples():
            parts += [_ASKED, tables.text(_EXAMPLES, self._examples())]
        return "\n".join(parts)

    def _examples(self) -> list[tuple[object, ...]]:
        return [(c.path, c.code, _keys(keys)) for c in self.violations for keys in c.examples]

    _repr_pretty_ = tables.pretty

    def _repr_html_(self) -> str:
        found = tables.html(_HEADER, self._rows(), self._headline(), right=[4])
        return found + tables.html(_EXAMPLES, self._examples(), _ASKED) if self._examples() else found


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """What one run of the batch job did; `summary.json` holds it.

    Attributes:
        run_id: the run.
        verdict: `clean`, `quarantined`, `over_threshold`, `incompatible` or `failed`.
        rows_in: rows of the source; None where the run ended before they were counted.
        rows_scored: rows in the scored output; None likewise.
        rows_quarantined: rows in the quarantine; None likewise.
        violations: counts by path and code.
        seconds: seconds by phase; of the commit only those before it is written down here.
        outputs: where the outputs lie, by name.
        params: names of the parameters that were overridden; their values are not told.
        warnings: what did not stop the run, in words.
        facts: versions, digests and the plan.
        error: what stopped the run, in words without data; empty where nothing did.
        problems: the single faults behind the error.
        thresholds: what was tolerated: `max_bad_rows` and `max_bad_ratio`, each None where there is no bound, and
            `columns`, an action by input column.
        sinks: what was written, by `scored` and `quarantine`: `path` or `table`, `format`, `rows`, and what the sink
            guarantees in words.
        rejected: where the quarantined rows of a run over a threshold are kept: `path`, `format` and `rows`; None
            where nothing was kept, and then no key of the JSON form.
        source: what was read: `path` or `table`, `format`, whether it was `read` `once`, `pinned` or `twice`, and the
            `digest` of its rows, None where none was taken.

    >>> Summary.from_dict(Summary("r1", "clean", 2, 2, 0).to_dict()) == Summary("r1", "clean", 2, 2, 0)
    True
    """

    run_id: str
    verdict: str
    rows_in: int | None = None
    rows_scored: int | None = None
    rows_quarantined: int | None = None
    violations: tuple[Count, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    params: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    problems: tuple[Problem, ...] = ()
    thresholds: dict[str, Any] = field(default_factory=dict)
    sinks: dict[str, dict[str, Any]] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    rejected: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON values; `sparksig summary-schema` prints their JSON Schema. Credentials are masked."""
        found = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "verdict": self.verdict,
            "rows_in": self.rows_in,
            "rows_scored": self.rows_scored,
            "rows_quarantined": self.rows_quarantined,
            "violations": [count.to_dict() for count in self.violations],
            "seconds": {phase: round(seconds, 3) for phase, seconds in self.seconds.items()},
            "outputs": dict(self.outputs),
            "params_overridden": list(self.params),
            "warnings": list(self.warnings),
            "error": self.error or None,
            "problems": problem_dicts(self.problems),
            "thresholds": dict(self.thresholds),
            "sinks": {name: dict(sink) for name, sink in self.sinks.items()},
            "source": dict(self.source),
            **({"rejected": dict(self.rejected)} if self.rejected else {}),
            **self.facts,
        }
        return masked_values(found)

    def __repr__(self) -> str:
        return masked_repr(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Summary:
        """The summary that `to_dict` made these JSON values of; seconds are rounded there.

        Raises:
            ConfigError: not a summary, or one of another version of its JSON form.
        """
        given = dict(found)
        version = given.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            fact = f"the JSON form is not version {SCHEMA_VERSION}, the one that sparksig reads here"
            raise ConfigError("the summary cannot be read", [Problem("schema_version", fact)])
        try:
            return cls(
                run_id=given.pop("run_id"),
                verdict=given.pop("verdict"),
                rows_in=given.pop("rows_in"),
                rows_scored=given.pop("rows_scored"),
                rows_quarantined=given.pop("rows_quarantined"),
                violations=tuple(Count.from_dict(count) for count in given.pop("violations")),
                seconds=dict(given.pop("seconds")),
                outputs=dict(given.pop("outputs")),
                params=tuple(given.pop("params_overridden")),
                warnings=tuple(given.pop("warnings")),
                error=given.pop("error") or "",
                problems=tuple(_problem(each) for each in given.pop("problems")),
                thresholds=dict(given.pop("thresholds")),
                sinks={name: dict(sink) for name, sink in given.pop("sinks").items()},
                source=dict(given.pop("source")),
                rejected=given.pop("rejected", None),
                facts=given,
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            hint = "`sparksig summary-schema` prints the form"
            raise ConfigError("the summary cannot be read", [Problem("", "not of the form", hint=hint)]) from None


def _problem(found: Mapping[str, str | None]) -> Problem:
    code = found["code"]
    return Problem(found["path"] or "", found["fact"] or "", Code(code) if code else None, found["hint"])


def problem_dicts(problems: Iterable[Problem]) -> list[dict[str, str | None]]:
    """Faults as JSON values.

    >>> problem_dicts([Problem("age", "is missing")])
    [{'path': 'age', 'code': None, 'fact': 'is missing', 'hint': None}]
    """
    return [{"path": p.path, "code": p.code and p.code.value, "fact": p.fact, "hint": p.hint} for p in problems]
