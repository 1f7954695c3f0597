"""The plan, made from schemas alone: column matching, the cast of each column, and all problems at once."""

from __future__ import annotations

import dataclasses
import html
import itertools
import json
import pickle
import re
from typing import Any, cast

import numpy as np
import pytest

from sparksig import (
    Array,
    ColSpec,
    DataType,
    Map,
    ModelSignature,
    Object,
    Policy,
    PolicyError,
    Property,
    Schema,
    SchemaError,
    TensorSpec,
    plan,
)
from sparksig.enforcement.planning import for_workers
from sparksig.enforcement.steps import Plan
from sparksig.errors import Code, SignatureError
from sparksig.signature.dtypes import SPARK, TABLE
from sparksig.signature.types import AnyType
from sparksig.sources.observed import ArrayType, Field, MapType, StructType, from_spark, table_from_spark
from sparksig.sources.spark_schema import spark_json


def table(**columns: Any) -> StructType:
    """A table from column names and Spark's JSON types."""
    return table_of(*columns.items())


def table_of(*columns: tuple[str, Any]) -> StructType:
    return StructType(tuple(Field(name, from_spark(kind)) for name, kind in columns))


def _field(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}


def array(element: str) -> dict[str, Any]:
    return {"type": "array", "elementType": element, "containsNull": True}


def faults(made: Plan) -> list[tuple[str, str]]:
    return [(problem.path, str(problem.code)) for problem in made.problems]


AB = Schema([ColSpec("long", "a"), ColSpec("double", "b"), ColSpec("string", "c", required=False)])
IMAGE = TensorSpec(np.dtype("float32"), (-1, 2, 2))


def test_plan_verdict_is_kept_widened_checked_parsed_rounded_or_absent() -> None:
    schema = Schema(
        [
            *(ColSpec("long", "kept"), ColSpec("double", "widened"), ColSpec("integer", "checked")),
            *(ColSpec("datetime", "parsed"), ColSpec("float", "rounded"), ColSpec("string", "gone", required=False)),
        ]
    )
    observed = table(rounded="double", parsed="string", checked="long", widened="float", kept="long", more="binary")
    made = plan(observed, schema, level="parse", allow_rounding=["rounded"])
    assert [(s.name, s.verdict) for s in made.steps] == [
        *(("kept", "kept"), ("widened", "widened"), ("checked", "checked"), ("parsed", "parsed")),
        *(("rounded", "rounded"), ("gone", "absent")),
    ]
    assert [s.position for s in made.steps] == [4, 3, 2, 1, 0, None]
    assert made.extra == ("more",) and made.ok
    assert made.steps[2].checks == ("not null", "between -2147483648 and 2147483647")


def test_plan_lists_every_problem_at_once_with_a_hint() -> None:
    schema = Schema(
        [ColSpec("integer", "n"), ColSpec("float", "x"), ColSpec("double", "price"), ColSpec("binary", "z")]
    )
    made = plan(table(n="long", x="double", prise="double", z="string"), schema)
    assert faults(made) == [
        ("price", "MISSING_COLUMN"),
        ("n", "INCOMPATIBLE_TYPE"),
        ("x", "INCOMPATIBLE_TYPE"),
        ("z", "INCOMPATIBLE_TYPE"),
    ]
    hints = {problem.path: problem.hint or "" for problem in made.problems}
    assert "'prise'" in hints["price"] and "level='checked'" in hints["n"] and "no level" in hints["z"]
    assert "allow_rounding" in hints["x"] and "level='checked'" in hints["x"]
    with pytest.raises(SchemaError, match="4 problems, no row was read") as raised:
        made.require_ok()
    assert raised.value.problems == made.problems
    assert all(problem.path in str(raised.value) for problem in made.problems)


