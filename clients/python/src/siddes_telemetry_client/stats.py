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
    disabled: int  # the server's kill switch is on, or the client was made with disabled=True
    abandoned: int  # left over when the client was closed; those in flight may or may not be counted

    @property
    def dropped(self) -> int:
        """All calls that were given up, for any reason."""
        return self.overflow + self.refused + self.expired + self.rejected + self.disabled + self.abandoned


class CallCounters:
    """The counters that Stats is a snapshot of. One thread changes them, any thread may take a snapshot."""

    def __init__(self) -> None:
        self.called = 0
        self.accepted = 0
        self._dropped: Counter[DropReason] = Counter()

    def drop(self, reason: DropReason, calls: int = 1) -> None:
        """Count dropped calls."""
        self._dropped[reason] += calls

    def snapshot(self) -> Stats:
        """The counters now. `called` is read last: it is counted first, so that `waiting` is never negative."""
        accepted = self.accepted
        dropped = self._dropped.copy()
        called = self.called
        return Stats(
            called=called,
            waiting=called - accepted - dropped.total(),
            accepted=accepted,
            overflow=dropped["overflow"],
            refused=dropped["refused"],
            expired=dropped["expired"],
            rejected=dropped["rejected"],
            disabled=dropped["disabled"],
            abandoned=dropped["abandoned"],
        )
