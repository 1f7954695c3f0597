"""One bad value never ends a job: it is a violation of its row, the same one in every interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparksig import AnyType, ColSpec, Map, ModelSignature, Policy, Schema, TensorSpec, score, tag
from sparksig.enforcement.planning import plan_table
from sparksig.enforcement.values import enforce_arrow
from sparksig.sources.observed import table_from_arrow
from tests.verdict import cases, unrepresentable
from tests.verdict.unrepresentable import EXPECTED, KEY, OPTIONS, SCHEMA, VARIANTS, frame, verdict

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@pytest.mark.parametrize("zone", [pytest.param("UTC", marks=pytest.mark.cluster), "Pacific/Kiritimati"])
def test_plan_quarantines_the_rows_that_python_cannot_hold(spark: SparkSession, zone: str) -> None:
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        found = unrepresentable.answers(spark)
        predicted = unrepresentable.predicted(spark)
        in_arrow = arrow_verdicts(frame(spark))
    finally:
        spark.conf.set("spark.sql.session.timeZone", str(before))
    assert cases.differences(found, unrepresentable.expected_answers()) == []
    assert cases.differences(in_arrow, EXPECTED) == []
    assert cases.differences(predicted, unrepresentable.expected_predicted()) == []


def arrow_verdicts(df: DataFrame) -> dict[str, str]:
    # toArrow() casts to the schema of the frame, which fails where a null struct has a field that is never null
    collect: Any = df._collect_as_arrow
    table = pa.Table.from_batches(collect())
    plan = plan_table(table_from_arrow(table.schema), SCHEMA, Policy(**OPTIONS)).require_ok()
    faults = enforce_arrow(plan, [column.combine_chunks() for column in table.columns], len(table)).faults
    rows = enumerate(table[KEY].to_pylist())
    return {key: ";".join(sorted(f"{f.path}:{f.code}" for f in faults if f.mask[row])) for row, key in rows}


def test_score_quarantines_dates_in_variants_that_python_cannot_hold(spark: SparkSession) -> None:
    selects = [f"select {row} as id, cast({value} as variant) as v" for row, (_, value, _) in enumerate(VARIANTS)]
    df = spark.sql(" union all ".join(selects))
    signature = ModelSignature(Schema([ColSpec(AnyType(), "v", False)]), Schema([ColSpec("long")]))
    scored = score(df, lambda batch: [len(repr(row)) for row in batch.itertuples()], signature).orderBy("id").collect()
    assert [verdict(row["_violations"]) for row in scored] == [";".join(faults) for *_, faults in VARIANTS]
    assert [row["prediction"] is None for row in scored] == [bool(faults) for *_, faults in VARIANTS]


def test_tag_rejects_a_map_with_a_key_twice_and_a_tensor_of_broken_strings(spark: SparkSession, tmp_path: Path) -> None:
    keys = pa.array([b"a", b"b", b"a", b"a", b"\xff", b"\xff"]).view(pa.string())
    maps = pa.MapArray.from_arrays(pa.array([0, 2, 4, 6], pa.int32()), keys, pa.array(range(6)))
    pq.write_table(pa.table({"id": [0, 1, 2], "m": maps}), tmp_path / "maps.parquet")
    table = spark.read.parquet(str(tmp_path))
    tagged = tag(table, Schema([ColSpec(Map("long"), "m")])).orderBy("id").collect()
    assert [verdict(row["_violations"]) for row in tagged] == ["", "m:NOT_EXACT", "m:NOT_EXACT;m:UNPARSABLE"]
    strings = spark.sql("select array('a', cast(X'FF' as string)) as s")
    tensors = Schema([TensorSpec(np.dtype("str"), (-1, 2), "s")])
    assert verdict(tag(strings, tensors).collect()[0]["_violations"]) == "s[]:UNPARSABLE"


def test_tag_quarantines_collated_strings_that_are_not_utf_8(spark: SparkSession) -> None:
    values = [
        f"cast(if(id = {row}, X'FF62', X'61') as string) collate {name} as c{row}"
        for row, name in enumerate(("UNICODE", "UTF8_LCASE", "UTF8_BINARY"))
    ]
    table = spark.range(4).selectExpr("id", *values)
    schema = Schema([ColSpec(AnyType(), f"c{row}") for row in range(3)])
    found = {row.id: verdict(row._violations) for row in tag(table, schema).collect()}
    assert found == {0: "c0:UNPARSABLE", 1: "c1:UNPARSABLE", 2: "c2:UNPARSABLE", 3: ""}
