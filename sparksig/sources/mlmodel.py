"""Signatures in files: MLflow's MLmodel, in YAML or JSON, of any version, and JSON of our own.

Reading executes nothing: YAML goes through PyYAML's safe loader. Writing into an MLmodel replaces the lines of its
`signature:` block in the text and leaves every other byte as it is, because a re-dump would not (`python_version: 3.10`
would become `3.1`).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sparksig.errors import SignatureError, SinkError
from sparksig.signature.model_signature import PARTS, ModelSignature
from sparksig.signature.types import json_kind, parse_json

# libyaml is about ten times faster; PyYAML is not always built with it
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MLMODEL = "MLmodel"
_MLMODEL_KEYS = {
    *("artifact_path", "flavors", "mlflow_version", "model_id", "model_size_bytes", "model_uuid", "run_id"),
    *("saved_input_example_info", "signature", "utc_time_created"),
}
_NESTING = 200  # the loaders recurse, libyaml in C: a file of brackets would take the process with it
_BREAKS = re.compile("(?<=\n)|(?<=\r)(?!\n)|(?<=[\x85\u2028\u2029])")  # where YAML ends a line
_HINT = (
    "infer one from example data and keep it: set_signature(path, infer_signature(inputs, outputs)), or in a shell"
    " `sparksig infer inputs.parquet --outputs outputs.parquet -o signature.json`, for score --signature"
)


def load_signature(source: str | os.PathLike[str] | Mapping[str, Any]) -> ModelSignature:
    """The signature of a model, from what MLflow or sparksig wrote.

    Args:
        source: an MLmodel file or its directory, a JSON file, or a dict of either's content.

    Returns:
        The signature.

    Raises:
        SignatureError: there is no such file, it is no MLmodel and no signature, it has no signature, or the signature
            is malformed; every fault of a malformed one is listed with its path.

    >>> load_signature({"inputs": [{"type": "double", "name": "age"}]}).inputs
    ['age': double (required)]
    """
    if isinstance(source, Mapping):
        return _from_content(source, "the dict")
    path = _file(source)
    return _from_content(read_mlmodel(path), str(path))


def signature_in(text: bytes, name: str) -> ModelSignature:
    """The signature in the text of an MLmodel file.

    Args:
        text: what the file holds.
        name: what messages call it.

    Raises:
        SignatureError: as `load_signature`.
    """
    return _from_content(_parse(_decoded(text, name).removeprefix("\ufeff"), name), name)


def read_mlmodel(source: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of an MLmodel file, or of a JSON file, as it stands there.

    Args:
        source: the file or its directory.

    Raises:
        SignatureError: there is no such file, or it is neither YAML nor JSON, or not a mapping.
    """
    path = _file(source)
    return _parse(_read_text(path).removeprefix("\ufeff"), path)


def save_signature(signature: ModelSignature, path: str | os.PathLike[str]) -> None:
    """Write a signature as a JSON file, in the form that MLflow's `ModelSignature.from_dict` reads.

    The file appears whole or not at all.

    Args:
        signature: the signature.
        path: the file; one that is there is replaced.

    Raises:
        OSError: the file cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> from sparksig import ColSpec, Schema
    >>> with TemporaryDirectory() as folder:
    ...     save_signature(ModelSignature(Schema([ColSpec("double", "age")])), f"{folder}/signature.json")
    ...     load_signature(f"{folder}/signature.json").inputs
    ['age': double (required)]
    """
    _write_atomically(Path(path), signature.to_json() + "\n")


def set_signature(path: str | os.PathLike[str], signature: ModelSignature) -> None:
    """Replace the signature in an MLmodel file, or add one where there is none.

    Only the lines of the `signature:` block change, and the file changes at once or not at all.

    Args:
        path: the MLmodel file or its directory.
        signature: the new signature.

    Raises:
        SignatureError: there is no such file, it is no MLmodel, or its `signature:` block cannot be told from the rest.
    """
    file = _file(path)
    text = _read_text(file)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    content = _parse(body, file)
    _check_mlmodel(content, str(file))
    changed = _with_block(body, file, "signature", _block(signature))
    if not _differs_in_signature_only(changed, content, signature, file):
        raise SignatureError(f"{file}: the signature block cannot be told from the rest; the file is unchanged")
    _write_atomically(file, mark + changed)


def set_example_info(path: str | os.PathLike[str], info: Mapping[str, str]) -> None:
    """Write MLmodel's entry of the files of an input example, and touch no other line.

    Args:
        path: an MLmodel file or the folder with one.
        info: the entry `saved_input_example_info`: the files' names, the example's type.

    Raises:
        SignatureError: the file is no MLmodel, or the block cannot be found exactly once; nothing is written.
        SinkError: the file cannot be written.
    """
    file = _file(path)
    text = _read_text(file)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    content = _parse(body, file)
    _check_mlmodel(content, str(file))
    key = "saved_input_example_info"
    lines = [f"{key}:", *(f"  {name}: '{value}'" for name, value in sorted(info.items()))]
    changed = _with_block(body, file, key, lines)
    after = _parse(changed, file)
    if {**content, key: dict(info)} != after:
        raise SignatureError(f"{file}: the block {key} cannot be told from the rest; the file is unchanged")
    _write_atomically(file, mark + changed)


