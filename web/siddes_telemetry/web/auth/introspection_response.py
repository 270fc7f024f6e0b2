"""What the app's "who am I" answers, read. Pure. docs/operations.md has it for those who write such an endpoint."""

from __future__ import annotations

import json
from enum import Enum
from http import HTTPStatus

from siddes_telemetry.web.auth.http_client import FetchError, FetchErrorReason


class FieldAbsent(Enum):
    """The answer does not have the field."""

    VALUE = "absent"


NO_VIEWER = (None, False, "")  # what an app may put where it names nobody


def read_viewer(status: int, body: bytes, path: tuple[str, ...]) -> object:
    """What the app's answer holds at the path: text, or a number as its JSON text; None where nobody is signed in.

    What is neither (true, an object) is returned as it is, and is no viewer id; so is FieldAbsent.VALUE where the
    answer ought to have the field. Raises FetchError where the app said neither who it is nor that it is nobody.
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
        return None  # what Auth.js and NextAuth say of nobody
    if not isinstance(value, dict):
        raise FetchError(FetchErrorReason.content)
    for name in path:
        if value in NO_VIEWER:
            return None
        value = value.get(name, FieldAbsent.VALUE) if isinstance(value, dict) else FieldAbsent.VALUE
    return value


def _refuse(constant: str) -> object:  # noqa: ARG001  # NaN and the infinities: not JSON, whichever it is
    raise ValueError
