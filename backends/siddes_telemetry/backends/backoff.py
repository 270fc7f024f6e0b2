"""Exponential back-off with jitter."""

from __future__ import annotations

import random

FIRST_S = 0.1
LONGEST_S = 10.0


class Backoff:
    """Waits that double, jittered by half so that processes do not reconnect at the same moment."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._ceiling_s = FIRST_S

    def next_s(self) -> float:
        """The next wait, in seconds."""
        ceiling_s, self._ceiling_s = self._ceiling_s, min(LONGEST_S, self._ceiling_s * 2)
        return self._rng.uniform(ceiling_s / 2, ceiling_s)
