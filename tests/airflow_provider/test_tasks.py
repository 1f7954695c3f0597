"""Tasks in a real Airflow: their states, tries, XComs, events and links."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from sparksig.models.saving import save_model
from sparksig.report.summary import Summary
from tests.airflow_provider.environment import Home
from tests.airflow_provider.scene import CLEAN, OTHER, SECRET, Scene
from tests.pipeline.estimators import Raising, Sleeping
from tests.pipeline.jobs import SIGNATURE as WITH_PARAMS

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DAGS = Path(__file__).parent / "dags"

KILLED = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
SILENT = "print('all is well')\n"
LATE = """
import os, signal, sys
from pathlib import Path
from sparksig.cli import main

sign = Path(__file__).with_name("late.sign")
try:
    main(["score", *sys.argv[1:]])
finally:
    if not sign.exists():
        sign.write_text(str(os.listdir(Path(__file__).with_name("scene") / "scored")))
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.made(tmp_path / "airflow")
    shutil.copy(DAGS / "cases.py", made.dags)
    (made.root / "killed.py").write_text(KILLED)
    (made.root / "silent.py").write_text(SILENT)
    (made.root / "late.py").write_text(LATE)
    return made


@pytest.fixture
def scene(home: Home) -> Scene:
    made = Scene.made(home.root / "scene")
    made.configured(home.dags)
    made.table(OTHER, "foreign")
    return made


def said(done: subprocess.CompletedProcess[str]) -> str:
    """All that a run of a DAG has said: no row's value is in it."""
    text = done.stdout + done.stderr
    assert str(SECRET) not in text
    return text


def test_airflow_validate_tasks_end_by_verdict_and_set_downstream_states(home: Home, scene: Scene) -> None:
    (scene.root / "old.json").write_text(json.dumps(Summary("old", "incompatible").to_dict()))
    text = said(home.dag_test("plans"))
    assert home.states("plans") == {
        "fits": ("success", 1),
        "does_not_fit": ("failed", 1),  # a retry is left, and is not taken
        "tells_nobody": ("failed", 1),
        "skipped": ("skipped", 1),
        "retried": ("failed", 2),
        "no_model": ("failed", 1),
        "no_yaml": ("failed", 1),
        "no_batch": ("failed", 1),
        "killed": ("failed", 2),
        "silent": ("failed", 2),
        "killed_beside_an_old_summary": ("failed", 2),
        "left": ("success", 1),
        "ways": ("success", 1),
        "way_on": ("skipped", 0),
        "way_out": ("success", 1),
        "stops": ("success", 1),
        "after_stop": ("skipped", 0),
        "goes": ("success", 1),
        "after_go": ("success", 1),
    }
    assert "incompatible: the table does not fit" in text
    kept = json.loads((scene.root / "fits.json").read_text())
    assert (kept["verdict"], kept["run_id"]) == ("clean", home.xcom("plans", "fits")["run_id"])
    assert home.xcom("plans", "fits")["summary"] == str(scene.root / "fits.json")
    failed = home.xcom("plans", "does_not_fit")  # of a task that failed too
    assert failed["verdict"] == "incompatible"
    assert [(each["path"], each["code"]) for each in failed["problems"]] == [("x", "MISSING_COLUMN")]
    assert home.xcom("plans", "killed")["verdict"] == "failed"
    assert home.xcom("plans", "tells_nobody") is None


