"""Signatures and models behind MLflow's URIs, `runs:/` and `models:/`. MLflow itself resolves them (extra `mlflow`).

Which server is asked, and with which credentials, is what MLflow's own settings say: `MLFLOW_TRACKING_URI`,
`MLFLOW_REGISTRY_URI` and the like, or `mlflow.set_tracking_uri`.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import RLock
from typing import Any, NoReturn

from sparksig.errors import EnvironmentFault, ModelLoadError, NotSupportedError, Problem, SparksigError
from sparksig.signature.model_signature import ModelSignature
from sparksig.sources import mlmodel
from sparksig.sources.folders import temporary

_URI = re.compile(r"(runs|models):/")
# what MLflow takes, between its slashes perhaps a profile of Databricks; what follows ? or # it cuts off without a word
_FORM = re.compile(r"runs:/(/[^/?#]*/)?[^/?#]+(/[^?#]*)?|models:/(/[^/?#]*/)?[^/?#]+(/[^/?#]+)?|mlflow-artifacts:/.+")
_ALIAS = re.compile(r"models:/{1,3}([^/@]+)@([^/@]+)")
_SUFFIX = re.compile(r"models:/{1,3}([^/]+)/([^/]+)")
_OF_A_VERSION = re.compile(r"models:/{1,3}[^/@]+(@|/)[^/@]+")
_OF_A_RUN = re.compile(r"runs:/{1,3}([^/]+)/([^']+?)")
_OF_A_MODEL = re.compile(r"models:/{1,3}([^/@]+)")
_SERVER = "MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI say which server is asked"
_USER = re.compile(r"//[^/\s'\"]*@")
_lock = RLock()
_META = "registered_model_meta"  # what MLflow adds to each download of a registered model: it is not in the store
# MLflow's codes for what another try will not mend; everything else may be the network or the server
_WRONG = {
    *("BAD_REQUEST", "FEATURE_DISABLED", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "NOT_FOUND", "NOT_IMPLEMENTED"),
    *("PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST", "UNAUTHENTICATED"),
}
_LATER = (408, 425, 429)  # of HTTP's codes for what the client did wrong, those that another try may mend


def is_model_uri(source: object) -> bool:
    """Whether MLflow has to say where that is.

    >>> is_model_uri("models:/late@prod"), is_model_uri("model/"), is_model_uri({})
    (True, False, False)
    """
    return isinstance(source, str) and _URI.match(source) is not None


def _is_mlflows(source: str) -> bool:
    """Whether MLflow has to read the signature: also where a server says that a version's files lie (its `source`)."""
    return is_model_uri(source) or source.startswith("mlflow-artifacts:/")


