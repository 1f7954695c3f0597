"""`payload_frame`: a column of JSON payloads as the declared columns, bad JSON being a violation of its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sparksig.enforcement.planning import match_columns, plan_table, unknown_paths
from sparksig.enforcement.policy import Policy, resolve_policy
from sparksig.enforcement.steps import Plan
from sparksig.enforcement.values import Fault, declared_arrow
from sparksig.enforcement.values.casts import invalid_utf8
from sparksig.enforcement.values.held import Held
from sparksig.errors import Code, NotSupportedError, Problem, SchemaError, ViolationError
from sparksig.models.payloads import FORMS, read_json, undeclared
from sparksig.models.texts import Reading, decode
from sparksig.signature.casts import Level
from sparksig.signature.dtypes import ELEMENTS
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.paths import paths_in
from sparksig.signature.schema import ColSpec, Schema
from sparksig.signature.types import AnyType, Array, ColumnType, Map, Object, SparkMLVector
from sparksig.sources.observed import StructType
from sparksig.sources.spark_schema import spark_json

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
        NotSupportedError: the signature declares what no record of JSON holds: unnamed columns, tensors, vectors, Any.
        PolicyError: an option cannot be used, or names columns that the signature has not.

    >>> from sparksig import ColSpec, Schema
    >>> texts = spark.createDataFrame([('{"n": 1}',), ('{"n": 1.5}',)], "body string")
    >>> frame = payload_frame(texts, "body", Schema([ColSpec("long", "n")]))
    >>> [(row.n, row._violations and row._violations[0].code) for row in frame.collect()]
    [(1, None), (None, 'NOT_EXACT')]
    """
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if policy is None:
        options = {"level": Level.CHECKED, **options}
    policy = resolve_policy(policy, options)
    schema = signature.inputs if isinstance(signature, ModelSignature) else signature
    if schema is None:
        raise SchemaError("the signature declares no inputs", [Problem("", "no inputs", Code.NO_INPUTS)])
    _refuse(schema)
    match_columns(StructType(()), schema, policy)
    unknown_paths(schema, policy)
    positions = _positions(df.columns, [*keep, column])
    work = RecordReader(schema, policy, len(keep))
    declared = T.StructType.fromJson(_nullable(spark_json(schema))).fields
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
            texts = batch.columns[-1]
            # an empty string is not a payload either, and Python can hold it
            columns, violations = self.read(pc.if_else(pa.array(invalid_utf8(texts)), "", texts).to_pylist())
            arrays = [*batch.columns[: self.kept], *columns, violations]
            yield pa.RecordBatch.from_arrays(arrays, [f"c{i}" for i in range(len(arrays))])

    def read(self, texts: Sequence[str | None]) -> tuple[list[pa.Array], pa.Array]:
        """The declared columns of payloads, and each one's violations."""
        found: list[Violations] = [[] for _ in texts]
        rows = [self._record(text, into) for text, into in zip(texts, found, strict=True)]
        there = np.array([row is not None for row in rows], bool)
        records = [row for row in rows if row is not None]
        told = [into for into, ok in zip(found, there, strict=True) if ok]
        columns = [
            self._column(spec, [record[str(spec.name)] for record in records], told)
            for spec in self.schema
            if isinstance(spec, ColSpec)
        ]
        bad = np.array([bool(into) for into in found], bool)
        back = pa.array(np.cumsum(there) - 1, mask=bad)
        columns = [array.take(back) for array in columns]
        return columns, pa.array([into or None for into in found], _VIOLATION)

    def _record(self, text: str | None, into: Violations) -> dict[str, Any] | None:
        """One payload's values by column, None where it is no payload; what is wrong with it is noted."""
        try:
            if text is None:
                raise ViolationError("", [Problem("", "null", Code.BAD_PAYLOAD)])
            return self._decoded(_one_record(read_json(text), self.schema), into)
        except ViolationError as error:
            into += [_told(problem) for problem in error.problems]
            return None

    def _decoded(self, record: Mapping[str, Any], into: Violations) -> dict[str, Any]:
        """The declared columns of a record; absent ones are null, and a fault where they are required."""
        reading = Reading(self.policy.zone, instants=True)
        made: dict[str, Any] = {}
        used: set[str] = set()
        for spec in self.schema:
            assert isinstance(spec, ColSpec)
            name = str(spec.name)
            keys = self._keys(record, name)
            used.update(keys)
            if len(keys) > 1:
                reading.wrong(name, f"{len(keys)} fields of this name, but for the case", Code.AMBIGUOUS_COLUMN)
            elif not keys and spec.required:
                reading.wrong(name, "required, but the payload has no such field", Code.MISSING_COLUMN)
            made[name] = decode(record[keys[0]], spec.type, name, reading) if len(keys) == 1 else None
        if self.policy.extra == "forbid" and (more := len(record.keys() - used)):
            reading.problems.append(undeclared(more))
        into += [_told(problem) for problem in reading.problems]
        return made

    def _keys(self, record: Mapping[str, Any], name: str) -> list[str]:
        """The fields of a record that a column is read from, as `columns=` and `case_sensitive=` have it."""
        renamed = self.policy.columns if isinstance(self.policy.columns, Mapping) else {}
        wanted = str(renamed.get(name, name))
        if wanted in record or self.policy.case_sensitive:
            return [wanted] if wanted in record else []
        return [key for key in record if key.lower() == wanted.lower()]

    def _column(self, spec: ColSpec, cells: Sequence[object], found: Sequence[Violations]) -> pa.Array:
        """One declared column; values are judged beside values of their own kinds, so that no neighbour counts."""
        parts, order = [pa.nulls(0, declared_arrow(spec.type))], []
        for rows in _alike(cells, spec.type):
            parts.append(self._judged(spec, [cells[row] for row in rows], [found[row] for row in rows]))
            order += rows
        return pa.concat_arrays(parts).take(pa.array(np.argsort(order), pa.int64()))

    def _judged(self, spec: ColSpec, cells: Sequence[object], found: Sequence[Violations]) -> pa.Array:
        name, kind = str(spec.name), declared_arrow(spec.type)
        schema, policy = Schema([spec]), _policy_of(self.policy, spec)
        held = Held.of([{name: cell} for cell in cells], schema, policy)
        plan: Plan = plan_table(held.table, schema, policy)
        if not plan.ok:
            for into in found:
                into += [_told(problem) for problem in plan.problems]
            return pa.nulls(len(cells), kind)
        judged = held.judged(plan)
        broken = [{violation["path"] for violation in into} for into in found]
        for fault in judged.faults:
            for row in np.flatnonzero(fault.mask).tolist():
                if fault.code is not Code.NULL or fault.path not in broken[row]:  # a bad text is null, no second fault
                    found[row].append(_of_fault(fault))
        return judged.columns[0].cast(kind) if judged.columns else pa.nulls(len(cells), kind)


