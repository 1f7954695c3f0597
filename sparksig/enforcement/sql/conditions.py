"""What must hold of a value of any type, and the codes where it does not, as Spark SQL text: nodes, by recursion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from sparksig.enforcement.nodes import (
    AbsentNode,
    AnyNode,
    ArrayNode,
    ColumnsNode,
    Layout,
    MapNode,
    Node,
    ScalarNode,
    StructNode,
    TensorNode,
    Types,
    VariantNode,
    VectorNode,
    entry_path,
)
from sparksig.enforcement.sql.forms import is_deep
from sparksig.enforcement.sql.guards import between, cast_value, judgements, number, text, valid_utf8
from sparksig.errors import Code
from sparksig.signature.casts import Between, NotNan, ValidUtf8, carrier
from sparksig.signature.dtypes import SPARK, Element, Kind
from sparksig.signature.paths import ELEMENT, VALUE


def clean(node: Node, x: str, depth: int) -> str | None:
    """The condition for one value, never null; None where every value is clean."""
    e = f"e{depth}"
    match node:
        case AbsentNode():
            return None
        case ScalarNode(nulls=nulls):
            return _nullable([condition for _, condition in judgements(node, x)], x, nulls, _is_total(node))
        case VariantNode():
            return _nullable([_variant_dates(x)], x, nulls=True)
        case AnyNode(_, nulls, inside):
            condition = None if inside is None else clean(inside, x, depth)
            return condition if nulls else _nullable([condition] if condition else [], x, nulls, total=True)
        case ArrayNode(element, nulls):
            return _nullable(_forall(x, e, clean(element, e, depth + 1)), x, nulls)
        case MapNode(inside, nulls):
            keys = [] if node.key is None else _forall(f"map_keys({x})", e, clean(node.key, e, depth + 1))
            unique = [_unique_keys(x)] if node.unique else []
            entries = _forall(f"map_values({x})", e, clean(inside, e, depth + 1))
            return _nullable([*keys, *unique, *entries], x, nulls)
        case StructNode() if is_deep(x):
            deep = clean(node, f"s{depth}", depth + 1)
            return None if deep is None else f"forall(array({x}), s{depth} -> {deep})"
        case StructNode(members, nulls):
            inner = [clean(m.node, f"{x}._{m.position}", depth) for m in members]
            return _nullable([condition for condition in inner if condition is not None], x, nulls)
        case VectorNode(_, nulls, nan):
            present = [] if node.from_vector else [_all_present(x, "double")]  # a vector has no nulls
            return _nullable([*present, *([] if nan else [_NO_NAN.format(x)])], x, nulls)
        case ColumnsNode(entries):
            each = [clean(entry, c, depth) for (_, entry), c in zip(entries, x.split(","), strict=True)]
            return " and ".join(condition for condition in each if condition is not None)
        case TensorNode(element, _, layout, nulls):
            if layout is Layout.SCALAR:
                return _nullable([condition for _, condition in judgements(element, x)], x, nulls)
            if layout is Layout.NESTED:
                return _nullable(_shaped(node, x, clean(element, f"e{len(node.shape) - 1}", 0)), x, nulls)
            entries_clean = [] if layout is Layout.BINARY else _entries_clean(node, x, e)
            return _nullable([*(condition for _, condition in _run(node, x)), *entries_clean], x, nulls)


def all_clean(node: ScalarNode, names: Sequence[str]) -> str | None:
    """The condition on columns that must all lie between the same bounds or be valid UTF-8, never null; else None.

    It is spelled without a branch for each column: a clean row runs through all of it.
    """
    if not node.cast.guards and node.after == (ValidUtf8(),):
        # strings with blanks between them are valid UTF-8 where each of them is; nulls are skipped
        return " and ".join(
            [*([] if node.nulls else _present(names)), valid_utf8(f"concat_ws(' ', {', '.join(names)})")]
        )
    match [*node.cast.guards, *node.after]:
        case [Between(low, high)] if node.nan:
            source = node.cast.source
        case _:
            return None
    if _narrows(node):
        filled = [f"coalesce({x}, {number(0, source)})" if node.nulls else x for x in names]
        return f"({' | '.join(cast_value(node.cast, x) for x in filled)}) is not null"  # null where one of them is
    together = ", ".join(names)
    least = [] if low is None else [between(f"least({together})", source, low, None)]
    greatest = [] if high is None else [between(f"greatest({together})", source, None, high)]
    bounds = " and ".join([*least, *greatest])
    if node.nulls:
        return f"coalesce({bounds}, true)"  # both skip nulls, and are null where every column is
    return f"({' and '.join(_present(names))} and {bounds})"


def _present(names: Sequence[str]) -> list[str]:
    return [f"{x} is not null" for x in names]


@dataclass(frozen=True, slots=True)
class Found:
    """A place where something may be wrong.

    Attributes:
        path: where it is.
        types: the declared and the observed type there.
        codes: the codes that it may have.
        code: the expression of the code that it has, over the variables of `bindings`.
        bindings: a value and the variable that stands for it, the outermost first.
    """

    path: str
    types: Types
    codes: tuple[Code, ...]
    code: str
    bindings: tuple[tuple[str, str], ...] = ()

    def unbound(self) -> Found:
        """The same place, its code an expression without variables of `bindings`."""
        code = self.code
        for value, variable in reversed(self.bindings):
            code = f"transform(array({value}), {variable} -> {code})[0]"
        return replace(self, code=code, bindings=())


def code_array(places: Sequence[Found]) -> str:
    """The codes of some places in their order, as an array; a variable is bound once for all places below it."""
    arrays = []
    for binding, group in groupby(places, key=lambda found: found.bindings[:1]):
        if not binding:
            arrays.append(f"array({', '.join(found.code for found in group)})")
            continue
        ((value, variable),) = binding
        inner = code_array([replace(found, bindings=found.bindings[1:]) for found in group])
        arrays.append(f"transform(array({value}), {variable} -> {inner})[0]")
    return arrays[0] if len(arrays) == 1 else f"concat({', '.join(arrays)})"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that may be wrong with a scalar: where, its code, and when; of several, the first is the one."""

    path: str
    types: Types
    code: Code
    condition: str


