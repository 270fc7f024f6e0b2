"""The lease: how long after its declare an insert may still start.

The store forgets a token after some ten thousand parts. A consumer that slept between declare and insert must not wake
and insert a block that others have long stored and whose token is forgotten; so it asks again instead.
"""

from __future__ import annotations

import time

LEASE_S = 60.0
INSERT_DEADLINE_S = 30.0  # an insert that started in time has ended by then, confirmed or not
ON_ITS_WAY_S = 70.0  # from an insert's start to its arrival: more than any time-out between a consumer and the store
# By then every insert has ended that anybody sent whose declare is older than one's own.
OTHERS_END_S = LEASE_S + ON_ITS_WAY_S + INSERT_DEADLINE_S


def boot_clock_s() -> float:
    """Seconds on a clock that also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def may_insert(intent_committed_s: float, now_s: float) -> bool:
    """Whether an insert declared then may start now."""
    return now_s - intent_committed_s <= LEASE_S
