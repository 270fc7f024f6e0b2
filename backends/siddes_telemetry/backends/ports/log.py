"""What the services ask of a log. One contract suite runs on every backend.

Times are UTC epoch milliseconds on the log's clock unless a name says otherwise. The errors are those of errors.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from siddes_telemetry.schemas.record import Headers, LogRecord


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

    async def commit_offset(self, offset: int, metadata: str) -> None:
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


class GroupConsumer(Protocol):
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

    async def append(self, letter: DeadLetter) -> None:
        """Return once it is durable. Raises LogUnavailable."""

    async def entries(self) -> Sequence[DeadLetterEntry]:
        """All of them, each place once, in order of place. Raises LogUnavailable."""


class KeyJournal(Protocol):
    """Short notes beside a log, by partition. Best effort: it may lose some, and gives none that were not left."""

    def append(self, partition: int, note: bytes) -> None:
        """Leave a note, some time soon. Never blocks, and never raises for an outage: the note is dropped."""

    def notes(self, partition: int, since_ms: int) -> AsyncGenerator[bytes]:
        """All notes left since then that are kept still, in order, and maybe some from before; in bounded pieces.

        They are short-lived: an hour or so. Raises LogUnavailable.
        """
