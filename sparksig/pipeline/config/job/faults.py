"""What is wrong with a job as it is asked for: keys that are missing, that cannot be used, that want each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import date

from sparksig.errors import Problem
from sparksig.pipeline.config.declared import flag_of, setting_of, unlisted
from sparksig.pipeline.config.job.keys import JobKeys
from sparksig.pipeline.config.lineage import lineage_file, unusable
from sparksig.pipeline.config.paths import is_inside, joined

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What a run may be called."""

FILES = ("parquet", "orc", "json", "csv", "text", "xml", "avro", "binaryFile")
"""Formats that read the files at a path."""

_SQL_OPTIONS = ("replacewhere",)
"""Options of readers and writers that Spark parses as SQL, in lower case."""

_PATH_AS_TABLE = re.compile(rf"\s*`?({'|'.join(FILES)})`?\s*\.\s*`?[^`]*/.*", re.IGNORECASE | re.DOTALL)
"""Files by their path where a table's name is expected: Spark reads them as that format, whatever table they are of."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def not_given(keys: JobKeys) -> Iterator[Problem]:
    """What a run cannot do without."""
    yield from no_source(keys)
    if not keys.model:
        yield Problem("--model", "not given")
    for flag, path, table in (
        ("--output", keys.output, keys.output_table),
        ("--quarantine", keys.quarantine, keys.quarantine_table),
    ):
        if not path and not table:
            yield Problem(flag, "not given", hint=f"give a folder, or a table's name with {flag}-table")
    if not keys.summary:
        yield Problem("--summary", "not given")


def no_source(keys: JobKeys) -> Iterator[Problem]:
    """No table, nor a source that options alone name."""
    if not (keys.input or keys.input_table) and (keys.format in (*FILES, "delta") or not keys.input_options):
        yield Problem("--input", "not given", hint="give a path, or a table's name with --input-table")


def unfit(keys: JobKeys) -> Iterator[Problem]:
    """What is given and cannot be used."""
    yield from _half_tables(keys)
    yield from unusable(keys.lineage)
    for name in ("input", "output", "quarantine"):
        if getattr(keys, name) and getattr(keys, f"{name}_table"):
            yield Problem(f"--{name}-table", f"given beside --{name}", hint="one of them says where the rows are")
    for one in fields(keys):
        yield from unlisted(setting_of(one), flag_of(one), getattr(keys, one.name))
    if match := _PATH_AS_TABLE.fullmatch(keys.input_table or ""):
        fact = "is the path of files, not the name of a table"
        yield Problem("--input-table", fact, hint=f"--input takes the path, with --format {match[1].lower()}")
    if keys.run_id and not RUN_ID.fullmatch(keys.run_id):
        yield Problem("--run-id", "not a name", hint="letters, digits, '.', '_' and '-', not starting with a mark")
    digests = (keys.trust,) if isinstance(keys.trust, str) else keys.trust
    well_formed = digests and all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in digests)
    if digests not in (None, ("true",)) and not well_formed:
        yield Problem("--trust", "neither 'true' nor a digest", hint="sha256: and 64 hexadecimal digits")
    if bool(keys.trigger) != bool(keys.checkpoint):
        flag, other = ("--checkpoint", "--trigger") if keys.trigger else ("--trigger", "--checkpoint")
        yield Problem(flag, f"not given beside {other}", hint="a stream needs both")
    if keys.logical_date is not None and not _is_date(keys.logical_date):
        yield Problem("--logical-date", "not a date", hint="write it as 2026-01-31")
    for flag, names in (("--column", keys.columns or ()), ("--partition-by", keys.partition_by)):
        if len(set(names)) < len(names) or "" in names:
            yield Problem(flag, "a name is given twice, or is empty")
    # Spark puts the environment into any text of SQL that asks for it so
    for name in ("where", "input_table", "output_table", "quarantine_table"):
        if "${" in (getattr(keys, name) or ""):
            hint = "nothing is put in its place here; in a text write concat('$', '{')" if name == "where" else None
            yield Problem(f"--{name.replace('_', '-')}", "holds '${'", hint=hint)
    for flag, options in (("--input-option", keys.input_options), ("--output-option", keys.output_options)):
        for name, value in options.items():
            if name.lower() in _SQL_OPTIONS and "${" in value:
                yield Problem(flag, f"{name} holds '${{'", hint="in a text write concat('$', '{')")


def _half_tables(keys: JobKeys) -> Iterator[Problem]:
    """Tables want each other, a place for what is on its way, and nothing that is said of folders."""
    tables = bool(keys.output_table) + bool(keys.quarantine_table)
    if tables == 1 and (keys.output or keys.quarantine):
        flag = "--quarantine-table" if keys.output_table else "--output-table"
        yield Problem(flag, "not given beside the other", hint="both outputs are folders, or both are tables")
    if tables and (keys.output_table or "").lower() == (keys.quarantine_table or "").lower():
        yield Problem("--quarantine-table", "the same as --output-table", hint="name two tables")
    if bool(tables) != bool(keys.staging):
        fact = "given without tables" if keys.staging else "not given beside tables"
        yield Problem("--staging", fact, hint="rows are counted there before they are appended to tables")
    if tables:
        for flag, given in (("--partition-by", keys.partition_by), ("--output-option", keys.output_options)):
            if given:
                yield Problem(flag, "given beside tables", hint="a table has its own; make it before the first run")


def overlaps(keys: JobKeys) -> Iterator[Problem]:
    """Places that are one another or lie in one another: one would be read, or replaced, as part of the other."""
    sinks = {"--output": keys.output, "--quarantine": keys.quarantine, "--staging": keys.staging or ""}
    files = {"--summary": keys.summary, "--report": keys.report or "", "--checkpoint": keys.checkpoint or ""}
    files["--keep-rejected"] = keys.keep_rejected or ""
    files["--lineage"] = lineage_file(keys.lineage) or ""
    others = {"--input": keys.input, "--model": keys.model, "--signature": keys.signature or ""}
    if keys.output and keys.quarantine:
        if is_inside(keys.quarantine, keys.output):
            yield _overlap("--quarantine", "--output", keys.quarantine, keys.output)
        elif is_inside(keys.output, keys.quarantine):
            yield _overlap("--output", "--quarantine", keys.output, keys.quarantine)
    for flag, place in {**sinks, **files}.items():
        for other, taken in {**others, **(sinks if flag in files else {})}.items():
            if place and taken and is_inside(place, taken):
                yield _overlap(flag, other, place, taken)
    for flag, other in (("--report", "--summary"), ("--lineage", "--summary"), ("--lineage", "--report")):
        if files[flag] and files[other] and is_inside(files[flag], files[other]):
            yield _overlap(flag, other, files[flag], files[other])
    for flag, place in others.items():
        for other, folder in sinks.items():
            if place and folder and not is_inside(folder, place):
                run = joined(folder, f"run_id={keys.run_id}")
                if is_inside(place, run):
                    yield Problem(flag, f"lies where {other} would be written: {run}", hint="take another run id")


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _overlap(flag: str, other: str, place: str, taken: str) -> Problem:
    same = is_inside(taken, place)
    hint = "put it beside that folder" if not same else "name two places"
    return Problem(flag, f"{'the same as' if same else 'lies inside'} {other}", hint=hint)
