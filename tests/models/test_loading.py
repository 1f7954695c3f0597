from __future__ import annotations

import functools
import pickle
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LinearRegression, LogisticRegression

from sparksig.errors import ModelLoadError, NotSupportedError, TrustError
from sparksig.models import loading
from sparksig.models.artifact import Artifact
from sparksig.models.loading import load_model
from sparksig.models.saving import save_model
from tests.models.estimators import Threshold

X = pd.DataFrame({"x": [-1.0, 0.2, 3.0]})


@pytest.fixture
def saved(tmp_path: Path) -> Artifact:
    return save_model(tmp_path / "model", Threshold())


# ---- trust


def test_load_model_error_names_the_digest_to_trust(saved: Artifact) -> None:
    with pytest.raises(TrustError) as caught:
        load_model(saved.path)
    assert f"--trust {saved.digest}" in str(caught.value)
    assert f'trust="{saved.digest}"' in str(caught.value)
    assert isinstance(caught.value, PermissionError)


def test_load_model_accepts_a_list_of_digests_of_which_one_is_the_models(saved: Artifact) -> None:
    other = "sha256:" + "0" * 64
    for trust in ([other, saved.digest], (saved.digest,), {saved.digest, other}):
        assert load_model(saved.path, trust=trust).digest == saved.digest
    with pytest.raises(TrustError, match=f"trusted is {other}, sha256:1+"):
        load_model(saved.path, trust=[other, "sha256:" + "1" * 64])
    with pytest.raises(TrustError, match="none: the list is empty"):
        load_model(saved.path, trust=[])
    with pytest.raises(TrustError, match="is not a digest"):
        load_model(saved.path, trust=[other, "true"])


@pytest.mark.parametrize("trust", ["yes", "sha256:", "sha256:" + "0" * 63, "sha256:" + "0" * 64, ""])
def test_load_model_rejects_another_digest(saved: Artifact, trust: str) -> None:
    with pytest.raises(TrustError):
        load_model(saved.path, trust=trust)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_load_model_verifies_the_digest_before_unpickling(saved: Artifact, tmp_path: Path) -> None:
    (saved.path / "model.pkl").write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    for trust in (False, saved.digest, "True"):
        with pytest.raises(TrustError):
            load_model(saved.path, trust=trust)
    assert not (tmp_path / "boom").exists()
    with pytest.raises(ModelLoadError):  # None is no model, but it was unpickled: somebody said so
        load_model(saved.path, trust=True)
    assert (tmp_path / "boom").exists()


def test_load_model_does_not_read_outside_the_directory(saved: Artifact, tmp_path: Path) -> None:
    (tmp_path / "other.pkl").write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    document = yaml.safe_load((saved.path / "MLmodel").read_text())
    document["flavors"]["sklearn"]["pickled_model"] = "../other.pkl"
    (saved.path / "MLmodel").write_text(yaml.safe_dump(document))
    with pytest.raises(ModelLoadError, match="not there"):
        load_model(saved.path, trust=True)
    assert not (tmp_path / "boom").exists()


# ---- the cache


def test_load_model_loads_a_digest_once_per_process(saved: Artifact, tmp_path: Path) -> None:
    model = load_model(saved.path, trust=saved.digest)
    assert load_model(saved.path, trust=saved.digest) is model
    saved.path.rename(tmp_path / "moved")
    assert load_model(tmp_path / "moved", trust=True) is model


def test_load_model_rejects_another_path_with_a_loaded_digest(saved: Artifact, tmp_path: Path) -> None:
    load_model(saved.path, trust=saved.digest)
    other = save_model(tmp_path / "other", Threshold(2.0))
    with pytest.raises(TrustError, match="not the one that was trusted"):
        load_model(other.path, trust=saved.digest)


def test_load_model_cache_is_bounded(tmp_path: Path) -> None:
    first = save_model(tmp_path / "first", Threshold(0.1))
    model = load_model(first.path, trust=True)
    for i in range(loading.CACHED):
        load_model(save_model(tmp_path / str(i), Threshold(10.0 + i)).path, trust=True)
    assert load_model(first.path, trust=True) is not model
    assert len(loading._cache) == loading.CACHED


# ---- flavours


def edit(artifact: Artifact, **flavors: Any) -> Path:
    document = yaml.safe_load((artifact.path / "MLmodel").read_text())
    document["flavors"] = flavors
    (artifact.path / "MLmodel").write_text(yaml.safe_dump(document))
    return artifact.path


