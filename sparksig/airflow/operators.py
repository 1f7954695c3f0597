"""Validation and scoring as tasks: a bad table fails its task at once, a bad machine is worth a retry.

check = SparksigValidateOperator(task_id="check", config="nightly.yaml", plan_only=True)
score = SparksigScoreOperator(task_id="score", config="nightly.yaml")
check >> score
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    Asset,
    AssetAlias,
    Context,
)
from airflow.providers.standard.hooks.subprocess import SubprocessHook

from sparksig.airflow import application as started
from sparksig.airflow.links import ReportLink
from sparksig.airflow.runs import run_id_of
from sparksig.airflow.settings import Settings, as_yaml, job_settings, local_path
from sparksig.airflow.verdicts import Ended, Outcome, Stamp, ended, lines, outcomes, small
from sparksig.errors import ConfigError
from sparksig.redaction import masked
from sparksig.report.summary import Summary

_PATIENCE = 60
"""Seconds in which a job that was asked to end has to end."""


class SparksigOperator(SparkSubmitOperator):
    """What both operators have in common: how the job is told what to do, run, and asked how it went.

    The job runs through `spark-submit` and a Spark connection, or, where `python` is given, as a process of that
    Python. Its verdict is read from the summary that it writes. Every try of a task has the same run id, so that a
    retry, or the task once it was cleared, replaces what it wrote before and nothing else.

    Args:
        config: the job's configuration: the name of a YAML file beside the DAG's, which Airflow reads and renders; or
            its text; or a mapping. `docs/config.md` of sparksig explains the keys.
        settings: settings that win over it.
        python: the Python of an environment that has Spark and sparksig, to run the job here without spark-submit. Of
            the arguments for spark-submit only `conf` and `env_vars` apply then.
        on_verdict: what becomes of the task by verdict, where that is to be otherwise: `success`, `skip`, `fail` (at
            once) or `retry`, for `quarantined`, `incompatible` or `over_threshold`.
        report_url: where the report can be seen in a browser, for the link in the UI; the file itself unless given.
        exchange_dir: a folder in which the job finds its configuration while it runs; one for temporary files unless
            given. It must be seen where the driver runs.
        entry_point: the program that spark-submit is given, which takes the job's options as `jobs/batch_score.py` and
            `jobs/validate.py` do; the package's own unless given.
        kwargs: what `SparkSubmitOperator` takes: `conn_id`, `conf`, `py_files`, `driver_memory` and so on, but no
            `application` and no `application_args`.

    Raises:
        ValueError: `on_verdict` asks for what there is not.
    """

    template_fields: Sequence[str] = (
        *SparkSubmitOperator.template_fields,
        "config",
        "settings",
        "python",
        "report_url",
        "exchange_dir",
        "entry_point",
    )
    template_ext: Sequence[str] = (".yaml", ".yml")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **SparkSubmitOperator.template_fields_renderers,
        "config": "yaml",
        "settings": "json",
    }
    operator_extra_links = (ReportLink(),)

    command: ClassVar[str]
    committing: ClassVar[bool]

    def __init__(
        self,
        *,
        config: str | Mapping[str, Any] | None = None,
        settings: Settings | None = None,
        python: str | None = None,
        on_verdict: Mapping[str, Outcome] | None = None,
        report_url: str | None = None,
        exchange_dir: str | None = None,
        entry_point: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name or f"sparksig {self.command}", **kwargs)
        self.config = config
        self.settings = settings or {}
        self.python = python
        self.on_verdict = on_verdict or {}
        self.report_url = report_url
        self.exchange_dir = exchange_dir
        self.entry_point = entry_point
        self._outcomes = outcomes(self.on_verdict, committing=self.committing)
        self._process: SubprocessHook | None = None
        self.report = ""

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the job and do what its verdict asks for.

        Returns:
            The summary without the plan and the signature, for XCom.

        Raises:
            AirflowFailException: no retry would help: the schema does not fit, too many rows are bad, or the job is
                told what it cannot do.
            AirflowSkipException: where `on_verdict` says so.
            AirflowException: the model, Spark or a machine failed; retries apply.
        """
        with tempfile.TemporaryDirectory(prefix="sparksig-", dir=self.exchange_dir) as folder:
            asked = self._asked(context, Path(folder))
            summary = self._summary(asked, Path(folder))
            place = local_path(summary)
            if summary and place is None:
                raise AirflowFailException(
                    f"summary: {masked(summary or '')} is no file that a worker of Airflow can read"
                )
            job = Path(folder) / "job.yaml"
            job.write_text(_text(asked), encoding="utf-8")
            before = Stamp.of(place)
            code = self._run(["--config", str(job), *self._options(summary)], context)
            end = ended(place, before, asked["run_id"], code)
        return self._settle(end, asked, summary, context)

    def on_kill(self) -> None:
        """Stop the job, which takes a request to terminate as the end of the run and commits nothing."""
        if self._process is not None:
            self._stop(self._process)
        elif self._hook is not None:
            super().on_kill()

    # ---- what is asked

    def _asked(self, context: Context, folder: Path) -> dict[str, Any]:
        try:
            asked = job_settings(self.config, self.settings, folder)
        except ConfigError as error:
            raise AirflowFailException(str(error)) from None
        if asked.get("trigger"):
            raise AirflowFailException("trigger: a stream names its runs itself, and a task has one run")
        return {**asked, "run_id": str(asked.get("run_id") or self._run_id(context))}

    def _run_id(self, context: Context) -> str:
        ti: Any = context["ti"]
        return run_id_of(
            self.dag_id, self.task_id, ti.map_index, context["dag_run"].logical_date, context["dag_run"].run_id
        )

    def _summary(self, asked: Mapping[str, Any], folder: Path) -> str | None:
        """Where the job writes its summary; None where it will say itself that none is given."""
        raise NotImplementedError

    def _options(self, summary: str | None) -> list[str]:
        return []

    # ---- the run

    def _run(self, options: list[str], context: Context) -> int | None:
        """Run the job; its exit code, None where it did not go well and nobody knows."""
        program = self.entry_point or started.__file__
        words = options if self.entry_point else [self.command, *options]
        if self.python:
            return self._run_here([self.python, program, *words])
        self.application, self.application_args = program, words
        try:
            super().execute(context)
        except AirflowException:
            process = getattr(self._hook, "_submit_sp", None)
            if process is None:  # spark-submit was not started, and why is in these words only
                raise
            # else they are the command line and the end of the log that stands above: they decide nothing
            return process.returncode or None
        return 0

    def _run_here(self, command: list[str]) -> int:
        env = {**os.environ, "PYSPARK_PYTHON": command[0], **{k: str(v) for k, v in (self.env_vars or {}).items()}}
        if self.conf:
            words = [word for key, value in self.conf.items() for word in ("--conf", f"{key}={value}")]
            env["PYSPARK_SUBMIT_ARGS"] = shlex.join([*words, "pyspark-shell"])
        self._process = SubprocessHook()
        try:
            # the folder of this process: a relative path means the same as with spark-submit
            return int(self._process.run_command(command, env=env, cwd=os.getcwd()).exit_code)
        except BaseException:  # a time that is up, above all: no job goes on beside the next try
            self._stop(self._process)
            raise

    @staticmethod
    def _stop(process: SubprocessHook) -> None:
        child = process.sub_process
        if child is None or child.poll() is not None:
            return
        process.send_sigterm()
        try:
            child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)  # the hook has made it the leader of a group

    # ---- what follows

    def _settle(self, end: Ended, asked: Mapping[str, Any], summary: str | None, context: Context) -> dict[str, Any]:
        told = {"run_id": asked["run_id"], "verdict": end.verdict, "error": end.why or None}
        if end.summary is not None:
            told = small(end.summary, self._kept(summary))
            for line in lines(end.summary):
                self.log.info("%s", line)
            self.report = self._link(end.summary)
        outcome = self._outcomes[end.verdict]
        if outcome == "success":
            self._announce(end, context)
            return told
        if self.do_xcom_push:
            ti: Any = context["ti"]
            ti.xcom_push(key="return_value", value=told)  # a task that fails returns nothing; others may want to know
        words = f"{end.verdict}: {end.why}" if end.why else end.verdict
        if outcome == "skip":
            raise AirflowSkipException(words)
        raise AirflowFailException(words) if outcome == "fail" else AirflowException(words)

    def _kept(self, summary: str | None) -> str | None:
        return summary

    def _link(self, summary: Summary) -> str:
        place = summary.outputs.get("report")
        local = local_path(place)
        return "" if place is None else self.report_url or (Path(local).absolute().as_uri() if local else place)

    def _announce(self, end: Ended, context: Context) -> None:
        """Tell of what now lies in the outputs."""


