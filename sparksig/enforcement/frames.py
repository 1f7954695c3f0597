"""The verbs on a Spark frame: plan, enforce, tag, split. They add expressions to the query, never a job."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sparksig import tables
from sparksig.enforcement import sql
from sparksig.enforcement.nodes import AbsentNode, ScalarNode
from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.steps import Plan
from sparksig.errors import Code, Problem, SchemaError
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import Schema
from sparksig.sources.observed import StructType as Observed
from sparksig.sources.observed import table_from_arrow, table_from_spark

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructType

    Table: TypeAlias = "DataFrame | StructType | pa.Schema | Observed"


@dataclass(frozen=True, slots=True)
class Split:
    """A table in two: what the model may see, and what is set apart.

    Attributes:
        accepted: the clean rows, as declared.
        quarantined: the dirty rows, raw, plus the violations column.

    >>> from sparksig import ColSpec, Schema, split
    >>> parts = split(spark.range(3), Schema([ColSpec("long", "id")]))
    >>> parts.accepted.columns, parts.quarantined.columns
    (['id'], ['id', '_violations'])
    >>> accepted, quarantined = parts
    """

    accepted: DataFrame
    quarantined: DataFrame

    def __iter__(self) -> Iterator[DataFrame]:
        return iter((self.accepted, self.quarantined))

    # a frame's own repr may read it: with spark.sql.repl.eagerEval.enabled it prints rows
    def _rows(self) -> list[tuple[str, str]]:
        frames = (("accepted", self.accepted), ("quarantined", self.quarantined))
        return [(name, ", ".join(f"{column}: {kind}" for column, kind in frame.dtypes)) for name, frame in frames]

    def __repr__(self) -> str:
        told = (f"{name}=DataFrame[{tables.printable(columns)}]" for name, columns in self._rows())
        return f"Split({', '.join(told)})"

    def __str__(self) -> str:
        return tables.text(_FRAMES, self._rows())

    _repr_pretty_ = tables.pretty

    def _repr_html_(self) -> str:
        return tables.html(_FRAMES, self._rows())


_FRAMES = ("rows", "columns")


def plan(table: Table, signature: ModelSignature | Schema, policy: Policy | None = None, **options: Any) -> Plan:
    """Decide from schemas alone what enforcing a signature on a table will do. Starts no Spark job.

    Args:
        table: a Spark frame, its schema, or the `pyarrow.Schema` of a Parquet file.
        signature: what the model was promised.
        policy: the options, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        A plan to print: each column kept, widened, checked or refused, and what each row must still show.

    Raises:
        PolicyError: an option cannot be used.

    >>> import pyarrow as pa
    >>> from sparksig import ColSpec, Schema
    >>> print(plan(pa.schema({"price": pa.float32(), "id": pa.int64()}), Schema([ColSpec("double", "price")])))
    the table fits
    column  declared  observed  verdict  row checks
    ------  --------  --------  -------  ----------
    price   double    float     widened  not null
    not in the signature: id
    """
    return plan_table(_observed(table), signature, resolve_policy(policy, options))


def enforce(
    df: DataFrame, signature: ModelSignature | Schema, policy: Policy | None = None, **options: Any
) -> DataFrame:
    """The declared columns, in the declared types and order; a bad row fails the query that reads it.

    Args:
        df: the table.
        signature: what the model was promised.
        policy: the options, or give them as keywords: see `Policy`.
        options: single options of `Policy`; `keep=[..]` hands other columns through behind the declared ones.

    Returns:
        A frame with one column for each declared one; absent optional ones are typed nulls. A column that needs no cast
        is the table's own, with its metadata and nullable flag; one that is cast has no metadata, and is not nullable
        only where no null can come out. Flags are never set because the signature requires a column.

    Raises:
        SchemaError: the table's schema cannot fit; every problem is listed and no job has run.
        PolicyError: an option cannot be used.

    >>> from sparksig import ColSpec, Schema
    >>> table = spark.createDataFrame([(1, 20.5)], "id long, celsius float")
    >>> enforce(table, Schema([ColSpec("double", "celsius")]), keep=["id"])
    DataFrame[celsius: double, id: bigint]
    """
    made = plan(df, signature, policy, **options).require_ok()
    made.warn()
    kept = _kept_positions(made)
    rows, say = _ready(df, made)
    assertion = sql.assertion(made)
    if assertion is not None:
        rows = rows.where(say(assertion))
    return _project(rows, made, kept, say)


def tag(df: DataFrame, signature: ModelSignature | Schema, policy: Policy | None = None, **options: Any) -> DataFrame:
    """The table untouched, plus what is wrong with each row.

    Args:
        df: the table.
        signature: what the model was promised.
        policy: the options, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        All columns of `df` and `_violations`, an array of structs of path, code, expected and observed types; null for
        a clean row. The columns keep their metadata and nullable flags.

    Raises:
        SchemaError: the table's schema cannot fit, or it has a column of the violations column's name.
        PolicyError: an option cannot be used.

    >>> from sparksig import ColSpec, Schema
    >>> table = spark.createDataFrame([(1, 20.5), (2, None)], "id long, celsius double")
    >>> tagged = tag(table, Schema([ColSpec("double", "celsius")]))
    >>> [(row.id, row._violations and row._violations[0].code) for row in tagged.collect()]
    [(1, None), (2, 'NULL')]
    """
    made = plan(df, signature, policy, **options).require_ok()
    made.warn()
    return tag_by(made, df)


def tag_by(made: Plan, df: DataFrame) -> DataFrame:
    """What `tag` returns, by the plan of the frame."""
    _require_name(made)
    rows, say = _ready(df, made)
    columns = [say(sql.column(i)) for i in range(len(made.columns))]
    return _select(rows, [*columns, say(sql.violations(made))], [*made.columns, made.policy.violations_column])


def split(df: DataFrame, signature: ModelSignature | Schema, policy: Policy | None = None, **options: Any) -> Split:
    """The clean rows as declared, and the dirty rows raw with what is wrong with them.

    Both frames read `df` for themselves: a source that gives other rows the second time must be pinned first.

    Args:
        df: the table.
        signature: what the model was promised.
        policy: the options, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        The two frames; no row is in both, none in neither. Their fields are as those of `enforce` and `tag`.

    Raises:
        SchemaError: the table's schema cannot fit, or it has a column of the violations column's name.
        PolicyError: an option cannot be used.

    >>> from sparksig import ColSpec, Schema
    >>> table = spark.createDataFrame([(1, 20.5), (2, None)], "id long, celsius double")
    >>> parts = split(table, Schema([ColSpec("double", "celsius")]), keep=["id"])
    >>> [row.id for row in parts.accepted.collect()], [row.id for row in parts.quarantined.collect()]
    ([1], [2])
    """
    made = plan(df, signature, policy, **options).require_ok()
    made.warn()
    return split_by(made, df)


def split_by(made: Plan, df: DataFrame) -> Split:
    """What `split` returns, by the plan of the frame."""
    _require_name(made)
    condition = sql.accepted(made) or "true"
    names = [sql.column(i) for i in range(len(made.columns))]
    dirty = opened(df, made).where(f"not ({condition})")
    return Split(
        _project(opened(df, made).where(condition), made, _kept_positions(made)),
        _select(dirty, [*names, sql.violations(made)], [*made.columns, made.policy.violations_column]),
    )


def positional(df: DataFrame) -> DataFrame:
    """The frame with its columns renamed by position: `_0`, `_1`, ..; only such names may stand in SQL text."""
    return df.toDF(*[sql.column(i) for i in range(len(df.columns))])


def opened(df: DataFrame, made: Plan) -> DataFrame:
    """The frame renamed by position, with its vectors and structs opened beside it, so that text can speak of them."""
    rows = positional(df)
    preparations = sql.preparations(made)
    if not preparations:
        return rows
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    def array(position: int) -> Column:
        vector = F.col(sql.column(position))
        return F.when(vector.isNotNull(), vector_to_array(vector))  # it raises on a null

    columns = [(array(at) if how is None else F.expr(how)).alias(sql.prepared(at)) for at, how in preparations]
    return rows.select("*", *columns)


def _ready(df: DataFrame, made: Plan) -> tuple[DataFrame, Callable[[str], str]]:
    """The frame that text speaks of, and what makes text speak of it.

    Renaming a wide frame takes as long as Spark's analysis of it, a call for each name. Where no name could be misread
    and no field of a struct is spoken of, the text is renamed instead.
    """
    plain = len({name.lower() for name in made.columns}) == len(made.columns) >= _WIDE
    scalars = all(isinstance(step.node, ScalarNode | AbsentNode) for step in made.steps)
    if plain and scalars and all(_PLAIN.fullmatch(name) for name in made.columns):
        return df, lambda text: sql.by_own_names(text, made.columns)
    return opened(df, made), lambda text: text


_WIDE = 100
"""From how many columns on a frame is not renamed if it need not be, see `benchmarks.enforce`."""


def _require_name(made: Plan) -> None:
    """Reject a table that has a column of the violations column's name."""
    name = made.policy.violations_column
    if any(column.lower() == name.lower() for column in made.columns):
        clash = Problem(
            name, "the table already has this column", Code.DUPLICATE_COLUMN, "violations_column= renames it"
        )
        raise SchemaError("the violations column would not be the only one of its name", [clash])


