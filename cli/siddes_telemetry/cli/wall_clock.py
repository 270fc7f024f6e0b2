"""The wall clock of the process."""

from __future__ import annotations

import time


def wall_clock_ms() -> int:
    """Now, in UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000
