"""What is known of a setting of the batch job: its help, its flag, what it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field
from math import inf
from typing import Any

from sparksig.errors import Problem


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of one field of `JobConfig` beside its type: flags, the file, its schema and docs are made of it.

    Attributes:
        help: what it is, in a sentence or two.
        group: under which heading it is explained.
        metavar: what a value looks like.
        flag: its flag, where that is not its name; those of lists and maps are given once an entry.
        env: the environment variable that is read where neither a flag nor the file says it.
        choices: the texts that it, or each value of a map, can be.
        least: the least number that it can be.
        most: the greatest.
        form: what a file may hold, where that is more than the attribute's type.
    """

    help: str
    group: str
    metavar: str = "TEXT"
    flag: str = ""
    env: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    form: Any = None


def declare(group: str, help: str, default: Any = "", secret: bool = False, **more: Any) -> Any:
    """A field of a dataclass that is a setting.

    Args:
        group: under which heading it is explained.
        help: what it is.
        default: what it is unless given.
        secret: whether its value is shown nowhere.
        more: what else `Setting` takes.
    """
    metadata = {"setting": Setting(help, group, **more)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def setting_of(one: Field[Any]) -> Setting:
    """What is known of a field."""
    setting: Setting = one.metadata["setting"]
    return setting


def flag_of(one: Field[Any]) -> str:
    """The flag of a field.

    >>> from dataclasses import fields, make_dataclass
    >>> job = make_dataclass("job", [("run_id", str, declare("The run", "its name"))])
    >>> [flag_of(one) for one in fields(job)]
    ['--run-id']
    """
    return setting_of(one).flag or f"--{one.name.replace('_', '-')}"


def unlisted(setting: Setting, flag: str, value: Any) -> Iterator[Problem]:
    """Say so if a value is not among those that a setting can have."""
    if setting.choices and value is not None:
        given = value.values() if isinstance(value, Mapping) else [value]
        if any(one not in setting.choices for one in given):
            word = "level" if setting.metavar == "LEVEL" else "choice"
            yield Problem(flag, f"no such {word}", hint=f"use one of {', '.join(setting.choices)}")
    if setting.least is not None and value is not None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not setting.least <= value <= (inf if setting.most is None else setting.most):
            bounds = f"from {setting.least:g}" + ("" if setting.most is None else f" to {setting.most:g}")
            yield Problem(flag, f"not a number {bounds}")
