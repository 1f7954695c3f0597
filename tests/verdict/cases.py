"""One table of cases for every place that gives verdicts, and the expected verdict of each row.

A case is a cell: a value of a column, and its expected violations. The oracle computes them where it can; vectors and
tensors are written by hand. Imports no test tool: other versions of Spark run this module alone.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from sparksig import ModelSignature, Policy, Schema, enforce, plan, score, split, tag, validate
from tests.enforcement import oracle

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

Fault = tuple[str, str]
Verdicts = dict[str, list[str]]
"""By row key, the verdict of each row that has it: `path:CODE;path:CODE`, empty for a clean row."""

KEY = "id"
NAN, INF = float("nan"), float("inf")
UTC = dt.UTC


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        group: the signature that declares it.
        name: its name, in the table and in the signature.
        kind: Spark's JSON of its type, or `vector`.
        declared: MLflow's JSON of the declared type, without the name.
        cells: its values, each with the faults that it must show.
        level: its cast level.
        rounds: whether its numbers may be rounded.
    """

    group: str
    name: str
    kind: Any
    declared: dict[str, Any]
    cells: tuple[tuple[Any, tuple[Fault, ...]], ...]
    level: str = "safe"
    rounds: bool = False


# ---- types, as Spark writes them


def array(element: Any) -> dict[str, Any]:
    return {"type": "array", "elementType": element, "containsNull": True}


def mapping(value: Any) -> dict[str, Any]:
    return {"type": "map", "keyType": "string", "valueType": value, "valueContainsNull": True}


def struct(**fields: Any) -> dict[str, Any]:
    return structure(fields)


def structure(fields: dict[str, Any]) -> dict[str, Any]:
    made = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in fields.items()]
    return {"type": "struct", "fields": made}


def objects(properties: dict[str, Any], optional: Sequence[str] = ()) -> dict[str, Any]:
    made = {name: {**declared, "required": name not in optional} for name, declared in properties.items()}
    return {"type": "object", "properties": made}


def of(name: str) -> dict[str, Any]:
    return {"type": name}


# ---- columns


def judged(
    name: str, kind: Any, declared: str | dict[str, Any], values: Sequence[Any], level: str = "safe", **more: Any
) -> Column:
    """A column, of the first signature unless `group` names another, whose faults the oracle tells."""
    asked = of(declared) if isinstance(declared, str) else declared
    required, rounds = more.get("required", True), more.get("rounds", False)
    group = more.get("group", "columns")
    options = {"column": True, "rounding": rounds, "zone": ZONE if group == "zoned" else "UTC"}
    cells = tuple((v, tuple(oracle.judge(v, kind, asked, name, not required, options)[1])) for v in [*values, None])
    return Column(group, name, kind, {**asked, "required": required}, cells, level, rounds)


def told(group: str, name: str, kind: Any, declared: dict[str, Any], cells: Any, level: str = "safe") -> Column:
    """A column whose faults are written down; `cells` has (value, `[]:CODE`, ..) with paths inside the column."""
    made = tuple((value, tuple((name + path, code) for path, code in map(_parted, faults))) for value, *faults in cells)
    return Column(group, name, kind, declared, made, level)


def _parted(fault: str) -> tuple[str, str]:
    path, _, code = fault.rpartition(":")
    return path, code


def tensor(dtype: str, *shape: int) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *shape]}}


def moment(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]


def instants(moments: Sequence[dt.datetime]) -> list[dt.datetime]:
    return [each.replace(tzinfo=UTC) for each in moments]


