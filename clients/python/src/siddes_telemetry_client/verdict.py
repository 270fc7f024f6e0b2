"""What an answer means for the batch that was sent. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

MAX_RETRY_AFTER_S = 600.0  # a longer wait outlives every batch already; so does this one

_SECONDS = re.compile(r"[0-9]{1,9}")
_RETRIABLE = frozenset({408, 429})  # besides every 5xx; 408 request_timeout is documented as retriable


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Neither field shows in a repr."""

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """Counted, but for the entries at these places."""

    rejected: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Refused:
    """Not counted, and never will be."""


@dataclass(frozen=True, slots=True)
class Disabled:
    """The server's kill switch is on."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Counted or not, nobody knows: the same id must be sent again, not before so many seconds."""

    after_s: float = 0.0


Verdict = Taken | Refused | Disabled | TryAgain


def judge(answer: Answer) -> Verdict:
    """What to do with the batch. A redirect is refused: the token is for the address that was configured."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of success
        return Taken(_rejected(answer.body))
    if answer.status in _RETRIABLE or answer.status >= 500:  # noqa: PLR2004 - the class of server errors
        return TryAgain(_seconds(answer.retry_after))
    if answer.status == 404 and _fields(answer.body).get("error") == "telemetry_disabled":  # noqa: PLR2004 - not found
        return Disabled()
    return Refused()


def _seconds(retry_after: str | None) -> float:
    """Retry-After as seconds (RFC 9110, 10.2.3); 0 where it is missing, a date or garbage."""
    if retry_after is None or _SECONDS.fullmatch(retry_after) is None:
        return 0.0
    return min(float(retry_after), MAX_RETRY_AFTER_S)


def _rejected(body: bytes) -> frozenset[int]:
    rejected = _fields(body).get("rejected")
    if not isinstance(rejected, list):
        return frozenset()
    places = (item.get("index") for item in rejected if isinstance(item, dict))
    return frozenset(place for place in places if type(place) is int)


def _fields(body: bytes) -> dict[str, object]:
    """The object of a JSON body; empty where it is none."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
