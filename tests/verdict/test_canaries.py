"""No row value, given param, model message or environment variable leaks: canaries are searched for everywhere.

The JVM's own stderr is Spark's log and is not searched. Everything that reaches Python is: messages, chained errors,
tracebacks, log records, both streams, plans, reports, violations and summaries.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sparksig import (
    ColSpec,
    ModelSignature,
    ParamError,
    ParamSchema,
    ParamSpec,
    Schema,
    SchemaError,
    TensorSpec,
    enforce,
    plan,
    predict_udf,
    score,
    split,
    tag,
    validate,
)
from sparksig.pipeline.faults import RunError
from sparksig.pipeline.run import run
from sparksig.report.live import Lines
from sparksig.report.text import summary_text
from tests.pipeline.estimators import Raising, Scaling, Talking
from tests.pipeline.jobs import Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# none of them may stand in a line of code below: a traceback shows the lines that it passes
WORD = "zug" + "spitze"
LONG, DOUBLE, FIXED = 2962 * 10**9 + 2963, 2962.0815296208, Decimal("2962.081529620815296208")
DAY, MOMENT, KEY = dt.date(2962, 8, 15), "2962-98-97T08:15:29", WORD + " key"
NUMBER = 296208.15
CANARIES = {
    "a text": WORD,
    "a text in hexadecimal digits": WORD.encode().hex(),
    "a long": str(LONG),
    "a double": str(DOUBLE)[:9],
    "a decimal": str(FIXED)[:9],
    "a date": str(DAY),
    "a text of a moment": MOMENT,
    "a number": str(NUMBER),
    "the environment": os.environ["PATH"],
}


def heard(text: str) -> list[str]:
    """Which canaries a text lets be heard."""
    small = text.lower()
    return [name for name, canary in CANARIES.items() if canary.lower() in small]


def all_of(error: BaseException) -> str:
    """Everything that an exception tells, and whatever it is chained to, hidden or not."""
    parts, seen, todo = [], set[int](), [error]
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        parts += [str(each), repr(each), repr(each.args), *getattr(each, "__notes__", ())]
        parts += [str(problem) for problem in getattr(each, "problems", ())]
        todo += [other for other in (each.__cause__, each.__context__) if other is not None]
    return "\n".join([*parts, *traceback.format_exception(error)])


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """The log records but for py4j's: at DEBUG it logs what it sends to the JVM, the rows of these tables among it."""
    return "\n".join(r.getMessage() for r in caplog.records if r.name.partition(".")[0] != "py4j")


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No test may leave a canary in a log record or on a stream."""
    with caplog.at_level("DEBUG"):
        yield
    out, err = capfd.readouterr()
    assert heard(logged(caplog)) == []
    assert heard(out) == []
    assert heard(err) == []


def failed(act: Callable[[], object]) -> str:
    """What an action tells by failing."""
    try:
        act()
    except Exception as error:
        return all_of(error)
    raise AssertionError("it did not fail")


def test_canary_search_finds_values_that_spark_and_python_leak(
    spark: SparkSession, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Spark and Python tell them all, left to themselves: the search can find what it looks for."""
    from pyspark.sql import functions as F

    def leaking(batches: Any) -> Iterator[pd.DataFrame]:
        for batch in batches:
            raise ValueError(batch["c"].tolist())
        yield pd.DataFrame()

    df = spark.createDataFrame([(WORD,)], "c string").coalesce(1)
    assert heard(failed(df.mapInPandas(leaking, "c string").collect)) == ["a text"]
    assert heard(failed(df.select(F.expr("raise_error(c)")).collect)) == ["a text"]
    assert heard(str(spark.sql("select 1 as `${env:PATH}`").columns)) == ["the environment"]
    print(LONG)
    os.write(2, str(DAY).encode())
    logging.getLogger("sparksig").debug("%s", NUMBER)
    out, err = capfd.readouterr()
    assert (heard(out), heard(err), heard(logged(caplog))) == (["a long"], ["a date"], ["a number"])
    caplog.clear()


# ---- the table


