"""What became of every call, as plain integers for a process's own metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Reason = Literal["overflow", "refused", "expired", "rejected", "disabled", "abandoned"]


@dataclass(frozen=True, slots=True)
class Stats:
    """Calls of count(), since the client was made. At any moment called = accepted + dropped + waiting."""

    called: int
    waiting: int  # not settled yet, in flight included
    accepted: int  # the server has them durably
    overflow: int  # too many were waiting
    refused: int  # the server refused the batch: a token it does not take, mostly
    expired: int  # tried for 9 minutes; whether they are counted is not known
    rejected: int  # the server knows no such event
    disabled: int  # the server's kill switch is on
    abandoned: int  # left over when the client was closed; whether those in flight are counted is not known

    @property
    def dropped(self) -> int:
        """All that were given up, for whatever reason."""
        return self.overflow + self.refused + self.expired + self.rejected + self.disabled + self.abandoned


class Ledger:
    """Adds up what becomes of the calls."""

    def __init__(self) -> None:
        self.called = 0
        self.accepted = 0
        self._dropped: Counter[Reason] = Counter()

    def drop(self, reason: Reason, calls: int = 1) -> bool:
        """Note that so many calls were given up; whether they are the first for this reason."""
        first = calls > 0 and self._dropped[reason] == 0
        self._dropped[reason] += calls
        return first

    def stats(self, waiting: int) -> Stats:
        """How things stand, with so many calls not settled."""
        dropped = self._dropped
        return Stats(
            called=self.called,
            waiting=waiting,
            accepted=self.accepted,
            overflow=dropped["overflow"],
            refused=dropped["refused"],
            expired=dropped["expired"],
            rejected=dropped["rejected"],
            disabled=dropped["disabled"],
            abandoned=dropped["abandoned"],
        )
