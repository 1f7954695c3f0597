"""A plan as Spark SQL text: `guards` spell one value, `forms` and `conditions` a column, `statements` a table."""

from sparksig.enforcement.sql.statements import (
    VIOLATIONS_TYPE,
    accepted,
    assertion,
    by_own_names,
    column,
    needs_vector,
    opened_by_name,
    preparations,
    prepared,
    statement,
    values,
    violations,
)

__all__ = [
    "VIOLATIONS_TYPE",
    "accepted",
    "assertion",
    "by_own_names",
    "column",
    "needs_vector",
    "opened_by_name",
    "preparations",
    "prepared",
    "statement",
    "values",
    "violations",
]