SIGNATURE = ModelSignature(
    Schema(
        [
            *(ColSpec("long", "text"), ColSpec("datetime", "moment"), ColSpec("integer", "long")),
            *(ColSpec("float", "double"), ColSpec("float", "decimal"), ColSpec("datetime", "day")),
            *(ColSpec("long", "${env:PATH}"), ColSpec("string", "clean")),
        ]
    ),
    Schema([ColSpec("double", "y")]),
    ParamSchema([ParamSpec("secret", "string", "none"), ParamSpec("factor", "double", 1.0)]),
)
NESTED = Schema.from_json(
    json.dumps(
        [
            {"name": "map", "type": "map", "values": {"type": "float"}, "required": True},
            {"name": "items", "type": "array", "items": {"type": "object", "properties": {"price": {"type": "long"}}}}
            | {"required": True},
        ]
    )
)
LEVEL: dict[str, Any] = {"level": "parse"}
CLEAN_ROW: tuple[Any, ...] = (
    "1",
    "2020-01-01",
    1,
    0.5,
    Decimal("0.5"),
    dt.date(2020, 1, 1),
    1,
    WORD,
    {},
    [],
    bytearray(b""),
    1,
)
ROW: tuple[Any, ...] = (
    WORD,
    MOMENT,
    LONG,
    DOUBLE,
    FIXED,
    DAY,
    None,
    WORD,
    {KEY: 1e300},
    [(WORD,)],
    bytearray(WORD.encode()),
    2,
)
COLUMNS = (
    "text string, moment string, long long, double double, decimal decimal(38,18), day date, `${env:PATH}` long,"
    " clean string, map map<string,double>, items array<struct<price:string>>, raw binary, number int"
)


@pytest.fixture(scope="module")
def df(spark: SparkSession) -> DataFrame:
    # the parser would put the variable's value in the place of its name
    made = spark.createDataFrame([CLEAN_ROW, ROW, ROW], COLUMNS.replace("`${env:PATH}`", "variable")).coalesce(1)
    return made.withColumnRenamed("variable", "${env:PATH}")


@pytest.fixture
def clean(df: DataFrame) -> DataFrame:
    return df.where("number = 1")


# ---- enforcement


@pytest.mark.parametrize("signature", [SIGNATURE, NESTED], ids=["flat", "nested"])
def test_verbs_hide_values_in_plans_reports_and_violations(df: DataFrame, signature: Any) -> None:
    made = plan(df, signature, **LEVEL)
    refused = plan(df, signature)
    assert made.ok and not refused.ok
    for each in (made, refused):
        assert heard(f"{each}{each!r}{each._repr_html_()}{json.dumps(each.to_dict())}") == []
    report = validate(df, signature, **LEVEL)
    assert (report.rows_in, report.rows_clean) == (3, 1)
    assert heard(f"{report}{report!r}{report._repr_html_()}{json.dumps(report.to_dict())}") == []
    tagged = tag(df, signature, **LEVEL).select("_violations").collect()
    quarantined = split(df, signature, **LEVEL).quarantined.select("_violations").collect()
    assert len(tagged) == 3 and len(quarantined) == 2
    assert heard(repr(tagged) + repr(quarantined)) == []


@pytest.mark.parametrize("ansi", ["true", "false"])
@pytest.mark.parametrize("signature", [SIGNATURE, NESTED], ids=["flat", "nested"])
def test_enforce_error_hides_the_rows_values(spark: SparkSession, df: DataFrame, signature: Any, ansi: str) -> None:
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        said = failed(lambda: enforce(df, signature, **LEVEL).collect())
    finally:
        spark.conf.set("spark.sql.ansi.enabled", str(before))
    assert "a row breaks the signature" in said
    assert heard(said) == []


def test_verbs_hide_values_in_schema_errors(df: DataFrame) -> None:
    for verb in (enforce, tag, split, validate):
        with pytest.raises(SchemaError) as caught:
            verb(df, SIGNATURE)
        assert heard(all_of(caught.value)) == []


def test_enforce_error_hides_tensor_entries(spark: SparkSession) -> None:
    df = spark.createDataFrame([([DOUBLE, 1e300, None],), ([float(LONG)],)], "image array<double>")
    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 3), "image")])
    said = failed(lambda: enforce(df, schema, level="checked").collect())
    assert "image" in said
    assert heard(said + str(validate(df, schema, level="checked"))) == []


# ---- models

WORDS = pd.DataFrame({WORD: [WORD]})


def raising(batch: pd.DataFrame) -> Any:
    """Says all that it knows, and what it was chained to says it too."""
    try:
        raise KeyError(batch["clean"].tolist(), WORD)
    except KeyError as error:
        error.add_note(WORD)
        raise ValueError(f"cannot work with {batch.to_dict()} and {WORD}") from error


