"""Deciding, from schemas alone: which column of the table is which declared one, and what must happen to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import prod

import numpy as np

from sparksig.enforcement.policy import Policy
from sparksig.enforcement.steps import (
    ELEMENT,
    VALUE,
    AbsentNode,
    AnyNode,
    ArrayNode,
    ColumnsNode,
    Layout,
    MapNode,
    Member,
    Node,
    Path,
    Plan,
    ScalarNode,
    Step,
    StructNode,
    TensorNode,
    Types,
    VectorNode,
    words,
)
from sparksig.errors import Code, PolicyError, Problem, SignatureError
from sparksig.signature.casts import (
    Between,
    Fixed,
    Guard,
    InNanoseconds,
    Level,
    NoNulAtEnd,
    Source,
    WallClockInNanoseconds,
    find_cast,
    find_rounding,
    in_zone,
)
from sparksig.signature.dtypes import ELEMENTS, SPARK, Element, Kind
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, ColumnType, DataType, Map, Object, SparkMLVector
from sparksig.sources.observed import (
    ArrayType,
    DecimalType,
    Field,
    MapType,
    ObservedType,
    OtherType,
    ScalarType,
    StructType,
    VectorType,
)


def _check_given(signature: object) -> None:
    if not isinstance(signature, ModelSignature | Schema):
        hint = "load_signature(..) reads that of a model or a file"
        fact = f"a {type(signature).__name__} is no ModelSignature and no Schema"
        raise SignatureError("no signature was given", [Problem("signature", fact, hint=hint)])


def plan_table(observed: StructType, signature: ModelSignature | Schema, policy: Policy) -> Plan:
    """Decide what happens to each column of a table.

    Args:
        observed: the table's schema.
        signature: what the model was promised: a signature (its inputs count) or a schema.
        policy: the options.

    Returns:
        The plan, whose `problems` list every fault of the schema.

    Raises:
        SignatureError: what is given is no signature, such as a model's path.
        PolicyError: the policy names columns that the signature has not.
    """
    _check_given(signature)
    schema = signature.inputs if isinstance(signature, ModelSignature) else signature
    names = tuple(field.name for field in observed.fields)
    if schema is None:
        no_inputs = Problem("", "the signature declares no inputs", Code.NO_INPUTS, "declare inputs=Schema([..])")
        return Plan((), names, (no_inputs,), policy, observed)
    unknown_paths(schema, policy)
    matches, extra, problems = match_columns(observed, schema, policy)
    builder = NodeBuilder(policy, problems)
    steps = [step for match in matches if (step := _step(match, observed, builder)) is not None]
    return Plan(tuple(steps), extra, tuple(problems), policy, observed, schema.has_input_names())


def _step(match: Match, observed: StructType, builder: NodeBuilder) -> Step | None:
    spec, positions = match.spec, match.positions
    fields = [observed.fields[position] for position in positions]
    if fields:
        node = builder.column(spec, fields, Path(match.name))
        shown = str(fields[0].type) if len(fields) == 1 else f"{len(fields)} columns"
    elif builder.policy.absent_optional == "omit" or isinstance(spec, TensorSpec):
        return None
    else:
        node, shown = AbsentNode(spec.type), "absent"
    return None if node is None else Step(match.name, positions, words(spec), shown, bool(spec.required), node)


# ---- which column


@dataclass(frozen=True, slots=True)
class Match:
    """A declared column and which columns of the table hold it: none for an absent optional one, mostly one."""

    name: str
    spec: ColSpec | TensorSpec
    positions: tuple[int, ...]


def match_columns(
    table: StructType, schema: Schema, policy: Policy
) -> tuple[list[Match], tuple[str, ...], list[Problem]]:
    """Find each declared column in the table.

    Args:
        table: the table's schema.
        schema: what is declared.
        policy: says how names are read.

    Returns:
        The matches in the schema's order, the names of the table's other columns, and the faults found.

    Raises:
        PolicyError: `columns=` is a list for a named schema, or a dict for an unnamed one.
    """
    named = schema.has_input_names()
    if policy.columns is not None and named != isinstance(policy.columns, Mapping):
        form = "a dict from signature names to table columns" if named else "a list of table columns, in order"
        raise PolicyError(f"columns= must be {form}: the signature has {'' if named else 'no '}names")
    matches, problems = (_by_name if named else _by_position)(table, schema, policy)
    names = [field.name for field in table.fields]
    used = {position for match in matches for position in match.positions}
    extra = tuple(name for position, name in enumerate(names) if position not in used)
    if policy.extra == "forbid":
        hint = "drop it, or name it in keep="
        unexpected = [name for name in extra if name not in policy.keep]
        problems += [Problem(n, "the signature has no such column", Code.UNEXPECTED_COLUMN, hint) for n in unexpected]
    return matches, extra, problems


def unknown_paths(schema: Schema, policy: Policy) -> None:
    """Refuse options for what the signature has not: a typo in `level={..}` must not pass for a choice.

    Raises:
        PolicyError: all of them are listed.
    """
    named = list(policy.named_paths())
    if not named:
        return
    columns = dict(zip(map(str, schema.input_names()), schema, strict=True))
    known = {path for name, spec in columns.items() for path in _paths_in(spec, name)}
    problems = [
        Problem(path, f"named by {option}=, but the signature has no such column", hint=_nearest(path, sorted(known)))
        for option, path in named
        if path not in (columns if option == "columns" else known)
    ]
    if problems:
        raise PolicyError("the policy names columns that the signature has not", problems)


def _paths_in(declared: ColSpec | TensorSpec | ColumnType, path: str) -> Iterator[str]:
    """The paths of a column and of all that is declared inside it: `items`, `items[]`, `items[].price`."""
    yield path
    match declared:
        case ColSpec(type=kind):
            yield from _paths_in(kind, path)
        case Array(dtype):
            yield from _paths_in(dtype, path + ELEMENT)
        case Map(value_type):
            yield from _paths_in(value_type, path + VALUE)
        case Object(properties):
            for prop in properties:
                yield from _paths_in(prop.dtype, f"{path}.{prop.name}")


def _by_name(table: StructType, schema: Schema, policy: Policy) -> tuple[list[Match], list[Problem]]:
    names = Names([field.name for field in table.fields], policy.case_sensitive)
    renamed = policy.columns if isinstance(policy.columns, Mapping) else {}
    matches: list[Match] = []
    problems: list[Problem] = []
    for spec in schema:
        name = str(spec.name)
        found = names.find(renamed.get(name, name))
        optional = isinstance(spec, ColSpec) and not spec.required
        # an optional column may be absent, but one that is there in another case would be lost silently
        absent = isinstance(found, Problem) and found.code is Code.MISSING_COLUMN and name not in names
        if isinstance(found, Problem) and not (optional and absent and name not in renamed):
            if name in renamed:
                found = _named_by_columns(found)
            elif isinstance(spec, TensorSpec) and found.hint == _ADD_HINT:
                found = replace(found, hint=_absent_tensor(spec, table))
            problems.append(found)
        else:
            matches.append(Match(name, spec, () if isinstance(found, Problem) else (found,)))
    return matches, problems


def _absent_tensor(spec: TensorSpec, table: StructType) -> str:
    """What to do where a named tensor's column is not there: most often the table has a column for each entry."""
    if len(spec.shape) != 2 or not 1 < spec.shape[1] <= len(table.fields):
        return "add it: a tensor is never optional"
    count = spec.shape[1]
    return (
        f"give its {count} entries in one column of that name; a tensor without a name takes {count} columns in order"
    )


