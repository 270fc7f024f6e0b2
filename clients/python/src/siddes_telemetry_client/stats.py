"""Counters of what became of each call, for the metrics of the application."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

DropReason = Literal["overflow", "refused", "expired", "rejected", "disabled", "abandoned"]


@dataclass(frozen=True, slots=True)
class Stats:
    """Calls of count() since the client was made. Always: called = accepted + dropped + waiting."""

    called: int
    waiting: int  # not settled yet, in flight included
    accepted: int  # the server has them durably
    overflow: int  # too many were waiting
    refused: int  # the server refused the batch: mostly a token that it does not accept
    expired: int  # retried for 9 minutes; they may or may not be counted
    rejected: int  # the server's registry does not have the event
    disabled: int  # the server's kill switch is on
    abandoned: int  # left over when the client was closed; those in flight may or may not be counted

    @property
    def dropped(self) -> int:
        """All calls that were given up, for any reason."""
        return self.overflow + self.refused + self.expired + self.rejected + self.disabled + self.abandoned


class CallCounters:
    """The counters that Stats is a snapshot of."""

    def __init__(self) -> None:
        self.called = 0
        self.accepted = 0
        self._dropped: Counter[DropReason] = Counter()

    def drop(self, reason: DropReason, calls: int = 1) -> bool:
        """Count dropped calls; whether they are the first ones for this reason."""
        first = calls > 0 and self._dropped[reason] == 0
        self._dropped[reason] += calls
        return first

    def snapshot(self, waiting: int) -> Stats:
        """The counters now; `waiting` is the number of calls that are not settled."""
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
