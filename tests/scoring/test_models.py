"""Every kind of model in `score`, `predict_udf` and the batch job, on real Spark."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import xgboost
from pyspark import TaskContext
from sklearn.linear_model import LogisticRegression

from sparksig import (
    ColSpec,
    ModelSignature,
    NotSupportedError,
    ParamSchema,
    ParamSpec,
    Schema,
    TensorSpec,
    TrustError,
    load_model,
    predict_udf,
    save_model,
    score,
    validated,
)
from sparksig.models.artifact import Artifact
from sparksig.models.loading import Model
from sparksig.pipeline.config import JobConfig
from sparksig.pipeline.run import run
from tests.models import graphs, pyfuncs
from tests.models.estimators import Threshold

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow.lightgbm
    import mlflow.onnx
    import mlflow.pyfunc
    import mlflow.sklearn
    import mlflow.xgboost
    from mlflow.models import ModelSignature as MlflowSignature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations

NONE = ["none"]  # the requirements, which MLflow infers for seconds otherwise
TRAINING = pd.DataFrame({"x": np.arange(40.0) % 7, "n": np.arange(40), "b b": np.arange(40) % 2 == 0})
LABEL = (TRAINING["n"] > 20).astype(int)
ROWS = pd.DataFrame({"x": [1.0, 2.5, -1.0], "n": [1, 30, 22], "b b": [True, False, True]})

INPUTS = Schema([ColSpec("double", "x"), ColSpec("long", "n"), ColSpec("boolean", "b b")])
FACTOR = ParamSchema([ParamSpec("factor", "double", 2.0)])
X = Schema([ColSpec("double", "x")])


def signature(inputs: Schema, output: Any, params: ParamSchema | None = None) -> ModelSignature:
    return ModelSignature(inputs, output if isinstance(output, Schema) else Schema([ColSpec(output)]), params)


@dataclass(frozen=True)
class Case:
    """A model, and what it makes of ROWS.

    Attributes:
        model: the object, or the folder or file in which it lies.
        expected: its predictions.
        signature: given beside the model; None where the model has its own.
        params: given beside the model.
        trusted: whether it loads without trust.
    """

    model: Any
    expected: list[Any]
    signature: ModelSignature | None = None
    params: dict[str, Any] = field(default_factory=dict)
    trusted: bool = True

    @property
    def trust(self) -> bool | str:
        return False if self.trusted else Artifact.read(self.model).digest


def times(batch: pd.DataFrame, params: dict[str, Any]) -> Any:
    assert [str(dtype) for dtype in batch.dtypes] == ["float64", "int64", "bool"]
    return batch["x"] * params["factor"]


def plain(batch: pd.DataFrame) -> Any:
    return batch["n"].to_numpy()


def in_a_task() -> bool:
    return TaskContext.get() is not None


def on_the_worker() -> Any:
    assert in_a_task()
    return times


class LoadedOnTheWorker:
    def __init__(self) -> None:
        assert in_a_task()

    def predict(self, batch: pd.DataFrame) -> Any:
        return batch["x"]


@validated
def letters(model_input: list[str], params: dict[str, Any]) -> list[str]:
    return [text * params["times"] for text in model_input]


@validated
class Persons:
    def predict(self, model_input: list[pyfuncs.Person]) -> list[str]:
        return [f"{person.name} {person.age}" for person in model_input]


def as_mlflow(given: ModelSignature) -> Any:
    return MlflowSignature.from_dict(given.to_dict())


def write(flavor: Any, model: Any, path: Path, given: ModelSignature, **options: Any) -> Path:
    flavor.save_model(model, str(path), signature=as_mlflow(given), pip_requirements=NONE, **options)
    return path


def objects(root: Path) -> dict[str, Case]:
    trees = xgboost.XGBClassifier(n_estimators=3).fit(TRAINING, LABEL)
    booster = trees.get_booster()
    leaves = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1).fit(TRAINING, LABEL)
    linear = LogisticRegression().fit(TRAINING, LABEL)
    doubled = [2 * x for x in ROWS["x"]]
    margin = ParamSchema([ParamSpec("output_margin", "boolean", False)])
    margins = trees.predict(ROWS, output_margin=True).tolist()
    return {
        "function with params": Case(times, [3 * x for x in ROWS["x"]], signature(INPUTS, "double", FACTOR),
                                     {"factor": 3.0}),
        "function": Case(plain, ROWS["n"].tolist(), signature(INPUTS, "long")),
        "loader": Case(on_the_worker, doubled, signature(INPUTS, "double", FACTOR)),
        "class": Case(LoadedOnTheWorker, ROWS["x"].tolist(), signature(INPUTS, "double")),
        "sklearn": Case(linear, linear.predict(ROWS).tolist(), signature(INPUTS, "long")),
        "xgboost": Case(trees, margins, signature(INPUTS, "float", margin), {"output_margin": True}),
        "xgboost booster": Case(booster, margins, signature(INPUTS, "float", margin), {"output_margin": True}),
        "lightgbm": Case(leaves, leaves.predict(ROWS).tolist(), signature(INPUTS, "long")),
        "lightgbm booster": Case(leaves.booster_, leaves.booster_.predict(ROWS).tolist(), signature(INPUTS, "double")),
    }  # fmt: skip


def artifacts(root: Path) -> dict[str, Case]:
    trees = xgboost.XGBClassifier(n_estimators=3).fit(TRAINING, LABEL)
    leaves = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1).fit(TRAINING, LABEL)
    linear = LogisticRegression().fit(TRAINING, LABEL)
    threshold = signature(X, Schema([ColSpec("double", "probability"), ColSpec("boolean", "late")]),
                          ParamSchema([ParamSpec("threshold", "double", 0.5)]))  # fmt: skip
    expected = Threshold().predict(ROWS, {"threshold": 0.9})
    rows = list(zip(expected["probability"], expected["late"], strict=True))
    long, double = signature(INPUTS, "long"), signature(INPUTS, "double")
    return {
        "sklearn with params": Case(save_model(root / "params", Threshold(), threshold).path, rows,
                                    params={"threshold": 0.9}, trusted=False),
        "sklearn cloudpickle": Case(write(mlflow.sklearn, linear, root / "pickle", long,
                                          serialization_format="cloudpickle"),
                                    linear.predict(ROWS).tolist(), trusted=False),
        "sklearn skops": Case(write(mlflow.sklearn, linear, root / "skops", long, serialization_format="skops"),
                              linear.predict(ROWS).tolist()),
        "xgboost": Case(write(mlflow.xgboost, trees, root / "xgb", long), trees.predict(ROWS).tolist()),
        "lightgbm": Case(write(mlflow.lightgbm, leaves.booster_, root / "lgb", double),
                         leaves.booster_.predict(ROWS).tolist()),
        "lightgbm skops": Case(write(mlflow.lightgbm, leaves, root / "lgb_skops", long),
                               leaves.predict(ROWS).tolist(), trusted=False),
        "pyfunc with params": Case(
            pyfuncs.save(pyfuncs.WithParams(), root / "pyfunc", signature=as_mlflow(signature(X, "double", FACTOR))),
            [5 * x for x in ROWS["x"]], params={"factor": 5.0}, trusted=False),
        "pyfunc": Case(pyfuncs.save(pyfuncs.WithoutParams(), root / "no", signature=as_mlflow(signature(X, "double"))),
                       [x + 1 for x in ROWS["x"]], trusted=False),
    }  # fmt: skip


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = tmp_path_factory.mktemp("models")
        found = {f"object: {name}": case for name, case in objects(root).items()}
        return found | {f"artifact: {name}": case for name, case in artifacts(root).items()}


@pytest.fixture(scope="module")
def df(spark: SparkSession) -> DataFrame:
    """ROWS, and a row whose `x` is null, in one partition."""
    frame = spark.createDataFrame(pd.concat([ROWS.assign(id=range(3)), ROWS[:1].assign(id=3, x=float("nan"))]))
    return frame.selectExpr("id", "if(isnan(x), null, x) as x", "n", "`b b`").coalesce(1)


def plain_cell(cell: Any) -> Any:
    return tuple(cell) if hasattr(cell, "asDict") else cell


def test_score_predicts_with_every_kind_of_model(df: DataFrame, cases: dict[str, Case]) -> None:
    for name, case in cases.items():
        scored = score(df, case.model, case.signature, case.params, trust=case.trust).collect()
        assert [plain_cell(row["prediction"]) for row in scored] == [*case.expected, None], name
        assert [row["_violations"] is None for row in scored] == [True, True, True, False], name


def test_predict_udf_predicts_with_every_kind_of_model(df: DataFrame, cases: dict[str, Case]) -> None:
    from pyspark.sql import functions as F

    clean = df.where("x is not null")
    for name, case in cases.items():
        predict = predict_udf(case.model, case.signature, case.params, trust=case.trust)
        rows = clean.select(predict(F.struct("x", "n", "b b")).alias("p")).collect()
        assert [plain_cell(row["p"]) for row in rows] == case.expected, name


def test_job_scores_with_saved_models(
    spark: SparkSession, df: DataFrame, cases: dict[str, Case], tmp_path: Path
) -> None:
    df.write.parquet(str(tmp_path / "source"))
    chosen = ("sklearn skops", "xgboost", "lightgbm skops", "pyfunc with params")
    for name in chosen:
        case, out = cases[f"artifact: {name}"], tmp_path / name
        config = JobConfig(
            input=str(tmp_path / "source"), model=str(case.model), output=str(out / "scored"), run_id="r",
            quarantine=str(out / "quarantine"), summary=str(out / "summary.json"), trust=case.trust or None,
            params={key: str(value) for key, value in case.params.items()},
        )  # fmt: skip
        summary = run(config, lambda: spark)
        assert summary.verdict == "quarantined", name
        written = spark.read.parquet(f"{out}/scored/run_id=r").orderBy("id").collect()
        assert [row["prediction"] for row in written] == case.expected, name


# ---- tensors, graphs and hints: inputs that are no plain columns


@pytest.fixture(scope="module")
def wide(spark: SparkSession) -> DataFrame:
    rows = [(i, [float(i * j % 5) for j in range(64)], [float(i), 1.0], i) for i in range(4)]
    return spark.createDataFrame(rows, "id long, x array<float>, a array<double>, b long").coalesce(1)


def tensors(root: Path) -> dict[str, tuple[Case, list[str]]]:
    x = np.array([[i * j % 5 for j in range(64)] for i in range(4)], "float32")
    product = (x @ graphs.WEIGHTS).tolist()
    flat = Schema([TensorSpec(np.dtype("float32"), (-1, 64))])
    square = signature(Schema([TensorSpec(np.dtype("float32"), (-1, 8, 8))]),
                       Schema([TensorSpec(np.dtype("float32"), (-1, 8))]))  # fmt: skip
    pair = signature(
        Schema([TensorSpec(np.dtype("float64"), (-1, 2), "a"), TensorSpec(np.dtype("int64"), (-1,), "b")]),
        Schema([TensorSpec(np.dtype("float64"), (-1, 2), "out")]), FACTOR,
    )  # fmt: skip
    mlflow.onnx.save_model(
        graphs.dense(), str(root / "onnx"), pip_requirements=NONE,
        signature=as_mlflow(signature(flat, Schema([TensorSpec(np.dtype("float32"), (-1, 8))]))),
    )  # fmt: skip
    return {
        "onnx file": (Case(graphs.save(graphs.dense(), root / "dense.onnx"), product), ["x"]),
        "onnx file, two": (
            Case(graphs.save(graphs.two(), root / "two.onnx"), [(i + 1.0, 2 * i) for i in range(4)]), ["a", "b"]),
        "onnx flavour": (Case(root / "onnx", product), ["x"]),
        "pyfunc of a tensor": (
            Case(pyfuncs.save(pyfuncs.Tensors(), root / "tensors", signature=as_mlflow(square)),
                 x.reshape(-1, 8, 8).sum(axis=2).tolist(), trusted=False), ["x"]),
        "pyfunc of tensors": (
            Case(pyfuncs.save(pyfuncs.NamedTensors(), root / "named", signature=as_mlflow(pair)),
                 [[i * 3.0 + i, 3.0 + i] for i in range(4)], params={"factor": 3.0}, trusted=False), ["a", "b"]),
    }  # fmt: skip


def test_score_and_predict_udf_run_tensor_models_and_graphs(wide: DataFrame, tmp_path: Path) -> None:
    from pyspark.sql import functions as F

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = tensors(tmp_path)
    for name, (case, columns) in made.items():
        table = wide.select(*columns)
        scored = score(table, case.model, case.signature, case.params, trust=case.trust).collect()
        assert [plain_cell(row["prediction"]) for row in scored] == case.expected, name
        predict = predict_udf(case.model, case.signature, case.params, trust=case.trust)
        rows = table.select(predict(F.struct(*columns)).alias("p")).collect()
        assert [plain_cell(row["p"]) for row in rows] == case.expected, name


def test_score_converts_inputs_to_the_models_type_hints(spark: SparkSession, tmp_path: Path) -> None:
    texts = spark.createDataFrame([("a",), ("bc",)], "s string").coalesce(1)
    persons = spark.createDataFrame([("A", 1, "Oslo"), ("B", 2, None)], "name string, age long, city string")
    persons = persons.coalesce(1)
    words = signature(Schema([ColSpec("string")]), "string", ParamSchema([ParamSpec("times", "long", 2)]))
    people = signature(
        Schema([ColSpec("string", "name"), ColSpec("long", "age"), ColSpec("string", "city", required=False)]), "string"
    )

    def predictions(scored: DataFrame) -> list[Any]:
        return [row["prediction"] for row in scored.collect()]

    assert predictions(score(texts, letters, words, {"times": 3})) == ["aaa", "bcbcbc"]
    assert predictions(score(persons, Persons(), people)) == ["A 1", "B 2"]
    assert predictions(score(persons, Persons, people)) == ["A 1", "B 2"]
    hinted = pyfuncs.save(pyfuncs.HintedTexts(), tmp_path / "texts")
    assert predictions(score(texts, hinted, trust=True)) == [1, 2]
    hinted = pyfuncs.save(pyfuncs.Hinted(), tmp_path / "persons")
    assert predictions(score(persons.selectExpr("struct(*) as p"), hinted, trust=True)) == ["A 1 Oslo!", "B 2 None!"]
    by_example = pyfuncs.save(pyfuncs.HintedByExample(), tmp_path / "example", input_example=[{"n": 1, "s": "a"}])
    rows = spark.sql("select 1L as n, 'a' as s").coalesce(1)
    assert predictions(score(rows, by_example, trust=True)) == ["1a"]


def test_score_loads_an_artifact_once_per_worker_process(spark: SparkSession, tmp_path: Path) -> None:
    path = pyfuncs.save(pyfuncs.Counting(), tmp_path / "model", model_config={"loads": str(tmp_path / "loads")},
                        signature=as_mlflow(signature(X, "double")))  # fmt: skip
    scored = score(spark.range(100).selectExpr("double(id) as x").repartition(10), path, trust=True)
    assert scored.count() == 100 and scored.where("prediction = x").count() == 100
    loads = (tmp_path / "loads").read_text().split()
    assert len(loads) == len(set(loads)), "once a process"
    assert 1 <= len(loads) < 20, "twenty tasks in two jobs"


# ---- what is refused, and when


def test_score_rejects_an_untrusted_model_before_any_job(df: DataFrame, cases: dict[str, Case]) -> None:
    for name in ("sklearn cloudpickle", "lightgbm skops", "pyfunc"):
        with pytest.raises(TrustError, match="vouch for it"):
            score(df, cases[f"artifact: {name}"].model)
    case = cases["artifact: xgboost"]
    with pytest.raises(TrustError, match="not the one that was trusted"):
        score(df, case.model, trust="sha256:" + "0" * 64)


def test_score_rejects_a_model_changed_after_trust(df: DataFrame, tmp_path: Path) -> None:
    trees = xgboost.XGBClassifier(n_estimators=2).fit(TRAINING, LABEL)
    path = write(mlflow.xgboost, trees, tmp_path / "model", signature(INPUTS, "long"))
    scored = score(df, path)
    (path / "more.txt").write_text("changed")
    with pytest.raises(Exception, match="not the one that was trusted"):
        scored.collect()


def test_score_rejects_unpicklable_models_and_suggests_a_loader(df: DataFrame, tmp_path: Path) -> None:
    path = graphs.save(graphs.dense(), tmp_path / "dense.onnx")
    loaded = load_model(path)
    session = onnxruntime.InferenceSession(str(path))
    given = signature(INPUTS, "double")
    makes: list[Callable[[], Model | Any]] = [lambda: loaded, lambda: session.run]
    for make in makes:
        with pytest.raises(NotSupportedError, match="a function without arguments that loads it where it runs"):
            score(df, make(), given)
