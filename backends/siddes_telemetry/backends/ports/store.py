"""What the services and `verify` ask of a store. One contract suite runs on every backend.

Times are UTC epoch milliseconds; deadlines are seconds from now. The errors are those of errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol


class CountReader(Protocol):
    """What the summary and the series ask of a store."""

    async def counts(self, viewer_id: str, *, since_ms: int, deadline_s: float) -> Mapping[str, int]:
        """Sums by event of one viewer from `since_ms` on; only events that occurred. Raises StoreUnavailable."""

    async def counts_by_step(
        self, viewer_id: str, *, since_ms: int, step_ms: int, deadline_s: float
    ) -> Mapping[int, Mapping[str, int]]:
        """The same sums by the step that holds them: its start, a multiple of `step_ms` since the epoch.

        Only steps and events that occurred; the first may begin before `since_ms`. Raises StoreUnavailable.
        """

    async def ping_summary(self) -> None:
        """Return if a summary, asked for a viewer that cannot exist, is answered. Raises as `counts` does."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds of one table day of a log's partition, from the asked offset on."""

    day: date
    rows: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """An operator's decision that the offsets [start, end) of a partition are not to be counted.

    `end` is None in a request: it binds nobody before an owner of the partition that waits there takes it up.
    """

    start: int
    end: int | None = None


@dataclass(frozen=True, slots=True)
class PurgedAhead:
    """Of a partition's offsets up to `up_to_offset`, it included, rows created at `ahead_ms` or later were purged.

    They lay ahead of the time of the purge; rows of later offsets may rightly have the same times one day.
    """

    partition: int
    up_to_offset: int
    ahead_ms: int


@dataclass(frozen=True, slots=True)
class Purged:
    """What of a log may have been purged: rows created before `before_ms` (0: none), and rows that lay ahead."""

    before_ms: int = 0
    ahead: tuple[PurgedAhead, ...] = ()

    def ahead_of(self, partition: int) -> tuple[PurgedAhead, ...]:
        """Of one partition."""
        return tuple(each for each in self.ahead if each.partition == partition)


class BlockStore(Protocol):
    """What the consumer asks of a store."""

    @property
    def tokens_outlive_rows(self) -> bool:
        """Whether a crash of the store may leave a token without the rows it was given for, dropping them ever after.

        A lone MergeTree writes the token first and then renames the part (MergeTreeSink::commitPart of ClickHouse); a
        replicated one does both in one transaction of its Keeper.
        """

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        """Insert whole lines of table.encode_row under a deduplication token: a token seen before changes nothing.

        Returns when it is durable. Raises StoreUnavailable (may or may not be kept) or StoreRefused.
        """

    async def held(self, log_id: int, partition: int, from_offset: int) -> Sequence[Held]:
        """What is stored of this log and partition from `from_offset` on, by table day. Raises StoreUnavailable."""

    async def purged(self, log_id: int) -> Purged:
        """What of this log may have been purged. Raises StoreUnavailable or StoreMissing."""

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        """What operators have decided of a partition, in no order. Raises StoreUnavailable or StoreMissing."""

    async def write_set_aside(self, log_id: int, partition: int, decision: SetAside) -> None:
        """Return once it is durable. Again, it changes nothing. Raises StoreUnavailable or StoreRefused."""

    async def log_id(self, log_name: str) -> int | None:
        """The identity of the log of this name, or None before `migrate`. Raises StoreUnavailable or StoreMissing."""

    async def ping_insert(self) -> None:
        """Return if what is stored may be asked for and an insert of no rows is taken. Raises as `insert` does."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows that came from offsets [start, end) of a log's partition and were created at `since_ms` or later.

    Without those that `purged_ahead`, of this partition, tells of.
    """

    log_id: int
    partition: int
    start: int
    end: int
    since_ms: int
    purged_ahead: tuple[PurgedAhead, ...] = ()


@dataclass(frozen=True, slots=True)
class Sums:
    """What rows come to. `checksum`: the sum of table.row_checksum of each, modulo 2**64."""

    rows: int = 0
    counts: int = 0
    checksum: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """How many rows of a log's partition are stored, and the first and last offset they came from."""

    rows: int
    first_offset: int
    last_offset: int


class StoreAudit(Protocol):
    """What `verify` asks of a store. Every call raises StoreUnavailable, or StoreMissing before `migrate`."""

    async def catch_up(self) -> None:
        """Return once whoever answers these questions has all that was confirmed before."""

    async def extents(self, log_id: int) -> Mapping[int, Extent]:
        """What is stored of a log, by partition; only those of which something is."""

    async def purged(self, log_id: int) -> Purged:
        """What of this log may have been purged."""

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        """What operators have decided of a partition, in no order."""

    async def row_count(self, stretch: Stretch) -> int:
        """How many rows a stretch has: far less work than their sums."""

    async def sums(self, stretch: Stretch) -> Sums:
        """What the rows of a stretch come to."""

    async def sums_by_range(self, stretch: Stretch, width: int) -> Mapping[int, Sums]:
        """The same for each range of so many offsets, numbered from the stretch's start; only those that have rows."""

    async def lines(self, stretch: Stretch) -> Sequence[bytes]:
        """The rows of a stretch, as lines of table.encode_row, in no order."""