@pytest.mark.parametrize(
    ("flavors", "told"),
    [
        ({"spark": {}, "python_function": {"loader_module": "mlflow.spark"}}, "loaded: python_function, spark (those"),
        ({"xgboost": {"model_class": "builtins.eval"}}, "loaded: xgboost (those that are: sklearn, xgboost,"),
        ({"sklearn": {"serialization_format": "joblib"}}, "stored as joblib"),
        ({"sklearn": {}, "python_function": {"predict_fn": "score"}}, "predict with score"),
    ],
)
def test_load_model_names_unsupported_flavors_and_formats(saved: Artifact, flavors: dict[str, Any], told: str) -> None:
    with pytest.raises(NotSupportedError, match=re.escape(told)):
        load_model(edit(saved, **flavors), trust=True)


@pytest.mark.parametrize("scheme", ["runs:/", "models:/", "mlflow-artifacts:/"])
def test_load_model_names_unsupported_uri_schemes(scheme: str) -> None:
    with pytest.raises(NotSupportedError, match=scheme):
        load_model(f"{scheme}abc/model", trust=True)


def test_load_model_calls_the_method_mlflow_would_call(saved: Artifact) -> None:
    classifier = LogisticRegression().fit(X, [0, 0, 1])
    (saved.path / "model.pkl").write_bytes(pickle.dumps(classifier))
    path = edit(saved, sklearn={}, python_function={"predict_fn": "predict_proba"})
    assert load_model(path, trust=True).predict(X, None).tolist() == classifier.predict_proba(X).tolist()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"cno_such_module\nx\n.", "needs the module no_such_module"),
        (b"cos\nno_such_name\n.", "unpickling raised AttributeError"),
        (b"not a pickle", "unpickling raised UnpicklingError"),
        (b"", "unpickling raised EOFError"),
    ],
)
def test_load_model_reports_a_broken_pickle(saved: Artifact, content: bytes, told: str) -> None:
    (saved.path / "model.pkl").write_bytes(content)
    with pytest.raises(ModelLoadError, match=told):
        load_model(saved.path, trust=True)


# ---- objects and functions


def batch_only(batch: list[int]) -> list[int]:
    return batch


def batch_and_params(batch: list[int], params: dict[str, int]) -> list[int]:
    return [x + params["add"] for x in batch]


def by_position(batch: list[int], given: dict[str, int], /) -> list[int]:
    return batch_and_params(batch, given)


def by_name_only(batch: list[int], *, params: dict[str, int]) -> list[int]:
    return batch_and_params(batch, params)


def any_keywords(batch: list[int], scale: int = 1, **params: int) -> list[int]:
    assert not params
    return [x * scale for x in batch]


class Adds:
    def predict(self, batch: list[int], params: dict[str, int] | None = None) -> list[int]:
        return batch_and_params(batch, params or {})


@pytest.mark.parametrize(
    ("model", "takes_params"),
    [
        (batch_only, False),
        (batch_and_params, True),
        (by_position, True),
        (by_name_only, True),
        (any_keywords, False),
        (functools.partial(any_keywords, scale=1), False),
        (Adds(), True),
        (Adds, True),
        (Adds().predict, True),
        (lambda: Adds(), True),
        (lambda: batch_only, False),
        (list, False),
    ],
)
def test_load_model_calls_every_kind_of_model_alike(model: object, takes_params: bool) -> None:
    if model is list:  # a class without predict, that makes something which is no model
        with pytest.raises(ModelLoadError, match="no such method"):
            load_model(model)
        return
    loaded = load_model(model)
    assert loaded.takes_params is takes_params
    assert loaded.predict([1, 2], {"add": 1}) == ([2, 3] if takes_params else [1, 2])
    assert load_model(loaded) is loaded


def test_load_model_does_not_pass_params_to_scikit_learn() -> None:
    model = load_model(LinearRegression().fit(X, [0, 1, 2]))
    assert not model.takes_params
    assert len(model.predict(X, {"anything": 1})) == 3


class WithContext:
    def predict(self, context: object, model_input: object) -> object:
        return model_input


@pytest.mark.parametrize("model", [None, 3, object(), lambda: lambda: batch_only, lambda: 1 / 0])
def test_load_model_rejects_objects_that_are_not_models(model: object) -> None:
    with pytest.raises(ModelLoadError):
        load_model(model)


def test_load_model_passes_none_as_mlflows_context() -> None:
    assert load_model(WithContext()).predict([1], None) == [1]
