"""Models of one column `x`: one that works, and one for each kind of failure."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
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


class Touchy(BaseEstimator):
    """Raises at a batch that has a negative number, and doubles the others."""

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        if (table["x"] < 0).any():
            raise ValueError(f"cannot work with {table['x'].tolist()}")
        return pd.DataFrame({"y": table["x"] * 2})


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


class Faulty(BaseEstimator):
    """Does its work, but once, where it meets a row, does harm to what is around it.

    Args:
        sign: a file that says that the harm is done, and what was there to do it.
        row: the value of `x` at which it is done.
        harm: what is done: see `HARM`.
    """

    def __init__(self, sign: str = "", row: float = 0.0, harm: str = "", place: str = "") -> None:
        self.sign = sign
        self.row = row
        self.harm = harm
        self.place = place

    def predict(self, table: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        if (table["x"] == self.row).any() and self._first():
            HARM[self.harm](self.place)
        return pd.DataFrame({"y": table["x"] * 2.0})

    def _first(self) -> bool:
        import sparksig

        try:
            with open(self.sign, "x") as file:
                file.write(str(sparksig.__file__))
        except FileExistsError:
            return False
        return True


def _above(generations: int) -> int:
    """The process id of a parent's parent and so on."""
    pid = os.getpid()
    for _ in range(generations):
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
    return pid


def _kill(generations: int) -> None:
    os.kill(_above(generations), signal.SIGKILL)
    time.sleep(5)


def _break_sink(place: str) -> None:
    """Put a file where Spark keeps what tasks have written so far."""
    shutil.rmtree(place)
    Path(place).touch()


HARM: dict[str, Callable[[str], None]] = {
    "python worker": lambda _: _kill(0),
    "executor": lambda _: _kill(2),  # this process, the daemon that forked it, the executor
    "worker": lambda _: _kill(3),
    "slow task": lambda _: time.sleep(20),
    "broken sink": _break_sink,
    "none": lambda _: None,
}
