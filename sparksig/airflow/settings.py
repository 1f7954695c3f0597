"""What a task asks of the job, and the file in which it is told: no param's value stands on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict
from urllib.parse import unquote

import yaml

Level = Literal["strict", "safe", "checked", "parse"]
OnAbsent = Literal["warn", "error", "ignore"]


class Settings(TypedDict, total=False):
    """The job's settings: the keys of its file but for those of a stream. `docs/config.md` explains each."""

    input: str
    format: str
    input_table: str
    input_options: Mapping[str, str | bool | int | float]
    where: str
    columns: list[str]
    model: str
    signature: str
    params: Mapping[str, Any]
    param_from_env: Mapping[str, str]
    trust: str | Literal[True] | list[str]
    output: str
    quarantine: str
    summary: str
    output_format: str
    output_options: Mapping[str, str | bool | int | float]
    output_table: str
    quarantine_table: str
    staging: str
    keep_rejected: str
    partition_by: list[str]
    report: str
    level: Level | Mapping[str, Level]
    allow_rounding: bool | list[str]
    allow_nulls: bool | list[str]
    on_absent: OnAbsent | Mapping[str, OnAbsent]
    on_model_error: Literal["fail", "quarantine"]
    run_id: str
    pin: Literal["none", "disk"]
    logical_date: str
    fail_on_quarantine: bool
    fail_on_warning: bool
    max_bad_rows: int
    max_bad_ratio: float
    column_actions: Mapping[str, Literal["warn", "error"]]
    lineage: str
    lineage_namespace: str
    lineage_job: str


def job_settings(config: str | Mapping[str, Any] | None, over: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What a task asks of the job: its configuration, and what is said over it. Maps are put together entry by entry.

    Args:
        config: the text of a YAML file, or what would stand in it.
        over: what wins over it.
        folder: where the text is put down while it is read.

    Raises:
        ConfigError: the text is no map of keys and values in YAML; no value is shown.

    >>> job_settings({"params": {"a": 1, "b": 2}}, {"params": {"b": 3}, "model": "m/"}, Path("."))
    {'params': {'a': 1, 'b': 3}, 'model': 'm/'}
    """
    found = dict(_parsed(config, folder / "config.yaml") if isinstance(config, str) else config or {})
    for name, value in over.items():
        below = found.get(name)
        found[name] = {**below, **value} if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return found


def _parsed(text: str, place: Path) -> dict[str, Any]:
    from sparksig.errors import ConfigError, Problem
    from sparksig.pipeline.config.files import parsed  # as the job itself reads it; brings numpy, so not sooner

    problems: list[Problem] = []
    place.write_text(text, encoding="utf-8")
    found = parsed(str(place), problems)
    if problems:
        raise ConfigError("the configuration cannot be read", problems)
    return found


class _Dumper(yaml.SafeDumper):
    """YAML in which every text is quoted and nothing is an alias: the job guesses at no text, and reads no alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
_Dumper.add_representer(tuple, _Dumper.represent_list)


def as_yaml(settings: Mapping[str, Any]) -> str:
    r"""Settings as the text of a file.

    >>> print(as_yaml({"where": "day = '1e3'", "params": {"no": float("inf")}}), end="")
    "where": "day = '1e3'"
    "params":
      "no": .inf
    """
    return yaml.dump(settings, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def local_path(place: str | None) -> str | None:
    """A path as this machine knows it; None for one that is no file of this machine's.

    >>> local_path("out/summary.json"), local_path("file:///a/b.json"), local_path("hdfs://c/b.json")
    ('out/summary.json', '/a/b.json', None)
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(//[^/]*)?(/.*)$", place or "", re.DOTALL)
    if found is None:
        return place or None
    return unquote(found[3]) if found[1].lower() == "file" and found[2] in (None, "//", "//localhost") else None
