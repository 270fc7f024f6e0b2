"""Whether a partition worker still moves. Pure.

Every call of a partition worker has a deadline of its own. The watchdog notices an await that never ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.consumer.partition_state import PartitionState

CHECK_EVERY_S = 5.0
STALLED_AFTER_CHECKS = 36  # 3 minutes: more than a worker needs between two moves, if each call just meets its deadline


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """What a partition worker shows of itself. Two equal values mean that it did not move in between."""

    state: PartitionState
    position: int  # everything below is stored
    window_offset: int  # rises while the retry window is rebuilt
    dead_letters_added: int = 0  # rises while a block of unreadable records is delivered
    blocked: bool = False  # the worker itself reports why it does not move


class Watchdog:
    """Counts checks, not seconds: a process that was stopped, or starved of CPU, has not stalled."""

    def __init__(self) -> None:
        self._last: WorkerProgress | None = None
        self._unmoved = 0  # checks in a row

    def has_stalled(self, progress: WorkerProgress) -> bool:
        """Whether this check is one too many that finds the worker busy and unmoved."""
        busy = progress.state is not PartitionState.IDLE and not progress.blocked
        self._unmoved = self._unmoved + 1 if busy and progress == self._last else 0
        self._last = progress
        return self._unmoved >= STALLED_AFTER_CHECKS
