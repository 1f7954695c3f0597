"""Airflow lists the provider, and the README's DAG runs unchanged."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.airflow_provider.environment import ROOT, Home
from tests.airflow_provider.scene import Scene

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

DAG = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home.made(tmp_path_factory.mktemp("provider") / "airflow")
    (made.dags / "nightly.py").write_text(DAG)
    return made


@pytest.mark.spark
def test_airflow_runs_the_dag_of_the_readme(home: Home) -> None:
    scene = Scene.made(home.root / "scene")
    (home.dags / "nightly.yaml").write_text(json.dumps(scene.job()))
    done = home.dag_test("nightly")
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    assert home.states("nightly") == {"check": ("success", 1), "score": ("success", 1)}
    told = home.xcom("nightly", "score")
    assert scene.runs("scored") == [told["run_id"]]
    assert (len(scene.rows("scored", told["run_id"])), len(scene.rows("quarantine", told["run_id"]))) == (2, 1)
    assert [(name, extra["rows"]) for name, extra in home.events()] == [("scored", 2), ("quarantine", 1)]


def test_airflow_imports_a_dag_file_without_pyspark_pandas_or_mlflow(home: Home) -> None:
    files = [home.dags / "nightly.py", *sorted((ROOT / "jobs" / "dags").glob("*.py"))]
    for file in files:
        code = f"import runpy, sys; runpy.run_path({str(file)!r}); print(sorted(sys.modules))"
        done = home.python(code)
        assert done.returncode == 0, done.stderr
        loaded = done.stdout.splitlines()[-1]
        assert "'sparksig.airflow.operators'" in loaded
        assert [name for name in ("pyspark", "pandas", "mlflow") if f"'{name}'" in loaded] == [], file


_FORM = """
import json, importlib.resources, jsonschema, airflow
from sparksig.airflow.provider import get_provider_info
schema = json.loads(importlib.resources.files(airflow).joinpath("provider_info.schema.json").read_text())
jsonschema.Draft7Validator(schema).validate(get_provider_info())
import importlib
for group in get_provider_info()["operators"]:
    for name in group["python-modules"]:
        module = importlib.import_module(name)
        for each in vars(module).values():
            if isinstance(each, type) and each.__module__ == name and each.__name__.endswith("Operator"):
                assert each.__doc__ and each.ui_color.startswith("#"), each
                print(each.__name__)
for name in get_provider_info()["extra-links"]:
    module, _, link = name.rpartition(".")
    print(getattr(importlib.import_module(module), link)().name)
"""


def test_airflow_provider_info_fits_its_schema_and_names_existing_classes(home: Home) -> None:
    done = home.python(_FORM)
    assert done.returncode == 0, done.stderr
    names = done.stdout.split("\n")
    assert {
        "SparksigValidateOperator",
        "SparksigScoreOperator",
        "SparksigShortCircuitOperator",
        "SparksigBranchOperator",
        "sparksig report",
    } <= set(names)


def test_airflow_lists_the_provider(home: Home) -> None:
    done = home.airflow("providers", "list", "--output", "json")
    found = [each for each in json.loads(done.stdout) if each["package_name"] == "sparksig"]
    assert len(found) == 1, done.stderr
    assert "WARNING" not in done.stderr.upper() or "sparksig" not in done.stderr


def test_airflow_environment_has_the_checkout_and_no_pyspark(home: Home) -> None:
    done = home.python(
        "import sparksig; from importlib.metadata import distributions\n"
        "print(sparksig.__file__, sorted(d.name for d in distributions()))"
    )
    assert Path(done.stdout.split()[0]) == ROOT / "sparksig" / "__init__.py"
    assert "'pyspark'" not in done.stdout  # what is there is pyspark-client, which the Spark provider brings
