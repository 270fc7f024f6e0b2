"""The servers that the other tests rely on are there, and keep what they were given through a kill."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from clickhouse_connect import get_async_client

from tests.infrastructure.clickhouse import OTHER_DEFAULTS, SYSTEM_LOGS, LocalClickHouse
from tests.infrastructure.found import ways_to_try
from tests.infrastructure.kafka import LocalKafka, archive_of
from tests.infrastructure.names import fresh
from tests.infrastructure.process import ServerProcess

# Starts a process under a guard, says its pid and waits to be killed.
STARTER = """
import sys, time, pathlib
from tests.infrastructure.process import ServerProcess
print(ServerProcess(["sleep", "600"], log=pathlib.Path(sys.argv[1])).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("environ", "ways"),
    [
        ({}, ("docker", "local")),
        ({"TEST_KAFKA": "127.0.0.1:9092"}, ("env",)),
        ({"TEST_KAFKA": ""}, ("docker", "local")),
        ({"TEST_SERVERS": "docker", "TEST_KAFKA": "127.0.0.1:9092"}, ("docker",)),
        ({"TEST_SERVERS": "local"}, ("local",)),
        ({"TEST_SERVERS": "env"}, ("env",)),
    ],
)
def test_the_environment_goes_before_docker_and_docker_before_local(
    environ: dict[str, str], ways: tuple[str, ...]
) -> None:
    assert ways_to_try(environ, "TEST_KAFKA") == ways


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match="TEST_SERVERS is one of env, docker, local"):
        ways_to_try({"TEST_SERVERS": "dokcer"}, "TEST_KAFKA")


def test_a_server_does_not_outlive_a_killed_starter(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path / "log")], stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        pid = int(starter.stdout.readline())
        server = os.pidfd_open(pid)
        starter.kill()
    ended, _, _ = select.select([server], [], [], 10)
    os.close(server)
    assert ended


def test_a_paused_server_is_stopped_in_the_orderly_way(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.1; done"
    server = ServerProcess(["sh", "-c", script], log=tmp_path / "log")
    server.wait_until(lambda: b"up" in server.said())
    server.pause()
    server.end(signal.SIGTERM)
    assert b"bye" in server.said()


def test_a_server_that_does_not_get_ready_says_why(tmp_path: Path) -> None:
    server = ServerProcess(["sh", "-c", "echo no luck >&2; exit 1"], log=tmp_path / "log")
    with pytest.raises(RuntimeError, match="no luck"):
        server.wait_until(lambda: False)


async def make_topic(bootstrap: str) -> str:
    topic = fresh("topic")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    return topic


async def send(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def first_values(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value for _ in range(count)]


async def rows(url: str, query: str) -> list[tuple[object, ...]]:
    async with await get_async_client(dsn=url) as client:
        found = (await client.query(query)).result_rows
    return [tuple(row) for row in found]


async def run(url: str, *commands: str) -> None:
    async with await get_async_client(dsn=url) as client:
        for command in commands:
            await client.command(command)


async def test_the_broker_gives_back_what_it_took(kafka_bootstrap: str) -> None:
    topic = await make_topic(kafka_bootstrap)
    await send(kafka_bootstrap, topic, b"one")
    assert await first_values(kafka_bootstrap, topic, 1) == [b"one"]


async def test_each_test_has_a_database_of_its_own(clickhouse_url: str, clickhouse_database_url: str) -> None:
    await run(
        clickhouse_database_url, "CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a", "INSERT INTO t VALUES (7)"
    )
    assert await rows(clickhouse_database_url, "SELECT a FROM t") == [(7,)]
    assert await rows(clickhouse_url, "EXISTS TABLE t") == [(0,)]


async def test_another_user_inserts_by_other_defaults(clickhouse_database_url: str, other_defaults_url: str) -> None:
    settings = f"SELECT name, value FROM system.settings WHERE name IN {tuple(OTHER_DEFAULTS)}"
    assert set(await rows(other_defaults_url, settings)) == set(OTHER_DEFAULTS.items())
    assert set(await rows(clickhouse_database_url, settings)).isdisjoint(OTHER_DEFAULTS.items())
    await run(other_defaults_url, "CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a")


async def test_a_killed_broker_comes_back_with_what_it_had(own_kafka: LocalKafka, kafka_jars: Path) -> None:
    bootstrap, archive = own_kafka.bootstrap, archive_of(kafka_jars)
    if archive.exists():  # Java says nothing where an archive does not fit
        assert str(archive) in Path(f"/proc/{own_kafka.pid}/maps").read_text()
    topic = await make_topic(bootstrap)
    await send(bootstrap, topic, b"before")
    own_kafka.kill()
    own_kafka.start()
    assert own_kafka.bootstrap == bootstrap
    await send(bootstrap, topic, b"after")
    assert await first_values(bootstrap, topic, 2) == [b"before", b"after"]


async def test_a_killed_server_comes_back_with_what_it_had(own_clickhouse: LocalClickHouse) -> None:
    url = own_clickhouse.url
    await run(url, "CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a", "INSERT INTO t VALUES (7)")
    own_clickhouse.kill()
    own_clickhouse.start()
    await run(url, "INSERT INTO t VALUES (8)")
    assert await rows(url, "SELECT a FROM t ORDER BY a") == [(7,), (8,)]


async def test_a_paused_server_answers_when_it_is_resumed(own_clickhouse: LocalClickHouse) -> None:
    async with await get_async_client(dsn=own_clickhouse.url) as client:
        own_clickhouse.pause()
        answer = asyncio.create_task(client.command("SELECT 1"))
        done, _ = await asyncio.wait([answer], timeout=0.5)
        assert not done
        own_clickhouse.resume()
        assert await answer == 1


async def test_the_server_logs_queries_as_a_normal_one_does(own_clickhouse: LocalClickHouse) -> None:
    for _ in range(2):  # again after a restart
        await run(own_clickhouse.url, "SELECT 'a canary'", "SYSTEM FLUSH LOGS")
        logged = "SELECT count() > 0 FROM system.query_log WHERE query LIKE '%''a canary''%'"
        assert await rows(own_clickhouse.url, logged) == [(True,)]
        tables = await rows(own_clickhouse.url, "SELECT name FROM system.tables WHERE database = 'system'")
        assert {(name,) for name in SYSTEM_LOGS} <= set(tables)
        own_clickhouse.stop()
        own_clickhouse.start()
