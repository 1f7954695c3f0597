"""Credentials are masked wherever text leaves the product; the run itself uses them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import click
import pytest

from sparksig import cli
from sparksig.errors import ConfigError, Problem, SparksigError
from sparksig.pipeline.config import JobConfig
from sparksig.redaction import masked, masked_values, without_credentials
from sparksig.report.summary import Count, Summary
from sparksig.report.text import summary_text
from tests.pipeline.jobs import SIGNATURE, TABLE, Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SECRET = "zugspitze"
DIGEST = "56effc61d6c2fa1835b49d2843ff9c8902daeb4502e1348ad2bc17dcd4c81d86"

MASKED = {
    # user information
    f"s3a://AKIA:{SECRET}@lake/table": "s3a://***@lake/table",
    f"s3://AKIA:{SECRET}@lake/table?region=r": "s3://***@lake/table?***",
    f"s3n://{SECRET}@lake": "s3n://***@lake",
    f"s3://AKIA:ab%2F{SECRET}%40@lake/table": "s3://***@lake/table",
    f"s3://AKIA:ab/{SECRET}@lake/table": "s3://***@lake/table",
    f"s3://AKIA:12/{SECRET}@lake/table": "s3://***@lake/table",
    f"s3://AKIA:a@b/{SECRET}@lake/table": "s3://***@lake/table",
    f"s3://AKIA:a?{SECRET}@lake/table": "s3://***@lake/table",
    f"s3://AKIA:a {SECRET}@lake/table": "s3://***@lake/table",
    f"s3://AKIA:{SECRET}/table": "s3://AKIA:***/table",
    f"s3:/AKIA:{SECRET}@lake/table": "s3:/***@lake/table",
    f"/data/s3:/{SECRET}@lake/table": "/data/s3:/***@lake/table",
    f"https://user:{SECRET}@host:8443/p?sig={SECRET}#f": "https://***@host:8443/p?***",
    f"https://{SECRET}@host/p": "https://***@host/p",
    f"hdfs://user:{SECRET}@name:8020/x": "hdfs://***@name:8020/x",
    f"hdfs://{SECRET}@name:8020/x": "hdfs://***@name:8020/x",
    f"thrift://a:9083,thrift://u:{SECRET}@b:9083": "thrift://a:9083,thrift://***@b:9083",
    f"abfss://raw:{SECRET}@account.dfs.core.windows.net/t": "abfss://***@account.dfs.core.windows.net/t",
    f"//user:{SECRET}@host/t": "//***@host/t",
    f"s3%3A%2F%2FAKIA%3A{SECRET}%40lake": "s3%3A%2F%2F***%40lake",
    f"https%3a%2f%2fhost%2fp%3fsig%3D{SECRET}": "https%3a%2f%2fhost%2fp%3f***",
    f"S3A://AKIA:{SECRET}@lake/table?Sig={SECRET}": "S3A://***@lake/table?***",
    # parameters
    f"https://bucket.s3.amazonaws.com/t?X-Amz-Signature={SECRET}": "https://bucket.s3.amazonaws.com/t?***",
    f"abfss://raw@account.dfs.core.windows.net/t?sig={SECRET}": "abfss://raw@account.dfs.core.windows.net/t?***",
    f"sc://host:15002/;token={SECRET};user_id=me": "sc://host:15002/;***",
    f"models:/late@prod?token={SECRET}": "models:/late@prod?***",
    f"https://host/p#access_token={SECRET}": "https://host/p#access_token=***",
    # JDBC
    f"jdbc:mysql://user:{SECRET}@host:3306/db": "jdbc:mysql://***@host:3306/db",
    f"jdbc:mysql:/user:{SECRET}@host:3306/db": "jdbc:mysql:/***@host:3306/db",
    f"jdbc:postgresql://host/db?user=me&password={SECRET}": "jdbc:postgresql://host/db?***",
    f"jdbc:sqlserver://host:1433;user=sa;password={SECRET};databaseName=x": "jdbc:sqlserver://host:1433;***",
    f"jdbc:oracle:thin:scott/{SECRET}@//host:1521/x": "jdbc:oracle:thin:***@//host:1521/x",
    f"jdbc:oracle:thin:scott/{SECRET}@host:1521:x": "jdbc:oracle:thin:***@host:1521:x",
    f"jdbc:teradata://host/USER=me,PASSWORD={SECRET},TMODE=ANSI": "jdbc:teradata://host/USER=me,PASSWORD=***,TMODE=ANSI",
    # settings
    f"fs.s3a.secret.key={SECRET}": "fs.s3a.secret.key=***",
    f"AccountName=a;AccountKey={SECRET};EndpointSuffix=x": "AccountName=a;AccountKey=***;EndpointSuffix=x",
    f'Module required username="u" password="a {SECRET}";': 'Module required username="u" password=***;',
    f"Authorization: Basic {SECRET}": "Authorization: Basic ***",
    f"the header Bearer {SECRET * 2}": "the header Bearer ***",
}

UNCHANGED = (
    "s3://lake/table/day=2024-01-01/part-0.parquet",
    "s3a://lake/user@example.com/t",
    "abfss://raw@account.dfs.core.windows.net/t",
    "wasb://raw@account.blob.core.windows.net/a@b",
    "hdfs://name:8020/x",
    "hdfs://name:8020",
    "hdfs:/user@example.com/x",
    "file:/user@example.com/x",
    "file:///data/a@b:c/x",
    "dbfs:/user@example.com/x",
    "models:/late@prod",
    "models://profile:scope@databricks/late/1",
    "runs:/0123/model",
    "mlflow-artifacts:/1/models/m-1/artifacts",
    "sc://localhost:15002",
    "sc://[::1]:15002",
    "spark://a:7077,b:7077",
    "thrift://a:9083,thrift://b:9083",
    "jdbc:postgresql://host:5432/db",
    "/data/a@b/x?y=1",
    "C:/Users/a@b",
    "mail a@example.com about 3/4 at 10:30",
    "the table has no column key=a",
    "the bearer documents basic information",
    "--level parse=checked; allow_nulls=True; param_from_env={token: SCORING_TOKEN}",
)


@pytest.mark.parametrize("text", MASKED)
def test_masked_hides_every_credential_in_a_uri_alone_and_in_a_sentence(text: str) -> None:
    assert masked(text) == MASKED[text]
    assert masked(masked(text)) == MASKED[text]
    for sentence in (f"nothing is stored at {text}, or so", f"cannot read '{text}' (OSError)", f'{{"path": "{text}"}}'):
        assert SECRET not in masked(sentence) and "AKIA:a" not in masked(sentence)


@pytest.mark.parametrize("text", UNCHANGED)
def test_masked_leaves_what_is_not_a_credential(text: str) -> None:
    assert masked(text) == text
    assert without_credentials(text) == text


def test_masked_values_reaches_every_depth() -> None:
    value = {"a": [{"b": f"s3://k:{SECRET}@lake"}, (f"s3://k:{SECRET}@lake",)], f"s3://k:{SECRET}@x": 1, "n": None}
    assert SECRET not in repr(masked_values(value))
    assert masked_values(value)["n"] is None


def test_without_credentials_keeps_what_identifies_a_place() -> None:
    kept = "s3://lake/t?region=eu&endpoint_override=a:1"
    assert without_credentials(kept) == kept
    for text in (f"s3://AKIA:{SECRET}@lake/t?region=eu&endpoint_override=a:1", f"{kept}&access_key=a&secret_key=b"):
        assert without_credentials(text) == kept
    assert without_credentials(f"file:///data/a?sig={SECRET}/run_id=r") == f"file:///data/a?sig={SECRET}/run_id=r"
    assert without_credentials({"url": f"jdbc:mysql://u:{SECRET}@h/d", "token": SECRET}) == {"url": "jdbc:mysql://h/d"}


# ---- the command line

Call = Callable[[Sequence[str]], tuple[int, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Call:
    """Run a command in this process: its exit code, and all that it has printed and logged."""

    def invoke(words: Sequence[str]) -> tuple[int, str]:
        caplog.clear()
        with pytest.raises(SystemExit) as caught:
            cli.main(list(words))
        out, err = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        # these log what they are given to do the run with
        libraries = ("py4j", "openlineage")
        records = [each.getMessage() for each in caplog.records if each.name.partition(".")[0] not in libraries]
        return caught.value.code, "\n".join([out, err, *records])

    caplog.set_level("DEBUG")
    return invoke


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The query of a URI of an object store on this machine that denies every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=r&token={SECRET}"
        server.shutdown()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A table, a model that nobody trusts, and files of a run."""
    root = tmp_path_factory.mktemp("places")
    Job(root).table(TABLE).model()
    (root / "signature.json").write_text(json.dumps(SIGNATURE.to_dict()))
    (root / "rows.jsonl").write_text('{"x": 1.5}\n')
    summary = Summary("r", "quarantined", 4, 3, 1, (Count("x", "NULL", "double", "double", 1),))
    # as an older version has written it
    found = replace(
        summary, sinks={"quarantine": {"path": "PLACE", "format": "parquet", "rows": 1, "guarantee": "none"}}
    ).to_dict()
    (root / "summary.json").write_text(json.dumps(found).replace("PLACE", f"s3://AKIA:{SECRET}@lake/q?sig={SECRET}"))
    names = ("source", "model", "signature.json", "rows.jsonl", "summary.json", "scored", "quarantine")
    return {name.partition(".")[0]: str(root / name) for name in names}