# every type that Spark shows by name, beside the tensors and columns that may be declared
KINDS = [*SPARK, "decimal(9,0)", "decimal(15,2)", "decimal(38,18)", "varchar(3)", "interval", "variant", "void"]
SPECS = [
    *(ColSpec(kind, "x") for kind in [*DataType, Array("long"), Map("float"), Object([Property("a", "long")])]),
    *(TensorSpec(np.dtype(row.numpy), (-1, *shape), "x") for row in TABLE for shape in ((1,), (2, 2))),
    TensorSpec(np.dtype("complex64"), (-1, 2), "x"),
]
OPTION = re.compile(r"(\w+)=(?:'(\w+)'|(True|False))")


def test_plan_hints_that_name_options_fix_the_problem() -> None:
    followed = 0
    for kind, spec, given in itertools.product(KINDS, SPECS, ("strict", "safe", "checked", None)):
        policy = Policy(level=given) if given else Policy.mlflow()
        for observed in (kind, array(kind), {**array(kind), "elementType": array(kind)}):
            for problem in plan(table(x=observed), Schema([spec]), policy).problems:
                assert problem.hint
                # alternatives are parted by semicolons, options that belong together by `with`
                for way in problem.hint.split(";"):
                    found = {name: text or flag == "True" for name, text, flag in OPTION.findall(way)}
                    if found:
                        followed += 1
                        again = plan(table(x=observed), Schema([spec]), dataclasses.replace(policy, **found))
                        assert again.ok, (kind, spec, given, problem)
    assert followed > 1000


@pytest.mark.parametrize(
    ("columns", "options", "hint"),
    [
        ({"Age": "long", "AGE": "long"}, {}, "rename the one that is meant"),
        ({"Age": "long", "AGE": "long"}, {"case_sensitive": False}, "rename or drop all but one"),
        ({"age": "long", "AGE": "long"}, {"case_sensitive": False}, "case_sensitive=True"),
        ({"Age": "long"}, {}, "case_sensitive=False"),
        ({"ages": "long"}, {}, "'ages'"),
        ({"x": "long"}, {}, "add it"),
        ({"age": "long", "x": "long"}, {"extra": "forbid"}, "keep="),
        ({"old": "long"}, {"columns": {"age": "older"}}, "'old'"),
        ({"x": "long"}, {"columns": {"age": "years"}}, "name a column that the table has"),
    ],
)
def test_plan_hints_about_names_can_be_followed(columns: dict[str, str], options: dict[str, Any], hint: str) -> None:
    made = plan(table(**columns), Schema([ColSpec("long", "age")]), **options)
    assert [hint in str(problem.hint) for problem in made.problems] == [True]
    if hint.startswith("case_sensitive="):
        assert plan(table(**columns), Schema([ColSpec("long", "age")]), case_sensitive=hint.endswith("True")).ok
    assert str(made.problems[0].hint) in html.unescape(made._repr_html_())
    assert f"hint for {made.problems[0].path}: {made.problems[0].hint}" in str(made)


def test_plan_hint_states_the_array_length_of_a_tensor() -> None:
    hints = [plan(table(x="string"), Schema([TensorSpec(np.dtype("float32"), (-1, *shape), "x")])).problems[0].hint
             for shape in ((8, 8), (-1, 3), (-1, -1))]  # fmt: skip
    assert "an array of its 64 entries" in str(hints[0]) and "binary of 256 bytes" in str(hints[0])
    assert "an array of its entries" in str(hints[1]) and "binary" not in str(hints[1])
    assert hints[2] == "a row's tensor is arrays nested as its shape is"
    scalars = plan(table(id="long", x=array("double")), Schema([TensorSpec(np.dtype("float64"), (-1, 3))]))
    assert faults(scalars) == [("", "COLUMN_COUNT")] and "columns=['x']" in str(scalars.problems[0].hint)
    assert plan(
        table(id="long", x=array("double")), Schema([TensorSpec(np.dtype("float64"), (-1, 3))]), columns=["x"]
    ).ok


def test_plan_rejects_a_signature_without_inputs() -> None:
    made = plan(table(a="long"), ModelSignature(outputs=AB))
    assert faults(made) == [("", "NO_INPUTS")]


# ---- names


