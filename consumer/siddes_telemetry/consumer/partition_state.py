"""The states of a partition while one process owns it: worker.py moves it through them, watchdog.py reads them.

state        event                                        next         does
TAKING_OVER  offset, log and store fit, no intent open    IDLE         seeks to the committed offset
TAKING_OVER  an intent [a, b) is open                     REPLAYING    reads exactly [a, b), inserts missing days
TAKING_OVER  offset, log and store contradict each other  HALTED       inserts nothing
REPLAYING    [a, b) is stored                             IDLE         seeks to b
IDLE         records arrive                               FETCHING
FETCHING     a block is due                               DELIVERING   cuts [b, c) and delivers it (delivery.py)
DELIVERING   it is stored, records are pending            FETCHING     adds its keys to the retry window
DELIVERING   it is stored, none is pending                IDLE         also commits c without an intent
IDLE         the next record is unreadable here           HALTED       everything before it is stored
REPLAYING    a record in [a, b) is unreadable here        HALTED
HALTED       the cause is gone                            as before    reads again
HALTED       an operator sets the record aside            IDLE         commits and writes the decision, seeks past it
IDLE, FETCHING, DELIVERING  the consumer is stopping      DRAINING     delivers pending records, closes the intent
any          the consumer is stopping during a wait       (released)   an open intent stays for the next owner
any          the log fails, or the partition is revoked   (released)   PartitionLost: the next owner takes over
"""

from __future__ import annotations

from enum import Enum, auto


class PartitionState(Enum):
    """See the table."""

    TAKING_OVER = auto()
    REPLAYING = auto()
    IDLE = auto()
    FETCHING = auto()
    DELIVERING = auto()
    HALTED = auto()
    DRAINING = auto()
