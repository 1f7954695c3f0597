"""Each flavor as MLflow writes it, compared with what MLflow loads; which flavors need trust."""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
import yaml
from sklearn.linear_model import LogisticRegression

from sparksig.errors import ModelLoadError, TrustError
from sparksig.models.artifact import Artifact
from sparksig.models.flavors import FLAVORS
from sparksig.models.loading import load_model, require_trust
from tests.models.estimators import Threshold

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow.lightgbm
    import mlflow.pyfunc
    import mlflow.sklearn
    import mlflow.xgboost

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations

FRAME = pd.DataFrame({"sepal length (cm)": np.arange(40.0) % 7, "n": np.arange(40), "b": np.arange(40) % 2 == 0})
LABEL = (FRAME["n"] > 20).astype(int)
NONE = ["none"]  # the requirements, which MLflow infers for seconds otherwise


def lgb() -> lightgbm.LGBMClassifier:
    return lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1).fit(FRAME, LABEL)


def xgb() -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(n_estimators=3).fit(FRAME, LABEL)


def xgb_regressor() -> xgboost.XGBRegressor:
    return xgboost.XGBRegressor(n_estimators=3).fit(FRAME, LABEL)


Writer = Callable[[Any, str], None]
NATIVE: dict[str, tuple[Callable[[], Any], Writer]] = {
    "xgboost ubj": (xgb, lambda m, p: mlflow.xgboost.save_model(m, p, pip_requirements=NONE)),
    "xgboost json": (
        xgb_regressor,
        lambda m, p: mlflow.xgboost.save_model(m, p, model_format="json", pip_requirements=NONE),
    ),
    "xgboost booster": (
        lambda: xgb().get_booster(),
        lambda m, p: mlflow.xgboost.save_model(m, p, pip_requirements=NONE),
    ),
    "lightgbm booster": (
        lambda: lgb().booster_,
        lambda m, p: mlflow.lightgbm.save_model(m, p, pip_requirements=NONE),
    ),
    "sklearn skops": (
        lambda: LogisticRegression().fit(FRAME, LABEL),
        lambda m, p: mlflow.sklearn.save_model(m, p, serialization_format="skops", pip_requirements=NONE),
    ),
}
TRUSTED: dict[str, tuple[Callable[[], Any], Writer]] = {
    "lightgbm skops": (lgb, lambda m, p: mlflow.lightgbm.save_model(m, p, pip_requirements=NONE)),
    "lightgbm cloudpickle": (
        lgb,
        lambda m, p: mlflow.lightgbm.save_model(m, p, serialization_format="cloudpickle", pip_requirements=NONE),
    ),
    "sklearn pickle": (
        lambda: LogisticRegression().fit(FRAME, LABEL),
        lambda m, p: mlflow.sklearn.save_model(m, p, serialization_format="pickle", pip_requirements=NONE),
    ),
    "sklearn cloudpickle": (
        lambda: LogisticRegression().fit(FRAME, LABEL),
        lambda m, p: mlflow.sklearn.save_model(m, p, serialization_format="cloudpickle", pip_requirements=NONE),
    ),
    "sklearn skops of a foreign class": (
        Threshold,
        lambda m, p: mlflow.sklearn.save_model(
            m, p, serialization_format="skops", skops_trusted_types=["tests.models.estimators.Threshold"],
            pip_requirements=NONE,
        ),
    ),
}  # fmt: skip


def test_readme_lists_the_flavors_in_their_order() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    table = readme[readme.index("| flavour |") : readme.index("Whatever runs code")]
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE) == ["flavour", *FLAVORS]


def saved(made: tuple[Callable[[], Any], Writer], path: Path) -> Path:
    model, write = made
    write(model(), str(path))
    return path


def alike(found: Any, path: Path, data: pd.DataFrame) -> None:
    expected = mlflow.pyfunc.load_model(str(path)).predict(data)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), strict=True)


@pytest.mark.parametrize("name", NATIVE)
def test_load_model_needs_no_trust_for_data_formats(name: str, tmp_path: Path) -> None:
    path = saved(NATIVE[name], tmp_path / "model")
    model = load_model(path)
    alike(model.predict(FRAME, None), path, FRAME)
    assert load_model(path, trust=model.digest or "") is model
    with pytest.raises(TrustError, match="not the one that was trusted"):  # a digest is a promise of any artifact
        load_model(path, trust="sha256:" + "0" * 64)


@pytest.mark.parametrize("name", TRUSTED)
def test_load_model_requires_trust_for_formats_that_run_code(name: str, tmp_path: Path) -> None:
    path = saved(TRUSTED[name], tmp_path / "model")
    for refused in (load_model, lambda path: require_trust(Artifact.read(path), False)):
        with pytest.raises(TrustError) as caught:
            refused(path)
        digest = Artifact.read(path).digest
        assert f"--trust {digest}" in str(caught.value)
        kind = "skops" if "skops" in name else "pickle"
        assert re.search(f"its flavour {name.split()[0]} is a {kind}", str(caught.value))
    data = FRAME if "foreign" not in name else pd.DataFrame({"x": [-1.0, 2.0]})
    alike(load_model(path, trust=digest).predict(data, None), path, data)


