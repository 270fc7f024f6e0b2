"""What to do with a partition that was just given: go on, insert again what is in doubt, or stop and say so. Pure.

What the group has committed and what the store holds must fit together. Where the store holds rows beyond what the
group says was begun, the group's state was lost (offsets expired, topic made anew, offsets rewound), and inserting
would count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from siddes_telemetry.backends.ports.store import PurgeHistory, StoredDay
from siddes_telemetry.consumer.intent import GroupState
from siddes_telemetry.schemas import record
from siddes_telemetry.schemas.record import format_time


@dataclass(frozen=True, slots=True)
class Resume:
    """Everything below `at` is stored. `lost`: records that the log dropped before they were stored."""

    at: int
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """[start, end) is in doubt; `first` is where its records begin that the log still has.

    `aside`: it is to be set aside, and not to be stored.
    """

    start: int
    end: int
    first: int
    lost: int = 0
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Halt:
    """Insert nothing. `reason` is a word for metrics and readiness, `remedy` what the operator can do."""

    reason: str
    remedy: str


Plan = Resume | Replay | Halt

ROWS_BEYOND = Halt(
    "rows_beyond_offset",
    "the store holds rows of this log beyond the group's committed offset: the group's offsets were lost or rewound, "
    "or the topic was made anew. If the topic is new, run `siddes-telemetry migrate --new-log`; else set the group's "
    "offset of this partition to one past the last stored log_offset, and let `siddes-telemetry verify --repair` "
    "insert what its last block may lack",
)
OFFSET_BEYOND = Halt(
    "offset_beyond_log",
    "the group's committed offset or intent lies beyond the end of the log: the topic was made anew or "
    "truncated. If it is new, delete the group's offsets and run `siddes-telemetry migrate --new-log`",
)
UNKNOWN_INTENT = Halt(
    "unknown_intent",
    "the committed offset carries metadata of another version or program: run the consumer version that wrote it",
)
UNREADABLE_HERE = {
    halt.reason: halt
    for halt in (
        Halt(
            record.NEWER_SCHEMA,
            "a record was written by a newer gateway or registry: upgrade the consumers first, then the gateways",
        ),
        Halt(
            record.UNSUPPORTED_BATCH,
            "a batch is compressed or framed in a way that this installation cannot read: install the consumer with "
            "all its dependencies (cramjam for snappy, lz4 and zstd), or upgrade it",
        ),
        Halt(
            record.LOG_DAMAGED,
            "the broker gives nothing from this offset on, and has more: its files are damaged. Let another replica "
            "lead the partition, or delete its records up to the next segment (kafka-delete-records)",
        ),
    )
}


def plan_recovery(state: GroupState, held: Sequence[StoredDay], *, first: int, end: int) -> Plan:
    """The plan for a partition whose log now has the offsets [first, end), and of which the store holds `held`.

    `held` is what is stored from `state.offset` on.
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
    """The table days of a block that the store does not hold yet, in order, given the rows each should have.

    A day is stored in one piece on each shard, so on one server it is there whole or not at all; where shards hold a
    part of a day, all of it goes again, and the token drops what a shard has.
    """
    stored = {day.day.isoformat(): day.rows for day in held}
    return [day for day in sorted(expected) if stored.get(day, 0) < expected[day]]


def purged_in_part(day: str, purged: PurgeHistory, partition: int, from_offset: int) -> bool:
    """Whether rows of this table day, of this partition from an offset on, may have been purged."""
    return f"{day} " <= format_time(purged.before_ms) or any(
        each.up_to_offset >= from_offset and day >= format_time(each.ahead_ms)[: len(day)]
        for each in purged.ahead_of(partition)
    )