def load_signature(source: str | os.PathLike[str] | Mapping[str, Any]) -> ModelSignature:
    """The signature of a model, from what MLflow or sparksig wrote.

    Args:
        source: an MLmodel file or its directory, a JSON file, a dict of either's content, or a URI that MLflow
            resolves: `runs:/<run id>/<name>`, `models:/<name>/<version>`, `models:/<name>@<alias>`, or the `source` of
            a version on a server, `mlflow-artifacts:/..`. Of a URI only the file MLmodel is fetched; this needs the
            extra `mlflow`.

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
    if not isinstance(source, str) or not _is_mlflows(source):
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
            `models:/<model id>`, or of its files on a server, `mlflow-artifacts:/..`.
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
    if not isinstance(path, str) or not _is_mlflows(path):
        return mlmodel.set_signature(path, signature)
    path = _checked(path)
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
    """What lies behind a URI, in a folder that is gone afterwards; an alias, a stage or `latest` is resolved once.

    Args:
        uri: a URI for which `is_model_uri` holds.
        part: a file of the model; all of it if empty.

    Returns:
        The URI, with the version in the place of what stood for it, and the local file or directory.

    Raises:
        ModelLoadError: MLflow knows no such model, or does not show it.
        EnvironmentFault: MLflow's server cannot be asked.
        NotSupportedError: MLflow is not installed.
    """
    uri = _checked(uri)
    mlflow = _mlflow()
    with temporary("fetched") as folder:
        with _quietly(uri, mlflow):
            source = uri = _resolved(uri, mlflow.MlflowClient())
            if part:
                logged = _OF_A_MODEL.fullmatch(uri)  # MLflow resolves a part of a version and of a run, not of these
                place = _location(logged[1], mlflow.MlflowClient()) if logged else uri
                source = f"{place.rstrip('/')}/{part}"
            elif uri.startswith("runs:") and not _OF_A_RUN.fullmatch(uri):
                source = f"{uri}/"  # the root of a run's artifacts
            found = _downloaded(source, folder, uri, part, mlflow)
        if found.is_dir():
            (found / _META).unlink(missing_ok=True)
        if part and not found.is_file():
            raise ModelLoadError("MLflow gives no such model", [Problem(uri, f"its {part} is no file")])
        yield uri, found


def _downloaded(source: str, folder: Path, uri: str, part: str, mlflow: Any) -> Path:
    """What MLflow has put into a folder; what it raises where it could not, and not what it takes that for."""
    try:
        return Path(mlflow.artifacts.download_artifacts(source, dst_path=str(folder)))
    except mlflow.exceptions.MlflowException as error:
        wrong = error
    # whatever the download of a run's artifact ended with, MLflow calls it a wrong path: the list of them says if it is
    if uri.startswith("runs:") and wrong.error_code == "RESOURCE_DOES_NOT_EXIST" and _is_listed(uri, part, mlflow):
        fact = "MLflow lists it, but could not download it"
        raise EnvironmentFault("MLflow cannot be asked", [Problem(uri, fact, hint=_SERVER)])
    raise wrong


def _is_listed(uri: str, part: str, mlflow: Any) -> bool:
    """Whether MLflow knows that artifact of a run. Raises what asking for it ends with."""

    def names(folder: str) -> set[str]:
        return {PurePosixPath(file.path).name for file in mlflow.artifacts.list_artifacts(f"{folder}/")}

    if part:
        return part in names(uri)
    if names(uri):
        return True
    above, _, name = uri.rpartition("/")
    return bool(_OF_A_RUN.fullmatch(uri)) and name in names(above)  # a file lists nothing


def _location(model: str, client: Any) -> str:
    """Where a logged model lies, which only MLflow 3 knows."""
    if not hasattr(client, "get_logged_model"):
        hint = "pip install 'mlflow-skinny>=3', or name a version: models:/<name>/<version>"
        problem = Problem(f"models:/{model}", "logged models are MLflow 3's, an older one is installed", hint=hint)
        raise NotSupportedError("MLflow is too old", [problem])
    return str(client.get_logged_model(model).artifact_location)


def _checked(uri: str) -> str:
    """The URI as all of MLflow reads it: without slashes at its end.

    Raises:
        ModelLoadError: it is no URI of a model. MLflow calls that an error of its own.
    """
    plain = uri.rstrip("/")
    if not _FORM.fullmatch(plain):
        hint = "runs:/<run id>/<name>, models:/<name>/<version>, models:/<name>@<alias> or models:/<model id>"
        raise ModelLoadError("MLflow gives no such model", [Problem(uri, "is no URI of a model", hint=hint)])
    return plain


def _resolved(uri: str, client: Any) -> str:
    """The URI with the version in the place of an alias, a stage or `latest`, each of which may be moved."""
    if alias := _ALIAS.fullmatch(uri):
        return f"models:/{alias[1]}/{client.get_model_version_by_alias(alias[1], alias[2]).version}"
    named = _SUFFIX.fullmatch(uri)
    if named is None or named[2].isdigit():
        return uri
    versions = client.get_latest_versions(named[1], None if named[2].lower() == "latest" else [named[2]])
    if not versions:
        raise ModelLoadError("MLflow gives no such model", [Problem(uri, "has no version", hint=_SERVER)])
    return f"models:/{named[1]}/{max(int(version.version) for version in versions)}"


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
    """MLflow's work without its bars and warnings, which are the process's: a thread at a time. Its errors are ours."""
    name = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    with _lock:
        before = os.environ.get(name)
        os.environ[name] = "false"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except SparksigError:
            raise
        except mlflow.exceptions.MlflowException as error:
            known = str(error)
            for server in {str(mlflow.get_tracking_uri()), str(mlflow.get_registry_uri())}:
                known = known.replace(server, "(MLFLOW_TRACKING_URI)")
            _tell(uri, str(error.error_code), _USER.sub("//", known).strip(), error)
        except Exception as error:  # what a store's client raises, such as requests' and botocore's own
            status = getattr(getattr(error, "response", None), "status_code", None)
            if isinstance(status, int) and 400 <= status < 500 and status not in _LATER:
                _tell(uri, "BAD_REQUEST", f"the server answered HTTP {status}", error)
            _tell(uri, type(error).__name__, "", error)
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before


def _tell(uri: str, code: str, text: str, error: Exception) -> NoReturn:
    """Raise ours. MLflow's words are kept where they name what is wrong; those of a connection may hold a password."""
    hint = _SERVER
    if "unsupported URI" in text:
        hint = "mlflow-skinny asks servers and folders only; for databases, as sqlite:///..: pip install mlflow"
    if code in _WRONG:
        problem = Problem(uri, text.splitlines()[0] if text else code, hint=hint)
        # what was taken out of the text would be shown again as its cause
        cause = error if text == str(error).strip() else None
        raise ModelLoadError("MLflow gives no such model", [problem]) from cause
    causes = [type(each).__name__ for each in (error.__cause__, error.__context__) if each is not None]
    ended = " of ".join(dict.fromkeys([code, *causes[:1]]))
    raise EnvironmentFault("MLflow cannot be asked", [Problem(uri, f"it ended with {ended}", hint=_SERVER)]) from None
