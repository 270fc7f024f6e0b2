"""A key journal in memory that may lose, repeat and spoil its notes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from siddes_telemetry.backends.ports.errors import LogUnavailable


class MemoryJournal:
    """A KeyJournal. `left` holds (partition, time, note), in order."""

    def __init__(self, clock_ms: Callable[[], int] = lambda: 0) -> None:
        self.left: list[tuple[int, int, bytes]] = []
        self.available = True  # False: notes are lost, and asking raises LogUnavailable
        self.fate: Callable[[bytes], list[bytes]] = lambda note: [note]  # what is kept where this is left
        self.clock_ms = clock_ms

    def append(self, partition: int, note: bytes) -> None:
        if self.available:
            self.left += [(partition, self.clock_ms(), kept) for kept in self.fate(note)]

    async def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        for number, at_ms, note in list(self.left):
            await asyncio.sleep(0)
            if not self.available:
                raise LogUnavailable
            if number == partition and at_ms >= since_ms:
                yield note

    async def close(self) -> None:
        """Nothing is ever on its way."""
