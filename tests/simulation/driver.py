"""A simulated AIOKafkaConsumer: the public and private parts that the Kafka backend uses (aiokafka_internals.py).

It keeps the behaviour of aiokafka 0.14 that exactly-once depends on. The listener is awaited before the group is
rejoined. A member whose id or generation is rejected forgets both and joins again. close() waits for the coordination
to end, then leaves the group as the backend has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import LeaveGroupRequest

from siddes_telemetry.backends.kafka.fetched_records import MarkedRecord
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.schemas.record import LogRecord
from tests.simulation.broker import Broker
from tests.simulation.group import ILLEGAL_GENERATION, NO_ERROR, REBALANCING, UNKNOWN_MEMBER, Client, GroupError
from tests.simulation.hosts import Host

TOPIC = "counts"
REQUEST_S = 40.0  # the member's request time-out: the broker may hold a join for a whole rebalance
RETRY_S = 1.0  # ten times aiokafka's: outages are long, and each try costs time


@dataclass(frozen=True, slots=True)
class _Fetched:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


def _fetched(record: LogRecord) -> _Fetched | MarkedRecord:
    offset, at_ms, value, headers, defect = record
    if defect is None:
        return _Fetched(offset, at_ms, None, value, headers)
    return MarkedRecord(offset, at_ms, None, value, headers, defect)


class Driver:
    """A consumer of the one topic, in a group or outside of any."""

    def __init__(self, broker: Broker, host: Host, *, in_group: bool) -> None:
        self._broker = broker
        self._host = host
        self._positions: dict[int, int] = {}
        never = asyncio.get_running_loop().create_future()
        self._fetcher = SimpleNamespace(error_future=never, _fetch_task=None, _pending_tasks=())
        self._client = SimpleNamespace(close=_nothing, coordinator_lookup=self._look_up, send=self._send)
        self._coordinator = Coordinator(self, broker, host) if in_group else None

    async def start(self) -> None:
        await self._ask(lambda: None)

    async def stop(self) -> None:
        if self._coordinator is not None:
            await self._coordinator.close()

    async def topics(self) -> set[str]:
        await self._ask(lambda: None)
        return {TOPIC}

    def subscribe(self, topics: Iterable[str], listener: Any) -> None:  # noqa: ARG002 - the driver's signature
        assert self._coordinator is not None
        self._coordinator.begin(listener)

    def assign(self, keys: Iterable[TopicPartition]) -> None:
        self._positions = {key.partition: 0 for key in keys}

    def pause(self, key: TopicPartition) -> None:
        self._check_assigned(key)

    def resume(self, key: TopicPartition) -> None:
        self._check_assigned(key)

    def seek(self, key: TopicPartition, offset: int) -> None:
        self._check_assigned(key)
        self._positions[key.partition] = offset

    async def position(self, key: TopicPartition) -> int:
        self._check_assigned(key)
        return self._positions[key.partition]

    def highwater(self, key: TopicPartition) -> int | None:
        return self._broker.partitions[key.partition].next if self._host.audible else None

    async def beginning_offsets(self, keys: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        firsts: dict[TopicPartition, int] = await self._ask(
            lambda: {key: self._broker.partitions[key.partition].first for key in keys}
        )
        return firsts

    async def end_offsets(self, keys: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = await self._ask(
            lambda: {key: self._broker.partitions[key.partition].next for key in keys}
        )
        return ends

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        def find(key: TopicPartition, at_ms: int) -> LogRecord | None:
            return next((r for r in self._broker.partitions[key.partition].records if r.appended_at_ms >= at_ms), None)

        found: dict[TopicPartition, Any] = await self._ask(
            lambda: {key: find(key, at_ms) for key, at_ms in times.items()}
        )
        return found

    async def getmany(
        self, key: TopicPartition, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[_Fetched | MarkedRecord]]:
        """As in aiokafka, nothing is awaited between taking records and returning them."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_ms / 1000
        if self._coordinator is None:
            await self._ask(lambda: None)  # a range read, which may fail between two pieces
        partition = self._broker.partitions[key.partition]
        while True:
            self._check_assigned(key)
            position = self._positions[key.partition]
            if self._host.audible and self._broker.up:
                if not partition.first <= position <= partition.next:
                    raise OffsetOutOfRangeError({key: position})
                records = partition.as_read_by(self._host, position)[: min(self._broker.piece, max_records)]
                self._positions[key.partition] = records[-1].end if records else partition.next
                if records:
                    return {key: [_fetched(record) for record in records]}
            left_s = deadline_s - loop.time()
            if left_s <= 0:
                return {}
            await asyncio.wait({partition.grown}, timeout=left_s)

    def take(self, partitions: Sequence[int]) -> None:
        """The assigned partitions. The listener sets their positions."""
        self._positions = dict.fromkeys(partitions, 0)

    def _check_assigned(self, key: TopicPartition) -> None:
        if key.partition not in self._positions:
            raise IllegalStateError(f"{key} is not assigned")

    async def _look_up(self, _type: object, _group: str) -> int:
        await self._ask(lambda: None)
        return 1

    async def _send(self, _node: int, request: LeaveGroupRequest, **_options: object) -> Any:
        await self._broker.wire.ask(
            self._host, lambda: self._broker.group.leave(request._member_id), kind="leave group", patience_s=10.0
        )
        return SimpleNamespace(error_code=NO_ERROR)

    async def _ask(self, serve: Any) -> Any:
        return await self._broker.wire.ask(self._host, serve, kind="query", patience_s=10.0)


