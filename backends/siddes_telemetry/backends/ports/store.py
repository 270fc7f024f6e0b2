"""Protocols of the store: CountReader for summaries, BlockStore for consumers, StoreAudit for `verify`.

One contract suite (tests/contract/store) runs against every backend. Times are UTC epoch milliseconds; deadlines are
seconds from now; the errors are those of ports/errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from siddes_telemetry.schemas.registry_changes import KnownEvents
from siddes_telemetry.schemas.table import CHECKSUM_MODULUS

# One block: the store inserts it whole, whatever the server's profile says.
MAX_BLOCK_ROWS = 200_000
MAX_BLOCK_BYTES = 20_000_000
# 30 days and the parts of days around them are 32 windows. More would make a long URL.
MAX_WINDOWS = 64


class CountReader(Protocol):
    """Reads one viewer's counts, for the summary API."""

    async def counts(self, viewer_id: str, *, since_ms: int, deadline_s: float) -> Mapping[str, int]:
        """Sums by event of one viewer from `since_ms` on; only events that occurred. Raises StoreUnavailable."""

    async def counts_by_step(
        self, viewer_id: str, *, since_ms: int, step_ms: int, deadline_s: float
    ) -> Mapping[int, Mapping[str, int]]:
        """The same sums by step. Keys are the starts of steps: multiples of `step_ms` since the epoch.

        Has only steps and events that occurred. The first step may start before `since_ms`. Raises StoreUnavailable.
        """

    async def counts_by_window(
        self, viewer_id: str, *, starts_ms: Sequence[int], deadline_s: float
    ) -> Sequence[Mapping[str, int]]:
        """The same sums by window: each reaches from its start to the next start, the last one has no end.

        `starts_ms` ascend, and are 1 to MAX_WINDOWS. All windows are of one moment. Raises StoreUnavailable.
        """

    async def ping_summary(self) -> None:
        """Return if a summary of a viewer that cannot exist is answered. Raises the errors of `counts`."""


@dataclass(frozen=True, slots=True)
class StoredDay:
    """The stored rows of one table day (UTC) that came from one partition, at or after the offset asked for."""

    day: date
    rows: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """An operator's decision not to count the offsets [start, end) of a partition.

    `end` is None in a request. A request has no effect until the partition's owner, halted at `start`, accepts it.
    """

    start: int
    end: int | None = None


@dataclass(frozen=True, slots=True)
class PurgedAhead:
    """A purge of rows dated in the future: those of offsets <= `up_to_offset`, created at `ahead_ms` or later.

    The offset is needed because rows of later offsets may have the same times, rightly, once that time has come.
    """

    partition: int
    up_to_offset: int
    ahead_ms: int


@dataclass(frozen=True, slots=True)
class PurgeHistory:
    """The rows of a log that purges may have removed: created before `before_ms` (0: none), or listed in `ahead`."""

    before_ms: int = 0
    ahead: tuple[PurgedAhead, ...] = ()

    def ahead_of(self, partition: int) -> tuple[PurgedAhead, ...]:
        """The entries of one partition."""
        return tuple(each for each in self.ahead if each.partition == partition)


class BlockStore(Protocol):
    """Inserts blocks exactly once, and reports which rows are stored; for consumers."""

    async def tokens_may_lack_rows(self) -> bool:
        """Whether a crash of the store may keep a token and lose its rows, so that a retry under it inserts nothing.

        A MergeTree writes the token before it renames the part (ClickHouse: MergeTreeSink::commitPart). A
        ReplicatedMergeTree or SharedMergeTree commits both in one Keeper transaction. Raises StoreUnavailable.
        """

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        """Insert a block, lines of table.encode_row, under a deduplication token. A token seen before inserts nothing.

        Returns when the rows are durable. Raises StoreUnavailable (they may or may not be stored) or StoreRefused.
        """

    async def stored_days(self, log_id: int, partition: int, from_offset: int) -> Sequence[StoredDay]:
        """The days that have rows of offsets >= `from_offset`, by day: every row confirmed before is among them.

        Raises StoreUnavailable.
        """

    async def purge_history(self, log_id: int) -> PurgeHistory:
        """The purges that may have removed rows of this log. Raises StoreUnavailable or StoreMissing."""

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        """The set-aside requests and decisions of a partition, unordered. Raises StoreUnavailable or StoreMissing."""

    async def write_set_aside(self, log_id: int, partition: int, decision: SetAside) -> None:
        """Return once the decision is durable. Idempotent. Raises StoreUnavailable or StoreRefused."""

    async def log_id(self, log_name: str, *, synchronized: bool = True) -> int | None:
        """The id of the log of this name, or None before `migrate`. Raises StoreUnavailable or StoreMissing.

        If not `synchronized`, it is what the server that answers knows, which may lag: cheap enough for each insert.
        """

    async def stored_events(self) -> KnownEvents | None:
        """The registry that the table of counts was made for, or None if it is not there. Raises StoreUnavailable."""

    async def ping_insert(self) -> None:
        """Return if `stored_days` and an insert of no rows succeed. Raises the errors of `insert`."""


@dataclass(frozen=True, slots=True)
class RowSelection:
    """The rows of offsets [start, end) of one partition, created at `since_ms` or later, except `purged_ahead`.

    `before_ms`: only those created before then.
    """

    log_id: int
    partition: int
    start: int
    end: int
    since_ms: int
    purged_ahead: tuple[PurgedAhead, ...] = ()
    before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RowSums:
    """Totals over rows. `checksum` is the sum of their table.row_checksum, modulo table.CHECKSUM_MODULUS."""

    rows: int = 0
    counts: int = 0
    checksum: int = 0

    def __add__(self, other: RowSums) -> RowSums:
        checksum = (self.checksum + other.checksum) % CHECKSUM_MODULUS
        return RowSums(self.rows + other.rows, self.counts + other.counts, checksum)


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """The stored rows of one partition: how many, and the first and last offset they came from."""

    rows: int
    first_offset: int
    last_offset: int


class StoreAudit(Protocol):
    """Reads rows and sums, for `verify`. Every call may raise StoreUnavailable, or StoreMissing before `migrate`."""

    async def sync_replicas(self) -> None:
        """Return once the server that answers has every row that was confirmed before."""

    async def stored_logs(self) -> Sequence[int]:
        """The ids of all logs that rows came from, in order."""

    async def stored_partitions(self, log_id: int) -> Mapping[int, StoredPartition]:
        """The partitions of a log that have rows, by number."""

    async def purge_history(self, log_id: int) -> PurgeHistory:
        """The purges that may have removed rows of this log."""

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        """The set-aside requests and decisions of a partition, unordered."""

    async def row_count(self, selection: RowSelection) -> int:
        """The number of rows: much cheaper than `sums`."""

    async def sums(self, selection: RowSelection) -> RowSums:
        """The totals over all rows of the selection."""

    async def sums_by_range(self, selection: RowSelection, width: int) -> Mapping[int, RowSums]:
        """The totals for each range of `width` offsets, numbered from 0 at `selection.start`. Omits empty ranges."""

    async def sums_by_day(self, selection: RowSelection) -> Mapping[date, RowSums]:
        """The totals for each table day that has rows, in order."""

    async def lines(self, selection: RowSelection) -> Sequence[bytes]:
        """The rows as lines of table.encode_row, unordered."""