LONG_AGO, FAR_OFF = oracle.FIRST, oracle.LAST
MICRO = dt.timedelta(microseconds=1)
MOMENTS = [
    *(moment(2024, 2, 29, 12, 0, 0, 1), moment(1969, 12, 31, 23, 59, 59, 999999), moment(1900, 1, 1)),
    *(moment(2018, 11, 4), moment(2018, 11, 4, 0, 30), moment(2018, 2, 17, 23, 30), moment(1986, 1, 1, 0, 7)),
    *(LONG_AGO, LONG_AGO - MICRO, FAR_OFF, FAR_OFF + MICRO, moment(9999, 12, 30), moment(1583, 1, 1)),
]
LONGS = [0, -1, 2**24, 2**24 + 1, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
DOUBLES = [
    *(0.0, -0.0, 1.0, 1.5, 0.1, 2147483647.0, 2147483647.5, -2147483649.0, 9223372036854774784.0, 2.0**63),
    *(1e300, 5e-324, 1e-40, 1e39, NAN, INF, -INF, 16777217.0, -(2.0**63)),
]
NUMBERS_AS_TEXT = [
    *("0", "-0", "+7", "007", " 12", "12\n", "1_000", "1.0", ".5", "1e3", "", "1d", "NaN", "nan", "Infinity", "inf"),
    *("2147483648", "9223372036854775807", "9223372036854775808", "9" * 60, "1e309", "1e-400", "0.1", "\u0661"),
    *("16777217", "3.4028236e38", "-0.0"),
]
MOMENTS_AS_TEXT = [
    *("2024-02-29", "2023-02-29", "2024-1-5", "2018-11-04", "2018-11-04T00:30:00", "2024-01-05 23:59:59.123456"),
    *("2024-01-05T10:00:00Z", "2024-01-05T10:00:00+02:00", "2024-01-05T10:00-03:30", "2024-01-05T10:00"),
    *("2024-01-05T10:00:00.1234567", "2024-01-05T24:00:00", "2262-04-12", "9999-12-31", "now", "2024-01-05T10"),
]


def scalar_columns() -> Iterator[Column]:
    """One column for each way that a scalar may go."""
    yield judged("flag", "boolean", "boolean", [True, False])
    yield judged("flag?", "boolean", "boolean", [True, False], required=False)
    yield judged("byte as integer", "byte", "integer", [0, -128, 127])
    yield judged("short as float", "short", "float", [1, -(2**15)])
    yield judged("a.b", "integer", "double", [1, 2**31 - 1])
    yield judged("integer as float", "integer", "float", [1, 2**24, 2**24 + 1], "checked")
    yield judged("`tick`", "long", "integer", LONGS, "checked")
    yield judged("long as double", "long", "double", LONGS, "checked")
    yield judged("long", "long", "long", LONGS)
    yield judged("long?", "long", "long", LONGS, required=False)
    yield judged("sepal length (cm)", "double", "integer", DOUBLES, "checked")
    yield judged("double as long", "double", "long", DOUBLES, "checked")
    yield judged("${env:HOME}", "double", "float", DOUBLES, "checked")
    yield judged("rounded", "double", "float", DOUBLES, rounds=True)
    yield judged("double?", "double", "double", DOUBLES, required=False)
    yield judged("float as double", "float", "double", [0.5, -0.0, NAN, INF])
    yield judged("float as integer", "float", "integer", [1.0, -0.0, 0.5, NAN, INF, 2.0**31], "checked")
    yield from decimal_columns()
    yield judged("text", "string", "string", ["", "x", "\U0001f600", "${env:HOME}", "a\nb", "null"])
    yield judged("text?", "string", "string", ["", "x"], required=False)
    for target in ("integer", "long", "float", "double"):
        yield judged(f"text as {target}", "string", target, NUMBERS_AS_TEXT, "parse")
    yield judged("text as boolean", "string", "boolean", ["true", "FALSE", "tRuE", "t", "1", "", "true "], "parse")
    yield judged("text as datetime", "string", "datetime", MOMENTS_AS_TEXT, "parse")
    yield judged("binary", "binary", "binary", [b"", b"1", b"\xff\x00"])
    days = sorted({each.date() for each in MOMENTS} | {dt.date(1, 1, 1), dt.date(9999, 12, 31)})
    yield judged("day", "date", "datetime", days)
    yield judged("instant", "timestamp", "datetime", instants(MOMENTS))
    yield judged("instant?", "timestamp", "datetime", instants(MOMENTS[:3]), required=False)
    yield judged("\u00fcber 'wall' \"clock\"", "timestamp_ntz", "datetime", MOMENTS)


ZONE = "America/Sao_Paulo"
"""The zone of the signature whose moments are not in UTC: its clocks were put forward at midnight."""


def zoned_columns() -> Iterator[Column]:
    """Moments that the policy reads in a zone: midnights and hours that it has not, hours that it has twice."""
    near = [moment(2018, 11, 3, 23, 59, 59, 999999), moment(2018, 11, 4, 1), moment(2018, 2, 17, 23, 59, 59)]
    walls = [*MOMENTS, *near]
    yield judged("zoned day", "date", "datetime", sorted({each.date() for each in walls}), group="zoned")
    yield judged("zoned instant", "timestamp", "datetime", instants(walls), group="zoned")
    yield judged("zoned wall clock", "timestamp_ntz", "datetime", walls, group="zoned")
    yield judged("zoned text", "string", "datetime", MOMENTS_AS_TEXT, "parse", group="zoned")


def decimal_columns() -> Iterator[Column]:
    nines = Decimal(10**20 - 1)
    yield judged("decimal(9,0)", "decimal(9,0)", "integer", [Decimal(0), Decimal(10**9 - 1)])
    yield judged(
        "decimal(20,2)", "decimal(20,2)", "long", [Decimal("1.00"), Decimal("1.01"), Decimal(10**17)], "checked"
    )
    wide = [Decimal(1), Decimal("0.5"), Decimal("1e-18"), Decimal(2**53 + 1), nines, Decimal("0.1")]
    yield judged("decimal(38,18)", "decimal(38,18)", "double", wide, "checked")
    yield judged("decimal(38,0)", "decimal(38,0)", "long", [Decimal(2**63 - 1), Decimal(2**63), nines], "checked")
    yield judged("decimal(15,2)", "decimal(15,2)", "double", [Decimal("0.10"), Decimal("9999999999999.99")])


NAMES = ("a", "a.b", "x y", "`", "${env:HOME}", "_0", "\U0001f600")


def nested_columns() -> Iterator[Column]:
    """Arrays, structs and maps in one another, with names that no SQL text may hold."""
    integers = {"type": "array", "items": of("integer")}
    texts = [["1", "2"], [], ["1", None], ["x", "3000000000"], [None]]
    yield judged("texts", array("string"), integers, texts, "parse")
    yield judged("texts?", array("string"), integers, texts, "parse", required=False)
    deep = [[[1], [2, 3]], [[], []], [], [None, [1]], [[2**40, None]]]
    yield judged("deep", array(array("long")), {"type": "array", "items": integers}, deep, "checked")
    hostile = objects({name: of("integer") for name in NAMES}, optional=NAMES[:2])
    full = dict.fromkeys(NAMES, 1)
    bad = [{**full, name: value} for name in NAMES for value in (None, 2**40)]
    yield judged("hostile", structure(dict.fromkeys(NAMES, "long")), hostile, [full, *bad], "checked")
    scores = {"type": "map", "values": of("float")}
    maps: list[Any] = [{"k": 0.5}, {}, {"k": 0.1, "l": None}, {"": NAN, "${env:HOME}": 1e300}]
    yield judged("scores", mapping("double"), scores, maps, "checked")
    yield judged("scores?", mapping("double"), scores, maps, "checked", required=False)
    item = struct(sku="string", at=array("date"))
    basket = {
        "type": "map",
        "values": {"type": "array", "items": objects({"sku": of("string"), "at": _days()}, ["at"])},
    }
    baskets = [
        *({}, {"k": []}, {"k": [{"sku": "s", "at": None}]}, {"k": [{"sku": "s", "at": [dt.date(2018, 11, 4)]}]}),
        *({"k": None}, {"k": [None]}, {"k": [{"sku": None, "at": [dt.date(9999, 12, 31), None]}], "l": [None]}),
    ]
    yield judged("baskets", mapping(array(item)), basket, baskets)
    absent = objects({"n": of("long"), "gone": {"type": "array", "items": of("string")}}, ["gone"])
    yield judged("absent member", struct(n="long"), absent, [{"n": 1}, {"n": None}])
    yield judged("any", struct(x="string", y=mapping("long")), "any", [{"x": None, "y": {"k": None}}])
    anything = objects(
        {"e": {"type": "array", "items": of("any")}, "v": {"type": "map", "values": of("any")}, "x": of("any")}
    )
    loose: list[Any] = [{"e": [None, 1], "v": {"k": None}, "x": None}, {"e": [], "v": {}, "x": "s"}]
    loose += [{"e": None, "v": {"k": 0.5}, "x": None}, {"e": [2], "v": None, "x": "t"}]
    yield judged("nulls in any", struct(e=array("long"), v=mapping("double"), x="string"), anything, loose)
    yield judged("interval", "interval day to second", "any", [dt.timedelta(days=1)])


def _days() -> dict[str, Any]:
    return {"type": "array", "items": of("datetime")}


def vector_columns() -> Iterator[Column]:
    vector = {**of("sparkml_vector"), "required": True}
    dense, sparse = ("dense", [1.0, NAN]), ("sparse", 4, {1: 2.0})
    yield told("columns", "vector", "vector", vector, [(dense,), (sparse,), (("dense", []),), (None, ":NULL")])
    optional = {**vector, "required": False}
    yield told("columns", "vector?", "vector", optional, [(sparse,), (None,)])
    cells = [([1.0, -0.0],), ([],), ([1.0, None], "[]:NULL"), (None, ":NULL")]
    yield told("columns", "array as vector", array("double"), vector, cells)


def tensor_columns() -> Iterator[Column]:
    """Tensors in every layout."""
    flat = [
        *(([1.0, 2.0, 3.0, 4.0],), ([NAN, -0.0, INF, 0.0],), ([1.0, None, 2.0, 3.0], "[]:NULL")),
        *(([1.0], ":WRONG_LENGTH"), ([], ":WRONG_LENGTH"), (None, ":NULL"), ([None], ":WRONG_LENGTH", "[]:NULL")),
    ]
    yield told("tensors", "flat", array("float"), tensor("float32", 2, 2), flat)
    open_ended = [
        *(([[1.0, 2.0], [3.0, NAN]],), ([[], []],), ([[1.0], [2.0, 3.0]], ":WRONG_SHAPE"), ([], ":WRONG_SHAPE")),
        *(([[1.0], None], "[]:NULL"), ([[1.0, None], [2.0, 3.0]], "[][]:NULL"), (None, ":NULL")),
    ]
    yield told("tensors", "nested", array(array("double")), tensor("float64", 2, -1), open_ended)
    cube = [
        *(
            ([[[1.0, 2.0]], [[-0.0, NAN]]],),
            ([[[0.1, 1e300]], [[0.0, 0.0]]], "[][][]:NOT_EXACT", "[][][]:OUT_OF_RANGE"),
        ),
        *(([[[1.0, 2.0]]], ":WRONG_SHAPE"), ([None, [None]], "[]:NULL", "[][]:NULL")),
    ]
    yield told("tensors", "cube", array(array(array("double"))), tensor("float32", 2, 1, 2), cube, "checked")
    longs = [([1, -(2**31), 2**31 - 1],), ([0, 0, 2**31], "[]:OUT_OF_RANGE"), ([None, 2**31, 0], *_NULL_AND_RANGE)]
    yield told("tensors", "long as int32", array("long"), tensor("int32", 3), longs, "checked")
    half = [([65504.0, -0.0],), ([NAN, INF],), ([65520.0, 0.0], "[]:OUT_OF_RANGE"), ([65505.0, 1.0], "[]:NOT_EXACT")]
    yield told("tensors", "float16", array("double"), tensor("float16", 2), half, "checked")
    small = [([0, 255],), ([0, 256], "[]:OUT_OF_RANGE"), ([-1, None], *_NULL_AND_RANGE)]
    yield told("tensors", "uint8", array("integer"), tensor("uint8", 2), small, "checked")
    big = [([Decimal(2**64 - 1)],), ([Decimal(2**64)], "[]:OUT_OF_RANGE"), ([Decimal(-1)], "[]:OUT_OF_RANGE")]
    yield told("tensors", "uint64", array("decimal(20,0)"), tensor("uint64", 1), big)
    vectors = [
        *((("dense", [1.0, NAN, -0.0]),), (("sparse", 3, {1: 2.0}),), (("sparse", 4, {}), ":WRONG_LENGTH")),
        *((("dense", []), ":WRONG_LENGTH"), (None, ":NULL")),
    ]
    yield told("tensors", "vector tensor", "vector", tensor("float64", 3), vectors)
    one = [(0.5,), (NAN,), (0.1, ":NOT_EXACT"), (None, ":NULL")]
    yield told("tensors", "one", "double", tensor("float32", 1), one, "checked")


_NULL_AND_RANGE = ("[]:NULL", "[]:OUT_OF_RANGE")


def binary_columns() -> Iterator[Column]:
    eight = [(b"\x00\xff\x01\x02",), (b"\x00", ":WRONG_LENGTH"), (b"", ":WRONG_LENGTH"), (None, ":NULL")]
    yield told("bytes", "uint8 bytes", "binary", tensor("uint8", 4), eight)
    bits = [(b"\x00\x01",), (b"\x00\x02", "[]:OUT_OF_RANGE"), (b"\x01", ":WRONG_LENGTH"), (None, ":NULL")]
    yield told("bytes", "bool bytes", "binary", tensor("bool", 2), bits)


def entry_columns() -> Iterator[Column]:
    """Three scalar columns that are one tensor of three entries a row."""
    for name, kind, values in (("e 1", "double", DOUBLES), ("e.2", "long", LONGS), ("e`3", "float", [0.5, NAN, -0.0])):
        cells = [(v, tuple(oracle.judge(v, kind, of("float"), name, False, {})[1])) for v in [*values, None]]
        yield Column("entries", name, kind, {}, tuple(cells), "checked")


@cache
def columns() -> tuple[Column, ...]:
    made = (
        *(scalar_columns, nested_columns, vector_columns, tensor_columns, binary_columns, entry_columns),
        zoned_columns,
    )
    return tuple(column for make in made for column in make())


GROUPS = ("columns", "tensors", "bytes", "entries", "zoned")
TURNED = GROUPS
"""The groups whose rows can be had as declared."""


def of_group(group: str) -> list[Column]:
    return [column for column in columns() if column.group == group]


def signature(group: str) -> Schema:
    if group == "entries":
        return Schema.from_json(json.dumps([tensor("float32", 3)]))
    return Schema.from_json(json.dumps([{**column.declared, "name": column.name} for column in of_group(group)]))


def policy(group: str) -> Policy:
    names = [column.name for column in of_group(group)]
    if group == "entries":
        return Policy(level="checked", columns=names, keep=[KEY])
    levels = {column.name: column.level for column in of_group(group)}
    rounding = [column.name for column in of_group(group) if column.rounds]
    zone = ZONE if group == "zoned" else None
    return Policy(level=levels, allow_rounding=rounding, keep=[KEY], time_zone=zone)


# ---- rows

MIXED = 60
TWICE = 40


@cache
def choices() -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Each row of the table: its key, and which cell of each column it has.

    Every cell once beside clean ones, then rows in which anything meets anything, then some rows a second time.
    """
    sizes = [len(column.cells) for column in columns()]
    clean = [[i for i, (_, faults) in enumerate(column.cells) if not faults] for column in columns()]
    chosen: list[tuple[int, ...]] = []
    for i, size in enumerate(sizes):
        for cell in range(size):
            row = [good[(len(chosen) + at) % len(good)] for at, good in enumerate(clean)]
            chosen.append((*row[:i], cell, *row[i + 1 :]))
    for mixed in range(MIXED):
        chosen.append(tuple((mixed * (at % 5 + 1) + at) % size for at, size in enumerate(sizes)))
    rows = [(f"r{number}", cells) for number, cells in enumerate(chosen)]
    return (*rows, *rows[:: len(rows) // TWICE], *rows[-1:])


def faults_of(cells: Sequence[int], group: str) -> list[str]:
    found = zip(columns(), cells, strict=True)
    return sorted(f"{p}:{code}" for column, at in found if column.group == group for p, code in column.cells[at][1])


@cache
def expected(group: str) -> Verdicts:
    """The one verdict."""
    return collected((key, ";".join(faults_of(cells, group))) for key, cells in choices())


def collected(pairs: Any) -> Verdicts:
    found: Verdicts = {}
    for key, verdict in pairs:
        found.setdefault(key, []).append(verdict)
    return {key: sorted(verdicts) for key, verdicts in sorted(found.items())}


def frame(spark: SparkSession) -> DataFrame:
    """The table, made in memory: the columns of all groups, the key, and by group whether the row is clean."""
    from pyspark.sql import types as T

    kinds = {column.name: column.kind for column in columns()}
    marks = {f"clean {group}": "boolean" for group in GROUPS}
    fields = [T.StructField(name, _spark_type(kind)) for name, kind in {**kinds, KEY: "string", **marks}.items()]
    rows = []
    for key, cells in choices():
        values = [_spark_value(c.cells[at][0], c.kind) for c, at in zip(columns(), cells, strict=True)]
        rows.append((*values, key, *(not faults_of(cells, group) for group in GROUPS)))
    return spark.createDataFrame(rows, T.StructType(fields))


def _spark_type(kind: Any) -> Any:
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import types as T

    if kind == "vector":
        return VectorUDT()
    field = {"name": "x", "type": kind, "nullable": True, "metadata": {}}
    return T.StructType.fromJson({"type": "struct", "fields": [field]})["x"].dataType


def _spark_value(value: Any, kind: Any) -> Any:
    """A value as createDataFrame takes it: structs as tuples in the order of their fields."""
    if value is None:
        return None
    if kind == "vector":
        from pyspark.ml.linalg import Vectors

        return Vectors.dense(value[1]) if value[0] == "dense" else Vectors.sparse(value[1], value[2])
    if isinstance(kind, str):
        return bytearray(value) if kind == "binary" else value
    if kind["type"] == "struct":
        return tuple(_spark_value(value[field["name"]], field["type"]) for field in kind["fields"])
    if kind["type"] == "map":
        return {key: _spark_value(item, kind["valueType"]) for key, item in value.items()}
    return [_spark_value(item, kind["elementType"]) for item in value]


# ---- the verbs


def verdict(violations: Any) -> str:
    return ";".join(sorted(f"{each.path}:{each.code}" for each in violations or ()))


def tag_all(df: DataFrame) -> DataFrame:
    """The key, and the violations of each group under the group's name."""
    tagged = df
    for group in GROUPS:
        renamed = Policy(**{**_fields(policy(group)), "violations_column": group})
        tagged = tag(tagged, signature(group), renamed)
    return tagged.select(KEY, *GROUPS)


def _fields(made: Policy) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Policy.__dataclass_fields__}


