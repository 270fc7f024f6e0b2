"""The simulated broker: the records of one topic, its consumer group and the committed offsets."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

from aiokafka.errors import KafkaConnectionError, RequestTimedOutError

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import Committed, DeadLetter, DeadLetterEntry
from siddes_telemetry.schemas.record import CORRUPT_BATCH, UNSUPPORTED_BATCH, Defect, Headers, LogRecord
from tests.simulation.faults import Faults
from tests.simulation.group import HEARTBEAT_S, LOADING, NO_ERROR, NOT_COORDINATOR, Group
from tests.simulation.hosts import SERVER, Host
from tests.simulation.wire import Wire

_offset = attrgetter("offset")


class Witness(Protocol):
    """An observer of every commit that takes effect."""

    def committed(self, partition: int, before: Committed | None, now: Committed) -> None: ...


class Coordinator(Protocol):
    """A member's side of the group."""

    def heartbeat(self) -> None: ...


class PartitionLog:
    """The records of one partition; offsets may skip, as at Kafka's control records.

    `packed`: batches that only the newer of two versions of the consumer can decode, by their first offset their end.
    """

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.packed: dict[int, int] = {}
        self.first = 0
        self.next = 0
        self.grown: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def append(self, appended_at_ms: int, value: bytes, headers: Headers) -> None:
        self.records.append(LogRecord(self.next, appended_at_ms, value, headers))
        self.skip(1)

    def append_corrupt(self, appended_at_ms: int, offsets: int) -> None:
        """A record batch that no version can decode."""
        defect = Defect(CORRUPT_BATCH, self.next + offsets)
        self.records.append(LogRecord(self.next, appended_at_ms, b"\n\n", (), defect))
        self.skip(offsets)

    def skip(self, offsets: int) -> None:
        self.next += offsets
        self.grown.set_result(None)
        self.grown = asyncio.get_running_loop().create_future()

    def trim(self, first: int) -> None:
        """Delete the records below `first`."""
        self.first = first
        self.records = self.since(first)

    def since(self, offset: int) -> list[LogRecord]:
        return self.records[bisect_left(self.records, offset, key=_offset) :]

    def as_read_by(self, host: Host, offset: int) -> list[LogRecord]:
        """The records as the version on this host decodes them."""
        records = self.since(offset)
        if host.reads_all or not self.packed:
            return records
        decoded: list[LogRecord] = []
        for record in records:
            end = next((end for first, end in self.packed.items() if first <= record.offset < end), None)
            if end is None:
                decoded.append(record)
            elif not decoded or decoded[-1].end != end:
                decoded.append(LogRecord(record.offset, record.appended_at_ms, b"", (), Defect(UNSUPPORTED_BATCH, end)))
        return decoded


class Broker:
    """The broker of all consumers. `offsets` are the committed offsets of the group."""

    def __init__(self, faults: Faults, witness: Witness, partitions: int, piece: int) -> None:
        self.up = True
        self.piece = piece  # most records in one answer
        self.partitions = [PartitionLog() for _ in range(partitions)]
        self.offsets: dict[int, Committed] = {}
        self.dead_letters: dict[tuple[int, int], DeadLetter] = {}
        self.group = Group(faults, lambda: len(self.partitions), lambda: self.up)
        self.wire = Wire(faults, reachable=lambda: self.up, refused=KafkaConnectionError, silent=RequestTimedOutError)
        self.coordinators: dict[Coordinator, None] = {}  # of the members, while they are open, in order
        self.defects: list[Exception] = []
        self.after_intent_commit: Callable[[Host], None] = lambda _host: (
            None
        )  # may stop the host before the answer arrives
        self._faults = faults
        self._witness = witness

    def commit_offset(self, host: Host, member_id: str, generation: int, partition: int, committed: Committed) -> int:
        """The error code of this host's OffsetCommit."""
        if self._faults.strikes(0.3):
            self._faults.counts["coordinator loading or moved"] += 1
            return self._faults.rng.choice((LOADING, NOT_COORDINATOR))
        code = self.group.commit_verdict(member_id, generation)
        if code == NO_ERROR:
            before = self.offsets.get(partition)
            self.offsets[partition] = committed
            self._witness.committed(partition, before, committed)
            if committed.metadata and self._faults.strikes(0.5):
                self.after_intent_commit(host)
        else:
            self._faults.counts["commit refused"] += 1
        return code

    def add_partition(self) -> None:
        """Add one. The members notice when their metadata is refreshed."""
        self.partitions.append(PartitionLog())

    def heard_again(self) -> None:
        """After an outage every member soon sends a heartbeat."""
        for coordinator in self.coordinators:
            delay_s = self._faults.rng.random() * HEARTBEAT_S
            asyncio.get_running_loop().call_later(delay_s, coordinator.heartbeat, context=SERVER)


class BrokerDeadLetters:
    """The DeadLetters of one host, kept by the broker: a (partition, offset) is written once."""

    def __init__(self, broker: Broker, host: Host) -> None:
        self._broker = broker
        self._host = host

    async def append(self, letter: DeadLetter) -> None:
        place = (letter.partition, letter.offset)
        try:
            await self._broker.wire.ask(
                self._host,
                lambda: self._broker.dead_letters.setdefault(place, letter),
                kind="dead letter",
                patience_s=10.0,
            )
        except (KafkaConnectionError, RequestTimedOutError):
            raise LogUnavailable("the log did not answer") from None

    async def entries(self) -> Sequence[DeadLetterEntry]:
        raise NotImplementedError("no consumer asks")