# Commands that end before Spark starts: no trust in the model, no such signature.
JOB = (
    "--input",
    "source",
    "--model",
    "model",
    "--output",
    "scored",
    "--quarantine",
    "quarantine",
    "--summary",
    "x",
)
COMMANDS: dict[str, tuple[str, ...]] = {
    "show": ("signature",),
    "plan": ("model", "source"),
    "sql": ("model", "source"),
    "infer": ("rows",),
    "diff": ("signature", "model"),
    "score": JOB,
    "requeue": ("r", *JOB),
    "validate": ("--input", "source", "--signature", "nowhere.json", "--plan-only"),
    "report": ("summary",),
    "recover": ("scored", "r"),
    "config-schema": (),
    "summary-schema": (),
    "doctor": (),
    "java-home": (),
}
FAST = ("config-schema", "summary-schema", "doctor", "java-home")


def uris(store: str) -> list[str]:
    return [
        f"s3a://AKIA:{SECRET}@lake/table{store}",
        f"https://user:{SECRET}@127.0.0.1/table?sig={SECRET}",
        f"jdbc:sqlserver://user:{SECRET}@host:1433;password={SECRET}",
    ]


def given_to(command: str, places: Mapping[str, str]) -> list[str]:
    return [places.get(word, word) for word in COMMANDS[command]]


