"""The configuration of one run, frozen and checked before anything is read or written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from sparksig.errors import ConfigError, ParamError, Problem
from sparksig.signature.casts import Level
from sparksig.signature.params import ParamSchema
from sparksig.signature.types import DataType

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What one run of the batch job is asked to do.

    Attributes:
        input: the source's path.
        model: the model directory.
        output: the folder under which `run_id=<id>/` gets the scored rows.
        quarantine: the folder under which `run_id=<id>/` gets the dirty rows.
        summary: the file that gets the summary.
        format: the source's Spark format.
        signature: a signature to use instead of the model's.
        params: params to override, as texts; the signature says their types.
        level: the cast level.
        allow_rounding: whether numbers may be rounded to the nearest float.
        allow_nulls: whether nulls in required columns are admitted.
        trust: `sha256:..` or `true`, for models that run code when loaded.
        run_id: the run's name; running the same id again replaces its output and nothing else.
        fail_on_quarantine: whether a quarantined row makes the run fail, with nothing committed.

    Raises:
        ConfigError: fields that cannot be used; all of them are listed.
    """

    input: str
    model: str
    output: str
    quarantine: str
    summary: str
    format: str = "parquet"
    signature: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    level: str = Level.SAFE.value
    allow_rounding: bool = False
    allow_nulls: bool = False
    trust: str | None = None
    run_id: str = ""
    fail_on_quarantine: bool = False

    def __post_init__(self) -> None:
        if not self.run_id:
            object.__setattr__(self, "run_id", f"{datetime.now(UTC).date()}-{self.digest[:8]}")
        if problems := list(self._faults()):
            raise ConfigError("the job cannot be run as configured", problems)

    @property
    def digest(self) -> str:
        """A sha256 of everything but the run's id: the same configuration has the same digest."""
        asked = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "run_id"}
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=dict).encode()).hexdigest()

    @property
    def trusted(self) -> bool | str:
        """The trust in the form that loading takes."""
        return True if self.trust == "true" else self.trust or False

    def _faults(self) -> Iterator[Problem]:
        for name in ("input", "model", "output", "quarantine", "summary"):
            if not getattr(self, name):
                yield Problem(f"--{name}", "not given")
        if self.level not in tuple(Level):
            yield Problem("--level", "no such level", hint=f"use one of {', '.join(Level)}")
        if not _RUN_ID.fullmatch(self.run_id):
            yield Problem("--run-id", "not a name", hint="letters, digits, '.', '_' and '-', not starting with a mark")
        if self.trust is not None and self.trust != "true" and not re.fullmatch("sha256:[0-9a-f]{64}", self.trust):
            yield Problem("--trust", "neither 'true' nor a digest", hint="sha256: and 64 hexadecimal digits")
        folders = {"--input": self.input, "--output": self.output, "--quarantine": self.quarantine}
        seen: dict[str, str] = {}
        for flag, folder in folders.items():
            other = seen.setdefault(folder.rstrip("/"), flag)
            if other != flag:
                yield Problem(flag, f"the same folder as {other}")


def typed_params(texts: Mapping[str, str], schema: ParamSchema | None) -> dict[str, Any]:
    """Params as they come from a command line, in the types that the signature declares.

    Args:
        texts: values as texts: a string param takes its text as it is, every other one is read as JSON.
        schema: the signature's params.

    Raises:
        ParamError: texts that are not of the declared type's form; all of them are listed, none is shown.

    >>> from sparksig import ParamSchema, ParamSpec
    >>> typed_params({"threshold": "0.4"}, ParamSchema([ParamSpec("threshold", "double", 0.5)]))
    {'threshold': 0.4}
    """
    declared = {spec.name: spec for spec in schema} if schema is not None else {}
    values: dict[str, Any] = {}
    problems = []
    for name, text in texts.items():
        spec = declared.get(name)
        plain = spec is None or (spec.dtype in (DataType.string, DataType.datetime) and spec.shape is None)
        try:
            values[name] = text if plain else json.loads(text)
        except ValueError:
            told = "a list" if spec is not None and spec.shape is not None else str(getattr(spec, "dtype", ""))
            problems.append(Problem(name, "the given text is no JSON value", hint=f"declared {told!r}"))
    if problems:
        raise ParamError("params cannot be read", problems)
    return values
