"""Our Kafka client beside a broker that follows a script: how often it asks, and what it survives."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest
from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.api import Response
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v4
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v5

from siddes_telemetry.backends.kafka.aiokafka_client import KafkaClient
from siddes_telemetry.backends.kafka.connection import REQUEST_S, KafkaConnection
from tests.infrastructure.conversations import conversations, say_nothing
from tests.infrastructure.ports import free_ports
from tests.infrastructure.scripted_broker import scripted_broker

TOPIC = "log"
BROKER, OTHER, NO_LEADER = 1, 2, -1
METADATA, FETCH = (3, 5), (1, 4)
NOT_LEADER, STORAGE_ERROR = 6, 56
COUNTED = 5  # requests whose rate is looked at
WAIT_S = REQUEST_S / 2  # what waits for the time-out of a request waits longer
OFTEN = 50  # requests a second: a loop without a pause makes over a thousand


class Counted(dict[tuple[int, int], Response]):
    """A script that counts which of its answers were given."""

    def __init__(self, answers: Mapping[tuple[int, int], Response]) -> None:
        super().__init__(answers)
        self.given = Counter[tuple[int, int]]()

    def __getitem__(self, request: tuple[int, int]) -> Response:
        self.given[request] += 1
        return super().__getitem__(request)


def metadata(port: int, leader: int, others: Mapping[int, int] = MappingProxyType({})) -> Response:
    """`others`: the ports of further brokers, by their ids."""
    brokers = [(id_, "127.0.0.1", at, None) for id_, at in {BROKER: port, **others}.items()]
    return MetadataResponse_v5(0, brokers, "cluster", BROKER, [(0, TOPIC, False, [(0, 0, leader, [BROKER], [], [])])])


def failed_fetch(code: int) -> Response:
    return FetchResponse_v4(0, [(TOPIC, [(0, code, -1, -1, [], b"")])])


def fetch_of_the_partition() -> FetchRequest:
    return FetchRequest(250, 1, 1000, 0, [(TOPIC, [(0, 0, 1000)])])


@asynccontextmanager
async def reading(answers: Mapping[tuple[int, int], Response], port: int) -> AsyncIterator[Counter[tuple[int, int]]]:
    """A consumer reads the topic's partition; yields how many requests it has sent, by key and version."""
    script = Counted(answers)
    async with (
        scripted_broker(script, port=port) as address,
        KafkaConnection(address).reading_consumer(TOPIC) as consumer,
    ):
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        yield script.given


async def rate(sent: Counter[tuple[int, int]], request: tuple[int, int]) -> float:
    """How many of these requests go out in a second. A busy machine makes it smaller."""
    began, before = asyncio.get_running_loop().time(), sent[request]
    async with asyncio.timeout(WAIT_S):
        while sent[request] < before + COUNTED:  # noqa: ASYNC110  # aiokafka has no event for it
            await asyncio.sleep(0.001)
    return COUNTED / (asyncio.get_running_loop().time() - began)


async def test_a_partition_without_a_leader_is_not_asked_about_without_a_pause() -> None:
    (port,) = free_ports(1)
    async with reading({METADATA: metadata(port, NO_LEADER), FETCH: failed_fetch(0)}, port) as sent:
        assert await rate(sent, METADATA) < OFTEN


async def test_a_fetch_that_fails_at_once_is_not_repeated_without_a_pause() -> None:
    for code in (NOT_LEADER, STORAGE_ERROR):
        (port,) = free_ports(1)
        async with reading({METADATA: metadata(port, BROKER), FETCH: failed_fetch(code)}, port) as sent:
            assert await rate(sent, FETCH) < OFTEN


@asynccontextmanager
async def connected(
    port: int,
    others: Mapping[int, int] = MappingProxyType({}),
    *,
    script: dict[tuple[int, int], Response] | None = None,
) -> AsyncIterator[KafkaClient]:
    """A client of a broker that leads the partition. `others`: as in `metadata`. `script`: to change its answers."""
    script = {} if script is None else script
    script.setdefault(METADATA, metadata(port, BROKER, others))
    async with scripted_broker(script, port=port) as address:
        client = KafkaConnection(address).producer_client(TOPIC)
        try:
            await client.bootstrap()
            yield client
        finally:
            await client.close()


async def test_metadata_goes_on_after_an_update_that_failed_unexpectedly() -> None:
    (port,) = free_ports(1)
    async with connected(port) as client:
        client.cluster.update_metadata, works = _defective, client.cluster.update_metadata
        assert not await asyncio.wait_for(client.force_metadata_update(), WAIT_S)
        client.cluster.update_metadata = works
        assert await asyncio.wait_for(client.force_metadata_update(), WAIT_S)


