"""Limits how many parts one partition inserts, so that the store remembers each token for as long as it is needed.

The store remembers the tokens of a number of parts (ddl.deduplication_window). A token must be remembered until no
insert under it can be under way any more: for OTHERS_END_S. So each partition may insert PARTS_OF_A_PARTITION parts in
that time, of any number of blocks: some at once, the others at an even rate. Pure.
"""

from __future__ import annotations

from siddes_telemetry.consumer.lease import OTHERS_END_S
from siddes_telemetry.schemas.ddl import PARTS_OF_A_PARTITION

PARTS_AT_ONCE = 100  # the days of one block, at most (FlushPolicy.max_days)


class PartPace:
    """The pace of one owner of a partition. `parts`: how many it may insert in any OTHERS_END_S.

    In that time these add up: what was saved before it, what comes in it, and one block that goes on credit. An owner
    begins with nothing saved, so that owners who follow one another quickly do not add up. Times are seconds on a
    monotonic clock.
    """

    def __init__(self, parts: int = PARTS_OF_A_PARTITION) -> None:
        self._parts_per_s = (parts - 2 * PARTS_AT_ONCE) / OTHERS_END_S
        self._saved = 0.0  # below 0 is credit
        self._at_s = float("-inf")

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next block is inserted."""
        self._advance(now_s)
        return max(0.0, -self._saved / self._parts_per_s)

    def take(self, parts: int, now_s: float) -> None:
        """A block of so many parts, PARTS_AT_ONCE at most, is inserted now."""
        self._advance(now_s)
        self._saved -= parts

    def _advance(self, now_s: float) -> None:
        if self._at_s != float("-inf"):
            earned = max(0.0, now_s - self._at_s) * self._parts_per_s
            self._saved = min(float(PARTS_AT_ONCE), self._saved + earned)
        self._at_s = now_s
