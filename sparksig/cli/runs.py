"""The commands on what runs have left, and on the machine: report, summary-schema, recover, doctor, java-home."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sparksig import runtime, tables
from sparksig.cli.options import json_option
from sparksig.cli.terminal import say
from sparksig.errors import ConfigError, Problem


@click.command()
@click.argument("summary", metavar="SUMMARY")
@click.option("-o", "--output", metavar="FILE", help="Write the page to FILE instead of printing it.")
def report(summary: str, output: str | None) -> None:
    """Make one HTML page of a SUMMARY, the JSON file that a run leaves.

    The page asks for nothing, runs nothing and can be mailed: the verdict, counts, violations, the plan, timings, and
    how to look into the quarantine.

    \b
    sparksig report summary.json -o report.html
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.io import read_text, write_text
    from sparksig.report.html import report_html
    from sparksig.report.schema import check_summary

    text = read_text("SUMMARY", summary)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # their words may hold what stands there
        raise ConfigError("the summary cannot be read", [Problem("SUMMARY", f"{summary} is not JSON")]) from None
    check_summary(found)
    page = report_html(found)
    if output is None:
        say(page)
    else:
        write_text(output, page)


@click.command("summary-schema")
def summary_schema() -> None:
    """Print the JSON Schema of the summary that a run leaves. Its version is that of the summary's schema_version."""
    from sparksig.report.schema import summary_schema as schema

    say(json.dumps(schema(), indent=2))


@click.command()
@click.argument("output", metavar="OUTPUT")
@click.argument("run_id", metavar="RUN_ID")
@json_option
def recover(output: str, run_id: str, as_json: bool) -> None:
    """Finish the commit of RUN_ID in OUTPUT, the folder of scored rows, that was killed in the middle of it.

    A run that had not been decided by then has left what was there before; there is nothing to finish then. Running the
    same id again does the same first.
    """
    from sparksig.pipeline.io import missing
    from sparksig.pipeline.sinks import recover as finish

    if problems := list(missing("OUTPUT", output)):
        raise ConfigError("there is nothing to recover", problems)
    finished = finish(output, run_id)
    words = "the commit was finished: its new rows hold" if finished else "nothing to finish: no commit is under way"
    say(json.dumps({"run_id": run_id, "finished": finished}) if as_json else words)


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Look at Java, the workers' Python, versions and memory; say what is missing and how to get it.

    Exits 5 if something is missing that a batch job needs.
    """
    facts = runtime.doctor()
    if as_json:
        found = [{"name": f.name, "value": f.value, "ok": f.ok, "hint": f.hint} for f in facts]
        say(json.dumps(found, indent=2))
    else:
        words = {True: "ok", False: "MISSING", None: "optional"}
        rows = [(f.name, words[f.ok], f.value, f.hint or "") for f in facts]
        say(tables.text(("what", "state", "found", "how to get it"), rows))
    return 5 if any(fact.ok is False for fact in facts) else 0


@click.command("java-home")
def java_home() -> None:
    """Print the JAVA_HOME of a Java on which Spark starts: the one that is there, else that of the extra `local`.

    \b
    export JAVA_HOME="$(sparksig java-home)"    and spark-submit, a notebook or a shell of Spark finds it
    """  # noqa: D301 - click reads the character
    home = runtime.java_home()
    if home is None:
        found = runtime.java()
        assert found is not None
        home = Path(found.path).resolve().parent.parent
    say(str(home))
