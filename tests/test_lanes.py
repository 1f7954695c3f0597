"""The runner of the test lanes reports each failure, and sums pytest's closing lines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.lanes import Lane, Outcome, closing_line, main, run_lane


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_lane_fails_when_any_command_fails_and_still_runs_the_others(tmp_path: Path) -> None:
    lane = Lane(
        "spark",
        (
            python("print('=== 3 passed, 1 skipped in 1.00s ==='); print('a later line')"),
            python("import os, sys; sys.stdout.buffer.write(b'\\xff\\n'); sys.stdout.flush(); os.kill(os.getpid(), 9)"),
            ("no-such-program",),
            python("print('== 2 passed, 9 deselected in 3.00s (0:00:03) =='); print('Success: no issues')"),
        ),
    )
    outcome = run_lane(lane, tmp_path / "log", live=False)
    assert len(outcome.failures) == 2
    assert outcome.failures[0].endswith("exit code -9") and outcome.failures[1].startswith("no-such-program: No such")
    assert outcome.closing == ("3 passed, 1 skipped in 1.00s", "2 passed, 9 deselected in 3.00s (0:00:03)")
    assert "FAILED" in str(outcome) and f"{outcome.seconds:.1f} s" in str(outcome)
    log = (tmp_path / "log").read_text()
    assert "\\xff" in log and "Success: no issues" in log
    assert closing_line([outcome]) == "5 passed, 2 failed, 1 skipped"


def test_lane_fails_when_pytest_selects_no_test(tmp_path: Path) -> None:
    outcome = run_lane(Lane("all", (python("print('no tests ran in 0.10s'); exit(5)"),)), tmp_path / "log", live=False)
    assert outcome.failures and closing_line([outcome]) == "0 passed, 1 failed, 0 skipped"


def test_closing_line_sums_the_lanes() -> None:
    closings = [
        "1 failed, 20 passed, 2 skipped, 3 xfailed in 9.00s",
        "4 passed, 2 errors in 1.00s",
        "Success: no issues",
    ]
    outcomes = [Outcome("lane", 1.0, (), (closing,)) for closing in closings]
    assert closing_line(outcomes[:1]) == "20 passed, 1 failed, 2 skipped"
    assert closing_line(outcomes) == "24 passed, 3 failed, 2 skipped"


@pytest.mark.parametrize("name", ["", "spark", "check test"])
def test_lanes_of_an_unknown_name_end_with_a_usage_message(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(name) == 2
    assert "expected one of lint, check, test, all; got" in capsys.readouterr().err
