"""ONNX files and MLflow's onnx flavor: tensors by name, exact dtypes, no trust, no file outside the artifact."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from sparksig import ColSpec, ModelSignature, Schema, TensorSpec
from sparksig.errors import ModelError, ModelLoadError, NotSupportedError, TrustError
from sparksig.models.artifact import Artifact
from sparksig.models.flavors import graph_signature
from sparksig.models.flavors.onnx import OnnxModel
from sparksig.models.loading import load_model
from tests.models.graphs import WEIGHTS, dense, graph, save, two

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow.onnx
    import mlflow.pyfunc

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations

ROWS = np.random.default_rng(7).integers(-8, 8, size=(5, 64)).astype("float32")


def write(model: Any, path: Path, **options: Any) -> Path:
    mlflow.onnx.save_model(model, str(path), pip_requirements=["none"], **options)
    return path


def signature_of(path: Path) -> ModelSignature | None:
    artifact = Artifact.read(path)
    return graph_signature(artifact, artifact.digest)


def test_onnx_file_needs_no_trust_and_its_digest_covers_its_bytes(tmp_path: Path) -> None:
    path = save(dense(), tmp_path / "model.onnx")
    model = load_model(path)
    np.testing.assert_array_equal(model.predict(ROWS, None), ROWS @ WEIGHTS)
    assert not model.takes_params
    digest = f"sha256:{sha256(path.read_bytes()).hexdigest()}"
    assert load_model(path, trust=digest) is model
    with pytest.raises(TrustError, match="not the one that was trusted"):
        load_model(save(two(), tmp_path / "other.onnx"), trust=digest)


def test_onnx_passes_and_returns_tensors_by_name(tmp_path: Path) -> None:
    model = load_model(save(two(), tmp_path / "model.onnx"))
    a, b = np.array([[1.0, 2.0], [0.5, -0.5]]), np.array([2**53 + 1, -1])
    found = model.predict({"b": b, "a": a}, None)
    assert list(found) == ["sum", "twice"]
    np.testing.assert_array_equal(found["sum"], [3.0, 0.0], strict=True)
    np.testing.assert_array_equal(found["twice"], [2**54 + 2, -2], strict=True)
    for wrong in ({"a": a}, {"a": a, "b": b, "more": b}, a, pd.DataFrame({"a": [1.0]})):
        with pytest.raises(ValueError, match="not those of the signature"):
            model.predict(wrong, None)


def test_onnx_takes_columns_as_named_inputs_or_as_one_input(tmp_path: Path) -> None:
    together = load_model(save(dense(), tmp_path / "model.onnx"))
    frame = pd.DataFrame(ROWS.astype("float64"), columns=[f"c{i}" for i in range(64)])
    np.testing.assert_array_equal(together.predict(frame, None), ROWS @ WEIGHTS)
    # a column that is called like the input is one of many
    np.testing.assert_array_equal(together.predict(frame.rename(columns={"c5": "x"}), None), ROWS @ WEIGHTS)
    arrays = pd.DataFrame({"x": list(ROWS)})
    np.testing.assert_array_equal(together.predict(arrays, None), ROWS @ WEIGHTS)
    apart = load_model(save(two(), tmp_path / "two.onnx"))
    cells = pd.DataFrame({"b": [1, 2], "a": [np.array([1.0, 2.0]), np.array([3.0, 4.0])]})
    assert apart.predict(cells, None)["sum"].tolist() == [3.0, 7.0]


def texts() -> Any:
    node = helper.make_node("Identity", ["s"], ["t"])
    return graph([("s", TensorProto.STRING, ["n"])], [("t", TensorProto.STRING, ["n"])], [node])


def one(kind: int) -> Any:
    return graph([("x", kind, ["n"])], [("y", kind, ["n"])], [helper.make_node("Identity", ["x"], ["y"])])


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (TensorProto.FLOAT, [0.1, float("nan")], np.array([0.1, float("nan")], "float32")),
        (TensorProto.FLOAT, np.array([2**24, -(2**24)]), np.array([2.0**24, -(2.0**24)], "float32")),
        (TensorProto.FLOAT, np.array([2**24 + 1]), None),
        (TensorProto.DOUBLE, np.array([2**53 + 1]), None),
        (TensorProto.DOUBLE, np.array([2**63 - 1]), None),
        (TensorProto.DOUBLE, np.array([True, False]), np.array([1.0, 0.0])),
        (TensorProto.INT32, np.array([2**31 - 1]), np.array([2**31 - 1], "int32")),
        (TensorProto.INT32, np.array([2**31]), None),
        (TensorProto.UINT64, np.array([-1]), None),
        (TensorProto.INT64, np.array([1.0]), None),
        (TensorProto.FLOAT16, np.array([0.1]), None),
        (TensorProto.FLOAT, np.array(["1"], object), None),
    ],
)
def test_onnx_rounds_only_doubles_for_float_inputs(kind: int, given: Any, expected: Any, tmp_path: Path) -> None:
    model = load_model(save(one(kind), tmp_path / "model.onnx"))
    if expected is None:
        with pytest.raises(ValueError, match="does not hold all values"):
            model.predict(given, None)
    else:
        np.testing.assert_array_equal(model.predict(given, None), expected, strict=True)


def test_onnx_passes_strings(tmp_path: Path) -> None:
    path = save(texts(), tmp_path / "model.onnx")
    for given in (np.array(["a", "äö\u0000"], object), np.array(["a", "b"])):
        assert load_model(path).predict(given, None).tolist() == [str(text) for text in given]
    assert signature_of(path) == ModelSignature(
        Schema([TensorSpec(np.dtype("str"), (-1,), "s")]), Schema([TensorSpec(np.dtype("str"), (-1,), "t")])
    )


# ---- MLflow's flavour


@pytest.mark.parametrize("external", [False, True])
def test_onnx_flavor_predicts_as_mlflow_does(external: bool, tmp_path: Path) -> None:
    path = write(dense(), tmp_path / "model", save_as_external_data=external)
    assert (len([p for p in path.iterdir() if p.stat().st_size == WEIGHTS.nbytes]) == 1) is external
    model = load_model(path)
    expected = mlflow.pyfunc.load_model(str(path)).predict(ROWS)
    np.testing.assert_array_equal(model.predict(ROWS, None), expected["y"], strict=True)


def test_onnx_rejects_tensors_outside_the_artifact(tmp_path: Path) -> None:
    path = write(dense(), tmp_path / "model", save_as_external_data=True)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(path / "model.onnx", alone)
    before = Path.cwd()
    os.chdir(path)  # where onnxruntime would look for the tensors of a model without a path
    try:
        with pytest.raises(ModelLoadError, match="onnx: loading raised"):
            load_model(alone / "model.onnx")
    finally:
        os.chdir(before)


def test_onnx_ignores_the_models_providers_and_session_options(tmp_path: Path) -> None:
    providers = ["AzureExecutionProvider", ("OpenVINOExecutionProvider", {"library": "x.so"}), "CPUExecutionProvider"]
    options = {"intra_op_num_threads": 1, "extra_session_config": {"session.no_such_thing": "1"}}
    path = write(dense(), tmp_path / "model", onnx_execution_providers=providers, onnx_session_options=options)
    assert load_model(path).predict(ROWS, None).shape == (5, 8)


@pytest.mark.parametrize(("text", "threads"), [("2", 2), ("3,2", 3), ("", 0), ("many", 0)])
def test_onnx_uses_the_threads_that_spark_gives_a_task(
    text: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    made = OnnxModel.load(save(dense(), tmp_path / "model.onnx"))
    assert made.session.get_session_options().intra_op_num_threads == threads
    made = OnnxModel.load(tmp_path / "model.onnx", {"intra_op_num_threads": 1})
    assert made.session.get_session_options().intra_op_num_threads == 1


def test_onnx_rejects_corrupt_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"garbage")
    with pytest.raises(ModelLoadError, match="onnx: loading raised InvalidProtobuf"):
        load_model(tmp_path / "model.onnx")
    with pytest.raises(ModelLoadError, match="there is no such file"):
        load_model(tmp_path / "none.onnx")


def test_onnx_names_the_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(dense(), tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelLoadError, match=r"pip install 'sparksig\[onnx\]'"):
        load_model(path)


# ---- the signature of a graph


def test_onnx_signature_is_read_from_the_graph(tmp_path: Path) -> None:
    assert signature_of(save(two(), tmp_path / "model.onnx")) == ModelSignature(
        Schema([TensorSpec(np.dtype("float64"), (-1, 2), "a"), TensorSpec(np.dtype("int64"), (-1,), "b")]),
        Schema([TensorSpec(np.dtype("float64"), (-1,), "sum"), TensorSpec(np.dtype("int64"), (-1,), "twice")]),
    )
    given = mlflow.models.ModelSignature.from_dict(
        ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 64))]), Schema([ColSpec("float")])).to_dict()
    )
    assert signature_of(write(dense(), tmp_path / "signed", signature=given)) is None  # it has one
    assert signature_of(write(dense(), tmp_path / "unsigned")) is not None


def fixed(*sizes: int, outputs: int) -> onnx.ModelProto:
    """A graph whose inputs x0, x1, .. have fixed numbers of rows; it sums them, and reduces what it returns, too."""
    names = [f"x{i}" for i in range(len(sizes))]
    nodes = [helper.make_node("Sum", names, ["y"]), helper.make_node("Slice", ["y", "start", "end"], ["z"])]
    made = graph(
        [(name, TensorProto.FLOAT, [size, 3]) for name, size in zip(names, sizes, strict=True)],
        [("z", TensorProto.FLOAT, [outputs, 3])],
        nodes,
    )
    for name, value in (("start", 0), ("end", outputs)):
        made.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [value]))
    return made


@pytest.mark.parametrize("size", [1, 2, 5, 7])
def test_onnx_scores_graphs_of_a_fixed_batch_size_in_such_batches(size: int, tmp_path: Path) -> None:
    path = save(fixed(size, size, outputs=size), tmp_path / "fixed.onnx")
    three = TensorSpec(np.dtype("float32"), (-1, 3), "x0")
    assert signature_of(path) == ModelSignature(
        Schema([three, TensorSpec(three.type, (-1, 3), "x1")]), Schema([TensorSpec(three.type, (-1, 3), "z")])
    )
    model = load_model(path)
    for rows in (1, 2, 5, 6):
        given = np.arange(rows * 3, dtype="float32").reshape(rows, 3)
        found = model.predict({"x0": given, "x1": given}, None)
        np.testing.assert_array_equal(found, given * 2, strict=True)


def test_onnx_signature_rejects_graphs_without_columns(tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match="z: its first size is 1; expected open or 2") as caught:
        signature_of(save(fixed(2, outputs=1), tmp_path / "fixed.onnx"))
    [problem] = caught.value.problems
    assert problem.hint is not None and "export the graph with an open first size" in problem.hint
    with pytest.raises(ModelError, match="an output has another number of rows"):
        load_model(tmp_path / "fixed.onnx").predict({"x0": np.ones((3, 3), "float32")}, None)
    with pytest.raises(NotSupportedError, match="different numbers of rows") as caught:
        signature_of(save(fixed(1, 2, outputs=2), tmp_path / "two.onnx"))
    assert [problem.path for problem in caught.value.problems] == ["x0", "x1"]
    maps = to_onnx(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), np.zeros((1, 1), "float32"))
    with pytest.raises(NotSupportedError, match=r"seq\(map\(int64,tensor\(float\)\)\) is no tensor"):
        signature_of(save(maps, tmp_path / "maps.onnx"))


def test_onnx_predicts_with_a_converted_classifier(tmp_path: Path) -> None:
    data = np.random.default_rng(3).normal(size=(40, 3))
    trained = LogisticRegression().fit(data, data[:, 0] > 0)
    converted = to_onnx(trained, data[:1].astype("float32"), options={"zipmap": False})
    assert isinstance(converted, onnx.ModelProto)
    path = save(converted, tmp_path / "model.onnx")
    found = load_model(path).predict(pd.DataFrame(data), None)
    assert found["label"].tolist() == trained.predict(data).tolist()
    np.testing.assert_allclose(found["probabilities"], trained.predict_proba(data), rtol=1e-4, atol=1e-6)