def _policy_of(policy: Policy, spec: ColSpec) -> Policy:
    """The policy for one column of records that have the declared names, and instants for a zone's wall clocks."""
    known = {"*", *paths_in(spec, str(spec.name))}

    def listed(option: Any) -> Any:
        return option if isinstance(option, bool | str) else [path for path in option if path in known]

    level = policy.level
    level = {path: found for path, found in level.items() if path in known} if isinstance(level, Mapping) else level
    nulls, rounding = listed(policy.allow_nulls), listed(policy.allow_rounding)
    policy = replace(policy, level=level, allow_nulls=nulls, allow_rounding=rounding)
    return replace(policy, columns=None, time_zone=None, extra="ignore")


def _alike(cells: Sequence[object], declared: ColumnType) -> list[list[int]]:
    """The rows whose values have the same classes at every path, nulls among them."""
    groups: dict[frozenset[tuple[str, frozenset[str]]], list[int]] = {}
    for row, cell in enumerate(cells):
        kinds: dict[str, set[str]] = {}
        _note(cell, declared, "", kinds)
        key = frozenset((path, frozenset(names)) for path, names in kinds.items())
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _note(cell: object, declared: ColumnType | None, path: str, kinds: dict[str, set[str]]) -> None:
    if cell is None:
        return
    name = _width(cell) if type(cell) is int else type(cell).__name__ if cell == cell else "NaN"
    kinds.setdefault(path, set()).add(name)
    if isinstance(cell, list):
        for item in cell:
            _note(item, declared.dtype if isinstance(declared, Array) else None, f"{path}[]", kinds)
    elif isinstance(cell, Mapping):
        types = {prop.name: prop.dtype for prop in declared.properties} if isinstance(declared, Object) else {}
        for key, item in cell.items():
            inner = declared.value_type if isinstance(declared, Map) else types.get(key)
            _note(item, inner, f"{path}.{key}" if key in types else f"{path}{{}}", kinds)


def _width(number: int) -> str:
    """How wide a type an integer needs: a double holds it, a long, a decimal, nothing."""
    if abs(number) <= ELEMENTS["float64"].high:
        return "int"
    return "long" if ELEMENTS["int64"].low <= number <= ELEMENTS["int64"].high else str(len(str(abs(number))) > _DIGITS)


_DIGITS = 38


def _nullable(form: Any) -> Any:
    """A Spark type's JSON with nulls admitted everywhere: an optional column has them in required members, too."""
    if isinstance(form, list):
        return [_nullable(item) for item in form]
    if not isinstance(form, dict):
        return form
    flags = ("nullable", "containsNull", "valueContainsNull")
    return {name: True if name in flags else _nullable(item) for name, item in form.items()}


def _one_record(content: Any, schema: Schema) -> Mapping[str, Any]:
    """The record that a payload is, or that a serving payload holds."""
    if not isinstance(content, Mapping):
        raise ViolationError("", [Problem("", "no object", Code.BAD_PAYLOAD)])
    form = [name for name in FORMS if name in content]
    serving = content.keys() <= {*form, "params"} and not content.keys() & {spec.name for spec in schema}
    if len(form) != 1 or not serving:
        return content
    if content.get("params"):
        raise ViolationError("", [Problem("", "params, which a column of payloads has not", Code.BAD_PAYLOAD)])
    record = _held(content[form[0]], form[0])
    if record is None:
        raise ViolationError("", [Problem("", "not exactly one record", Code.BAD_PAYLOAD)])
    return record


def _held(value: Any, form: str) -> Mapping[str, Any] | None:
    """The one record of a serving payload, None where there is not one."""
    if form == "dataframe_split":
        columns, rows = (value.get("columns"), value.get("data")) if isinstance(value, Mapping) else (None, None)
        if not isinstance(columns, list) or not isinstance(rows, list) or len(rows) != 1:
            return None
        names = all(isinstance(name, str) for name in columns) and len(set(columns)) == len(columns)
        fits = names and isinstance(rows[0], list) and len(rows[0]) == len(columns)
        return dict(zip(columns, rows[0], strict=True)) if fits else None
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
        return value[0]
    return value if form == "inputs" and isinstance(value, Mapping) else None


def _told(problem: Problem) -> dict[str, str]:
    return {
        "path": problem.path,
        "code": str(problem.code or Code.BAD_PAYLOAD),
        "expected": "",
        "observed": problem.fact,
    }


def _of_fault(fault: Fault) -> dict[str, str]:
    observed = "null" if fault.code is Code.NULL else fault.types.observed
    return {"path": fault.path, "code": str(fault.code), "expected": fault.types.declared, "observed": observed}


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
