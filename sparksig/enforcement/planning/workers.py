"""What scoring adds to a plan: columns that Spark cannot pass to a Python worker, whatever the rows hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sparksig.enforcement.nodes import AnyNode, ArrayNode, MapNode, Node, StructNode
from sparksig.enforcement.steps import Plan
from sparksig.errors import Code, Problem
from sparksig.sources.observed import ArrayType, MapType, ObservedType, OtherType, StructType


def for_workers(plan: Plan) -> Plan:
    """The plan, with a problem for each column declared Any that Spark cannot pass to a Python worker.

    `enforce` and `tag` keep such columns; a query that scores them fails as a whole.

    >>> from sparksig import AnyType, ColSpec, Schema, plan
    >>> from sparksig.sources.observed import Field
    >>> table = StructType((Field("a", OtherType("interval year")),))
    >>> for_workers(plan(table, Schema([ColSpec(AnyType(), "a")]))).problems[0].fact
    'Spark passes no values of interval year to Python'
    """
    problems = [
        Problem(step.name, f"Spark passes no values of {name} to Python", Code.UNSUPPORTED_TYPE, _HINT)
        for step in plan.steps
        for name in dict.fromkeys(name for kind in _kept(step.node) for name in _not_in_arrow(kind))
    ]
    return replace(plan, problems=(*plan.problems, *problems)) if problems else plan


_NOT_IN_ARROW = re.compile("interval( year.*| month)?$|geometry|geography")
_HINT = "cast the column to a type that Arrow has, such as an integer or a string"


def _kept(node: Node) -> Iterator[ObservedType]:
    """The types of the values that reach the model as they are."""
    match node:
        case AnyNode(observed):
            yield observed
        case ArrayNode(inner) | MapNode(inner):
            yield from _kept(inner)
        case StructNode(members):
            for member in members:
                yield from _kept(member.node)


def _not_in_arrow(kind: ObservedType) -> Iterator[str]:
    match kind:
        case ArrayType(inner):
            yield from _not_in_arrow(inner)
        case MapType(key, value):
            yield from _not_in_arrow(key)
            yield from _not_in_arrow(value)
        case StructType(fields):
            for field in fields:
                yield from _not_in_arrow(field.type)
        case OtherType(name) if _NOT_IN_ARROW.match(name):
            yield name
