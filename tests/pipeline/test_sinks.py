"""Sinks and the commit of a run: complete or not at all, wherever a process is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparksig.cli import main
from sparksig.errors import SinkError
from sparksig.pipeline import sinks
from sparksig.pipeline.dataset import MARKER
from sparksig.pipeline.sinks import Commit, Sink, recover
from tests.pipeline.places import KINDS, fill, left, seen, staged

OLD, NEW = ["old"] * 3, ["new"] * 3


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to replace a folder."""
    if request.param == "two renames":
        monkeypatch.setattr(sinks, "_renameat2", lambda: None)
    return str(request.param)


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    return Sink(str(tmp_path / "out"), "r", "scored", "new", begun=True)


def names(sink: Sink) -> list[str]:
    return sorted(os.listdir(sink.folder))


# ---- a sink alone


def test_sink_undo_removes_staging_and_keeps_the_previous_attempt(sink: Sink) -> None:
    fill(sink.final, "old", attempt="old")
    fill(sink.staging, "half")
    sink.undo()
    assert names(sink) == ["run_id=r"]


def test_sink_undo_does_nothing_before_the_run_has_begun(sink: Sink) -> None:
    fill(sink.staging, "of another run that is under way")
    sink.begun = False
    sink.undo()
    assert names(sink) == ["_staging-r"]


def test_sink_undo_removes_only_the_folder_created_by_the_run(sink: Sink) -> None:
    fill(sink.staging, "half")
    sink.undo()
    assert names(sink) == []
    sink.made_folder = True
    sink.undo()
    assert not os.path.exists(sink.folder)


@pytest.mark.parametrize("place", ["final", "staging", "former"])
@pytest.mark.parametrize("content", ["empty", "foreign", "other run", "other kind", "broken marker"])
def test_sink_reports_and_keeps_foreign_folders(sink: Sink, place: str, content: str, way: str) -> None:
    folder = getattr(sink, place)
    if content == "other run":
        fill(folder, "theirs", "s")
    elif content == "other kind":
        fill(folder, "theirs", kind="quarantine")
    else:
        Path(folder).mkdir(parents=True)
        Path(folder, MARKER if content == "broken marker" else "file").write_text("{" if content != "empty" else "")
    before = sorted(os.listdir(folder))
    assert [problem.path for problem in sink.faults()] == [folder]
    sink.undo()
    if place != "staging":
        fill(sink.staging, "new")
    if place == "final":
        with pytest.raises(SinkError, match="not ours"):
            sink.swap("new")
    sink.clear("old")
    assert sorted(os.listdir(folder)) == before


def test_sink_accepts_a_folder_with_only_its_own_runs(sink: Sink) -> None:
    assert list(sink.faults()) == []
    fill(sink.final, "old")
    fill(sink.staging, "half")
    assert list(sink.faults()) == []


@pytest.mark.parametrize("place", ["mock://out", "gs://bucket/out"])
def test_sink_rejects_stores_without_atomic_rename(place: str) -> None:
    [problem] = Sink(place, "r", "scored").faults()
    assert "cannot rename a folder whole" in problem.fact


# ---- both and the summary


@pytest.mark.parametrize("replaces", [False, True])
def test_sink_commit_publishes_every_output_and_leaves_nothing_else(tmp_path: Path, replaces: bool, way: str) -> None:
    fill(f"{tmp_path}/scored/run_id=other", "theirs", "other")
    commit = staged(tmp_path, replaces)
    commit.decide()
    assert seen(tmp_path) == (OLD if replaces else [None] * 3)
    commit.finish()
    commit.finish()
    assert seen(tmp_path) == NEW
    commit.settle()
    assert left(tmp_path) == [
        *("quarantine/run_id=r/part", "scored/run_id=other/part", "scored/run_id=r/part", "summary.json")
    ]
    assert not recover(str(tmp_path / "scored"), "r")


@pytest.mark.parametrize("replaces", [False, True])
def test_sink_commit_can_be_rolled_back_by_its_own_attempt(tmp_path: Path, replaces: bool, way: str) -> None:
    commit = staged(tmp_path, replaces)
    commit.decide()
    for sink in commit.sinks():
        sink.swap("new")
    commit.take_back()
    for sink in commit.sinks():
        sink.begun = True
        sink.undo()
    assert seen(tmp_path) == (OLD if replaces else [None] * 3)
    assert left(tmp_path) == (["quarantine/run_id=r/part", "scored/run_id=r/part", "summary.json"] if replaces else [])


