"""When to send a batch again, and until when. Pure."""

from __future__ import annotations

from collections.abc import Callable

BASE_S = 1.0
CAP_S = 60.0
LAST_TRY_S = 540.0  # after the first try: the server knows an id for 600 s, and a last request takes its time too

_MAX_DOUBLINGS = 6  # beyond CAP_S already


def wait_s(tries: int, asked_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait after so many failed tries (from 1): exponential with full jitter, on top of what was asked for.

    Full jitter spreads clients best: AWS Architecture Blog, "Exponential Backoff And Jitter".
    `random` returns 0 ≤ x < 1.
    """
    return asked_s + random() * min(CAP_S, BASE_S * 2.0 ** min(tries - 1, _MAX_DOUBLINGS))


def too_late(first_try_s: float, at_s: float) -> bool:
    """Whether a batch first tried then must not be sent at `at_s`: the server may have forgotten its id."""
    return at_s - first_try_s > LAST_TRY_S
