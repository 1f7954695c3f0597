"""`payload_frame`: a column of JSON payloads as the declared columns, bad JSON being a violation of its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values import Fault, declared_arrow
from sparksig.enforcement.values.containers import Held
from sparksig.errors import Code, NotSupportedError, Problem, SchemaError, ViolationError
from sparksig.models.payloads import FORMS, decode, read_json
from sparksig.signature.casts import Level
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import AnyType, SparkMLVector
from sparksig.sources.spark_schema import struct_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_VIOLATION = pa.list_(
    pa.field("element", pa.struct([(name, pa.string()) for name in ("path", "code", "expected", "observed")]))
)
Violations = list[dict[str, str]]


def payload_frame(
    df: DataFrame,
    column: str,
    signature: ModelSignature | Schema,
    policy: Policy | None = None,
    *,
    keep: Sequence[str] = (),
    **options: Any,
) -> DataFrame:
    """The declared columns out of a column of JSON payloads, one record each. Starts no job.

    A payload is an object with a value for each column, or a serving payload with exactly one record. Its values are
    read as `parse_payload` reads them.

    Args:
        df: the frame.
        column: the name of its column of JSON text.
        signature: what is declared: named columns.
        policy: the options of enforcement, level checked unless given; or give them as keywords: see `Policy`.
        keep: columns of the frame to hand through.
        options: single options of `Policy`.

    Returns:
        The kept columns, the declared ones, which are null where a row breaks the contract, and its violations:
        BAD_PAYLOAD for what is no payload.

    Raises:
        SchemaError: the frame has no such columns, or names would stand twice.
        NotSupportedError: the signature declares what no record of JSON holds: unnamed columns, tensors, vectors, Any;
            or the policy's time zone is not UTC.
    """
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if policy is None:
        options = {"level": Level.CHECKED, **options}
    policy = resolve_policy(policy, options)
    if policy.zone is not None:
        raise NotSupportedError(f"time_zone={policy.time_zone!r}: payload_frame reads datetimes in UTC")
    schema = signature.inputs if isinstance(signature, ModelSignature) else signature
    if schema is None:
        raise SchemaError("the signature declares no inputs", [Problem("", "no inputs", Code.NO_INPUTS)])
    _refuse(schema)
    positions = _positions(df.columns, [*keep, column])
    work = RecordReader(schema, policy, len(keep))
    declared = [T.StructField(f.name, f.dataType, True) for f in struct_type(schema).fields]
    fields = [*(df.schema.fields[i] for i in positions[:-1]), *declared]
    member = T.StructType([T.StructField(n, T.StringType()) for n in ("path", "code", "expected", "observed")])
    kinds = [*(f.dataType for f in fields), T.ArrayType(member)]
    result = T.StructType([T.StructField(f"c{i}", kind) for i, kind in enumerate(kinds)])
    names = [*keep, *(field.name for field in declared), policy.violations_column]
    if len({name.lower() for name in names}) < len(names):
        raise SchemaError("names would stand twice in the result", [Problem("", "keep= and the signature overlap")])
    renamed = df.toDF(*[f"_{i}" for i in range(len(df.columns))])
    shipped = renamed.select(*[F.col(f"_{i}") for i in positions]).toDF(*[f"c{i}" for i in range(len(positions))])
    return shipped.mapInArrow(work, result).toDF(*names)


@dataclass(frozen=True, slots=True)
class RecordReader:
    """What runs in a worker: batches of kept columns and a payload in, kept and declared columns and violations out.

    Attributes:
        schema: what is declared.
        policy: how it is enforced.
        kept: how many columns, from the first, pass through.
    """

    schema: Schema
    policy: Policy
    kept: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read each batch; row order and row count stay."""
        for batch in batches:
            columns, violations = self.read(batch.columns[-1].to_pylist())
            arrays = [*batch.columns[: self.kept], *columns, violations]
            yield pa.RecordBatch.from_arrays(arrays, [f"c{i}" for i in range(len(arrays))])

    def read(self, texts: Sequence[str | None]) -> tuple[list[pa.Array], pa.Array]:
        """The declared columns of payloads, and each one's violations."""
        found: list[Violations] = [[] for _ in texts]
        rows = [self._record(text, into) for text, into in zip(texts, found, strict=True)]
        good = np.array([not into for into in found], bool)
        records = [row for row, ok in zip(rows, good, strict=True) if ok]
        columns = self._enforced(records, [into for into, ok in zip(found, good, strict=True) if ok])
        back = pa.array(np.cumsum(good) - 1, mask=~good)
        columns = [array.take(back) for array in columns]
        return columns, pa.array([into or None for into in found], _VIOLATION)

    def _record(self, text: str | None, into: Violations) -> dict[str, Any]:
        """One payload's values by column; what is wrong with it is noted."""
        try:
            if text is None:
                raise ViolationError("", [Problem("", "null", Code.BAD_PAYLOAD)])
            return self._decoded(_one_record(read_json(text)), into)
        except ViolationError as error:
            into += [_told(problem) for problem in error.problems]
            return {}

    def _decoded(self, record: Mapping[str, Any], into: Violations) -> dict[str, Any]:
        """The declared columns of a record; absent ones are null, and a fault where they are required."""
        problems: list[Problem] = []
        made: dict[str, Any] = {}
        for spec in self.schema:
            assert isinstance(spec, ColSpec)
            name = str(spec.name)
            if name not in record and spec.required:
                problems.append(Problem(name, "required, but the payload has no such field", Code.MISSING_COLUMN))
            made[name] = decode(record.get(name), spec.type, name, problems)
        if self.policy.extra == "forbid" and (more := len(record.keys() - made.keys())):
            problems.append(Problem("", f"{more} field(s) that are not declared", Code.UNEXPECTED_COLUMN))
        into += [_told(problem) for problem in problems]
        return made

    def _enforced(self, records: list[dict[str, Any]], found: list[Violations]) -> list[pa.Array]:
        """The declared columns of records; where one record's types spoil a column, each is read by itself."""
        if not records:
            return [pa.nulls(0, declared_arrow(spec.type)) for spec in self.schema]  # type: ignore[arg-type]
        try:
            return self._together(records, found)
        except SchemaError as error:
            if len(records) == 1:
                found[0] += [_told(problem) for problem in error.problems]
                return [pa.nulls(1, declared_arrow(spec.type)) for spec in self.schema]  # type: ignore[arg-type]
        parts = [self._enforced([record], [into]) for record, into in zip(records, found, strict=True)]
        return [pa.concat_arrays(arrays) for arrays in zip(*parts, strict=True)]

    def _together(self, records: list[dict[str, Any]], found: list[Violations]) -> list[pa.Array]:
        held = Held.of(records, self.schema, self.policy)
        plan: Plan = plan_table(held.table, self.schema, self.policy).require_ok()
        judged = held.judged(plan)
        for fault in judged.faults:
            for row in np.flatnonzero(fault.mask):
                found[row].append(_of_fault(fault))
        clean = judged.clean
        made = {step.name: array for step, array in zip(plan.steps, judged.columns, strict=True)}
        arrays = []
        for spec in self.schema:
            assert isinstance(spec, ColSpec)
            kind = declared_arrow(spec.type)
            array = made[str(spec.name)].cast(kind) if str(spec.name) in made else pa.nulls(len(records), kind)
            arrays.append(array if clean is None else array.take(pa.array(np.arange(len(clean)), mask=~clean)))
        return arrays