def test_load_model_ignores_the_artifacts_own_list_of_trusted_types(tmp_path: Path) -> None:
    path = saved(TRUSTED["lightgbm skops"], tmp_path / "model")
    block = yaml.safe_load((path / "MLmodel").read_text())["flavors"]["lightgbm"]
    named = skops.io.get_untrusted_types(file=path / "model.skops")
    assert set(named) <= set(block["skops_trusted_types"])
    with pytest.raises(TrustError, match=rf"with {len(named)} type\(s\) that skops does not know"):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "file", "told"),
    [
        ("xgboost ubj", "model.ubj", "xgboost: loading raised XGBoostError"),
        ("lightgbm booster", "model.lgb", "lightgbm: loading raised LightGBMError"),
    ],
)
def test_load_model_reports_a_corrupt_or_missing_file(name: str, file: str, told: str, tmp_path: Path) -> None:
    path = saved(NATIVE[name], tmp_path / "model")
    (path / file).write_bytes(b"garbage")
    with pytest.raises(ModelLoadError) as caught:
        load_model(path)
    assert told in str(caught.value)
    assert "it was written by" in str(caught.value)
    (path / file).unlink()
    with pytest.raises(ModelLoadError, match="not there"):
        load_model(path)


def test_load_model_does_not_trust_an_unreadable_skops_file(tmp_path: Path) -> None:
    path = saved(NATIVE["sklearn skops"], tmp_path / "model")
    (path / "model.skops").write_bytes(pickle.dumps(Threshold()))
    with pytest.raises(TrustError, match="skops file that cannot be read"):
        load_model(path)
    with pytest.raises(ModelLoadError, match="loading raised BadZipFile"):
        load_model(path, trust=True)


@pytest.mark.parametrize(
    ("module", "name", "hint"),
    [
        ("xgboost", "xgboost ubj", "pip install xgboost"),
        ("lightgbm", "lightgbm booster", "pip install lightgbm"),
        ("skops", "sklearn skops", r"skops is not installed .*: pip install 'sparksig\[sklearn\]'"),
    ],
)
def test_load_model_names_the_package_to_install(
    module: str, name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(NATIVE[name], tmp_path / "model")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelLoadError, match=hint):
        load_model(path)


# ---- objects


@pytest.mark.parametrize("make", [xgb, xgb_regressor, lgb, lambda: xgb().get_booster(), lambda: lgb().booster_])
def test_load_model_requires_the_column_names_of_the_training(make: Callable[[], Any]) -> None:
    model = load_model(make())
    right = np.asarray(model.predict(FRAME, None))
    assert len(right) == len(FRAME) and len(np.unique(right)) > 1
    with pytest.raises(ValueError, match=r"feature.names"):
        model.predict(FRAME[["b", "n", "sepal length (cm)"]], None)
    with pytest.raises(ValueError, match=r"feature.names"):
        model.predict(FRAME.rename(columns={"n": "m"}), None)


@pytest.mark.parametrize("booster", [False, True])
def test_load_model_passes_params_to_xgboosts_predict(booster: bool) -> None:
    given = xgb().get_booster() if booster else xgb()
    model = load_model(given)
    assert model.takes_params
    plain = model.predict(FRAME, {"other": 1})
    margins = model.predict(FRAME, {"output_margin": True, "other": 1})
    assert len(np.unique(margins)) > 1 and (margins < 0).any()
    assert not np.array_equal(plain, margins)


CATEGORIES = pd.DataFrame({"c": pd.Categorical(list("abca") * 10), "x": np.arange(40.0)})


def boosted() -> list[Any]:
    """Models that learnt a category, and only it."""
    label = (CATEGORIES["c"] == "b").astype(int)
    trees = xgboost.XGBRegressor(n_estimators=3, enable_categorical=True).fit(CATEGORIES, label)
    few = {"min_child_samples": 1, "min_data_per_group": 1, "cat_smooth": 0, "verbose": -1}
    leaves = lightgbm.LGBMRegressor(n_estimators=3, **few).fit(CATEGORIES, label)
    return [trees, trees.get_booster(), leaves, leaves.booster_]


def test_load_model_maps_strings_to_the_categories_of_the_training() -> None:
    texts = CATEGORIES.assign(c=CATEGORIES["c"].astype(object))
    for given in boosted():
        model = load_model(given)
        whole = np.asarray(model.predict(texts, None))
        assert (whole[texts["c"] == "b"] > whole[texts["c"] != "b"].max()).all()
        for part in (texts[texts["c"] == "b"], texts[3:4]):
            np.testing.assert_array_equal(model.predict(part, None), whole[part.index])
        if not isinstance(given, xgboost.Booster):
            np.testing.assert_array_equal(whole, given.predict(CATEGORIES))
        assert len(model.predict(texts.assign(c=None)[:2], None)) == 2
        if "xgboost" in type(given).__module__:
            with pytest.raises(ValueError, match="a category that was not in the training"):
                model.predict(texts.assign(c="z"), None)


def test_load_model_takes_columns_by_position_without_names() -> None:
    array = FRAME.to_numpy(float)
    table = pd.DataFrame(array)
    for given in (
        xgboost.XGBClassifier(n_estimators=3).fit(array, LABEL),
        xgboost.XGBClassifier(n_estimators=3).fit(array, LABEL).get_booster(),
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(array, LABEL),
        lightgbm.train({"verbose": -1, "min_data_in_leaf": 2}, lightgbm.Dataset(array, LABEL), 3),
    ):
        model = load_model(given)
        assert np.array_equal(model.predict(array, None), model.predict(table, None))
    for make in (xgb, lgb, lambda: xgb().get_booster(), lambda: lgb().booster_):
        model = load_model(make())
        assert np.array_equal(model.predict(array, None), model.predict(FRAME, None))
