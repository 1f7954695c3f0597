"""Signatures and models behind MLflow's URIs, `runs:/` and `models:/`. MLflow itself resolves them (extra `mlflow`).

Which server is asked, and with which credentials, is what MLflow's own settings say: `MLFLOW_TRACKING_URI`,
`MLFLOW_REGISTRY_URI` and the like, or `mlflow.set_tracking_uri`.
"""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from sparksig.errors import EnvironmentFault, ModelLoadError, NotSupportedError, Problem
from sparksig.signature.model_signature import ModelSignature
from sparksig.sources import mlmodel

_URI = re.compile(r"(runs|models):/")
_ALIAS = re.compile(r"models:/{1,3}([^/@]+)@([^/@]+)/?")
_OF_A_VERSION = re.compile(r"models:/{1,3}[^/@]+(@|/)[^/@]+/?")
_OF_A_RUN = re.compile(r"runs:/{1,3}([^/]+)/([^']+?)/?")
_OF_A_MODEL = re.compile(r"models:/{1,3}(m-[^/@]+)/?")
_META = "registered_model_meta"  # what MLflow adds to each download of a registered model: it is not in the store
# MLflow's codes for what another try will not mend; everything else may be the network or the server
_WRONG = {
    *("BAD_REQUEST", "FEATURE_DISABLED", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "NOT_FOUND", "NOT_IMPLEMENTED"),
    *("PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST", "UNAUTHENTICATED"),
}


def is_model_uri(source: object) -> bool:
    """Whether MLflow has to say where that is.

    >>> is_model_uri("models:/late@prod"), is_model_uri("model/"), is_model_uri({})
    (True, False, False)
    """
    return isinstance(source, str) and _URI.match(source) is not None


def load_signature(source: str | os.PathLike[str] | Mapping[str, Any]) -> ModelSignature:
    """The signature of a model, from what MLflow or sparksig wrote.

    Args:
        source: an MLmodel file or its directory, a JSON file, a dict of either's content, or a URI that MLflow
            resolves: `runs:/<run id>/<name>`, `models:/<name>/<version>`, `models:/<name>@<alias>`. Of a URI only the
            file MLmodel is fetched; this needs the extra `mlflow`.

    Returns:
        The signature.

    Raises:
        SignatureError: there is no such file, it is no MLmodel and no signature, it has no signature, or the signature
            is malformed; every fault of a malformed one is listed with its path.
        ModelLoadError: MLflow knows no such model, or does not show it.
        EnvironmentFault: MLflow's server cannot be asked.
        NotSupportedError: MLflow is not installed.

    >>> load_signature({"inputs": [{"type": "double", "name": "age"}]}).inputs
    ['age': double (required)]
    """
    if not isinstance(source, str) or not is_model_uri(source):
        return mlmodel.load_signature(source)
    with fetched(source, "MLmodel") as (uri, file):
        return mlmodel.signature_in(file.read_bytes(), uri)


def set_signature(path: str | os.PathLike[str], signature: ModelSignature) -> None:
    r"""Replace the signature of a model, or add one where there is none.

    In a local MLmodel file only the lines of the `signature:` block change, at once or not at all. A logged model
    is written by MLflow, which needs the extra `mlflow`; a version of a registered model cannot be changed: register
    the changed model as the next version.

    Args:
        path: the MLmodel file or its directory; or the URI of a logged model, `runs:/<run id>/<name>` or
            `models:/<model id>`.
        signature: the new signature.

    Raises:
        SignatureError: there is no such file, it is no MLmodel, or its `signature:` block cannot be told from the rest.
        ModelLoadError: MLflow knows no such model, or does not let it be written.
        EnvironmentFault: MLflow's server cannot be asked.
        NotSupportedError: the URI is of a registered model's version, or MLflow is not installed.

    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> from sparksig import ColSpec, Schema
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "MLmodel").write_text("flavors: {}\nmlflow_version: 3.17.2\n")
    ...     set_signature(folder, ModelSignature(Schema([ColSpec("double", "age")])))
    ...     load_signature(folder).inputs
    ['age': double (required)]
    """
    if not isinstance(path, str) or not is_model_uri(path):
        return mlmodel.set_signature(path, signature)
    if _OF_A_VERSION.fullmatch(path):
        hint = "set it on the logged model, runs:/<run id>/<name> or models:/<model id>, and register that again"
        raise NotSupportedError(
            "a registered model's version cannot be changed", [Problem(path, "MLflow keeps it as it is", hint=hint)]
        )
    mlflow = _mlflow()
    from mlflow.models import ModelSignature as Theirs
    from mlflow.models import set_signature as write

    parts = {part: text for part, text in signature.to_dict().items() if text is not None}
    with _quietly(path, mlflow):
        write(_logged(path, mlflow.MlflowClient()), Theirs.from_dict(parts))


