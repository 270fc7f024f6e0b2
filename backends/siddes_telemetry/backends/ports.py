"""What the services ask of a log and of a store. Each protocol has one contract suite, run on every backend.

Times are UTC epoch milliseconds on the log's clock unless a name says otherwise; deadlines are seconds from now.
Errors are these classes and no driver's; none of their texts holds a value that came from outside.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from siddes_telemetry.schemas.record import Headers, LogRecord

# What lies further ahead of now than this has its time from a clock that was wrong: six times what a gateway's may be
# off (rows.MAX_CLOCK_SKEW_MS), so that the clock by which it is judged may be off by some minutes too.
FAR_AHEAD_MS = 3_600_000


class BackendError(Exception):
    """Something a backend could not do."""


class LogUnavailable(BackendError):
    """The log did not answer. An append may or may not have been kept."""


class LogMissing(LogUnavailable):
    """The topic is not there yet: `migrate` makes it."""


class LogStalled(LogUnavailable):
    """The log answers and has records for this reader, and they do not come."""


class StoreFailed(BackendError):
    """What the store answered, or that it did not.

    `reason` is one of clickhouse_errors.REASONS: a word for metrics and readiness. `code` is the store's own error
    number, if it gave one; `remedy` what an operator can do.
    """

    def __init__(self, text: str, *, reason: str, code: int | None = None, remedy: str = "") -> None:
        super().__init__(f"{text}: {remedy}" if remedy else text)
        self.reason = reason
        self.code = code
        self.remedy = remedy

    @property
    def word(self) -> str:
        """The reason, and the number and remedy that belong to it: for readiness."""
        details = [f"error {self.code}"] if self.code is not None else []
        details += [self.remedy] if self.remedy else []
        return f"{self.reason}: {', '.join(details)}" if details else self.reason


class StoreUnavailable(StoreFailed):
    """The store did not answer, or asked for patience ("too many parts"). An insert may or may not have been kept."""

    def __init__(
        self, text: str = "no answer", *, reason: str = "unavailable", code: int | None = None, remedy: str = ""
    ) -> None:
        super().__init__(text, reason=reason, code=code, remedy=remedy)


class StoreMissing(StoreUnavailable):
    """The table is not there yet: `migrate` makes it."""

    def __init__(self, text: str = "no table", *, code: int | None = None) -> None:
        super().__init__(text, reason="missing", code=code, remedy="run siddes-telemetry migrate")


class StoreRefused(StoreFailed):
    """The store will not take this, now or later. `code` is the store's own error number."""

    code: int

    def __init__(self, code: int, *, remedy: str = "") -> None:
        super().__init__(f"refused by the store with its error {code}", reason="refused", code=code, remedy=remedy)


class StoreConflict(BackendError):
    """The tables and this version's registry contradict each other; the text names the events. Needs the operator."""


class PartitionLost(BackendError):
    """This partition may belong to somebody else by now: drop what was cut; rejoin and recover."""


class RecordsGone(BackendError):
    """The log no longer has these offsets; `first` is where it begins now."""

    def __init__(self, first: int) -> None:
        super().__init__(f"the log begins at offset {first}")
        self.first = first


class LogAppender(Protocol):
    """The writing end of a log."""

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        """Return once the record is durable (Kafka: acknowledged by all in-sync replicas; SQLite: fsynced).

        Has no deadline of its own: the caller stops waiting, and the record may still be kept later. Cancelling
        stops the wait only. Raises LogUnavailable.
        """

    async def ping(self) -> None:
        """Return if an append could be expected to succeed now. Raises LogUnavailable or LogMissing."""

    async def close(self) -> None:
        """Finish what is in flight, as far as the log still answers, and let go."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's committed offset of a partition: everything below it is stored. `metadata` holds the intent."""

    offset: int
    metadata: str


class PartitionView(Protocol):
    """One partition, looked at: nothing here changes anything. Every call may raise LogUnavailable."""

    @property
    def number(self) -> int: ...

    async def committed(self) -> Committed | None:
        """What the group has committed, or None where it never has (or the log forgot)."""

    async def bounds(self) -> tuple[int, int]:
        """(first offset the log still has, next offset it will give)."""

    async def offset_at(self, appended_at_ms: int) -> int | None:
        """The first offset whose append time is not before this, or None where there is none.

        Exact where append times never step back. Where they do (a clock was set right), a hint and no more: about
        where such records begin. Who relies on it looks at the records themselves.
        """

    def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        """Exactly the records of [start, end), apart from the stream of `fetch`, in bounded pieces.

        Raises RecordsGone if the log no longer begins at or before `start`, LogStalled if it does not give all of it.
        """


