"""Values that a table can hold and Python cannot, each in a row of its own, and the verdict that the row must get.

Imports no test tool: other versions of Spark run it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparksig import (
    AnyType,
    Array,
    ColSpec,
    Map,
    ModelSignature,
    Object,
    Property,
    Schema,
    enforce,
    predict_udf,
    score,
    split,
    tag,
    validate,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = "id"
BROKEN = "cast(X'FF62' as string)"
SURROGATE = "cast(X'EDA080' as string)"
FAR, EARLY = "make_date(10000, 1, 1)", "date_sub(date'0001-01-01', 1)"
FAR_INSTANT, EARLY_INSTANT = "timestamp_micros(253402300800000000)", "timestamp_micros(-62135596800000001)"
LAST_INSTANT, FIRST_INSTANT = "timestamp_micros(253402300799999999)", "timestamp_micros(-62135596800000000)"

MEMBERS = Object([Property("a.b", "string"), Property("`", AnyType(), False)])

VARIANTS: list[tuple[str, str, list[str]]] = [
    ("v", "to_variant_object(named_struct('d', make_date(10000, 1, 1), 's', '+1'))", ["v:OUT_OF_RANGE"]),
    ("v", "to_variant_object(array(named_struct('d', date_sub(date'0001-01-01', 1))))", ["v:OUT_OF_RANGE"]),
    ("v", "cast(timestamp_micros(253402400800000000) as variant)", ["v:OUT_OF_RANGE"]),
    ("v", "parse_json('null')", []),
    ("v", "null", []),
]
"""Of Sparks that have variants."""

COLUMNS: dict[str, tuple[str, ColSpec]] = {
    # a clean value, and what is declared
    "s": ("'\U0001f600'", ColSpec("string", "s")),
    "s?": ("''", ColSpec("string", "s?", False)),
    "t": ("'x'", ColSpec("string", "t")),
    "n": ("'1'", ColSpec("long", "n")),
    "at": ("'2024-01-31'", ColSpec("datetime", "at")),
    "list": ("array('x', 'y')", ColSpec(Array("string"), "list")),
    "parsed": ("array('1')", ColSpec(Array("long"), "parsed")),
    "o": ("named_struct('a.b', 'x', '`', date'2024-01-31')", ColSpec(MEMBERS, "o", False)),
    "m": ("map('k', 'v')", ColSpec(Map("string"), "m")),
    "?": ("'x'", ColSpec(AnyType(), "?")),
    "day": ("date'0001-01-01'", ColSpec(AnyType(), "day")),
    "instant": (LAST_INSTANT, ColSpec(AnyType(), "instant", False)),
    "local": ("timestamp_ntz'9999-12-31 23:59:59.999999'", ColSpec(AnyType(), "local")),
    "days": ("array(date'9999-12-31', null)", ColSpec(Array(AnyType()), "days")),
    "deep": (
        "array(named_struct('x y', map(date'2024-01-31', array('x')), 'n', 1))",
        ColSpec(AnyType(), "deep"),
    ),
}
CASES: list[tuple[str, str, list[str]]] = [
    ("s", BROKEN, ["s:UNPARSABLE"]),
    ("s", SURROGATE, ["s:UNPARSABLE"]),
    ("s", "cast(X'EFBFBD' as string)", []),  # the sign for what is not UTF-8 is a character like any other
    ("s", "cast(X'00' as string)", []),
    ("s", "null", ["s:NULL"]),
    ("s?", "null", []),
    ("s?", "cast(X'C080' as string)", ["s?:UNPARSABLE"]),
    ("t", "cast(X'F4908080' as string)", ["t:UNPARSABLE"]),
    ("n", BROKEN, ["n:UNPARSABLE"]),
    ("at", "cast(X'323032342D30312D3331FF' as string)", ["at:UNPARSABLE"]),
    ("list", f"array('x', {BROKEN})", ["list[]:UNPARSABLE"]),
    ("list", f"array(null, {BROKEN})", ["list[]:NULL", "list[]:UNPARSABLE"]),
    ("list", "cast(array() as array<string>)", []),
    ("parsed", f"array({BROKEN})", ["parsed[]:UNPARSABLE"]),
    ("o", f"named_struct('a.b', {BROKEN}, '`', date'2024-01-31')", ["o.a.b:UNPARSABLE"]),
    ("o", f"named_struct('a.b', 'x', '`', {FAR})", ["o.`:OUT_OF_RANGE"]),
    ("o", "named_struct('a.b', 'x', '`', cast(null as date))", []),
    ("o", "null", []),
    ("m", f"map({BROKEN}, 'v')", ["m:UNPARSABLE"]),
    ("m", f"map('k', {BROKEN}, 'l', 'x')", ["m{}:UNPARSABLE"]),
    ("m", f"map({SURROGATE}, {BROKEN})", ["m:UNPARSABLE", "m{}:UNPARSABLE"]),
    ("m", "cast(map() as map<string,string>)", []),
    ("?", BROKEN, ["?:UNPARSABLE"]),
    ("?", "null", ["?:NULL"]),
    ("day", FAR, ["day:OUT_OF_RANGE"]),
    ("day", EARLY, ["day:OUT_OF_RANGE"]),
    ("day", "date_add(date'9999-12-31', 100000000)", ["day:OUT_OF_RANGE"]),
    ("instant", FAR_INSTANT, ["instant:OUT_OF_RANGE"]),
    ("instant", EARLY_INSTANT, ["instant:OUT_OF_RANGE"]),
    ("instant", "timestamp_micros(9223372036854775807)", ["instant:OUT_OF_RANGE"]),
    ("instant", FIRST_INSTANT, []),
    ("instant", "null", []),
    ("local", "make_timestamp_ntz(10000, 1, 1, 0, 0, 0)", ["local:OUT_OF_RANGE"]),
    ("local", "timestamp_ntz'0001-01-01 00:00:00'", []),
    ("days", f"array({EARLY})", ["days[]:OUT_OF_RANGE"]),
    ("deep", f"array(named_struct('x y', map({FAR}, array('x')), 'n', 1))", ["deep[].x y:OUT_OF_RANGE"]),
    (
        "deep",
        f"array(null, named_struct('x y', map(date'2024-01-31', array({BROKEN})), 'n', 1))",
        ["deep[].x y{}[]:UNPARSABLE"],
    ),
    ("deep", "array(named_struct('x y', cast(null as map<date,array<string>>), 'n', 1), null)", []),
]
EXPECTED = {"clean": "", **{f"r{i}": ";".join(sorted(faults)) for i, (*_, faults) in enumerate(CASES)}}
SCHEMA = Schema([spec for _, spec in COLUMNS.values()])
OUTPUT = Schema([ColSpec("long")])
SIGNATURE = ModelSignature(SCHEMA, OUTPUT)
OPTIONS: dict[str, Any] = {"level": {"n": "parse", "at": "parse", "parsed": "parse"}}


def frame(spark: SparkSession) -> DataFrame:
    """The table: a clean row, then a row for each case."""
    clean = {name: value for name, (value, _) in COLUMNS.items()}
    rows = [("clean", clean), *((f"r{i}", {**clean, name: value}) for i, (name, value, _) in enumerate(CASES))]
    selects = [f"select '{key}', {', '.join(values.values())}" for key, values in rows]
    return spark.sql(" union all ".join(selects)).toDF(KEY, *COLUMNS).repartition(2)


def verdict(violations: Any) -> str:
    return ";".join(sorted(f"{each.path}:{each.code}" for each in violations or ()))


def answers(spark: SparkSession) -> dict[str, Any]:
    """What every verb says of each row."""
    df = frame(spark)
    tagged = {
        row[KEY]: verdict(row["_violations"]) for row in tag(df, SCHEMA, **OPTIONS).select(KEY, "_violations").collect()
    }
    parts = split(df, SCHEMA, keep=[KEY], **OPTIONS)
    parted = {row[KEY]: "" for row in parts.accepted.select(KEY).collect()}
    parted |= {row[KEY]: verdict(row["_violations"]) for row in parts.quarantined.select(KEY, "_violations").collect()}
    report = validate(df, SCHEMA, **OPTIONS)
    clean = [key for key, found in EXPECTED.items() if not found]
    enforced = enforce(df.where(df[KEY].isin(clean)), SCHEMA, keep=[KEY], **OPTIONS).select(KEY).collect()
    found: dict[str, Any] = {"tag": tagged, "split": parted, "enforce": sorted(row[KEY] for row in enforced)}
    found["validate"] = {
        "clean": report.rows_clean,
        "violations": {f"{count.path}:{count.code}": count.rows for count in report.violations},
    }

    def model(batch: Any) -> list[int]:
        return [len(repr(row)) for row in batch.itertuples()]

    scored = score(df, model, SIGNATURE, keep=[KEY], **OPTIONS).collect()
    found["score"] = {row[KEY]: verdict(row["_violations"]) for row in scored}
    found["unscored"] = sorted(row[KEY] for row in scored if row["prediction"] is None)
    return found


def expected_answers() -> dict[str, Any]:
    counts: dict[str, int] = {}
    for fault in ";".join(filter(None, EXPECTED.values())).split(";"):
        counts[fault] = counts.get(fault, 0) + 1
    clean = sorted(key for key, found in EXPECTED.items() if not found)
    return {
        **{verb: dict(EXPECTED) for verb in ("tag", "split", "score")},
        "validate": {"clean": len(clean), "violations": counts},
        "enforce": clean,
        "unscored": sorted(key for key, found in EXPECTED.items() if found),
    }


def predicted(spark: SparkSession) -> dict[str, bool]:
    """Whether `predict_udf` scores a row, where dirty rows are null."""
    from pyspark.sql import functions as F

    # before Spark 4.1 no map reaches a UDF whose keys are not strings
    signature = ModelSignature(Schema([spec for name, (_, spec) in COLUMNS.items() if name != "deep"]), OUTPUT)
    udf = predict_udf(
        lambda batch: [len(repr(row)) for row in batch.itertuples()], signature, on_violation="null", **OPTIONS
    )
    table = frame(spark).drop("deep")
    rows = table.select(KEY, udf(F.struct("*")).alias("p")).collect()
    return {row[KEY]: row["p"] is not None for row in rows}


def expected_predicted() -> dict[str, bool]:
    deep = {f"r{i}" for i, (name, *_) in enumerate(CASES) if name == "deep"}
    return {key: key in deep or not faults for key, faults in EXPECTED.items()}
