"""Which column of the table is which declared one, by name or by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sparksig.enforcement.policy import Policy
from sparksig.errors import Code, PolicyError, Problem, closest
from sparksig.signature.paths import paths_in
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import Object
from sparksig.sources.observed import DecimalType, ScalarType, StructType


@dataclass(frozen=True, slots=True)
class Match:
    """A declared column and which columns of the table hold it: none for an absent optional one, mostly one.

    Attributes:
        name: the declared column's name.
        spec: what is declared.
        positions: the columns of the table.
        built: whether each column is a member of the declared object.
    """

    name: str
    spec: ColSpec | TensorSpec
    positions: tuple[int, ...]
    built: bool = False


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
    known = {path for name, spec in columns.items() for path in paths_in(spec, name)}
    problems = [
        Problem(
            path, f"named by {option}=, but the signature has no such column", hint=did_you_mean(path, sorted(known))
        )
        for option, path in named
        if path not in (columns if option == "columns" else known)
    ]
    if problems:
        raise PolicyError("the policy names columns that the signature has not", problems)


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
    if len(specs) == 1 and (members := _members(specs[0], wanted, names, table)) is not None:
        return [Match("0", specs[0], members, built=True)], []
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


def _members(
    spec: ColSpec | TensorSpec, wanted: Sequence[str], names: Names, table: StructType
) -> tuple[int, ...] | None:
    """The columns that are the members of the one unnamed object; None where a column holds the object itself."""
    if not isinstance(spec, ColSpec) or not isinstance(spec.type, Object):
        return None
    first = names.find(wanted[0]) if wanted else None
    kind = table.fields[first].type if isinstance(first, int) else None
    required = {p.name for p in spec.type.properties if p.required}
    if isinstance(kind, StructType) and required <= {field.name for field in kind.fields}:
        return None
    chosen = Names(wanted, names.case_sensitive)
    found = {p.name: at for p in spec.type.properties if isinstance(at := chosen.find(p.name), int)}
    if not found or not required <= found.keys():
        return None
    positions = [names.find(wanted[at]) for at in found.values()]
    return tuple(at for at in positions if isinstance(at, int))


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
        self.names, self.case_sensitive = names, case_sensitive
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
        if not self.case_sensitive and len(folded) > 1:
            fact = f"the table has {len(folded)} columns that differ from it by case only"
            hint = "case_sensitive=True takes the exact name" if exact else "rename or drop all but one"
            return Problem(name, fact, Code.AMBIGUOUS_COLUMN, hint)
        if exact:
            return exact[0]
        if folded and not self.case_sensitive:
            return folded[0]
        hint = did_you_mean(name, self.names) or _ADD_HINT
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


def did_you_mean(name: str, names: Sequence[str]) -> str | None:
    """The hint that names the most similar column; None if no column is similar."""
    near = closest(name, names)
    return None if near is None else f"did you mean {near!r}?"
