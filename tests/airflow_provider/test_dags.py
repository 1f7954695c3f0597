"""The DAGs of jobs/dags in a real Airflow on real data: which tasks succeed, fail or are skipped."""

from __future__ import annotations

import ast
import json
import shutil
from typing import Any

import pytest

from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema
from tests.airflow_provider.environment import ROOT, Home
from tests.airflow_provider.scene import CLEAN, DIRTY, OTHER, SECRET, Scene

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

WIDER = ModelSignature(Schema([ColSpec("double", "x"), ColSpec("double", "z")]), Schema([ColSpec("double", "y")]))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home.made(tmp_path_factory.mktemp("dags") / "airflow")
    shutil.copytree(ROOT / "jobs" / "dags", made.dags, dirs_exist_ok=True)
    return made


@pytest.fixture(scope="module")
def scene(home: Home) -> Scene:
    made = Scene.made(home.root / "scene")
    for day, table in {"2026-01-29": CLEAN, "2026-01-30": DIRTY, "2026-01-31": OTHER}.items():
        made.table(table, f"landing/{day}")
    for name, value in {"sparksig_home": str(made.root), "sparksig_model": in_use(made)}.items():
        assert home.airflow("variables", "set", name, value).returncode == 0
    return made


def in_use(scene: Scene) -> str:
    return json.dumps({"path": str(scene.root / "model"), "trust": scene.trust})


@pytest.mark.parametrize(
    ("day", "code", "states"),
    [
        ("2026-01-29", 0, ["success", "success", "success", "skipped"]),
        ("2026-01-30", 0, ["success", "success", "success", "success"]),
        ("2026-01-31", 1, ["failed", "upstream_failed", "upstream_failed", "upstream_failed"]),
    ],
    ids=["clean", "dirty", "foreign"],
)
def test_airflow_nightly_dag_scores_skips_or_fails_by_the_verdict(
    home: Home, scene: Scene, day: str, code: int, states: list[str]
) -> None:
    done = home.dag_test("sparksig_nightly", day)
    assert done.returncode == code, done.stdout[-8000:] + done.stderr[-4000:]
    assert str(SECRET) not in done.stdout + done.stderr
    found = home.states("sparksig_nightly")
    assert [found[name][0] for name in ("check_schema", "score", "some_set_apart", "tell")] == states
    assert (scene.root / "summaries" / f"{day}.json").exists() == (code == 0)
    assert ("1 rows set apart: x NULL 1" in done.stdout) == (states[-1] == "success")
    assert {tries for _, tries in found.values()} <= {0, 1}


def promotion(home: Home, model: str, trust: str, table: str) -> tuple[int, dict[str, str], Any, str]:
    conf = json.dumps({"model": model, "trust": trust, "table": table})
    done = home.airflow("dags", "test", "sparksig_promote", "2026-01-31", "--conf", conf)
    states = {name: state for name, (state, _) in home.states("sparksig_promote").items()}
    return done.returncode, states, used(home), done.stdout + done.stderr


def used(home: Home) -> Any:
    """The model that is in use."""
    return ast.literal_eval(home.airflow("variables", "get", "sparksig_model", "--json").stdout)


def test_airflow_promote_dag_promotes_a_compatible_model(home: Home, scene: Scene) -> None:
    model, trust = scene.model("second")
    code, states, now, text = promotion(home, model, trust, str(scene.root / "landing" / "2026-01-30"))
    assert code == 0, text[-8000:]
    assert states == dict.fromkeys(("compare", "trial", "promote"), "success")
    assert now == {"path": model, "trust": trust}


def test_airflow_promote_dag_rejects_an_incompatible_model(home: Home, scene: Scene) -> None:
    before = used(home)
    model, trust = scene.model("wider", WIDER)
    code, states, now, text = promotion(home, model, trust, str(scene.root / "landing" / "2026-01-30"))
    assert (code, states["compare"], states["trial"]) == (1, "failed", "upstream_failed")
    assert "breaks what the one in use has promised" in text
    assert now == before


def test_airflow_promote_dag_rejects_an_untrusted_model(home: Home, scene: Scene) -> None:
    before = used(home)
    model, _ = scene.model("unknown")
    code, states, now, text = promotion(home, model, "sha256:" + "0" * 64, str(scene.root / "landing" / "2026-01-30"))
    assert (code, states["compare"], states["trial"], states["promote"]) == (1, "success", "failed", "upstream_failed")
    assert home.states("sparksig_promote")["trial"] == ("failed", 1)
    assert "usage: nothing was tried (exit code 2)" in text
    assert now == before