def _kept_positions(made: Plan) -> list[int]:
    """Where the columns of `keep=` lie in the table."""
    # an unnamed column's name in what comes back is its position
    taken = dict.fromkeys((step.name for step in made.steps), "named by keep=, but declared as well")
    twice = []
    for name in made.policy.keep:
        if name in taken:
            twice.append(Problem(name, taken[name], Code.DUPLICATE_COLUMN, "leave it out of keep="))
        taken[name] = "named by keep= twice"
    if twice:
        raise SchemaError("keep= names columns that cannot be kept", twice)
    return positions_of(made, made.policy.keep, "keep=")


def positions_of(made: Plan, names: Sequence[str], option: str) -> list[int]:
    """Where the columns that an option names lie in the table.

    Raises:
        SchemaError: a name is not the table's, or several of its columns have it; every problem is listed.
    """
    problems, found = [], []
    for name in names:
        positions = [i for i, column in enumerate(made.columns) if column == name]
        if len(positions) == 1:
            found.append(positions[0])
            continue
        code = Code.DUPLICATE_COLUMN if positions else Code.MISSING_COLUMN
        problems.append(Problem(name, f"named by {option}, but the table has {len(positions)} such columns", code))
    if problems:
        raise SchemaError(f"{option} names columns that are not in the table exactly once", problems)
    return found


