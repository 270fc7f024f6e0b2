"""Limits for the memory of clients: how many may be connected, and what all slow ones together may take (requests that
arrive, and responses that are not taken)."""

from __future__ import annotations

from typing import Protocol

MAX_CONNECTIONS = 16_384  # of a process: about 200 MB of silent clients
MAX_CLIENT_MEMORY_BYTES = 64 * 1024 * 1024  # all clients of a server: 250 of the largest batches


class Evictable(Protocol):
    """A client, or a request, that memory is kept for."""

    def evict(self) -> None:
        """Release the memory."""


class ClientMemoryLimit:
    """Bytes by client. Beyond the limit, the client that has held memory for longest is evicted."""

    def __init__(self, limit: int = MAX_CLIENT_MEMORY_BYTES) -> None:
        self._limit = limit
        self._usage: dict[Evictable, int] = {}  # the oldest first
        self.used_bytes = 0

    def set_usage(self, client: Evictable, size: int) -> None:
        """This client takes `size` bytes in all now."""
        if size == 0:
            self.used_bytes -= self._usage.pop(client, 0)
            return
        self.used_bytes += size - self._usage.get(client, 0)
        self._usage[client] = size
        while self.used_bytes > self._limit:
            oldest = next(iter(self._usage))
            self.used_bytes -= self._usage.pop(oldest)
            oldest.evict()