def test_plan_accepts_an_empty_column_name() -> None:
    schema = Schema([ColSpec("integer", ""), ColSpec("long", "0")])
    observed = table_of(("0", "long"), ("", "long"))
    made = plan(observed, schema, level={"": "checked"})
    assert made.ok and [step.name for step in made.steps] == ["", "0"] == schema.input_names()
    assert [field["name"] for field in spark_json(schema)["fields"]] == ["", "0"]


def test_plan_requires_as_many_listed_columns_as_declared() -> None:
    two = Schema([ColSpec("long"), ColSpec("long")])
    observed = table(a="long", b="long", c="long")
    for columns in (["a"], ["a", "b", "c"], ["a", "b", "nothing"]):
        made = plan(observed, two, columns=columns)
        assert faults(made) == [("", "COLUMN_COUNT")] and made.problems[0].hint
    assert plan(observed, two, columns=["c", "a"]).ok and plan(observed, two).ok


def test_plan_matches_names_exactly_and_reports_a_case_difference() -> None:
    made = plan(table(A="long", b="double"), AB)
    assert faults(made) == [("a", "MISSING_COLUMN")]
    assert "only the case differs" in str(made.problems[0].hint)
    assert plan(table(A="long", b="double"), AB, case_sensitive=False).ok


def test_plan_reports_an_optional_column_in_another_case() -> None:
    assert faults(plan(table(a="long", b="double", C="string"), AB)) == [("c", "MISSING_COLUMN")]


def test_plan_reports_ambiguous_and_duplicate_names() -> None:
    twice = table_of(("a", "long"), ("a", "long"), ("b", "double"))
    assert faults(plan(twice, AB)) == [("a", "DUPLICATE_COLUMN")]
    both = table(a="long", A="long", b="double")
    assert plan(both, AB).ok
    assert faults(plan(both, AB, case_sensitive=False)) == [("a", "AMBIGUOUS_COLUMN")]


def test_plan_treats_undeclared_duplicates_as_extra_columns() -> None:
    made = plan(table_of(("a", "long"), ("b", "double"), ("x", "long"), ("x", "long")), AB)
    assert made.ok and made.extra == ("x", "x")


def test_plan_drops_or_forbids_extra_columns() -> None:
    observed = table(a="long", b="double", id="long", day="date")
    assert plan(observed, AB).extra == ("id", "day")
    assert faults(plan(observed, AB, extra="forbid")) == [("id", "UNEXPECTED_COLUMN"), ("day", "UNEXPECTED_COLUMN")]
    assert faults(plan(observed, AB, extra="forbid", keep=["id"])) == [("day", "UNEXPECTED_COLUMN")]


def test_plan_columns_option_renames_signature_columns() -> None:
    made = plan(table(key="long", b="double"), AB, columns={"a": "key"})
    assert made.ok and [s.position for s in made.steps] == [0, 1, None]
    assert faults(plan(table(a="long", b="double"), AB, columns={"a": "key"})) == [("key", "MISSING_COLUMN")]
    assert faults(plan(table(a="long", b="double"), AB, columns={"c": "text"})) == [("text", "MISSING_COLUMN")]


def test_plan_hint_for_a_missing_named_tensor_names_its_table_layout() -> None:
    entries = table(p="double", q="double")
    for shape, hint in [((-1, 2), "takes 2 columns in order"), ((-1, 2, 2), "a tensor is never optional")]:
        named = Schema([TensorSpec(np.dtype("float64"), shape, "features")])
        (problem,) = plan(entries, named).problems
        assert problem.code == "MISSING_COLUMN" and str(problem.hint).endswith(hint)
        (problem,) = plan(entries, named, columns={"features": "vector"}).problems
        assert problem.hint == "name a column that the table has"


def test_plan_matches_unnamed_schemas_by_position_or_columns_list() -> None:
    unnamed = Schema([ColSpec("long"), ColSpec("double")])
    made = plan(table(x="long", y="double"), unnamed)
    assert made.ok and [(s.name, s.position) for s in made.steps] == [("0", 0), ("1", 1)]
    made = plan(table(id="string", x="long", y="double"), unnamed, columns=["x", "y"])
    assert made.ok and [s.position for s in made.steps] == [1, 2] and made.extra == ("id",)
    assert faults(plan(table(x="long"), unnamed)) == [("", "COLUMN_COUNT")]
    assert faults(plan(table(x="long", y="double"), unnamed, columns=["x"])) == [("", "COLUMN_COUNT")]


