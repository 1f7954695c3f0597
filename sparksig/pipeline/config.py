"""The configuration of one run, frozen and checked before anything is read or written."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from sparksig.errors import Code, ConfigError, ParamError, Problem
from sparksig.signature.casts import Level
from sparksig.signature.params import ParamSchema, ParamSpec
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
    output_format: str = "parquet"
    output_options: Mapping[str, str] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    max_bad_rows: int | None = None
    max_bad_ratio: float | None = None
    column_actions: Mapping[str, str] = field(default_factory=dict)
    pin: str = "none"

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
        yield from self._overlaps()

    def _overlaps(self) -> Iterator[Problem]:
        """Places that are one another or lie in one another: one would be read, or replaced, as part of the other."""
        sinks = {"--output": self.output, "--quarantine": self.quarantine}
        others = {"--input": self.input, "--model": self.model, "--signature": self.signature or ""}
        if self.output and self.quarantine:
            if is_inside(self.quarantine, self.output):
                yield _overlap("--quarantine", "--output", self.quarantine, self.output)
            elif is_inside(self.output, self.quarantine):
                yield _overlap("--output", "--quarantine", self.output, self.quarantine)
        for flag, place in {**sinks, "--summary": self.summary}.items():
            for other, taken in {**others, **(sinks if flag == "--summary" else {})}.items():
                if place and taken and is_inside(place, taken):
                    yield _overlap(flag, other, place, taken)
        for flag, place in others.items():
            for other, folder in sinks.items():
                if place and folder and not is_inside(folder, place):
                    run = f"{folder.rstrip('/')}/run_id={self.run_id}"
                    if is_inside(place, run):
                        yield Problem(flag, f"lies where {other} would be written: {run}", hint="take another run id")


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it, however both are written.

    >>> is_inside("out/scored/../rows", "./out"), is_inside("output", "out"), is_inside("s3://b/a", "s3://b/a/")
    (True, False, True)
    """
    inner, outer = plain_path(path), plain_path(folder)
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def plain_path(path: str) -> str:
    """A path in the one form in which it can be compared: absolute and without links, or a URI without detours.

    >>> plain_path("file:///tmp/../etc"), plain_path("s3://bucket/a//b/"), plain_path("/")
    ('/etc', 's3://bucket/a/b', '/')
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(//[^/]*)?(/.*)?$", path, re.DOTALL)
    if found is None or (found[2] is None and found[3] is None):
        return os.path.realpath(path)
    scheme, host, tail = found[1].lower(), found[2] or "//", found[3] or "/"
    if scheme == "file":
        return os.path.realpath(tail)
    return f"{scheme}:{host}{posixpath.normpath(tail)}"


def _overlap(flag: str, other: str, place: str, taken: str) -> Problem:
    same = is_inside(taken, place)
    hint = "put it beside that folder" if not same else "name two places"
    return Problem(flag, f"{'the same as' if same else 'lies inside'} {other}", hint=hint)


def typed_params(texts: Mapping[str, str], schema: ParamSchema | None) -> dict[str, Any]:
    """Params as they come from a command line, in the types that the signature declares.

    Args:
        texts: values as texts: a string param takes its text as it is, every other one is read as JSON.
        schema: the signature's params.

    Raises:
        ParamError: texts that are not values of the declared types; all of them are listed, none is shown.

    >>> from sparksig import ParamSchema, ParamSpec
    >>> typed_params({"threshold": "0.4"}, ParamSchema([ParamSpec("threshold", "double", 0.5)]))
    {'threshold': 0.4}
    """
    declared = {spec.name: spec for spec in schema} if schema is not None else {}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in texts.items():
        if (spec := declared.get(name)) is None:
            values[name] = text  # whoever resolves params warns of it
            continue
        values[name], found = _typed(spec, text)
        problems += found
    if problems:
        raise ParamError("params that do not fit the signature", problems)
    return values


def _typed(spec: ParamSpec, text: str) -> tuple[Any, list[Problem]]:
    value: Any = text
    if spec.shape is not None or spec.dtype not in (DataType.string, DataType.datetime):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            problem = Problem(spec.name, "the given text is no JSON value", Code.INVALID_PARAM, _param_hint(spec))
            return None, [problem]
    return value, spec.read(value)[1]


def _param_hint(spec: ParamSpec) -> str:
    """How a value of a declared type is written."""
    if spec.shape is not None:
        return f'declared list of {spec.dtype!r}: write [1, 2], or ["a", "b"] for texts'
    forms = {DataType.boolean: "true or false", DataType.integer: "3", DataType.long: "3"}
    form = forms.get(spec.dtype, "0.5") if isinstance(spec.dtype, DataType) else "an object: {...}"
    return f"declared {spec.dtype!r}: write {form}"