def tagged_verdicts(df: DataFrame) -> dict[str, Verdicts]:
    """What `tag` says, of all groups in one job."""
    rows = tag_all(df).collect()
    return {group: collected((row[KEY], verdict(row[group])) for row in rows) for group in GROUPS}


def split_verdicts(df: DataFrame, group: str) -> Verdicts:
    """What `split` says: a row is in exactly one of its frames. One job for each frame."""
    parts = split(df, signature(group), policy(group))
    clean = [(row[KEY], "") for row in parts.accepted.collect()]
    dirty = [(row[KEY], verdict(row["_violations"])) for row in parts.quarantined.select(KEY, "_violations").collect()]
    return collected(clean + dirty)


def counted(verdicts: Verdicts) -> dict[str, Any]:
    """What `validate` must say of such verdicts."""
    rows = [each for found in verdicts.values() for each in found]
    counts = Counter(fault for row in rows for fault in row.split(";") if fault)
    return {"rows_in": len(rows), "rows_clean": rows.count(""), "violations": dict(sorted(counts.items()))}


def validated(df: DataFrame, group: str) -> dict[str, Any]:
    report = validate(df, signature(group), policy(group))
    counts: Counter[str] = Counter()
    for count in report.violations:
        counts[f"{count.path}:{count.code}"] += count.rows
    return {"rows_in": report.rows_in, "rows_clean": report.rows_clean, "violations": dict(sorted(counts.items()))}


