"""LightGBM and XGBoost models receive tables as in their training, also inside scikit-learn estimators.

A batch holds the values of a category as strings, integers or booleans, and an optional boolean as Python objects. Both
libraries reject such columns, or read the values as codes of categories. Here each column gets the categories or the
numbers of the training; a table for which they are not known is rejected.
"""

from __future__ import annotations

import copy
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from sparksig.errors import Code, ModelError, ModelLoadError, Problem

Prepare: TypeAlias = Callable[[Any, Any], Any]
"""Takes a model and its input, and returns the input with the columns of the training."""

_METHODS = ("predict", "predict_proba", "apply")
_WRAPPERS = ("mlflow.lightgbm", "mlflow.sklearn", "mlflow.xgboost")


class UnknownCategoryError(ValueError):
    """A row has a category that was not in the training, and XGBoost has no prediction for it."""


def with_training_types(model: object) -> object:
    """The model, or a copy of it in which every LightGBM and XGBoost estimator prepares its input.

    Args:
        model: any model. Estimators inside scikit-learn's pipelines, ensembles and searches are replaced in copies of
            these; the model itself is not changed. A wrapper of MLflow's flavors is replaced by the model in it.
    """
    if type(model).__module__ in _WRAPPERS and hasattr(model, "get_raw_model"):
        model = model.get_raw_model()
    if sys.modules.keys().isdisjoint(("lightgbm", "xgboost")):
        return model
    return _adapted(model, {})


def booster_call(model: object) -> tuple[Callable[[Any, Mapping[str, Any]], Any], bool] | None:
    """The call of a model whose `predict` needs another input or takes parameters as keywords.

    Returns:
        A function of a batch and parameters, and whether the model uses the parameters; None for all other models.
    """
    names = _class_names(model)
    if "lightgbm.basic.Booster" in names:
        return lambda batch, params: model.predict(_lightgbm_input(model, batch)), False  # type: ignore[attr-defined]
    if "xgboost.core.Booster" in names:
        return lambda batch, params: _predict_xgboost_booster(model, batch, params), True
    if "xgboost.sklearn.XGBModel" in names:
        predict = model.predict  # type: ignore[attr-defined]
        return lambda batch, params: predict(batch, **_accepted(predict, params)), True
    return None


def _class_names(model: object) -> list[str]:
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(model).__mro__]


