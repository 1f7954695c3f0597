"""The one set of keywords: how strictly a table is read against a signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from sparksig.errors import PolicyError, Problem
from sparksig.signature.casts import Level
from sparksig.signature.schema import ColSpec
from sparksig.signature.types import AnyType, ColumnType, DataType

Paths: TypeAlias = bool | Sequence[str]
Nulls: TypeAlias = Paths | Literal["scalars"]
Columns: TypeAlias = Sequence[str] | Mapping[str, str] | None
OnAbsent: TypeAlias = Literal["warn", "error", "ignore"]

VIOLATIONS = "_violations"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a table is read against a signature. Every verb takes these as keywords, or one of these as `policy=`.

    Attributes:
        level: the cast level, or a dict of levels by path (`"*"` names the rest, which is `safe` unless given).
        allow_rounding: True, or the paths, where a number may be rounded to the nearest float.
        allow_nulls: True, or the paths, where a null in a required column is no violation. `"scalars"`, MLflow's
            reading: in scalar columns and among the elements of arrays of scalars, not for a whole array or object.
        allow_nan: False makes NaN in a float column a violation.
        extra: `"ignore"` drops columns that the signature has not, `"forbid"` makes them problems.
        case_sensitive: False lets names differ by case only.
        columns: for an unnamed schema the table's columns in order, for a named one a dict from the signature's name to
            the table's. None takes them by position or by name.
        keep: columns of the table that `enforce` hands through beside the declared ones.
        time_zone: the zone in which a Spark TIMESTAMP, which is an instant, is read as a wall clock for the model, and
            in which dates and other wall clocks become a TIMESTAMP; None is UTC, never the session's.
        violations_column: the name of the column that `tag`, `split` and `score` add.
        absent_optional: whether an absent optional column appears as a typed null or is left out.
        on_absent: how an absent optional column or struct member is reported: `"warn"` as a warning, `"error"` as a
            problem of the schema, `"ignore"` not at all; or a dict of these by path (`"*"` names the rest, which is
            `"warn"` unless given). What the model receives in its place is decided by `absent_optional`.
        stable_dtypes: whether a column that may hold nulls reaches the model in one dtype whatever a batch holds:
            integers as float64, booleans as objects. False, as MLflow has it, keeps integers, of which every value is
            allowed; `enforce_values` then allows no null among them.
        tensor_level: the level for the entries of tensors, where it is not `level`; MLflow casts none.

    Raises:
        PolicyError: an option has a value that it cannot have; all of them are listed.

    >>> Policy(level={"price": "checked"}).level_of("price")
    <Level.CHECKED: 'checked'>
    >>> Policy(level="lenient")
    Traceback (most recent call last):
    sparksig.errors.PolicyError: the policy cannot be used
      level: 'lenient' is no level
        hint: use one of strict, safe, checked, parse
    """

    level: Level | str | Mapping[str, Level | str] = Level.SAFE
    allow_rounding: Paths = False
    allow_nulls: Nulls = False
    allow_nan: bool = True
    extra: Literal["ignore", "forbid"] = "ignore"
    case_sensitive: bool = True
    columns: Columns = None
    keep: Sequence[str] = ()
    time_zone: str | None = None
    violations_column: str = VIOLATIONS
    absent_optional: Literal["null", "omit"] = "null"
    on_absent: OnAbsent | Mapping[str, OnAbsent] = "warn"
    stable_dtypes: bool = True
    tensor_level: Level | str | None = None

    def __post_init__(self) -> None:
        if problems := list(_faults(self)):
            raise PolicyError("the policy cannot be used", problems)
        # frozen copies: a policy is compared, hashed and shipped, so nothing in it may change under it
        set_ = object.__setattr__
        set_(self, "level", _frozen_levels(self.level))
        set_(self, "tensor_level", None if self.tensor_level is None else Level(self.tensor_level))
        for name in ("allow_rounding", "allow_nulls"):
            value = getattr(self, name)
            set_(self, name, value if isinstance(value, bool | str) else tuple(value))
        if self.columns is not None and not isinstance(self.columns, Mapping):
            set_(self, "columns", tuple(self.columns))
        elif self.columns is not None:
            set_(self, "columns", FrozenDict(self.columns))
        if isinstance(self.on_absent, Mapping):
            set_(self, "on_absent", FrozenDict(self.on_absent))
        set_(self, "keep", tuple(self.keep))

    @property
    def zone(self) -> str | None:
        """The time zone, None where it is UTC."""
        return None if self.time_zone == "UTC" else self.time_zone

    @classmethod
    def mlflow(cls) -> Policy:
        """MLflow's own reading: safe casts, none in tensors, nulls allowed, no report of absent columns."""
        return cls(
            allow_nulls="scalars",
            absent_optional="omit",
            on_absent="ignore",
            stable_dtypes=False,
            tensor_level=Level.STRICT,
        )

    def level_of(self, column: str, steps: Sequence[str] = ()) -> Level:
        """The cast level of a column, or inside it after steps such as `[]`; a column's level holds inside it."""
        if not isinstance(self.level, Mapping):
            return Level(self.level)
        for path in _ancestors(column, steps):
            if path in self.level:
                return Level(self.level[path])
        return Level(self.level.get("*", Level.SAFE))

    def on_absent_of(self, column: str, steps: Sequence[str] = ()) -> OnAbsent:
        """How an absent optional column, or a member inside one, is reported.

        >>> Policy(on_absent={"item": "error"}).on_absent_of("item", [".price"])
        'error'
        """
        if not isinstance(self.on_absent, Mapping):
            return self.on_absent
        for path in _ancestors(column, steps):
            if path in self.on_absent:
                return self.on_absent[path]
        return self.on_absent.get("*", "warn")

    def rounds(self, column: str, steps: Sequence[str] = ()) -> bool:
        """Whether numbers may be rounded in a column, or at a path inside it."""
        return _listed(self.allow_rounding, column, steps)

    def admits_nulls(self, column: str, steps: Sequence[str] = ()) -> bool:
        """Whether a null in a required column, or at a required path inside it, is no violation."""
        return _listed(self.allow_nulls, column, steps)

    def admits_null_scalars(self, declared: ColumnType) -> bool:
        """Whether a null is no violation because it is a scalar's, wherever it stands but in an object or a map."""
        return self.allow_nulls == "scalars" and isinstance(declared, DataType | AnyType)

    def allows_null(self, spec: ColSpec, column: str) -> bool:
        """Whether a null in a declared column is no violation."""
        return not spec.required or self.admits_nulls(column) or self.admits_null_scalars(spec.type)

    def named_paths(self) -> Iterator[tuple[str, str]]:
        """Each (option, path) that the policy names, for checking them against a signature."""
        for option, by_path in (("level", self.level), ("on_absent", self.on_absent)):
            if isinstance(by_path, Mapping):
                yield from ((option, path) for path in by_path if path != "*")
        for option in ("allow_rounding", "allow_nulls"):
            value = getattr(self, option)
            if not isinstance(value, bool | str):
                yield from ((option, path) for path in value)
        if isinstance(self.columns, Mapping):
            yield from (("columns", name) for name in self.columns)

    def to_dict(self) -> dict[str, Any]:
        """The options that differ from the defaults, as JSON values.

        >>> Policy(level="checked").to_dict()
        {'level': 'checked'}
        """
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: _plain(value) for name, value in changed.items()}


