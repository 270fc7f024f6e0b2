"""A batch: the calls of one token that are sent, and sent again, under one id. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from siddes_telemetry_client.calls import MAX_COUNT, Call

MAX_CALLS = 500  # of one batch: the server takes so many entries, and no call needs more than one


@dataclass(slots=True)
class Entry:
    """Equal events added up. A call is never spread over two entries, so that a rejected entry is so many calls."""

    event: str
    count: int = 0
    calls: int = 0

    def add(self, times: int) -> None:
        """One more call."""
        self.count += times
        self.calls += 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Immutable from its first try on: the server counts an id once and does not look at its second body."""

    batch_id: UUID
    entries: tuple[Entry, ...]
    first_try_s: float  # on a clock that counts suspend

    @property
    def calls(self) -> int:
        """How many calls it carries."""
        return sum(entry.calls for entry in self.entries)

    def body(self) -> bytes:
        """What is posted."""
        events = [{"event": entry.event, "count": entry.count} for entry in self.entries]
        return json.dumps({"batch_id": str(self.batch_id), "events": events}, separators=(",", ":")).encode()


def add_up(calls: Iterable[Call]) -> tuple[Entry, ...]:
    """The calls as entries of at most MAX_COUNT each, equal events together."""
    entries: list[Entry] = []
    last: dict[str, Entry] = {}
    for event, times in calls:
        entry = last.get(event)
        if entry is None or entry.count + times > MAX_COUNT:
            entry = last[event] = Entry(event)
            entries.append(entry)
        entry.add(times)
    return tuple(entries)
