"""Every golden case is answered as MLflow does, or otherwise for a reason that a rule gives."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import adapter
import differences
import golden_rebuild
import golden_run

CASES = list(golden_rebuild.load(Path(__file__).parent / "mlflow-golden.jsonl"))
BUILT = [case for case in CASES if case["input"]["op"] not in adapter.NOT_YET]
AREAS = sorted({case["area"] for case in BUILT})


def outcomes(cases: Iterable[dict[str, Any]], session: Any = None) -> tuple[Counter[str], list[str]]:
    """How often each outcome, and each case that is neither ok nor explained."""
    counts: Counter[str] = Counter()
    wrong = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in cases:
            outcome, why = golden_run.check(case, adapter, session, False)
            counts[outcome] += 1
            if outcome not in ("ok", "differs"):
                wrong.append(f"{case['id']} {outcome}: {why}")
    return counts, wrong


@pytest.mark.parametrize("area", AREAS)
def test_golden_cases(area: str) -> None:
    cases = [case for case in BUILT if case["area"] == area and case.get("requires") != "spark"]
    counts, wrong = outcomes(case for case in cases if "quirk" not in case)
    assert not wrong
    assert counts["ok"] > 10 * counts["differs"]


@pytest.mark.parametrize("area", AREAS)
def test_quirks_are_matched_or_answered_with_a_clean_error(area: str) -> None:
    cases = [case for case in BUILT if case["area"] == area and "quirk" in case and case.get("requires") != "spark"]
    assert not outcomes(cases)[1]


def test_golden_cases_on_spark(spark: Any) -> None:
    assert not outcomes((case for case in BUILT if case.get("requires") == "spark"), spark)[1]


def case(op: str, **given: Any) -> dict[str, Any]:
    return {"input": {"op": op, **given}}


RULES = [
    (differences.MERGED, case("merge", a={"name": "Array", "args": ["double"]}, b={"name": "SparkMLVector"})),
    (differences.BARE, case("schema_from_json", json='[{"type": "long"}]')),
    (differences.VECTOR, case("schema_from_json", json='[{"type": "map", "values": {"type": "sparkml_vector"}}]')),
    (
        differences.MALFORMED,
        case("paramschema_from_json", json='[{"name": "a", "type": "long", "default": 1, "z": 1}]'),
    ),
    (differences.RANGE, case("enforce_params", schema=[{"name": "p", "type": "integer"}], params={"p": 2**40})),
    (differences.NO_PARAMS, case("enforce_params", schema=None, params=None)),
    (differences.EMPTY_LIST, case("infer_params", params={"p": []})),
    (
        differences.MEMBER,
        case(
            "enforce_params",
            schema=[{"name": "p", "type": "object", "properties": {"a": {"type": "integer"}}}],
            params={"p": {"a": 5}},
        ),
    ),
    (differences.MOMENT, case("enforce_params", schema=[{"name": "p", "type": "datetime"}], params={"p": "now"})),
    (differences.MISSING, case("infer_schema", data=[{"a": {"$": "NA"}}])),
    (differences.ONE_COLUMN, case("infer_signature", inputs={"a": 1, "b": [1, "x"]}, outputs=None, params=None)),
    (
        differences.SPARK,
        case("infer_schema", data={"$": "sparkdf", "schema": {"type": "struct", "fields": [{"type": "variant"}]}}),
    ),
]


@pytest.mark.parametrize(("reason", "example"), RULES, ids=[reason[:30] for reason, _ in RULES])
def test_each_rule_explains_its_example(reason: str, example: dict[str, Any]) -> None:
    assert differences.difference(example) == reason


def test_each_reason_has_an_example() -> None:
    reasons = {text for name, text in vars(differences).items() if name.isupper() and isinstance(text, str)}
    assert reasons == {reason for reason, _ in RULES}


def test_each_reason_is_a_line_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "differences.md").read_text("utf-8")
    lines = " ".join(page.split())
    assert not [reason for reason, _ in RULES if f"- {' '.join(reason.split())}" not in lines]
