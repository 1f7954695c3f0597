"""Credentials are masked wherever text leaves the product; the run itself uses them."""

from __future__ import annotations

import pytest

from sparksig.redaction import masked, masked_values, without_credentials

SECRET = "zugspitze"

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
    f"Authorization: Bearer {SECRET}": "Authorization: Bearer ***",
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
    assert without_credentials({"url": f"jdbc:mysql://u:{SECRET}@h/d", "token": SECRET}) == {"url": "jdbc:mysql://h/d"}
