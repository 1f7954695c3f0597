"""What must happen to the values of a column, decided from its type and the declared one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sparksig.enforcement.nodes import (
    AbsentNode,
    AnyNode,
    ArrayNode,
    ColumnsNode,
    Layout,
    MapNode,
    Member,
    Node,
    Path,
    ScalarNode,
    StructNode,
    TensorNode,
    Types,
    VariantNode,
    VectorNode,
    words,
)
from sparksig.enforcement.planning.layouts import layout_of, tensor_hint
from sparksig.enforcement.planning.matching import Names, did_you_mean
from sparksig.enforcement.policy import Policy
from sparksig.errors import Code, Problem
from sparksig.signature.casts import (
    Between,
    Cast,
    Fixed,
    Guard,
    InNanoseconds,
    InYears,
    Level,
    NoNulAtEnd,
    Source,
    ValidUtf8,
    WallClockInNanoseconds,
    find_cast,
    find_rounding,
    in_zone,
)
from sparksig.signature.dtypes import ELEMENTS, SPARK, Element, Kind
from sparksig.signature.paths import ELEMENT, VALUE
from sparksig.signature.schema import ColSpec, TensorSpec
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


@dataclass(frozen=True, slots=True)
class NodeBuilder:
    """Decides nodes under one policy, and collects every fault on the way.

    Attributes:
        policy: the options.
        problems: where faults are put.
        feeds: whether a model will take the values, in whose container they must fit; none holds vectors in columns.
        warnings: where absent optional columns and members are put, unless they are problems.
    """

    policy: Policy
    problems: list[Problem]
    feeds: bool = True
    warnings: list[Problem] = dataclasses.field(default_factory=list)

    def report_absent(self, path: Path, name: str, extra: Sequence[str]) -> None:
        """Report an optional column, or a member of a struct, that the table does not have.

        Args:
            path: where it is declared.
            name: the name of the column or the member.
            extra: the names that the table has there and the signature does not declare.
        """
        action = self.policy.on_absent_of(path.column, path.steps)
        if action == "ignore":
            return
        code = Code.MISSING_FIELD if path.steps else Code.MISSING_COLUMN
        omitted = not path.steps and self.policy.absent_optional == "omit"
        effect = "the model does not receive it" if omitted else "the model receives nulls"
        fact = f"optional, but {'the table has no such column' if not path.steps else 'the struct has no such field'}"
        # Finding similar names compares all pairs: it is limited for tables that lack thousands of columns.
        compared = (len(self.warnings) + len(self.problems)) * len(extra)
        hint = did_you_mean(name, extra) if compared < _MAX_COMPARED else None
        if action == "error":
            self.problems.append(Problem(str(path), fact, code, hint or "on_absent='warn' accepts it"))
        else:
            self.warnings.append(Problem(str(path), f"{fact}: {effect}", code, hint))

    def column(self, spec: ColSpec | TensorSpec, fields: Sequence[Field], path: Path) -> Node | None:
        """The node of a declared column on the columns of the table that hold it; None if there was a fault."""
        if isinstance(spec, ColSpec):
            return self._node(spec.type, fields[0].type, path, self.policy.allows_null(spec, path.column))
        nulls = not spec.required or self.policy.admits_nulls(path.column)
        if len(fields) > 1:
            return self._columns(spec, fields, path)
        return self._tensor(spec, fields[0].type, path, nulls)

    def _node(self, declared: ColumnType, kind: ObservedType, path: Path, nulls: bool) -> Node | None:
        types = Types(words(declared), str(kind))
        match declared, kind:
            case DataType(), _:
                return self.scalar(declared.element, kind, path, nulls, container=not path.steps)
            case AnyType(), _:
                # only a whole column can be required not to be null
                return AnyNode(kind, nulls or bool(path.steps), _python_values(kind) if self.feeds else None)
            case Array(dtype), ArrayType(element):
                admits = self._admits(path / ELEMENT, nulls) or self.policy.admits_null_scalars(dtype)
                inner = self._node(dtype, element, path / ELEMENT, admits)
                return None if inner is None else ArrayNode(inner, nulls, types)
            case Map(value_type), MapType(ScalarType(Element(numpy="str")), value):
                inner = self._node(value_type, value, path / VALUE, self._admits(path / VALUE, nulls))
                key, unique = (_KEY, True) if self.feeds else (None, False)
                return None if inner is None else MapNode(inner, nulls, types, key, unique)
            case Object(), StructType():
                return self._struct(declared, kind, path, nulls)
            case SparkMLVector(), _ if path.steps and self.feeds:
                self._unsupported(path, "vectors inside other columns are not enforced")
                return None
            case SparkMLVector(), VectorType() | ArrayType(ScalarType(Element(numpy="float64"))):
                return VectorNode(isinstance(kind, VectorType), nulls, self.policy.allow_nan, types)
        self._refuse(path, words(declared), kind)
        return None

    def _admits(self, path: Path, nulls: bool) -> bool:
        """Whether a null is admitted at a path, `nulls` saying whether it is around it."""
        return nulls or self.policy.admits_nulls(path.column, path.steps)

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
                self.report_absent(step, prop.name, [])  # any other field of the struct is a problem of its own
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
        layout, entry = layout_of(shape, kind, row)
        if layout is None:
            self._refuse(path, words(spec), kind, tensor_hint(row, shape))
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
            option, level = "level", self.policy.level_of(asked.column, asked.steps)
        rounding = find_rounding(source, target)
        if self.policy.rounds(asked.column, asked.steps) and rounding is not None and rounding.level <= level:
            exact = rounding
        if exact.level > level and not _is_generic(kind, target):
            how = "value by value" if exact.level > "safe" else "without loss"
            hint = f"{option}='{exact.level}' admits it, {how}"
            if rounding is not None:
                beside = "" if rounding.level <= level else f"{option}='{rounding.level}' with "
                hint += f"; {beside}allow_rounding=True rounds each value to the nearest"
            self._refuse(path, declared, kind, hint)
            return None
        # Without stable dtypes a model gets integers as integers, even if other rows are null.
        gaps = nulls and container and self.policy.stable_dtypes
        after = tuple(_container(source, target, gaps, tensor, self.policy.zone)) if self.feeds else ()
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


_MAX_COMPARED = 100_000
"""How many pairs of names are compared to find the column that an absent one may have become."""

_NO_LEVEL_HINT = "no level admits it: convert the column before"


def _container(source: Source, target: Element, gaps: bool, tensor: bool, zone: str | None) -> Iterator[Guard]:
    """What the array that the model receives can hold: integers beside nulls are float64, moments are nanoseconds."""
    if target.kind is Kind.STRING:
        yield ValidUtf8()
    if tensor and target.kind in (Kind.STRING, Kind.BINARY):
        yield NoNulAtEnd()
    if target.numpy == "datetime64[ns]":
        yield InNanoseconds() if zone is None else WallClockInNanoseconds(zone)
    double = ELEMENTS["float64"]
    whole = isinstance(source, Fixed) or source.kind is Kind.INTEGER
    beyond = target.digits > double.digits and not (whole and source.high <= double.high)
    if gaps and target.kind is Kind.INTEGER and beyond:
        yield Between(double.low, double.high, Code.NOT_EXACT)


def _same(element: Element, guard: Guard) -> ScalarNode:
    """A value that stays as it is, null or not, if a guard holds."""
    return ScalarNode(Cast(element, element, Level.STRICT), nulls=True, after=(guard,))


_KEY = _same(SPARK["string"], ValidUtf8())


def _python_values(kind: ObservedType, opens: bool | None = None) -> Node | None:
    """What must hold of a value of Any so that Python can hold it; None where it always does.

    The structs of a column that Spark SQL cannot open are not looked into.
    """
    opens = _closed(kind) is None if opens is None else opens
    match kind:
        case ScalarType(element) if element.kind is Kind.STRING:
            return _same(element, ValidUtf8())
        case ScalarType(element) if element.kind is Kind.DATETIME:
            return _same(element, InYears())
        case OtherType("collated string"):
            return _same(SPARK["string"], ValidUtf8())
        case OtherType("variant"):
            return VariantNode()
        case ArrayType(element):
            inner = _python_values(element, opens)
            return None if inner is None else ArrayNode(inner, True, Types("Any", str(kind)))
        case MapType(key, value):
            keys, inner = _python_values(key, opens), _python_values(value, opens)
            if keys is None and inner is None:
                return None
            return MapNode(inner or AnyNode(value, nulls=True), True, Types("Any", str(kind)), keys)
        case StructType(fields) if opens:
            nodes = [_python_values(field.type, opens) for field in fields]
            pairs = zip(fields, nodes, strict=True)
            members = [Member(f.name, i, node) for i, (f, node) in enumerate(pairs) if node is not None]
            return StructNode(tuple(members), True, False, Types("Any", str(kind))) if members else None
    return None


def _is_generic(kind: ObservedType, target: Element) -> bool:
    """Whether only the kind of the values is known, and is the declared one: row checks decide at every level."""
    return isinstance(kind, ScalarType) and kind.generic and kind.element.kind is target.kind


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
