"""The command line: `sparksig validate | score | doctor` and more. Words in, words and exit codes out.

Exit codes: 0 committed, 2 usage or configuration, 3 schema incompatible, 4 over threshold, 5 runtime or accounting.
Results go to stdout; errors, warnings and progress to stderr.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import Field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sparksig import _version, runtime, tables
from sparksig.errors import ConfigError, Problem, SparksigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sparksig.pipeline.config import JobConfig
    from sparksig.report.live import Progress

_Config = TypeVar("_Config", bound="JobConfig")
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_PACKAGE = Path(__file__).parent

_level = click.option(
    "--level",
    type=click.Choice(["strict", "safe", "checked", "parse"]),
    default="safe",
    show_default=True,
    help="How far casts may go: strict not at all, safe without loss whatever the row, checked where the row's value"
    " fits exactly, parse also from text.",
)
_rounding = click.option("--allow-rounding", is_flag=True, help="Let numbers be rounded to the nearest float.")
_nulls = click.option("--allow-nulls", is_flag=True, help="Let required columns hold nulls.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of words.")
_verbose = click.option(
    "--verbose", is_flag=True, help="Leave Spark's own output on the terminal, and show tracebacks."
)


class _JobCommand(click.Command):
    """A command that takes settings of the batch job as flags.

    These are made once they are asked for: what they are made of imports numpy, which most commands do without.
    """

    def __init__(self, *args: Any, settings: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._groups, self._ready = settings, False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The job's settings among the command's own options, behind the first of them."""
        if not self._ready:
            self._ready = True
            from dataclasses import fields

            from sparksig.pipeline.config.declared import setting_of
            from sparksig.pipeline.config.job import JobConfig

            found = sorted(fields(JobConfig), key=lambda one: _GROUPS.index(setting_of(one).group))
            self.params[1:1] = [_flag(one) for one in found if setting_of(one).group in self._groups]
        return super().get_params(ctx)


_GROUPS = ("Source", "Model", "What a row may be", "How many bad rows are too many", "Outputs", "The run")
_CHECKED = tuple(group for group in _GROUPS if group not in ("Outputs", "The run"))
_config = click.option("--config", "config_file", metavar="FILE", help="A YAML file; a flag wins over what it says.")


def _flag(one: Field[Any]) -> click.Option:
    """The option for a field of `JobConfig`; what is not given is None or empty."""
    from sparksig.pipeline.config.declared import flag_of, setting_of

    setting, flag, kind = setting_of(one), flag_of(one), str(one.type)
    told: dict[str, Any] = {"help": setting.help.replace("`", ""), "default": None}
    if kind.startswith("bool"):
        return click.Option([f"{flag}/--no-{flag[2:]}", one.name], **told)
    several = kind.startswith(("Mapping", "tuple"))
    told |= {"metavar": setting.metavar, "multiple": several}
    if several:
        told["help"] += " Repeatable."
    if setting.choices and not several:
        told |= {"type": click.Choice(setting.choices), "metavar": None}
    elif kind.startswith(("int", "float")):
        told["type"] = int if kind.startswith("int") else float
    return click.Option([flag, one.name], **told)


def _given(flags: Mapping[str, Any], config_file: str | None, kind: type[_Config]) -> _Config:
    """The configuration that flags, file and environment say together."""
    from dataclasses import fields

    from sparksig.pipeline.config.declared import flag_of
    from sparksig.pipeline.config.job import JobConfig
    from sparksig.pipeline.config.settings import CONFIG_VARIABLE, read_config

    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    if not given and not config_file and not os.environ.get(CONFIG_VARIABLE):
        raise click.UsageError("Nothing is given: name a file with --config, or a table and a model.")
    problems: list[Problem] = []
    for one in fields(JobConfig):
        if one.name in given and str(one.type).startswith("Mapping"):
            given[one.name] = _pairs(flag_of(one), given[one.name], problems)
    return read_config(given, config_file, os.environ, kind, problems)


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


