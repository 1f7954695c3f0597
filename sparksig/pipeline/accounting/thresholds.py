"""How many rows may be bad before a run commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sparksig.errors import ConfigError, Problem, closest
from sparksig.pipeline.config import JobConfig
from sparksig.report.summary import Count
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.paths import columns_by_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is too much.

    Attributes:
        max_bad_rows: how many rows may be bad; None for any number.
        max_bad_ratio: how many of the rows, from 0 to 1; None for all but one.
        columns: by column, what a violation in it does: `warn` sets its row apart and does not count, `error` ends the
            run.
        none_at_all: whether a single quarantined row is too much.
        no_warnings: whether a single warning is too much.
        by_path: by path, the signature's columns that have it.
    """

    max_bad_rows: int | None = None
    max_bad_ratio: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    none_at_all: bool = False
    no_warnings: bool = False
    by_path: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, config: JobConfig, signature: ModelSignature | None = None) -> Thresholds:
        """The thresholds of a configuration; the signature says which column a violation's path lies in."""
        inputs = None if signature is None else signature.inputs
        return cls(
            config.max_bad_rows,
            config.max_bad_ratio,
            config.column_actions,
            none_at_all=config.fail_on_quarantine,
            no_warnings=config.fail_on_warning,
            by_path={} if inputs is None else columns_by_path(inputs),
        )

    def require_columns_of(self, signature: ModelSignature) -> None:
        """Refuse actions for columns that a signature has not: they would never act.

        Raises:
            ConfigError: there are such; all of them are listed.
        """
        names = [str(name) for name in signature.inputs.input_names()] if signature.inputs is not None else []
        problems = []
        for name in sorted(self.columns.keys() - names):
            near = closest(name, names)
            hint = f"did you mean {near}?" if near else None
            problems.append(Problem("--column-action", f"the signature has no column {name}", hint=hint))
        if problems:
            raise ConfigError("the job cannot be run as configured", problems)

    def to_dict(self) -> dict[str, Any]:
        """The thresholds as JSON values."""
        return {
            "max_bad_rows": 0 if self.none_at_all else self.max_bad_rows,
            "max_bad_ratio": self.max_bad_ratio,
            "columns": dict(self.columns),
            **({"fail_on_warning": True} if self.no_warnings else {}),
        }

    def passed(self, rows: int, bad: int, scored: int, violations: Iterable[Count]) -> Iterator[str]:
        """Which thresholds are passed, in words; none where a run may commit.

        Args:
            rows: the rows of the source.
            bad: the rows that count as bad.
            scored: the rows that were scored.
            violations: what was found.

        >>> list(Thresholds(max_bad_ratio=0.1).passed(100, 11, 89, []))
        ['11 of 100 rows are bad, more than a ratio of 0.1']
        """
        if rows and not scored:
            yield f"none of {rows} rows is clean"
        if self.none_at_all and scored < rows:
            yield f"{rows - scored} of {rows} rows are dirty"
        if self.max_bad_rows is not None and bad > self.max_bad_rows:
            yield f"{bad} of {rows} rows are bad, more than {self.max_bad_rows}"
        # of the text: the double 0.29 times 100 is less than 29
        if self.max_bad_ratio is not None and bad > Fraction(str(self.max_bad_ratio)) * rows:
            yield f"{bad} of {rows} rows are bad, more than a ratio of {self.max_bad_ratio}"
        for count in violations:
            if self.action_at(count.path) == "error":
                yield f"{count.rows} rows have {count.code} at {count.path}, where none may be bad"

    def forbidden(self, warnings: Iterable[str]) -> Iterator[str]:
        """The warnings, where not one is tolerated, in words.

        >>> list(Thresholds(no_warnings=True).forbidden(["age: optional, but the table has no such column"]))
        ['a warning ends the run (--fail-on-warning): age: optional, but the table has no such column']
        """
        if self.no_warnings:
            yield from (f"a warning ends the run (--fail-on-warning): {line}" for line in warnings)

    def column_of(self, path: str) -> str | None:
        """The column with an action that a path lies in.

        A path that two columns have (`price.raw`, a column and a member of `price`) lies in both: an `error` for either
        column holds, a `warn` only if both columns have it.

        >>> inside = {"a": ("a",), "a[]": ("a",), "a.b": ("a.b",)}
        >>> limits = Thresholds(columns={"a": "warn"}, by_path=inside)
        >>> limits.column_of("a[]"), limits.column_of("a.b")
        ('a', None)
        """
        columns = self.by_path.get(path, (path,))
        if errors := [name for name in columns if self.columns.get(name) == "error"]:
            return errors[0]
        return columns[0] if all(name in self.columns for name in columns) else None

    def action_at(self, path: str) -> str | None:
        """What a violation at a path does: `warn`, `error` or, where nothing is said of its column, None."""
        column = self.column_of(path)
        return None if column is None else self.columns[column]

    def bad_rows(self, dirty: DataFrame, column: str, violations: Iterable[Count]) -> int | None:
        """How many rows count as bad; None where all of them do and none need be counted again.

        Args:
            dirty: the quarantined rows.
            column: their column of violations.
            violations: what was found in them.
        """
        from pyspark.sql import functions as F

        let_pass = {c.path for c in violations if self.action_at(c.path) == "warn"}
        if not let_pass:
            return None
        paths = sorted(let_pass)
        held = F.exists(dirty[f"`{column}`"], lambda violation: ~violation["path"].isin(paths))
        return dirty.where(held).count()
