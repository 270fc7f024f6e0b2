"""Chooses the faults of a schedule by its seed, and counts them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

TROUBLE = (0.0, 0.02, 0.05, 0.15)  # share of messages with a fault; a schedule draws one
LATENCIES_S = (0.0005, 0.001, 0.004, 0.03)
LATE_S = (0.3, 2.0, 6.0, 20.0, 70.0)  # on both sides of every time-out of the product: 5 s, 10 s, 30 s, 60 s


@dataclass(frozen=True, slots=True)
class Passage:
    """The delays of a request and of its answer. None: it never arrives."""

    there_s: float | None
    back_s: float | None


class Faults:
    """The faults of one seed. `calm`: there are none from now on. `counts`: how many there were, by kind."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.calm = False
        self.counts: Counter[str] = Counter()
        self._trouble = rng.choice(TROUBLE)

    def latency_s(self) -> float:
        return self.rng.choice(LATENCIES_S)

    def strikes(self, times: float = 1.0) -> bool:
        """Whether there is a fault here; `times` as likely as for an ordinary message."""
        return not self.calm and self.rng.random() < self._trouble * times

    def passage(self, kind: str, times: float = 1.0) -> Passage:
        """The delays of one message. Its faults are counted by `kind`."""
        there_s = back_s = self.latency_s()
        if not self.strikes(times):
            return Passage(there_s, back_s)
        what = self.rng.choice(("late", "lost", "answer late", "answer lost"))
        self.counts[f"{kind} {what}"] += 1
        if what == "late":
            return Passage(self.rng.choice(LATE_S), back_s)
        if what == "lost":
            return Passage(None, None)
        if what == "answer late":
            return Passage(there_s, self.rng.choice(LATE_S))
        return Passage(there_s, None)
