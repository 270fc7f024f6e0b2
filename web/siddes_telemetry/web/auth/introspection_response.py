"""Reads the response of the app's who-am-I endpoint. Pure. docs/deployment.md describes it for authors of such apps."""

from __future__ import annotations

import json
from enum import Enum
from http import HTTPStatus
from urllib.parse import unquote, urljoin, urlsplit

from siddes_telemetry.web.auth.http_client import FetchError, FetchErrorReason

_PERMANENT_REDIRECTS = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})


class FieldAbsent(Enum):
    """The response does not have the field."""

    VALUE = "absent"


NO_VIEWER = (None, False, "")  # values by which an app says that nobody is signed in


def read_viewer(status: int, body: bytes, path: tuple[str, ...]) -> object:
    """The value at this path of the response: text, or a number as its JSON text; None if nobody is signed in.

    Another value (true, an object) is returned as it is, and is not a viewer id. Returns FieldAbsent.VALUE if the field
    is missing. Raises FetchError if the response says neither who is signed in nor that nobody is.
    """
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return None
    if status != HTTPStatus.OK:
        raise FetchError(FetchErrorReason.status)
    try:
        value: object = json.loads(body, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise FetchError(FetchErrorReason.content) from None
    if value is None or value == {}:
        return None  # how Auth.js and NextAuth say that nobody is signed in
    if not isinstance(value, dict):
        raise FetchError(FetchErrorReason.content)
    for name in path:
        if value in NO_VIEWER:
            return None
        value = value.get(name, FieldAbsent.VALUE) if isinstance(value, dict) else FieldAbsent.VALUE
    return value


def leads_to_sign_in(status: int, url: str, location: str) -> bool:
    """Whether a redirect from `url` means that nobody is signed in: a temporary one to another page.

    Otherwise `url` is wrong: the redirect is permanent, or leads to the same path with another scheme or host, with or
    without a slash at its end, or below a prefix such as a language. Raises ValueError if `location` is no URL.
    """
    asked, named = (unquote(urlsplit(each).path).rstrip("/") for each in (url, urljoin(url, location)))
    same = named.endswith(asked) if asked else not named
    return status not in _PERMANENT_REDIRECTS and not same


def _refuse(constant: str) -> object:  # noqa: ARG001  # NaN or an infinity: none of them is JSON
    raise ValueError
