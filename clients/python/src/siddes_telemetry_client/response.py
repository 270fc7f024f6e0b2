"""Classifies the server's response to a batch. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal

MAX_RETRY_AFTER_S = 600.0  # no batch lives that long: a longer wait changes nothing

_SECONDS = re.compile(r"[0-9]{1,9}")
_RETRIABLE = frozenset({408, 429})  # besides every 5xx


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. Body and Retry-After do not show in a repr."""

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The batch is counted, except the entries at these indexes."""

    rejected: frozenset[int] = frozenset()


Refusal = Literal["token_refused", "redirected", "not_the_gateway", "not_found", "batch_refused"]


@dataclass(frozen=True, slots=True)
class Refused:
    """The batch is not counted, and never will be."""

    why: Refusal = "batch_refused"


@dataclass(frozen=True, slots=True)
class Disabled:
    """The server's kill switch is on."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The batch may or may not be counted: send it again under the same id, after at least so many seconds."""

    after_s: float = 0.0
    server_error: bool = False  # the server said so, 5xx


_REFUSALS: dict[int, Refusal] = {401: "token_refused", 403: "token_refused", 404: "not_found", 405: "not_found"}

Outcome = Accepted | Refused | Disabled | Retry


def outcome_of(response: Response) -> Outcome:
    """What the response means for the batch. A redirect is a refusal: the token is for the configured address only."""
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        if response.body.lstrip()[:1] == b"<":  # a page of a proxy: the gateway answers in JSON
            return Refused("not_the_gateway")
        return Accepted(_rejected(response.body))
    if status in _RETRIABLE or status >= 500:  # noqa: PLR2004 - the class of server errors
        return Retry(_seconds(response.retry_after), server_error=status >= 500)  # noqa: PLR2004 - likewise
    if status == 404 and _fields(response.body).get("error") == "telemetry_disabled":  # noqa: PLR2004 - not found
        return Disabled()
    return Refused("redirected" if status < 400 else _REFUSALS.get(status, "batch_refused"))  # noqa: PLR2004 - errors


def _seconds(retry_after: str | None) -> float:
    """Retry-After in seconds (RFC 9110, 10.2.3); 0 where it is missing, a date or malformed."""
    if retry_after is None or _SECONDS.fullmatch(retry_after) is None:
        return 0.0
    return min(float(retry_after), MAX_RETRY_AFTER_S)


def _rejected(body: bytes) -> frozenset[int]:
    rejected = _fields(body).get("rejected")
    if not isinstance(rejected, list):
        return frozenset()
    indexes = (item.get("index") for item in rejected if isinstance(item, dict))
    return frozenset(index for index in indexes if type(index) is int)


def _fields(body: bytes) -> dict[str, object]:
    """The JSON object of a body; empty where it is none."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
