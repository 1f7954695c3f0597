from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given

from sparksig.errors import SignatureError, SinkError
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from sparksig.sources.mlmodel import load_signature, read_mlmodel, save_signature, set_signature
from tests.signature.strategies import signatures

OLD = ModelSignature(inputs=Schema([ColSpec("double", "a")]))
NEW = ModelSignature(inputs=Schema([ColSpec("long", "it's: {b} # \n é \u2028")]), outputs=Schema([ColSpec("double")]))
HEAD = "# kept\nflavors:\n  python_function:\n    python_version: 3.10  # not 3.1\nmlflow_version: 3.1.0\n"
BLOCK = 'signature:\n  inputs: \'[{"type": "double",\n    "name": "a"}]\'\n  outputs: null\n  params: null\n'
TAIL = "# a comment at the margin\n\nutc_time_created: '2024-01-01 00:00:00'\n"


def mlmodel(folder: Path, text: str) -> Path:
    (folder / "MLmodel").write_bytes(text.encode("utf-8"))
    return folder


def body(folder: Path) -> str:
    return (folder / "MLmodel").read_bytes().decode("utf-8")


def refusal(source: Path | str | dict[str, object]) -> str:
    with pytest.raises(SignatureError) as caught:
        load_signature(source)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("indent", ["", "  "])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_set_signature_changes_only_the_lines_of_its_block(tmp_path: Path, ending: str, indent: str, mark: str) -> None:
    def shaped(text: str) -> str:
        lines = text.splitlines()
        return "".join((indent + line if line and line[0] != "#" else line) + ending for line in lines)

    folder = mlmodel(tmp_path, mark + shaped(HEAD) + shaped(BLOCK) + shaped(TAIL))
    set_signature(folder, NEW)
    assert load_signature(folder) == NEW
    text = body(folder)
    assert text.startswith(mark + shaped(HEAD)) and text.endswith(shaped(TAIL))
    block = text.removeprefix(mark + shaped(HEAD)).removesuffix(shaped(TAIL))
    assert block.isascii() and block.count(ending) == 4 and len(block.splitlines()) == 4


@pytest.mark.parametrize(
    "text", [HEAD, HEAD.rstrip("\n"), HEAD + "signature: null\n", HEAD + "signature:", HEAD + "..."]
)
def test_set_signature_adds_a_missing_signature(tmp_path: Path, text: str) -> None:
    folder = mlmodel(tmp_path, text)
    assert "set_signature" in refusal(folder)
    set_signature(folder / "MLmodel", NEW)
    assert load_signature(folder) == NEW
    assert body(folder).startswith(HEAD.rstrip("\n"))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + BLOCK + BLOCK,
        '{"flavors": {}, "signature": null}',
        HEAD + "base: &base\n  signature: null\n" + "signature: &s {inputs: null}\nother: *s\n",
        "a: 1\n",
        "- flavors\n",
        "",
        HEAD + "\t" + BLOCK,
    ],
)
def test_set_signature_rejects_files_whose_block_is_ambiguous(tmp_path: Path, text: str) -> None:
    folder = mlmodel(tmp_path, text)
    with pytest.raises(SignatureError):
        set_signature(folder, NEW)
    assert body(folder) == text
    assert os.listdir(tmp_path) == ["MLmodel"]


def test_set_signature_keeps_permissions_and_links(tmp_path: Path) -> None:
    real, model = tmp_path / "real", tmp_path / "model"
    real.mkdir()
    model.mkdir()
    mlmodel(real, HEAD + BLOCK)
    (real / "MLmodel").chmod(0o640)
    (model / "MLmodel").symlink_to(real / "MLmodel")
    set_signature(model, NEW)
    assert (model / "MLmodel").is_symlink() and load_signature(real) == NEW
    assert (real / "MLmodel").stat().st_mode & 0o777 == 0o640


@given(signatures())
def test_set_signature_and_save_signature_round_trip_any_signature(
    tmp_path_factory: pytest.TempPathFactory, signature: ModelSignature
) -> None:
    folder = mlmodel(tmp_path_factory.mktemp("model"), HEAD + BLOCK + TAIL)
    set_signature(folder, signature)
    assert load_signature(folder) == signature
    save_signature(signature, folder / "signature.json")
    assert load_signature(folder / "signature.json") == signature


def test_load_signature_reads_json_files_and_dicts_of_every_layout(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"inputs": [{"type": "double", "name": "a"}]}')
    assert load_signature(file) == load_signature(str(file)) == OLD
    assert load_signature({"signature": OLD.to_dict()}) == load_signature(OLD.to_dict()) == OLD
    assert read_mlmodel(mlmodel(tmp_path, HEAD))["mlflow_version"] == "3.1.0"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no MLmodel"),
        ("just text", "no MLmodel"),
        ("name: model\nentry_points: {}\n", "no MLmodel and no signature"),
        ("a: [1", "at line"),
        ("a: 'x\n", "not YAML"),
        ("a: !!python/object/apply:os.system [echo]\n", "not YAML"),
        ("a: 2024-99-99\n", "no MLmodel"),
        ("a: !!bool x\n", "not what its form says"),
        ("a: !!timestamp x\n", "no MLmodel"),
        ("a: !!int ''\n", "no MLmodel"),
        ("a: *x\n", "not YAML"),
        ("? [a]\n: b\n", "not YAML"),
        ("a: " + "[" * 300_000, "nested too deeply"),
        ("{" * 300_000, "no"),
        ('{"inputs": ', "not JSON"),
        ("[]", "a list"),
        ("a: \x07", "characters"),
        ("flavors: {}\nsignature: text\n", "not a text"),
        ("flavors: {}\nsignature: {inputs: None}\n", "not JSON"),
    ],
)
def test_load_signature_rejects_files_that_are_not_an_mlmodel(tmp_path: Path, text: str, says: str) -> None:
    assert says in refusal(mlmodel(tmp_path, text))


def test_load_signature_rejects_missing_and_binary_files(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "x")
    assert "only runs:/ and models:/ are read" in refusal("models:/name/1")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x05\x95")
    assert "not UTF-8" in refusal(tmp_path / "model.pkl")
    assert "without a signature" in refusal({"flavors": {}})


def test_save_signature_leaves_nothing_behind_when_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(SinkError):
        save_signature(OLD, tmp_path / "absent" / "s.json")
    assert os.listdir(tmp_path) == []


def test_load_signature_imports_neither_mlflow_nor_pyspark_nor_pandas(tmp_path: Path) -> None:
    mlmodel(tmp_path, HEAD + BLOCK)
    code = (
        f"import sparksig, sys; sparksig.load_signature({str(tmp_path)!r});"
        "print(sorted({'mlflow', 'pyspark', 'pandas', 'pydantic'} & sys.modules.keys()))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