def texts(batch: pd.DataFrame) -> Any:
    """Returns texts where numbers were promised."""
    return pd.DataFrame({"y": batch["clean"]})


def mixed(batch: pd.DataFrame) -> Any:
    """Returns what Arrow cannot make a column of, and would say so."""
    return pd.DataFrame({"y": [[WORD], {KEY: 1}][: len(batch)]})


def strange(batch: pd.DataFrame) -> Any:
    """Returns columns under names of its own."""
    return pd.DataFrame({WORD: batch["clean"]})


MODELS = {each.__name__: each for each in (raising, texts, mixed, strange)}
SECRETS = {"secret": WORD, "factor": NUMBER}


@pytest.mark.parametrize("name", MODELS)
def test_score_error_hides_the_models_words_and_params(clean: DataFrame, name: str) -> None:
    scored = score(clean, MODELS[name], SIGNATURE, SECRETS, keep=["number"], **LEVEL)
    assert heard(repr(scored)) == []
    scored.explain(True)  # prints it: the params and the model are in the query
    said = failed(scored.collect)
    assert "ModelError" in said or "OutputError" in said
    assert heard(said) == []


def test_score_error_hides_the_rows_values(df: DataFrame) -> None:
    said = failed(score(df, texts, SIGNATURE, SECRETS, keep=["number"], on_violation="fail", **LEVEL).collect)
    assert "a row breaks the signature" in said
    assert heard(said) == []


IN_BATCHES = ModelSignature(
    Schema([ColSpec("integer", "long"), ColSpec("float", "double"), ColSpec("string", "clean")]), SIGNATURE.outputs
)


@pytest.mark.parametrize("name", [*MODELS, "a bad row"])
def test_predict_udf_error_hides_values(df: DataFrame, clean: DataFrame, name: str) -> None:
    predict = predict_udf(MODELS.get(name, texts), IN_BATCHES, level="checked")
    table = df if name == "a bad row" else clean
    said = failed(table.select(predict(_struct("long", "double", "clean"))).collect)
    assert any(kind in said for kind in ("ModelError", "OutputError", "ViolationError"))
    assert heard(said) == []


def _struct(*names: str) -> Any:
    from pyspark.sql import functions as F

    return F.struct(*names)


def test_score_hides_given_params_in_errors_and_warnings(df: DataFrame) -> None:
    with pytest.raises(ParamError) as caught:
        score(df, texts, SIGNATURE, {"secret": NUMBER, "factor": WORD}, **LEVEL)
    assert "factor" in str(caught.value)
    assert heard(all_of(caught.value)) == []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        score(df, texts, SIGNATURE, {"unheard of": WORD}, keep=["number"], **LEVEL)
    assert len(warned) == 1
    assert heard(str(warned[0].message)) == []


# ---- the batch job

RUNS: dict[str, tuple[Any, dict[str, Any]]] = {
    "quarantined": (Scaling(), {"params": {"factor": str(NUMBER)}}),
    "over the threshold": (Scaling(), {"fail_on_quarantine": True}),
    "a model that raises": (Raising(), {"params": {"factor": str(NUMBER)}}),
    "a model that talks": (Talking(), {}),
    "a param that does not fit": (Scaling(), {"params": {"factor": WORD}}),
    "a param of the wrong type": (Scaling(), {"params": {"times": str(NUMBER)}}),
}


@pytest.mark.filterwarnings("ignore:.*unheard of.*")
@pytest.mark.parametrize("name", RUNS)
def test_job_hides_values_in_errors_output_and_summary(spark: SparkSession, tmp_path: Path, name: str) -> None:
    model, changed = RUNS[name]
    columns = {"x": [NUMBER, None, DOUBLE], "note": [WORD] * 3, "${env:PATH}": [LONG] * 3}
    table = pa.table({**columns, "keys": pa.array([[(KEY, WORD)]] * 3, pa.map_(pa.string(), pa.string()))})
    job = Job(tmp_path).table(table).model(model)
    try:
        told = summary_text(run(job.config(**changed), lambda: spark, Lines()))
    except RunError as error:
        told = all_of(error) + str(error.summary and summary_text(error.summary)) + repr(error.summary)
        assert name != "quarantined"
    summary = tmp_path / "summary.json"
    assert summary.exists() == ("param" not in name)
    written = summary.read_text() if summary.exists() else ""
    assert heard(told + written) == []
