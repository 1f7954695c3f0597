"""The command line as a user meets it: words, documents, exit codes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparksig import cli, errors
from sparksig._version import __version__
from sparksig.pipeline.faults import EXIT, OverThreshold, RunError, Stopped, exit_code
from sparksig.report.schema import summary_schema
from sparksig.report.summary import Summary
from sparksig.sources.mlmodel import save_signature
from tests.flights import ROOT, call, environment
from tests.pipeline.estimators import Raising, Sleeping
from tests.pipeline.jobs import SECRET, SIGNATURE, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sparksig(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command in this process: its exit code, stdout and stderr."""

    def invoke(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(args)
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return invoke


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path).table(TABLE).model()


# ---- what needs no job


CANARY = "kanarie"


def rows(path: Path) -> str:
    """Two rows with gaps, as JSON lines."""
    path.write_text(
        f'{{"a": 1, "o": {{"x": 1}}, "s": "{CANARY}"}}\n{{"a": null, "o": {{"x": 2, "y": true}}, "s": ""}}\n'
    )
    return str(path)


def test_cli_infer_declares_what_examples_show(sparksig: Call, tmp_path: Path) -> None:
    written = tmp_path / "signature.json"
    params = tmp_path / "params.json"
    params.write_text('{"threshold": 0.5, "stops": ["a"]}')
    pq.write_table(pa.table({"p": pa.array([0.5, None], pa.float32())}), tmp_path / "out.parquet")
    (tmp_path / "empty.csv").write_text("n,when\n1,2024-01-01 00:00:00\n")
    args = ["--outputs", str(tmp_path / "out.parquet"), "--params", str(params), "-o", str(written)]
    code, out, err = sparksig("infer", rows(tmp_path / "rows.jsonl"), *args)
    assert (code, err) == (0, "") and CANARY not in out
    told = ["inputs", "a: long (optional)", "o: object (required)", "x: long (required)", "y: boolean (optional)"]
    assert [line.strip() for line in out.splitlines()[:5]] == told
    code, shown, _ = sparksig("show", str(written))
    assert code == 0 and out.startswith(shown) and "stops: " in shown and "p: float (optional)" in shown
    code, out, _ = sparksig("infer", str(tmp_path / "empty.csv"), "--json")
    assert code == 0 and [c["type"] for c in json.loads(json.loads(out)["inputs"])] == ["long", "datetime"]


@pytest.mark.parametrize("name", ["nothing.csv", "bad.jsonl", "bad.json", "bad.csv", "bad.parquet"])
def test_cli_infer_names_a_file_that_it_cannot_read(sparksig: Call, tmp_path: Path, name: str) -> None:
    if name != "nothing.csv":
        (tmp_path / name).write_text(f"{{{CANARY}\n1,2,3\n4")
    code, out, err = sparksig("infer", str(tmp_path / name))
    assert (code, out) == (2, "") and "DATA" in err and CANARY not in err and "Traceback" not in err


def test_cli_diff_ends_4_where_something_breaks(sparksig: Call, tmp_path: Path) -> None:
    for name, kind in (("old", "long"), ("new", "integer")):
        text = json.dumps([{"name": "a", "type": kind}])
        (tmp_path / name).write_text(json.dumps({"inputs": text, "outputs": None, "params": None}))
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    code, out, _ = sparksig("diff", old, new)
    assert code == 4 and "inputs.a" in out
    assert sparksig("diff", new, old)[0] == 0 == sparksig("diff", old, old)[0]
    code, out, _ = sparksig("diff", old, new, "--json")
    assert code == 4 and json.loads(out)["compatible"] is False
    assert sparksig("diff", old, str(tmp_path / "none"))[0] == 2


