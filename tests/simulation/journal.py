"""The simulated key journal: it loses, repeats and corrupts notes, and is unavailable at times."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from siddes_telemetry.backends.ports.errors import LogUnavailable
from tests.fakes.memory_journal import MemoryJournal
from tests.simulation.faults import Faults
from tests.simulation.hosts import Host

LIKELIER = 3.0  # more likely than for other messages: no caller waits for a note


class Journal(MemoryJournal):
    """The journal of all processes."""

    def __init__(self, faults: Faults, clock_ms: Callable[[], int]) -> None:
        super().__init__(clock_ms)
        self.fate = self._fate
        self._faults = faults

    def is_away(self) -> bool:
        """Whether this request gets no answer."""
        away = self._faults.strikes(LIKELIER)
        self._faults.counts["journal away"] += away
        return away

    def _fate(self, note: bytes) -> list[bytes]:
        if not self._faults.strikes(LIKELIER):
            return [note]
        what = self._faults.rng.choice(("lost", "twice", "spoilt"))
        self._faults.counts[f"note {what}"] += 1
        return {"lost": [], "twice": [note, note], "spoilt": [note[:-1]]}[what]


class HostJournal:
    """A KeyJournal of one host."""

    def __init__(self, journal: Journal, host: Host) -> None:
        self._journal = journal
        self._host = host

    def append(self, partition: int, note: bytes) -> None:
        if not self._host.dead:
            self._journal.append(partition, note)

    async def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        if self._journal.is_away():
            raise LogUnavailable("the journal did not answer")
        async for note in self._journal.notes(partition, since_ms):
            yield note
