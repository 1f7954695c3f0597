"""Names of a job's source, model and sinks: which run is replaced by which, and what a run is called by default."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from sparksig.pipeline.config.paths import comparable

_REGISTERED = "registered_model_meta"  # a file that MLflow writes next to a downloaded MLmodel
_MODELS = re.compile(r"models:/(?:/[^/]*/)?(?P<name>[^/@]+)([/@].*)?")
_RUNS = re.compile(r"runs:/(?:/[^/]*/)?[^/]+/(?P<name>.+?)/*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

_VERSION = re.compile(
    r"v\d+([._-]\d+)*|version[=_.-]?\d+([._-]\d+)*|\d{4}-\d{2}-\d{2}([T_].*)?|(dt|date|day|run|run_id|version)=.+"
    r"|(m-)?[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.IGNORECASE,
)
"""A folder that is a version of a model: `v3`, `version=3`, `2026-01-31`, the id of a run or of a logged model."""

_NUMBER = re.compile(r"\d+([._-]\d+)*")
"""A version where it is the last folder; elsewhere it may be a shop or a customer."""

_SUFFIX = re.compile(r"[._-]v\d+([._-]\d+)*(?=\.[A-Za-z]+$|$)", re.IGNORECASE)
"""A version at the end of a name: `late-v3`, `late_v1.2.onnx`."""


def place_of(path: str) -> str:
    """A path or URI in the form in which it is stored and compared: without credentials, query and spelling variants.

    >>> place_of("s3a://KEY:SECRET@bucket/in//day/?region=x"), place_of("/data/in/")
    ('s3://bucket/in/day', '/data/in')
    """
    place = comparable(path)
    # a link such as `latest` keeps its own name: the folder behind it may be another one every day
    return place if _URI.match(place) or path.startswith("file:") else os.path.abspath(path)


def table_of(name: str) -> str:
    """The name of a table as it is compared: Spark does not distinguish case, and quotes are not part of a name."""
    return name.replace("`", "").lower()


def model_name(model: str) -> str:
    """What stays the same when another version of a model takes over.

    - `models:/late/3`, `models:/late@prod`: the registered name, `late`.
    - `runs:/<run id>/model`: the name under which runs log the model, `model`.
    - A folder that MLflow has downloaded from its registry: the registered name.
    - Any other path: the path without its versions. These are folders such as `v3`, `2026-01-31` or a run's id, a
      last folder such as `3` or `1.2.0`, and endings such as `-v3`.

    >>> model_name("models:/late@prod"), model_name("runs:/0a1b/models/late"), model_name("s3://b/models/late/v3/")
    ('late', 'models/late', 's3://b/models/late')
    """
    for form in (_MODELS, _RUNS):
        if match := form.fullmatch(model):
            return match["name"]
    place = place_of(model)
    if registered := _registered(place):
        return registered
    head, slash, tail = place.partition("://")
    parts = (tail if slash else head).split("/")
    if len(parts) > 1 and _NUMBER.fullmatch(parts[-1]):
        parts = parts[:-1]
    kept = [parts[0], *(_SUFFIX.sub("", part) for part in parts[1:] if not _VERSION.fullmatch(part))]
    return f"{head}{slash}{'/'.join(kept)}" if slash else "/".join(kept) or place


def sinks_digest(*sinks: str) -> str:
    """A digest of the folders or tables to which a job writes."""
    return hashlib.sha256("\n".join(sinks).encode()).hexdigest()


def sink_of(folder: str, table: str | None) -> str:
    """One sink as it is compared."""
    return table_of(table) if table else comparable(folder)


def _registered(place: str) -> str | None:
    """The registered name of a downloaded model, if MLflow has left it there."""
    try:
        text = Path(place, _REGISTERED).read_text("utf-8")
    except (OSError, ValueError):
        return None
    match = re.search(r"^model_name:\s*['\"]?([^'\"\n]+?)['\"]?\s*$", text, re.MULTILINE)
    return match[1] if match else None
