"""What a verification found, partition by partition. Plain values: no viewer, no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from siddes_telemetry.backends.ports.store import RowSums
from siddes_telemetry.schemas.table import CHECKSUM_MODULUS

MAX_LISTED_OFFSETS = 20  # of a partition that are named; all are counted

NO_SUCH_PARTITION = "no_such_partition"  # rows are stored of it, and the log does not have it


@dataclass(frozen=True, slots=True)
class OffsetDifference:
    """An offset at which store and log differ, and by how many rows."""

    offset: int
    missing: int
    surplus: int


@dataclass(slots=True)
class PartitionReport:
    """One partition. Offsets are half-open ranges; rows are those of the table."""

    partition: int
    log_begins: int = 0  # the first offset that the log still has
    judged_from: int = 0  # [judged_from, judged_to): what must be stored, exactly
    judged_to: int = 0
    records: int = 0  # of the judged range, and so on
    rows: int = 0
    counts: int = 0
    checksum: int = 0
    repeated_batches: int = 0  # client retries: rightly not stored
    dead_letters: int = 0  # unreadable records: rightly not stored
    missing: int = 0  # rows
    surplus: int = 0  # rows; those beyond the judged range that nobody can have inserted included
    missing_dead_letters: int = 0
    in_doubt: int = 0  # rows that an intent has declared: stored or about to be
    lag: int = 0  # records beyond that
    left_out_rows: int = 0  # expired or purged, or so near to it that they may be
    earlier_rows: int = 0  # stored of offsets before the judged range
    repaired: int = 0
    trouble: str | None = None  # why the group's state and the log or the store do not fit together
    places: list[OffsetDifference] = field(default_factory=list)  # the first of them

    @property
    def ok(self) -> bool:
        return not (self.missing or self.surplus or self.missing_dead_letters or self.trouble)

    def expect(self, sums: RowSums) -> None:
        """Enter what a run of records must have left."""
        self.rows += sums.rows
        self.counts += sums.counts
        self.checksum = (self.checksum + sums.checksum) % CHECKSUM_MODULUS

    def differ(self, missing: Mapping[int, int], surplus: Mapping[int, int]) -> None:
        """Enter rows that are missing, and rows that are too many, by offset."""
        self.missing += sum(missing.values())
        self.surplus += sum(surplus.values())
        for offset in sorted({*missing, *surplus})[: MAX_LISTED_OFFSETS - len(self.places)]:
            self.places.append(OffsetDifference(offset, missing.get(offset, 0), surplus.get(offset, 0)))


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """A log and a store. `since_ms`: rows created before were left out, UTC epoch milliseconds."""

    log_id: int
    since_ms: int
    partitions: tuple[PartitionReport, ...]

    @property
    def ok(self) -> bool:
        return all(partition.ok for partition in self.partitions)

    def as_json(self) -> dict[str, Any]:
        """Plain values. The checksum is hexadecimal: it has 64 bits, more than JSON's numbers are sure to carry."""
        return {
            "ok": self.ok,
            "log_id": self.log_id,
            "since_ms": self.since_ms,
            "partitions": [
                {**asdict(partition), "checksum": f"{partition.checksum:016x}", "ok": partition.ok}
                for partition in self.partitions
            ],
        }