@app.command()
@click.argument("signature", metavar="SIGNATURE")
@_json
def show(signature: str, as_json: bool) -> None:
    """Print a signature: one line a column, a member or a param.

    SIGNATURE is an MLmodel file, its directory, or a JSON file; nothing of the model is run.

    \b
    sparksig show model/
    sparksig show model/MLmodel --json > signature.json     for score --signature
    """  # noqa: D301 - click reads the character
    from sparksig.signature.model_signature import signature_tree
    from sparksig.sources.mlmodel import load_signature

    found = load_signature(signature)
    _say(json.dumps(found.to_dict(), indent=2) if as_json else signature_tree(found))


@app.command()
@click.argument("signature", metavar="SIGNATURE")
@click.argument("table", metavar="TABLE")
@_level
@_rounding
@_nulls
@_json
def plan(signature: str, table: str, level: str, allow_rounding: bool, allow_nulls: bool, as_json: bool) -> int:
    """Say what enforcing SIGNATURE on TABLE would do to each column. TABLE is a Parquet file or directory.

    Only schemas are read, without a JVM. Exits 3 if the schema does not fit.

    \b
    sparksig plan model/ table/
    sparksig plan model/ table/ --level checked     and if values that fit exactly were cast?
    """  # noqa: D301 - click reads the character
    from sparksig.enforcement.frames import plan as make_plan
    from sparksig.pipeline.io import parquet_table
    from sparksig.sources.mlmodel import load_signature

    options: dict[str, Any] = {"level": level, "allow_rounding": allow_rounding, "allow_nulls": allow_nulls}
    made = make_plan(parquet_table("TABLE", table), load_signature(signature), **options)
    _say(json.dumps(made.to_dict(), indent=2) if as_json else str(made))
    return 0 if made.ok else 3


@app.command()
@click.argument("signature", metavar="SIGNATURE")
@click.argument("table", metavar="TABLE")
@_level
@_rounding
@_nulls
@click.option("--name", metavar="NAME", help="What Spark SQL calls the table; the Parquet path unless given.")
def sql(signature: str, table: str, level: str, allow_rounding: bool, allow_nulls: bool, name: str | None) -> None:
    """Print the SELECT that enforces SIGNATURE on TABLE, a Parquet file or directory, to be pasted into spark.sql.

    A row that breaks the signature fails the query that reads it. No column's name stands in the text.

    \b
    sparksig sql model/ table/
    sparksig sql model/ table/ --name warehouse.flights
    """  # noqa: D301 - click reads the character
    from sparksig.enforcement.frames import plan as make_plan
    from sparksig.enforcement.sql import statement
    from sparksig.pipeline.io import literal_path, parquet_table
    from sparksig.sources.mlmodel import load_signature

    options: dict[str, Any] = {"level": level, "allow_rounding": allow_rounding, "allow_nulls": allow_nulls}
    made = make_plan(parquet_table("TABLE", table), load_signature(signature), **options).require_ok()
    path = literal_path(table)
    if name is None and ("`" in path or "$" in path):
        hint = "register it as a view and give its name with --name"
        raise ConfigError("the path cannot be said in SQL", [Problem("TABLE", "it holds '`' or '$'", hint=hint)])
    _say(statement(made, name or f"parquet.`{path}`"))


@app.command()
@click.argument("data", metavar="DATA")
@click.option("--outputs", metavar="DATA", help="Examples of what the model returns.")
@click.option("--params", metavar="FILE", help="A JSON object of params and their defaults.")
@click.option("-o", "--output", metavar="FILE", help="Write the signature to FILE instead of printing it.")
@click.option("--strict", is_flag=True, help="Refuse a column that only Any can be declared for.")
@_json
def infer(data: str, outputs: str | None, params: str | None, output: str | None, strict: bool, as_json: bool) -> None:
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
    returned = None if outputs is None else read_examples("--outputs", outputs)
    found = infer_signature(read_examples("DATA", data), returned, given, strict=strict)
    if output is not None:
        save_signature(found, output)
    if as_json:
        _say(json.dumps(found.to_dict(), indent=2))
    else:
        _say(signature_tree(found) if output is None else f"{signature_tree(found)}\n\nwritten to {output}")


