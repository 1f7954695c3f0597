"""The spelling: a plan as Spark SQL text. The only way in which a check or a cast reaches Spark.

The text works on a frame whose columns have been renamed by position to `_0`, `_1`, ..: no user's name ever stands in
it, since Spark substitutes variables in SQL text before it parses and cannot name `a` beside `A`. What is said to a
person (a path, a type) is a hexadecimal literal. Every check is wrapped in `coalesce(.., false)`: SQL has three truth
values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from sparksig.enforcement.steps import AbsentNode, FlatTensorNode, Plan, ScalarNode, Step
from sparksig.errors import Code
from sparksig.signature.casts import (
    Between,
    Cast,
    Castable,
    Fixed,
    Guard,
    InNanoseconds,
    Integral,
    Matches,
    Micros,
    NotNan,
    NoUnderflow,
    Source,
    StaysFinite,
    Survives,
    carrier,
)
from sparksig.signature.dtypes import SPARK, Element, Kind

VIOLATIONS_TYPE = "array<struct<path:string,code:string,expected:string,observed:string>>"
"""The type of the violations column, in Spark's DDL."""


_NONZERO = r"\A[^eE]*[1-9]"
_INFINITY = r"\A[+-]?Infinity\z"
_BEYOND_MICROS = r"[.][0-9]{6}[0-9]*[1-9]"
_ZONED = r"(Z|[+-][0-9]{2}:?[0-9]{2})\z"
_TO_MINUTES = r"\A([^:]*:[0-9]{2})(Z|[+-].*)?\z"
_MICROS_OF_DATE = "try_multiply(unix_date({}), 86400000000L)"
_HINT = ". hint: validate() counts such rows, split() sets them apart"


def column(position: int) -> str:
    """The generated name of the table's column at a position."""
    return f"_{position}"


def text(value: str) -> str:
    """A string literal that means the same in every version and under every setting, whatever it holds.

    >>> text("`${env:HOME}`")
    "cast(X'60247b656e763a484f4d457d60' as string)"
    """
    return f"cast(X'{value.encode('utf-8', 'surrogatepass').hex()}' as string)"


def values(plan: Plan, flat: bool = False) -> list[str]:
    """One expression a step: the column as declared.

    Args:
        plan: a plan without problems.
        flat: leave tensors flat, as the model's batches take them, instead of nested arrays.
    """
    return [_value(step, flat) for step in plan.steps]


def accepted(plan: Plan) -> str | None:
    """The condition that a clean row satisfies, never null; None where no row can be dirty."""
    conditions = [condition for step in plan.steps if (condition := _accepts(step)) is not None]
    return " and ".join(conditions) if conditions else None


def violations(plan: Plan) -> str:
    """The violations of a row as an array of structs; null for a clean row."""
    condition = accepted(plan)
    if condition is None:
        return f"cast(null as {VIOLATIONS_TYPE})"
    return f"case when {condition} then null else {_faults(plan)} end"


def assertion(plan: Plan) -> str | None:
    """A filter that is true for a clean row and raises for a dirty one; None where no row can be dirty.

    `spark_partition_id()` makes it non-deterministic, so that the optimizer neither moves it below the user's own joins
    and filters nor copies it to another table.
    """
    condition = accepted(plan)
    if condition is None:
        return None
    one = "concat(v.path, ': ', v.code, ' (declared ', v.expected, ', the table has ', v.observed, ')')"
    every = f"array_join(transform({_faults(plan)}, v -> {one}), '; ')"
    message = f"concat('sparksig: a row breaks the signature: ', {every}, '{_HINT}')"
    return f"assert_true({condition} and spark_partition_id() >= 0, {message}) is null"


def _faults(plan: Plan) -> str:
    entries = [
        f"named_struct('path', {text(path)}, 'code', {code},"
        f" 'expected', {text(step.declared)}, 'observed', {text(step.observed)})"
        for step in plan.steps
        for path, code in _codes(step)
    ]
    return f"filter(array({', '.join(entries)}), v -> v.code is not null)"