def test_airflow_score_tasks_end_by_verdict_and_leave_outputs(home: Home, scene: Scene) -> None:
    digest = save_model(scene.root / "raising", Raising(), WITH_PARAMS).digest
    text = said(home.dag_test("scores", AIRFLOW_VAR_RAISING=digest, AIRFLOW_VAR_FACTOR=str(SECRET)))
    assert home.states("scores") == {
        "quarantines": ("success", 1),
        "clean": ("success", 1),
        "skips": ("skipped", 1),
        "too_many": ("failed", 1),
        "raises": ("failed", 2),  # what the model or a machine did may go well the next time
        "raises_submitted": ("failed", 1),
        "mapped[0]": ("success", 1),
        "mapped[1]": ("success", 1),
        "rows": ("failed", 1),
    }
    told = home.xcom("scores", "quarantines")
    counts = {"rows_in": 3, "run_id": told["run_id"], "verdict": "quarantined"}
    assert (told["rows_scored"], told["rows_quarantined"], told["violations"][0]["code"]) == (2, 1, "NULL")
    assert {name: extra for name, extra in home.events() if name in ("scored", "quarantine", "skipped")} == {
        "scored": {**counts, "rows": 2},
        "quarantine": {**counts, "rows": 1, "violations": {"NULL": 1}},
    }
    assert [(name, extra["rows"]) for name, extra in home.events() if name.endswith("clean")] == [("scored_clean", 2)]
    each = [extra for name, extra in home.events() if name == "each"]  # of a mapped task: one event from each
    assert sorted((extra["run_id"].split(".")[2], extra["rows"]) for extra in each) == [("0", 1), ("1", 1)]
    assert "x: NULL in 1 rows" in text
    for at in (0, 1):
        part = Scene(scene.root / f"mapped_{at}")
        assert [row["id"] for row in part.rows("scored", *part.runs("scored"))] == [at + 1]
    assert home.xcom("scores", "rows")["rows_violating"] == 1
    assert home.xcom("scores", "raises_submitted")["verdict"] == "failed"
    for name in ("too_many", "raises", "raises_submitted"):
        assert not (scene.root / name / "scored").exists() or Scene(scene.root / name).runs("scored") == []


def test_airflow_retry_replaces_a_commit_of_a_killed_try(home: Home, scene: Scene) -> None:
    said(home.dag_test("late"))
    assert home.states("late") == {"score": ("success", 2)}
    (run,) = scene.runs("scored")
    assert f"run_id={run}" in (home.root / "late.sign").read_text()  # the first try had committed
    assert [row["id"] for row in scene.rows("scored", run)] == [1, 2]
    assert scene.runs("quarantine") == [run]


def test_airflow_timeout_stops_the_job_and_commits_nothing(home: Home, scene: Scene) -> None:
    sign = scene.root / "sign"
    digest = save_model(scene.root / "sleeping", Sleeping(str(sign)), WITH_PARAMS).digest
    said(home.dag_test("stopped", AIRFLOW_VAR_SLEEPING=digest))
    assert sign.exists()  # the model was at work
    assert home.states("stopped") == {"sleeps": ("failed", 1)}
    assert (
        json.loads((scene.root / "summary.json").read_text())["error"] == "stopped by a signal; nothing was committed"
    )
    assert scene.runs("scored") == scene.runs("quarantine") == []


def test_airflow_cleared_task_replaces_its_rows_and_links_its_report(home: Home, scene: Scene) -> None:
    with home.alive():
        _wait(lambda: bool(home.query("select 1 from dag where dag_id = 'clearing'")))
        assert home.airflow("dags", "unpause", "clearing").returncode == 0
        assert home.airflow("dags", "trigger", "clearing", "--logical-date", "2026-01-31").returncode == 0
        _wait(lambda: _ended(home))
        (first,) = scene.runs("scored")
        assert [row["id"] for row in scene.rows("scored", first)] == [1, 2]
        assert [row["id"] for row in scene.rows("quarantine", first)] == [3]
        scene.table(CLEAN)
        assert home.airflow("tasks", "clear", "--yes", "clearing").returncode == 0
        _wait(lambda: _ended(home))
        ((run,),) = home.query("select run_id from dag_run where dag_id = 'clearing'")
        links = home.get(f"dags/clearing/dagRuns/{quote(run)}/taskInstances/score/links")
    assert home.states("clearing") == {"score": ("success", 2)}
    assert scene.runs("scored") == scene.runs("quarantine") == [first]
    assert [row["id"] for row in scene.rows("scored", first)] == [1, 2]
    assert scene.rows("quarantine", first) == []
    assert links["extra_links"] == {"sparksig report": "http://reports.example/clearing.html"}
    assert "<html" in (scene.root / "report.html").read_text()


def _ended(home: Home) -> bool:
    (state,) = home.query("select state from dag_run where dag_id = 'clearing'")
    assert state != ("failed",), (home.root / "alive.log").read_text()[-8000:]
    return state == ("success",)


def _wait(condition: object, seconds: int = 300) -> None:
    assert callable(condition)
    for _ in range(seconds):
        if condition():
            return
        time.sleep(1)
    raise AssertionError("what was waited for has not come")
