"""The run that has started this one, as those who start runs say it: variables, or settings of Spark."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sparksig.redaction import masked


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A run of OpenLineage's, and its job."""

    namespace: str
    job: str
    run: str


@dataclass(frozen=True, slots=True)
class Parent:
    """The run that has started this one, and the one that stands at the root of all."""

    run: Ancestor
    root: Ancestor


def parent_run(environment: Mapping[str, str], conf: Callable[[str], str | None] = lambda key: None) -> Parent | None:
    """The run that has started this one; None where nobody says so.

    It is looked for in this order: `OPENLINEAGE_CONTEXT`, `OPENLINEAGE_PARENT_ID` with `OPENLINEAGE_ROOT_PARENT_ID`,
    and Spark's `spark.openlineage.parent..`, where Airflow's provider puts it.

    Args:
        environment: the environment.
        conf: a setting of the Spark session by its key.

    Raises:
        ValueError: it is said in a form that cannot be read.

    >>> given = {"OPENLINEAGE_PARENT_ID": "airflow/nightly.score/f99310b4-3c3c-1a1a-2b2b-c1b95c24ff11"}
    >>> parent_run(given).run.job
    'nightly.score'
    """
    context = json.loads(environment.get("OPENLINEAGE_CONTEXT") or "{}")
    if found := context.get("parent") if isinstance(context, dict) else None:
        own = _of_json(found)
        return Parent(own, _of_json(found["root"]) if found.get("root") else own)
    if text := environment.get("OPENLINEAGE_PARENT_ID"):
        root = environment.get("OPENLINEAGE_ROOT_PARENT_ID")
        return Parent(_of_text(text), _of_text(root or text))
    run, root_run = (_of_conf(conf, prefix) for prefix in ("parent", "rootParent"))
    return None if run is None else Parent(run, root_run or run)


def _of_text(text: str) -> Ancestor:
    namespace, job, run = text.rsplit("/", 2)  # a namespace may be a URL
    return _checked(namespace, job, run)


def _of_json(found: Any) -> Ancestor:
    try:
        return _checked(found["job"]["namespace"], found["job"]["name"], found["run"]["runId"])
    except (KeyError, TypeError) as error:
        raise ValueError from error


def _of_conf(conf: Callable[[str], str | None], prefix: str) -> Ancestor | None:
    keys = (f"spark.openlineage.{prefix}{part}" for part in ("JobNamespace", "JobName", "RunId"))
    found = [value for key in keys if (value := conf(key))]
    return _checked(*found) if len(found) == 3 else None


def _checked(namespace: str, job: str, run: str) -> Ancestor:
    if not namespace or not job:
        raise ValueError("a name is empty")
    return Ancestor(masked(namespace), masked(job), str(UUID(run)))
