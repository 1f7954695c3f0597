"""The commands that run Spark over a table: score, requeue, validate; and what explains their configuration."""

from __future__ import annotations

import json
from typing import Any

import click

from sparksig.cli.options import CHECKED, GROUPS, JobCommand, config_option, given_config, json_option, verbose_option
from sparksig.cli.terminal import on_spark, say


@click.command(cls=JobCommand, settings=GROUPS)
@config_option
@json_option
@verbose_option
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
    4  no row is clean, or more are bad than the thresholds let pass: nothing was committed, quarantined rows are kept
    5  the model, Spark or the accounting failed: nothing was committed
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.config import JobConfig
    from sparksig.pipeline.run import run, run_stream
    from sparksig.report.text import summary_text

    config = given_config(flags, config_file, JobConfig)
    with on_spark("sparksig score", as_json, verbose) as (session, progress):
        summary = (run_stream if config.trigger else run)(config, session, progress)
    say(json.dumps(summary.to_dict(), indent=2) if as_json else summary_text(summary))


@click.command(cls=JobCommand, settings=GROUPS)
@click.argument("run_to_requeue", metavar="RUN_ID")
@click.option(
    "--rejected", is_flag=True, help="Take the rows that were kept when the run ended 4, instead of its quarantine."
)
@config_option
@json_option
@verbose_option
def requeue(
    run_to_requeue: str, rejected: bool, config_file: str | None, as_json: bool, verbose: bool, **flags: Any
) -> None:
    """Score the rows again that the run RUN_ID has set apart: after the model, the signature or the levels were mended.

    Takes the job's own options; its table is the quarantine of that run. The rows go to a run of their own,
    RUN_ID.requeued, and are accounted for like any other's; the first run stays as it is.

    \b
    sparksig requeue 2026-01-31 --config job.yaml --allow-nulls
    ... --rejected                                           of a run that ended 4 and was not committed
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.config import JobConfig
    from sparksig.pipeline.run import run
    from sparksig.report.text import summary_text

    given = [name for name, value in flags.items() if value is not None and value != ()]
    own = flags.pop("run_id")  # not the job's: of a stream that has none, it names this run all the same
    config = given_config(flags, config_file, JobConfig).requeued(run_to_requeue, given, own, rejected=rejected)
    with on_spark("sparksig requeue", as_json, verbose) as (session, progress):
        summary = run(config, session, progress)
    say(json.dumps(summary.to_dict(), indent=2) if as_json else summary_text(summary))


@click.command(cls=JobCommand, settings=CHECKED)
@config_option
@click.option("--plan-only", is_flag=True, help="Read schemas only; of a Parquet table without a JVM.")
@click.option("--summary", "summary_file", metavar="FILE", help="Write what was found as a job's summary.")
@json_option
@verbose_option
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

    config = given_config(flags, config_file, CheckConfig)
    with on_spark("sparksig validate", as_json, verbose) as (session, progress):
        found = validate_job(config, session, progress, plan_only=plan_only, summary=summary_file)
    words = f"{found.plan}" if found.report is None else f"{found.plan}\n\n{found.report}"
    say(json.dumps(found.summary.to_dict(), indent=2) if as_json else words)


@click.command("config-schema")
def config_schema() -> None:
    """Print the JSON Schema of the file that --config names. docs/config.md explains its keys.

    \b
    sparksig config-schema > job.schema.json     for an editor that checks what is typed
    """  # noqa: D301 - click reads the character
    from sparksig.pipeline.config.settings import config_schema as schema

    say(json.dumps(schema(), indent=2))
