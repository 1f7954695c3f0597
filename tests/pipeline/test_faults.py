from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparksig import errors
from sparksig.pipeline.faults import Stopped, spark_words, told, verdict_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SECRET = "471108"


class PySparkError(Exception):
    """As pyspark's are: a condition, and a text that may hold anything."""

    __module__ = "pyspark.errors.exceptions.captured"

    def __init__(self, text: str, condition: str | None) -> None:
        super().__init__(text)
        self._condition = condition

    def getCondition(self) -> str | None:
        return self._condition


WORKERS = f"""Task 0 failed: org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "x.py", line 1, in f
    raise OutputError({SECRET})
sparksig.errors.OutputError: the model's output breaks the output schema
  y: declared double, the model returned string [WRONG_OUTPUT]

\tat org.apache.spark.api.python.BasePythonRunner
  {SECRET}
"""


def test_job_error_restores_a_sparksig_error_from_a_worker() -> None:
    error = told(PySparkError(WORKERS, None))
    assert type(error) is errors.OutputError
    assert str(error).splitlines()[1] == "  y: declared double, the model returned string [WRONG_OUTPUT]"
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("CAST_INVALID_INPUT", "PySparkError [CAST_INVALID_INPUT]"),
        ("FAILED_READ_FILE.NO_HINT", "PySparkError [FAILED_READ_FILE.NO_HINT]"),
        (f"cannot cast {SECRET}", "PySparkError"),
        (None, "PySparkError"),
    ],
)
def test_job_error_shows_class_and_condition_of_spark_errors_only(condition: str | None, words: str) -> None:
    error = PySparkError(f"[CAST_INVALID_INPUT] The value '{SECRET}' cannot be cast", condition)
    assert spark_words(error) == words
    assert str(told(error)) == f"Spark ended with {words}"


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), KeyError(SECRET), PermissionError(13, "Permission denied", SECRET)]
)
def test_job_error_shows_only_the_class_of_other_errors(error: Exception) -> None:
    assert type(error).__name__ in str(told(error))
    assert SECRET not in str(told(error))


def test_job_error_for_an_interrupt_is_stopped() -> None:
    assert isinstance(told(KeyboardInterrupt()), Stopped)


def test_job_verdict_is_usage_before_and_failed_after_reading_starts() -> None:
    for kind in (errors.SinkError, errors.TrustError, errors.ModelLoadError, errors.NotSupportedError):
        assert (verdict_of(kind("x")), verdict_of(kind("x"), reading=True)) == ("usage", "failed")
    assert verdict_of(errors.SchemaError("x")) == "incompatible"
    assert verdict_of(errors.SchemaError("x"), reading=True) == "failed"


def test_job_error_names_builtin_worker_exceptions_only() -> None:
    text = (
        f"Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named '{SECRET}'\nSecretError: x"
    )
    error = told(PySparkError(text, None))
    assert "raised ModuleNotFoundError" in str(error)
    assert "PYSPARK_PYTHON" in str(error)
    assert "Secret" not in str(error)
    assert SECRET not in str(error)


def test_job_error_names_file_column_and_types_of_javas_errors(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.5]}), tmp_path / "f.parquet")
    (tmp_path / "f.csv").write_text(f"a\n{SECRET}x\n")
    table = str(tmp_path / "f.parquet")
    cases: dict[str, tuple[Callable[[], object], list[str]]] = {
        "format": (
            lambda: spark.read.format("nonesuch").load(table).collect(),
            ["SparkClassNotFoundException [DATA_SOURCE_NOT_FOUND]", "provider: nonesuch"],
        ),
        "types": (
            lambda: spark.read.schema("x int").parquet(table).collect(),
            ["f.parquet", "column: [x]", "expectedType: int", "actualType: DOUBLE"],
        ),
        "record": (
            lambda: spark.read.schema("a int").csv(str(tmp_path / "f.csv"), mode="FAILFAST", header=True).collect(),
            ["f.csv"],
        ),
    }
    for name, (read, words) in cases.items():
        with pytest.raises(Exception) as caught:
            read()
        shown = str(told(caught.value))
        assert all(word in shown for word in words), (name, shown)
        assert SECRET not in shown and "Py4J" not in shown
