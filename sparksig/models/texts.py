"""What JSON has no form for: bytes are Base64 texts, datetimes ISO 8601 texts, wherever they are declared."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sparksig.enforcement.values.exact import reader
from sparksig.errors import Code, Problem
from sparksig.signature.casts import find_cast
from sparksig.signature.dtypes import ELEMENTS
from sparksig.signature.types import Array, ColumnType, DataType, Map, Object

_MOMENT = find_cast(ELEMENTS["str"], ELEMENTS["datetime64[ns]"])
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts that are datetimes are read, and what is wrong with texts.

    Attributes:
        zone: the time zone of wall clocks, None where it is UTC.
        instants: whether datetimes are wanted as instants in a zone that is not UTC, not as its wall clocks.
        problems: what was found.
    """

    zone: str | None = None
    instants: bool = False
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, fact: str, code: Code = Code.UNPARSABLE) -> Any:
        """Note a fault, once a place; the value is None."""
        problem = Problem(path, fact, code)
        if problem not in self.problems:
            self.problems.append(problem)
        return None

    def moment(self, text: str, path: str) -> Any:
        """The datetime that a text says: a wall clock of the zone, or an instant."""
        assert _MOMENT is not None
        micros = reader(_MOMENT)(text)
        if isinstance(micros, Code):
            return self.wrong(path, "a text that is no ISO 8601 date or datetime", micros)
        assert isinstance(micros, int)
        try:
            moment = _EPOCH + timedelta(microseconds=micros)
            if self.zone is None:
                return moment
            zone = ZoneInfo(self.zone)
            if _OFFSET.search(text):
                instant = moment.replace(tzinfo=UTC)
                return instant if self.instants else instant.astimezone(zone).replace(tzinfo=None)
            if not self.instants:
                return moment
            instant = moment.replace(tzinfo=zone).astimezone(UTC)
            if instant.astimezone(zone).replace(tzinfo=None) != moment:
                return self.wrong(path, "a wall clock that the time zone skips", Code.OUT_OF_RANGE)
            return instant
        except OverflowError:  # Python has no year 0
            return self.wrong(path, "a datetime outside the years 1 to 9999", Code.OUT_OF_RANGE)


_OFFSET = re.compile(r":[0-9:.]*(?:Z|[+-][0-9]{2}:?[0-9]{2})\Z")


def decode(value: Any, kind: ColumnType, path: str, reading: Reading) -> Any:
    """One JSON value with bytes and datetimes for the texts that stand for them; a bad text is a problem and null.

    >>> from sparksig.signature.types import Property
    >>> decode({"t": "2024-01-31"}, Object([Property("t", "datetime")]), "o", Reading())
    {'t': datetime.datetime(2024, 1, 31, 0, 0)}
    """
    match kind, value:
        case DataType.binary, str():
            try:  # MLflow's encoder breaks lines after 76 characters, and ends with a newline
                return base64.b64decode(value.replace("\n", ""), validate=True)
            except (binascii.Error, ValueError):
                return reading.wrong(path, "a text that is no Base64")
        case DataType.datetime, str():
            return reading.moment(value, path)
        case Array(inner), list():
            return [decode(item, inner, f"{path}[]", reading) for item in value]
        case Map(inner), Mapping():
            return {key: decode(item, inner, f"{path}{{}}", reading) for key, item in value.items()}
        case Object(properties), Mapping():
            types = {prop.name: prop.dtype for prop in properties}
            return {
                name: decode(item, types[name], f"{path}.{name}", reading) if name in types else item
                for name, item in value.items()
            }
    return value


def needs(kind: ColumnType) -> bool:
    """Whether a type holds bytes or datetimes."""
    match kind:
        case DataType():
            return kind in (DataType.binary, DataType.datetime)
        case Array(inner) | Map(inner):
            return needs(inner)
        case Object(properties):
            return any(needs(prop.dtype) for prop in properties)
    return False
