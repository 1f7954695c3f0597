"""The signature playground notebook: it runs, its outputs are current, and it contains nothing machine-specific."""

from __future__ import annotations

import pytest

from tests.notebook import stored

CODE = [cell for cell in stored().cells if cell.cell_type == "code"]
OUTPUTS = [output for cell in CODE for output in cell.outputs]


@pytest.mark.spark
@pytest.mark.slow
def test_notebook_outputs_equal_those_of_a_fresh_kernel() -> None:
    from tests.notebook import executed

    now = [(cell.source, cell.outputs) for cell in executed().cells if cell.cell_type == "code"]
    # what differs is told by cell; `make notebook` writes the outputs anew
    assert [cell for cell in now if cell not in [(each.source, each.outputs) for each in CODE]] == []
    assert len(now) == len(CODE)


def test_notebook_was_executed_from_top_to_bottom() -> None:
    assert [cell.execution_count for cell in CODE] == list(range(1, len(CODE) + 1))


def test_notebook_shows_signatures_plans_and_reports_without_noise() -> None:
    pages = "".join(output.data.get("text/html", "") for output in OUTPUTS if "data" in output)
    for shown in ("default: 50.0", "the table fits", "the table does not fit", "2 with violations", "quarantined"):
        assert shown in pages
    assert {output.output_type for output in OUTPUTS} == {"execute_result", "stream"}
    assert {output.name for output in OUTPUTS if output.output_type == "stream"} == {"stdout"}


def test_notebook_cells_are_short_and_explained() -> None:
    assert max(len(cell.source.splitlines()) for cell in CODE) <= 25
    assert max(len(line) for cell in CODE for line in cell.source.splitlines()) <= 88
    assert sum(cell.cell_type == "markdown" for cell in stored().cells) >= len(CODE) * 0.8


def test_notebook_metadata_is_machine_independent() -> None:
    assert stored().metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [cell.metadata for cell in stored().cells if cell.metadata] == []