@contextmanager
def fetched(uri: str, part: str = "") -> Iterator[tuple[str, Path]]:
    """What lies behind a URI, in a folder that is gone afterwards; an alias is resolved once, to its version.

    Args:
        uri: a URI for which `is_model_uri` holds.
        part: a file of the model; all of it if empty.

    Returns:
        The URI, with the version in an alias's place, and the local file or directory.

    Raises:
        ModelLoadError: MLflow knows no such model, or does not show it.
        EnvironmentFault: MLflow's server cannot be asked.
        NotSupportedError: MLflow is not installed.
    """
    mlflow = _mlflow()
    with tempfile.TemporaryDirectory(prefix="sparksig-fetched-") as folder:
        with _quietly(uri, mlflow):
            if alias := _ALIAS.fullmatch(uri):
                version = mlflow.MlflowClient().get_model_version_by_alias(alias[1], alias[2]).version
                uri = f"models:/{alias[1]}/{version}"
            source = uri
            if part:
                logged = _OF_A_MODEL.fullmatch(uri)  # MLflow resolves a part of a version and of a run, not of these
                place = mlflow.MlflowClient().get_logged_model(logged[1]).artifact_location if logged else uri
                source = f"{place.rstrip('/')}/{part}"
            found = Path(mlflow.artifacts.download_artifacts(source, dst_path=folder))
        if found.is_dir():
            (found / _META).unlink(missing_ok=True)
        yield uri, found


def _logged(uri: str, client: Any) -> str:
    """The URI that MLflow can write: since 3.0 what a run has logged as a model is no artifact of the run."""
    found = _OF_A_RUN.fullmatch(uri)
    if found is None or not hasattr(client, "search_logged_models"):
        return uri
    asked = {"experiment_ids": [client.get_run(found[1]).info.experiment_id], "filter_string": f"name = '{found[2]}'"}
    page: str | None = ""
    while page is not None:
        models = client.search_logged_models(**asked, page_token=page or None)
        for model in models:
            if model.source_run_id == found[1]:
                return f"models:/{model.model_id}"
        page = models.token or None
    return uri


def _mlflow() -> Any:
    try:
        import mlflow
        import mlflow.artifacts
    except ImportError:
        raise NotSupportedError("runs:/ and models:/ need MLflow: pip install 'sparksig[mlflow]'") from None
    return mlflow


@contextmanager
def _quietly(uri: str, mlflow: Any) -> Iterator[None]:
    """MLflow's work without its bars and warnings, and its errors as ours."""
    name = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except mlflow.exceptions.MlflowException as error:
        _tell(uri, str(error.error_code), str(error), error)
    except Exception as error:  # what a store's client raises, such as requests' and botocore's own
        _tell(uri, type(error).__name__, "", error)
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _tell(uri: str, code: str, text: str, error: Exception) -> NoReturn:
    """Raise ours. MLflow's words are kept where they name what is wrong; those of a connection may hold a password."""
    server = "MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI say which server is asked"
    if "unsupported URI" in text:
        server = "mlflow-skinny asks servers and folders only; for databases, as sqlite:///..: pip install mlflow"
    if code in _WRONG:
        fact = text.splitlines()[0] if text else code
        raise ModelLoadError("MLflow gives no such model", [Problem(uri, fact, hint=server)]) from error
    causes = [type(each).__name__ for each in (error.__cause__, error.__context__) if each is not None]
    ended = " of ".join(dict.fromkeys([code, *causes[:1]]))
    raise EnvironmentFault("MLflow cannot be asked", [Problem(uri, f"it ended with {ended}", hint=server)]) from None
