"""The README says what is so: its code runs, its output is the output, its tables are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.peers import table
from sparksig.pipeline.faults import EXIT
from tests.flights import FlightsRun

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def block(language: str, number: int = 0) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(found[number])


def timeless(text: str) -> list[str]:
    """The lines without what differs from run to run: seconds, digests, and lines of phases that are not over."""
    lines = [line for line in text.splitlines() if not re.search(r"\d+ of \d+ tasks", line)]
    return [re.sub(r"sha256:\w{64}", "sha256:..", re.sub(r" +\d+\.\d( s)?$", " #", line)) for line in lines]


def test_readme_starts_with_about_ten_lines_of_python() -> None:
    assert 8 <= len([line for line in block("python").splitlines() if line]) <= 10


def test_readme_dag_has_ten_lines() -> None:
    assert len([line for line in block("python", -1).splitlines() if line.strip()]) == 10


def test_readme_python_prints_the_output_below_it(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python"), "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.split() == block("text").split()


def test_readme_shows_what_the_demo_prints(flights: FlightsRun) -> None:
    assert timeless(flights.output) == timeless(block("console"))


def test_readme_table_of_peers_is_the_measured_one() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "peers.json").read_text())
    assert f"benchmarks/results/peers.json -->\n{table(measured)}<!-- -->" in README


def test_readme_commands_are_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_readme_exit_codes_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", README, re.MULTILINE)
    told = {verdict: int(code) for code, verdicts in rows for verdict in re.findall(r"`(\w+)`", verdicts)}
    assert told == EXIT


def test_readme_links_and_extras_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    pyproject = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", README, re.MULTILINE))):
        assert re.search(rf"^{extra} = ", pyproject, re.MULTILINE), extra


def test_readme_describes_every_package() -> None:
    package = ROOT / "sparksig"
    rooms = [path.name for path in package.iterdir() if (path / "__init__.py").exists()]
    for name in rooms:
        assert f"\n**{name}** " in README, name
