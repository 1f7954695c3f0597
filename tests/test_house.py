"""The rules of the house: what may be imported, what a committed file may say, what `import sparksig` costs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sparksig"

# What runs on an executor or without Spark: neither pyspark nor mlflow, at any depth.
STARRED = (
    "redaction",
    "errors",
    "tables",
    "signature",
    "models",
    "report",
    "enforcement.policy",
    "enforcement.nodes",
    "enforcement.steps",
    "enforcement.sql",
    "enforcement.values",
    "sources.observed",
    "sources.table_schema",
    "sources.data",
    "sources.hints",
    "sources.mlmodel",
    "pipeline.config",
    "pipeline.dataset",
)
HEAVY = ("pyspark", "pandas", "numpy", "pyarrow", "mlflow", "pydantic", "sklearn")


def exists(module: str) -> bool:
    path = PACKAGE.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def contracts() -> dict[str, dict[str, object]]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["id"]: contract for contract in pyproject["tool"]["importlinter"]["contracts"]}


def test_import_contract_lists_every_spark_free_module() -> None:
    assert contracts()["starred"]["source_modules"] == [f"sparksig.{name}" for name in STARRED if exists(name)]


def test_cli_and_airflow_do_not_import_each_other() -> None:
    layers = contracts()["rooms"]["layers"]
    assert isinstance(layers, list)
    assert layers[0] == "(cli) | (airflow)"  # `|` reads: neither imports the other
    assert contracts()["rooms"]["exhaustive"] is True


def loaded_by(statement: str) -> set[str]:
    """The packages of HEAVY that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(set(sys.modules) & set({HEAVY!r}))))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_import_sparksig_loads_nothing_heavy() -> None:
    assert loaded_by("import sparksig") == set()


def test_top_level_names_are_lazy_and_listed() -> None:
    import sparksig

    assert len(set(sparksig.__all__)) == len(sparksig.__all__) > 1
    assert set(sparksig.__all__) <= set(dir(sparksig))
    assert [name for name in sparksig.__all__ if not hasattr(sparksig, name)] == []
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sparksig.no_such_name


def test_version_has_one_source() -> None:
    import sparksig
    from sparksig._version import __version__

    assert sparksig.__version__ == __version__
    assert f'"{__version__}"' not in (ROOT / "pyproject.toml").read_text()


def committed() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


# in pieces, so that this file does not contain what it looks for
FOREIGN = re.compile(
    "|".join(
        (
            *(rf"(?<![\w.])/{name}/" for name in ("wor" + "k", "roo" + "t", "hom" + "e/[a-z]", "Us" + "ers/[a-z]")),
            *(r"files\.python" + "hosted", r"py" + r"pi\.org", r"registry\.np" + "mjs", r"deb\.deb" + "ian"),
            *("extra-ind" + "ex-url", "shar" + "ed/(facts|design|golden|wild)", r"\biss" + r"ues? #?\d"),
        )
    )
)


def test_committed_files_name_no_path_or_host_of_one_machine() -> None:
    found = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in FOREIGN.finditer(text)]
    assert found == []


def test_constraints_contain_only_pins() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    assert len(lines) > 20
