"""The lease: how long after its intent was committed an insert may still start.

The store forgets a token after some ten thousand parts. A consumer that slept between the two must not wake up and
insert a block that another owner stored long ago and whose token is forgotten. It commits the intent again and asks
the store first.
"""

from __future__ import annotations

import time

LEASE_S = 60.0
INSERT_DEADLINE_S = 30.0  # an insert that started in time has ended by then, confirmed or not
IN_FLIGHT_S = 70.0  # from an insert's start to its arrival: more than any time-out between a consumer and the store
# After this, no insert is under way whose intent was committed before one's own.
OTHERS_END_S = LEASE_S + IN_FLIGHT_S + INSERT_DEADLINE_S


def boot_clock_s() -> float:
    """Seconds on a clock that also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def may_insert(intent_committed_s: float, now_s: float) -> bool:
    """Whether an insert whose intent was committed then may start now."""
    return now_s - intent_committed_s <= LEASE_S