def _by_position(table: StructType, schema: Schema, policy: Policy) -> tuple[list[Match], list[Problem]]:
    names = Names([field.name for field in table.fields], policy.case_sensitive)
    wanted = list(names.names) if policy.columns is None else list(policy.columns)
    specs = list(schema)
    count = _entries(specs, table, policy) or len(specs)
    if len(wanted) < count:
        where = "the table has" if policy.columns is None else "columns= names"
        fact = f"the signature declares {count} unnamed columns, {where} {len(wanted)}"
        hint = "columns=[..] names the table's columns in the model's order"
        if len(specs) < count:
            hint = f"columns=['name'] names the one column that holds all {count} entries"
        return [], [Problem("", fact, Code.COLUMN_COUNT, hint)]
    if policy.columns is not None and len(wanted) > count:
        fact = f"the signature declares {count} unnamed columns, columns= names {len(wanted)}"
        return [], [Problem("", fact, Code.COLUMN_COUNT, "name only those that the model takes; keep= hands others on")]
    positions: list[int] = []
    problems: list[Problem] = []
    for i, name in enumerate(wanted[:count]):
        found = i if policy.columns is None else names.find(name)
        if isinstance(found, Problem):
            problems.append(_named_by_columns(found))
        else:
            positions.append(found)
    if problems:
        return [], problems
    if len(specs) == 1:
        return [Match("0", specs[0], tuple(positions))], []
    return [Match(str(i), spec, (at,)) for i, (spec, at) in enumerate(zip(specs, positions, strict=True))], []