class Coordinator:
    """The member's side of the group, with the names of aiokafka's GroupCoordinator that the product uses."""

    def __init__(self, driver: Driver, broker: Broker, host: Host) -> None:
        self.generation = -1
        self.member_id = ""
        self.coordinator_id: int | None = 1
        self.group_id = "group"
        self._driver = driver
        self._broker = broker
        self._host = host
        self._wake = asyncio.Event()
        self._rejoin = True
        self._joining = False  # no heartbeats then
        self._closing = False
        self._listener: Any = None
        self._told = Client(host.name, self._audible_as, self.heartbeat)
        broker.coordinators[self] = None
        self._coordination_task = asyncio.ensure_future(self._coordinate())

    async def _maybe_leave_group(self) -> None:
        """The backend replaces it."""
        raise NotImplementedError

    def begin(self, listener: Any) -> None:
        self._listener = listener
        self._wake.set()

    def check_errors(self) -> None:
        """None are modelled."""

    def coordinator_dead(self) -> None:
        self.coordinator_id = None

    async def ensure_coordinator_known(self) -> None:
        while self.coordinator_id is None:
            try:
                await self._ask(lambda: None, kind="coordinator lookup")
                self.coordinator_id = 1
            except KafkaError:
                await asyncio.sleep(RETRY_S)

    async def fetch_committed_offsets(self, keys: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        offsets = self._broker.offsets
        found: dict[TopicPartition, Committed] = await self._ask(
            lambda: {key: offsets[key.partition] for key in keys if key.partition in offsets}, kind="offset fetch"
        )
        return found

    async def _send_req(self, request: OffsetCommitRequest) -> Any:
        """One request to the coordinator; no answer marks it dead."""
        ((topic, ((number, offset, metadata),)),) = request._topics
        member_id, generation = request._consumer_id, request._consumer_group_generation_id
        committed = Committed(offset, metadata)
        try:
            code = await self._ask(
                lambda: self._broker.commit_offset(self._host, member_id, generation, number, committed),
                kind="commit",
                times=2.0,
            )
        except KafkaError:
            self.coordinator_dead()
            raise
        return SimpleNamespace(topics=[(topic, [(number, code)])])

    async def close(self) -> None:
        self._closing = True
        self._broker.coordinators.pop(self, None)
        self._broker.group.silence(self.member_id)  # removed after a session time-out if LeaveGroup does not arrive
        self._wake.set()
        await asyncio.wait({self._coordination_task})
        await self._maybe_leave_group()
        self._reset()

    async def _coordinate(self) -> None:
        prepared = False
        while not self._closing:
            if self._listener is None or not self._rejoin:
                self._wake.clear()
                await self._wake.wait()
                continue
            if not prepared:
                await self._listening(self._listener.on_partitions_revoked(set(self._keys())))
                prepared = True
            self._joining = True
            try:
                await self.ensure_coordinator_known()
                partitions = await self._join()
            except GroupError as error:
                if error.code in (UNKNOWN_MEMBER, ILLEGAL_GENERATION):
                    self._reset()
                await asyncio.sleep(RETRY_S)
                continue
            except KafkaError:
                self.coordinator_dead()
                await asyncio.sleep(RETRY_S)
                continue
            finally:
                self._joining = False
            prepared = False
            self._driver.take(partitions)
            await self._listening(self._listener.on_partitions_assigned(set(self._keys())))
            self.heartbeat()

    async def _listening(self, call: Awaitable[None]) -> None:
        """aiokafka swallows what the listener raises; here it fails the schedule."""
        try:
            await call
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a defect
            self._broker.defects.append(error)

    async def _join(self) -> list[int]:
        group, told = self._broker.group, self._told
        if not self.member_id:
            self.member_id = await self._ask(lambda: group.name_for(told), kind="join")
        member_id = self.member_id
        self._rejoin = False  # later events are reasons to rejoin once more
        try:
            self.generation = generation = await self._ask(lambda: group.join(member_id), kind="join")
            partitions: list[int] = await self._ask(lambda: group.sync(member_id, generation), kind="join")
        except BaseException:
            self._rejoin = True
            raise
        return partitions

    def heartbeat(self) -> None:
        """The broker calls this when a heartbeat would fail. The host learns of it when it next runs."""
        if not self._host.audible or not self._broker.up or self._joining or self.generation <= 0:
            return
        verdict = self._broker.group.verdict(self.member_id, self.generation)
        if verdict != NO_ERROR:
            asyncio.get_running_loop().call_soon(self._hear, self.member_id, verdict, context=self._host.context)

    def _hear(self, member_id: str, verdict: int) -> None:
        if self._closing or member_id != self.member_id:
            return
        if verdict in (UNKNOWN_MEMBER, ILLEGAL_GENERATION) and self.generation > 0:
            self._reset()
        elif verdict == REBALANCING:
            self._rejoin = True
            self._wake.set()

    def _reset(self) -> None:
        self.generation, self.member_id = -1, ""
        self._rejoin = True
        self._wake.set()

    def _audible_as(self, member_id: str) -> bool:
        return self._host.audible and not self._closing and self.member_id == member_id

    def _keys(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, number) for number in self._driver._positions]

    async def _ask(self, serve: Any, *, kind: str, times: float = 1.0) -> Any:
        return await self._broker.wire.ask(self._host, serve, kind=kind, patience_s=REQUEST_S, times=times)


async def _nothing() -> None:
    return
