"""What slow clients make a process keep in memory: requests that still arrive, and answers that nobody takes."""

from __future__ import annotations

from typing import Protocol

MAX_HELD_BYTES = 64 * 1024 * 1024  # of all clients of a server: 250 of the largest batches, or a thousand large answers


class Slow(Protocol):
    """Somebody for whom bytes are kept."""

    def cut_off(self) -> None:
        """Let go of them: others need the room."""


class ClientMemory:
    """Bytes by client, for as long as each has any. Beyond the limit whoever has had some for longest is cut off."""

    def __init__(self, limit: int = MAX_HELD_BYTES) -> None:
        self._limit = limit
        self._held: dict[Slow, int] = {}  # the longest first
        self.total = 0

    def hold(self, client: Slow, size: int) -> None:
        """So many bytes are kept for this client now, all in all."""
        if size == 0:
            self.total -= self._held.pop(client, 0)
            return
        self.total += size - self._held.get(client, 0)
        self._held[client] = size
        while self.total > self._limit:
            slowest = next(iter(self._held))
            self.total -= self._held.pop(slowest)
            slowest.cut_off()