def _defective(_answer: Response) -> None:
    raise TypeError("a defect")


async def test_a_broker_that_refuses_connections_is_not_tried_without_a_pause() -> None:
    tries = 0

    async def refuse(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1

    port, refusing = free_ports(2)
    async with conversations(refuse, port=refusing), connected(port, {OTHER: refusing}) as client:
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(WAIT_S):
            while tries < COUNTED:
                assert not await client.ready(OTHER)
                await asyncio.sleep(0.01)
        assert COUNTED / (asyncio.get_running_loop().time() - began) < OFTEN / 5  # each may cost a login


@pytest.fixture
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siddes_telemetry.backends.kafka.aiokafka_connections.WATCH_S", 0.05)
    monkeypatch.setattr("siddes_telemetry.backends.kafka.silence.SILENT_S", 0.1)


@pytest.mark.usefixtures("quick_watch")
async def test_a_request_that_nobody_awaits_keeps_no_other_waiting_behind_it() -> None:
    """The cluster still lists the silent broker, but as no leader."""
    port, silent = free_ports(2)
    async with scripted_broker({METADATA: None, FETCH: None}, port=silent), connected(port, {OTHER: silent}) as client:
        await _ask_and_cancel(client)
        with pytest.raises(KafkaConnectionError):
            await asyncio.wait_for(client.send(OTHER, fetch_of_the_partition()), WAIT_S)


@pytest.mark.usefixtures("quick_watch")
async def test_a_replaced_connection_is_closed_though_a_cancelled_request_is_never_answered() -> None:
    port, silent = free_ports(2)
    async with scripted_broker({METADATA: None}, port=silent), connected(port, {OTHER: silent}) as client:
        await _ask_and_cancel(client)
        former = await client._get_conn(OTHER)
        assert former is not None
        client._connections._replace((OTHER, ConnectionGroup.DEFAULT), None)
        async with asyncio.timeout(WAIT_S):
            while former.connected():  # noqa: ASYNC110  # aiokafka has no event for it
                await asyncio.sleep(0.01)


@pytest.mark.usefixtures("quick_watch")
async def test_what_waits_on_a_replaced_connection_is_given_up_too() -> None:
    port, silent = free_ports(2)
    async with scripted_broker({METADATA: None, FETCH: None}, port=silent), connected(port, {OTHER: silent}) as client:
        assert await client.ready(OTHER)
        fetch = asyncio.ensure_future(client.send(OTHER, fetch_of_the_partition()))
        await asyncio.sleep(0)  # it is sent
        client._connections._replace((OTHER, ConnectionGroup.DEFAULT), None)
        with pytest.raises(KafkaConnectionError):
            await asyncio.wait_for(fetch, WAIT_S)


async def _ask_and_cancel(client: KafkaClient) -> None:
    """As first_answer does where another broker has answered first."""
    assert await client.ready(OTHER)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.send(OTHER, MetadataRequest([])), 0.01)


@pytest.mark.usefixtures("quick_watch")
async def test_what_waits_at_the_former_address_of_a_broker_is_given_up() -> None:
    """A host that is lost keeps its connections open; the broker is back elsewhere, and leads what it led."""
    port, silent = free_ports(2)
    script = {METADATA: metadata(port, OTHER, {OTHER: silent})}
    async with scripted_broker({METADATA: None, FETCH: None}, port=silent), connected(port, script=script) as client:
        fetch = asyncio.ensure_future(client.send(OTHER, fetch_of_the_partition()))
        await asyncio.sleep(0.2)
        assert not fetch.done()  # it leads: it may only be slow
        script[METADATA] = metadata(port, OTHER, {OTHER: port})
        with pytest.raises(KafkaConnectionError):
            await asyncio.wait_for(fetch, WAIT_S)
        assert await asyncio.wait_for(client.ready(OTHER), WAIT_S)


@pytest.mark.usefixtures("quick_watch")
async def test_connecting_to_the_former_address_of_a_broker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siddes_telemetry.backends.kafka.aiokafka_connection.CONNECT_S", 10 * WAIT_S)
    port, silent = free_ports(2)
    script = {METADATA: metadata(port, OTHER, {OTHER: silent})}
    async with conversations(say_nothing, port=silent), connected(port, script=script) as client:
        attempt = asyncio.ensure_future(client.ready(OTHER))
        await asyncio.sleep(0.2)
        assert not attempt.done()
        script[METADATA] = metadata(port, OTHER, {OTHER: port})
        assert not await asyncio.wait_for(attempt, WAIT_S)
        assert await asyncio.wait_for(client.ready(OTHER), WAIT_S)
