"""LightGBM and XGBoost models on batches as `score` makes them: the predictions of the trained model, or an error."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
import yaml
from pyspark import cloudpickle
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sparksig import ColSpec, ModelError, ModelLoadError, ModelSignature, Schema, enforce_values, infer_signature
from sparksig.models.boosters import UnknownCategoryError
from sparksig.models.loading import load_model
from sparksig.scoring.calls.returns import infer_output

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow.lightgbm
    import mlflow.sklearn
    import mlflow.xgboost

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations

ROWS = 120
RNG = np.random.default_rng(0)
STORE, SIZE, FLAG = RNG.choice([10, 20, 30], ROWS), RNG.choice(["s", "m", "l"], ROWS), RNG.random(ROWS) > 0.5
TABLE = pd.DataFrame(
    {
        "store": pd.Categorical(STORE),
        "flag": pd.array(FLAG, "boolean"),
        "size": pd.Categorical(SIZE),
        "x": RNG.random(ROWS),
        "n": pd.array(RNG.integers(0, 9, ROWS), "Int64"),
        "sure": FLAG,
    }
)
TABLE.loc[::7, ["flag", "n", "size"]] = None
LABEL = (STORE == 20) * 5.0 + (SIZE == "m") * 3 + FLAG * 2 + TABLE["x"]
PARTS = [TABLE, TABLE[:1], TABLE[7:8], TABLE[STORE == 30], TABLE[TABLE["flag"].isna()]]
FEW = {"min_child_samples": 1, "min_data_per_group": 1, "cat_smooth": 0, "verbose": -1, "n_jobs": 1}


def lgb(**options: Any) -> lightgbm.LGBMRegressor:
    return lightgbm.LGBMRegressor(n_estimators=8, **FEW, **options)


def xgb() -> xgboost.XGBRegressor:
    return xgboost.XGBRegressor(n_estimators=8, enable_categorical=True, n_jobs=1)


def kept(model: Any) -> Pipeline:
    """A pipeline whose first step hands on the columns in another order, under other names."""
    columns = ColumnTransformer([("a", "passthrough", ["size", "x", "flag"])], remainder="passthrough")
    return make_pipeline(columns.set_output(transform="pandas"), model)


MODELS: dict[str, Callable[[], Any]] = {
    "lightgbm": lambda: lgb().fit(TABLE, LABEL),
    "lightgbm booster": lambda: lgb().fit(TABLE, LABEL).booster_,
    "lightgbm classifier": lambda: lightgbm.LGBMClassifier(n_estimators=3, **FEW).fit(TABLE, LABEL > 3),
    "lightgbm pipeline": lambda: make_pipeline(FunctionTransformer(), lgb()).fit(TABLE, LABEL),
    "lightgbm columns": lambda: kept(lgb()).fit(TABLE, LABEL),
    "xgboost": lambda: xgb().fit(TABLE, LABEL),
    "xgboost booster": lambda: xgb().fit(TABLE, LABEL).get_booster(),
    "xgboost pipeline": lambda: make_pipeline(FunctionTransformer(), xgb()).fit(TABLE, LABEL),
    "xgboost columns": lambda: kept(xgb()).fit(TABLE, LABEL),
    "vote": lambda: VotingRegressor([("a", lgb()), ("b", make_pipeline(FunctionTransformer(), xgb()))]).fit(
        TABLE, LABEL
    ),
    "search": lambda: GridSearchCV(kept(lgb()), {"lgbmregressor__max_depth": [2]}, cv=2).fit(TABLE, LABEL),
}


@cache
def trained(name: str) -> Any:
    return MODELS[name]()


def own(model: Any, table: pd.DataFrame, method: str = "predict") -> Any:
    """The predictions of the model itself for the table of its training."""
    if isinstance(model, xgboost.Booster):
        return model.predict(xgboost.DMatrix(table, enable_categorical=True))
    return getattr(model, method)(table)


def batch(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a model receives it: "a category is its values", columns with nulls are floats and objects."""
    size = table["size"].astype(object).where(table["size"].notna(), None)
    return enforce_values(table.assign(size=size), infer_signature(TABLE))