def test_plan_rejects_options_that_name_unknown_columns() -> None:
    with pytest.raises(PolicyError) as raised:
        plan(table(a="long", b="double"), AB, level={"aa": "checked", "*": "strict"}, allow_nulls=["q"])
    assert [problem.path for problem in raised.value.problems] == ["aa", "q"]
    with pytest.raises(PolicyError, match="columns= must be a dict"):
        plan(table(a="long", b="double"), AB, columns=["a", "b"])
    with pytest.raises(PolicyError, match="exclude each other"):
        plan(table(a="long", b="double"), AB, policy=Policy(), level="strict")
    with pytest.raises(TypeError):
        plan(table(a="long", b="double"), AB, no_such_option=True)


def test_plan_records_the_time_zone_and_its_checks() -> None:
    schema = Schema([ColSpec("datetime", name) for name in ("instant", "day", "text")])
    observed = table(instant="timestamp", day="date", text="string")
    made = plan(observed, schema, level="parse", time_zone="Europe/Berlin")
    shown = "a wall clock in Europe/Berlin that datetime64[ns] holds (for the model)"
    assert made.steps[0].checks == ("not null", shown)
    assert made.steps[1].checks == ("not null", "a wall clock that Europe/Berlin has", shown)
    assert "a wall clock that Europe/Berlin has" in made.steps[2].checks
    assert made.to_dict()["policy"]["time_zone"] == "Europe/Berlin"
    in_utc = [plan(observed, schema, level="parse", time_zone=zone).steps for zone in (None, "UTC")]
    assert in_utc[0] == in_utc[1] and "Berlin" not in str(in_utc)
    for name in ("Europe/Nowhere", "right/Europe/Berlin", "posixrules", "Europe", "Factory"):
        with pytest.raises(PolicyError, match="time_zone"):
            Policy(time_zone=name)


def test_plan_reports_a_field_hidden_by_another_of_different_case() -> None:
    fields: list[Any] = [{"name": name, "type": "long", "nullable": True, "metadata": {}} for name in ("a", "A")]
    observed = table(s={"type": "struct", "fields": fields})
    one = Schema([ColSpec(Object([Property("a", "long")]), "s")])
    assert faults(plan(observed, one)) == [("s.A", "UNEXPECTED_FIELD")]
    assert faults(plan(observed, one, case_sensitive=False)) == [("s.a", "AMBIGUOUS_COLUMN")]


def test_plan_bounds_nanoseconds_only_for_nanosecond_dtypes() -> None:
    for dtype, kind in (("datetime64[us]", "timestamp_ntz"), ("datetime64[D]", "date")):
        made = plan(table(x=array(kind)), Schema([TensorSpec(np.dtype(dtype), (-1, 2))]), time_zone="Europe/Berlin")
        assert made.ok and "nanoseconds" not in str(made) and "Berlin" not in str(made.steps)


def test_plan_level_of_a_column_does_not_apply_to_dotted_names() -> None:
    schema = Schema([ColSpec("integer", "a"), ColSpec("integer", "a.b")])
    made = plan(table_of(("a", "long"), ("a.b", "long")), schema, level={"a": "checked"})
    assert faults(made) == [("a.b", "INCOMPATIBLE_TYPE")]


# ---- presence, nulls, NaN, containers


def test_plan_adds_absent_optional_columns_as_typed_nulls_or_omits_them() -> None:
    assert [s.name for s in plan(table(a="long", b="double"), AB).steps] == ["a", "b", "c"]
    assert [s.name for s in plan(table(a="long", b="double"), AB, policy=Policy.mlflow()).steps] == ["a", "b"]


