"""Servers in the place of a broker that would hold up the process, or fill its memory."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import BrokerMetadata

from siddes_telemetry.backends.kafka import aiokafka_connection
from siddes_telemetry.backends.kafka.aiokafka_connection import BrokerConnection
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.failures import failure_of
from tests.infrastructure.conversations import conversations, say_nothing
from tests.integration.kafka.kit import WAIT_S, until

BROKER = 1
NO_PORT = 99_999
MORE_THAN_IS_BUFFERED = 64 * 1024 * 1024


@pytest.mark.parametrize("length", [b"HTTP", b"\xff\xff\xff\xff", b"\x15\3\3\0"], ids=["http", "negative", "tls"])
async def test_what_cannot_be_the_length_of_an_answer_is_not_waited_for(length: bytes) -> None:
    async with server(lambda _request: length) as address:
        client = KafkaConnection(address).producer_client("log")
        with pytest.raises(Exception, match="no broker gave its metadata") as raised:
            await client.bootstrap()
        await client.close()
    assert failure_of(raised.value).reason == ("tls_wanted" if length[0] == 0x15 else "not_kafka")


async def test_a_server_that_reads_nothing_more_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka_connection, "CLOSE_S", 0.1)

    def versions(request: bytes) -> bytes:
        answer = request[8:12] + bytes(ApiVersionResponse_v0(0, [(18, 0, 0)]).encode())
        return struct.pack(">i", len(answer)) + answer

    async with server(versions) as address, asyncio.timeout(WAIT_S):
        host, port = address.split(":")
        connection = BrokerConnection(host, int(port))
        await connection.connect()
        transport = connection._writer.transport
        transport.write(bytes(MORE_THAN_IS_BUFFERED))
        connection.close().cancel()  # as by a caller that is cancelled
        await until(lambda: transport.get_write_buffer_size() == 0)


async def test_a_broker_at_an_impossible_port_is_told() -> None:
    client = KafkaConnection("127.0.0.1:9").producer_client("log")
    client.cluster._brokers[BROKER] = BrokerMetadata(BROKER, "127.0.0.1", NO_PORT, None)
    with pytest.raises(NodeNotReadyError) as raised:
        await client.send(BROKER, MetadataRequest([], allow_auto_topic_creation=False))
    await client.close()
    assert failure_of(raised.value).reason == "not_kafka"


def server(answer: Callable[[bytes], bytes]) -> AbstractAsyncContextManager[str]:
    """Answers the first request of each connection, given with its length, then reads nothing and closes nothing."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = await reader.readexactly(4)
        writer.write(answer(length + await reader.readexactly(*struct.unpack(">i", length))))
        await say_nothing(reader, writer)

    return conversations(converse)