@cache
def worst(group: str) -> str:
    """The key of the row with the most faults."""
    return max(expected(group), key=lambda key: expected(group)[key][0].count(":"))


def enforced(df: DataFrame, group: str) -> dict[str, Any]:
    """Whether `enforce` passes the clean rows, which ones, and what it says of the worst one."""
    clean = enforce(df.where(f"`clean {group}`"), signature(group), policy(group)).collect()
    failed = enforce(df.where(f"{KEY} = '{worst(group)}'"), signature(group), policy(group))
    return {"passed": collected((row[KEY], "") for row in clean), "failed": failed_with(failed.collect, group)}


def failed_with(act: Callable[[], object], group: str) -> str:
    """The faults that a failing action tells, out of all that there are; `passed` for one that does not fail."""
    try:
        act()
    except Exception as error:
        told = str(error)
        known = {fault for rows in expected(group).values() for row in rows for fault in row.split(";") if fault}
        return ";".join(sorted(fault for fault in known if _tells(told, *_parted(fault))))
    return "passed"


def _tells(message: str, path: str, code: str) -> bool:
    """Whether a message tells a fault, and not only one whose path ends alike."""
    return any(f"{before} {path}: {code} (declared" in message for before in ("signature:", ";"))


def plain_enforced(group: str) -> dict[str, Any]:
    """What `enforced` must say."""
    passed = {key: rows for key, rows in expected(group).items() if rows[0] == ""}
    return {"passed": passed, "failed": expected(group)[worst(group)][0]}