def _entries(specs: Sequence[ColSpec | TensorSpec], table: StructType, policy: Policy) -> int | None:
    """How many scalar columns hold the one unnamed tensor; None where it is held otherwise."""
    spec = specs[0]
    if len(specs) > 1 or not isinstance(spec, TensorSpec) or len(spec.shape) != 2 or spec.shape[1] < 2:
        return None
    names = [field.name for field in table.fields]
    first = names[:1] if policy.columns is None else list(policy.columns)[:1]
    kinds = [field.type for field in table.fields if field.name in first]
    binary = [kind for kind in kinds if str(kind) == "binary"]
    scalar = [kind for kind in kinds if isinstance(kind, ScalarType | DecimalType)]
    return spec.shape[1] if scalar and not binary else None


class Names:
    """The names of columns or fields, indexed once: a table may have thousands.

    Args:
        names: the names, in order.
        case_sensitive: whether a name must be exact.
    """

    def __init__(self, names: Sequence[str], case_sensitive: bool) -> None:
        self.names, self._case_sensitive = names, case_sensitive
        self._exact: dict[str, list[int]] = {}
        self._folded: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            self._exact.setdefault(name, []).append(position)
            self._folded.setdefault(name.lower(), []).append(position)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._folded  # in whatever case

    def find(self, name: str) -> int | Problem:
        """The position of a name, or why there is not exactly one."""
        exact, folded = self._exact.get(name, []), self._folded.get(name.lower(), [])
        if len(exact) > 1:
            fact = f"the table has {len(exact)} columns of this name"
            return Problem(name, fact, Code.DUPLICATE_COLUMN, "rename or drop all but one")
        if not self._case_sensitive and len(folded) > 1:
            fact = f"the table has {len(folded)} columns that differ from it by case only"
            hint = "case_sensitive=True takes the exact name" if exact else "rename or drop all but one"
            return Problem(name, fact, Code.AMBIGUOUS_COLUMN, hint)
        if exact:
            return exact[0]
        if folded and not self._case_sensitive:
            return folded[0]
        hint = _nearest(name, self.names) or _ADD_HINT
        if folded:
            others = " and ".join(repr(self.names[at]) for at in folded)
            accepted = "case_sensitive=False accepts it" if len(folded) == 1 else "rename the one that is meant"
            hint = f"the table has {others}: only the case differs, {accepted}"
        return Problem(name, "required, but the table has no such column", Code.MISSING_COLUMN, hint)


_ADD_HINT = "add it, or declare it as optional"


def _named_by_columns(problem: Problem) -> Problem:
    """A problem with a name, where it is `columns=` that names it."""
    if problem.code is not Code.MISSING_COLUMN:
        return problem
    hint = "name a column that the table has" if problem.hint == _ADD_HINT else problem.hint
    return replace(problem, fact="named by columns=, but the table has no such column", hint=hint)


def _nearest(name: str, names: Sequence[str]) -> str | None:
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else None


# ---- what happens to it