def _accepted(function: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are arguments of the function, as MLflow's flavor passes them."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in params.items() if name in known}


# ---- estimators inside estimators


def _adapted(item: Any, seen: dict[int, Any]) -> Any:
    """An item with prepared estimators, itself where it holds none."""
    if id(item) in seen:
        return seen[id(item)]
    if type(item) in (list, tuple):
        items = [_adapted(each, seen) if _may_hold(each) else each for each in item]
        changed = any(new is not old for new, old in zip(items, item, strict=True))
        return type(item)(items) if changed else item
    seen[id(item)] = item  # an estimator that refers to itself keeps that reference
    if (prepare := _preparation(item)) is not None:
        result = copy.copy(item)
        result.__class__ = _prepared_class(type(item), prepare)  # type: ignore[arg-type]
    else:
        members = item if isinstance(item, dict) else _estimator_members(item)
        changes = {k: new for k, v in members.items() if _may_hold(v) and (new := _adapted(v, seen)) is not v}
        if not changes:
            return item
        result = copy.copy(item)
        (result if isinstance(result, dict) else vars(result)).update(changes)
    seen[id(item)] = result
    return result


def _may_hold(value: object) -> bool:
    return isinstance(value, list | tuple | dict) or bool(hasattr(value, "__dict__"))


def _estimator_members(item: object) -> Mapping[str, Any]:
    """The attributes of scikit-learn's objects, and of objects of classes derived from its classes."""
    is_estimator = any(cls.__module__.partition(".")[0] == "sklearn" for cls in type(item).__mro__)
    return getattr(item, "__dict__", {}) if is_estimator and not isinstance(item, type) else {}


def _preparation(item: object) -> Prepare | None:
    names = _class_names(item)
    if "lightgbm.sklearn.LGBMModel" in names:
        return _lightgbm_input
    return _xgboost_input if "xgboost.sklearn.XGBModel" in names else None


@cache
def _prepared_class(cls: type, prepare: Prepare) -> type:
    """A subclass whose methods prepare their input."""
    methods = {name: _prepared_method(getattr(cls, name), prepare) for name in _METHODS if hasattr(cls, name)}
    return type(cls.__name__, (cls,), methods)


def _prepared_method(function: Callable[..., Any], prepare: Prepare) -> Callable[..., Any]:
    @wraps(function)
    def method(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, prepare(self, X), *args, **kwargs)

    return method


# ---- columns


_KINDS = {
    **dict.fromkeys(("integer", "floating", "mixed-integer-float"), "numbers"),
    **{"string": "strings", "boolean": "booleans", "empty": "nulls"},
}


def _kind(values: Any) -> str:
    """What a column or a list of categories holds: strings, numbers, booleans, nulls or other values."""
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        values = values.cat.categories
    return _KINDS.get(pd.api.types.infer_dtype(values, skipna=True), "other values")


def _as_categories(column: pd.Series[Any], categories: Any) -> pd.Series[Any]:
    return column.astype(pd.CategoricalDtype(categories))


def _as_numbers(column: pd.Series[Any], kind: str) -> pd.Series[Any]:
    """Python objects as numbers: booleans become 1 and 0, as both libraries read pandas' nullable booleans."""
    if kind == "numbers":
        return pd.to_numeric(column)
    values = pd.array(column.to_numpy(dtype=object), dtype="boolean").to_numpy("float64", na_value=np.nan)
    return pd.Series(values, index=column.index, name=column.name)


def _with_columns(table: pd.DataFrame, columns: Mapping[int, pd.Series[Any]]) -> pd.DataFrame:
    """The table with other columns at some positions; labels of any type stay as they are."""
    if not columns:
        return table
    result = table.copy(deep=False)
    for at, column in columns.items():
        result.isetitem(at, column.array)
    return result


def _unmatched(library: str, problems: Sequence[Problem]) -> ModelError:
    return ModelError(f"the columns are not those of the {library} model's training", problems)


def _not_taken(library: str, table: pd.DataFrame, kinds: Sequence[str], at: Sequence[int]) -> ModelError:
    hint = "declare a number or a boolean, or train the model with a category"
    facts = [
        f"{library} takes numbers, booleans and the categories of the training; the column has {kinds[i]}" for i in at
    ]
    return _unmatched(
        library,
        [Problem(str(table.columns[i]), f, Code.MODEL_ERROR, hint) for i, f in zip(at, facts, strict=True)],
    )


# ---- LightGBM


@dataclass(frozen=True, slots=True)
class _LightgbmTraining:
    """What a LightGBM model stores of the table of its training.

    Attributes:
        names: the columns' names.
        ranges: for each column the values that it had, as LightGBM writes them.
        categorical: the positions of the columns that were declared categorical.
        categories: the categories of pandas' categorical columns, in the order of the columns.
    """

    names: Sequence[str]
    ranges: Sequence[str]
    categorical: frozenset[int]
    categories: Sequence[Sequence[Any]]

    @classmethod
    def of(cls, booster: Any) -> _LightgbmTraining:
        """Read a booster."""
        names = booster.feature_name()
        categories = booster.pandas_categorical or []
        if not categories:
            return cls(names, (), frozenset(), ())
        text = booster.model_to_string(num_iteration=1)
        ranges = re.search(r"^feature_infos=(.*)$", text, re.MULTILINE)
        listed = re.search(r"^\[categorical_feature: ([0-9,]*)\]$", text, re.MULTILINE)
        infos = ranges[1].split(" ") if ranges else ["none"] * len(names)
        categorical = {int(i) for i in listed[1].split(",") if i} if listed else set()
        categorical |= {i for i, info in enumerate(infos) if info != "none" and not info.startswith("[")}
        return cls(names, infos, frozenset(categorical), categories)

    def fits(self, at: int, categories: Sequence[Any], every: bool) -> bool:
        """Whether the values of a column in the training can be the codes of categories.

        Args:
            at: the column's position.
            categories: the categories.
            every: whether a column that was not declared categorical must have had the first and the last of them.
        """
        info, last = self.ranges[at], len(categories) - 1
        if at in self.categorical:
            return info == "none" or all(-1 <= int(code) <= last for code in info.split(":"))
        if (limits := re.fullmatch(r"\[([0-9]+):([0-9]+)\]", info)) is None:
            return info == "none" and not every
        return (limits[1] == "0" and int(limits[2]) == last) if every else int(limits[2]) <= last

    def columns_of(self, kinds: Sequence[str], certain: frozenset[int]) -> list[int] | None:
        """The column of each list of categories; None where none or several ways to assign them are possible.

        LightGBM stores the lists in the order of the columns, but not which columns they belong to. It also does not
        store whether a column was categorical because of its type in pandas or because the user declared it.

        Args:
            kinds: what each column holds.
            certain: columns that can only be categories.
        """
        for every in (True, False):
            fits = [
                [
                    kinds[at] in (_kind(categories), "nulls") and self.fits(at, categories, every)
                    for categories in self.categories
                ]
                for at in range(len(kinds))
            ]
            ways = _ways(fits, len(self.categories), certain)
            if ways[0][0] == 1:
                return _only_way(fits, ways)
            if ways[0][0] > 1:
                return None
        return None


def _ways(fits: Sequence[Sequence[bool]], lists: int, certain: frozenset[int]) -> list[list[int]]:
    """In how many ways, 2 at most, lists from j on can be assigned to columns from i on, in order: `[i][j]`."""
    ways = [[0] * (lists + 1) for _ in range(len(fits) + 1)]
    ways[-1][lists] = 1
    for i in reversed(range(len(fits))):
        for j in range(lists + 1):
            without = 0 if i in certain else ways[i + 1][j]
            ways[i][j] = min(2, without + (ways[i + 1][j + 1] if j < lists and fits[i][j] else 0))
    return ways


def _only_way(fits: Sequence[Sequence[bool]], ways: Sequence[Sequence[int]]) -> list[int]:
    columns: list[int] = []
    for i in range(len(fits)):
        j = len(columns)
        if j < len(fits[i]) and fits[i][j] and ways[i + 1][j + 1]:
            columns.append(i)
    return columns


_lightgbm: WeakKeyDictionary[Any, _LightgbmTraining] = WeakKeyDictionary()


def _lightgbm_input(model: Any, data: Any) -> Any:
    """A table with the categories of the training.

    A value that was not a category in the training is missing to LightGBM, as in LightGBM's own `predict`.

    Raises:
        ValueError: the columns have other names, or another order. LightGBM itself takes columns by position.
        ModelError: a column's type is not that of the training.
    """
    if not isinstance(data, pd.DataFrame):
        return data.astype("float64") if isinstance(data, np.ndarray) and data.dtype == object else data
    booster = getattr(model, "booster_", model)
    if (training := _lightgbm.get(booster)) is None:
        training = _lightgbm[booster] = _LightgbmTraining.of(booster)
    names = [name.replace(" ", "_") for name in training.names]  # as LightGBM stores them
    if names != [f"Column_{i}" for i in range(len(names))] and names != [str(n).replace(" ", "_") for n in data]:
        raise ValueError("feature names mismatch")
    columns = [data.iloc[:, i] for i in range(data.shape[1])]
    kinds = [_kind(column) for column in columns]
    certain = frozenset(
        i
        for i, column in enumerate(columns)
        if kinds[i] in ("strings", "other values") or isinstance(column.dtype, pd.CategoricalDtype)
    )
    if refused := [i for i in certain if kinds[i] == "other values" or not training.categories]:
        raise _not_taken("LightGBM", data, kinds, sorted(refused))
    at = training.columns_of(kinds, certain)
    if at is None:
        lists = ", ".join(_kind(categories) for categories in training.categories)
        fact = f"the training had categories of {lists}, and it is not clear which columns of the table have them"
        hint = "declare columns with the types of their categories; or give a function that sets them in the batch"
        raise _unmatched("LightGBM", [Problem("", fact, Code.MODEL_ERROR, hint)])
    made = {i: _as_categories(columns[i], list(c)) for i, c in zip(at, training.categories, strict=True)}
    made |= {i: _as_numbers(c, kinds[i]) for i, c in enumerate(columns) if i not in made and c.dtype == object}
    return _with_columns(data, made)


# ---- XGBoost


@dataclass(frozen=True, slots=True)
class _XgboostTraining:
    """What an XGBoost model stores of the table of its training.

    Attributes:
        types: the type of each feature.
        categories: the categories by the column's name, where they are stored.
    """

    types: Sequence[str]
    categories: Mapping[str, Any]

    @classmethod
    def of(cls, booster: Any) -> _XgboostTraining:
        """Read a booster.

        Raises:
            ModelError: an older XGBoost, which would take a batch's own codes for those of the training.
        """
        types = booster.feature_types or ()
        if "c" not in types:
            return cls(types, {})
        if not hasattr(booster, "get_categories"):
            raise _unmatched("XGBoost", [Problem("", "categories need XGBoost 3.1 or later", Code.MODEL_ERROR)])
        stored = booster.get_categories(export_to_arrow=True).to_arrow()
        return cls(types, {name: values.to_pandas() for name, values in stored if values is not None})


_xgboost: WeakKeyDictionary[Any, _XgboostTraining] = WeakKeyDictionary()


def require_categories(booster: Any) -> None:
    """Check that a booster stores the categories of the table that it was trained on.

    Raises:
        ModelLoadError: it does not, as XGBoost before 3.1; integers would be taken for the codes of categories.
    """
    if booster.feature_names is not None and _lacks_categories(booster):
        raise ModelLoadError("the model does not load", [Problem("xgboost", *_OLD_XGBOOST)])


def _lacks_categories(booster: Any) -> bool:
    training = _xgboost_training(booster)
    return "c" in training.types and not training.categories


def _xgboost_training(booster: Any) -> _XgboostTraining:
    if (training := _xgboost.get(booster)) is None:
        training = _xgboost[booster] = _XgboostTraining.of(booster)
    return training


def _xgboost_input(model: Any, data: Any) -> Any:
    """A table with the categories of the training, which XGBoost stores since 3.1.

    Raises:
        UnknownCategoryError: a value was not a category in the training.
        ModelError: a column's type is not that of the training, or the model does not store its categories.
    """
    if not isinstance(data, pd.DataFrame):
        return data
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    training = _xgboost_training(booster)
    columns = [data.iloc[:, i] for i in range(data.shape[1])]
    kinds = [_kind(column) for column in columns]
    if _lacks_categories(booster) and (
        "strings" in kinds or (booster is not model and not getattr(model, "feature_types", None))
    ):
        raise _unmatched("XGBoost", [Problem("", *_OLD_XGBOOST)])
    known = [training.categories.get(str(name)) for name in data]
    made: dict[int, pd.Series[Any]] = {}
    refused = []
    for i, (column, kind, categories) in enumerate(zip(columns, kinds, known, strict=True)):
        if categories is not None and kind in (_kind(categories), "nulls"):
            made[i] = _as_categories(column, categories)
            if (made[i].isna() & column.notna()).any():
                raise UnknownCategoryError("a category that was not in the training")
        elif categories is not None or kind in ("strings", "other values"):
            refused.append(i)
        elif column.dtype == object:
            made[i] = _as_numbers(column, kind)
    if refused:
        raise _not_taken("XGBoost", data, kinds, refused)
    return _with_columns(data, made)


_OLD_XGBOOST = (
    "the model was trained with categories that it does not store, as XGBoost does from 3.1 on",
    Code.MODEL_ERROR,
    "train the model again with XGBoost 3.1 or later",
)


def _predict_xgboost_booster(model: Any, batch: Any, params: Mapping[str, Any]) -> Any:
    """An XGBoost Booster takes a matrix of its own."""
    import xgboost

    if isinstance(batch, pd.DataFrame) and model.feature_names is not None:
        matrix = xgboost.DMatrix(_xgboost_input(model, batch), enable_categorical=True)
    else:  # without names on one side columns are taken by position
        matrix = xgboost.DMatrix(np.asarray(batch), feature_names=model.feature_names)
    return model.predict(matrix, **_accepted(model.predict, params))