@pytest.mark.parametrize("name", MODELS)
def test_load_model_predicts_as_trained_with_categories_and_optional_columns(name: str) -> None:
    given = trained(name)
    before = pickle.dumps(given)
    model = load_model(given)
    assert {str(dtype) for dtype in batch(TABLE).dtypes} == {"int64", "object", "float64", "bool"}
    for part in PARTS:
        np.testing.assert_array_equal(model.predict(batch(part), None), own(given, part))
        np.testing.assert_array_equal(model.predict(part, None), own(given, part))  # categories stay what they are
    assert len(np.unique(own(given, TABLE))) > 1
    assert pickle.dumps(given) == before  # the user's own model is not changed
    shipped = load_model(pickle.loads(cloudpickle.dumps(model)))
    np.testing.assert_array_equal(shipped.predict(batch(TABLE), None), own(given, TABLE))


@pytest.mark.parametrize("flavor", ["sklearn", "lightgbm", "python_function of sklearn", "python_function of lightgbm"])
def test_load_model_flavors_predict_as_trained_with_categories(flavor: str, tmp_path: Path) -> None:
    path, options = tmp_path / "model", {"pip_requirements": ["none"], "serialization_format": "cloudpickle"}
    method = "predict_proba" if "sklearn" in flavor else "predict"
    if "sklearn" in flavor:
        given = kept(lightgbm.LGBMClassifier(n_estimators=3, **FEW)).fit(TABLE, LABEL > 3)
        mlflow.sklearn.save_model(given, str(path), pyfunc_predict_fn=method, **options)
    else:
        given = trained("lightgbm classifier")
        mlflow.lightgbm.save_model(given, str(path), **options)
    if "python_function" in flavor:  # MLflow's loaders read the block of their flavor, sparksig loads by the other
        document = yaml.safe_load((path / "MLmodel").read_text())
        library = flavor.split()[-1]
        (path / "code").mkdir()
        (path / "code" / f"own_loader_of_{library}.py").write_text(f"from mlflow.{library} import _load_pyfunc\n")
        document["flavors"]["python_function"].update(loader_module=f"own_loader_of_{library}", code="code")
        (path / "MLmodel").write_text(yaml.safe_dump(document))
    model = load_model(path, trust=True)
    np.testing.assert_array_equal(model.predict(batch(TABLE), None), own(given, TABLE, method))


def test_load_model_lightgbm_recognizes_every_kind_of_category() -> None:
    table = pd.DataFrame(
        {
            "yes": pd.Categorical(FLAG),
            "constant": pd.Categorical(["q"] * ROWS),
            "half": pd.Categorical(RNG.choice([0.5, 1.5], ROWS)),
            "count": RNG.integers(0, 4, ROWS),
            "ordered": pd.Categorical(RNG.choice([1, 2, 3], ROWS), ordered=True),
            "unused": pd.Categorical(RNG.choice([7, 8], ROWS), categories=[7, 8, 9]),
        }
    )
    label = FLAG * 2 + table["ordered"].astype(int) + table["half"].astype(float) + (table["unused"] == 7) * 9
    model = lgb().fit(table, label)
    schema = Schema(
        [ColSpec("boolean", "yes", False), ColSpec("string", "constant", False), ColSpec("double", "half")]
        + [ColSpec("long", name, name != "unused") for name in ("count", "ordered", "unused")]
    )
    values = pd.DataFrame({name: table[name].tolist() for name in table})
    for given in (model, model.booster_, lightgbm.Booster(model_str=model.booster_.model_to_string())):
        for part in (values, values[:1], values[:9].assign(yes=None, constant=None, unused=None)):
            kinds = {name: table[name].dtype for name in table}
            expected = model.predict(part.astype(kinds))
            np.testing.assert_array_equal(load_model(given).predict(enforce_values(part, schema), None), expected)


