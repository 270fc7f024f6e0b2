"""The clock that limits retries."""

from __future__ import annotations

import time


def boot_clock_s() -> float:
    """Monotonic seconds that include suspend where the system has such a clock (Linux).

    Elsewhere time.monotonic, which includes suspend on Windows but not on macOS.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
