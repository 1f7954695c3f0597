"""`score`: the model on the accepted rows of a frame, in the same plan as the checks, one pass over the table."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from sparksig.enforcement import sql
from sparksig.enforcement.frames import opened, plan
from sparksig.enforcement.planning import for_workers
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values import Feed
from sparksig.errors import Code, NotSupportedError, PolicyError, Problem, SchemaError
from sparksig.models.loading import Trust
from sparksig.scoring.anything import carriers, is_special, whole
from sparksig.scoring.batches import BATCH_BYTES, rows_of_batch
from sparksig.scoring.calls import ModelCall, Returns
from sparksig.scoring.workers import ERROR, BatchScorer, CleanRows, ColumnScorer
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, TensorSpec

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType, StructField, StructType

OnViolation = Literal["tag", "fail", "drop"]
OnModelError = Literal["fail", "quarantine"]


def score(
    df: DataFrame,
    model: Any,
    signature: ModelSignature | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    output: str | Sequence[str] = "prediction",
    keep: Sequence[str] | None = None,
    on_violation: OnViolation = "tag",
    on_model_error: OnModelError = "fail",
    param_from_env: Mapping[str, str] | None = None,
    returns: Returns | None = None,
    trust: Trust = False,
    policy: Policy | None = None,
    **options: Any,
) -> DataFrame:
    """The frame with the model's predictions beside its columns. Starts no job.

    From Spark 4.1 on the model is a UDF beside the columns, which never leave the JVM; a query that reads no
    prediction, as a `count()`, does not run it. Before, the columns pass through Python.

    Args:
        df: the table.
        model: a model directory or an ONNX file; `runs:/..` or `models:/..`, which MLflow resolves, and whose files
            travel to the workers; an object with `predict`; a callable `(batch, params)` or `(batch)`; or one without
            arguments that returns such a model, and is called where the model runs.
        signature: the model's contract; a model directory or an ONNX file brings its own.
        params: params to override, by name.
        output: the prediction column's name (several outputs make a struct); a name with `*`, which stands for each
            output's own name, or a list of names, for a column each.
        keep: the table's columns to keep; None keeps all.
        on_violation: `"tag"` keeps dirty rows, with `_violations` and null predictions; `"fail"` fails the query that
            reads one; `"drop"` leaves them out.
        on_model_error: `"fail"` fails the query when the model raises; `"quarantine"`, with `on_violation="tag"`, looks
            for the rows at which it raises, by halves, and tags them MODEL_ERROR with the exception's class. The others
            are scored, by a model whose prediction of a row does not depend on the rows beside it as without them.
        param_from_env: params to read from environment variables where the model runs, by name: their values are in
            no plan, no log and nothing that is shipped.
        returns: the outputs, where the signature declares none: a schema, a column of it or a type, as `"double"`; see
            `infer_output`.
        trust: True, or the artifact's `sha256:..`, for artifacts that run code when loaded.
        policy: the options of enforcement, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        The kept columns, the predictions and, with `"tag"`, the violations.

    Raises:
        SchemaError: the table cannot fit, or a name would stand twice in the result.
        TrustError: the artifact runs code when loaded and is not trusted.
        ParamError: given params do not fit.
        SignatureError: the signature is missing, or neither it nor `returns=` declares outputs.
        ModelLoadError: there is no such model.
        EnvironmentFault: MLflow's server cannot be asked.
        PolicyError: an option cannot be used.
        ModelLoadError: there is no model, or its files cannot be read.
        NotSupportedError: the model cannot travel to the workers, the output schema declares what no column can be, or
            before Spark 4.1 the table has columns that cannot pass beside a model; by name.

    >>> from sparksig import ColSpec, ModelSignature, Schema
    >>> table = spark.createDataFrame([(1, 20.5), (2, None)], "id long, celsius double")
    >>> signature = ModelSignature(Schema([ColSpec("double", "celsius")]), Schema([ColSpec("double")]))
    >>> scored = score(table, lambda batch: batch["celsius"] * 2, signature)
    >>> [(row.id, row.prediction) for row in scored.collect()]
    [(1, 41.0), (2, None)]
    """
    if on_violation not in ("tag", "fail", "drop"):
        raise PolicyError(f"on_violation={on_violation!r} is no choice: use 'tag', 'fail' or 'drop'")
    if on_model_error not in ("fail", "quarantine"):
        raise PolicyError(f"on_model_error={on_model_error!r} is no choice: use 'fail' or 'quarantine'")
    if on_model_error == "quarantine" and on_violation != "tag":
        raise PolicyError("on_model_error='quarantine' tags rows: it needs on_violation='tag'")
    call = ModelCall.of(model, signature, params, trust, param_from_env, returns)
    made = for_workers(plan(df, call.signature, policy, **options)).require_ok()
    made.warn()
    call = call.shipped_by(df.sparkSession)
    return score_by(call, made, df, output=output, keep=keep, on_violation=on_violation, on_model_error=on_model_error)


def score_by(
    call: ModelCall,
    made: Plan,
    df: DataFrame,
    *,
    output: str | Sequence[str] = "prediction",
    keep: Sequence[str] | None = None,
    on_violation: OnViolation = "tag",
    on_model_error: OnModelError = "fail",
) -> DataFrame:
    """What `score` returns, by a call and a plan that have been made: the model's files are not read again.

    Args:
        call: the model with its params and its contract, shipped by the frame's session.
        made: the plan of the frame; it is ok.
        df: the table.
        output: as for `score`.
        keep: as for `score`.
        on_violation: as for `score`.
        on_model_error: as for `score`.
    """
    from pyspark.sql import functions as F

    call = call.on(Feed.of(made))
    if hasattr(F, "parse_json"):
        call = call.as_variants()
    if isinstance(output, str) and "*" in output:
        output = [output.replace("*", column.name) for column in call.outputs.columns]
    kept = _kept(made, keep)
    names = _result_names(made, kept, call, output, on_violation)
    rows = opened(df, made)
    condition = {"tag": None, "fail": sql.assertion(made), "drop": sql.accepted(made)}[on_violation]
    if condition is not None:
        rows = rows.where(condition)
    texts, inputs = _shipped(made, kept)
    tagged = on_violation == "tag"
    fields = [df.schema.fields[i] for i in kept]
    aside = _stays_aside(fields)
    if tagged:
        texts.append(sql.violations(made, empty=not aside))
    bound = rows_of_batch(made, call.outputs)
    _warn_of_batches(df, bound)
    work = CleanRows(call, on_model_error == "quarantine", bound)
    one = isinstance(output, str) and len(call.outputs.columns) > 1
    shipped = rows.selectExpr(*texts).toDF(*[f"c{i}" for i in range(len(texts))])
    if aside:
        scored = _beside(shipped, work, inputs, len(kept), tagged, one)
    else:
        through = BatchScorer(work, tuple(inputs), len(kept), tagged, one)
        scored = shipped.mapInArrow(through, _result_schema(fields, call, one, tagged))
    return _finished(scored, call, len(kept), one).toDF(*names)


def _shipped(made: Plan, kept: Sequence[int]) -> tuple[list[str], list[int]]:
    """The expressions that cross into Python, and which of them the model reads; a kept column crosses once."""
    texts = [sql.column(i) for i in kept]
    inputs: list[int] = []
    for text in sql.values(made, flat=True):
        if text in texts:
            inputs.append(texts.index(text))
        else:
            inputs.append(len(texts))
            texts.append(text)
    return texts, inputs


def _kept(made: Plan, keep: Sequence[str] | None) -> list[int]:
    if keep is None:
        return list(range(len(made.columns)))
    problems = [
        Problem(name, f"named by keep=, but the table has {made.columns.count(name)} such columns", Code.MISSING_COLUMN)
        for name in keep
        if made.columns.count(name) != 1
    ]
    twice = dict.fromkeys(name for name in keep if list(keep).count(name) > 1)
    problems += [Problem(name, "named twice by keep=", Code.DUPLICATE_COLUMN) for name in twice]
    if problems:
        raise SchemaError("keep= names columns that cannot be kept", problems)
    return [made.columns.index(name) for name in keep]


def _result_names(
    made: Plan, kept: Sequence[int], call: ModelCall, output: str | Sequence[str], on_violation: OnViolation
) -> list[str]:
    outputs = [output] if isinstance(output, str) else list(output)
    if not isinstance(output, str) and len(outputs) != len(call.outputs.columns):
        raise PolicyError(
            f"output= has {len(outputs)} names, the signature declares {len(call.outputs.columns)} outputs"
        )
    tail = [*outputs, *([made.policy.violations_column] if on_violation == "tag" else [])]
    names = [*(made.columns[i] for i in kept), *tail]
    folded = [name.lower() for name in names]
    clashes = [name for name in tail if folded.count(name.lower()) > 1]
    if clashes:
        hint = "output= and violations_column= rename what is added"
        problems = [Problem(name, "would stand twice in the result", Code.DUPLICATE_COLUMN, hint) for name in clashes]
        raise SchemaError("the added columns would not be the only ones of their names", problems)
    return names


def _result_schema(fields: Sequence[StructField], call: ModelCall, one: bool, tagged: bool) -> StructType:
    from pyspark.sql import types as T

    outputs = [T.StructField(f"f{i}", kind, True) for i, kind in enumerate(carriers(call.outputs.specs))]
    if one:
        outputs = [T.StructField("prediction", T.StructType(outputs), True)]
    found = [*fields, *outputs]
    if tagged:
        member = T.StructType([T.StructField(n, T.StringType()) for n in ("path", "code", "expected", "observed")])
        found.append(T.StructField("violations", T.ArrayType(member)))
    return T.StructType([T.StructField(f"c{i}", f.dataType, f.nullable, f.metadata) for i, f in enumerate(found)])


def _finished(scored: DataFrame, call: ModelCall, kept: int, one: bool) -> DataFrame:
    """The scored frame with what no worker can make: variants and vectors; the outputs' names in their struct."""
    from pyspark.sql import functions as F

    outputs = call.outputs.columns
    special = [isinstance(c.spec, ColSpec) and is_special(c.spec.type) for c in outputs]
    if not one and not any(special):
        return scored
    columns = [F.col(f"c{i}") for i in range(len(scored.columns))]
    if one:
        whole = columns[kept]
        parts = [_made(c.spec, whole.getField(f"f{i}")).alias(c.name) for i, c in enumerate(outputs)]
        columns[kept] = F.when(whole.isNotNull(), F.struct(*parts))
    else:
        columns[kept : kept + len(outputs)] = [_made(c.spec, columns[kept + i]) for i, c in enumerate(outputs)]
    return scored.select(*[column.alias(f"c{i}") for i, column in enumerate(columns)])


