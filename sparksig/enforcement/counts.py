"""Counting what is wrong with a table, in one action: of its rows, or of a column that tells their violations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sparksig.enforcement import sql
from sparksig.enforcement.frames import opened, plan, positional, positions_of
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan
from sparksig.errors import Code, PolicyError, Problem, SchemaError
from sparksig.report.summary import Count, Report, sorted_counts
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import Schema
from sparksig.sources.observed import ArrayType, DecimalType, ObservedType, ScalarType, StructType

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def validate(
    df: DataFrame,
    signature: ModelSignature | Schema,
    policy: Policy | None = None,
    *,
    examples: int = 0,
    keys: Sequence[str] = (),
    **options: Any,
) -> Report:
    """Count the violations of a table by path and code, in one action.

    Args:
        df: the table.
        signature: what the model was promised.
        policy: the options, or give them as keywords: see `Policy`.
        examples: for how many rows of each path and code, at most, the report tells the keys. Keys are data: with 0,
            the default, nothing of any row is in the report.
        keys: the columns of the table that tell which row it is.
        options: single options of `Policy`.

    Returns:
        Rows in, clean rows, and counts by path and code.

    Raises:
        SchemaError: the table's schema cannot fit, or it has no such key columns.
        PolicyError: an option cannot be used, or only one of `examples` and `keys` is given.

    >>> from sparksig import ColSpec, Schema
    >>> table = spark.createDataFrame([(1, 20.5), (2, None)], "id long, celsius double")
    >>> print(validate(table, Schema([ColSpec("double", "celsius")])))
    2 rows: 1 clean, 1 with violations
    column   code  declared  observed  rows
    -------  ----  --------  --------  ----
    celsius  NULL  double    double       1
    """
    if bool(examples) != bool(keys) or examples < 0 or isinstance(keys, str):
        raise PolicyError("examples= is a number of rows and keys= the list of columns that tell which: give both")
    made = plan(df, signature, policy, **options).require_ok()
    made.warn()
    positions = _key_positions(made, keys)
    named = ", ".join(f"'k{i}', {sql.column(at)}" for i, at in enumerate(positions))
    key = [f"named_struct({named}) as k"] if keys else []
    return _count(opened(df, made).selectExpr(f"{sql.violations(made)} as v", *key), keys, examples)


def count_violations(tagged: DataFrame, column: str) -> Report:
    """Count what an array column of violations holds, in one action.

    Args:
        tagged: a frame that `tag`, `split` or `score` made, or that was read back from a quarantine.
        column: the name of the violations column.
    """
    return _count(positional(tagged).selectExpr(f"{sql.column(tagged.columns.index(column))} as v"))


def _count(violations: DataFrame, keys: Sequence[str] = (), examples: int = 0) -> Report:
    from pyspark.sql import functions as F

    # the first violation of a row stands for the row: rows are counted in the same pass as what is wrong with them
    key = ["k"] if examples else []
    rows = violations.selectExpr("posexplode_outer(v) as (i, v)", *key).selectExpr(
        "v.path", "v.code", "v.expected", "v.observed", "if(coalesce(i, 0) = 0, 1, 0) as first", *key
    )
    # each sample is the least of the rows' hashes, one hash a sample: no more than one key is held for it
    samples = [F.expr(f"min(named_struct('h', xxhash64({i}, k), 'k', k)).k") for i in range(examples)]
    groups = rows.groupBy("path", "code", "expected", "observed").agg(F.count("first"), F.sum("first"), *samples)
    names = [f"s{i}" for i in range(examples)]
    found = groups.toDF("path", "code", "expected", "observed", "rows", "firsts", *names).collect()
    counts = [
        Count(r.path, r.code, r.expected, r.observed, r.rows, _examples([r[name] for name in names], keys))
        for r in found
        if r.code is not None
    ]
    return Report(
        rows_in=sum(r.firsts for r in found),
        rows_clean=sum(r.rows for r in found if r.code is None),
        violations=sorted_counts(counts),
    )


def _examples(samples: Sequence[Any], keys: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Different rows among the samples, with the key columns' names."""
    distinct = {repr(sample): sample for sample in samples}  # a list has no hash, and NaN is not NaN
    return tuple(dict(zip(keys, sample, strict=True)) for sample in distinct.values())


def _key_positions(made: Plan, keys: Sequence[str]) -> list[int]:
    """Where the columns of `keys=` lie in the table."""
    positions = positions_of(made, keys, "keys=")
    odd = [made.table.fields[at] for at in positions if not _is_key(made.table.fields[at].type)]
    if odd:
        fact = "named by keys=, but values of {} cannot be compared"
        problems = [Problem(field.name, fact.format(field.type), Code.UNSUPPORTED_TYPE) for field in odd]
        raise SchemaError("keys= names columns that tell no row from another", problems)
    return positions


def _is_key(kind: ObservedType) -> bool:
    match kind:
        case StructType(fields):
            return all(_is_key(field.type) for field in fields)
        case ArrayType(element):
            return _is_key(element)
    return isinstance(kind, ScalarType | DecimalType)
