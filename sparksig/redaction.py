"""Mask credentials in text: user information and query strings of URIs, and values of settings that hold a secret.

Errors, summaries, lineage events and everything the command line prints pass through this module. Code that opens a
URI uses the URI itself; code that shows one shows what `masked` returns.

`abfss://container@account` has no user information: the part before the `@` is the container. `models:/name@alias` has
none either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

MASK = "***"
"""What stands in place of a secret."""

_T = TypeVar("_T")

_CONTAINERS = ("abfs", "abfss", "wasb", "wasbs")
_MODELS = ("models", "runs")
_NO_PORT = ("s3", "s3a", "s3n", "gs", "gcs")
_NO_AUTHORITY = ("file", "dbfs", "hdfs", "viewfs")
"""Schemes whose paths may begin after one slash or three: `file:/user@host` is a folder, not a user."""

_SECRET_KEY = re.compile(
    r"secret|passw|pwd|passphrase|token|key|credential|authorization|jaas|(?<![a-z])sas(?![a-z])", re.IGNORECASE
)
_SECRET_PARAM = re.compile(rf"{_SECRET_KEY.pattern}|^sig$|signature|^auth$", re.IGNORECASE)

_SCHEME = r"(?<![A-Za-z0-9+.-])((?:[A-Za-z][A-Za-z0-9+.-]+:)+)"
_URI = re.compile(rf"{_SCHEME}(/+)((?:(?!,[A-Za-z][A-Za-z0-9+.-]+:/)[^\s'\"<>`\\])*)")
# A password that was not percent-encoded may hold a blank. A port is not a password.
_BLANK_IN_PASSWORD = re.compile(
    rf"{_SCHEME}(?<!models:)(?<!runs:)(/+)[^\s/@:'\"]+:(?!\d+(?:[/\s,;?)]|$))[^\s@'\"]*[ \t][^@'\"\n]*@"
)
_ORACLE = re.compile(r"(jdbc:oracle:[a-z0-9]+:)[^\s'\"@/]+/[^\s'\"]*@", re.IGNORECASE)
_NO_SCHEME = re.compile(r"(?<![:/\w])(//)[^\s'\"/@:]+:[^\s'\"@]+@")
_ENCODED = re.compile(r"((?:%3A|:)%2F%2F)[^\s'\"]*?(?=%40)", re.IGNORECASE)
_ENCODED_QUERY = re.compile(r"((?:%3A|:)%2F%2F[^\s'\"?]*?%3F)[^\s'\"]+", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?<![\w.-])([\w.-]*?(?:secret|passw(?:or)?d|pwd|passphrase|token|credential|signature|(?:access|account|api|"
    r"private|shared|storage|encryption)[._-]?key)[\w.-]*|sig)(\s*=\s*)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s;&,'\"`)\]}]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bAuthorization\s*[:=]\s*\w+\s+)\S+|(\bBearer\s+)[A-Za-z0-9+/=._~-]{16,}", re.IGNORECASE)
_AFTER = ").,:;!"


def is_secret_key(name: str) -> bool:
    """Whether the value of a setting is a secret, by the setting's name.

    >>> is_secret_key("fs.s3a.secret.key"), is_secret_key("sasl.Password"), is_secret_key("header")
    (True, True, False)
    """
    return _SECRET_KEY.search(name) is not None


def masked(text: str) -> str:
    """Mask the credentials in a text: those of each URI, and `password=..`, `token=..` and the like.

    Masking a masked text changes nothing.

    Args:
        text: a URI, or a text with URIs in it.

    >>> masked("nothing is stored at s3://AKIA:pw@lake/table?region=eu")
    'nothing is stored at s3://***@lake/table?***'
    >>> masked("jdbc:postgresql://db/sales?user=me&password=pw"), masked("sc://host:15002/;token=abc")
    ('jdbc:postgresql://db/sales?***', 'sc://host:15002/;***')
    >>> masked("abfss://raw@account.dfs.core.windows.net/t"), masked("models:/late@prod")
    ('abfss://raw@account.dfs.core.windows.net/t', 'models:/late@prod')
    """
    if "/" in text:
        text = _BLANK_IN_PASSWORD.sub(rf"\1\2{MASK}@", text)
        text = _URI.sub(_masked_uri, text)
        text = _ORACLE.sub(rf"\1{MASK}@", text)
        text = _NO_SCHEME.sub(rf"\1{MASK}@", text)
    if "%" in text:
        text = _ENCODED.sub(rf"\1{MASK}", text)
        text = _ENCODED_QUERY.sub(rf"\1{MASK}", text)
    if "=" in text:
        text = _ASSIGNED.sub(rf"\1\2{MASK}", text)
    return _BEARER.sub(lambda match: f"{match[1] or match[2]}{MASK}", text)


def masked_values(value: _T) -> _T:
    """Mask every text in a JSON value, at any depth, keys included.

    >>> masked_values({"path": "s3://k:s@lake/t", "rows": 3, "also": ["https://h/?sig=x"]})
    {'path': 's3://***@lake/t', 'rows': 3, 'also': ['https://h/?***']}
    """
    found: Any = value
    if isinstance(found, str):
        found = masked(found)
    elif isinstance(found, Mapping):
        found = {masked_values(key): masked_values(each) for key, each in found.items()}
    elif isinstance(found, list | tuple) and type(found) in (list, tuple):
        found = type(found)(masked_values(each) for each in found)
    return found  # type: ignore[no-any-return]


def masked_repr(shown: Any) -> str:
    """The `repr` of a dataclass, with the credentials in it masked."""
    values = [f"{one.name}={masked_values(getattr(shown, one.name))!r}" for one in fields(shown) if one.repr]
    return f"{type(shown).__qualname__}({', '.join(values)})"


def without_credentials(value: _T) -> _T:
    """A setting without the parts of it that only grant access: what remains identifies what the setting names.

    User information is removed, and so are parameters of a URI that hold a secret. Of a map, the values of keys that
    name a secret are removed.

    >>> without_credentials("s3://AKIA:pw@lake/t?region=eu&secret_key=x"), without_credentials("s3://lake/t?region=eu")
    ('s3://lake/t?region=eu', 's3://lake/t?region=eu')
    >>> without_credentials({"header": "true", "password": "pw"})
    {'header': 'true'}
    """
    found: Any = value
    if isinstance(value, Mapping):
        kept = {key: each for key, each in value.items() if not is_secret_key(str(key))}
        found = {key: without_credentials(each) for key, each in kept.items()}
    elif isinstance(value, str) and (uri := re.match(rf"{_SCHEME}(/+)(.*)", value, re.DOTALL)):
        scheme, slashes, rest = uri.groups()
        user, rest = _user_and_rest(scheme, slashes, rest)
        path, mark, query = rest.partition("?")
        if _name(scheme) == "file":  # a `?` is a part of the file's name
            found = f"{scheme}{slashes}{rest}"
        elif mark or user:
            kept_params = [each for each in query.split("&") if not _SECRET_PARAM.search(each.partition("=")[0])]
            found = f"{scheme}{slashes}{path}" + (f"?{'&'.join(kept_params)}" if any(kept_params) else "")
    return found  # type: ignore[no-any-return]


def _masked_uri(match: re.Match[str]) -> str:
    scheme, slashes, rest = match.groups()
    plain = rest.rstrip(_AFTER)
    after = rest[len(plain) :]
    user, shown = _user_and_rest(scheme, slashes, plain)
    head = re.split("[/?#;]", shown, maxsplit=1)[0]
    if not user and _name(scheme) not in _MODELS and _is_password(_name(scheme), head):
        shown = f"{head.partition(':')[0]}:{MASK}{shown[len(head) :]}"
    shown, mark, query = shown.partition("?")
    if query:
        shown += mark + MASK
    if scheme.lower().startswith(("sc:", "jdbc:")):
        shown, mark, params = shown.partition(";")
        shown += mark + (MASK if params else "")
    return f"{scheme}{slashes}{f'{MASK}@' if user else ''}{shown}{after}"


def _user_and_rest(scheme: str, slashes: str, rest: str) -> tuple[str, str]:
    """The user information of a URI, and what follows it, both without the `@` between them.

    A password that was not percent-encoded may hold a slash, a `?` or an `@`: it then ends at the last `@`.
    """
    name = _name(scheme)
    if name in _MODELS:
        return "", rest
    head = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in rest and _is_password(name, head):
        user, _, rest = rest.rpartition("@") if "?" not in rest else _before_query(rest)
        return user, rest
    user, mark, host = head.rpartition("@")
    if not mark or name in _CONTAINERS or (name in _NO_AUTHORITY and len(slashes) != 2):
        return "", rest
    return user, host + rest[len(head) :]


def _before_query(rest: str) -> tuple[str, str, str]:
    """Split at the last `@` of the path, or of all if the only ones are behind a `?`."""
    path = rest.partition("?")[0]
    user, mark, host = path.rpartition("@")
    return (user, mark, host + rest[len(path) :]) if mark else rest.rpartition("@")


def _name(scheme: str) -> str:
    """The last scheme of several, as in `jdbc:mysql:`."""
    return scheme.lower().rstrip(":").rpartition(":")[2]


def _is_password(scheme: str, head: str) -> bool:
    """Whether the beginning of a URI, up to its first slash, holds a password: a `:` that no port follows.

    >>> _is_password("hdfs", "user:pw@host"), _is_password("hdfs", "host:8020"), _is_password("sc", "[::1]:80")
    (True, False, False)
    """
    user, mark, host = head.rpartition("@")
    if (mark and ":" in user) or (scheme in _NO_PORT and ":" in head):
        return True
    parts = [re.sub(r"^\[[^\]]*\]", "", part) for part in host.split(";")[0].split(",")]
    return any(":" in part and not re.fullmatch(r"[^:]*:\d{0,5}", part) for part in parts)