ITEM = Object([Property("price", "double"), Property("rebate", "double", required=False)])
RENAMED = Schema([ColSpec("long", "id"), ColSpec("double", "discount", False), ColSpec(Array(ITEM), "items", False)])
HAS_ITEMS = table_of(
    *(("id", "long"), ("a_long_discount_name", "double"), ("DISCOUNT_PCT", "string")),
    ("items", array(cast(Any, {"type": "struct", "fields": [_field("price", "double")]}))),
)


def warned(report: Plan) -> list[tuple[str, str, str | None]]:
    return [(warning.path, str(warning.code), warning.hint) for warning in report.warnings]


def test_plan_reports_absent_optional_columns_and_members_with_the_most_similar_extra_column() -> None:
    report = plan(HAS_ITEMS, RENAMED)
    assert report.ok
    assert warned(report) == [
        ("discount", "MISSING_COLUMN", "did you mean 'DISCOUNT_PCT'?"),
        ("items[].rebate", "MISSING_FIELD", None),
    ]
    line = (
        "discount: optional, but the table has no such column: the model receives nulls; did you mean 'DISCOUNT_PCT'?"
    )
    assert f"warning: {line}" in str(report).split("\n")
    assert report.to_dict()["warnings"][0] == {
        "path": "discount",
        "code": "MISSING_COLUMN",
        "fact": "optional, but the table has no such column: the model receives nulls",
        "hint": "did you mean 'DISCOUNT_PCT'?",
    }
    page = report._repr_html_()
    assert "2 warnings" in page and "DISCOUNT_PCT" in page and "items[].rebate" in page
    omitted = plan(
        table(id="long", discount_pct="double"), RENAMED, absent_optional="omit", on_absent={"items": "ignore"}
    )
    assert [w.fact.rpartition(": ")[2] for w in omitted.warnings] == ["the model does not receive it"]
    assert omitted.warnings[0].hint == "did you mean 'discount_pct'?"
    # a column that another declared column takes is never the suggestion
    taken = Schema([ColSpec("double", "discounts"), ColSpec("double", "discount", False)])
    assert plan(table(discounts="double"), taken).warnings[0].hint is None


@pytest.mark.parametrize(
    ("on_absent", "problems", "warnings"),
    [
        ("error", ["discount", "items[].rebate"], []),
        ("ignore", [], []),
        ({"discount": "error"}, ["discount"], ["items[].rebate"]),
        ({"*": "ignore", "items": "error"}, ["items[].rebate"], []),
        ({"items[].rebate": "ignore"}, [], ["discount"]),
    ],
)
def test_plan_rejects_or_ignores_absent_columns_as_on_absent_says(
    on_absent: Any, problems: list[str], warnings: list[str]
) -> None:
    report = plan(HAS_ITEMS, RENAMED, on_absent=on_absent)
    assert [problem.path for problem in report.problems] == problems
    assert [warning.path for warning in report.warnings] == warnings
    # what the model receives is decided by absent_optional alone
    assert on_absent == "error" or "discount" in problems or report.steps[1].verdict == "absent"


def test_plan_checks_the_option_on_absent() -> None:
    with pytest.raises(PolicyError, match="on_absent: invalid value 'warning'"):
        Policy(on_absent={"a": cast(Any, "warning")})
    with pytest.raises(PolicyError, match=r"discuont: named by on_absent=.*\n.*did you mean 'discount'"):
        plan(HAS_ITEMS, RENAMED, on_absent={"discuont": "error"})
    assert plan(HAS_ITEMS, RENAMED, policy=Policy.mlflow()).warnings == ()


def test_plan_null_and_nan_checks_follow_the_policy() -> None:
    observed = table(a="long", b="double", c="string")
    assert [s.checks[:1] for s in plan(observed, AB).steps] == [("not null",), ("not null",), ("valid UTF-8",)]
    relaxed = plan(observed, AB, allow_nulls=["b"]).steps
    assert [s.checks for s in relaxed] == [("not null",), (), ("valid UTF-8",)]
    assert plan(observed, AB, allow_nan=False).steps[1].checks == ("not null", "not NaN")