def _project(
    rows: DataFrame, made: Plan, kept: Sequence[int], say: Callable[[str], str] = lambda text: text
) -> DataFrame:
    names = [step.name for step in made.steps] + [made.columns[i] for i in kept]
    expressions = [say(text) for text in (*sql.values(made), *(sql.column(i) for i in kept))]
    vectors = sql.needs_vector(made)
    if not vectors:
        return _select(rows, expressions, names)
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    found = rows.selectExpr(*_aliased(expressions))
    columns = [F.col(name) for name in found.columns]
    made_vectors = [F.when(c.isNotNull(), array_to_vector(c)) if i in vectors else c for i, c in enumerate(columns)]
    return found.select(*[c.alias(sql.column(i)) for i, c in enumerate(made_vectors)]).toDF(*names)


def _select(rows: DataFrame, expressions: Sequence[str], names: Sequence[str]) -> DataFrame:
    """Expressions under names, in one Project; a name that text could misread is given after the text.

    One struct of them, opened by `q.*`, would be one call whatever the width, but what runs then is slower.
    """
    if all(_PLAIN.fullmatch(name) for name in names):
        return rows.selectExpr(*[f"{one} as `{name}`" for one, name in zip(expressions, names, strict=True)])
    return rows.selectExpr(*_aliased(expressions)).toDF(*names)


def _aliased(expressions: Sequence[str]) -> list[str]:
    """Named by position: on Connect, Spark notes in the metadata of what has no alias that it made one up."""
    return [f"{one} as {sql.column(i)}" for i, one in enumerate(expressions)]


_PLAIN = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def _observed(table: Table) -> Observed:
    if isinstance(table, Observed):
        return table
    if type(table).__module__.startswith("pyarrow"):
        return table_from_arrow(table)
    # asked of the class: a frame of Spark Connect takes any name for a column's
    schema: Any = table if hasattr(type(table), "jsonValue") else getattr(table, "schema")  # noqa: B009
    return table_from_spark(schema.jsonValue())
