"""Signatures of real-world MLmodel files, read as MLflow reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sparksig.errors import SignatureError
from sparksig.sources.mlmodel import load_signature, set_signature

RECORDS = [json.loads(line) for line in (Path(__file__).parent / "mlmodels.jsonl").read_text("utf-8").splitlines()]
WITH_SIGNATURE = [r for r in RECORDS if "signature" in r]
RAW = [r for r in RECORDS if "raw" in r]
NO_MLMODEL = "MLproject"  # MLflow takes any mapping for an MLmodel without a signature; we say that it is none


def ids(records: list[dict[str, Any]]) -> list[str]:
    return [f"{r['id']}-{r.get('mlflow_version')}" for r in records]


def parts(signature: Any) -> dict[str, Any]:
    return {
        f"{part}_{form}": getattr(signature, part) and value(getattr(signature, part))
        for part in ("inputs", "outputs", "params")
        for form, value in (("repr", repr), ("json", lambda x: x.to_json()))
    }


@pytest.mark.parametrize("record", WITH_SIGNATURE, ids=ids(WITH_SIGNATURE))
def test_load_signature_reads_a_signature_block_as_mlflow_does(record: dict[str, Any]) -> None:
    expected = record["expected"]
    if not expected["ok"]:
        with pytest.raises(SignatureError):
            load_signature({"signature": record["signature"]})
        return
    found = parts(load_signature({"signature": record["signature"]}))
    for key, value in expected.items():
        if key in found:
            assert found[key] == value


@pytest.mark.parametrize("record", RAW, ids=ids(RAW))
def test_load_signature_reads_a_raw_file_as_mlflow_does(record: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "MLmodel"
    file.write_bytes(record["raw"].encode("utf-8"))
    loaded = record["model_load"]
    if loaded["ok"] and loaded.get("signature", ...) is not None:
        found = parts(load_signature(tmp_path))
        assert {key: found[key] for key in found if key in loaded} == {
            key: loaded[key] for key in found if key in loaded
        }
        return
    with pytest.raises(SignatureError) as caught:
        load_signature(tmp_path)
    assert "Traceback" not in str(caught.value)
    if loaded["ok"] and NO_MLMODEL not in str(record.get("note")):
        assert "infer_signature" in str(caught.value)


@pytest.mark.parametrize("record", RAW, ids=ids(RAW))
def test_set_signature_changes_only_its_lines_in_a_raw_file(record: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "MLmodel"
    before = record["raw"].encode("utf-8")
    file.write_bytes(before)
    new = load_signature({"inputs": [{"type": "double", "name": "it's \n é"}], "outputs": [{"type": "long"}]})
    try:
        set_signature(tmp_path, new)
    except SignatureError:
        assert file.read_bytes() == before
        assert not record["model_load"]["ok"] or record["raw"].startswith("{") or NO_MLMODEL in str(record.get("note"))
        return
    after = file.read_bytes()
    assert load_signature(tmp_path) == new
    head = 0
    while before[head : head + 1] == after[head : head + 1] != b"":
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    changed = before[head : len(before) - tail].decode("utf-8")
    assert not any(
        key in changed for key in ("flavors", "mlflow_version", "utc_time", "artifact_path", "python_version")
    )
    assert after.endswith(b"\n") == before.endswith(b"\n")
    assert (b"\r\n" in after) == (b"\r\n" in before)
