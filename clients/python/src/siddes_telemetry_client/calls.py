"""One call of count(), before it goes anywhere. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_COUNT = 50  # of one call, and of one entry of a batch: the server clamps there too
MAX_TOKEN = 8183  # characters: with "Bearer " what servers commonly take as one header line

_EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")  # what a registry can name
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750, 2.1


class Call(NamedTuple):
    """What happened, and how often: 1..MAX_COUNT."""

    event: str
    times: int


def clamped(count: float) -> int:
    """The count truncated and clamped to 1..MAX_COUNT; 1 for what is no finite number."""
    try:
        return min(max(int(count), 1), MAX_COUNT)
    except (TypeError, ValueError, OverflowError):
        return 1


def may_be_event(event: str) -> bool:
    """Whether a registry could name an event so. What could not (text, an address) never leaves the process."""
    return _EVENT_NAME.fullmatch(event) is not None


def may_be_token(token: str) -> bool:
    """Whether this can be sent as a bearer token; it is no judgement of whose it is."""
    return len(token) <= MAX_TOKEN and _TOKEN.fullmatch(token) is not None
