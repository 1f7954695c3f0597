"""Pairwise covering: a few rows of settings that contain every pair of values of any two settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

Pair = frozenset[tuple[str, Any]]


def pairs_of(row: Mapping[str, Any]) -> set[Pair]:
    return {frozenset(two) for two in combinations(row.items(), 2)}


def every_pair(settings: Mapping[str, Sequence[Any]]) -> set[Pair]:
    return {frozenset(pair) for pair in _in_order(settings)}


def covering_rows(settings: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows that cover every pair, the same ones each time: greedy, each row begun with a pair that is still open.

    Args:
        settings: the values of each setting.
    """
    order = [frozenset(pair) for pair in _in_order(settings)]
    open_pairs, rows = set(order), list[dict[str, Any]]()
    while open_pairs:
        row = dict(next(pair for pair in order if pair in open_pairs))
        for name in settings:
            if name not in row:
                row[name] = max(settings[name], key=lambda value: _gain(row, name, value, open_pairs))
        rows.append({name: row[name] for name in settings})
        open_pairs -= pairs_of(row)
    return rows


def _in_order(settings: Mapping[str, Sequence[Any]]) -> list[tuple[tuple[str, Any], tuple[str, Any]]]:
    two = combinations(settings.items(), 2)
    return [((a, x), (b, y)) for (a, xs), (b, ys) in two for x in xs for y in ys]


def _gain(row: Mapping[str, Any], name: str, value: Any, open_pairs: set[Pair]) -> tuple[int, int]:
    """How many open pairs a value closes now, then how many it may still close."""
    now = sum(frozenset(((name, value), item)) in open_pairs for item in row.items())
    return now, sum((name, value) in pair for pair in open_pairs)
