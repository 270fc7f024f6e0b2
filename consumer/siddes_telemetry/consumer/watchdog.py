"""Whether a worker still moves. Pure.

Every call that a worker makes has a deadline of its own: this notices what those do not, an await that never ends.
"""

from __future__ import annotations

from dataclasses import dataclass

CHECK_EVERY_S = 5.0
STALLED_AFTER_CHECKS = 36  # 3 minutes: more than a worker's calls take between two moves, each just within its deadline


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """What a worker shows of itself. `waits`: for records, having none. `blocked`: it says itself why it is still."""

    position: int  # everything below is stored
    window_offset: int  # moves while the retry window is read back
    dead_letters_added: int = 0  # moves while unreadable records are put aside
    idle: bool = False
    blocked: bool = False


class Watchdog:
    """Counts looks and not seconds: a process that was stopped, or starved, has not stalled."""

    def __init__(self) -> None:
        self._last: WorkerProgress | None = None
        self._still = 0  # looks in a row that found it busy at the same place

    def has_stalled(self, progress: WorkerProgress) -> bool:
        """Whether this look is one too many."""
        still = progress == self._last and not progress.idle and not progress.blocked
        self._still = self._still + 1 if still else 0
        self._last = progress
        return self._still >= STALLED_AFTER_CHECKS
