"""`predict_udf`: the model as a UDF that takes one struct, matched by name, in `select` and in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.values import Feed, enforce_arrow
from sparksig.errors import NotSupportedError, SchemaError
from sparksig.models.loading import Model
from sparksig.scoring.calls import ModelCall, Returns
from sparksig.scoring.frames import carriers
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import Schema
from sparksig.sources.observed import StructType, from_arrow

if TYPE_CHECKING:
    from pyspark.sql.types import DataType


def predict_udf(
    model: Any,
    signature: ModelSignature | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    on_violation: str = "fail",
    param_from_env: Mapping[str, str] | None = None,
    returns: Returns | None = None,
    trust: bool | str = False,
    policy: Policy | None = None,
    **options: Any,
) -> Any:
    """The model as a UDF of one struct: `df.select(predict(struct("*")))`, or in SQL `predict(struct(*))`.

    The struct's fields are matched by name, cast and judged like the columns of a table, batch by batch in the worker.
    `predict()` takes the signature's columns by their names, `predict("a", "b")` the columns of these names,
    `predict(a=col("x"))` names them, and where the signature has no names they are taken by position.

    Args:
        model: a model directory or an ONNX file; an object with `predict`; a callable `(batch, params)` or `(batch)`;
            or one without arguments that returns such a model, and is called where the model runs.
        signature: the model's contract; a model directory or an ONNX file brings its own.
        params: params to override, by name.
        on_violation: `"fail"` fails the query on a dirty row, `"null"` gives it a null prediction.
        param_from_env: params to read from environment variables where the model runs, by name.
        returns: the outputs, where the signature declares none: a schema, a column of it or a type, as `"double"`; see
            `infer_output`.
        trust: True, or the artifact's `sha256:..`, for artifacts that run code when loaded.
        policy: the options of enforcement, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        A UDF; `spark.udf.register("predict", udf)` makes it a SQL function. Its result is the output's Spark type, a
        struct of several outputs; Any comes as JSON text and a vector as an array of doubles, which no UDF can make.

    Raises:
        NotSupportedError: Spark is older than 4.1, which has the first UDFs on Arrow arrays; `score` works there.
        TrustError: the artifact runs code when loaded and is not trusted.
        ParamError: given params do not fit.
        SignatureError: the signature is missing, or neither it nor `returns=` declares outputs.
    """
    from pyspark.sql import functions as F

    if on_violation not in ("fail", "null"):
        raise NotSupportedError(f"on_violation={on_violation!r}: a UDF can 'fail' or give 'null'; score() can tag")
    if not hasattr(F, "arrow_udf"):
        raise NotSupportedError(
            "predict_udf needs Spark 4.1 or newer: older UDFs damage integers beside nulls; use score()"
        )
    call = ModelCall.of(model, signature, params, trust, param_from_env, returns)
    work = StructScorer(call, resolve_policy(policy, options), on_violation == "null")

    def predict(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        return work(batches)

    assert call.signature.inputs is not None
    return _of_columns(F.arrow_udf(predict, _return_type(call)), call.signature.inputs)


def _of_columns(udf: Any, schema: Schema) -> Any:
    """The UDF of a struct as a function of columns in all the ways that people have of naming them."""
    from pyspark.sql import Column
    from pyspark.sql import functions as F

    names = [str(name) for name in schema.input_names()]

    @wraps(udf)
    def predict(*columns: Any, **named: Any) -> Any:
        if len(columns) == 1 and not named and isinstance(columns[0], Column):
            return udf(columns[0])  # the struct itself
        if not schema.has_input_names():
            parts = [(F.col(c) if isinstance(c, str) else c).alias(n) for n, c in zip(names, columns, strict=False)]
        elif any(not isinstance(column, str) for column in columns):
            raise SchemaError("columns are named: give their names, name=column, or one struct of them")
        else:
            wanted = columns or (() if named else [n for n, s in zip(names, schema, strict=True) if s.required])
            parts = [F.col(f"`{name.replace('`', '``')}`").alias(name) for name in wanted]
            parts += [(F.col(c) if isinstance(c, str) else c).alias(name) for name, c in named.items()]
        return udf(F.struct(*parts))

    return predict


@dataclass(frozen=True, slots=True)
class StructScorer:
    """What runs in a Python worker: struct arrays in, prediction arrays out."""

    call: ModelCall
    policy: Policy
    null: bool

    def __call__(self, batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        """Score each struct array."""
        call, model = self.call, None  # loaded with the first batch: an empty partition needs none
        for batch in batches:
            if model is None:
                call, model = self.call.here(), self.call.load()
            yield self._score(call, model, batch)

    def _score(self, call: ModelCall, model: Model, batch: pa.Array) -> pa.Array:
        if not pa.types.is_struct(batch.type):
            raise SchemaError(f"the UDF takes one struct, it was given {from_arrow(batch.type)}: predict(struct(*))")
        table = from_arrow(batch.type)
        assert isinstance(table, StructType)
        plan = plan_table(table, call.signature, self.policy).require_ok()
        judged = enforce_arrow(plan, batch.flatten(), len(batch))
        if not self.null:
            judged.require_clean()
        clean = np.ones(len(batch), bool) if judged.clean is None else judged.clean
        call = call.on(Feed.of(plan))
        if not clean.any():
            found = call.outputs.nulls(len(batch))
        else:
            arrays = [column.filter(pa.array(clean)) for column in judged.columns]
            back = pa.array(np.cumsum(clean) - 1, mask=~clean)
            found = [array.take(back) for array in call.predict(model, arrays, int(clean.sum()))]
        if len(found) == 1:
            return found[0]
        return pa.StructArray.from_arrays(found, [c.name for c in call.outputs.columns], mask=pa.array(~clean))


def _return_type(call: ModelCall) -> DataType:
    from pyspark.sql import types as T

    found = carriers(call.outputs)
    names = [column.name for column in call.outputs.columns]
    if len(found) == 1:
        return found[0]
    return T.StructType([T.StructField(name, kind, True) for name, kind in zip(names, found, strict=True)])
