"""The result of a verification, partition by partition. It holds no viewer and no row.

The field names are the keys of `verify --json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from siddes_telemetry.backends.ports.store import RowSums
from siddes_telemetry.consumer.verify.expected import Expected

MAX_LISTED_OFFSETS = 20  # of one partition; all are counted

NO_SUCH_PARTITION = "no_such_partition"  # the store has rows of a partition that the log does not have


@dataclass(frozen=True, slots=True)
class OffsetDifference:
    """By how many rows store and log differ at an offset."""

    offset: int
    missing: int
    surplus: int


@dataclass(slots=True)
class PartitionReport:
    """One partition. Ranges of offsets are half-open; rows are table rows."""

    partition: int
    log_begins: int = 0  # the first offset in the log
    judged_from: int = 0  # [judged_from, judged_to) must be stored exactly
    judged_to: int = 0
    records: int = 0  # of the judged range; so are the next five
    rows: int = 0
    counts: int = 0
    checksum: int = 0
    repeated_batches: int = 0  # client retries, which are not stored
    dead_letters: int = 0  # unreadable records, which are not stored
    missing: int = 0  # rows
    surplus: int = 0  # rows; also those beyond the judged range that no consumer can have inserted
    missing_dead_letters: int = 0
    in_doubt: int = 0  # rows of the block whose intent is committed: stored or about to be
    lag: int = 0  # records beyond that block
    left_out_rows: int = 0  # expired or purged, or so near to it that they may be gone
    earlier_rows: int = 0  # stored rows of offsets before the judged range
    repaired: int = 0
    trouble: str | None = None  # a word for why the group's offset does not fit the log or the store
    places: list[OffsetDifference] = field(default_factory=list)  # the first offsets that differ

    @property
    def ok(self) -> bool:
        return not (self.missing or self.surplus or self.missing_dead_letters or self.trouble)

    def add_expected(self, expected: Expected) -> None:
        """Add what judged records must have left."""
        sums = RowSums(self.rows, self.counts, self.checksum) + expected.sums
        self.rows, self.counts, self.checksum = sums.rows, sums.counts, sums.checksum
        self.records += expected.records
        self.repeated_batches += expected.repeated_batches
        self.dead_letters += len(expected.dead_letters)
        self.left_out_rows += expected.left_out_rows

    def add_differences(self, missing: Mapping[int, int], surplus: Mapping[int, int]) -> None:
        """Add missing and surplus rows, counted by offset."""
        self.missing += sum(missing.values())
        self.surplus += sum(surplus.values())
        for offset in sorted({*missing, *surplus})[: MAX_LISTED_OFFSETS - len(self.places)]:
            self.places.append(OffsetDifference(offset, missing.get(offset, 0), surplus.get(offset, 0)))


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """A log and its store. Rows created before `since_ms` (UTC epoch milliseconds) were left out."""

    log_id: int
    since_ms: int
    partitions: tuple[PartitionReport, ...]

    @property
    def ok(self) -> bool:
        return all(partition.ok for partition in self.partitions)

    def as_json(self) -> dict[str, Any]:
        """Returns JSON values. The checksum is hexadecimal: JSON numbers may lose some of its 64 bits."""
        return {
            "ok": self.ok,
            "log_id": self.log_id,
            "since_ms": self.since_ms,
            "partitions": [
                {**asdict(partition), "checksum": f"{partition.checksum:016x}", "ok": partition.ok}
                for partition in self.partitions
            ],
        }
