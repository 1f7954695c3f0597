"""The eight scalar types.

What each means to numpy, pandas, Spark or Arrow stands in the table of `dtypes`; a `DataType` only knows its row.
"""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Any

import numpy as np

from sparksig.signature.dtypes import MLFLOW, Element, Kind

_PYTHON: dict[Kind, type] = {
    Kind.BOOLEAN: bool,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.STRING: str,
    Kind.BINARY: bytes,
    Kind.DATETIME: date,
}


class DataType(Enum):
    """The eight scalar types. Wherever one is taken, its name is taken too.

    >>> DataType.long, DataType["double"].element.spark
    (long, 'double')
    """

    boolean = 1
    integer = 2
    long = 3
    float = 4
    double = 5
    string = 6
    binary = 7
    datetime = 8

    def __repr__(self) -> str:
        return self.name

    @property
    def element(self) -> Element:
        """The row of the table of types with every fact about this one."""
        return MLFLOW[self.name]

    @classmethod
    def holding(cls, element: Element) -> DataType | None:
        """The smallest scalar type that holds every value of an element type; None where none does.

        >>> from sparksig.signature.dtypes import ELEMENTS
        >>> DataType.holding(ELEMENTS["uint32"]), DataType.holding(ELEMENTS["uint64"])
        (long, None)
        """
        rows = ((scalar, scalar.element) for scalar in cls)
        fit = (scalar for scalar, row in rows if row.kind is element.kind and row.digits >= element.digits)
        return next(fit, None)

    def to_numpy(self) -> np.dtype[Any]:
        """The numpy dtype that a model receives for a required column of this type."""
        return np.dtype(self.element.numpy)

    def to_pandas(self) -> np.dtype[Any]:
        """The dtype of a pandas column of this type; object for strings and binaries, as in MLflow."""
        return np.dtype(object) if self.element.kind in (Kind.STRING, Kind.BINARY) else self.to_numpy()

    def to_python(self) -> type:
        """The Python class of one value; `datetime.date` for a datetime, as in MLflow."""
        return _PYTHON[self.element.kind]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, for example `{"type": "long"}`."""
        return {"type": self.name}
