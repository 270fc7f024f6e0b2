"""The retry windows of a consumer: those of its partitions, and for a while those of partitions that moved on.

If a partition comes back soon, as after a rebalance, only what others stored meanwhile has to be read.
"""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.consumer.retry_window.window import WINDOW_MS, RetryWindow

KEPT_S = WINDOW_MS / 1000  # after that little in it matters any more, and to read it back is cheap


@dataclass(frozen=True, slots=True)
class _Cached:
    log_id: int
    window: RetryWindow
    used_s: float


class WindowCache:
    """Windows by partition. A window that its owner does not use may be dropped here: it still belongs to the owner."""

    def __init__(self) -> None:
        self._cached: dict[int, _Cached] = {}

    def __len__(self) -> int:
        return len(self._cached)

    def get(self, log_id: int, partition: int) -> RetryWindow:
        """The window of an earlier ownership of this partition of this log, or an empty one."""
        cached = self._cached.get(partition)
        return cached.window if cached is not None and cached.log_id == log_id else RetryWindow()

    def put(self, log_id: int, partition: int, window: RetryWindow, now_s: float) -> None:
        """Keep this window, and drop those put more than KEPT_S ago. `now_s` is monotonic."""
        self._cached[partition] = _Cached(log_id, window, now_s)
        self._cached = {number: cached for number, cached in self._cached.items() if now_s - cached.used_s <= KEPT_S}
