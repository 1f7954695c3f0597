"""The store that the tests here share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.stores import Store, fill, tracking


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    before = os.getcwd()
    os.chdir(folder)  # a store in a file puts artifacts into the folder that one works in
    try:
        with tracking(f"sqlite:///{folder / 'store.db'}"):
            yield fill(folder)
    finally:
        os.chdir(before)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where what is fetched lies for a while; nothing is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.glob("sparksig-fetched-*")) == list(tmp_path.glob("sparksig-unpacked-*")) == []
