"""Models of one column `x`: one that does its work, and all that can go wrong in a model."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator


class Scaling(BaseEstimator):
    """Does its work."""

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        return pd.DataFrame({"y": table["x"] * (params or {}).get("factor", 2.0)})


class Raising(BaseEstimator):
    """Raises, and says with which row."""

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        raise ValueError(f"cannot work with {table['x'].tolist()}")


class Talking(BaseEstimator):
    """Returns texts where numbers were promised."""

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        return pd.DataFrame({"y": [f"about {x}" for x in table["x"]]})


class Dying(BaseEstimator):
    """Takes its process with it."""

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        os._exit(9)


class Sleeping(BaseEstimator):
    """Leaves a sign that it has begun, and takes its time."""

    def __init__(self, sign: str = "") -> None:
        self.sign = sign

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        Path(self.sign).touch()
        time.sleep(120)
        return pd.DataFrame({"y": table["x"]})


class Meddling(BaseEstimator):
    """Changes the table while it is read."""

    def __init__(self, file: str = "", text: str = "") -> None:
        self.file = file
        self.text = text

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        Path(self.file).write_text(self.text)
        return pd.DataFrame({"y": table["x"]})
