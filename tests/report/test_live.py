from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from sparksig.report import live
from sparksig.report.live import Bars, Lines


def test_live_lines_print_one_line_per_phase_and_one_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines()
    lines.tasks(1, 2)  # of nothing
    lines.begin("score")
    lines.tasks(1, 8)  # too early to tell
    monkeypatch.setattr(live, "EVERY", 0.0)
    lines.tasks(2, 8)
    lines.end("score", 12.34, True)
    lines.tasks(8, 8)  # too late
    lines.end("commit", 0.0, False)
    out, err = capsys.readouterr()
    told = ["score           0.0 s  2 of 8 tasks", "score          12.3 s", "commit          0.0 s  failed"]
    assert (out, err.splitlines()) == ("", told)


def test_live_bars_show_one_bar_per_phase() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with Progress(TextColumn("{task.description}{task.fields[count]}"), console=console, auto_refresh=False) as bars:
        shown = Bars(bars)
        shown.tasks(1, 2)
        for phase, well in (("score", True), ("commit", False)):
            shown.begin(phase)
            shown.tasks(3, 8)
            assert bars.tasks[-1].percentage == 37.5
            shown.end(phase, 1.0, well)
            shown.tasks(4, 8)
        assert [(task.percentage, task.fields["count"]) for task in bars.tasks] == [(100, ""), (0, "failed")]


def test_live_prints_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    with live.live() as progress:
        assert isinstance(progress, Lines)


def test_live_shows_bars_for_a_terminal_behind_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with live.live() as progress:
        assert isinstance(progress, Bars)
        progress.begin("score")
        progress.end("score", 1.0, True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "score" in err