def _differs_in_signature_only(changed: str, before: dict[str, Any], signature: ModelSignature, path: Path) -> bool:
    """Whether the changed text says what it should: the proof that the right lines were replaced."""
    try:
        after = _parse(changed, path)
        if load_signature(after).to_dict() != signature.to_dict():
            return False
    except SignatureError:
        return False
    rest = [{key: value for key, value in content.items() if key != "signature"} for content in (before, after)]
    return repr(rest[0]) == repr(rest[1])  # as text, because a NaN is not equal to itself


def _file(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    if path.is_dir():
        path = path / _MLMODEL
    if not path.is_file():
        hint = (
            "; of URIs only runs:/ and models:/ are read, by load_signature and score"
            if re.match(r"[a-z0-9+]{2,}:/", str(source))
            else ""
        )
        raise SignatureError(f"{source if hint else path}: no such file{hint}")
    return path


def _read_text(path: Path) -> str:
    return _decoded(path.read_bytes(), path)


def _decoded(text: bytes, path: Path | str) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise SignatureError(f"{path} is no MLmodel: it is not UTF-8 text") from None


def _parse(text: str, path: Path | str) -> dict[str, Any]:
    """The mapping that a text holds; JSON first, because a JSON text is YAML too but read far slower."""
    if text.lstrip().startswith("{"):
        try:
            content = parse_json(text, str(path))
        except SignatureError as error:
            try:
                content = _parse_yaml(text, path)
            except SignatureError:
                raise error from None
    else:
        content = _parse_yaml(text, path)
    if not isinstance(content, dict):
        hint = ": a signature is an object with the keys " + ", ".join(PARTS) if isinstance(content, list) else ""
        raise SignatureError(f"{path} is no MLmodel: it holds {json_kind(content)}{hint}")
    return content


def _parse_yaml(text: str, path: Path | str) -> Any:
    with _yaml_errors(path):
        if _is_too_deep(text):
            raise SignatureError(f"{path} is no MLmodel: it is nested too deeply")
        return yaml.load(text, _LOADER)  # one of the two safe loaders


def _is_too_deep(text: str) -> bool:
    depth = 0
    for event in yaml.parse(text, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _NESTING:
            return True
    return False


@contextmanager
def _yaml_errors(path: Path | str) -> Iterator[None]:
    """YAML's errors as ours: the fact and the place, without the text or a trace."""
    try:
        yield
    except SignatureError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SignatureError(f"{path} is no MLmodel: it is not YAML: {error.problem}{place}") from None
    except yaml.YAMLError:
        raise SignatureError(f"{path} is no MLmodel: it holds characters that YAML does not admit") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # `!!bool x`, 2024-99-99
        raise SignatureError(f"{path} is no MLmodel: it holds a value that is not what its form says") from None


def _from_content(content: Mapping[str, Any], where: str) -> ModelSignature:
    try:
        if content.get("signature"):
            return ModelSignature.from_dict(content["signature"])
        if any(part in content for part in PARTS):
            return ModelSignature.from_dict(content)
    except SignatureError as error:
        raise SignatureError(f"{where}: {error.message}", error.problems) from None
    _check_mlmodel(content, where)
    raise SignatureError(f"{where}: the model was stored without a signature; {_HINT}")


def _check_mlmodel(content: Mapping[str, Any], where: str) -> None:
    if not _MLMODEL_KEYS & content.keys():
        raise SignatureError(f"{where} is no MLmodel and no signature: none of their keys is there")


def _with_block(text: str, path: Path, key_name: str, content: Sequence[str]) -> str:
    """The text with the lines of a top-level key's block replaced, or with the block after its last line."""
    with _yaml_errors(path):
        root = yaml.compose(text, _LOADER)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise SignatureError(f"{path}: only an MLmodel in YAML's block style can be changed, not one written as JSON")
    lines = _BREAKS.split(text)
    found = [(key, value) for key, value in root.value if key.value == key_name]
    if len(found) > 1:
        raise SignatureError(f"{path}: the key {key_name} is there {len(found)} times; the file is unchanged")
    if found:
        key, value = found[0]
        first, last = key.start_mark.line, max(key.start_mark.line, _last_line(value))
    else:
        first, last = _last_line(root) + 1, _last_line(root)
    style = re.search("[\r\n]+$", lines[min(first, last)])
    ending = style[0] if style else _common_ending(text)
    indent = " " * root.value[0][0].start_mark.column
    block = [f"{indent}{line}" for line in content]
    before, after = "".join(lines[:first]), "".join(lines[last + 1 :])
    if before and not before.endswith(("\n", "\r")):
        return before + ending + ending.join(block)  # the file ends without a line break, and still does
    final = ending if style else ""
    return before + ending.join(block) + final + after


def _last_line(node: yaml.Node) -> int:
    """The line on which a node's own text ends; a block's end mark stands behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    return int(mark.line if mark.column else mark.line - 1)


def _common_ending(text: str) -> str:
    found = re.search("\r\n|\n|\r", text)
    return found[0] if found else "\n"


def _block(signature: ModelSignature) -> list[str]:
    """The block's lines. The JSON texts are ASCII, so that quoting a quote is all that YAML asks for."""
    parts = signature.to_dict().items()
    quoted = ((part, "null" if text is None else "'" + text.replace("'", "''") + "'") for part, text in parts)
    return ["signature:", *(f"  {part}: {text}" for part, text in quoted)]


def _write_atomically(path: Path, text: str) -> None:
    """All of the text or nothing, under the permissions that the file has, through links to where they point."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        with open(draft, "x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SinkError(f"{path} cannot be written: {error.strerror}") from error