def simple_faults(node: Node, x: str, path: str) -> list[Fault] | None:
    """What may be wrong with a scalar of which no more is asked than bounds, in the order of judgement; else None."""
    match node:
        case AbsentNode():
            return []
        case ScalarNode(nulls=nulls) if _is_total(node):
            missing = [] if nulls else [Fault(path, node.types, Code.NULL, f"{x} is null")]
            judged = [(code, f"not ({condition})") for code, condition in judgements(node, x)]
            if _narrows(node):  # half the bytecode
                present = f"{x} is not null and " if nulls else ""
                judged = [(code, f"{present}{cast_value(node.cast, x)} is null") for code, _ in judged]
            return missing + [Fault(path, node.types, code, condition) for code, condition in judged]
    return None


def _narrows(node: ScalarNode) -> bool:
    """Whether Spark's own cast is null just where a value breaks the rules: whole numbers to a smaller type of them."""
    source, target = node.cast.source, node.cast.target
    match node.cast.guards:
        case (Between(low, high),) if not node.after and isinstance(source, Element):
            own = SPARK.get(target.spark) is target and (low, high) == (target.low, target.high)
            return own and source.kind is target.kind is Kind.INTEGER
    return False


def _is_total(node: ScalarNode) -> bool:
    """Whether the conditions on a value that is not null are never null."""
    total = all(isinstance(guard, Between | NotNan) for guard in node.cast.guards)
    return total and all(isinstance(guard, ValidUtf8) for guard in node.after)


def _sure(condition: str) -> str:
    return f"coalesce({condition}, false)"


def codes(node: Node, x: str, path: str, depth: int) -> Iterator[Found]:
    """Each place in a value where something may be wrong."""
    match node:
        case AbsentNode():
            return
        case ScalarNode(nulls=nulls):
            if not nulls or judgements(node, x):
                yield Found(path, node.types, *_case(x, nulls, judgements(node, x)))
        case VariantNode():
            yield Found(path, node.types, *_case(x, True, [(Code.OUT_OF_RANGE, _variant_dates(x))]))
        case ColumnsNode(entries):
            for (name, entry), c in zip(entries, x.split(","), strict=True):
                yield from codes(entry, c, name, depth)
        case TensorNode():
            yield from _tensor_codes(node, x, path, depth)
        case _:
            if not node.nulls:
                yield Found(path, node.types, *_case(x, False, []))
            yield from _inner_codes(node, x, path, depth)


