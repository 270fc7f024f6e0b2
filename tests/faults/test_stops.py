"""SIGTERM while counts flow: what was begun is finished, and what was answered 200 is counted, once."""

from __future__ import annotations

import asyncio
import signal
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.kafka import LocalKafka
from tests.product.admin import Operator
from tests.product.client import Client, bearer
from tests.product.deployments import cluster, start_member
from tests.product.load import Load, Pace, seeded

BEGUN = 16  # requests that have arrived in part
BODY = b'{"event":"suggestion_accepted","count":3}'


async def test_a_stopping_gateway_answers_requests_that_it_has_begun_to_read(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        gateway = deployment.processes["gateway"]
        address = urlsplit(gateway.url)
        head = f"POST /api/telemetry HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer('alice')['Authorization']}\r\n"
        start = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:5]
        async with aiohttp.ClientSession() as session:
            operator = Operator(session)
            connections = [await asyncio.open_connection(address.hostname, address.port) for _ in range(BEGUN)]
            for _, writer in connections:
                writer.write(start)
            await operator.becomes(gateway, "siddes_http_requests_in_flight", BEGUN)
            gateway.send(signal.SIGTERM)
            await operator.becomes_unready(gateway, "serving")
            for reader, writer in connections:
                with closing(writer):
                    writer.write(BODY[5:])
                    answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert b"\r\nConnection: close\r\n" in answer
            assert await asyncio.to_thread(gateway.ended) == 0
            await Client(session, deployment).counts_become("alice", {"suggestion_accepted": 3 * BEGUN})


async def test_services_stop_in_time_while_their_servers_are_frozen(
    own_kafka: LocalKafka, own_clickhouse: LocalClickHouse, tmp_path: Path
) -> None:
    with cluster(own_kafka.bootstrap, own_clickhouse.url, tmp_path) as deployment:
        load = Load([deployment.write_url], Pace(pause_s=0.01), seeded())
        async with load.running():
            await load.reached(1_000)
            await asyncio.to_thread(own_clickhouse.pause)
            await load.reached(load.events + 2_000)  # the consumer holds blocks that it cannot insert
            await asyncio.to_thread(own_kafka.pause)
            await load.answers(503)
            statuses = await asyncio.gather(*(asyncio.to_thread(each.stop) for each in deployment.processes.values()))
            assert statuses == [0, 0, 0]
            await asyncio.to_thread(own_kafka.resume)
            await asyncio.to_thread(own_clickhouse.resume)
            for name in list(deployment.processes):
                await asyncio.to_thread(start_member(deployment, name).wait_ready)
            await load.reached(load.events + 1_000)
        async with aiohttp.ClientSession() as session:
            await load.adds_up(Client(session, deployment))
