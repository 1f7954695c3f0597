"""`predict_udf`: the model as a UDF that takes one struct, matched by name, in `select` and in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values import Feed, bits, enforce_arrow
from sparksig.errors import Code, NotSupportedError, Problem, SchemaError
from sparksig.models.loading import Model, Trust
from sparksig.scoring.anything import carriers, is_special, whole
from sparksig.scoring.batches import Outputs, rows_of_batch
from sparksig.scoring.calls import ModelCall, Returns
from sparksig.scoring.texts import answered, asked, read, written
from sparksig.scoring.workers import CleanRows
from sparksig.signature.dtypes import ELEMENTS
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import Object, SparkMLVector
from sparksig.sources.observed import ArrayType, Field, ScalarType, StructType, from_arrow

if TYPE_CHECKING:
    from pyspark.sql import Column
    from pyspark.sql.types import DataType


def predict_udf(
    model: Any,
    signature: ModelSignature | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    on_violation: str = "fail",
    param_from_env: Mapping[str, str] | None = None,
    returns: Returns | None = None,
    trust: Trust = False,
    policy: Policy | None = None,
    **options: Any,
) -> Any:
    """The model as a UDF of one struct: `df.select(predict(struct("*")))`, or in SQL `predict(struct(*))`.

    The struct's fields are matched by name, cast and judged like the columns of a table, batch by batch in the worker.
    `predict()` takes the signature's columns by their names, `predict("a", "b")` the columns of these names,
    `predict(a=col("x"))` names them, in SQL `predict(a => x)`, and where the signature has no names they are taken by
    position; a struct that is the only declared column, a required object, may stand for itself. The model is given no
    larger batches than by `score`.

    Args:
        model: a model directory or an ONNX file; `runs:/..` or `models:/..`, which MLflow resolves, and whose files
            travel to the workers; an object with `predict`; a callable `(batch, params)` or `(batch)`; or one without
            arguments that returns such a model, and is called where the model runs.
        signature: the model's contract; a model directory or an ONNX file brings its own.
        params: params to override, by name.
        on_violation: `"fail"` fails the query on a dirty row, `"null"` gives it, and a struct that is null, a null
            prediction.
        param_from_env: params to read from environment variables where the model runs, by name.
        returns: the outputs, where the signature declares none: a schema, a column of it or a type, as `"double"`; see
            `infer_output`.
        trust: True, or the artifact's `sha256:..`, for artifacts that run code when loaded.
        policy: the options of enforcement, or give them as keywords: see `Policy`.
        options: single options of `Policy`.

    Returns:
        A UDF; `spark.udf.register("predict", udf)` makes it a SQL function. Its result has the types of `score`: the
        output's Spark type, a struct of several outputs, a variant for Any (JSON text before Spark 4), a vector. With
        Any or vectors in the outputs it is a function of columns and cannot be registered: a SQL function returns
        neither. Before Spark 4.1, which has the first UDFs on Arrow arrays, it is a function of columns only, and
        values cross as JSON text, exactly; a struct with intervals, variants or maps whose keys are not strings fails
        the query. The errors recommend `score`.

    Raises:
        NotSupportedError: `on_violation` is no choice, or the output schema declares what cannot be a column.
        TrustError: the artifact runs code when loaded and is not trusted.
        ParamError: given params do not fit.
        SchemaError: the signature declares no inputs.
        SignatureError: the signature is missing, or neither it nor `returns=` declares outputs.
        ModelLoadError: there is no such model.
        EnvironmentFault: MLflow's server cannot be asked.

    >>> from pyspark.sql.functions import struct
    >>> from sparksig import ColSpec, ModelSignature, Schema
    >>> signature = ModelSignature(Schema([ColSpec("long", "id")]), Schema([ColSpec("long")]))
    >>> predict = predict_udf(lambda batch: batch["id"] + 1, signature)
    >>> [row.next for row in spark.range(3).select(predict(struct("id")).alias("next")).collect()]
    [1, 2, 3]
    """
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F
    from pyspark.sql.pandas.functions import pandas_udf

    if on_violation not in ("fail", "null"):
        raise NotSupportedError(f"on_violation={on_violation!r}: a UDF can 'fail' or give 'null'; score() can tag")
    call = ModelCall.of(model, signature, params, trust, param_from_env, returns)
    if (session := SparkSession.getActiveSession()) is not None:
        call = call.shipped_by(session)
    special = any(isinstance(spec, ColSpec) and is_special(spec.type) for spec in call.outputs.specs)
    if special and hasattr(F, "parse_json"):
        call = call.as_variants()
    work = StructScorer(call, resolve_policy(policy, options), on_violation == "null")

    def predict(*columns: pa.Array, **named: pa.Array) -> pa.Array:
        return work(columns, named)

    if call.signature.inputs is None:
        problem = Problem("", "the signature declares no inputs", Code.NO_INPUTS, "declare inputs=Schema([..])")
        raise SchemaError("there is nothing that the UDF could take", [problem])
    inputs, returned = call.signature.inputs, _return_type(call)
    if hasattr(F, "arrow_udf"):
        udf = F.arrow_udf(predict, returned)
        if not special:
            return _of_columns(udf, inputs)
        return ColumnsOnly(udf, lambda udf, column: _finished(call.outputs, udf(column)), inputs, _SPECIAL)
    pandas: Any = pandas_udf  # its stubs want what Spark warns of: a function type beside the hints

    def of_texts(udf: Any, column: Column) -> Column:
        return _finished(call.outputs, answered(udf(*asked(column)), returned))

    return ColumnsOnly(pandas(_of_texts(work), "string"), of_texts, inputs, _TEXTS)


def _of_texts(work: StructScorer) -> Callable[[pd.Series[Any], pd.Series[Any]], pd.Series[Any]]:
    def predict(given: pd.Series, kinds: pd.Series) -> pd.Series:
        if work.null:  # the text of a struct with a string that is not valid UTF-8
            given = given.mask(given == "", '{"c": null}')
        return written(work([read(given, kinds)], {})) if len(given) else given

    return predict


@dataclass(frozen=True)
class ColumnsOnly:
    """A UDF inside expressions, which Spark cannot register for SQL: Spark's UDFs cannot take or return such values.

    Attributes:
        udf: Spark's UDF.
        call: calls it with a struct, and makes the prediction of its result.
        inputs: what the model takes.
        reason: what works instead, for the error of a registration.
    """

    udf: Any
    call: Callable[[Any, Column], Column]
    inputs: Schema
    reason: str

    def __call__(self, *columns: Any, **named: Any) -> Any:
        """The prediction, for columns in all the ways that people have of naming them."""
        return _of_columns(self._of_struct, self.inputs)(*columns, **named)

    def _of_struct(self, column: Column) -> Column:
        return self.call(self.udf, column).alias("predict")

    def asNondeterministic(self) -> ColumnsOnly:
        """The same, not deterministic."""
        return replace(self, udf=self.udf.asNondeterministic())

    @property
    def evalType(self) -> int:  # Spark asks for it when a UDF is registered
        """Nothing that Spark could register.

        Raises:
            NotSupportedError: always, and says what works.
        """
        raise NotSupportedError(f"{self.reason}: use df.select(predict(struct('*'))), or score()")


_TEXTS = "predict_udf cannot be registered for SQL before Spark 4.1, whose UDFs damage integers in columns with nulls"
_SPECIAL = "predict_udf cannot be registered for SQL where outputs are vectors or Any: a SQL function returns neither"


def _finished(outputs: Outputs, column: Column) -> Column:
    """The prediction with what no UDF can return: variants and vectors, also inside other types."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    specs = outputs.specs
    if not any(isinstance(spec, ColSpec) and is_special(spec.type) for spec in specs):
        return column

    def opened(value: Column) -> Column:
        if len(specs) == 1:
            return _whole(specs[0], value)
        fields = value.cast(T.StructType([T.StructField(f"_{i}", kind) for i, kind in enumerate(carriers(specs))]))
        parts = [_whole(c.spec, fields[f"_{i}"]).alias(c.name) for i, c in enumerate(outputs.columns)]
        return F.when(value.isNotNull(), F.struct(*parts))

    return F.transform(F.array(column), opened)[0]  # a variable: the model runs once for all uses of its result