@app.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@_json
def diff(old: str, new: str, as_json: bool) -> int:
    """Say what breaks when the signature NEW takes the place of OLD: for callers, and for stored data.

    Exits 0 if nothing does, 4 if something does.

    \b
    sparksig diff models/v1 models/v2
    """  # noqa: D301 - click reads the character
    from sparksig.signature.compatibility import check_compatible
    from sparksig.sources.mlmodel import load_signature

    found = check_compatible(load_signature(old), load_signature(new))
    _say(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    return 0 if found.compatible else 4


@app.command(cls=_JobCommand, settings=_GROUPS)
@_config
@_json
@_verbose
def score(config_file: str | None, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Score a table: enforce the signature, run the model on clean rows, set dirty rows apart, account for every row.

    \b
    sparksig score --input table/ --model model/ --trust sha256:... \\
        --output scored/ --quarantine quarantine/ --summary summary.json
    sparksig score --config job.yaml --run-id 2026-01-31     see docs/config.md, and sparksig config-schema
    ... --param threshold=0.4 --param 'stops=["a", "b"]'     params as JSON; texts as they are
    ... --level checked --allow-rounding                     further casts
    ... --run-id 2026-01-31                                  again: replaces that run, and no other
    ... --trigger available-now --checkpoint state/          as a stream: what has come since the last time

    The same command runs on a cluster as: spark-submit jobs/batch_score.py, with the same options.

    \b
    0  committed; the summary's verdict is clean or quarantined
    2  nothing was tried: a key, a path, a param, the signature, trust in the model, a foreign folder in the way
    3  the table's schema does not fit the signature: no row was read
    4  no row is clean, or more are bad than the thresholds let pass: nothing was committed
    5  the model, Spark or the accounting failed: nothing was committed
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.config import JobConfig
    from sparksig.pipeline.run import run, run_stream
    from sparksig.report.text import summary_text

    config = _given(flags, config_file, JobConfig)
    with _on_spark("sparksig score", as_json, verbose) as (session, progress):
        summary = (run_stream if config.trigger else run)(config, session, progress)
    _say(json.dumps(summary.to_dict(), indent=2) if as_json else summary_text(summary))


@app.command(cls=_JobCommand, settings=_GROUPS)
@click.argument("run_to_requeue", metavar="RUN_ID")
@_config
@_json
@_verbose
def requeue(run_to_requeue: str, config_file: str | None, as_json: bool, verbose: bool, **flags: Any) -> None:
    """Score the rows again that the run RUN_ID has set apart: after the model, the signature or the levels were mended.

    Takes the job's own options; its table is the quarantine of that run. The rows go to a run of their own,
    RUN_ID.requeued, and are accounted for like any other's; the first run stays as it is.

    \b
    sparksig requeue 2026-01-31 --config job.yaml --allow-nulls
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.config import JobConfig
    from sparksig.pipeline.run import run
    from sparksig.report.text import summary_text

    given = [name for name, value in flags.items() if value is not None and value != ()]
    config = _given(flags, config_file, JobConfig).requeued(run_to_requeue, given)
    with _on_spark("sparksig requeue", as_json, verbose) as (session, progress):
        summary = run(config, session, progress)
    _say(json.dumps(summary.to_dict(), indent=2) if as_json else summary_text(summary))


@app.command(cls=_JobCommand, settings=_CHECKED)
@_config
@click.option("--plan-only", is_flag=True, help="Read schemas only; of a Parquet table without a JVM.")
@click.option("--summary", "summary_file", metavar="FILE", help="Write what was found as a job's summary.")
@_json
@_verbose
def validate(
    config_file: str | None, plan_only: bool, summary_file: str | None, as_json: bool, verbose: bool, **flags: Any
) -> None:
    """Count what is wrong with a table, by column and code, and end as the job would. No model is loaded or run.

    \b
    sparksig validate --input table/ --model model/
    sparksig validate --config job.yaml --plan-only          the file of the job, as it is
    ... --max-bad-ratio 0.01 --column-action price=error     what would be too much

    The same command runs on a cluster as: spark-submit jobs/validate.py, with the same options.

    \b
    0  the schema fits, and no threshold is passed
    2  nothing was tried: a key, a path, the signature
    3  the table's schema does not fit the signature: no row was read
    4  no row is clean, or more are bad than the thresholds let pass
    5  Spark failed, or somebody stopped it
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.run.validation import CheckConfig, validate_job

    config = _given(flags, config_file, CheckConfig)
    with _on_spark("sparksig validate", as_json, verbose) as (session, progress):
        found = validate_job(config, session, progress, plan_only=plan_only, summary=summary_file)
    words = f"{found.plan}" if found.report is None else f"{found.plan}\n\n{found.report}"
    _say(json.dumps(found.summary.to_dict(), indent=2) if as_json else words)


@app.command("config-schema")
def config_schema() -> None:
    """Print the JSON Schema of the file that --config names. docs/config.md explains its keys.

    \b
    sparksig config-schema > job.schema.json     for an editor that checks what is typed
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.config.settings import config_schema as schema

    _say(json.dumps(schema(), indent=2))


@app.command()
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
        _say(page)
    else:
        write_text(output, page)


@app.command("summary-schema")
def summary_schema() -> None:
    """Print the JSON Schema of the summary that a run leaves. Its version is that of the summary's schema_version."""
    from sparksig.report.schema import summary_schema as schema

    _say(json.dumps(schema(), indent=2))


@app.command()
@click.argument("output", metavar="OUTPUT")
@click.argument("run_id", metavar="RUN_ID")
@_json
def recover(output: str, run_id: str, as_json: bool) -> None:
    """Finish the commit of RUN_ID in OUTPUT, the folder of scored rows, that was killed in the middle of it.

    A run that had not been decided by then has left what was there before; there is nothing to finish then. Running the
    same id again does the same first.
    """
    from sparksig.pipeline.sinks import recover as finish

    finished = finish(output, run_id)
    words = "the commit was finished: its new rows hold" if finished else "nothing to finish: no commit is under way"
    _say(json.dumps({"run_id": run_id, "finished": finished}) if as_json else words)


@app.command()
@_json
def doctor(as_json: bool) -> int:
    """Look at Java, the workers' Python, versions and memory; say what is missing and how to get it.

    Exits 5 if something is missing that a batch job needs.
    """
    facts = runtime.doctor()
    if as_json:
        found = [{"name": f.name, "value": f.value, "ok": f.ok, "hint": f.hint} for f in facts]
        _say(json.dumps(found, indent=2))
    else:
        words = {True: "ok", False: "MISSING", None: "optional"}
        rows = [(f.name, words[f.ok], f.value, f.hint or "") for f in facts]
        _say(tables.text(("what", "state", "found", "how to get it"), rows))
    return 5 if any(fact.ok is False for fact in facts) else 0


# ---- from exceptions to words and exit codes


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line, and leave with one of its exit codes.

    Args:
        args: the arguments after the program's name; None takes those of the process.
    """
    given = list(sys.argv[1:] if args is None else args)
    # spark-submit puts the stderr of the program that it runs into its own stdout: there, a document stands alone
    mute = "--json" in given and "PYSPARK_GATEWAY_PORT" in os.environ
    with _warnings_as_lines(mute):
        try:
            result = app.main(args=given, prog_name="sparksig", standalone_mode=False)
            code = result if isinstance(result, int) else 0
        except (Exception, click.Abort, KeyboardInterrupt) as error:
            code = _told(error, "--json" in given, "--verbose" in given, mute)
    if code != 5:
        runtime.forget_log()
    _flush()
    sys.exit(code)


def _told(error: BaseException, as_json: bool, verbose: bool, mute: bool) -> int:
    """Say what is wrong, on stderr and, if asked for, as a document on stdout; the exit code."""
    from sparksig.pipeline.faults import RunError, exit_code, told
    from sparksig.report.summary import problem_dicts
    from sparksig.report.text import error_text, summary_text

    if isinstance(error, click.ClickException):
        ours: SparksigError = ConfigError(error.format_message())
        if not mute:
            error.show()
    else:
        ours = told(KeyboardInterrupt() if isinstance(error, click.Abort) else error)
        log = runtime.spark_log() if exit_code(ours) == 5 else None
        hint = f"\n  Spark's log: {log}" if log else ""
        if not mute:
            click.echo(f"sparksig: {error_text(ours)}{hint}", err=True)
    code = exit_code(ours)
    summary = ours.summary if isinstance(ours, RunError) else None
    if as_json:
        verdict = {2: "usage", 3: "incompatible"}.get(code, "failed")
        failure = {"verdict": verdict, "error": ours.message, "problems": problem_dicts(ours.problems)}
        _say(json.dumps(summary.to_dict() if summary else failure, indent=2))
    elif summary is not None and summary.rows_in is not None:
        _say(summary_text(summary))
    if verbose and not mute:
        # what Spark or a bug said in full; with --verbose Spark prints it anyway
        traceback.print_exception(error.__context__ if isinstance(error, RunError) else error)
    return code


def _say(text: str) -> None:
    """Print a result. Who closed the pipe does not want it, and that changes no exit code."""
    try:
        click.echo(text)
    except BrokenPipeError:
        _close_stdout()


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()


def _close_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _warnings_as_lines(mute: bool) -> Iterator[None]:
    """Our own warnings as a line each on stderr; those of libraries are not for who scores a table."""

    def show_warning(message: Warning | str, category: type[Warning], filename: str, *_: Any, **__: Any) -> None:
        if not mute and Path(filename).is_relative_to(_PACKAGE):
            click.echo(f"warning: {tables.printable(message)}", err=True)

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module="sparksig")
        warnings.showwarning = show_warning
        yield


@contextmanager
def _on_spark(name: str, as_json: bool, verbose: bool) -> Iterator[tuple[Callable[[], SparkSession], Progress]]:
    """How a command gets its session, and who listens to its progress; a signal stops it cleanly."""
    from sparksig.report.live import Silent, live

    if not verbose:
        _hush_py4j()
    with _terminable(), nullcontext(Silent()) if as_json or verbose else live() as progress:
        yield lambda: runtime.session(name, verbose=verbose), progress


@contextmanager
def _terminable() -> Iterator[None]:
    """Take a request to terminate, or a closed terminal, like an interrupt from the keyboard."""
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]  # nohup ignores one of them
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _hush_py4j() -> None:
    """Silence what the connection to the JVM prints, a traceback each time, when a signal cuts it."""
    logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)
    # some of it goes to the root logger
    logging.getLogger().addFilter(lambda record: "py4j" not in Path(record.pathname).parts)


def _pairs(flag: str, texts: Sequence[str], problems: list[Problem]) -> dict[str, str]:
    """Entries of a map, each K=V; what is wrong with them is added to the problems."""
    pairs = [text.partition("=") for text in texts]
    for place, (name, equals, _) in enumerate(pairs, 1):
        if not equals or not name:
            # what stands without a '=' may be a value, so only its place is told
            problems.append(Problem(flag, f"number {place} is not of the form K=V"))
        elif name in [other for other, *_ in pairs[: place - 1]]:
            problems.append(Problem(flag, f"{name} is given twice"))
    return {name: value for name, _, value in pairs}
