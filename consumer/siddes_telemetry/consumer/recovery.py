"""Plans what the new owner of a partition does first: go on, replay an intent, or halt. Pure.

The group's committed offset and the store's rows must fit together. If the store holds rows beyond the open intent,
the group's state was lost (offsets expired or rewound, topic made anew): inserting would count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from siddes_telemetry.backends.ports.store import PurgeHistory, StoredDay
from siddes_telemetry.consumer.halt import OFFSET_BEYOND, ROWS_BEYOND, Halt
from siddes_telemetry.consumer.intent import GroupState
from siddes_telemetry.schemas.timestamps import format_time


@dataclass(frozen=True, slots=True)
class Resume:
    """Everything below `at` is stored. `lost`: how many records the log dropped before they were stored."""

    at: int
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """[start, end) is in doubt. `first` is its first offset that the log still has.

    `aside`: the range is to be set aside instead of stored.
    """

    start: int
    end: int
    first: int
    lost: int = 0
    aside: bool = False


Plan = Resume | Replay | Halt


def plan_recovery(state: GroupState, held: Sequence[StoredDay], *, first: int, end: int) -> Plan:
    """The plan for a partition whose log now has the offsets [first, end).

    `held` is what the store holds from `state.offset` on.
    """
    limit = state.offset if state.intent_end is None else state.intent_end
    if limit > end:
        return OFFSET_BEYOND
    if any(day.last_offset >= limit for day in held):
        return ROWS_BEYOND
    begin = max(first, state.offset)
    lost = begin - state.offset
    if begin >= limit:
        return Resume(begin, lost)
    return Replay(state.offset, limit, begin, lost, state.aside)


def days_to_insert(expected: dict[str, int], held: Sequence[StoredDay]) -> list[str]:
    """The table days of a block that the store lacks, in order. `expected` gives the rows of each day.

    Each shard stores a day in one piece, so a single server holds it whole or not at all. If some shards hold their
    part of a day, the whole day is inserted again: the token drops it where it is present.
    """
    stored = {day.day.isoformat(): day.rows for day in held}
    return [day for day in sorted(expected) if stored.get(day, 0) < expected[day]]


def purged_in_part(day: str, purged: PurgeHistory, partition: int, from_offset: int) -> bool:
    """Whether rows of this table day and partition, from an offset on, may have been purged."""
    return f"{day} " <= format_time(purged.before_ms) or any(
        each.up_to_offset >= from_offset and day >= format_time(each.ahead_ms)[: len(day)]
        for each in purged.ahead_of(partition)
    )
