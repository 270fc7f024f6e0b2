"""What slow clients make a process keep in memory: requests that still arrive, and answers that nobody takes."""

from __future__ import annotations

from typing import Protocol

MAX_CLIENT_MEMORY_BYTES = 64 * 1024 * 1024  # all clients of a server: 250 of the largest batches


class Evictable(Protocol):
    """Somebody for whom bytes are kept."""

    def evict(self) -> None:
        """Let go of them: others need the room."""


class ClientMemoryLimit:
    """Bytes by client, for as long as each has any. Beyond the limit whoever has had some for longest is cut off."""

    def __init__(self, limit: int = MAX_CLIENT_MEMORY_BYTES) -> None:
        self._limit = limit
        self._usage: dict[Evictable, int] = {}  # the longest first
        self.used_bytes = 0

    def set_usage(self, client: Evictable, size: int) -> None:
        """So many bytes are kept for this client now, all in all."""
        if size == 0:
            self.used_bytes -= self._usage.pop(client, 0)
            return
        self.used_bytes += size - self._usage.get(client, 0)
        self._usage[client] = size
        while self.used_bytes > self._limit:
            slowest = next(iter(self._usage))
            self.used_bytes -= self._usage.pop(slowest)
            slowest.evict()