@dataclass(frozen=True, slots=True)
class NodeBuilder:
    """Decides nodes under one policy, and collects every fault on the way.

    Attributes:
        policy: the options.
        problems: where faults are put.
        feeds: whether a model will take the values, in whose container they must fit; none holds vectors in columns.
    """

    policy: Policy
    problems: list[Problem]
    feeds: bool = True

    def column(self, spec: ColSpec | TensorSpec, fields: Sequence[Field], path: Path) -> Node | None:
        """The node of a declared column on the columns of the table that hold it; None if there was a fault."""
        nulls = not spec.required or self.policy.admits_nulls(path.column)
        if isinstance(spec, ColSpec):
            nulls = nulls or self.policy.admits_null_scalars(spec.type)
            return self._node(spec.type, fields[0].type, path, nulls)
        if len(fields) > 1:
            return self._columns(spec, fields, path)
        return self._tensor(spec, fields[0].type, path, nulls)

    def _node(self, declared: ColumnType, kind: ObservedType, path: Path, nulls: bool) -> Node | None:
        types = Types(words(declared), str(kind))
        match declared, kind:
            case DataType(), _:
                return self.scalar(declared.element, kind, path, nulls, container=not path.inner)
            case AnyType(), _:
                return AnyNode(kind, nulls)
            case Array(dtype), ArrayType(element):
                admits = self._admits(path / ELEMENT, nulls) or self.policy.admits_null_scalars(dtype)
                inner = self._node(dtype, element, path / ELEMENT, admits)
                return None if inner is None else ArrayNode(inner, nulls, types)
            case Map(value_type), MapType(ScalarType(Element(numpy="str")), value):
                inner = self._node(value_type, value, path / VALUE, self._admits(path / VALUE, nulls))
                return None if inner is None else MapNode(inner, nulls, types)
            case Object(), StructType():
                return self._struct(declared, kind, path, nulls)
            case SparkMLVector(), _ if path.inner and self.feeds:
                self._unsupported(path, "vectors inside other columns are not enforced")
                return None
            case SparkMLVector(), VectorType() | ArrayType(ScalarType(Element(numpy="float64"))):
                return VectorNode(isinstance(kind, VectorType), nulls, self.policy.allow_nan, types)
        self._refuse(path, words(declared), kind)
        return None

    def _admits(self, path: Path, nulls: bool) -> bool:
        """Whether a null is admitted at a path, `nulls` saying whether it is around it."""
        return nulls or self.policy.admits_nulls(path.column, path.inner)

    def _struct(self, declared: Object, kind: StructType, path: Path, nulls: bool) -> StructNode | None:
        names = Names([field.name for field in kind.fields], self.policy.case_sensitive)
        members: list[Member] = []
        if closed := _closed(kind):
            self._unsupported(path, f"{closed} inside structs cannot be opened by Spark SQL", _CLOSED_HINT)
            return None
        before = len(self.problems)
        for prop in declared.properties:
            step = path / f".{prop.name}"
            found = names.find(prop.name)
            # null members follow their column where that admits nulls, and their own property where it does not
            admits = not prop.required or self._admits(step, nulls)
            if isinstance(found, int):
                node = self._node(prop.dtype, kind.fields[found].type, step, admits)
                if node is not None:
                    members.append(Member(prop.name, found, node))
            elif found.code is Code.MISSING_COLUMN and not prop.required and prop.name not in names:
                members.append(Member(prop.name, None, AbsentNode(prop.dtype)))
            else:
                code = Code.MISSING_FIELD if found.code is Code.MISSING_COLUMN else found.code
                fact = "required, but the struct has no such field" if code is Code.MISSING_FIELD else found.fact
                self.problems.append(Problem(str(step), fact, code, found.hint))
        self._unknown_fields(declared, kind, path)
        if len(self.problems) > before:
            return None
        same = [m.name for m in members] == names.names
        return StructNode(tuple(members), nulls, same, Types(words(declared), str(kind)))

    def _unknown_fields(self, declared: Object, kind: StructType, path: Path) -> None:
        declared_names, names = {prop.name for prop in declared.properties}, {field.name for field in kind.fields}
        # where only the case differs, the property says so; but not one that has its own field
        found = declared_names if not self.policy.case_sensitive else declared_names - names
        folded = {name.lower() for name in found}
        for field in kind.fields:
            if field.name not in declared_names and field.name.lower() not in folded:
                hint = "declare it as an optional Property, or leave it out of the struct"
                fact = "the signature has no such property"
                self.problems.append(Problem(str(path / f".{field.name}"), fact, Code.UNEXPECTED_FIELD, hint))

    def _tensor(self, spec: TensorSpec, kind: ObservedType, path: Path, nulls: bool) -> TensorNode | None:
        row, shape = spec.element, tuple(spec.shape[1:])
        if row is None:
            self._unsupported(path, f"{spec.type.name} has no Spark type that carries it")
            return None
        if not spec.shape or spec.shape[0] != -1:
            self._unsupported(path, f"{words(spec)} has no open first dimension: a table has any number of rows")
            return None
        layout, entry = _layout(shape, kind, row)
        if layout is None:
            self._refuse(path, words(spec), kind, _tensor_hint(row, shape))
            return None
        if layout is Layout.BINARY and row.kind is Kind.FLOAT and not self.policy.allow_nan:
            self._unsupported(path, "allow_nan=False cannot be asked of binary tensors")
            return None
        before = len(self.problems)
        element = self.entry(row, entry, path)
        if element is None:  # told of the column that the table has, not of the entries in it
            self.problems[before:] = [
                replace(problem, fact=f"declared {words(spec)}, the table has {kind}")
                for problem in self.problems[before:]
            ]
            return None
        return TensorNode(element, shape, layout, nulls, Types(words(spec), str(kind)))

    def _columns(self, spec: TensorSpec, fields: Sequence[Field], path: Path) -> ColumnsNode | None:
        entries = []
        for field in fields:
            at = Path(field.name)
            if spec.element is None:
                self._unsupported(at, f"{spec.type.name} has no Spark type that carries it")
            elif (node := self.entry(spec.element, field.type, at, asked=path)) is not None:
                entries.append((field.name, node))
        return ColumnsNode(tuple(entries)) if len(entries) == len(fields) else None

    def entry(self, target: Element, kind: ObservedType, path: Path, *, asked: Path | None = None) -> ScalarNode | None:
        """The node of a tensor's entries; None if there was a fault."""
        return self.scalar(target, kind, path, False, container=False, asked=asked, tensor=True)

    def scalar(
        self,
        target: Element,
        kind: ObservedType,
        path: Path,
        nulls: bool,
        *,
        container: bool,
        asked: Path | None = None,
        tensor: bool = False,
    ) -> ScalarNode | None:
        """The node of scalar values; None if there was a fault.

        Args:
            target: the declared type.
            kind: the observed type.
            path: where the values are.
            nulls: whether a null is admitted.
            container: whether the values are a column of their own in what the model receives.
            asked: where the policy speaks of them, if elsewhere: of a tensor's columns it does by the tensor's name.
            tensor: whether they are a tensor's entries.
        """
        source = _source(kind)
        exact = None if source is None else find_cast(source, target)
        declared = target.mlflow or target.numpy
        if exact is None or source is None:
            self._refuse(path, declared, kind)
            return None
        asked = asked or path
        given = self.policy.tensor_level if tensor else None
        option, level = "tensor_level", Level(given) if given is not None else None
        if level is None:
            option, level = "level", self.policy.level_of(asked.column, asked.inner)
        rounding = find_rounding(source, target)
        if self.policy.rounds(asked.column, asked.inner) and rounding is not None and rounding.level <= level:
            exact = rounding
        if exact.level > level:
            how = "value by value" if exact.level > "safe" else "without loss"
            hint = f"{option}='{exact.level}' admits it, {how}"
            if rounding is not None:
                beside = "" if rounding.level <= level else f"{option}='{rounding.level}' with "
                hint += f"; {beside}allow_rounding=True rounds each value to the nearest"
            self._refuse(path, declared, kind, hint)
            return None
        after = tuple(_container(source, target, nulls, container, tensor, self.policy.zone)) if self.feeds else ()
        exact = in_zone(exact, self.policy.zone)
        return ScalarNode(exact, nulls, self.policy.allow_nan or target.kind is not Kind.FLOAT, after)

    def _refuse(self, path: Path, declared: str, kind: ObservedType, hint: str | None = None) -> None:
        if isinstance(kind, OtherType):
            self._unsupported(path, f"declared {declared}, the table has {kind}, which only Any takes")
            return
        fact = f"declared {declared}, the table has {kind}"
        self.problems.append(Problem(str(path), fact, Code.INCOMPATIBLE_TYPE, hint or _NO_LEVEL_HINT))

    def _unsupported(self, path: Path, fact: str, hint: str = "convert the column before") -> None:
        self.problems.append(Problem(str(path), fact, Code.UNSUPPORTED_TYPE, hint))


