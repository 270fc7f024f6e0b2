"""The protocols of a log: what the services ask of Kafka or SQLite. One contract suite runs on every backend.

Times are UTC epoch milliseconds on the log's clock unless a name says otherwise. The exceptions are in errors.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from siddes_telemetry.schemas.record import Headers, LogRecord


class LogAppender(Protocol):
    """Appends records to a log."""

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        """Return once the record is durable (Kafka: acknowledged by all in-sync replicas; SQLite: fsynced).

        It has no deadline: the caller may stop waiting. After a cancellation the log may get the record all the same.
        Raises LogUnavailable.
        """

    async def ping(self) -> None:
        """Return if an append is expected to succeed now. Raises LogUnavailable or LogMissing."""

    async def close(self) -> None:
        """Wait for the appends in flight, as far as the log still answers, and release everything."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's committed offset of a partition: everything below it is stored. `metadata` holds the intent."""

    offset: int
    metadata: str


class PartitionView(Protocol):
    """Read-only access to one partition. Every call may raise LogUnavailable."""

    @property
    def number(self) -> int: ...

    async def committed(self) -> Committed | None:
        """The group's committed offset, or None if there is none (never committed, or forgotten by the log)."""

    async def bounds(self) -> tuple[int, int]:
        """(the first offset that the log still has, the next offset that it will assign)."""

    async def offset_at(self, appended_at_ms: int) -> int | None:
        """The first offset whose append time is not before this, or None if there is none.

        Exact as long as append times never decrease. If they do (a clock was corrected), it is only a hint about where
        such records begin, and the caller has to look at the records themselves.
        """

    def read(self, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        """Yields exactly the records of [start, end), in bounded pieces, independently of `fetch`.

        Raises RecordsGone if the log no longer begins at or before `start`, LogStalled if it does not return them all.
        """


class OffsetCommitter(Protocol):
    """Keeps the offset and the intent of one partition, for its one owner."""

    @property
    def number(self) -> int: ...

    async def commit_offset(self, offset: int, metadata: str) -> None:
        """Commit once, under the generation in which this partition was assigned, and never under another.

        Returns only when the log has confirmed it. Otherwise, also without an answer, it raises PartitionLost: the
        partition is then given up, and owned again only under a new generation.
        """


class OwnedPartition(PartitionView, OffsetCommitter, Protocol):
    """One partition, owned in one generation of the group. Every call may raise PartitionLost too."""

    async def seek(self, offset: int) -> None:
        """Set where the next `fetch` begins. Must be called once before the first."""

    async def fetch(self) -> Sequence[LogRecord]:
        """Wait for the next records, in order: those at hand, up to a bound.

        Returns none if the log went on by offsets without records (Kafka's control records). What cannot be decoded
        comes as a record with a defect. Raises RecordsGone if the log now begins after the position. The backend has
        to notice a fetch that waits although the log has records: no caller can tell.
        """

    @property
    def position(self) -> int:
        """The offset at which the next `fetch` begins: after the last records and the offsets passed behind them.

        Requires a `seek`.
        """

    async def high_watermark(self) -> int:
        """The next offset that the log will assign, as last heard: without a round trip where possible."""


class LogView(Protocol):
    """Read-only access to a log."""

    @property
    def origin(self) -> int:
        """The offset of the first record that a partition ever had."""

    async def partitions(self) -> Sequence[PartitionView]:
        """All partitions, by number. Raises LogUnavailable or LogMissing."""


class GroupOffsets(Protocol):
    """What an operator may do to the offsets of a group that has no members. Every call may raise LogUnavailable."""

    async def members(self) -> int:
        """How many members the group has now."""

    async def set_offsets(self, offsets: Mapping[int, int]) -> None:
        """Commit these offsets, by partition, without metadata. Raises GroupInUse if the group has a member by then."""


PartitionWork = Callable[[OwnedPartition], Awaitable[None]]


class GroupConsumer(Protocol):
    """A member of the log's consumer group."""

    async def run(self, work: PartitionWork) -> None:
        """Be a member until cancelled: `work` runs as a task for each partition while it is owned.

        When a partition is revoked, its task is cancelled and awaited before the group is rejoined. When a task raises
        PartitionLost, this member leaves and rejoins under a new generation, with back-off. Any other exception of a
        task ends `run` and is raised. Outages of the log are retried with back-off. On cancellation the tasks are
        cancelled and awaited (they commit what they have stored), and then the member leaves the group.
        """

    async def ping(self) -> None:
        """Return if the log answers and this member is in its group and receives records.

        Raises LogUnavailable, LogMissing or LogStalled.
        """


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot be read. `reason` is one of record.BAD_REASONS."""

    partition: int
    offset: int
    reason: str
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """The part of a dead letter that may be shown: never its bytes. `size` is the number of bytes of its value."""

    partition: int
    offset: int
    reason: str
    size: int


class DeadLetters(Protocol):
    """Keeps unreadable records. The key is (partition, offset): a second copy is ignored."""

    async def append(self, letter: DeadLetter) -> None:
        """Return once it is durable. Raises LogUnavailable."""

    async def entries(self) -> Sequence[DeadLetterEntry]:
        """All entries, one for each (partition, offset), in that order. Raises LogUnavailable."""


class KeyJournal(Protocol):
    """Short-lived key notes beside a log, by partition. Best effort: it may lose notes, and never invents any."""

    def append(self, partition: int, note: bytes) -> None:
        """Write a note soon. Never blocks, and raises nothing in an outage: the note is dropped."""

    def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        """Yields all notes written since then that are still kept, in order, and maybe some earlier ones.

        Notes are kept for an hour or so. Raises LogUnavailable.
        """
