"""Which of several servers the next statement goes to. Pure: the time is an argument, in seconds of one clock.

event                          the next statement goes to
a statement was answered       the same server
a server did not answer        the next one in the list that has not failed for QUIET_S; if all have, the one whose
                               failure is the longest ago
"""

from __future__ import annotations

QUIET_S = 30.0  # how long a server that failed is passed over: to ask one that is frozen costs some seconds each time


class HostChoice:
    """The server in use, by its place in the list. It stays until it fails; there is no way back to the first."""

    def __init__(self, count: int) -> None:
        self._failed_at_s: list[float | None] = [None] * count
        self.current = 0
        self.changes = 0

    @property
    def count(self) -> int:
        """How many servers there are."""
        return len(self._failed_at_s)

    def failed(self, host: int, now_s: float) -> None:
        """Choose another server if this one is in use; remember when it failed."""
        self._failed_at_s[host] = now_s
        if host == self.current and self.count > 1:
            others = [(host + step) % self.count for step in range(1, self.count)]
            self.current = min(others, key=lambda other: self._tried_last(other, now_s))
            self.changes += 1

    def _tried_last(self, host: int, now_s: float) -> float:
        failed_at_s = self._failed_at_s[host]
        return 0.0 if failed_at_s is None or now_s - failed_at_s >= QUIET_S else failed_at_s