def _made(spec: ColSpec | TensorSpec, column: Column) -> Column:
    return whole(spec.type, column) if isinstance(spec, ColSpec) else column


def _warn_of_batches(df: DataFrame, bound: int) -> None:
    """Say so where Spark hands over more rows at once than fit: it cuts its batches, here only the model's are cut."""
    limit = int(df.sparkSession.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch", "10000") or 0)
    if (limit <= 0 or limit > bound) and not _cuts_by_bytes(df):
        warnings.warn(
            f"batches of {limit or 'all'} rows are over {BATCH_BYTES >> 20} MiB for this signature: the model gets "
            f"{bound} at a time, but a worker holds them all; set spark.sql.execution.arrow.maxRecordsPerBatch={bound}",
            stacklevel=4,  # whoever calls `score`
        )


def _cuts_by_bytes(df: DataFrame) -> bool:
    """Whether the session cuts Arrow batches by their bytes and so early that they fit, as newer Sparks do."""
    try:
        said = df.sparkSession.conf.get("spark.sql.execution.arrow.maxBytesPerBatch")
    except Exception:  # each Spark has its own way to say that it knows no such setting
        return False
    found = re.fullmatch(r"([0-9]+)([kmgtp]?)b?", str(said).strip().lower())
    return found is not None and int(found[1]) << 10 * " kmgtp".index(found[2] or " ") <= BATCH_BYTES


def _stays_aside(fields: Sequence[StructField]) -> bool:
    """Whether kept columns stay in the JVM, beside a UDF: always where there are UDFs on Arrow arrays.

    Joining rows to a UDF's results costs less than the way of a column through Python and back, of one column already,
    and the violations need not cross either: see `benchmarks.score --only shapes`.

    Raises:
        NotSupportedError: some cannot cross, and this Spark has no such UDF; all of them are named.
    """
    from pyspark.sql import functions as F

    if hasattr(F, "arrow_udf"):
        return True
    problems = [
        Problem(f.name, f"{f.dataType.simpleString()} cannot pass through a Python worker", hint="keep=[..] without it")
        for f in fields
        if not _crosses(f.dataType)
    ]
    if problems:
        raise NotSupportedError("before Spark 4.1 columns that cannot cross cannot stand beside a score", problems)
    return False


def _crosses(kind: DataType) -> bool:
    """Whether a type has a form in the batches that Spark exchanges with Python."""
    from pyspark.sql import types as T

    match kind:
        case T.ArrayType():
            return _crosses(kind.elementType)
        case T.MapType():
            return _crosses(kind.keyType) and _crosses(kind.valueType)
        case T.StructType():
            return len(set(kind.names)) == len(kind.names) and all(_crosses(field.dataType) for field in kind.fields)
    return type(kind).__name__ not in _STAY


_STAY = ("CalendarIntervalType", "YearMonthIntervalType")  # by name: not every Spark has both


def _beside(
    shipped: DataFrame, work: CleanRows, inputs: Sequence[int], kept: int, tagged: bool, one: bool
) -> DataFrame:
    """The kept columns, the outputs of a UDF beside them, and the violations, with what the model raised."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    scorer = ColumnScorer(work, flagged=tagged or not inputs)  # a UDF has one column at least

    def predict(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        return scorer(batches)

    kinds = carriers(work.call.outputs.specs)
    fields = [T.StructField(f"f{i}", kind) for i, kind in enumerate(kinds)]
    if work.bisects:
        fields.append(T.StructField(ERROR, T.StringType()))
    assert hasattr(F, "arrow_udf")
    # not deterministic: a filter above must neither run the model twice nor run it on other rows
    udf = F.arrow_udf(predict, kinds[0] if scorer.bare else T.StructType(fields)).asNondeterministic()
    columns = [F.col(f"c{i}") for i in range(kept)]
    violations = [F.col(shipped.columns[-1])] if tagged else []
    flags = [violations[0].isNull() if tagged else F.lit(True)] if scorer.flagged else []
    asked = udf(*[F.col(f"c{i}") for i in inputs], *flags)
    joined = shipped.select(*columns, asked.alias("r"), *[v.alias("v") for v in violations])
    found = [F.col("r")] if scorer.bare else [F.col(f"r.f{i}") for i in range(len(kinds))]
    told = [F.col("v") for _ in violations]
    scored = told[0].isNull() if tagged else F.lit(True)
    if work.bisects:
        raised = f"array(named_struct('path', '', 'code', '{Code.MODEL_ERROR}', 'expected', '', 'observed', r.{ERROR}))"
        told = [F.expr(f"case when r.{ERROR} is null then v else cast({raised} as {sql.VIOLATIONS_TYPE}) end")]
        scored = scored & F.col(f"r.{ERROR}").isNull()
    if one:
        found = [F.when(scored, F.struct(*found))]
    every = [*columns, *found, *told]
    return joined.select(*[column.alias(f"c{i}") for i, column in enumerate(every)])
