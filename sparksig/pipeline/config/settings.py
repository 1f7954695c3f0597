"""Where a configuration comes from: flags, one YAML file, a few environment variables. And what explains it.

The fields of `JobConfig` are the one list of settings. The model that a file is validated by, its JSON Schema and
`docs/config.md` (`python -m sparksig.pipeline.settings`) are made of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from functools import lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from sparksig.errors import ConfigError, EnvironmentFault, Problem, closest
from sparksig.pipeline.config.declared import flag_of, setting_of
from sparksig.pipeline.config.files import dotted, parsed
from sparksig.pipeline.config.job import JobConfig

if TYPE_CHECKING:
    from pydantic import BaseModel

CONFIG_VARIABLE = "SPARKSIG_CONFIG"
"""The environment variable that names the file where `--config` does not."""

_Config = TypeVar("_Config", bound=JobConfig)


def read_config(
    flags: Mapping[str, Any],
    path: str | None,
    environment: Mapping[str, str],
    kind: type[_Config],
    problems: Iterable[Problem] = (),
) -> _Config:
    """A configuration out of what was said, in this order: a flag, the file, an environment variable, the default.

    Maps are put together entry by entry: `--param a=1` replaces the file's `a` and leaves its other params.

    Args:
        flags: what the command line gave, by the names of `JobConfig`'s fields.
        path: the YAML file, if there is one.
        environment: the environment. Nothing is read of it but the variables that fields of `JobConfig` name, and
            `SPARKSIG_CONFIG`; one that is empty is not given.
        kind: what to make: `JobConfig`, or another that has its fields.
        problems: what is wrong already, to be told together with the rest.

    Raises:
        ConfigError: the file cannot be read or has keys or values that it must not have, or the whole cannot be run as
            configured; all faults are listed, none with a value.
    """
    path = path or environment.get(CONFIG_VARIABLE) or None
    wrong = list(problems)
    file = {} if path is None else _from_file(path, wrong)
    variables = {one.name: setting_of(one).env for one in fields(JobConfig) if setting_of(one).env}
    named = {name: environment[variable] for name, variable in variables.items() if environment.get(variable)}
    values: dict[str, Any] = {**named, **file}
    for name, value in flags.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, Mapping) else value
    places = {name: variables[name] for name in named} | {name: f"{path}: {name}" for name in file}
    try:
        made = kind(**values)
    except ConfigError as error:
        known = {problem.path.partition(f"{path}: ")[2] or problem.path for problem in wrong}
        names = {flag_of(one): one.name for one in fields(JobConfig)}
        for problem in error.problems:
            name = names.get(problem.path, "")
            if known.isdisjoint((name, problem.path)):
                at = problem.path if name in flags else places.get(name, problem.path)
                wrong.append(replace(problem, path=at))
    if wrong:
        raise ConfigError("the job cannot be run as configured", wrong)
    return made


# ---- the file


def _from_file(path: str, problems: list[Problem]) -> dict[str, Any]:
    """What a file says, without what is wrong with it; that is added to the problems."""
    content = parsed(path, problems)
    model, names = _file_model(), [one.name for one in fields(JobConfig)]
    faults = dict(_faults(model, content))
    for keys, fact in faults.items():
        if any(keys == others[: len(keys)] and keys != others for others in faults):
            continue  # of a choice of forms it was another one: the fault lies deeper
        hint = _meant(str(keys[0]), names) if len(keys) == 1 and keys[0] not in names else None
        problems.append(Problem(f"{path}: {dotted(keys)}", fact, hint=hint))
    wrong = {keys[0] for keys in faults if keys}
    good = {name: value for name, value in content.items() if name not in wrong}
    given = model.model_validate_json(json.dumps(good)).model_dump(exclude_unset=True)
    for name in ("input_options", "output_options"):
        if name in given:
            given[name] = {key: _text(value) for key, value in given[name].items()}
    if "trust" in given:
        given["trust"] = tuple(given["trust"]) if isinstance(given["trust"], list) else _text(given["trust"])
    return given


def _meant(key: str, names: list[str]) -> str:
    near = closest(key, names)
    return f"did you mean {near}?" if near else "`sparksig config-schema` prints the keys that there are"


def _text(value: str | bool | int | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _faults(model: type[BaseModel], content: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a file's content is not what the model declares, and how; pydantic's own words may hold values."""
    from pydantic import ValidationError

    try:
        model.model_validate_json(json.dumps(content))
    except ValidationError as error:
        declared = config_schema()["properties"]
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            keys, value = _real_keys(each["loc"], content)
            if each["type"] == "extra_forbidden":
                yield keys, "no such key"
                continue
            schema = _inner(declared[keys[0]], keys[1:]) if keys else {"type": "object"}
            yield keys, f"{in_words(schema)} is expected, not {_kind(value)}"


