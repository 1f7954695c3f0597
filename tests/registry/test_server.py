"""Models saved by sparksig in a real MLflow server: registered, scored, shown and served over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

import sparksig
from tests.models.estimators import Threshold
from tests.registry.servers import served, tracking_server
from tests.registry.stores import FRAME, SIGNATURE, WIDER, Store, fill, tracking

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.mlflow_server, pytest.mark.filterwarnings("default")]


class Server(NamedTuple):
    url: str
    store: Store
    folder: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(folder) as url, tracking(url):
        yield Server(url, fill(folder), folder)


def test_load_signature_equals_mlflows_for_every_uri(server: Server) -> None:
    run = server.store.run
    for uri in (f"runs:/{run}/model", f"runs:/{run}/other", "models:/late/1", "models:/late@next", server.store.other):
        assert sparksig.load_signature(uri).to_dict() == mlflow.models.get_model_info(uri).signature.to_dict()
    assert sparksig.load_signature("models:/late@prod") == SIGNATURE
    sparksig.set_signature(server.store.plain, WIDER)
    sparksig.set_signature(f"runs:/{run}/plain", SIGNATURE)
    assert mlflow.models.get_model_info(server.store.plain).signature.to_dict() == SIGNATURE.to_dict()


def test_set_signature_changes_the_source_of_a_version(server: Server) -> None:
    """As MLflow's documentation shows it: the source is changed, and registered again."""
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(server.store.saved.path), "model")
    source = mlflow.register_model(f"runs:/{run.info.run_id}/model", "changed").source
    assert source.startswith("mlflow-artifacts:/")
    sparksig.set_signature(source, WIDER)
    assert sparksig.load_signature(source) == WIDER
    again = mlflow.MlflowClient().create_model_version("changed", source, run.info.run_id)
    assert mlflow.models.get_model_info(f"models:/changed/{again.version}").signature.to_dict() == WIDER.to_dict()


def test_save_model_output_is_loaded_by_mlflow_from_the_registry(server: Server) -> None:
    loaded = mlflow.pyfunc.load_model("models:/late@prod")
    for threshold in (0.1, 0.9):
        params = {"threshold": threshold}
        pd.testing.assert_frame_equal(loaded.predict(FRAME, params=params), Threshold().predict(FRAME, params))


def test_score_with_a_registered_model_equals_mlflows_predictions(server: Server, spark: SparkSession) -> None:
    table = spark.createDataFrame(FRAME)
    scored = sparksig.score(table, "models:/late@prod", trust=server.store.saved.digest, output="*").toPandas()
    theirs = mlflow.pyfunc.load_model("models:/late@prod").predict(FRAME)
    np.testing.assert_array_equal(scored["probability"], theirs["probability"])


def test_save_model_output_is_served_by_mlflow(server: Server) -> None:
    example = (server.store.saved.path / "serving_input_example.json").read_bytes()
    with served("models:/late@prod", server.url, server.folder) as url:
        status, answer = asked(url, example)
        assert (status, len(answer["predictions"])) == (200, len(FRAME))
        mine = sparksig.load_model(server.store.saved.path, trust=server.store.saved.digest).predict(
            FRAME, {"threshold": 0.5}
        )
        assert [row["probability"] for row in answer["predictions"]] == mine["probability"].tolist()
        overridden = {**json.loads(example), "params": {"threshold": 0.99}}
        assert not any(row["late"] for row in asked(url, json.dumps(overridden).encode())[1]["predictions"])
        for payload, words in BAD.items():
            status, answer = asked(url, payload.encode())
            assert status == 400 and answer["error_code"] in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"), payload
            assert words in answer["message"]
            with pytest.raises(sparksig.SparksigError):  # and so here, before anything is sent
                sparksig.parse_payload(payload, SIGNATURE)


BAD = {
    '{"dataframe_split": {"columns": ["y"], "data": [[1.0]]}}': "Model is missing inputs ['x']",
    '{"dataframe_split": {"columns": ["x"], "data": [["late"]]}}': "Failed to convert column x to type",
    '{"dataframe_split": {"columns": ["x"], "data": [[1.0]]}, "params": {"threshold": "a"}}': "threshold",
    '{"columns": ["x"]}': "The input must be a JSON dictionary with exactly one of the input fields",
}


def asked(url: str, payload: bytes) -> tuple[int, Any]:
    request = urllib.request.Request(url, payload, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_registry_page_shows_the_signature(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{server.url}/#/models/late/versions/1")
    for part in ("Inputs (1)", "Outputs (2)"):
        page.get_by_text(part).first.click(timeout=60_000)
    shown = page.inner_text("body")
    for name, kind in (("x", "double"), ("probability", "double"), ("late", "boolean")):
        assert f"{name} (required)\n{kind}" in shown