def test_cli_recover_finishes_a_decided_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    staged(tmp_path, True).decide()
    for finished in (True, False):
        with pytest.raises(SystemExit, match="0"):
            main(["recover", str(tmp_path / "scored"), "r", "--json"])
        assert json.loads(capsys.readouterr().out) == {"run_id": "r", "finished": finished}
    assert seen(tmp_path) == NEW


@pytest.mark.parametrize("text", ["[]", "null", '{"version": 1}', '{"version": 1, "more": 2}', "no JSON"])
def test_recover_rejects_an_unreadable_commit_file(tmp_path: Path, text: str) -> None:
    commit = staged(tmp_path, True)
    Path(commit.place).write_text(text)
    with pytest.raises(SinkError, match="a commit cannot be read"):
        recover(str(tmp_path / "scored"), "r")
    assert seen(tmp_path) == OLD


def test_recover_rejects_a_commit_file_of_another_version(tmp_path: Path) -> None:
    commit = staged(tmp_path, True)
    commit.decide()
    Path(commit.place).write_text(json.dumps({**json.loads(Path(commit.place).read_text()), "version": 2}))
    with pytest.raises(SinkError, match="of another version"):
        recover(str(tmp_path / "scored"), "r")
    assert seen(tmp_path) == OLD


def test_sink_commit_rejects_the_earlier_of_two_attempts(tmp_path: Path) -> None:
    staged(tmp_path, True)
    folders = {kind: str(tmp_path / kind) for kind in KINDS}
    earlier = Commit("r", "earlier", folders, str(tmp_path / "summary.json"), "earlier")
    with pytest.raises(SinkError, match="under way elsewhere"):
        earlier.decide()
    earlier.take_back()
    for sink in earlier.sinks():
        sink.begun = True
        sink.undo()
    later = staged(tmp_path / "again", False)
    later.decide()
    assert seen(tmp_path) == OLD
    assert len([path for path in left(tmp_path) if "_staging" in path]) == 4, "what others have staged stays"


def test_sink_cleanup_keeps_the_staging_of_another_attempt(tmp_path: Path, way: str) -> None:
    commit = staged(tmp_path, True)
    commit.decide()
    commit.finish()
    for sink in commit.sinks():
        shutil.rmtree(sink.staging, ignore_errors=True)
        fill(sink.staging, "next", kind=sink.kind, attempt="next")
    commit.settle()
    assert seen(tmp_path) == NEW
    assert len([path for path in left(tmp_path) if "_staging" in path]) == 2


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("replaces", [False, True])
def test_sink_commit_leaves_old_or_new_when_killed_at_any_step(tmp_path: Path, replaces: bool, exchanges: bool) -> None:
    argv = [sys.executable, "-m", "tests.pipeline.run_commit", str(tmp_path), str(replaces), str(exchanges)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    tries = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(tries) >= 8 and [each["killed"] for each in tries] == [True] * (len(tries) - 1) + [False]
    before = OLD if replaces else [None] * 3
    for number, each in enumerate(tries):
        told = f"killed before step {number + 1}: {each}"
        # a folder alone is whole at any moment; without an exchange it may be away while it is replaced
        assert set(each["seen"]) <= {"new", before[0], *([] if exchanges else [None])}, told
        if not each["decided"] and each["killed"] and each["seen"] != NEW:
            assert each["seen"] == each["then"] == before, told
        else:
            assert each["then"] == NEW, told
            rest = ["quarantine/run_id=r/part", "scored/run_id=r/part", "summary.json"]
            assert each["left"] == rest, told


def test_sink_detects_rows_written_to_another_machines_disk(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "scored"), "r", "scored", "new")
    staging = Path(sink.staging)
    fill(str(staging), "rows", attempt="new")
    assert sink.arrived()
    (staging / "part").rename(staging / "_temporary")
    (staging / ".part.crc").touch()
    assert not sink.arrived()


def test_cli_recover_rejects_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["recover", str(tmp_path / "scord"), "r"])
    assert caught.value.code == 2
