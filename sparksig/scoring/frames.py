"""`score`: the model on the accepted rows of a frame, in the same plan as the checks, one pass over the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from sparksig.enforcement import sql
from sparksig.enforcement.frames import opened, plan
from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values import Feed
from sparksig.errors import Code, NotSupportedError, PolicyError, Problem, SchemaError
from sparksig.models.loading import Model
from sparksig.scoring.calls import ModelCall
from sparksig.signature.model_signature import ModelSignature
from sparksig.sources.spark_schema import struct_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructField, StructType

OnViolation = Literal["tag", "fail", "drop"]

_CANNOT_CROSS = ("interval",)  # calendar and year-month intervals have no form in the batches that Spark exchanges


def score(
    df: DataFrame,
    model: Any,
    signature: ModelSignature | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    output: str | Sequence[str] = "prediction",
    keep: Sequence[str] | None = None,
    on_violation: OnViolation = "tag",
    trust: bool | str = False,
    policy: Policy | None = None,
    **options: Any,
) -> DataFrame:
    """The frame with the model's predictions beside its columns. Starts no job.

    Args:
        df: the table.
        model: a model directory, an object with `predict`, or a callable `(batch, params)` or `(batch)`.
        signature: the model's contract; a model directory brings its own.
        params: params to override, by name.
        output: the prediction column's name (several outputs make a struct), or one name for each output.
        keep: the table's columns to keep; None keeps all.
        on_violation: `"tag"` keeps dirty rows, with `_violations` and null predictions; `"fail"` fails the query that
            reads one; `"drop"` leaves them out.
        trust: True, or the artifact's `sha256:..`, for artifacts that run code when loaded.
        policy: the options of enforcement, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        The kept columns, the predictions and, with `"tag"`, the violations.

    Raises:
        SchemaError: the table cannot fit, or a name would stand twice in the result.
        TrustError: the artifact runs code when loaded and is not trusted.
        ParamError: given params do not fit.
        SignatureError: the signature is missing or declares no outputs.
        NotSupportedError: what is not built yet, by name.
    """
    if on_violation not in ("tag", "fail", "drop"):
        raise PolicyError(f"on_violation={on_violation!r} is no choice: use 'tag', 'fail' or 'drop'")
    call = ModelCall.of(model, signature, params, trust)
    made = plan(df, call.signature, policy, **options).require_ok()
    call = call.on(Feed.of(made))
    kept = _kept(made, keep)
    names = _result_names(made, kept, call, output, on_violation)
    rows = opened(df, made)
    condition = {"tag": None, "fail": sql.assertion(made), "drop": sql.accepted(made)}[on_violation]
    if condition is not None:
        rows = rows.where(condition)
    texts, inputs = _shipped(made, kept)
    if on_violation == "tag":
        texts.append(sql.violations(made))
    fields = [df.schema.fields[i] for i in kept]
    _refuse_uncrossable(fields)
    work = BatchScorer(call, tuple(inputs), len(kept), on_violation == "tag", isinstance(output, str))
    result = _result_schema(fields, call, isinstance(output, str), on_violation == "tag")
    shipped = rows.selectExpr(*texts).toDF(*[f"c{i}" for i in range(len(texts))])
    return shipped.mapInArrow(work, result).toDF(*names)


@dataclass(frozen=True, slots=True)
class BatchScorer:
    """What runs in a Python worker: batches in, batches with predictions out.

    Attributes:
        call: the model and its contract.
        inputs: where in the batch the model's columns are.
        kept: how many columns, from the first, pass through.
        tagged: whether the last column holds violations, so that only rows without any are scored.
        one: whether several outputs become one struct.
    """

    call: ModelCall
    inputs: tuple[int, ...]
    kept: int
    tagged: bool
    one: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score each batch; row order and row count stay."""
        model = None  # loaded with the first batch: an empty partition needs none
        for batch in batches:
            model = model or self.call.load()
            predictions = self._predictions(model, batch)
            if self.one and len(predictions) > 1:
                names = [f"f{i}" for i in range(len(predictions))]
                rejected = _bits(batch.columns[-1].is_valid()) if self.tagged else None
                mask = None if rejected is None else pa.array(rejected)
                predictions = [pa.StructArray.from_arrays(predictions, names, mask=mask)]
            columns = [*batch.columns[: self.kept], *predictions, *(batch.columns[-1:] if self.tagged else [])]
            yield pa.RecordBatch.from_arrays(columns, [f"c{i}" for i in range(len(columns))])

    def _predictions(self, model: Model, batch: pa.RecordBatch) -> list[pa.Array]:
        columns = [batch.columns[i] for i in self.inputs]
        clean = _bits(batch.columns[-1].is_null()) if self.tagged else np.ones(batch.num_rows, bool)
        count = int(clean.sum())
        if count == batch.num_rows:
            return self.call.predict(model, columns, count) if count else self._nulls(0)
        if count == 0:
            return self._nulls(batch.num_rows)
        found = self.call.predict(model, [column.filter(pa.array(clean)) for column in columns], count)
        back = pa.array(np.cumsum(clean) - 1, mask=~clean)  # where each row's prediction is; null for a dirty row
        return [array.take(back) for array in found]

    def _nulls(self, rows: int) -> list[pa.Array]:
        return [pa.nulls(rows, column.arrow) for column in self.call.outputs.columns]


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

    assert call.signature.outputs is not None
    outputs = [T.StructField(f.name, f.dataType, True) for f in struct_type(call.signature.outputs).fields]
    if one and len(outputs) > 1:
        outputs = [T.StructField("prediction", T.StructType(outputs), True)]
    found = [*fields, *outputs]
    if tagged:
        member = T.StructType([T.StructField(n, T.StringType()) for n in ("path", "code", "expected", "observed")])
        found.append(T.StructField("violations", T.ArrayType(member)))
    return T.StructType([T.StructField(f"c{i}", f.dataType, f.nullable) for i, f in enumerate(found)])


def _refuse_uncrossable(fields: Sequence[StructField]) -> None:
    problems = [
        Problem(f.name, f"{f.dataType.simpleString()} cannot pass through a Python worker", hint="keep=[..] without it")
        for f in fields
        if any(word in f.dataType.simpleString() for word in _CANNOT_CROSS)
    ]
    if problems:
        raise NotSupportedError("the table has columns that cannot stand beside a prediction yet", problems)


def _bits(mask: pa.BooleanArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(mask.to_numpy(zero_copy_only=False))
