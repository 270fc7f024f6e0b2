"""The clock that retries are held against."""

from __future__ import annotations

import time


def boot_clock_s() -> float:
    """Monotonic seconds, suspend included where the system has such a clock (Linux).

    Elsewhere time.monotonic: on Windows it counts suspend too, on macOS it does not.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
