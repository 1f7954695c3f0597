"""Which column of the table is which declared one: by name, by position, or as `columns=` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sparksig.enforcement.policy import Policy
from sparksig.errors import Code, PolicyError, Problem
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.sources.observed import DecimalType, ScalarType, StructType


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
        unexpected = [name for name in extra if name not in policy.keep]
        problems += [Problem(n, "the signature has no such column", Code.UNEXPECTED_COLUMN) for n in unexpected]
    return matches, extra, problems


def unknown_paths(schema: Schema, policy: Policy) -> None:
    """Refuse options for columns that the signature has not: a typo in `level={..}` must not pass for a choice.

    Raises:
        PolicyError: all of them are listed.
    """
    known = [str(name) for name in schema.input_names()]
    problems = [
        Problem(path, f"named by {option}=, but the signature has no such column", hint=_nearest(path, known))
        for option, path in policy.named_paths()
        if not any(path == name or path.startswith((f"{name}.", f"{name}[", f"{name}{{")) for name in known)
    ]
    if problems:
        raise PolicyError("the policy names columns that the signature has not", problems)


def _by_name(table: StructType, schema: Schema, policy: Policy) -> tuple[list[Match], list[Problem]]:
    names = [field.name for field in table.fields]
    renamed = policy.columns if isinstance(policy.columns, Mapping) else {}
    matches: list[Match] = []
    problems: list[Problem] = []
    for spec in schema:
        name = str(spec.name)
        found = find_name(renamed.get(name, name), names, policy.case_sensitive)
        optional = isinstance(spec, ColSpec) and not spec.required
        # an optional column may be absent, but one that is there in another case would be lost silently
        absent = isinstance(found, Problem) and found.code is Code.MISSING_COLUMN and not differs_by_case(name, names)
        if isinstance(found, Problem) and not (optional and absent and name not in renamed):
            problems.append(found)
        else:
            matches.append(Match(name, spec, () if isinstance(found, Problem) else (found,)))
    return matches, problems


def _by_position(table: StructType, schema: Schema, policy: Policy) -> tuple[list[Match], list[Problem]]:
    names = [field.name for field in table.fields]
    wanted = list(names) if policy.columns is None else list(policy.columns)
    specs = list(schema)
    count = _entries(specs, table, policy) or len(specs)
    if len(wanted) < count:
        where = "the table has" if policy.columns is None else "columns= names"
        fact = f"the signature declares {count} unnamed columns, {where} {len(wanted)}"
        return [], [Problem("", fact, Code.COLUMN_COUNT)]
    positions: list[int] = []
    problems: list[Problem] = []
    for i, name in enumerate(wanted[:count]):
        found = i if policy.columns is None else find_name(name, names, policy.case_sensitive)
        if isinstance(found, Problem):
            problems.append(found)
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


def find_name(name: str, names: Sequence[str], case_sensitive: bool) -> int | Problem:
    """The position of a name among columns or fields, or why there is not exactly one."""
    exact = [i for i, other in enumerate(names) if other == name]
    folded = [i for i, other in enumerate(names) if other.lower() == name.lower()]
    if len(exact) > 1:
        return Problem(name, f"the table has {len(exact)} columns of this name", Code.DUPLICATE_COLUMN)
    if not case_sensitive and len(folded) > 1:
        fact = f"the table has {len(folded)} columns that differ from it by case only"
        return Problem(name, fact, Code.AMBIGUOUS_COLUMN, "case_sensitive=True takes the exact name")
    if exact:
        return exact[0]
    if folded and not case_sensitive:
        return folded[0]
    hint = _nearest(name, names)
    if folded:
        hint = f"the table has {names[folded[0]]!r}: only the case differs, case_sensitive=False accepts it"
    return Problem(name, "required, but the table has no such column", Code.MISSING_COLUMN, hint)


def differs_by_case(name: str, names: Sequence[str]) -> bool:
    """Whether a name is there, but in another case at best."""
    return name.lower() in (other.lower() for other in names)


def _nearest(name: str, names: Sequence[str]) -> str | None:
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else None
