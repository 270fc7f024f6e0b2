"""The retry policy: exponential back-off with full jitter, for nine minutes. Pure."""

from __future__ import annotations

from collections.abc import Callable

BASE_S = 1.0
CAP_S = 60.0
MAX_AGE_S = 540.0  # of a batch, since its first try: the server remembers an id for 600 s, and a request takes time too

_MAX_DOUBLINGS = 6  # beyond CAP_S already


def backoff_s(tries: int, retry_after_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait after so many consecutive failures (from 1): exponential with full jitter, plus Retry-After.

    Full jitter spreads clients best: AWS Architecture Blog, "Exponential Backoff And Jitter".
    `random` returns 0 ≤ x < 1.
    """
    return retry_after_s + random() * min(CAP_S, BASE_S * 2.0 ** min(tries - 1, _MAX_DOUBLINGS))


def is_expired(first_try_s: float, at_s: float) -> bool:
    """Whether a batch first tried at `first_try_s` must not be sent at `at_s`: the server may have forgotten its id."""
    return at_s - first_try_s > MAX_AGE_S