def _value(step: Step, flat: bool) -> str:
    match step.node:
        case AbsentNode(element):
            return f"cast(null as {element.spark})"
        case ScalarNode(cast=cast):
            return cast_value(cast, _x(step))
        case FlatTensorNode(element, shape):
            x = _x(step)
            if element.cast.changes_type:
                x = f"transform({x}, e -> {cast_value(element.cast, 'e')})"
            return x if flat else _nested(x, shape, element.cast.target.spark, count())


def _nested(x: str, shape: Sequence[int], entry: str, names: Iterator[int]) -> str:
    """A flat array as nested arrays, in C order."""
    if len(shape) <= 1:
        return x
    size, *rest = shape
    if size == 0:
        return f"cast(array() as {'array<' * len(shape)}{entry}{'>' * len(shape)})"
    width, i = 1, f"i{next(names)}"
    for other in rest:
        width *= other
    inner = _nested(f"slice({x}, {i} * {width} + 1, {width})", rest, entry, names)
    return f"transform(sequence(0, {size - 1}), {i} -> {inner})"


def _accepts(step: Step) -> str | None:
    match step.node:
        case AbsentNode():
            return None
        case ScalarNode() as node:
            return _clean(node, _x(step))
        case FlatTensorNode(element, _, nulls) as node:
            x = _x(step)
            good = f"coalesce(size({x}) = {node.length} and forall({x}, e -> {_clean(element, 'e')}), false)"
            return f"({x} is null or {good})" if nulls else f"({x} is not null and {good})"


def _codes(step: Step) -> Iterator[tuple[str, str]]:
    """Each (path, expression of its code, null where nothing is wrong)."""
    match step.node:
        case AbsentNode():
            return
        case ScalarNode() as node:
            if _clean(node, "x") is not None:
                yield step.name, _code(node, _x(step))
        case FlatTensorNode(element, _, nulls) as node:
            x = _x(step)
            length = f"when size({x}) <> {node.length} then '{Code.WRONG_LENGTH}'"
            yield step.name, f"case when {x} is null then {'null' if nulls else _quoted(Code.NULL)} {length} end"
            for code in dict.fromkeys([Code.NULL, *(code for code, _ in _judgements(element, "e"))]):
                found = f"exists({x}, e -> coalesce({_code(element, 'e')} = '{code}', false))"
                yield f"{step.name}[]", f"case when coalesce({found}, false) then '{code}' end"


def _clean(node: ScalarNode, x: str) -> str | None:
    """The condition for one value, never null; None where every value is clean."""
    conditions = [condition for _, condition in _judgements(node, x)]
    good = f"coalesce({' and '.join(conditions)}, false)" if conditions else None
    if node.nulls:
        return f"({x} is null or {good})" if good else None
    return f"({x} is not null and {good})" if good else f"{x} is not null"


def _code(node: ScalarNode, x: str) -> str:
    """The code of the first guard that one value fails; null for a clean one."""
    whens = [f"when {x} is null then {'null' if node.nulls else _quoted(Code.NULL)}"]
    whens += [f"when not coalesce({condition}, false) then '{code}'" for code, condition in _judgements(node, x)]
    return f"case {' '.join(whens)} end"


def _judgements(node: ScalarNode, x: str) -> list[tuple[Code, str]]:
    """Each (code, condition) in the order of judgement: the cast's guards on `x`, the container's on the cast value."""
    cast = node.cast
    judged = [(guard.code, _guard(guard, cast, x)) for guard in cast.guards]
    after = (*(() if node.nan else (NotNan(),)), *node.after)
    stays = Cast(SPARK.get(cast.target.spark, cast.target), cast.target, cast.level)
    return judged + [(guard.code, _guard(guard, stays, cast_value(cast, x))) for guard in after]


