"""The command line: `sparksig show | plan | score | doctor`. Words in, words and exit codes out; the work is elsewhere.

Exit codes: 0 committed, 2 usage or configuration, 3 schema incompatible, 4 over threshold, 5 runtime or accounting.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sparksig import _version
from sparksig.errors import ConfigError, Problem, SparksigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_LEVELS = ["strict", "safe", "checked", "parse"]


@click.group(context_settings=_CONTEXT)
@click.version_option(_version.__version__, prog_name="sparksig")
def app() -> None:
    """A model's signature, enforced on Spark before the model runs.

    \b
    sparksig show model/                     what the model was promised
    sparksig plan model/ table/              does the table keep the promise? (no job, no JVM)
    sparksig score --input table/ ...        score it: scored rows, quarantined rows, a summary
    sparksig doctor                          is this machine ready?

    \b
    Exit codes: 0 committed or fine, 2 usage or configuration, 3 the schema does not fit,
    4 over threshold and nothing committed, 5 runtime or accounting. --json never changes them.
    """  # noqa: D301 - click reads the character


@app.command()
@click.argument("signature", metavar="SIGNATURE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def show(signature: str, as_json: bool) -> None:
    """Print a signature. SIGNATURE is an MLmodel file, its directory, or a JSON file; nothing of the model is run."""
    from sparksig.sources.mlmodel import load_signature

    with _told(as_json):
        found = load_signature(signature)
        click.echo(json.dumps(found.to_dict(), indent=2) if as_json else repr(found).rstrip())


@app.command()
@click.argument("signature", metavar="SIGNATURE")
@click.argument("table", metavar="TABLE")
@click.option("--level", type=click.Choice(_LEVELS), default="safe", show_default=True, help="How far casts may go.")
@click.option("--allow-rounding", is_flag=True, help="Let numbers be rounded to the nearest float.")
@click.option("--allow-nulls", is_flag=True, help="Let required columns hold nulls.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def plan(signature: str, table: str, level: str, allow_rounding: bool, allow_nulls: bool, as_json: bool) -> None:
    """Say what enforcing SIGNATURE on TABLE would do to each column. TABLE is a Parquet file or directory.

    Only schemas are read, without a JVM. Exits 3 if the schema does not fit.
    """
    from sparksig.enforcement.frames import plan as make_plan
    from sparksig.pipeline.io import parquet_schema
    from sparksig.sources.mlmodel import load_signature

    with _told(as_json):
        made = make_plan(
            parquet_schema(table),
            load_signature(signature),
            level=level,
            allow_rounding=allow_rounding,
            allow_nulls=allow_nulls,
        )
        click.echo(json.dumps(made.to_dict(), indent=2) if as_json else str(made))
        sys.exit(0 if made.ok else 3)


@app.command()
@click.option("--input", "input", required=True, metavar="PATH", help="The table to score.")
@click.option("--format", "format", default="parquet", show_default=True, help="Its Spark format.")
@click.option("--model", required=True, metavar="DIR", help="The MLmodel directory.")
@click.option("--signature", metavar="FILE", help="Use this signature instead of the model's own.")
@click.option("--output", required=True, metavar="DIR", help="Scored rows go to DIR/run_id=<id>/.")
@click.option("--quarantine", required=True, metavar="DIR", help="Dirty rows go to DIR/run_id=<id>/.")
@click.option("--summary", required=True, metavar="FILE", help="The summary, as JSON.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="Override a param of the model. Repeatable.")
@click.option("--level", type=click.Choice(_LEVELS), default="safe", show_default=True, help="How far casts may go.")
@click.option("--allow-rounding", is_flag=True, help="Let numbers be rounded to the nearest float.")
@click.option("--allow-nulls", is_flag=True, help="Let required columns hold nulls.")
@click.option("--trust", metavar="sha256:..", help="Vouch for a model that runs code when loaded (a pickle).")
@click.option("--run-id", default="", metavar="ID", help="The run's name; the same name replaces its own output only.")
@click.option("--fail-on-quarantine", is_flag=True, help="Exit 4 and commit nothing if a row is dirty.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of tables.")
@click.option("--verbose", is_flag=True, help="Leave Spark's own output on the terminal.")
def score(params: Sequence[str], as_json: bool, verbose: bool, **options: Any) -> None:
    """Score a table: enforce the signature, run the model on clean rows, set dirty rows apart, account for every row.

    \b
    sparksig score --input table/ --model model/ --trust sha256:... \\
        --output scored/ --quarantine quarantine/ --summary summary.json --param threshold=0.4

    The same command runs on a cluster as: spark-submit jobs/batch_score.py, with the same options.
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.config import JobConfig
    from sparksig.pipeline.run import run
    from sparksig.report.text import summary_text

    with _told(as_json):
        config = JobConfig(params=_pairs(params), **options)
        with _progress(as_json or verbose) as tell:
            summary = run(config, lambda: _session(verbose), tell)
        click.echo(json.dumps(summary.to_dict(), indent=2) if as_json else summary_text(summary))


