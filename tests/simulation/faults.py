"""What goes wrong, chosen by the seed, and how often it did."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

TROUBLE = (0.0, 0.02, 0.05, 0.15)  # of messages, in one schedule; a schedule draws one
LATENCIES_S = (0.0005, 0.001, 0.004, 0.03)
LATE_S = (0.3, 2.0, 6.0, 20.0, 70.0)  # around every time-out of the product: 5 s, 10 s, 30 s, 60 s


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of a question and of its answer. None: it never arrives."""

    there_s: float | None
    back_s: float | None


class Faults:
    """One seed's weather. `calm`: from now on nothing goes wrong. `counts`: what did, by kind."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.calm = False
        self.counts: Counter[str] = Counter()
        self._trouble = rng.choice(TROUBLE)

    def latency_s(self) -> float:
        return self.rng.choice(LATENCIES_S)

    def strikes(self, times: float = 1.0) -> bool:
        """Whether something goes wrong here; `times` as likely as for any message."""
        return not self.calm and self.rng.random() < self._trouble * times

    def passage(self, kind: str, times: float = 1.0) -> Passage:
        """The way of one message, of a `kind` to count its faults by."""
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
