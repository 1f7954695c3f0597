"""Where OpenLineage events go, as a configuration says it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from sparksig.errors import Problem

ENVIRONMENT, OFF = "environment", "off"
"""What `lineage` says instead of a place: OpenLineage's own configuration does, or nothing is emitted."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?:[A-Za-z][A-Za-z0-9+.-]+:)*/")


def is_url(place: str) -> bool:
    """Whether events are posted there.

    >>> is_url("https://marquez:5000"), is_url("events.jsonl")
    (True, False)
    """
    return place.lower().startswith(("http://", "https://"))


def lineage_file(place: str | None) -> str | None:
    """The file to which events are appended, if it is one.

    >>> lineage_file("out/events.jsonl"), lineage_file("http://marquez:5000"), lineage_file("off")
    ('out/events.jsonl', None, None)
    """
    return None if not place or is_url(place) or place in (ENVIRONMENT, OFF) else place


def unusable(place: str | None) -> Iterator[Problem]:
    """What is wrong with a place, without a word of it: a URL may hold a secret.

    >>> [problem.fact for problem in unusable("https://user:password@marquez")]
    ['holds more than a scheme, a host, a port and a path']
    """
    if place and is_url(place):
        try:
            url = urlsplit(place)
            whole = bool(url.hostname) and (url.port is None or url.port > 0)
        except ValueError:
            whole = False
        if not whole:
            yield Problem("--lineage", "not a URL", hint="write it as https://host:5000")
        elif url.username is not None or url.query or url.fragment:
            fact = "holds more than a scheme, a host, a port and a path"
            yield Problem("--lineage", fact, hint="a key is taken from the environment: OPENLINEAGE_API_KEY")
    elif (file := lineage_file(place)) and (scheme := _SCHEME.match(file)) and scheme[1].lower() != "file":
        hint = (
            f"a file on this machine, http(s)://, or {ENVIRONMENT}: OpenLineage's own configuration knows more places"
        )
        yield Problem("--lineage", "events are not written to such a place", hint=hint)
