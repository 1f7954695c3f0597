from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparksig.errors import ModelLoadError, NotSupportedError
from sparksig.models.artifact import Artifact

MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
  sklearn: {pickled_model: model.pkl}
mlflow_version: 2.9.1
signature: {inputs: '[{"type": "double"}]', outputs: null}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "model.pkl").write_bytes(b"\0" * 3_000_000)
    (folder / "code" / "a.py").write_text("")
    return folder


def test_artifact_reads_what_mlmodel_declares(model: Path) -> None:
    artifact = Artifact.read(model)
    assert list(artifact.flavors) == ["python_function", "sklearn"]
    assert artifact.signature == {"inputs": '[{"type": "double"}]', "outputs": None}
    assert (artifact.mlflow_version, artifact.python_version) == ("2.9.1", "3.11.7")
    assert Artifact.read(model / "MLmodel") == artifact


def test_artifact_digest_covers_file_names_and_contents_only(model: Path, tmp_path: Path) -> None:
    before = Artifact.read(model).digest
    assert before.startswith("sha256:")
    assert len(before) == 71
    os.utime(model / "model.pkl", (1, 1))
    model.rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere"
    assert Artifact.read(moved).digest == before
    (moved / "code" / "a.py").rename(moved / "code" / "b.py")
    renamed = Artifact.read(moved).digest
    (moved / "model.pkl").write_bytes(b"\0" * 2_999_999 + b"\1")
    assert len({before, renamed, Artifact.read(moved).digest}) == 3


directories = st.dictionaries(st.text("ab", min_size=1, max_size=3), st.binary(max_size=3), max_size=4)


@given(one=directories, other=directories)
def test_artifact_digest_is_equal_only_for_equal_directories(
    one: dict[str, bytes], other: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    digests = []
    for files in (one, other):
        folder = tmp_path_factory.mktemp("model")
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "MLmodel").write_text(MLMODEL)
        digests.append(Artifact.read(folder).digest)
    assert (digests[0] == digests[1]) == (one == other)


def test_artifact_digest_rejects_links_and_pipes_all_at_once(model: Path, tmp_path: Path) -> None:
    (model / "code" / "link.py").symlink_to(tmp_path / "outside.py")
    (model / "folder").symlink_to(tmp_path)
    os.mkfifo(model / "pipe")
    with pytest.raises(ModelLoadError) as caught:
        _ = Artifact.read(model).digest
    assert sorted(problem.path for problem in caught.value.problems) == ["code/link.py", "folder", "pipe"]


def test_artifact_accepts_a_link_to_the_directory(model: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(model)
    assert Artifact.read(tmp_path / "current").digest == Artifact.read(model).digest


def test_artifact_contents_belong_to_the_digest(model: Path) -> None:
    artifact = Artifact.read(model)
    digest, contents = artifact.contents({"code/a.py", "../model/MLmodel", "none"})
    assert (digest, contents) == (artifact.digest, {"code/a.py": b""})
    (model / "MLmodel").write_text(MLMODEL + "run_id: x\n")
    with pytest.raises(ModelLoadError, match="changed while it was read"):
        artifact.contents(())


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("a: [", "not YAML, line 1"),
        ("- a", "not a mapping"),
        ("run_id: x", "missing, empty or not a mapping"),
        ("flavors: {sklearn: 1, onnx: null}", "not a mapping"),
        ("flavors: !!python/object/apply:os.system ['true']", "not YAML, line 1"),
    ],
)
def test_artifact_rejects_an_invalid_mlmodel(text: str, fact: str, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(ModelLoadError) as caught:
        Artifact.read(tmp_path)
    assert {problem.fact for problem in caught.value.problems} == {fact}


def test_artifact_rejects_paths_that_are_not_a_model_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="has no file MLmodel"):
        Artifact.read(tmp_path)
    with pytest.raises(ModelLoadError, match="is not a directory"):
        Artifact.read(tmp_path / "none")
    with pytest.raises(NotSupportedError, match="models:/ is not a local directory"):
        Artifact.read("models:/late@prod")