class FrozenDict(dict[str, Any]):
    """A dict that is hashed by its items; nobody changes it after it has been made."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def resolve_policy(policy: Policy | None, keywords: Mapping[str, Any]) -> Policy:
    """One policy from `policy=` or from single keywords.

    Raises:
        PolicyError: both were given.
        TypeError: a keyword that no verb has.
    """
    if policy is None:
        return Policy(**keywords)
    if keywords:
        raise PolicyError(
            "policy= and single options exclude each other",
            [Problem(name, "given beside policy=", hint="put it into the Policy") for name in keywords],
        )
    return policy


def _faults(policy: Policy) -> Iterator[Problem]:
    levels = policy.level.values() if isinstance(policy.level, Mapping) else [policy.level]
    for level in (*levels, *([policy.tensor_level] if policy.tensor_level is not None else [])):
        if level not in tuple(Level):
            yield Problem("level", f"{level!r} is no level", hint=f"use one of {', '.join(Level)}")
    for name in ("allow_rounding", "allow_nulls", "keep", "columns"):
        if isinstance(getattr(policy, name), str) and (name, policy.allow_nulls) != ("allow_nulls", "scalars"):
            yield Problem(name, "a single text, where a list of names is meant", hint="write ['name']")
    if policy.extra not in ("ignore", "forbid"):
        yield Problem("extra", f"{policy.extra!r} is no choice", hint="use 'ignore' or 'forbid'")
    if policy.absent_optional not in ("null", "omit"):
        yield Problem("absent_optional", f"{policy.absent_optional!r} is no choice", hint="use 'null' or 'omit'")
    yield from _unknown_on_absent(policy)
    for name in ("allow_nan", "case_sensitive", "stable_dtypes"):
        if not isinstance(getattr(policy, name), bool):
            yield Problem(name, "neither True nor False")
    if policy.time_zone is not None and not _known_zone(policy.time_zone):
        yield Problem("time_zone", "no time zone of that name", hint="use a name such as 'Europe/Berlin'")


def _unknown_on_absent(policy: Policy) -> Iterator[Problem]:
    actions = policy.on_absent.values() if isinstance(policy.on_absent, Mapping) else [policy.on_absent]
    for action in dict.fromkeys(actions):
        if action not in ("warn", "error", "ignore"):
            yield Problem("on_absent", f"invalid value {action!r}", hint="use 'warn', 'error' or 'ignore'")


def _known_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    if name.startswith(("posix", "right/")) or name in ("Factory", "localtime"):
        return False  # files beside the zones, which Java has not
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a name that is a directory of the zone data
        return False
    return True


def _frozen_levels(level: Level | str | Mapping[str, Level | str]) -> Level | FrozenDict:
    if isinstance(level, Mapping):
        return FrozenDict({path: Level(value) for path, value in level.items()})
    return Level(level)


def _ancestors(column: str, steps: Sequence[str]) -> Iterator[str]:
    """The path itself, then what contains it: `items[].price`, `items[]`, `items`. A dot in a name is not a step."""
    for depth in range(len(steps), -1, -1):
        yield column + "".join(steps[:depth])


def _listed(option: Nulls, column: str, steps: Sequence[str]) -> bool:
    if option == "scalars":
        return False
    return option if isinstance(option, bool) else any(path in option for path in _ancestors(column, steps))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Level) else value