class OwnedPartition(PartitionView, Protocol):
    """One partition, owned in one generation of the group. Every call may raise PartitionLost too."""

    async def commit(self, offset: int, metadata: str) -> None:
        """Commit under the generation in which this partition was given, once, never under another.

        Returns only when the log said yes. Anything else, no answer included, raises PartitionLost: the partition
        is then given up, and taken again only under a new generation.
        """

    async def seek(self, offset: int) -> None:
        """Where the next `fetch` begins. Must be called once before the first."""

    async def fetch(self) -> Sequence[LogRecord]:
        """Wait for the next records, in order, as many as are at hand up to a bound.

        None are given where the log went on by offsets that have none (Kafka's control records). What could not be
        decoded comes as a record with a defect. Raises RecordsGone where the log has moved past the place. That it
        does not wait while the log has records is the backend's to see to: nobody else can tell.
        """

    @property
    def position(self) -> int:
        """The offset at which the next `fetch` goes on; after those of the last, and what it passed over behind them.

        There must have been a `seek`.
        """

    async def high_watermark(self) -> int:
        """The next offset the log will give, as last heard: free of a round trip where that can be had."""


class LogView(Protocol):
    """A log, looked at."""

    @property
    def origin(self) -> int:
        """The offset of the first record that a partition ever had."""

    async def partitions(self) -> Sequence[PartitionView]:
        """All of them, by number. Raises LogUnavailable or LogMissing."""


PartitionWork = Callable[[OwnedPartition], Awaitable[None]]


class LogReader(Protocol):
    """The reading end of a log: a member of the consumer group."""

    async def run(self, work: PartitionWork) -> None:
        """Be a member until cancelled: `work` runs as a task for each partition while it is owned.

        When a partition is revoked its task is cancelled and awaited before the group is rejoined. When a task
        raises PartitionLost, this member leaves and comes back under a new generation, with back-off. Any other
        exception of a task ends `run` and is raised. Outages of the log are waited out with back-off. On
        cancellation the tasks are cancelled and awaited (they commit what they have stored), then the group is left.
        """

    async def ping(self) -> None:
        """Return if the log answers and this member is in its group and gets its records.

        Raises LogUnavailable, LogMissing or LogStalled.
        """


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be read. `reason` is one of record.BAD_REASONS."""

    partition: int
    offset: int
    reason: str
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """What may be shown of a dead letter: never its bytes. `size` is the bytes of its value."""

    partition: int
    offset: int
    reason: str
    size: int


class DeadLetters(Protocol):
    """Where unreadable records go. The place (partition, offset) is the key: a second copy is ignored."""

    async def add(self, letter: DeadLetter) -> None:
        """Return once it is durable. Raises LogUnavailable."""

    async def entries(self) -> Sequence[DeadLetterEntry]:
        """All of them, each place once, in order of place. Raises LogUnavailable."""


class KeyJournal(Protocol):
    """Short notes beside a log, by partition. Best effort: it may lose some, and gives none that were not left."""

    def note(self, partition: int, note: bytes) -> None:
        """Leave a note, some time soon. Never blocks, and never raises for an outage: the note is dropped."""

    def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        """All notes left since then that are kept still, in order, and maybe some from before; in bounded pieces.

        They are short-lived: an hour or so. Raises LogUnavailable.
        """


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


@dataclass(frozen=True, slots=True)
class Expired:
    """What a purge would remove, or removed. `ahead_rows`: how many of the rows lie ahead."""

    rows: int
    counts: int
    oldest_ms: int | None
    newest_ms: int | None
    ahead_rows: int


class StoreAdmin(Protocol):
    """What `migrate` and `purge` ask of a store. All idempotent, and safe to run from many processes at once."""

    async def pending(self) -> Sequence[str]:
        """The statements that `migrate` would run now, in order. Raises StoreUnavailable or StoreConflict."""

    async def migrate(self) -> Sequence[str]:
        """Run them; returns them. Raises StoreUnavailable, StoreRefused or StoreConflict."""

    async def adopt_log(self, log_name: str, *, new: bool = False, log_id: int | None = None) -> int:
        """The identity of the log of this name, made now if it has none or `new`. Raises StoreUnavailable.

        `log_id` gives the identity instead of a random one (the embedded log carries its own).
        """

    async def expired(self, before_ms: int, ahead_ms: int) -> Expired:
        """What `purge` with the same arguments would remove. Raises StoreUnavailable."""

    async def purge(self, before_ms: int, ahead_ms: int) -> Expired:
        """Remove the rows created before the one or not before the other, and return when they are gone from reads.

        That it did is written down first, for `purged`. What is stored meanwhile and lies ahead may stay: nothing goes
        that is not written down. Raises StoreUnavailable, or StoreMissing where `migrate` has not made room for that.
        """