def _inner_codes(
    node: AnyNode | ArrayNode | MapNode | StructNode | VectorNode, x: str, path: str, depth: int
) -> Iterator[Found]:
    e = f"e{depth}"
    match node:
        case ArrayNode(element):
            yield from _within(x, e, codes(element, e, path + ELEMENT, depth + 1))
        case AnyNode(inside=inside):
            for found in () if inside is None else codes(inside, x, path, depth):
                yield replace(found, types=Types("Any", found.types.observed))
        case MapNode(inside):
            yield from _key_codes(node, x, path, depth)
            yield from _within(f"map_values({x})", e, codes(inside, e, path + VALUE, depth + 1))
        case StructNode() if is_deep(x):
            for found in _inner_codes(node, f"s{depth}", path, depth + 1):
                yield replace(found, bindings=((x, f"s{depth}"), *found.bindings))
        case StructNode(members):
            for m in members:
                at = f"{path}.{m.name}"
                for found in codes(m.node, f"{x}._{m.position}", at, depth):
                    # what is inside a member that is a struct has been compared with that struct, which is null with x
                    if isinstance(m.node, StructNode) and found.path != at:
                        yield found
                    else:
                        alone = found.unbound()
                        yield replace(alone, code=f"case when {x} is not null then {alone.code} end")
        case VectorNode(nan=nan):
            judged = _case(e, False, [] if nan else [(Code.NAN, f"not isnan({e})")])
            yield from _within(x, e, iter([Found(path + ELEMENT, Types("double", "double"), *judged)]))


def _key_codes(node: MapNode, x: str, path: str, depth: int) -> Iterator[Found]:
    """What may be wrong with a map's keys. They are data: the path is the map's own."""
    e = f"e{depth}"
    keys = () if node.key is None else codes(node.key, e, path, depth + 1)
    for found in _within(f"map_keys({x})", e, iter(keys)):
        yield replace(found, path=path, types=node.types)
    if node.unique:
        yield Found(path, node.types, *_case(x, True, [(Code.NOT_EXACT, _unique_keys(x))]))


def _variant_dates(x: str) -> str:
    """That a variant has no date outside the years 1 to 9999, which its text has with a sign or with the year 0000."""
    return f"not (schema_of_variant({x}) rlike 'DATE|TIMESTAMP' and to_json({x}) rlike {text(_ODD_YEAR)})"


_ODD_YEAR = r'"([+-][0-9]+|0000)-[0-9]{2}-[0-9]{2}'


def _unique_keys(x: str) -> str:
    return f"size(array_distinct(map_keys({x}))) = size(map_keys({x}))"


def _tensor_codes(node: TensorNode, x: str, path: str, depth: int) -> Iterator[Found]:
    """A tensor as a whole: null, length or shape; then its entries."""
    e, element = f"e{depth}", node.element
    match node.layout:
        case Layout.SCALAR:
            yield Found(path, element.types, *_case(x, node.nulls, judgements(element, x)))
        case Layout.NESTED:
            shaped = " and ".join(_shaped(node, x, None, nulls=True)) or "true"
            yield Found(path, node.types, *_case(x, node.nulls, [(Code.WRONG_SHAPE, shaped)]))
            yield from _nested_codes(node, x, path, len(node.shape), 0)
        case Layout.BINARY:
            length, *bits = _run(node, x)
            yield Found(path, node.types, *_case(x, node.nulls, [length]))
            if bits:
                yield Found(path + ELEMENT, element.types, *_case(x, True, bits))
        case _:
            yield Found(path, node.types, *_case(x, node.nulls, _run(node, x)))
            yield from _within(x, e, codes(element, e, path + entry_path(node), depth + 1))


def _nested_codes(node: TensorNode, x: str, path: str, rank: int, depth: int) -> Iterator[Found]:
    e = f"e{depth}"
    if rank == 1:
        yield from _within(x, e, codes(node.element, e, path + ELEMENT, depth + 1))
        return
    missing = Found(path + ELEMENT, node.types, (Code.NULL,), f"case when {e} is null then '{Code.NULL}' end")
    yield from _within(x, e, iter([missing]))
    yield from _within(x, e, _nested_codes(node, e, path + ELEMENT, rank - 1, depth + 1))


