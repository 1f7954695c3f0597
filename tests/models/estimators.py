"""Models as users write them: a scikit-learn style class in a module that is not installed anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator


def logistic(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 1 / (1 + np.exp(-x))


class Threshold(BaseEstimator):
    """Learns nothing; its prediction depends on a parameter."""

    def __init__(self, slope: float = 1.0) -> None:
        self.slope = slope

    def fit(self, X: pd.DataFrame, y: object = None) -> Threshold:
        return self

    def predict(self, X: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        probability = logistic(self.slope * X["x"].to_numpy())
        return pd.DataFrame({"probability": probability, "late": probability > (params or {}).get("threshold", 0.5)})