def options_of(command: click.Command) -> list[click.Option]:
    params = command.get_params(click.Context(command))
    return [one for one in params if isinstance(one, click.Option) and not one.is_flag]


def modes_of(command: click.Command) -> list[list[str]]:
    known = {name for one in command.get_params(click.Context(command)) for name in one.opts}
    return [[], *([mode] for mode in ("--json", "--verbose") if mode in known)]


def test_every_command_is_searched_for_canaries() -> None:
    assert set(COMMANDS) == set(cli.app.commands)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in FAST])
def test_a_command_prints_no_credential_of_any_option_or_argument(
    run: Call, store: str, places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where a URI is taken for a path on this machine
    command, base = cli.app.commands[name], given_to(name, places)
    calls: list[list[str]] = [[name, *base]]
    for uri in uris(store):
        for at, word in enumerate(base):
            if not word.startswith("--"):
                calls.append([name, *base[:at], uri, *base[at + 1 :]])
        calls.append([name, *base, uri])  # one argument too many
        for option in options_of(command):
            value = f"password={uri}" if option.multiple else uri
            calls.append([name, *base, option.opts[-1], value])
    codes = set()
    for words in calls:
        for mode in modes_of(command):
            code, said = run([*words, *mode])
            codes.add(code)
            assert SECRET not in said, (words, said)
            assert code == 0 or said, words
    assert 2 in codes and codes <= {0, 2, 3, 4, 5}


def test_a_configuration_file_and_the_environment_show_no_credential(
    run: Call, store: str, places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri, *others = uris(store)
    for one in fields(JobConfig):
        for form in (uri, *others, {"password": uri, "fs.s3a.secret.key": SECRET}, [uri]):
            Path("job.yaml").write_text(json.dumps({one.name: form}))
            code, said = run(["score", "--config", "job.yaml", "--json"])
            assert (code, SECRET in said) == (2, False), (one.name, form, said)
    for variable in ("SPARKSIG_CONFIG", "SPARKSIG_TRUST", "SPARKSIG_RUN_ID", "SPARKSIG_LOGICAL_DATE"):
        with monkeypatch.context() as patched:
            patched.setenv(variable, uri)
            code, said = run(["score", *given_to("score", places)])
            assert (code, SECRET in said) == (2, False), (variable, said)


def test_a_report_of_an_older_summary_shows_no_credential(run: Call, places: dict[str, str]) -> None:
    code, page = run(["report", places["summary"]])
    assert code == 0 and SECRET not in page and "s3://***@lake/q?***" in page


def test_sql_is_not_printed_with_a_credential_or_with_what_spark_would_replace(
    run: Call, places: dict[str, str]
) -> None:
    code, said = run(["sql", places["model"], places["source"], "--name", "${env:HOME}"])
    assert code == 2 and "--name" in said and "${env:HOME}" not in said.replace("holds '${'", "")


# ---- a run


def test_objects_show_no_credential_in_their_repr() -> None:
    uri = f"s3://AKIA:{SECRET}@lake/x?sig={SECRET}"
    config = JobConfig(uri.replace("/x", "/in"), "model", "out", uri.replace("/x", "/bad"), "s.json", signature=uri)
    summary = Summary("r", "clean", outputs={"scored": uri}, problems=(Problem(uri, uri, hint=uri),))
    for shown in (config, summary, Problem(uri, uri, hint=uri), SparksigError(uri), ConfigError(uri)):
        assert SECRET not in f"{shown!r}{shown}{getattr(shown, 'args', '')}"
    assert SECRET not in json.dumps(summary.to_dict()) + summary_text(summary)
    assert summary.outputs["scored"] == config.signature == uri  # the run itself uses them


def test_the_digest_of_a_configuration_without_credentials_is_what_it_was_and_has_no_credential() -> None:
    places = ("s3a://lake/in?region=eu", "models:/late@prod", "out", "bad", "hdfs://name/s.json")
    given: dict[str, Any] = {"input_options": {"header": "true"}, "where": "a = 'x'"}
    job = JobConfig(*places, **given)
    assert job.digest == DIGEST
    secret = f"s3a://AKIA:{SECRET}@lake/in?region=eu&token={SECRET}"
    with_password = {**given, "input_options": {"header": "true", "password": SECRET}}
    assert JobConfig(secret, *places[1:], **with_password).digest == DIGEST
    assert JobConfig("s3a://lake/in?region=us", *places[1:], **given).digest != DIGEST


def test_a_run_and_a_validation_leave_no_credential_in_anything_they_write(
    run: Call, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place has a query, also the files; of a path on this machine it is a part of the name."""
    monkeypatch.chdir(tmp_path)
    Job(tmp_path).table(TABLE).model()
    tail = f"?sig={SECRET}"
    (tmp_path / "source").rename(tmp_path / f"source{tail}")
    (tmp_path / "model").rename(tmp_path / f"model{tail}")
    names = ("input", "model", "output", "quarantine", "summary", "report", "lineage")
    files = dict(zip(names, ("source", "model", "scored", "quarantine", "s.json", "r.html", "l.jsonl"), strict=True))
    places = {name: f"file://{tmp_path}/{file}{tail}" for name, file in files.items()}
    places["model"] = f"model{tail}"  # a model is a path on this machine
    options = {
        "input_options": {"password": SECRET, "url": f"jdbc:mysql://u:{SECRET}@h/d"},
        "output_options": {"fs.s3a.secret.key": SECRET},
        "lineage_namespace": f"https://u:{SECRET}@h",
        "lineage_job": f"s3://u:{SECRET}@h/x",
        "run_id": "r",
        "trust": (tmp_path / "trust").read_text(),
    }
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"https://u:{SECRET}@h/job/f99310b4-3c3c-1a1a-2b2b-c1b95c24ff11")
    (tmp_path / "job.yaml").write_text(json.dumps({**places, **options}))
    steps = {
        "score": (["score", "--json"], 0),
        "the quarantine": (["requeue", "r", "--allow-nulls", "--max-bad-rows", "9"], 0),
        "over threshold": (["score", "--fail-on-quarantine", "--run-id", "r2"], 4),
        "another's folder": (["score", "--run-id", "r3", "--verbose"], 2),
        "a condition": (["score", "--where", f"x > 's3://u:{SECRET}@h'", "--where", "no_such(x)"], 2),
        "validate": (["validate", "--summary", f"checked.json{tail}"], 0),
    }
    (tmp_path / f"scored{tail}" / "run_id=r3").mkdir(parents=True)
    for name, (words, expected) in steps.items():
        code, said = run([*words, "--config", "job.yaml"])
        assert (code, SECRET in said) == (expected, False), (name, said)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".parquet", ".crc")]
    shown = {path.name.partition("?")[0]: path.read_text() for path in written if path.name.endswith(tail)}
    assert set(shown) == {"s.json", "s.requeued.json", "r.html", "r.requeued.html", "l.jsonl", "checked.json"}
    assert [name for name, text in shown.items() if SECRET in text] == []
    assert len(shown["l.jsonl"].splitlines()) > 6