def _within(x: str, e: str, inner: Iterator[Found]) -> Iterator[Found]:
    """The places in an array's elements: one for each code that any element may have."""
    for found in inner:
        for code in dict.fromkeys(found.codes):
            any_has = f"exists({x}, {e} -> coalesce({found.unbound().code} = '{code}', false))"
            has = f"case when coalesce({any_has}, false) then '{code}' end"
            yield replace(found, codes=(code,), code=has, bindings=())


def _case(x: str, nulls: bool, judged: Sequence[tuple[Code, str]]) -> tuple[tuple[Code, ...], str]:
    """The codes that a value may have, and the expression of the first guard that it fails."""
    whens = [f"when {x} is null then {'null' if nulls else _quoted(Code.NULL)}"]
    whens += [f"when not {_sure(condition)} then '{code}'" for code, condition in judged]
    codes = (*(() if nulls else (Code.NULL,)), *(code for code, _ in judged))
    return codes, f"case {' '.join(whens)} end"


def _nullable(conditions: Sequence[str], x: str, nulls: bool, total: bool = False) -> str | None:
    """The conditions on a value that may be null; `total` says that they are never null for a value that is not."""
    together = " and ".join(conditions)
    good = (f"({together})" if total else _sure(together)) if conditions else None
    if nulls:
        return f"({x} is null or {good})" if good else None
    return f"({x} is not null and {good})" if good else f"{x} is not null"


def _forall(x: str, e: str, condition: str | None) -> list[str]:
    return [] if condition is None else [f"forall({x}, {e} -> {condition})"]


def _entries_clean(node: TensorNode, x: str, e: str) -> list[str]:
    """The condition on all entries of a run; where it is only that none is null, without a call for each of them."""
    source, judged = carrier(node.element.cast.source), judgements(node.element, e)
    if judged:
        return _forall(x, e, clean(node.element, e, 0))
    return [] if node.layout is Layout.VECTOR else [_all_present(x, source)]


def _all_present(x: str, kind: str) -> str:
    """That an array has no null element.

    `array_contains` compiles to a loop and is null for an array that has a null and not the value; a lambda is called
    for each element. It is asked for a value that is hardly there, and where it is, the elements are asked one by one.
    """
    row = SPARK.get(kind)
    one_by_one = f"forall({x}, e -> e is not null)"
    if row is None or row.suffix is None or not row.is_number:
        return one_by_one
    rare = f"{min(row.high, 1_618_033_988) - 1 if row.kind is Kind.INTEGER else -1.618034e-37}{row.suffix}"
    return f"case array_contains({x}, {rare}) when false then true when true then {one_by_one} else false end"


_NO_NAN = "not array_contains({}, cast('NaN' as double))"


def _run(node: TensorNode, x: str) -> list[tuple[Code, str]]:
    """What the run of a tensor's entries must be as a whole."""
    if node.layout is Layout.BINARY:
        size = np.dtype(node.element.cast.target.numpy).itemsize * (node.length or 0)
        judged = [(Code.WRONG_LENGTH, f"octet_length({x}) = {size}")]
        if node.element.cast.target.kind is Kind.BOOLEAN:
            judged.append((Code.OUT_OF_RANGE, f"hex({x}) rlike {text(_BITS)}"))
        return judged
    if node.length is not None:
        return [(Code.WRONG_LENGTH, f"size({x}) = {node.length}")]
    condition = f"size({x}) % {node.known} = 0" if node.known else f"size({x}) = 0"
    return [(Code.WRONG_LENGTH, condition)] if node.known != 1 else []


_BITS = r"\A(0[01])*\z"


def _shaped(node: TensorNode, x: str, entry: str | None, nulls: bool = False) -> list[str]:
    """What nested arrays must be to be a tensor: every size as declared, open sizes the same in the whole row."""

    def level(x: str, sizes: Sequence[int], first: str, depth: int) -> list[str]:
        size, *rest = sizes
        open_size = [] if depth == 0 else [f"size({x}) = size({first})"]
        found = [f"size({x}) = {size}"] if size >= 0 else open_size
        e = f"e{depth}"
        if rest:
            inner = " and ".join(level(e, rest, f"try_element_at({first}, 1)", depth + 1)) or "true"
            good = f"({e} is null or {inner})" if nulls else f"({e} is not null and {inner})"
            return [*found, f"forall({x}, {e} -> {good})"]
        return [*found, *_forall(x, e, entry)]

    return level(x, node.shape, x, 0)


def _quoted(code: Code) -> str:
    return f"'{code}'"