def _one_record(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise ViolationError("", [Problem("", "no object", Code.BAD_PAYLOAD)])
    form = [name for name in FORMS if name in content]
    if len(form) != 1 or len(content) > 1:
        return content
    value = content[form[0]]
    if form[0] == "dataframe_split" and isinstance(value, Mapping) and isinstance(value.get("columns"), list):
        rows = value.get("data")
        if isinstance(rows, list) and len(rows) == 1 and len(rows[0]) == len(value["columns"]):
            return dict(zip(value["columns"], rows[0], strict=True))
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
        return value[0]
    if form[0] == "inputs" and isinstance(value, Mapping):
        return value
    raise ViolationError("", [Problem("", "not exactly one record", Code.BAD_PAYLOAD)])


def _told(problem: Problem) -> dict[str, str]:
    return {
        "path": problem.path,
        "code": str(problem.code or Code.BAD_PAYLOAD),
        "expected": "",
        "observed": problem.fact,
    }


def _of_fault(fault: Fault) -> dict[str, str]:
    types = fault.types
    return {"path": fault.path, "code": str(fault.code), "expected": types.declared, "observed": types.observed}


def _refuse(schema: Schema) -> None:
    problems = [
        Problem(str(spec.name or i), f"{spec!r} is not held by a record of JSON")
        for i, spec in enumerate(schema)
        if spec.name is None or not isinstance(spec, ColSpec) or isinstance(spec.type, AnyType | SparkMLVector)
    ]
    if problems:
        raise NotSupportedError("payload_frame reads named columns of scalars, arrays, objects and maps", problems)


def _positions(columns: Sequence[str], names: Sequence[str]) -> list[int]:
    problems = [
        Problem(name, f"the frame has {columns.count(name)} such columns", Code.MISSING_COLUMN)
        for name in names
        if columns.count(name) != 1
    ]
    if problems:
        raise SchemaError("the frame has no such columns", problems)
    return [columns.index(name) for name in names]