def test_load_model_lightgbm_keeps_declared_categories_without_pandas_type() -> None:
    table = pd.DataFrame({"store": STORE, "x": TABLE["x"]})
    model = lgb().fit(table, LABEL, categorical_feature=["store"])
    schema = Schema([ColSpec("long", "store", required=False), ColSpec("double", "x")])
    np.testing.assert_array_equal(load_model(model).predict(enforce_values(table, schema), None), model.predict(table))


TYPES = {"store": "long", "flag": "boolean", "size": "string", "x": "double", "n": "long", "sure": "boolean"}


@pytest.mark.parametrize("name", ["lightgbm booster", "lightgbm columns", "xgboost", "xgboost booster"])
@pytest.mark.parametrize(
    ("column", "kind"), [("store", "string"), ("size", "long"), ("x", "string"), ("x", "datetime")]
)
def test_model_call_rejects_columns_of_other_types_than_in_the_training(name: str, column: str, kind: str) -> None:
    kinds = {**TYPES, column: kind}
    schema = Schema([ColSpec(kinds[c], c, c not in ("flag", "size", "n")) for c in TABLE])
    other = {"string": "1", "long": 1, "datetime": pd.Timestamp("2024-01-01")}[kind]
    values = pd.DataFrame({c: TABLE[c].astype(object) for c in TABLE}).assign(**{column: other})
    batch = enforce_values(values, schema)
    with pytest.raises(ModelError, match=r"not those of the .* model's training") as caught:
        load_model(trained(name)).predict(batch, None)
    [problem] = caught.value.problems
    assert "categories" in problem.fact and problem.hint is not None
    # what score() calls hands the same message on
    with pytest.raises(ModelError, match=r"not those of the .* model's training"):
        infer_output(trained(name), values, ModelSignature(schema))


def test_model_call_rejects_what_lightgbm_does_not_store_unambiguously() -> None:
    """`store` was coded as a category of pandas, but only `group` was declared: LightGBM stores the same for both."""
    group = RNG.integers(0, 3, ROWS)
    table = pd.DataFrame({"store": pd.Categorical(STORE), "group": group})
    model = lgb().fit(table, LABEL, categorical_feature=["group"])
    schema = Schema([ColSpec("long", "store"), ColSpec("long", "group")])
    with pytest.raises(ModelError, match=r"categories of numbers, and it is not clear which columns"):
        load_model(model).predict(enforce_values(table, schema), None)


def test_load_model_xgboost_rejects_an_unknown_category_of_a_row() -> None:
    given = batch(TABLE).assign(store=11)
    for name in ("xgboost", "xgboost booster"):
        with pytest.raises(UnknownCategoryError, match="not in the training"):
            load_model(trained(name)).predict(given, None)


def test_load_model_xgboost_requires_the_categories_of_the_training(tmp_path: Path) -> None:
    """Before 3.1 XGBoost stored no categories: a column of integers would be taken for their codes."""
    model = xgb().fit(TABLE[["store", "x"]], LABEL)
    path = tmp_path / "model"
    mlflow.xgboost.save_model(model, str(path), model_format="json", pip_requirements=["none"])
    document = yaml.safe_load((path / "MLmodel").read_text())
    document["flavors"]["xgboost"]["xgb_version"] = "2.1.4"
    (path / "MLmodel").write_text(yaml.safe_dump(document))
    load_model(path)  # it stores them, whatever the version
    stored = json.loads((path / "model.json").read_text())
    del stored["learner"]["gradient_booster"]["model"]["cats"]
    stored["version"] = [2, 1, 4]
    (path / "model.json").write_text(json.dumps(stored))
    with pytest.raises(ModelLoadError, match=r"does not store, as XGBoost does from 3\.1 on"):
        load_model(path)
    codes = pd.DataFrame({"code": RNG.integers(0, 3, ROWS), "x": TABLE["x"]})
    coded = xgboost.XGBRegressor(n_estimators=3, n_jobs=1, feature_types=["c", "q"]).fit(codes, LABEL)
    np.testing.assert_array_equal(load_model(coded).predict(codes, None), coded.predict(codes))  # integers are codes