@app.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def doctor(as_json: bool) -> None:
    """Look at Java, the workers' Python, versions and memory; say what is missing and how to get it."""
    from sparksig import runtime, tables

    facts = runtime.doctor()
    if as_json:
        click.echo(json.dumps([{"name": f.name, "value": f.value, "ok": f.ok, "hint": f.hint} for f in facts]))
    else:
        words = {True: "ok", False: "MISSING", None: "optional"}
        rows = [(f.name, words[f.ok], f.value, f.hint or "") for f in facts]
        click.echo(tables.text(("what", "state", "found", "how to get it"), rows))
    sys.exit(5 if any(fact.ok is False for fact in facts) else 0)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        args: the arguments after the program's name; None takes those of the process.
    """
    app.main(args=None if args is None else list(args), prog_name="sparksig")


@contextmanager
def _told(as_json: bool) -> Iterator[None]:
    """Turn an error into words on stderr (or JSON on stdout) and an exit code, and warnings into one line each."""
    from sparksig.pipeline.run import EXIT, exit_code

    def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
        click.echo(f"warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        try:
            yield
        except SparksigError as error:
            code = exit_code(error)
            if as_json:
                verdict = next((verdict for verdict, number in EXIT.items() if number == code), "usage")
                problems = [{"path": p.path, "code": p.code, "fact": p.fact, "hint": p.hint} for p in error.problems]
                click.echo(json.dumps({"verdict": verdict, "error": error.message, "problems": problems}, indent=2))
            click.echo(f"sparksig: {error}", err=True)
            sys.exit(code)


@contextmanager
def _progress(silent: bool) -> Iterator[Any]:
    """Live progress on stderr: a spinner on a terminal, a line a phase elsewhere."""
    console = Console(stderr=not os.environ.get("TTY_COMPATIBLE"))
    if silent:
        yield lambda phase: None
    elif not console.is_terminal:
        yield lambda phase: click.echo(f"{phase} ...", err=True)
    else:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=False) as progress:

            def tell(phase: str) -> None:
                for task in progress.tasks:
                    progress.update(task.id, total=1, completed=1)
                    progress.stop_task(task.id)
                progress.add_task(phase, total=None)

            yield tell
            for task in progress.tasks:
                progress.update(task.id, total=1, completed=1)


def _session(verbose: bool) -> SparkSession:
    from sparksig import runtime

    return runtime.session("sparksig score", verbose=verbose)


def _pairs(params: Sequence[str]) -> dict[str, str]:
    pairs = [param.partition("=") for param in params]
    if wrong := [name for name, equals, _ in pairs if not equals or not name]:
        # what stands without a '=' may be a value, so only its position is told
        problems = [Problem("--param", "not of the form K=V") for _ in wrong]
        raise ConfigError("the job cannot be run as configured", problems)
    return {name: value for name, _, value in pairs}