def _inner(schema: dict[str, Any], keys: tuple[str | int, ...]) -> dict[str, Any]:
    """What is declared for an entry of a map or a list."""
    for key in keys:
        part = "items" if isinstance(key, int) else "additionalProperties"
        schema = next(one[part] for one in schema.get("anyOf", [schema]) if part in one)
    return schema


def _real_keys(location: tuple[str | int, ...], content: Any) -> tuple[tuple[str | int, ...], Any]:
    """The part of a location that is in the content, and what lies there: pydantic adds names of a union's members."""
    keys: list[str | int] = []
    for key in location:
        inside = range(len(content)) if isinstance(content, list) else content if isinstance(content, dict) else ()
        if key in inside:
            content = content[key]
            keys.append(key)
    return tuple(keys), content


def _kind(value: Any) -> str:
    kinds = {NoneType: "nothing", bool: "true or false", int: "a whole number", float: "a number", str: "this text"}
    return kinds.get(type(value)) or ("a list" if isinstance(value, list) else "a map")


# ---- the model and its schema


@lru_cache(maxsize=1)
def _file_model() -> type[BaseModel]:
    """The model of a file: each field of `JobConfig`, none required, because a flag may give it."""
    try:
        from pydantic import ConfigDict, Field, create_model
    except ImportError:
        missing = Problem("pydantic", "missing", hint="pip install 'sparksig[cli]'")
        raise EnvironmentFault("a configuration file needs pydantic", [missing]) from None
    types = get_type_hints(JobConfig)
    declared: dict[str, Any] = {}
    for one in fields(JobConfig):
        setting = setting_of(one)
        known: dict[str, Any] = {"description": setting.help, "ge": setting.least, "le": setting.most}
        default = None if one.default is MISSING else one.default
        known |= {"default_factory": lambda: None} if default in (None, "", ()) else {"default": default}
        declared[one.name] = (setting.form or _given(types[one.name]), Field(**known))
    config = ConfigDict(extra="forbid", strict=True, title="A batch job of sparksig")
    model: type[BaseModel] = create_model("JobFile", __config__=config, **declared)
    return model


def _given(kind: Any) -> Any:
    """The type without None: what is not given does not stand in a file.

    >>> _given(str | None), _given(bool)
    (<class 'str'>, <class 'bool'>)
    """
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return Union[tuple(part for part in get_args(kind) if part is not NoneType)]  # noqa: UP007 - made at run time


def config_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file.

    >>> config_schema()["properties"]["max_bad_rows"]["minimum"]
    0
    """
    schema = _file_model().model_json_schema()
    for declared in schema["properties"].values():
        declared.pop("title", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def in_words(schema: Mapping[str, Any]) -> str:
    """What a schema takes, in words.

    >>> in_words({"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]})
    'true or false, or a list of texts'
    """
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(map(in_words, schema["anyOf"])))
    if "const" in schema:
        return str(schema["const"]).lower()
    if "enum" in schema:
        return " or ".join(schema["enum"]) if len(schema["enum"]) == 2 else f"one of {', '.join(schema['enum'])}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        if not isinstance(inner, dict):
            return "a map"
        return (
            f"a map of {_PLURALS.get(in_words(inner))}"
            if in_words(inner) in _PLURALS
            else f"a map to {in_words(inner)}"
        )
    if schema.get("type") == "array":
        return f"a list of {_PLURALS[in_words(schema['items'])]}"
    kinds = {"string": "a text", "boolean": "true or false", "integer": "a whole number", "number": "a number"}
    bounds = "" if "minimum" not in schema else f" from {schema['minimum']:g}"
    return kinds[schema["type"]] + bounds + ("" if "maximum" not in schema else f" to {schema['maximum']:g}")


_PLURALS = {
    "a text": "texts",
    "a text, or true or false, or a whole number, or a number": "texts, numbers, true or false",
}
