"""The stable formats that need no Spark session, each as a tree of JSON values."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import numpy as np

import sparksig
from sparksig import errors
from sparksig.cli import app
from sparksig.errors import SparksigError
from sparksig.models.artifact import Artifact
from sparksig.pipeline import faults
from sparksig.pipeline.config import REJECTED, JobConfig
from sparksig.pipeline.config.declared import flag_of, setting_of
from sparksig.pipeline.config.settings import CONFIG_VARIABLE, config_schema
from sparksig.pipeline.dataset import MARKER
from sparksig.pipeline.run.attempt import signature_digest
from sparksig.pipeline.run.checkpoint import NAME, Checkpoint
from sparksig.pipeline.sinks import Commit, Sink
from sparksig.report.schema import summary_schema
from sparksig.signature.model_signature import ModelSignature
from sparksig.signature.params import ParamSchema, ParamSpec
from sparksig.signature.schema import ColSpec, Schema, TensorSpec
from sparksig.signature.types import AnyType, Array, DataType, Map, Object, Property, SparkMLVector
from tests.golden.comparing import shape
from tests.pipeline.places import staged


def names(_: Path) -> Any:
    """The public names and what each of them is."""

    def kind(value: object) -> str:
        return "class" if inspect.isclass(value) else "function" if callable(value) else type(value).__name__

    return {name: kind(getattr(sparksig, name)) for name in sorted(sparksig.__all__)}


def codes(_: Path) -> Any:
    """The codes of problems and violations."""
    return {"codes": [code.value for code in errors.Code]}


def exit_codes(_: Path) -> Any:
    """The exit code of each verdict and of each exception, before the first row is read and afterwards."""
    named = {**vars(errors), **vars(faults)}
    kinds = [kind for _, kind in sorted(named.items()) if inspect.isclass(kind) and issubclass(kind, SparksigError)]
    ends = {
        kind.__name__: {
            "before reading": faults.exit_code(kind("")),
            "while reading": faults.EXIT[faults.verdict_of(kind(""), reading=True)],
        }
        for kind in kinds
        if kind is not faults.RunError  # has the exit code of its verdict
    }
    return {"verdicts": faults.EXIT, "errors": ends}


def config_keys(_: Path) -> Any:
    """The keys of the job's configuration: the values that a file may hold, the default, the option, the variable."""
    schema = config_schema()["properties"]
    found: dict[str, Any] = {}
    for one in fields(JobConfig):
        setting = setting_of(one)
        default = None if one.default is MISSING else one.default
        found[one.name] = {"values": sorted(set(_values(schema[one.name]))), "option": flag_of(one)}
        found[one.name] |= {"default": None if default in ("", ()) else default}
        if setting.env:
            found[one.name]["variable"] = setting.env
    return {"file": {"variable": CONFIG_VARIABLE}, "keys": found}