# ---- scoring: what a model can be fed with

SCORED = {
    "columns": [
        "`tick`",
        "double as long",
        "${env:HOME}",
        "long?",
        "text",
        "text as double",
        "flag?",
        "instant",
        "day",
    ],
    "tensors": ["flat", "long as int32", "float16", "uint8"],
}


def scored_signature(group: str) -> ModelSignature:
    specs = [{**c.declared, "name": c.name} for c in of_group(group) if c.name in SCORED[group]]
    outputs = Schema.from_json(json.dumps([{"type": "double", "name": "seen", "required": True}]))
    return ModelSignature(Schema.from_json(json.dumps(specs)), outputs)


def scored_policy(group: str) -> Policy:
    return Policy(level={c.name: c.level for c in of_group(group) if c.name in SCORED[group]})


def scored_verdict(row_verdict: str, group: str) -> str:
    """The part of a row's verdict that speaks of the columns which are scored."""
    declared = [c.name for c in of_group(group) if c.name in SCORED[group]]
    faults = [fault for fault in row_verdict.split(";") if fault]
    names = {fault: fault.rpartition(":")[0].removesuffix("[]") for fault in faults}
    return ";".join(fault for fault in faults if names[fault] in declared)


def model_of(group: str) -> Callable[[Any], pd.DataFrame]:
    """A model that tells what has reached it; made here so that it travels as code, not as the name of this file."""
    if group == "tensors":

        def tensors(batch: Any) -> pd.DataFrame:
            import pandas as pd

            return pd.DataFrame({"seen": batch["uint8"].astype("float64") @ [1000.0, 1.0]})

        return tensors

    def scalars(batch: Any) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"seen": batch["`tick`"] + batch["text"].str.len() / 1000})

    return scalars