_NO_LEVEL_HINT = "no level admits it: convert the column before"


def _tensor_hint(row: Element, shape: tuple[int, ...]) -> str:
    """How a column can hold a tensor, with the length of the array that would."""
    many = f"{prod(shape)} " if -1 not in shape else ""
    ways = [f"an array of its {many}entries, flat in C order"] if shape.count(-1) < 2 and shape else []
    ways += ["arrays nested as its shape is"] if len(shape) > 1 else []
    ways += ["a vector"] if row.is_number and ways and shape.count(-1) < 2 else []
    ways += ["one value"] if shape in ((), (1,)) else []
    if -1 not in shape and (row.is_number or row.kind is Kind.BOOLEAN):
        ways.append(f"binary of {prod(shape) * np.dtype(row.numpy).itemsize} bytes")
    return f"a row's tensor is {', or '.join(ways)}"


def _layout(shape: tuple[int, ...], kind: ObservedType, row: Element) -> tuple[Layout | None, ObservedType]:
    """How a column can hold a tensor, and the type of its entries there; no layout where it cannot."""
    # in one run of entries at most one size can be left open: it follows from the others and the length
    one_run = len(shape) > 0 and shape.count(-1) <= 1
    if isinstance(kind, ScalarType | DecimalType):
        if _is_binary(kind, row):
            return (None if -1 in shape else Layout.BINARY), ScalarType(SPARK.get(row.spark, row))
        return (Layout.SCALAR if shape in ((), (1,)) else None), kind
    if isinstance(kind, VectorType):
        return (Layout.VECTOR if one_run else None), ScalarType(SPARK["double"])
    depth = 0
    entry: ObservedType = kind
    while isinstance(entry, ArrayType):
        depth, entry = depth + 1, entry.element
    if depth == len(shape) and depth > 1:
        return Layout.NESTED, entry
    return (Layout.FLAT if depth == 1 and one_run else None), entry


