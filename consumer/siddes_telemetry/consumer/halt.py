"""Why a partition halts, and what an operator can do about each reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.schemas import record


@dataclass(frozen=True, slots=True)
class Halt:
    """Insert nothing and wait for an operator. `reason`: one word, for metrics and readiness."""

    reason: str
    remedy: str


ROWS_BEYOND = Halt(
    "rows_beyond_offset",
    "the store holds rows of this log beyond the group's committed offset: the group's offsets were lost or rewound, "
    "or the topic was made anew. Stop the consumers and run `siddes-telemetry reset-offsets`, which tells the two "
    "apart; for a new topic it asks for `siddes-telemetry migrate --new-log` first (docs/operations.md)",
)
OFFSET_BEYOND = Halt(
    "offset_beyond_log",
    "the group's committed offset or intent lies beyond the end of the log: the topic was made anew, or truncated. If "
    "it is new, stop the consumers, run `siddes-telemetry migrate --new-log`, then `siddes-telemetry reset-offsets`. "
    "If it was truncated, the halt ends once the log has grown past the offset, and records appended before that are "
    "not stored",
)
UNKNOWN_INTENT = Halt(
    "unknown_intent",
    "the committed offset carries metadata of another version or program: run the consumer version that wrote it",
)
OTHER_REGISTRY = Halt(
    "other_registry",
    "the store counts events that the registry of this consumer lacks, and its revision is no lower: it would take "
    "good records for damaged. Start it with the registry that `migrate` had: --events or SIDDES_TELEMETRY_EVENTS",
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
            "a record batch is compressed or framed in a way that this installation cannot read: install the consumer "
            "with all its dependencies (cramjam for snappy, lz4 and zstd), or upgrade it",
        ),
        Halt(
            record.LOG_DAMAGED,
            "the broker gives nothing from this offset on, and has more: its files are damaged. Let another replica "
            "lead the partition, or delete its records up to the next segment (kafka-delete-records)",
        ),
    )
}
