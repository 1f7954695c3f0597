"""ONNX models: tensors in and out by name, run by onnxruntime (the extra `onnx`). Nothing in the file is code."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparksig.errors import Code, ModelError, NotSupportedError, Problem
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import Schema, TensorSpec

_PLAIN = ("bool", "double", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES = {
    **{f"tensor({name})": np.dtype(name) for name in _PLAIN},
    "tensor(float)": np.dtype("float32"),
    "tensor(string)": np.dtype("object"),
}
# What an artifact may choose. Others can load libraries or call out, and so are not its choice.
_PROVIDERS = ("CUDAExecutionProvider",)
_EXPORT = "export the graph with an open first size of each input and output, and tensors as outputs (zipmap=False)"
_THREADS = ("intra_op_num_threads", "inter_op_num_threads")


@dataclass(frozen=True, slots=True)
class Node:
    """An input or output of the graph.

    Attributes:
        name: its name.
        dtype: what its tensor holds; None for what is no tensor that numpy knows.
        shape: its sizes; -1 where one is open, None where even their number is not said.
        kind: its type as onnxruntime writes it.
    """

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...] | None
    kind: str

    @classmethod
    def of(cls, argument: Any) -> Node:
        """Read an argument of a session."""
        shape = tuple(size if isinstance(size, int) else -1 for size in argument.shape) or None
        return cls(argument.name, _DTYPES.get(argument.type), shape, argument.type)

    def spec(self, batch: int | None) -> TensorSpec | str:
        """What it declares, or why that is no column of rows.

        Args:
            batch: the number of rows that the graph takes at once; None where it takes any number.
        """
        if self.dtype is None or self.shape is None:
            return f"{self.kind} is no tensor whose sizes the file tells"
        if self.shape[0] not in (-1, batch):
            expected = "open" if batch is None else f"open or {batch}, as in the inputs"
            return f"its first size is {self.shape[0]}; expected {expected}: a row of the output for each row"
        dtype = np.dtype("str") if self.dtype == object else self.dtype
        return TensorSpec(dtype, (-1, *self.shape[1:]), self.name)

    def tensor(self, values: Any) -> Any:
        """Values as this input takes them: doubles are rounded to float where it takes float, all else is exact.

        Raises:
            ValueError: a value would change.
        """
        found = np.asarray(values)
        if found.dtype == object and len(found) and isinstance(found[0], np.ndarray | list):
            found = np.stack([np.asarray(cell) for cell in found])
        if self.shape is not None and found.ndim == 1 and len(self.shape) == 2:
            found = found.reshape(-1, 1)
        if self.dtype is None or found.dtype == self.dtype:
            return found
        if not _is_kept(found, self.dtype):
            raise ValueError(f"{self.kind} does not hold all values")
        return found.astype(self.dtype)


def _is_kept(found: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> bool:
    """Whether values may be given as another dtype."""
    match found.dtype.kind, dtype.kind:
        case (_, "O") | ("b", "i" | "u" | "f"):
            return True
        case "f", "f":
            return dtype.itemsize >= 4
        case "i" | "u", "i" | "u":
            made = found.astype(dtype)
            return bool((made == found).all() and ((made < 0) == (found < 0)).all())
        case "i" | "u", "f":
            limit = 2 ** (np.finfo(dtype).nmant + 1)
            return bool(((found >= -limit) & (found <= limit)).all())
    return False


def _threads(text: str) -> int:
    """OpenMP's number of threads, of a list of them the first; 0, onnxruntime's own choice, where none is told."""
    first = text.partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A session, and what goes in and comes out.

    Attributes:
        session: onnxruntime's session.
        inputs: what it takes.
        outputs: the names of what it returns.
    """

    session: Any = field(repr=False)
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]

    @classmethod
    def load(cls, path: Path, options: Mapping[str, Any] | None = None, providers: Collection[Any] = ()) -> OnnxModel:
        """Load a file.

        Args:
            path: the file; tensors that it keeps in other files are read from beside it.
            options: what an artifact says of threads; the process's OMP_NUM_THREADS, which Spark sets, else.
            providers: the execution providers that an artifact names; CUDA is used where it is there, else the CPU.
        """
        import onnxruntime

        set_up = onnxruntime.SessionOptions()
        set_up.log_severity_level = 4
        set_up.intra_op_num_threads = _threads(os.environ.get("OMP_NUM_THREADS", ""))
        for name in _THREADS:
            if (threads := (options or {}).get(name)) is not None:
                setattr(set_up, name, int(threads))
        wanted = [name for name in _PROVIDERS if name in providers and name in onnxruntime.get_available_providers()]
        session = onnxruntime.InferenceSession(
            os.fspath(path), sess_options=set_up, providers=[*wanted, "CPUExecutionProvider"]
        )
        inputs, outputs = session.get_inputs(), session.get_outputs()
        return cls(session, tuple(map(Node.of, inputs)), tuple(map(Node.of, outputs)))

    def predict(self, batch: Any) -> Any:
        """Run the graph.

        Args:
            batch: a dict of tensors by name; one tensor for a graph with one input; or a DataFrame, whose columns are
                the inputs by name, or together the one input of the graph.

        Returns:
            The output; several outputs by name. A graph that takes a fixed number of rows runs once for so many rows;
            the last of these batches is filled up with copies of its last row.

        Raises:
            ValueError: the input does not fit.
            ModelError: the graph takes a fixed number of rows, and an output has another number of rows.
            NotSupportedError: its inputs have different fixed numbers of rows.
        """
        feeds, size = self._feeds(batch), self.batch_size
        rows = min((len(feed) for feed in feeds.values()), default=0)
        if size is None or rows in (0, size):
            found = self.session.run(None, feeds)
        else:
            parts = [self._run(feeds, np.arange(at, at + size).clip(max=rows - 1)) for at in range(0, rows, size)]
            found = [np.concatenate(outputs)[:rows] for outputs in zip(*parts, strict=True)]
        return found[0] if len(found) == 1 else {node.name: v for node, v in zip(self.outputs, found, strict=True)}

    @property
    def batch_size(self) -> int | None:
        """The number of rows that the graph takes at once; None where it takes any number.

        Raises:
            NotSupportedError: its inputs have different fixed numbers of rows.
        """
        fixed = {node.name: node.shape[0] for node in self.inputs if node.shape is not None and node.shape[0] != -1}
        if len(set(fixed.values())) > 1:
            problems = [Problem(name, f"its first size is {size}", hint=_EXPORT) for name, size in fixed.items()]
            raise NotSupportedError("the inputs of the graph have different numbers of rows", problems)
        return next(iter(fixed.values()), None)

    def _run(self, feeds: Mapping[str, Any], rows: Any) -> list[Any]:
        found: list[Any] = self.session.run(None, {name: feed[rows] for name, feed in feeds.items()})
        if any(np.ndim(output) == 0 or len(output) != len(rows) for output in found):
            problem = Problem("", "an output has another number of rows", Code.MODEL_ERROR, _EXPORT)
            raise ModelError("the graph takes a fixed number of rows", [problem])
        return found

    def _feeds(self, batch: Any) -> dict[str, Any]:
        first, *others = self.inputs
        if isinstance(batch, Mapping | pd.DataFrame) and set(batch) == {node.name for node in self.inputs}:
            return {node.name: node.tensor(batch[node.name]) for node in self.inputs}
        if others or isinstance(batch, Mapping):
            raise ValueError("the inputs of the graph are not those of the signature")
        if isinstance(batch, pd.DataFrame):
            columns = [first.tensor(batch.iloc[:, i]) for i in range(batch.shape[1])]
            return {first.name: np.column_stack(columns)}
        return {first.name: first.tensor(batch)}

    def signature(self) -> ModelSignature:
        """What the graph declares; a fixed number of rows is declared as any number, see `predict`.

        Raises:
            NotSupportedError: an input or output is not a tensor of rows; all of them are listed.
        """
        size = self.batch_size
        specs = [(node.name, node.spec(size)) for node in (*self.inputs, *self.outputs)]
        if problems := [Problem(name, spec, hint=_EXPORT) for name, spec in specs if isinstance(spec, str)]:
            raise NotSupportedError("the inputs and outputs of the graph are not columns of rows", problems)
        found = [spec for _, spec in specs if isinstance(spec, TensorSpec)]
        count = len(self.inputs)
        return ModelSignature(Schema(found[:count]), Schema(found[count:]))
