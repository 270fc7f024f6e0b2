"""Our Kafka client: what does not answer holds up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import BrokerMetadata

from siddes_telemetry.backends.kafka.aiokafka_client import METADATA_MAX_AGE_MS, KafkaClient
from siddes_telemetry.backends.kafka.aiokafka_connection import CONNECT_S
from siddes_telemetry.backends.kafka.aiokafka_internals import init_producer_id
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.failures import FailedAt
from tests.infrastructure.conversations import conversations, say_nothing
from tests.infrastructure.ports import free_ports
from tests.integration.kafka.kit import WAIT_S, until

SILENT = 99  # a broker that the cluster does not have


@dataclass
class SilentServer:
    """Takes connections and says nothing, as a frozen broker does."""

    address: str = ""
    connections: int = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await say_nothing(reader, writer)


@pytest.fixture
async def silent_server() -> AsyncIterator[SilentServer]:
    found = SilentServer()
    async with conversations(found.take) as found.address:
        yield found


@asynccontextmanager
async def connected(bootstrap: str, topic: str = "log") -> AsyncIterator[KafkaClient]:
    client = KafkaConnection(bootstrap).producer_client(topic)
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


def list_broker(client: KafkaClient, number: int, address: str) -> None:
    """Let the cluster's metadata name one more broker, until the next update."""
    host, port = address.split(":")
    client.cluster._brokers[number] = BrokerMetadata(number, host, int(port), None)


async def test_a_silent_address_is_not_waited_for(kafka_bootstrap: str, silent_server: SilentServer) -> None:
    while not silent_server.connections:  # aiokafka shuffles the addresses
        began = asyncio.get_running_loop().time()
        async with connected(f"{silent_server.address},{kafka_bootstrap}"):
            assert asyncio.get_running_loop().time() - began < CONNECT_S


async def test_connecting_to_a_silent_broker_holds_up_no_other_and_ends_when_it_has_been_replaced(
    kafka_bootstrap: str, silent_server: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siddes_telemetry.backends.kafka.aiokafka_connection.CONNECT_S", 10 * WAIT_S)
    async with connected(kafka_bootstrap) as client:
        list_broker(client, SILENT, silent_server.address)
        waiting = [asyncio.ensure_future(client.ready(SILENT)) for _ in range(3)]
        await until(lambda: bool(silent_server.connections))
        (real,) = (broker.nodeId for broker in client.cluster.brokers() if broker.nodeId != SILENT)
        assert await asyncio.wait_for(client.ready(real), WAIT_S)
        assert not any(each.done() for each in waiting)
        assert silent_server.connections == 1  # all three wait for one attempt
        # The client asks for newer metadata, long before it would anyway. That lists the cluster's own brokers only.
        assert await asyncio.wait_for(asyncio.gather(*waiting), METADATA_MAX_AGE_MS / 1000 / 2) == [False] * 3


async def test_requests_for_any_broker_go_to_those_that_answer(
    kafka_bootstrap: str, silent_server: SilentServer
) -> None:
    async with connected(kafka_bootstrap) as client:
        client._connections.failures[SILENT] = FailedAt("a broker")
        for _ in range(20):
            list_broker(client, SILENT, silent_server.address)
            assert client.get_random_node() != SILENT
    assert not silent_server.connections


async def test_what_any_broker_can_answer_is_not_waited_for_at_a_silent_one(
    kafka_bootstrap: str, silent_server: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siddes_telemetry.backends.kafka.aiokafka_connection.CONNECT_S", 10 * WAIT_S)
    async with connected(kafka_bootstrap) as client:
        while not silent_server.connections:  # brokers are asked in random order
            list_broker(client, SILENT, silent_server.address)
            await asyncio.wait_for(client.ask_any(MetadataRequest([])), WAIT_S)


async def test_the_cause_of_a_failed_connection_is_kept() -> None:
    (port,) = free_ports(1)
    client = KafkaConnection(f"127.0.0.1:{port}").producer_client("log")
    with pytest.raises(KafkaConnectionError) as raised:
        await client.bootstrap()
    assert isinstance(raised.value.__cause__, FailedAt)
    assert isinstance(raised.value.__cause__.__cause__, ConnectionRefusedError)
    await client.close()


async def test_a_closed_client_connects_no_more(kafka_bootstrap: str) -> None:
    async with connected(kafka_bootstrap) as client:
        broker = client.get_random_node()
        assert broker is not None
    with pytest.raises(NodeNotReadyError):
        await init_producer_id(client)
    assert not client._conns