def seen(cells: Sequence[int], group: str) -> float:
    """What that model says of a row."""
    values = {column.name: column.cells[at][0] for column, at in zip(columns(), cells, strict=True)}
    if group == "tensors":
        return float(values["uint8"][0] * 1000.0 + values["uint8"][1])
    return float(values["`tick`"] + len(values["text"]) / 1000)


def scored(df: DataFrame, group: str) -> Verdicts:
    """What `score` says of each row: the verdict, or what the model saw."""
    found = score(df, model_of(group), scored_signature(group), policy=scored_policy(group), keep=[KEY]).collect()
    return collected((r[KEY], verdict(r["_violations"]) if r["_violations"] else repr(r["prediction"])) for r in found)


def expected_scores(group: str) -> Verdicts:
    pairs = []
    for key, cells in choices():
        found = scored_verdict(";".join(faults_of(cells, group)), group)
        pairs.append((key, found or repr(seen(cells, group))))
    return collected(pairs)


# ---- everything


def answers(df: DataFrame, scoring: bool = True) -> dict[str, Any]:
    """What every verb says of the table, as JSON values."""
    found: dict[str, Any] = {"tag": tagged_verdicts(df)}
    found["plan"] = {group: plan(df, signature(group), policy(group)).ok for group in GROUPS}
    found["validate"] = {group: validated(df, group) for group in GROUPS}
    found["split"] = {group: split_verdicts(df, group) for group in TURNED}
    found["enforce"] = {group: enforced(df, group) for group in TURNED}
    if scoring:
        found["score"] = {group: scored(df, group) for group in SCORED}
    return found


def expected_answers(scoring: bool = True) -> dict[str, Any]:
    """What they must say, everywhere."""
    found: dict[str, Any] = {
        "tag": {group: expected(group) for group in GROUPS},
        "plan": dict.fromkeys(GROUPS, True),
        "validate": {group: counted(expected(group)) for group in GROUPS},
        "split": {group: expected(group) for group in TURNED},
        "enforce": {group: plain_enforced(group) for group in TURNED},
    }
    return {**found, "score": {group: expected_scores(group) for group in SCORED}} if scoring else found


def differences(found: Any, wanted: Any, where: str = "") -> list[str]:
    """Where two trees of JSON values differ: a few lines instead of a page."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        return [line for key in keys for line in differences(found.get(key), wanted.get(key), f"{where}/{key}")]
    return [] if found == wanted else [f"{where}: {found!r}, not {wanted!r}"]