class SparksigValidateOperator(SparksigOperator):
    """Hold a table against a model's signature, before anybody scores it. No model is loaded, nothing is written.

    The task succeeds if the schema fits and no threshold is passed, and fails without a retry if not;
    `on_verdict={"incompatible": "success"}` leaves it to a branch behind it.

    Args:
        plan_only: read schemas only; for a whole Parquet table, without `where` or `columns`, the job starts no JVM.
        summary: keep the summary in this file. The configuration's own `summary` is that of the scoring, and is left.
        kwargs: what `SparksigOperator` takes.
    """

    ui_color = "#fdf3d8"
    template_fields: Sequence[str] = (*SparksigOperator.template_fields, "summary")
    command = "validate"
    committing = False

    def __init__(self, *, plan_only: bool = False, summary: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_only = plan_only
        self.summary = summary

    def _summary(self, asked: Mapping[str, Any], folder: Path) -> str | None:
        return self.summary or str(folder / "summary.json")

    def _kept(self, summary: str | None) -> str | None:
        return self.summary

    def _options(self, summary: str | None) -> list[str]:
        return [*(["--plan-only"] if self.plan_only else []), "--summary", str(summary)]


class SparksigScoreOperator(SparksigOperator):
    """Score a table: scored rows, rows set apart, a summary, and an account of every row.

    Args:
        scored_asset: the scored rows; each success is an event of it, with the counts in its `extra`.
        quarantine_asset: the rows set apart; an event of it comes from a run that has set some apart, with the counts.
        kwargs: what `SparksigOperator` takes.
    """

    ui_color = "#dcefe3"
    command = "score"
    committing = True

    def __init__(
        self, *, scored_asset: Asset | None = None, quarantine_asset: Asset | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.scored_asset = scored_asset
        self.quarantine_asset = quarantine_asset
        outlets: list[Any] = [] if scored_asset is None else [scored_asset]
        if quarantine_asset is not None:
            # a plain outlet has an event with every success, an alias with those to which one is added
            self._quarantine = AssetAlias(f"{self.task_id}: {quarantine_asset.name}")
            outlets.append(self._quarantine)
        self.outlets: list[Any] = [*self.outlets, *outlets]

    def _summary(self, asked: Mapping[str, Any], folder: Path) -> str | None:
        given = asked.get("summary")
        return given if isinstance(given, str) else None

    def _announce(self, end: Ended, context: Context) -> None:
        done = end.summary
        if done is None:
            return
        events: Any = context["outlet_events"]
        counts = {"run_id": done.run_id, "verdict": done.verdict, "rows_in": done.rows_in}
        if self.scored_asset is not None:
            events[self.scored_asset].extra = {**counts, "rows": done.rows_scored}
        if self.quarantine_asset is not None and done.rows_quarantined:
            by_code: dict[str, int] = {}
            for count in done.violations:
                by_code[count.code] = by_code.get(count.code, 0) + count.rows
            extra = {**counts, "rows": done.rows_quarantined, "violations": by_code}
            events[self._quarantine].add(self.quarantine_asset, extra=extra)


def _text(asked: Mapping[str, Any]) -> str:
    from yaml import YAMLError

    try:
        return as_yaml(asked)
    except YAMLError:  # its message shows the value
        raise AirflowFailException("settings: a value is of a type that YAML does not know") from None
