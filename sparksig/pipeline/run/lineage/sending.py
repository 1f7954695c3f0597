"""How events get to OpenLineage: a file, a server, or what its own configuration says. No run waits long for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from sparksig.errors import ConfigError, NotSupportedError, Problem
from sparksig.pipeline.config import plain_path
from sparksig.pipeline.config.lineage import ENVIRONMENT, OFF, is_url

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

Emit: TypeAlias = "Callable[[RunEvent], object]"
"""What brings an event to where it goes, or raises."""

PATIENCE = 5.0
"""So many seconds a run waits for an event to arrive, whatever the transport."""

_MISSING = "OpenLineage events need openlineage-python: pip install 'sparksig[lineage]'"


def emitter(place: str | None, environment: Mapping[str, str] = os.environ) -> Emit | None:
    """What emits an event; None where nothing is to be emitted.

    Args:
        place: what the job's configuration says.
        environment: says it where the configuration does not, in OpenLineage's own variables.

    Raises:
        NotSupportedError: openlineage-python is missing.
        ConfigError: OpenLineage's own configuration is to say where, and does not, or cannot be used.
    """
    if place == OFF or environment.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return None
    if not place and not configured(environment):
        return None
    try:
        from openlineage.client import transport
    except ImportError:
        raise NotSupportedError(_MISSING) from None
    if place and is_url(place):
        server = transport.HttpTransport(transport.HttpConfig.from_dict(_http(place, environment)))
        return server.emit
    if place and place != ENVIRONMENT:
        file = Path(plain_path(place))
        settings: dict[str, Any] = {"type": "file", "log_file_path": str(file), "append": True}
        appending = transport.get_default_factory().create(settings)

        def append(event: RunEvent) -> None:
            file.parent.mkdir(parents=True, exist_ok=True)
            appending.emit(event)

        return append
    return _own(environment)


def configured(environment: Mapping[str, str]) -> bool:
    """Whether OpenLineage's own variables say where events go.

    >>> configured({"OPENLINEAGE_URL": "http://marquez:5000"}), configured({"OPENLINEAGE_NAMESPACE": "prod"})
    (True, False)
    """
    named = any(environment.get(name) for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG"))
    return named or any(value and name.startswith("OPENLINEAGE__TRANSPORT") for name, value in environment.items())


def _http(url: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """A server that is asked twice at most, and has two seconds each time."""
    key, endpoint = environment.get("OPENLINEAGE_API_KEY"), environment.get("OPENLINEAGE_ENDPOINT")
    found: dict[str, Any] = {"url": f"{url.rstrip('/')}/", "timeout": 2.0}
    found["retry"] = {"total": 1, "connect": 1, "read": 1, "backoff_factor": 0.2}
    if endpoint:
        found["endpoint"] = endpoint
    if key:
        found["auth"] = {"type": "api_key", "apiKey": key}
    return found


def _own(environment: Mapping[str, str]) -> Emit:
    """What OpenLineage's own configuration says, with all that it knows: filters, tags, other transports."""
    from openlineage.client import OpenLineageClient

    files = (Path("openlineage.yml"), Path.home() / ".openlineage" / "openlineage.yml")
    if not configured(environment) and not any(file.is_file() for file in files):
        hint = "set OPENLINEAGE_URL or OPENLINEAGE_CONFIG, or name a file or a URL"
        fact = "nothing in the environment says where events go"
        raise ConfigError("the job cannot be run as configured", [Problem("--lineage", fact, hint=hint)])
    try:
        return OpenLineageClient().emit
    except Exception as error:  # its words may hold what was configured, a key too
        fact = f"OpenLineage's own configuration cannot be used ({type(error).__name__})"
        raise ConfigError("the job cannot be run as configured", [Problem("--lineage", fact)]) from None


def send(emit: Emit, event: RunEvent, patience: float = PATIENCE) -> str | None:
    """Emit an event, and wait for it, but not for long.

    Returns:
        Why it was not emitted, without a word of what was sent or where; None if it was.
    """
    failed: list[str] = []
    done: list[bool] = []

    def act() -> None:
        try:
            emit(event)
            done.append(True)
        except Exception as error:  # whatever a transport raises: the run does not hang on it
            failed.append(_reason(error))

    # a daemon: who does not come back does not keep the process from ending
    sender = Thread(target=act, name="sparksig-lineage", daemon=True)
    sender.start()
    sender.join(patience)
    if done:
        return None
    return failed[0] if failed else f"no answer within {patience:g} seconds"


def _reason(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    cause = error.__cause__ if isinstance(error, RuntimeError) else None  # what a file transport puts around it
    name = type(cause or error).__name__
    return f"{name} {status}" if isinstance(status, int) else name