def _is_binary(kind: ObservedType, row: Element) -> bool:
    """Whether the column holds the bytes of entries: text and moments have no bytes of their own."""
    return kind == ScalarType(SPARK["binary"]) and (row.is_number or row.kind is Kind.BOOLEAN)


def _container(
    source: Source, target: Element, nulls: bool, column: bool, tensor: bool, zone: str | None
) -> Iterator[Guard]:
    """What the array that the model receives can hold: integers beside nulls are float64, moments are nanoseconds."""
    if tensor and target.kind in (Kind.STRING, Kind.BINARY):
        yield NoNulAtEnd()
    if target.numpy == "datetime64[ns]":
        yield InNanoseconds() if zone is None else WallClockInNanoseconds(zone)
    double = ELEMENTS["float64"]
    whole = isinstance(source, Fixed) or source.kind is Kind.INTEGER
    beyond = target.digits > double.digits and not (whole and source.high <= double.high)
    if column and nulls and target.kind is Kind.INTEGER and beyond:
        yield Between(double.low, double.high, Code.NOT_EXACT)


def _source(kind: ObservedType) -> Source | None:
    match kind:
        case ScalarType(element):
            return element
        case DecimalType(precision, scale):
            return Fixed(precision, scale)
    return None


def _closed(kind: ObservedType) -> str | None:
    """A type in a struct, in words, that no cast in Spark SQL can say, so that the struct stays closed; else None."""
    match kind:
        case StructType(fields):
            return next(filter(None, (_closed(field.type) for field in fields)), None)
        case ArrayType(inner):
            return _closed(inner)
        case MapType(key, value):
            return _closed(key) or _closed(value)
        case VectorType():
            return "vectors"
        case OtherType(name):
            return f"values of {name}" if name.startswith(_UNSAID) else None
    return None


_UNSAID = ("user-defined", "collated", "geometry", "geography")
_CLOSED_HINT = "declare the whole column as Any, or take the field out of the struct"
