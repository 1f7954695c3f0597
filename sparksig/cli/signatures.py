"""The commands on signatures: show, plan, sql, infer, diff."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import click

from sparksig.cli.options import (
    absent_option,
    given_options,
    input_option,
    json_option,
    level_option,
    nulls_option,
    rounding_option,
)
from sparksig.cli.terminal import in_flags, reading_footers, say
from sparksig.errors import AbsentColumnWarning, ConfigError, Problem
from sparksig.redaction import masked


@click.command()
@click.argument("signature", metavar="SIGNATURE")
@json_option
def show(signature: str, as_json: bool) -> None:
    """Print a signature: one line a column, a member or a param.

    SIGNATURE is an MLmodel file, its directory, or a JSON file; nothing of the model is run.

    \b
    sparksig show model/
    sparksig show model/MLmodel --json > signature.json     for score --signature
    """  # noqa: D301 - click reads the character
    from sparksig.signature.model_signature import signature_tree
    from sparksig.sources.registry import load_signature

    found = load_signature(signature)
    say(json.dumps(found.to_dict(), indent=2) if as_json else signature_tree(found))


@click.command()
@click.argument("signature", metavar="SIGNATURE")
@click.argument("table", metavar="TABLE")
@level_option
@rounding_option
@nulls_option
@absent_option
@input_option
@json_option
def plan(signature: str, table: str, input_options: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Say what enforcing SIGNATURE on TABLE would do to each column. TABLE is a Parquet file or directory.

    Only schemas are read, without a JVM. Exits 3 if the schema does not fit.

    \b
    sparksig plan model/ table/
    sparksig plan model/ table/ --level checked     and if values that fit exactly were cast?
    """  # noqa: D301 - click reads the character
    from sparksig.enforcement.frames import plan as make_plan
    from sparksig.pipeline.dataset import parquet_dataset
    from sparksig.sources.registry import load_signature

    with reading_footers(as_json) as report:
        dataset = parquet_dataset("TABLE", table, given_options("--input-option", input_options), report)
    made = make_plan(dataset.table, load_signature(signature), **options)
    made = replace(made, problems=(*made.problems, *dataset.rejected()))
    say(json.dumps(made.to_dict(), indent=2) if as_json else in_flags(str(made)))
    return 0 if made.ok else 3


@click.command()
@click.argument("signature", metavar="SIGNATURE")
@click.argument("table", metavar="TABLE")
@level_option
@rounding_option
@nulls_option
@absent_option
@input_option
@click.option("--name", metavar="NAME", help="What Spark SQL calls the table; the Parquet path unless given.")
def sql(signature: str, table: str, input_options: tuple[str, ...], name: str | None, **options: Any) -> None:
    """Print the SELECT that enforces SIGNATURE on TABLE, a Parquet file or directory, to be pasted into spark.sql.

    A row that breaks the signature fails the query that reads it. No column's name stands in the text.

    \b
    sparksig sql model/ table/
    sparksig sql model/ table/ --name warehouse.flights
    """  # noqa: D301 - click reads the character
    from sparksig.enforcement.frames import plan as make_plan
    from sparksig.enforcement.sql import statement
    from sparksig.pipeline.dataset import parquet_dataset
    from sparksig.pipeline.io import literal_path
    from sparksig.sources.registry import load_signature

    reader = given_options("--input-option", input_options)
    if reader and name is None:
        hint = "register what spark.read.options(..) returns as a view and give its name with --name"
        raise ConfigError("the options cannot be used", [Problem("--input-option", "SQL takes none", hint=hint)])
    with reading_footers(True) as report:
        dataset = parquet_dataset("TABLE", table, reader, report)
    made = make_plan(dataset.table, load_signature(signature), **options)
    made = replace(made, problems=(*made.problems, *dataset.rejected())).require_ok()
    if name is None and (not dataset.is_uniform):
        hint = "register a view of spark.read.schema(..) with the columns of all files and give its name with --name"
        problem = Problem("TABLE", "SQL on the path takes the schema of one file, and the files differ", hint=hint)
        raise ConfigError("the path cannot be used in SQL", [problem])
    for line in made.warning_lines:
        warnings.warn(line, AbsentColumnWarning, stacklevel=1)
    if name is not None and ("${" in name or masked(name) != name):
        fact = "holds '${', which Spark would replace" if "${" in name else "holds credentials, which would be printed"
        problem = Problem("--name", fact, hint="register it as a view and give the view's name")
        raise ConfigError("the name cannot be used in SQL", [problem])
    path = literal_path(table)
    if name is None and (masked(path) != path or "`" in path or "$" in path):
        fact = "holds '`' or '$'" if masked(path) == path else "holds credentials or a query, which would be printed"
        hint = "register it as a view and give its name with --name"
        raise ConfigError("the path cannot be used in SQL", [Problem("TABLE", fact, hint=hint)])
    say(statement(made, name or f"parquet.`{path}`"))


@click.command()
@click.argument("data", metavar="DATA")
@click.option("--outputs", metavar="DATA", help="Examples of what the model returns.")
@click.option("--params", metavar="FILE", help="A JSON object of params and their defaults.")
@click.option("-o", "--output", metavar="FILE", help="Write the signature to FILE instead of printing it.")
@click.option("--strict", is_flag=True, help="Refuse a column that only Any can be declared for.")
@input_option
@json_option
def infer(
    data: str,
    outputs: str | None,
    params: str | None,
    output: str | None,
    strict: bool,
    input_options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Declare what example DATA shows: a Parquet file or directory, or a .csv, .json or .jsonl file.

    A column is optional where a value is missing. No JVM is started.

    \b
    sparksig infer training.parquet --outputs predictions.parquet -o signature.json
    sparksig infer rows.json --params params.json
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.io import read_examples
    from sparksig.signature.model_signature import signature_tree
    from sparksig.sources.inference import infer_signature
    from sparksig.sources.mlmodel import save_signature

    given = None if params is None else read_examples("--params", params)
    if given is not None and not isinstance(given, dict):
        raise ConfigError("the params cannot be read", [Problem("--params", "not a JSON object of names and defaults")])
    reader = given_options("--input-option", input_options)
    returned = None if outputs is None else read_examples("--outputs", outputs)
    found = infer_signature(read_examples("DATA", data, reader), returned, given, strict=strict)
    if output is not None:
        save_signature(found, output)
    if as_json:
        say(json.dumps(found.to_dict(), indent=2))
    else:
        say(signature_tree(found) if output is None else f"{signature_tree(found)}\n\nwritten to {masked(output)}")


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@json_option
def diff(old: str, new: str, as_json: bool) -> int:
    """Say what breaks when the signature NEW takes the place of OLD: for callers, and for stored data.

    Exits 0 if nothing does, 4 if something does.

    \b
    sparksig diff models/v1 models/v2
    """  # noqa: D301 - click reads the character
    from sparksig.signature.compatibility import check_compatible
    from sparksig.sources.registry import load_signature

    found = check_compatible(load_signature(old), load_signature(new))
    say(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    return 0 if found.compatible else 4
