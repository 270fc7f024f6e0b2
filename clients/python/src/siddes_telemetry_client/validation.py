"""Validates the arguments of count() by the server's rules. Pure."""

from __future__ import annotations

import re

MAX_COUNT = 50  # of one call, and of one entry of a batch: the server clamps there too
MAX_TOKEN_CHARS = 8183  # with "Bearer " what servers commonly accept as one header line

_EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")  # the registry's rule for a name
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750, 2.1


def clamp_count(count: float) -> int:
    """The count truncated and clamped to 1..MAX_COUNT; 1 where it is no finite number."""
    try:
        return min(max(int(count), 1), MAX_COUNT)
    except (TypeError, ValueError, OverflowError):
        return 1


def times_of(count: float) -> int:
    """How many times count() counts: 0 where the count is exactly 0, else 1..MAX_COUNT. 1 where it is no number."""
    try:
        return 0 if count == 0 else clamp_count(count)
    except Exception:  # noqa: BLE001 - of any class: arrays and tensors are neither equal to 0 nor unequal
        return 1


def is_event_name(event: str) -> bool:
    """Whether a registry could contain this name. Anything else (text, an address) never leaves the process."""
    return _EVENT_NAME.fullmatch(event) is not None


def is_bearer_token(token: str) -> bool:
    """Whether this can be sent as a bearer token. Its signature is not checked."""
    return len(token) <= MAX_TOKEN_CHARS and _TOKEN.fullmatch(token) is not None