def _guard(guard: Guard, cast: Cast, x: str) -> str:
    """One guard on `x`, a value of the cast's source type."""
    y = cast_value(cast, x)
    match guard:
        case Between(low, high):
            return _between(x, cast.source, low, high)
        case NotNan():
            return f"not isnan({x})"
        case Integral():
            return f"sign({x} % 1) = 0D" if isinstance(cast.source, Fixed) else f"{x} = rint({x})"
        case StaysFinite():
            return _stays_finite(cast, x, y)
        case Survives():
            return _survives(cast, x, y)
        case Matches(grammar):
            return f"{x} rlike {text(_whole(grammar))}"
        case Castable():
            return f"{y} is not null"
        case NoUnderflow():
            return f"({y} <> 0 or not {x} rlike {text(_NONZERO)})"
        case Micros():
            return f"not {x} rlike {text(_BEYOND_MICROS)}"
        case InNanoseconds():
            return f"{x} between timestamp'1677-09-21 00:12:43.145225Z' and timestamp'2262-04-11 23:47:16.854775Z'"


def _between(x: str, source: Source, low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return f"{x} between {_number(low, source)} and {_number(high, source)}"
    return f"{x} >= {_number(low, source)}" if low is not None else f"{x} <= {_number(high or 0, source)}"


def _number(value: int, source: Source) -> str:
    """A literal of the source's own type: mixed types widen, and what they widen to depends on ANSI."""
    return f"{value}{'BD' if isinstance(source, Fixed) else source.suffix}"


def _stays_finite(cast: Cast, x: str, y: str) -> str:
    if cast.target.suffix is None:  # float16 rides on float: from 65520 on, half of the last step, it would be infinite
        finite = f"abs(try_cast({x} as double)) < {cast.target.largest + 16}D"
    else:
        finite = f"abs({y}) < cast('Infinity' as {cast.target.spark})"
    if isinstance(cast.source, Fixed):
        return finite
    if cast.source.kind is Kind.STRING:
        return f"(isnan({y}) or {finite} or {x} rlike {text(_INFINITY)})"
    return f"(isnan({x}) or {finite} or abs({x}) = cast('Infinity' as {cast.source.spark}))"


def _survives(cast: Cast, x: str, y: str) -> str:
    if cast.target.suffix is not None:
        return f"try_cast({y} as {carrier(cast.source)}) = {x}"
    # float16 has no Spark type to go to and come back from: a multiple of 2^-24 whose upper 11 bits are all there is
    h = f"try_cast({x} as double)"
    exact = f"{h} * 16777216D = rint({h} * 16777216D) and {h} * 4398046511105D - ({h} * 4398046511105D - {h}) = {h}"
    return f"(isnan({h}) or abs({h}) = cast('Infinity' as double) or ({exact}))"


def cast_value(cast: Cast, x: str) -> str:
    """`x` as the Spark type that carries the target. Never raises: a value that cannot be cast becomes null."""
    if not cast.changes_type:
        return x
    if cast.target.kind is Kind.DATETIME and isinstance(cast.source, Element):
        return _moment(cast.source, x)
    return f"try_cast({x} as {cast.target.spark})"


def _moment(source: Element, x: str) -> str:
    """A wall clock as the instant that has it in UTC, whatever the session's time zone."""
    if source.spark == "date":
        return f"timestamp_micros({_MICROS_OF_DATE.format(x)})"
    if source.spark == "timestamp_ntz":
        # not epoch + (x - epoch): days of an interval are added in the session's time zone, with its leaps
        time = f"hour({x}) * 3600000000L + minute({x}) * 60000000L + cast(extract(second from {x}) * 1000000 as long)"
        return f"timestamp_micros(try_add({_MICROS_OF_DATE.format(f'cast({x} as date)')}, {time}))"
    # Spark's own cast takes only some of ISO 8601: it is given seconds and an offset always
    seconds = f"regexp_replace({x}, {text(_TO_MINUTES)}, {text('$1:00$2')})"
    time = f"case when {x} rlike {text(_ZONED)} then {seconds} else concat({seconds}, 'Z') end"
    return f"try_cast(case when length({x}) = 10 then concat({x}, 'T00:00:00Z') else {time} end as timestamp)"


def _x(step: Step) -> str:
    assert step.position is not None  # only an AbsentNode has none, and it reads nothing
    return column(step.position)


def _quoted(code: Code) -> str:
    return f"'{code}'"


def _whole(grammar: str) -> str:
    r"""The grammar on the whole text: `$` would accept a line break at the end, `\z` does not."""
    return rf"\A(?:{grammar})\z"
