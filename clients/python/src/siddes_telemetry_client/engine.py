"""What takes the calls of a Telemetry client, and the one that drops them all."""

from __future__ import annotations

import threading
from typing import Protocol

from siddes_telemetry_client.stats import CallCounters, Stats


class Engine(Protocol):
    """Takes calls from any thread of one process. After its close it drops them."""

    def count(self, event: str, times: int, token: str, /) -> None:
        """Take a call, or drop it. Returns at once."""

    def flush(self, timeout_s: float, /) -> bool:
        """Send without lingering. True as soon as all calls are settled, False after `timeout_s`."""

    def close(self, timeout_s: float, /) -> bool:
        """Send for so long, then drop the rest. Whether nothing was dropped."""

    def discard(self) -> None:
        """Begin to close, because nobody refers to the client any more. Returns at once."""

    def in_child(self) -> Engine:
        """An engine like this one, for a forked child: closed where this one is, with no calls."""

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters."""


class SwitchedOff:
    """Drops every call."""

    def __init__(self) -> None:
        self._counters = CallCounters()
        self._counting = threading.RLock()

    def count(self, _event: str, _times: int, _token: str, /) -> None:
        """Drop it."""
        with self._counting:
            self._counters.called += 1
            self._counters.drop("disabled")

    def flush(self, _timeout_s: float, /) -> bool:
        """All calls are settled."""
        return True

    def close(self, _timeout_s: float, /) -> bool:
        """Nothing waits."""
        return True

    def discard(self) -> None:
        """Nothing runs."""

    def in_child(self) -> Engine:
        """Another one."""
        return SwitchedOff()

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters."""
        return self._counters.snapshot()
