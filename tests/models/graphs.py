"""Small ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = (np.arange(64 * 8).reshape(64, 8) % 7 - 3).astype("float32")  # sums of whole numbers are exact


def graph(inputs: list[tuple[Any, ...]], outputs: list[tuple[Any, ...]], nodes: list[Any], **tensors: Any) -> Any:
    """A model of nodes; inputs and outputs are (name, type, shape)."""
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def dense() -> Any:
    """x float[n, 64] -> y float[n, 8], by weights that are large enough to lie in a file of their own."""
    return graph(
        [("x", TensorProto.FLOAT, ["n", 64])],
        [("y", TensorProto.FLOAT, ["n", 8])],
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        w=WEIGHTS,
    )


def two() -> Any:
    """a double[n, 2], b long[n] -> sum double[n], twice long[n]."""
    return graph(
        [("a", TensorProto.DOUBLE, ["n", 2]), ("b", TensorProto.INT64, ["n"])],
        [("sum", TensorProto.DOUBLE, ["n"]), ("twice", TensorProto.INT64, ["n"])],
        [
            helper.make_node("ReduceSum", ["a", "axis"], ["sum"], keepdims=0),
            helper.make_node("Add", ["b", "b"], ["twice"]),
        ],
        axis=np.array([1], "int64"),
    )


def save(model: Any, path: Path) -> Path:
    """Write a model into one file."""
    onnx.save_model(model, path)
    return path
