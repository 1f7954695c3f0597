"""Every golden case gets MLflow's answer, or another one for a reason that a rule names."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import adapter
import differences
import differences_enforce
import differences_hints
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
def test_conformance_golden_cases_equal_mlflow_or_are_explained(area: str) -> None:
    cases = [case for case in BUILT if case["area"] == area and case.get("requires") != "spark"]
    counts, wrong = outcomes(case for case in cases if "quirk" not in case)
    assert not wrong
    assert counts["ok"] > 10 * counts["differs"]


@pytest.mark.parametrize("area", AREAS)
def test_conformance_quirks_are_matched_or_raise_a_clean_error(area: str) -> None:
    cases = [case for case in BUILT if case["area"] == area and "quirk" in case and case.get("requires") != "spark"]
    assert not outcomes(cases)[1]


def test_conformance_golden_cases_on_spark(spark: Any) -> None:
    assert not outcomes((case for case in BUILT if case.get("requires") == "spark"), spark)[1]


def case(op: str, **given: Any) -> dict[str, Any]:
    return {"input": {"op": op, **given}}


def param(kind: str, default: Any, **more: Any) -> dict[str, Any]:
    return {"name": "p", "type": kind, "default": default, **more}


RULES = [
    (differences.MERGED, case("merge", a={"name": "Array", "args": ["double"]}, b={"name": "SparkMLVector"})),
    (differences.BARE, case("schema_from_json", json='[{"type": "long"}]')),
    (differences.VECTOR, case("schema_from_json", json='[{"type": "map", "values": {"type": "sparkml_vector"}}]')),
    (
        differences.MALFORMED,
        case("paramschema_from_json", json='[{"name": "a", "type": "long", "default": 1, "z": 1}]'),
    ),
    (
        differences.BYTE_ORDER,
        case("schema_from_json", json='[{"type": "tensor", "tensor-spec": {"dtype": ">f4", "shape": [-1]}}]'),
    ),
    (differences.RANGE, case("enforce_params", schema=[param("integer", 1)], params={"p": 2**40})),
    (differences.NO_MOMENT, case("paramschema_from_json", json=json.dumps([param("datetime", None)]))),
    (
        differences.OBJECT_ARRAY,
        case("infer_params", params={"p": {"$": "ndarray", "dtype": "O", "shape": [1], "data": [1]}}),
    ),
    (
        differences.NULL_TEXTS,
        case("infer_schema", data={"$": "series", "dtype": "string", "name": "a", "data": [None, None]}),
    ),
    (
        differences.OWN_DTYPES,
        case("infer_schema", data={"$": "series", "dtype": "Sparse[int]", "name": "a", "data": [1]}),
    ),
    (
        differences.OPTIONAL_KEY,
        case("schema_from_json", json=json.dumps([{"type": "long", "name": "a", "optional": True}])),
    ),
    (
        differences.OBJECT_INTEGERS,
        case("infer_schema", data={"$": "df", "columns": [["a", "object", [1, None]]]}),
    ),
    (differences.LABELS, case("infer_schema", data={"$": "df", "columns": [[1.5, "int64", [1]]]})),
    (differences.NAT, case("infer_schema", data={"a": {"$": "npdt", "v": "NaT", "unit": "D"}})),
    (differences.NO_PARAMS, case("enforce_params", schema=None, params=None)),
    (differences.EMPTY_LIST, case("infer_params", params={"p": []})),
    (
        differences.MEMBER,
        case(
            "enforce_params",
            schema=[param("object", {"a": 1}, properties={"a": {"type": "integer"}})],
            params={"p": {"a": 5}},
        ),
    ),
    (differences.MOMENT, case("enforce_params", schema=[param("datetime", "2024-01-01")], params={"p": "now"})),
    (differences.MISSING, case("infer_schema", data=[{"a": {"$": "NA"}}])),
    (differences.ONE_COLUMN, case("infer_signature", inputs={"a": 1, "b": [1, "x"]}, outputs=None, params=None)),
    (
        differences.SPARK,
        case("infer_schema", data={"$": "sparkdf", "schema": {"type": "struct", "fields": [{"type": "variant"}]}}),
    ),
]


@pytest.mark.parametrize(("reason", "example"), RULES, ids=[reason[:30] for reason, _ in RULES])
def test_conformance_each_rule_explains_its_example(reason: str, example: dict[str, Any]) -> None:
    assert differences.difference(example) == reason


TENSOR = {"type": "tensor", "name": "t", "tensor-spec": {"dtype": "float32", "shape": [-1]}}
LONG = param("long", 1)
BOTH_REFUSE = [
    case("enforce_params", schema=[param("integer", 1), {**LONG, "name": "q"}], params={"p": 2**40, "q": "x"}),
    case("enforce_params", schema=[param("long", [1], shape=[-1])], params={"p": [2**70, "x"]}),
    case("schema_from_json", json=json.dumps([{**TENSOR, "z": 1}, {"type": "long", "name": "a"}])),
    case("schema_from_json", json=json.dumps([{**TENSOR, "z": 1, "tensor-spec": {"dtype": "float32"}}])),
    case("schema_from_json", json=json.dumps([{**TENSOR, "name": None, "z": 1}] * 2)),
    case("paramschema_from_json", json=json.dumps([param("long", "x", z=1)])),
    *(case("paramschema_from_json", json=json.dumps([param("datetime", x)])) for x in ("NaT", "nat", " nat")),
    case("infer_params", params={"p": {"$": "ndarray", "dtype": "float64", "shape": [0, 3], "data": []}}),
    case("infer_signature", inputs={"a": 1, "b": [1, "x"]}, outputs=None, params={"p": {"$": "tuple", "v": [1]}}),
]
MALFORMED = [
    *(case("schema_from_json", json=text) for text in ("nope", "5", "null", "{}", "[5]", "[" * 900 + "]" * 900)),
    *(case("paramschema_from_json", json=text) for text in ("nope", "5", "null", "[5]", "[" * 900 + "]" * 900)),
    *(case("schema_from_json", json=json.dumps([{"type": kind}])) for kind in (["long"], {"a": 1}, None)),
    *(
        case("schema_from_json", json=json.dumps([{"type": "object", "properties": x}]))
        for x in (list[Any](), None, "ab")
    ),
    *(case("schema_from_json", json=json.dumps([{"type": "long", "name": x, "z": 1}])) for x in ([1], {"a": 1})),
    case("enforce_params", schema=[param("array", [1])], params={"p": [1]}),
    case("enforce_params", schema=5, params={"p": [1]}),
    case("infer_params", params={"p": {"$": "ndarray", "dtype": "float64", "shape": [], "data": [1.0]}}),
    case("infer_params", params=5),
    case("infer_schema", data=[True, {"$": "ndarray", "dtype": "float64", "shape": [], "data": [1.0]}]),
]


@pytest.mark.parametrize("example", BOTH_REFUSE + MALFORMED)
def test_conformance_no_rule_explains_what_both_reject(example: dict[str, Any]) -> None:
    assert differences.difference(example) is None


@pytest.mark.parametrize(
    ("expected", "example"),
    [
        ({"p": 1}, case("enforce_params", schema=[param("long", 1, dtype="string")], params={})),
        ({"p": 1}, case("enforce_params", schema=[param("", 1, dtype="long")], params={})),
        (None, case("enforce_params", schema=[param("long", 1, z=1)], params={})),
        (
            None,
            case(
                "enforce_params",
                schema=[param("double", 1.0)],
                params={"p": {"$": "np", "dtype": "int64", "v": 2**53 + 1}},
            ),
        ),
        (
            {"p": {"$": "date", "v": "2024-01-02"}},
            case("enforce_params", schema=[param("datetime", "2024-01-01")], params={"p": " 2024-01-02"}),
        ),
    ],
)
def test_params_conform_to_mlflow_beyond_the_golden_cases(expected: Any, example: dict[str, Any]) -> None:
    """What is expected was found with MLflow; None is what only MLflow takes, for a reason that is listed."""
    found = golden_run.check(example | {"expect": {"ok": True, "result": expected}}, adapter, None, False)
    assert found[0] == ("differs" if expected is None else "ok")


def test_conformance_each_reason_has_an_example() -> None:
    reasons = {text for name, text in vars(differences).items() if name.isupper() and isinstance(text, str)}
    assert reasons == {reason for reason, _ in RULES}


def column(kind: dict[str, Any], *cells: Any) -> dict[str, Any]:
    return case("enforce", schema=[kind], data={"$": "df", "columns": [["c", "object", list(cells)]]})


def test_conformance_each_reason_for_hints_is_used_and_documented() -> None:
    texts = {text for name, text in vars(differences_hints).items() if name.isupper() and isinstance(text, str)}
    examples = [case("infer_hint", hint="list[date]"), case("infer_hint", hint="list[LiteralField]")]
    examples += [case("infer_hint", hint="list[UserData]")]
    asked = [c for c in BUILT if c["input"]["op"] == "validate_hint"] + examples
    assert {differences.difference(c) for c in asked} == {None, *texts}
    page = " ".join((Path(__file__).parents[2] / "docs" / "differences.md").read_text("utf-8").split())
    assert not [text for text in texts if f"- {text}" not in page]


ENFORCED = [  # what MLflow refuses, and no golden case asks
    column({"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, -1]}}, [0.5, 1.5]),
    column(
        {
            "type": "object",
            "properties": {"a": {"type": "string", "required": True}},
            "name": "c",
            "required": False,
        },
        {"a": None},
    ),
    column({"type": "array", "items": {"type": "double"}, "name": "c", "required": True}, [0.5], [5]),
]


def test_conformance_each_reason_for_enforcement_is_used_and_documented() -> None:
    texts = {text for name, text in vars(differences_enforce).items() if name.isupper() and isinstance(text, str)}
    cases = [case for case in BUILT if case["input"]["op"] == "enforce"] + ENFORCED
    assert {differences.difference(case) for case in cases} == {None, *texts}
    refused = {"ok": False, "error_contains": ""}
    outcomes = {golden_run.check(case | {"expect": refused}, adapter, None, False)[0] for case in ENFORCED}
    assert outcomes == {"differs"}
    page = " ".join((Path(__file__).parents[2] / "docs" / "differences.md").read_text("utf-8").split())
    assert not [text for text in texts if f"- {text}" not in page]


def test_conformance_each_reason_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "differences.md").read_text("utf-8")
    lines = " ".join(page.split())
    assert not [reason for reason, _ in RULES if f"- {' '.join(reason.split())}" not in lines]
