"""Deciding, from schemas alone: `matching` finds the columns, `nodes` says what happens to one, `plans` to a table."""

from sparksig.enforcement.planning.matching import Match, match_columns, unknown_paths
from sparksig.enforcement.planning.nodes import NodeBuilder
from sparksig.enforcement.planning.plans import plan_table
from sparksig.enforcement.planning.workers import for_workers

__all__ = ["Match", "NodeBuilder", "for_workers", "match_columns", "plan_table", "unknown_paths"]
