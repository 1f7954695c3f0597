"""Levels: who must allow a cast."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """How far a value may travel to become what was declared: `strict < safe < checked < parse`.

    >>> Level.SAFE < Level.CHECKED, Level("strict").rank
    (True, 0)
    """

    STRICT = "strict"
    SAFE = "safe"
    CHECKED = "checked"
    PARSE = "parse"

    @property
    def rank(self) -> int:
        """The position in the order, from 0."""
        return tuple(Level).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < Level(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Level(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Level(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Level(other).rank