def _whole(spec: ColSpec | TensorSpec, column: Column) -> Column:
    return whole(spec.type, column) if isinstance(spec, ColSpec) else column


def _of_columns(udf: Any, schema: Schema) -> Any:
    """The UDF of a struct as a function of columns in all the ways that people have of naming them."""
    from pyspark.sql import Column
    from pyspark.sql import functions as F

    names = [str(name) for name in schema.input_names()]

    @wraps(udf)
    def predict(*columns: Any, **named: Any) -> Any:
        if len(columns) == 1 and not named and isinstance(columns[0], Column):
            return udf(columns[0])  # the struct itself, or the only column of a signature without names
        if not schema.has_input_names():
            if named or len(columns) != len(names):
                fact = f"the signature declares {len(names)} unnamed column(s), the UDF is given {len(columns)}"
                fact += f" and {len(named)} with names" if named else ""
                raise SchemaError("columns are taken by position", [Problem("", fact, Code.COLUMN_COUNT)])
            parts = [(F.col(c) if isinstance(c, str) else c).alias(n) for n, c in zip(names, columns, strict=True)]
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
    plans: dict[StructType, Plan] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, columns: Sequence[pa.Array], named: Mapping[str, pa.Array]) -> pa.Array:
        """Score one batch, in as many parts as its bytes ask for.

        Args:
            columns: one struct; or, as SQL may call, the columns of a signature without names.
            named: columns by name, as SQL may call.
        """
        batch = self._struct(columns, named)
        call, model = self.call.here(), self.call.load()
        table = self._table(batch.type)
        if (plan := self.plans.get(table)) is None:  # the same in each batch of a query
            plan = self.plans[table] = plan_table(table, call.signature, self.policy).require_ok()
            plan.warn()  # on the executor: the columns of the struct are not known earlier
        work = CleanRows(call.on(Feed.of(plan)), bisects=False, rows=rows_of_batch(plan, call.outputs))
        parts = [batch.slice(start, length) for start, length in work.cut(len(batch))]
        return pa.concat_arrays([self._score(work, model, plan, part) for part in parts])

    def _struct(self, columns: Sequence[pa.Array], named: Mapping[str, pa.Array]) -> pa.Array:
        """The columns as one struct, vectors in it as arrays of doubles."""
        assert self.call.signature.inputs is not None
        by_position = not self.call.signature.inputs.has_input_names() and not named
        alone = len(columns) == 1 and not named
        if alone and not (by_position and (not pa.types.is_struct(columns[0].type) or self._vector(columns[0].type))):
            [batch] = columns
        elif by_position or not columns:
            numbered = dict(zip(map(str, range(len(columns))), columns, strict=True))
            found = {**numbered, **named}
            batch = pa.StructArray.from_arrays(list(found.values()), list(found))
        else:
            raise SchemaError("the UDF takes one struct, or columns by name: predict(struct(*))")
        if not pa.types.is_struct(batch.type):
            raise SchemaError(f"the UDF takes one struct, it was given {from_arrow(batch.type)}: predict(struct(*))")
        return pa.StructArray.from_arrays([batch], [self._only.name or "0"]) if self._is_object(batch.type) else batch

    @property
    def _only(self) -> ColSpec | TensorSpec:
        """The first declared column."""
        assert self.call.signature.inputs is not None
        return next(iter(self.call.signature.inputs))

    def _is_object(self, kind: pa.DataType) -> bool:
        """Whether a struct is the only declared column, an object, itself, and not one that holds it."""
        assert self.call.signature.inputs is not None
        spec = self._only
        if len(self.call.signature.inputs) > 1 or not isinstance(spec, ColSpec) or not isinstance(spec.type, Object):
            return False
        found = {field.name for field in kind}
        held = spec.name in found if spec.name is not None else len(kind) == 1 and pa.types.is_struct(kind[0].type)
        return bool(spec.required) and not held and found <= {p.name for p in spec.type.properties}

    def _score(self, work: CleanRows, model: Model, plan: Plan, batch: pa.Array) -> pa.Array:
        columns = [_opened(column) if self._vector(column.type) else column for column in batch.flatten()]
        judged = enforce_arrow(plan, columns, len(batch))
        if not self.null:
            judged.require_clean()
        clean = np.ones(len(batch), bool) if judged.clean is None else judged.clean
        if self.null:
            clean = clean & bits(batch.is_valid())  # where all columns are optional, a row that is not there is none
        found, _ = work.predictions(model, judged.columns, clean)
        if len(found) == 1:
            return found[0]
        return pa.StructArray.from_arrays(found, [c.name for c in work.call.outputs.columns], mask=pa.array(~clean))

    def _table(self, kind: pa.DataType) -> StructType:
        """The struct as a table."""
        kinds = [_VECTOR if self._vector(field.type) else from_arrow(field.type) for field in kind]
        return StructType(tuple(Field(f.name, k, f.nullable) for f, k in zip(kind, kinds, strict=True)))

    def _vector(self, kind: pa.DataType) -> bool:
        """Whether it is a vector, which ships as a struct like any other, and something is declared that it becomes."""
        specs = self.call.signature.inputs or ()
        return _is_vector(kind) and any(isinstance(s, TensorSpec) or isinstance(s.type, SparkMLVector) for s in specs)


