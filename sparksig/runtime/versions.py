"""What is installed, in which version, and how to get it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the doctor looked at.

    Attributes:
        name: what.
        value: how it is.
        ok: True if it will do, False if it will not, None for what is optional and missing.
        hint: how to get it, or why it matters.
    """

    name: str
    value: str
    ok: bool | None
    hint: str | None = None


def version(distribution: str) -> str | None:
    """The version of a distribution, None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def number(version: str) -> tuple[int, ...]:
    """The leading numbers of a version.

    >>> number("4.3.0.dev1"), number("3.5")
    ((4, 3, 0), (3, 5))
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'sparksig[{extra}]'" if extra else "pip install sparksig"