def test_plan_lists_the_checks_of_the_models_container() -> None:
    schema = Schema([ColSpec("long", "n", required=False), ColSpec("datetime", "t")])
    checks = [s.checks for s in plan(table(n="long", t="timestamp"), schema).steps]
    assert checks == [
        ("between -9007199254740992 and 9007199254740992 (for the model)",),
        ("not null", "a moment that datetime64[ns] holds (for the model)"),
    ]


# ---- tensors


def test_plan_accepts_or_rejects_a_flat_tensor_column() -> None:
    made = plan(table(image=array("float")), Schema([IMAGE]))
    assert made.ok and made.steps[0].checks == ("not null", "4 entries", "[] not null")
    made = plan(table(image=array("double")), Schema([IMAGE]))
    assert faults(made) == [("0", "INCOMPATIBLE_TYPE")]
    assert made.problems[0].fact == "declared float32(-1, 2, 2), the table has array<double>"
    assert plan(table(image=array("double")), Schema([IMAGE]), allow_rounding=True).steps[0].verdict == "rounded"
    assert faults(plan(table(image="double"), Schema([IMAGE]))) == [("0", "INCOMPATIBLE_TYPE")]


def test_plan_bounds_dtypes_that_use_a_storage_type() -> None:
    schema = Schema([TensorSpec(np.dtype("uint8"), (-1, 2))])
    made = plan(table(x=array("short")), schema)
    assert made.steps[0].verdict == "kept" and "[] between 0 and 255" in made.steps[0].checks
    assert faults(plan(table(x=array("integer")), schema)) == [("0", "INCOMPATIBLE_TYPE")]


def test_plan_rejects_a_dtype_without_a_storage_type_by_name() -> None:
    made = plan(table(x=array("double")), Schema([TensorSpec(np.dtype("complex64"), (-1, 2))]))
    assert faults(made) == [("0", "UNSUPPORTED_TYPE")] and "complex64" in made.problems[0].fact


@pytest.mark.parametrize("nulls", [False, True])
def test_plan_lists_the_checks_of_tensor_entries_stored_as_columns(nulls: bool) -> None:
    guards = ("does not become infinite", "survives the way there and back")
    one = plan(
        table(x="double"), Schema([TensorSpec(np.dtype("float32"), (-1, 1), "x")]), level="checked", allow_nulls=nulls
    )
    assert one.steps[0].checks == (*([] if nulls else ["not null"]), *guards) and one.steps[0].verdict == "checked"
    two = plan(table(a="double", b="float"), Schema([TensorSpec(np.dtype("float32"), (-1, 2))]), level="checked")
    assert two.steps[0].checks == ("a not null", *(f"a {guard}" for guard in guards), "b not null")
    assert two.steps[0].verdict == "checked"


def test_plan_options_by_path_apply_to_tensor_entry_columns() -> None:
    two, schema = table(a="double", b="double"), Schema([TensorSpec(np.dtype("float32"), (-1, 2))])
    assert faults(plan(two, schema)) == [("a", "INCOMPATIBLE_TYPE"), ("b", "INCOMPATIBLE_TYPE")]
    assert plan(two, schema, level={"0": "checked"}).ok and plan(two, schema, allow_rounding=["0"]).ok


