"""The retry windows of a consumer: those of the partitions it owns, and for a while those of partitions that moved on.

A partition that comes back soon, as after a rebalance, needs no more than what others stored meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.consumer.retry_window.window import WINDOW_MS, RetryWindow

KEPT_S = WINDOW_MS / 1000  # then little in it matters any more, and to read that back is cheap


@dataclass(frozen=True, slots=True)
class _Kept:
    log_id: int
    window: RetryWindow
    used_s: float


class WindowCache:
    """By partition. A window that an owner holds and does not use may be dropped here: it is the owner's still."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, log_id: int, partition: int) -> RetryWindow:
        """The window of an earlier ownership of this partition of this log, or an empty one."""
        kept = self._kept.get(partition)
        return kept.window if kept is not None and kept.log_id == log_id else RetryWindow()

    def put(self, log_id: int, partition: int, window: RetryWindow, now_s: float) -> None:
        """Keep this one from now on, and none that was kept last over KEPT_S ago. `now_s` is monotonic."""
        self._kept[partition] = _Kept(log_id, window, now_s)
        self._kept = {number: kept for number, kept in self._kept.items() if now_s - kept.used_s <= KEPT_S}