def _values(schema: dict[str, Any]) -> Iterator[str]:
    """Each kind of value that a JSON Schema accepts, as a word: a schema that accepts more has more of them."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _values(one)
        return
    kind = schema["type"]
    if kind == "array":
        yield from (f"array of {inner}" for inner in _values(schema["items"]))
    elif kind == "object":
        inner = schema["additionalProperties"]
        yield from (f"map to {value}" for value in (["any"] if inner is True else _values(inner)))
    elif "const" in schema or "enum" in schema:
        yield from (f"{kind} {json.dumps(value)}" for value in schema.get("enum", [schema.get("const")]))
    else:
        bounds = [f"{word} {schema[word]}" for word in ("minimum", "maximum") if word in schema]
        yield " ".join([kind, *bounds])


def cli_options(_: Path) -> Any:
    """The options and arguments of every command."""
    found = {"sparksig": _parameters(app)}
    return found | {f"sparksig {name}": _parameters(command) for name, command in sorted(app.commands.items())}


def _parameters(command: click.Command) -> dict[str, Any]:
    # click keeps the option for help with the names of the first context, so its names come from the settings
    names = app.context_settings["help_option_names"]
    found: dict[str, Any] = {name: {"type": "flag"} for name in names}
    for parameter in command.get_params(click.Context(command, help_option_names=names)):
        if parameter.name == "help":
            continue
        info = parameter.to_info_dict()
        facts = {
            "type": "flag" if info.get("is_flag") else info["type"]["name"],
            **({"choices": list(info["type"]["choices"])} if "choices" in info["type"] else {}),
            **({"repeatable": True} if info["multiple"] or info["nargs"] != 1 else {}),
            **({"required": True} if info["required"] else {}),
            **({"default": info["default"]} if isinstance(info["default"], str) else {}),
        }
        if isinstance(parameter, click.Argument):
            position = sum(isinstance(one, click.Argument) for one in command.params[: command.params.index(parameter)])
            found[f"argument {position}"] = {"name": parameter.name, **facts}
        else:
            found |= {name: facts for name in (*parameter.opts, *parameter.secondary_opts)}
    return found


def commit_files(folder: Path) -> Any:
    """The names of the files and folders of a run that are not data, and what they hold."""
    sink = Sink("out", "<run>", "scored")
    commit = staged(folder, replaces=True)
    commit.decide()
    Checkpoint(str(folder / "checkpoint")).name("r")
    decision = json.loads(Path(commit.place).read_text())
    return {
        "names": {
            "rows": sink.final,
            "staged rows": sink.staging,
            "previous rows": sink.former,
            "rejected rows": sink.rejected(f"out/{REJECTED}"),
            "marker": f"{sink.final}/{MARKER}",
            "commit": Commit("<run>", "", {"scored": "out"}, "", "").place,
            "checkpoint": f"checkpoint/{NAME}",
        },
        "commit": {"version": decision["version"], "keys": shape(decision)},
        "checkpoint": {"keys": shape(json.loads((folder / "checkpoint" / NAME).read_text()))},
    }


def digests(folder: Path) -> Any:
    """The digests of fixed inputs: a job, a model, a signature. Their values are part of the format."""
    places = ("/data/table", "/data/model", "/data/scored", "/data/quarantine", "/data/summary.json")
    day = "2026-01-31"
    least = JobConfig(*places, logical_date=day)
    most = JobConfig(
        *places,
        logical_date=day,
        format="csv",
        input_options={"header": "true", "sep": ";"},
        where="x > 0",
        columns=("x", "y"),
        params={"threshold": 0.4, "name": "ö"},
        param_from_env={"factor": "FACTOR"},
        level={"x": "checked", "*": "safe"},
        allow_rounding=("x",),
        max_bad_rows=10,
        max_bad_ratio=0.01,
        column_actions={"x": "warn"},
        partition_by=("day",),
        pin="disk",
        lineage="/data/events.json",  # not in the digest
    )
    stream = JobConfig(*places, trigger="available-now", checkpoint="/data/checkpoint")
    (folder / "model.onnx").write_bytes(b"onnx")
    return {
        "config": {"minimal": least.digest, "with options": most.digest, "stream": stream.digest},
        "run id": {"minimal": least.run_id, "with options": most.run_id, "stream": stream.run_id},
        "model": {
            "directory": Artifact.read(_model_directory(folder)).digest,
            "onnx": Artifact.read(folder / "model.onnx").digest,
        },
        "signature": {
            name: {"json": signature.to_dict(), "digest": signature_digest(signature)}
            for name, signature in (("columns", COLUMNS), ("tensors", TENSORS))
        },
    }


COLUMNS = ModelSignature(
    Schema(
        [
            *(ColSpec(kind, kind.name) for kind in DataType),
            ColSpec(Array("double"), "array", required=False),
            ColSpec(Object([Property("a", "long"), Property("b", Array("string"), False)]), "object"),
            ColSpec(Map("double"), "map"),
            ColSpec(AnyType(), "any", required=False),
            ColSpec(SparkMLVector(), "vector"),
            ColSpec("double", "größe (cm)"),
        ]
    ),
    Schema([ColSpec("double")]),
    ParamSchema([ParamSpec("threshold", "double", 0.5), ParamSpec("names", "string", ["a", "ö"], (-1,))]),
)
TENSORS = ModelSignature(
    Schema([TensorSpec(np.dtype("uint8"), (-1, 28, 28), "image"), TensorSpec(np.dtype("float16"), (-1, 3), "half")]),
    Schema([TensorSpec(np.dtype("float32"), (-1, 10))]),
)


def _model_directory(folder: Path) -> Path:
    root = folder / "model"
    (root / "code").mkdir(parents=True)
    (root / "MLmodel").write_text("flavors:\n  python_function: {loader_module: loader}\n")
    (root / "code" / "loader.py").write_text("pass\n")
    (root / "empty").touch()
    (root / "größe.bin").write_bytes(bytes(range(256)))
    return root


def summary_keys(_: Path) -> Any:
    """The published JSON Schema of a summary, without its prose."""
    return _without_prose(summary_schema())


def _without_prose(schema: Any) -> Any:
    """A schema without descriptions; a choice of types is one value, because one type more would retype the key."""
    if not isinstance(schema, dict):
        return schema
    choices = {key: json.dumps(schema[key]) for key in ("type", "oneOf") if isinstance(schema.get(key), list)}
    prose = ("description", "title") if isinstance(schema.get("description"), str) else ()
    kept = {key: value for key, value in schema.items() if key not in prose}
    return {key: _without_prose(value) for key, value in kept.items()} | choices


FORMATS: dict[str, Callable[[Path], Any]] = {
    "names": names,
    "codes": codes,
    "exit_codes": exit_codes,
    "config_keys": config_keys,
    "cli_options": cli_options,
    "commit_files": commit_files,
    "digests": digests,
    "summary_schema": summary_keys,
}
"""The formats by the name of their golden file. Each takes an empty folder that it may write to."""