def test_plan_options_by_path_apply_inside_columns_and_reject_typos() -> None:
    schema = Schema(
        [ColSpec(Array(Object([Property("x", "integer")])), "o"), ColSpec(Map("integer"), "m"), ColSpec("long", "a.b")]
    )
    inner = from_spark({"type": "struct", "fields": [{"name": "x", "type": "long", "nullable": True, "metadata": {}}]})
    observed = StructType(
        (Field("o", ArrayType(inner)), Field("m", MapType(from_spark("string"), from_spark("long"))),
         Field("a.b", from_spark("long")))
    )  # fmt: skip
    bounds = "between -2147483648 and 2147483647"
    made = plan(observed, schema, level={"o[].x": "checked", "m{}": "checked"}, allow_nulls=["o[].x", "m{}", "a.b"])
    assert [step.checks for step in made.steps] == [
        ("not null", "[] not null", f"[].x {bounds}"),
        ("not null", "keys valid UTF-8", "keys different", f"{{}} {bounds}"),
        (f"between -{2**53} and {2**53} (for the model)",),
    ]  # fmt: skip
    dotted = Schema([ColSpec(Object([Property("b", "long"), Property("b.c", "long"), Property("b[]", "long")]), "a")])
    one = from_spark({"type": "struct", "fields": [
        {"name": name, "type": "long", "nullable": True, "metadata": {}} for name in ("b", "b.c", "b[]")
    ]})  # fmt: skip
    made = plan(StructType((Field("a", one),)), dotted, allow_nulls=["a.b"])
    assert made.steps[0].checks == ("not null", ".b.c not null", ".b[] not null")  # members of their own
    elements = plan(observed, schema, level="checked", allow_nulls=["o[]"])
    assert elements.steps[0].checks == ("not null", f"[].x {bounds}")  # a member follows what it is in
    for typo in ("o[].y", "o.x", "m[]", "o[", "a.b.c", "m{}.x"):
        with pytest.raises(PolicyError) as raised:
            plan(observed, schema, allow_nulls=[typo])
        assert [problem.path for problem in raised.value.problems] == [typo]


@pytest.mark.parametrize("given", ["model/", None])
def test_plan_rejects_a_non_signature_and_names_load_signature(given: object) -> None:
    with pytest.raises(SignatureError, match=r"(?s)is no ModelSignature .*load_signature"):
        plan(table(a="long"), given)  # type: ignore[arg-type]


# ---- a plan is data


def test_plan_is_frozen_comparable_picklable_and_json() -> None:
    made = plan(table(a="long", b="float", z="long"), AB, level={"a": "checked"}, allow_nulls=["b"])
    again = plan(table(a="long", b="float", z="long"), AB, level={"a": "checked"}, allow_nulls=["b"])
    assert made == again and hash(made) == hash(again) and pickle.loads(pickle.dumps(made)) == made
    assert json.loads(json.dumps(made.to_dict()))["columns"][1]["verdict"] == "widened"
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.steps = ()  # type: ignore[misc]


def test_plan_prints_as_a_table_and_escapes_html() -> None:
    made = plan(table_of(("<script>", "long"), ("a", "double"), ("b\n", "long")), Schema([ColSpec("long", "<script>")]))
    assert str(made).splitlines()[0] == "the table fits"
    assert "not in the signature: a, b\\n" in str(made)
    assert "<script>" not in made._repr_html_() and "&lt;script&gt;" in made._repr_html_()


def test_policy_is_independent_of_the_dicts_it_was_created_from() -> None:
    levels = {"a": "checked"}
    policy = Policy(level=levels, keep=["x"], columns={"a": "b"})
    levels["a"] = "strict"
    assert policy.level_of("a") == "checked"
    assert isinstance(hash(policy), int)


@pytest.mark.parametrize(
    "name", ["interval year", "interval month", "interval year to month", "interval", "geometry(4326)"]
)
def test_score_plan_rejects_types_that_spark_cannot_pass_to_python(name: str) -> None:
    nested = {"type": "array", "elementType": name, "containsNull": True}
    for kind, declared in ((name, AnyType()), (nested, AnyType()), (nested, Array(AnyType()))):
        fields = [{"name": "a", "type": kind, "nullable": True, "metadata": {}}]
        made = plan(table_from_spark({"type": "struct", "fields": fields}), Schema([ColSpec(declared, "a")]))
        (problem,) = for_workers(made.require_ok()).problems
        assert problem.path == "a" and problem.code is Code.UNSUPPORTED_TYPE and name.split("(")[0] in problem.fact


@pytest.mark.parametrize("name", ["interval day", "interval hour to second", "time(6)", "variant", "void"])
def test_score_plan_allows_types_that_spark_passes_to_python(name: str) -> None:
    fields = [{"name": "a", "type": name, "nullable": True, "metadata": {}}]
    made = plan(table_from_spark({"type": "struct", "fields": fields}), Schema([ColSpec(AnyType(), "a", False)]))
    assert for_workers(made).ok
