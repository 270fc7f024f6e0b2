"""The batches and the append of one partition of the log.

state      event                              next       does
IDLE       GroupCommit sends a record         APPENDING  one append; its batches wait for the log's answer
APPENDING  the log answers, well or not       IDLE       replies to the batches; the next record may go
APPENDING  no answer within `deadline_s`      HUNG       new keyed batches of this partition are refused at once
HUNG       the log answers after all          IDLE       as from APPENDING

A hung append is still awaited, as the log may keep its record; nothing else is sent to its partition meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from siddes_telemetry.ingest_gateway.pending_batches import GroupRecord, PendingBatch


class Append(Enum):
    """The state of a partition's append."""

    IDLE = "idle"
    APPENDING = "appending"
    HUNG = "hung"


@dataclass(slots=True, eq=False)
class PartitionQueue:
    """One partition. `record`, `append` and `sent_at` belong to the append in flight; IDLE has none."""

    number: int
    waiting: deque[PendingBatch] = field(default_factory=deque)  # keyed batches that were not sent yet
    state: Append = Append.IDLE
    record: GroupRecord | None = None
    append: asyncio.Task[None] | None = None
    sent_at: float = 0.0
