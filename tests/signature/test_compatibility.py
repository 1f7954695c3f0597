from __future__ import annotations

import numpy as np
import pytest

from sparksig.signature.compatibility import Breaks, check_compatible
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, Map, Object, Property, SparkMLVector

N, C, S, B = Breaks.NOTHING, Breaks.CALLERS, Breaks.STORED, Breaks.BOTH
XY = Object([Property("x", "long"), Property("y", "string", False)])
X = Object([Property("x", "long")])


def one(kind: ColumnType | str, required: bool = True) -> Schema:
    return Schema([ColSpec(kind, "a", required)])


def breaks(old: Schema | None, new: Schema | None, part: str) -> list[Breaks]:
    extra = ParamSchema([])
    signatures = [ModelSignature(**{part: schema}, params=extra) for schema in (old, new)]
    return [change.breaks for change in check_compatible(*signatures).changes]


@pytest.mark.parametrize(
    ("old", "new", "inputs", "outputs"),
    [
        (one("long"), one("long"), [], []),
        (one("integer"), one("long"), [N], [C]),
        (one("long"), one("integer"), [B], [S]),
        (one("long"), one("double"), [B], [S, C]),
        (one("long"), one("string"), [B], [S, C]),
        (one("long"), one("long", False), [N], [C]),
        (one("long", False), one("long"), [B], [S]),
        (one("long"), one(AnyType()), [N], [C]),
        (one(Array("integer")), one(Array("long")), [N], [C]),
        (one(Array("double")), one(SparkMLVector()), [N], [C]),
        (one(Map("long")), one(Map("integer")), [B], [S]),
        (one(X), one(XY), [N], [C]),
        (one(XY), one(X), [B], [S]),
        (one("long"), None, [N], [C]),
        (None, one("long"), [B], [S]),
        (one("long"), Schema([ColSpec("long", "a"), ColSpec("long", "b")]), [B], [S]),
        (one("long"), Schema([ColSpec("long", "a"), ColSpec("long", "b", False)]), [N], [N]),
        (Schema([ColSpec("long", "a"), ColSpec("long", "b")]), one("long"), [N], [C]),
        (one("long"), Schema([ColSpec("long")]), [B], [B]),
        (one("long"), Schema([TensorSpec(np.dtype("int64"), (-1,), "a")]), [B], [B]),
        (
            Schema([TensorSpec(np.dtype("float32"), (-1, 3))]),
            Schema([TensorSpec(np.dtype("float64"), (-1, -1))]),
            [N],
            [C, C],
        ),
        (
            Schema([TensorSpec(np.dtype("int8"), (-1, 3))]),
            Schema([TensorSpec(np.dtype("uint8"), (-1, 3, 1))]),
            [B, B],
            [S, S, C, C],
        ),
    ],
)
def test_check_compatible_reports_which_direction_a_change_breaks(
    old: Schema | None, new: Schema | None, inputs: list[Breaks], outputs: list[Breaks]
) -> None:
    assert breaks(old, new, "inputs") == inputs
    assert sorted(breaks(old, new, "outputs")) == sorted(outputs)


def test_check_compatible_reports_changed_params() -> None:
    def params(*specs: ParamSpec) -> ModelSignature:
        return ModelSignature(params=ParamSchema(list(specs)))

    old = params(ParamSpec("gone", "long", 1), ParamSpec("a", "long", 1), ParamSpec("b", "double", 1.0))
    new = params(ParamSpec("a", "double", 2.0), ParamSpec("b", "long", 1), ParamSpec("new", "long", 1))
    found = check_compatible(old, new)
    assert [(c.path, c.breaks) for c in found.changes] == [
        ("params.gone", C),
        *(("params.a", N), ("params.a", N)),
        *(("params.b", C), ("params.b", N)),
        ("params.new", N),
    ]
    assert [c.path for c in found.backward] == ["params.gone", "params.b"] and not found.forward
    assert not found.compatible


def test_check_compatible_names_nested_paths() -> None:
    old, new = one(Object([Property("x", Array("long"))])), one(Object([Property("x", Array("integer"))]))
    found = check_compatible(ModelSignature(inputs=old), ModelSignature(inputs=new))
    assert [(c.path, c.why) for c in found.changes] == [("inputs.a.x[]", "long does not fit integer")]
    assert "inputs.a.x[]" in str(found) and "<table>" in found._repr_html_()
    assert found.to_dict()["compatible"] is False


def test_check_compatible_reports_equal_signatures() -> None:
    signature = ModelSignature(inputs=one("long"))
    assert str(check_compatible(signature, signature)) == "the signatures are equal"