def test_cli_help_shows_commands_examples_and_exit_codes(sparksig: Call) -> None:
    assert sparksig("--version")[:2] == (0, f"sparksig, version {__version__}\n")
    for args in (["--help"], ["-h"]):
        code, out, _ = sparksig(*args)
        assert code == 0
        assert "sparksig plan model/ table/" in out
        assert "Exit codes: 0 committed or fine, 2 usage" in out
    code, out, _ = sparksig("score", "--help")
    assert code == 0
    assert "--param threshold=0.4" in out
    assert "spark-submit jobs/batch_score.py" in out
    for command in ("show", "plan", "validate", "config-schema", "doctor"):
        assert sparksig(command, "--help")[0] == 0


@pytest.mark.parametrize("args", [[], ["nope"], ["show"], ["score"], ["score", "--level", "lenient"], ["show", "-x"]])
def test_cli_usage_errors_end_2(sparksig: Call, args: list[str]) -> None:
    code, out, err = sparksig(*args)
    assert (code, out) == (2, "")
    assert "Usage: sparksig" in err


@pytest.mark.parametrize("args", [["score"], ["show", "no/such"], ["plan", "no", "such"], ["show"]])
def test_cli_prints_an_error_as_one_document_with_json(sparksig: Call, args: list[str]) -> None:
    code, out, err = sparksig(*args, "--json")
    assert code == 2
    assert json.loads(out)["verdict"] == "usage"
    assert json.loads(out)["error"] in err
    assert sparksig(*args)[0] == code


def test_cli_show_prints_a_tree_and_mlflows_json(sparksig: Call, job: Job) -> None:
    code, out, err = sparksig("show", job.path("model"))
    tree = ["inputs", "  x: double (required)", "outputs", "  y: double (required)", "params", "  factor: double = 2.0"]
    assert (code, out.splitlines()[:6], err) == (0, tree, "")
    assert json.loads(sparksig("show", job.path("model"), "--json")[1]) == SIGNATURE.to_dict()


