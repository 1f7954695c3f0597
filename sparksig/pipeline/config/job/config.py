"""The configuration of one run, frozen and checked before anything is read or written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, cast

from sparksig.enforcement.policy import Policy
from sparksig.errors import ConfigError, Problem
from sparksig.pipeline.config.job.faults import FILES, RUN_ID, not_given, overlaps, unfit
from sparksig.pipeline.config.job.keys import JobKeys
from sparksig.pipeline.config.job.names import place_of, sink_of, sinks_digest, table_of
from sparksig.pipeline.config.paths import comparable, joined, marked, plain_path, split_query
from sparksig.redaction import without_credentials

RUN_COLUMN = "run_id"
"""The column of an output table that says of which run a row is."""

REJECTED = "_rejected"
"""The folder in a quarantine for the rows of runs that were not committed; Spark does not list names with `_`."""

_NOT_IN_DIGEST = ("run_id", "logical_date", "lineage", "lineage_namespace", "lineage_job")


@dataclass(frozen=True, slots=True, repr=False)
class JobConfig(JobKeys):
    """What one run of the batch job is asked to do.

    Its attributes are the keys of the YAML file, and `docs/config.md` explains each. An empty text is not given.

    Raises:
        ConfigError: fields that cannot be used; all of them are listed.

    >>> job = JobConfig("table/", "model/", "scored/", "quarantine/", "summary.json", logical_date="2026-01-31")
    >>> job.run_id.startswith("2026-01-31-")
    True
    """

    def __post_init__(self) -> None:
        if isinstance(self.trust, tuple) and len(self.trust) == 1:  # the same job as with the digest alone
            object.__setattr__(self, "trust", self.trust[0])
        problems = [*self._missing(), *unfit(self)]
        if self.trigger and self.checkpoint:
            if self.run_id:
                problems.append(
                    Problem("--run-id", "given beside --trigger", hint="a stream's checkpoint names its runs")
                )
            place = hashlib.sha256(plain_path(self.checkpoint).encode()).hexdigest()
            object.__setattr__(self, "run_id", f"stream-{place[:8]}")
        if not self.run_id:
            wrong = any(problem.path == "--logical-date" for problem in problems)
            day = self.logical_date if self.logical_date and not wrong else datetime.now(UTC).date()
            object.__setattr__(self, "run_id", f"{day}-{self._name_digest}")
        if problems := [*problems, *overlaps(self)]:
            raise ConfigError("the job cannot be run as configured", problems)

    @property
    def digest(self) -> str:
        """A sha256 of everything but the run's id, its date and its lineage: the same job has the same digest.

        What is as by default is not in it, so that a setting that is added later leaves the digests as they are.
        Credentials are not in it either: a password that is changed makes no other job.
        """
        asked = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _NOT_IN_DIGEST}
        usual = {one.name: {} if one.default is MISSING else one.default for one in fields(self)}
        given = {name: value for name, value in asked.items() if value != usual[name]}
        for name, value in given.items():
            if isinstance(value, str) or name in ("input_options", "output_options"):
                given[name] = without_credentials(value)
        return hashlib.sha256(json.dumps(given, sort_keys=True, default=_json).encode()).hexdigest()

    @property
    def _name_digest(self) -> str:
        """What distinguishes the default run ids of one day: the sinks, so that a rerun replaces the day."""
        sinks = [(self.output, self.output_table), (self.quarantine, self.quarantine_table)]
        if not any(place or table for place, table in sinks):  # a validation, which writes no rows
            return self.digest[:8]
        return sinks_digest(*(sink_of(place, table) for place, table in sinks))[:8]

    @property
    def assumed_date(self) -> str | None:
        """The UTC date after which the run is named because no logical date was given; None otherwise."""
        match = re.fullmatch(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})-{self._name_digest}", self.run_id)
        return match[1] if match and self.logical_date is None else None

    @property
    def source_name(self) -> str:
        """The path or the table that is read, as a committed run remembers it; no option's value."""
        if self.input_table is not None:
            return table_of(self.input_table)
        return place_of(self.input) if self.input else self.format

    @property
    def policy(self) -> Policy:
        """How the table is read against the signature."""
        return Policy(
            level=self.level,
            allow_rounding=self.allow_rounding,
            allow_nulls=self.allow_nulls,
            on_absent=cast(Any, self.on_absent),  # checked with the other keys
        )

    @property
    def source(self) -> dict[str, str]:
        """What the summary says of the table: its name, or its path and its format; no option's value."""
        again = {} if self.requeues is None else {"requeues": self.requeues}
        if self.input_table is not None:
            return {"table": self.input_table, **again}
        return {"path": self.input, "format": self.format, **again}

    @property
    def folders(self) -> dict[str, str]:
        """Where the rows of each kind are written first: the outputs, or folders in `staging` on the way to tables."""
        if self.staging:
            return {kind: joined(self.staging, kind) for kind in ("scored", "quarantine")}
        return {"scored": self.output, "quarantine": self.quarantine}

    @property
    def rejected(self) -> str:
        """The folder for the quarantined rows of runs that end over a threshold."""
        return self.keep_rejected or joined(self.folders["quarantine"], REJECTED)

    @property
    def requeues(self) -> str | None:
        """The run whose quarantine is the table: it is read without the column of violations. None for other tables."""
        if self.input_table is not None:
            name = (self.where or "").removeprefix(f"{RUN_COLUMN} = '").removesuffix("'")
            ours = self.input_table == self.quarantine_table and self.where == _of_run(name)
            return name if ours and RUN_ID.fullmatch(name) else None
        folder, _, name = split_query(self.input)[0].rstrip("/").rpartition("/run_id=")
        places = [comparable(place) for place in (self.quarantine, self.rejected) if place]
        ours = bool(folder and self.folders["quarantine"]) and comparable(folder) in places
        return name if ours and RUN_ID.fullmatch(name) else None

    def requeued(
        self, run_id: str, given: Collection[str] = (), own: str | None = None, *, rejected: bool = False
    ) -> JobConfig:
        """The same job for the rows that a run has set apart.

        Args:
            run_id: that run.
            given: settings that are said for this job itself: where its summary and report go is else where those of
                the other go, with `.requeued` in it.
            own: its run id; None for the other's, with `.requeued`.
            rejected: whether to take the rows that were kept when that run ended over a threshold.

        Raises:
            ConfigError: there can be no such run.
        """
        if not RUN_ID.fullmatch(run_id):
            raise ConfigError("the job cannot be run as configured", [Problem("RUN_ID", "not a run's name")])
        changed: dict[str, Any] = {
            "input": joined(self.quarantine, f"run_id={run_id}"),
            "format": self.output_format,
            **{"input_options": self.output_options, "input_table": None, "where": None, "columns": None},
            **{"trigger": None, "checkpoint": None, "run_id": own or f"{run_id}.requeued"},
        }
        if rejected:
            kind = self.output_format if self.output_format in FILES else "parquet"
            changed |= {"input": joined(self.rejected, f"run_id={run_id}"), "format": kind}
        elif self.quarantine_table:
            changed |= {"input": "", "input_table": self.quarantine_table, "where": _of_run(run_id)}
        for name in {"summary", "report"}.difference(given):
            if place := getattr(self, name):
                changed[name] = marked(place, ".requeued")
        return replace(self, **changed)

    @property
    def trusted(self) -> bool | str | tuple[str, ...]:
        """The trust in the form that loading takes."""
        return True if self.trust == "true" else self.trust or False

    def _missing(self) -> Iterator[Problem]:
        """What a run cannot do without."""
        yield from not_given(self)


def _of_run(run_id: str) -> str:
    """The condition on a table's rows that they are of a run."""
    return f"{RUN_COLUMN} = '{run_id}'"


def _json(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
