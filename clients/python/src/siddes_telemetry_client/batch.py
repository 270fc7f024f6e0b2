"""A batch: calls of one token that are sent, and retried, under one id. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from siddes_telemetry_client.validation import MAX_COUNT

MAX_CALLS = 500  # of one batch: the server accepts 500 entries, and a call never needs more than one


class Call(NamedTuple):
    """One call of count(): an event, and how many times it is counted, 1..MAX_COUNT."""

    event: str
    times: int


@dataclass(slots=True)
class Entry:
    """Calls of one event, summed. A call is never split between entries, so a rejected entry is a number of calls."""

    event: str
    count: int = 0
    calls: int = 0

    def include(self, times: int) -> None:
        """Include one more call."""
        self.count += times
        self.calls += 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Immutable, because the server counts an id once and ignores the body of a retry."""

    batch_id: UUID
    entries: tuple[Entry, ...]
    first_try_s: float  # on a clock that includes suspend

    @property
    def calls(self) -> int:
        """The number of its calls."""
        return sum(entry.calls for entry in self.entries)

    def body(self) -> bytes:
        """The request body of `POST /api/telemetry/batch`."""
        events = [{"event": entry.event, "count": entry.count} for entry in self.entries]
        return json.dumps({"batch_id": str(self.batch_id), "events": events}, separators=(",", ":")).encode()


def merge_calls(calls: Iterable[Call]) -> tuple[Entry, ...]:
    """The calls as entries of at most MAX_COUNT each; calls of one event share entries."""
    entries: list[Entry] = []
    last: dict[str, Entry] = {}
    for event, times in calls:
        entry = last.get(event)
        if entry is None or entry.count + times > MAX_COUNT:
            entry = last[event] = Entry(event)
            entries.append(entry)
        entry.include(times)
    return tuple(entries)