def test_cli_show_rejects_a_file_without_a_signature(sparksig: Call, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"inputs": [')
    code, out, err = sparksig("show", str(tmp_path / "s.json"))
    assert (code, out) == (2, "")
    assert str(tmp_path / "s.json") in err


def test_cli_plan_reports_whether_a_table_fits(sparksig: Call, job: Job) -> None:
    code, out, err = sparksig("plan", job.path("model"), job.path("source"))
    assert (code, err) == (0, "")
    assert out.startswith("the table fits\n")
    pq.write_table(pa.table({"x": [str(SECRET)]}), job.root / "texts")
    code, out, err = sparksig("plan", job.path("model"), job.path("texts"))
    assert (code, err) == (3, "")
    assert "--level parse admits it" in out
    assert str(SECRET) not in out
    assert sparksig("plan", job.path("model"), job.path("texts"), "--level", "parse")[0] == 0
    code, out, _ = sparksig("plan", job.path("model"), job.path("texts"), "--json")
    assert (code, json.loads(out)["ok"]) == (3, False)


def test_plan_and_validate_report_an_absent_optional_column(sparksig: Call, job: Job) -> None:
    declared = [{"name": "x", "type": "double"}, {"name": "ids", "type": "long", "required": False}]
    (job.root / "s.json").write_text(json.dumps({"inputs": json.dumps(declared), "outputs": None, "params": None}))
    line = "warning: ids: optional, but the table has no such column: the model receives nulls; did you mean 'id'?"
    command = ["plan", job.path("s.json"), job.path("source")]
    code, out, _ = sparksig(*command)
    assert code == 0 and line in out.splitlines()
    assert [each["path"] for each in json.loads(sparksig(*command, "--json")[1])["warnings"]] == ["ids"]
    assert line not in sparksig(*command, "--on-absent", "ignore")[1]
    assert sparksig(*command, "--on-absent", "error")[0] == 3
    command = ["validate", "--input", job.path("source"), "--signature", job.path("s.json"), "--plan-only"]
    code, _, err = sparksig(*command)
    assert code == 0 and err.splitlines().count(line) == 1
    code, _, err = sparksig(*command, "--fail-on-warning")
    assert code == 4 and "a warning ends the run (--fail-on-warning): ids: optional" in err
    code, _, err = sparksig(*command, "--on-absent", "error")
    assert code == 3 and "did you mean 'id'?" in err


def test_cli_plan_reports_columns_that_spark_does_not_read(sparksig: Call, job: Job) -> None:
    table = pa.table({"x": [1.0], "at": pa.array([0], pa.timestamp("ns", "UTC"))})
    pq.write_table(table, job.root / "nanos")
    code, out, err = sparksig("plan", job.path("model"), job.path("nanos"))
    assert (code, err) == (3, "")
    assert "Spark does not read nanoseconds" in out and "write microseconds" in out
    assert "Spark does not read nanoseconds" in sparksig("sql", job.path("model"), job.path("nanos"))[2]
    pq.write_table(table, job.root / "old", use_deprecated_int96_timestamps=True)  # Arrow calls these nanoseconds too
    assert sparksig("plan", job.path("model"), job.path("old"))[::2] == (0, "")


def test_cli_plan_rejects_a_model_given_as_the_table(sparksig: Call, job: Job) -> None:
    code, _, err = sparksig("plan", job.path("source"), job.path("model"))
    assert code == 2 and "name the signature first, then the table" in err


def test_cli_plan_takes_the_table_and_the_model_as_options(sparksig: Call, job: Job) -> None:
    for command in ("score", "validate"):
        code, _, err = sparksig(command, job.path("model"), job.path("source"))
        assert code == 2 and "2 word(s) too many: the table goes behind --input" in err


def test_cli_help_shows_defaults(sparksig: Call) -> None:
    out = " ".join(sparksig("score", "--help")[1].split())
    assert all(f"[default: ({name})]" in out for name in ("safe", "parquet", "none"))


def test_cli_plan_rejects_a_missing_table_and_other_formats(sparksig: Call, job: Job) -> None:
    for table in ("nowhere", "trust"):
        code, out, err = sparksig("plan", job.path("model"), job.path(table))
        assert (code, out) == (2, "")
        assert f"TABLE: no{'thing' if table == 'nowhere' else ' Parquet'}" in err


def test_cli_show_and_plan_start_no_process_and_load_no_spark(job: Job) -> None:
    arguments = [["show", job.path("model")], ["plan", job.path("model"), job.path("source")]]
    code = f"""
import subprocess, sys
def no_process(*a, **k): raise AssertionError("a process was started")
subprocess.Popen = no_process
from sparksig import cli
for args in {arguments!r}:
    try: cli.main(args)
    except SystemExit as end: assert end.code == 0, end.code
print(sorted(set(sys.modules) & {{"pyspark", "py4j", "mlflow", "sklearn"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_cli_report_writes_one_page_of_a_summary(sparksig: Call, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(Summary("night", "clean", 2, 2, 0).to_dict()))
    code, page, err = sparksig("report", str(tmp_path / "s.json"))
    assert (code, err) == (0, "") and page.startswith("<!doctype html>") and "night" in page
    assert sparksig("report", str(tmp_path / "s.json"), "-o", str(tmp_path / "out" / "r.html")) == (0, "", "")
    assert (tmp_path / "out" / "r.html").read_text() == page.removesuffix("\n")


def test_cli_report_rejects_a_file_that_is_not_a_summary(sparksig: Call, tmp_path: Path) -> None:
    given = {
        "old.json": '{"schema_version": 1}',
        "cut.json": f'{{"{CANARY}',
        "bytes.json": "\udcff",
        "deep.json": "[" * 99999,
    }
    for name, text in given.items():
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        code, out, err = sparksig("report", str(tmp_path / name))
        assert (code, out) == (2, "") and CANARY not in err and err.count("\n") <= 3, name
    assert sparksig("report", str(tmp_path / "none.json"))[0] == 2


def test_cli_summary_schema_prints_the_schema(sparksig: Call) -> None:
    code, out, err = sparksig("summary-schema")
    assert (code, err, json.loads(out)) == (0, "", summary_schema())


def test_cli_escapes_control_characters_in_names(sparksig: Call, tmp_path: Path) -> None:
    from sparksig.signature.model_signature import ModelSignature
    from sparksig.signature.schema import ColSpec, Schema

    save_signature(ModelSignature(Schema([ColSpec("double", "a\x1b[2Jb")])), tmp_path / "s.json")
    pq.write_table(pa.table({"c": [1.0]}), tmp_path / "t")
    for args in (["show", f"{tmp_path}/s.json"], ["plan", f"{tmp_path}/s.json", f"{tmp_path}/t"]):
        _, out, err = sparksig(*args)
        assert "\x1b" not in out + err
        assert r"a\x1b[2Jb" in out


def test_cli_doctor_lists_facts_as_text_and_json(sparksig: Call) -> None:
    code, out, _ = sparksig("doctor")
    facts = json.loads(sparksig("doctor", "--json")[1])
    assert code == (5 if any(fact["ok"] is False for fact in facts) else 0)
    assert {"Java", "worker Python", "pyspark", "memory"} <= {fact["name"] for fact in facts}
    assert all(fact["name"] in out for fact in facts)


# ---- score, as far as it goes without a JVM


def test_cli_score_reports_invalid_params_without_their_values(sparksig: Call, job: Job) -> None:
    code, out, err = sparksig(*job.argv("--param", "factor=hunter2", "--param", "times=2.5"))
    assert (code, out) == (2, "")
    assert "hunter2" not in err
    assert "2.5" not in err
    assert "factor: " in err
    assert "times: " in err


def test_cli_score_rejects_params_without_a_name_or_given_twice(sparksig: Call, job: Job) -> None:
    words = ("hunter2", "=hunter2", "factor=1", "factor=hunter2")
    code, _, err = sparksig(*job.argv(*(word for each in words for word in ("--param", each))))
    assert code == 2
    assert "hunter2" not in err
    assert [line.strip() for line in err.splitlines()[1:]] == [
        "--param: number 1 is not of the form K=V",
        "--param: number 2 is not of the form K=V",
        "--param: factor is given twice",
    ]


def test_cli_score_reports_all_invalid_paths_at_once(sparksig: Call, job: Job) -> None:
    code, out, err = sparksig(*job.argv("--input", "no", "--model", "neither", "--json"))
    assert code == 2
    assert [problem["path"] for problem in json.loads(out)["problems"]] == ["--input", "--model"]
    assert "Traceback" not in err
    assert job.left() == []


def yaml_of(job: Job, **more: Any) -> str:
    """The job as a file."""
    names = ("input", "model", "trust", "output", "quarantine", "summary")
    (job.root / "job.yaml").write_text(json.dumps({name: getattr(job.config(), name) for name in names} | more))
    return job.path("job.yaml")


def test_cli_score_reports_all_faults_of_the_file_and_of_the_options(sparksig: Call, job: Job) -> None:
    file = yaml_of(job, where=["hunter2"], max_bad_rws="hunter2")
    code, out, err = sparksig("score", "--config", file, "--pin", "none", "--param", "hunter2", "--max-bad-ratio", "7")
    assert (code, out) == (2, "") and "hunter2" not in err and "did you mean max_bad_rows?" in err
    assert [line.split(": ")[0].strip() for line in err.splitlines() if line.startswith("  -")] == [
        *("--param", "--max-bad-ratio"),
    ]
    assert f"{file}: where: a text is expected, not a list" in err
    for command in ("score", "validate"):
        code, out, _ = sparksig(command, "--config", file, "--json")
        assert code == 2 and {problem["path"] for problem in json.loads(out)["problems"]} == {
            f"{file}: where",
            f"{file}: max_bad_rws",
        }


def test_cli_validate_takes_the_file_from_the_environment(
    sparksig: Call, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARKSIG_CONFIG", yaml_of(job))
    assert sparksig("validate", "--plan-only")[0] == 0
    monkeypatch.setenv("SPARKSIG_LOGICAL_DATE", "hunter2")
    code, _, err = sparksig("validate", "--plan-only")
    assert code == 2 and "SPARKSIG_LOGICAL_DATE: not a date" in err and "hunter2" not in err


def test_cli_validate_plan_only_reads_schemas_without_spark(sparksig: Call, job: Job) -> None:
    code, out, err = sparksig("validate", "--config", yaml_of(job, column_actions={"x": "warn"}), "--plan-only")
    assert code == 0 and [line.split()[0] for line in err.splitlines()] == ["check", "plan"] and "the table fits" in out
    pq.write_table(pa.table({"x": [str(SECRET)]}), job.root / "texts")
    given = ("validate", "--input", job.path("texts"), "--model", job.path("model"), "--plan-only")
    code, out, err = sparksig(*given)
    assert (code, out) == (3, "") and "--level parse admits it" in err and str(SECRET) not in err
    code, out, _ = sparksig(*given, "--json")
    assert (code, json.loads(out)["verdict"]) == (3, "incompatible")
    assert sparksig(*given, "--level", "parse")[0] == 0
    code, _, err = sparksig(*given, "--column-action", "y=warn")
    assert code == 2 and "the signature has no column y" in err


def test_cli_validate_writes_only_the_requested_summary(sparksig: Call, job: Job) -> None:
    file = yaml_of(job)
    assert sparksig("validate", "--config", file, "--plan-only")[0] == 0
    assert job.left(["job.yaml"]) == []
    assert sparksig("validate", "--config", file, "--plan-only", "--summary", job.path("found.json"))[0] == 0
    assert job.left(["job.yaml"]) == ["found.json"]


def test_cli_config_schema_prints_the_schema(sparksig: Call) -> None:
    code, out, err = sparksig("config-schema")
    assert (code, err) == (0, "") and json.loads(out)["properties"]["max_bad_ratio"]["maximum"] == 1


def test_cli_infer_runs_as_a_job(tmp_path: Path) -> None:
    job = Path(__file__).resolve().parent.parent / "jobs" / "infer.py"
    done = call(tmp_path, sys.executable, job, rows(tmp_path / "rows.jsonl"), "-o", "s.json")
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "s.json").is_file()


def test_cli_maps_every_error_to_an_exit_code_other_than_1() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SparksigError)
    ]
    codes = {kind.__name__: exit_code(kind("x")) for kind in (*kinds, OverThreshold, Stopped)}
    assert {name for name, code in codes.items() if code == 3} == {"SchemaError"}
    assert {name for name, code in codes.items() if code == 4} == {"OverThreshold"}
    assert {name for name, code in codes.items() if code == 5} == {
        *("SparksigError", "ViolationError", "ModelError", "OutputError", "AccountingError", "EnvironmentFault"),
        "Stopped",
    }
    assert set(codes.values()) | set(EXIT.values()) == {0, 2, 3, 4, 5}
    assert exit_code(RunError(errors.SinkError("the disk is full"), "failed")) == 5


# ---- score on Spark, in a process of its own


def sparksig_process(*args: str) -> subprocess.CompletedProcess[str]:
    return call(Path.cwd(), Path(sys.executable).parent / "sparksig", *args)


@pytest.mark.spark
def test_cli_score_reports_a_raising_model_and_names_sparks_log(job: Job) -> None:
    from sparksig.models.saving import save_model

    artifact = save_model(job.root / "model", Raising(), SIGNATURE, overwrite=True)
    (job.root / "trust").write_text(artifact.digest)
    done = sparksig_process(*job.argv("--json", "--param", "unknown=1"))
    assert done.returncode == 5
    document = json.loads(done.stdout)
    assert document == job.summary()
    assert (document["verdict"], document["warnings"]) == ("failed", [done.stderr.splitlines()[0][len("warning: ") :]])
    warning, told, fact, hint, log = done.stderr.splitlines()
    assert warning.startswith("warning: unknown params are ignored: unknown")
    assert re.fullmatch(r"sparksig: the model raised ValueError on a batch of \d rows", told)
    assert fact == "  --model: which rows it was is not known" and "--on-model-error quarantine" in hint
    path = Path(log.removeprefix("  Spark's log: "))
    assert path.is_file()
    path.unlink()
    assert str(SECRET) not in done.stdout + done.stderr
    assert job.left() == ["summary.json"]


@pytest.mark.spark
def test_cli_score_under_spark_submit_ends_3_with_one_document_and_keeps_the_outputs(job: Job) -> None:
    pq.write_table(pa.table({"id": [1], "x": [str(SECRET)]}), job.root / "source" / "part-0.parquet")
    job.root.joinpath("scored").mkdir()
    submit = [Path(sys.executable).parent / "spark-submit", "--master", "local[1]", "--conf", "spark.ui.enabled=false"]
    done = call(job.root, *submit, ROOT / "jobs" / "batch_score.py", *job.argv("--json")[1:])
    assert done.returncode == 3, done.stdout + done.stderr
    document = json.loads(done.stdout)  # spark-submit merges the job's stderr into it, of which there is nothing
    assert (document["verdict"], document["rows_in"]) == ("incompatible", None)
    assert [problem["path"] for problem in document["problems"]] == ["x"]
    assert document == job.summary()
    assert job.left() == ["scored", "summary.json"]


# ---- score on Spark, in this process


def test_cli_validate_ends_with_the_same_code_with_and_without_json(
    sparksig: Call, job: Job, spark: SparkSession
) -> None:
    file = yaml_of(job)
    code, out, err = sparksig("validate", "--config", file)
    assert code == 0, err
    assert "4 rows: 3 clean, 1 with violations" in out and str(SECRET) not in out + err
    over = [sparksig("validate", "--config", file, "--max-bad-rows", "0", *more) for more in ((), ("--json",))]
    assert [code for code, _, _ in over] == [4, 4]
    assert over[0][2].splitlines()[-1] == "sparksig: 1 of 4 rows are bad, more than 0"
    document = json.loads(over[1][1])
    assert (document["verdict"], document["rows_in"], document["rows_violating"]) == ("over_threshold", 4, 1)
    assert job.left(["job.yaml"]) == []


def test_cli_score_reads_a_file_and_an_option_wins(sparksig: Call, job: Job, spark: SparkSession) -> None:
    (job.root / "t.csv").write_text(f"id;x\n1;1.5\n2;{SECRET}\n3;\n4;9.5\n")
    more = {"input": job.path("t.csv"), "format": "csv", "input_options": {"header": True, "sep": ";"}}
    file = yaml_of(job, **more, level="parse", where="id < 4", run_id="of-file", params={"factor": 3})
    code, _, err = sparksig("score", "--config", file, "--run-id", "of-flag", "--json")
    assert code == 0, err
    assert (job.summary()["run_id"], job.summary()["rows_in"]) == ("of-flag", 3)
    assert job.rows("scored", "of-flag")[0] == {"id": "1", "x": "1.5", "prediction": 4.5}


# ---- score on Spark, stopped


@pytest.mark.spark
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.cluster), signal.SIGTERM])
def test_cli_score_stopped_by_a_signal_commits_nothing(job: Job, number: signal.Signals) -> None:
    from sparksig.models.saving import save_model

    sign = job.root / "source" / "_begun"
    artifact = save_model(job.root / "model", Sleeping(str(sign)), SIGNATURE, overwrite=True)
    (job.root / "trust").write_text(artifact.digest)
    command = [str(Path(sys.executable).parent / "sparksig"), *job.argv()]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 120
        while not sign.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (5, ""), err
    assert "sparksig: stopped by a signal; nothing was committed" in err.splitlines()
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if "java" in line.lower()] == []
    assert job.left() == ["summary.json"]
    assert job.summary()["verdict"] == "failed"
