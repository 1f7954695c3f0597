"""docker/compose.yaml without a container engine: its services, with variables substituted as an engine would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[2] / "docker" / "compose.yaml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<text>[^}]*))?\}")


def services() -> dict[str, dict[str, Any]]:
    """The services as they are written."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return found


def put_in(value: Any, variables: Mapping[str, str]) -> Any:
    """A part of the file with values for its variables: what is given, or the default; some must be given."""
    if isinstance(value, dict):
        return {key: put_in(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [put_in(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def of(match: re.Match[str]) -> str:
        given = variables.get(match["name"], "")
        if not given and match["how"] == "?":
            raise KeyError(match["name"])
        return given or (match["text"] or "" if match["how"] == "-" else "")

    return VARIABLE.sub(of, value)


@dataclass(frozen=True)
class Service:
    """What an engine would start: words, environment, user, mounts by their source (a named volume by its name)."""

    command: list[str]
    env: dict[str, str]
    user: str
    mounts: dict[str, str]
    check: list[str]


def service(name: str, variables: Mapping[str, str], elsewhere: Mapping[str, str]) -> Service:
    """A service, whose names and ports are replaced: on a network of its own they would be free."""
    made = put_in(services()[name], variables)

    def moved(words: list[str]) -> list[str]:
        if not elsewhere:
            return words
        pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(old)}(?![\w.])" for old in elsewhere))
        return [pattern.sub(lambda match: elsewhere[match.group()], word) for word in words]

    mounts = {}
    for mount in made.get("volumes", []):
        if "source" in mount:
            source = mount["source"]
            place = str((FILE.parent / source).resolve()) if mount["type"] == "bind" else source
            mounts[place] = mount["target"] + (":ro" if mount.get("read_only") else "")
    check = made.get("healthcheck", {}).get("test", ["CMD"])
    names, values = list(made["environment"]), moved(list(made["environment"].values()))
    env = dict(zip(names, values, strict=True))
    return Service(moved(made["command"]), env, made["user"], mounts, moved(check[1:]))
