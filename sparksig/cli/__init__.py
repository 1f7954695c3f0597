"""The command line: `sparksig validate | score | doctor` and more. Words in, words and exit codes out.

Exit codes: 0 committed, 2 usage or configuration, 3 schema incompatible, 4 over threshold, 5 runtime or accounting.
Results go to stdout; errors, warnings and progress to stderr.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Sequence

import click

from sparksig import _version, runtime
from sparksig.cli import jobs, runs, signatures
from sparksig.cli.terminal import flush, in_flags, say, warnings_as_lines
from sparksig.errors import ConfigError, SparksigError
from sparksig.redaction import masked

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_CONTEXT)
@click.version_option(_version.__version__, prog_name="sparksig")
def app() -> None:
    """A model's signature, enforced on Spark before the model runs.

    \b
    sparksig show model/                     what the model was promised
    sparksig plan model/ table/              does the table keep the promise? (no job, no JVM)
    sparksig validate --input table/ ...     and do its rows? counts by column and code
    sparksig score --input table/ ...        score it: scored rows, quarantined rows, a summary
    sparksig infer table/ -o signature.json  declare what example data shows
    sparksig diff old/ new/                  does a new model keep the old one's promise?
    sparksig sql model/ table/               the same as a SELECT, to be pasted into spark.sql
    sparksig report summary.json             what a run did, as one HTML page
    sparksig doctor                          is this machine ready?

    \b
    Exit codes: 0 committed or fine, 2 usage or configuration, 3 the schema does not fit,
    4 over threshold and nothing committed (diff: breaking), 5 runtime or accounting.
    --json never changes them.
    """  # noqa: D301 - click reads the character


for _command in (
    *(signatures.show, signatures.plan, signatures.sql, signatures.infer, signatures.diff),
    *(jobs.score, jobs.requeue, jobs.validate, jobs.config_schema),
    *(runs.report, runs.summary_schema, runs.recover, runs.doctor, runs.java_home),
):
    app.add_command(_command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line, and leave with one of its exit codes.

    Args:
        args: the arguments after the program's name; None takes those of the process.
    """
    given = list(sys.argv[1:] if args is None else args)
    # spark-submit puts the stderr of the program that it runs into its own stdout: there, a document stands alone
    mute = "--json" in given and "PYSPARK_GATEWAY_PORT" in os.environ
    with warnings_as_lines(mute):
        try:
            result = app.main(args=given, prog_name="sparksig", standalone_mode=False)
            code = result if isinstance(result, int) else 0
        except (Exception, click.Abort, KeyboardInterrupt) as error:
            code = told_code(error, "--json" in given, "--verbose" in given, mute)
    if code != 5:
        runtime.forget_log()
    flush()
    sys.exit(code)


def told_code(error: BaseException, as_json: bool, verbose: bool, mute: bool) -> int:
    """Say what is wrong, on stderr and, if asked for, as a document on stdout; the exit code."""
    from sparksig.pipeline.faults import RunError, exit_code, told
    from sparksig.report.summary import problem_dicts
    from sparksig.report.text import error_text, summary_text

    if isinstance(error, click.ClickException):
        ours: SparksigError = ConfigError(error.format_message())
        if not mute:
            usage = io.StringIO()
            error.show(usage)  # may quote an argument
            click.echo(masked(usage.getvalue()), err=True, nl=False)
    else:
        ours = told(KeyboardInterrupt() if isinstance(error, click.Abort) else error)
        log = runtime.spark_log() if exit_code(ours) == 5 else None
        hint = f"\n  Spark's log: {log}" if log else ""
        if not mute:
            click.echo(f"sparksig: {in_flags(error_text(ours))}{hint}", err=True)
    code = exit_code(ours)
    summary = ours.summary if isinstance(ours, RunError) else None
    if as_json:
        verdict = {2: "usage", 3: "incompatible"}.get(code, "failed")
        failure = {"verdict": verdict, "error": ours.message, "problems": problem_dicts(ours.problems)}
        say(json.dumps(summary.to_dict() if summary else failure, indent=2))
    elif summary is not None and summary.rows_in is not None:
        say(summary_text(summary))
    if verbose and not mute:
        # what Spark or a bug said in full; with --verbose Spark prints it anyway
        shown = error.__context__ if isinstance(error, RunError) else error
        click.echo(masked("".join(traceback.format_exception(shown))), err=True, nl=False)
    return code