_VECTOR = ArrayType(ScalarType(ELEMENTS["float64"]))
_VECTOR_FIELDS = {"type": pa.int8(), "size": pa.int32(), "indices": pa.int32(), "values": pa.float64()}


def _is_vector(kind: pa.DataType) -> bool:
    """Whether it is the struct in which Spark ships vectors."""
    if not pa.types.is_struct(kind):
        return False
    return {f.name: f.type.value_type if pa.types.is_list(f.type) else f.type for f in kind} == _VECTOR_FIELDS


def _opened(array: pa.Array) -> pa.Array:
    """Vectors, dense and sparse, as arrays of doubles.

    >>> sparse = {"type": 0, "size": 3, "indices": [1], "values": [0.5]}
    >>> lists = [("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))]
    >>> _opened(pa.array([sparse, None], pa.struct([("type", pa.int8()), ("size", pa.int32()), *lists]))).to_pylist()
    [[0.0, 0.5, 0.0], None]
    """
    kind, size, indices, values = array.flatten()
    dense = bits(pc.fill_null(pc.equal(kind, 1), False))
    counts = np.asarray(values.value_lengths().fill_null(0))
    sizes = np.where(dense, counts, np.asarray(size.fill_null(0)))
    ends = np.cumsum(sizes)
    row = np.repeat(np.arange(len(array)), counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)  # in a dense vector; in a sparse one ..
    place[~dense[row]] = np.asarray(indices.flatten())
    entries = np.zeros(int(sizes.sum()))
    entries[(ends - sizes)[row] + place] = np.asarray(values.flatten())
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    mask = pa.array(bits(array.is_null())) if array.null_count else None
    return pa.ListArray.from_arrays(offsets, pa.array(entries), mask=mask)


def _return_type(call: ModelCall) -> DataType:
    from pyspark.sql import types as T

    found = carriers(call.outputs.specs)
    names = [column.name for column in call.outputs.columns]
    if len(found) == 1:
        return found[0]
    return T.StructType([T.StructField(name, kind, True) for name, kind in zip(names, found, strict=True)])
