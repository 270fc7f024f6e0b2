"""The consumer against ClickHouse's own Kafka engine, and against a plain INSERT of the same rows.

Everybody reads the same topic from its start into the same kind of table in a database of its own, on both cores, with
the broker and the server beside it. Ours is one process with everything on: validation, source columns, intents,
deduplication tokens. The engine parses and inserts, by two consumers. It is measured as it comes (it gathers for 7.5 s,
then inserts one block) and with a thread for each consumer, which nobody's default is. The plain INSERT sends rows from
memory, one block after another, as the consumer does.

The clock runs from the moment partitions are assigned until four fifths of the rows are stored, and the rows that are
there then count: the engine stores millions at a time, and waits with the last ones.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from benchmarks.load.records import EVENTS, VIEWERS, fill
from benchmarks.rounds import Comparison, Contender, alternate, at_least
from benchmarks.stored import LOOK_S, wait_for_rows
from benchmarks.suite import Bench
from benchmarks.tools.clickhouse import local_clickhouse
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.insert_token import insert_token
from siddes_telemetry.schemas.table import encode_row
from siddes_telemetry.schemas.timestamps import format_time
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.databases import own_database
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.kafka import LocalKafka
from tests.infrastructure.names import fresh
from tests.product.deployments import Deployment, migrate, start_member, unmigrated_cluster
from tests.unit.schemas.shipped import REGISTRY

HOW = (
    "Rows per second, from a full topic to a table, counted from the first assignment of partitions. All processes "
    "share both cores."
)
PARTITIONS = 8
ASSIGNED_S = 30.0
SHARE = 0.8  # of the rows: then the clock stops
BLOCKS, BLOCK_ROWS = 12, 90_000  # of the plain INSERT: as large as the consumer's
OURS, ENGINE, TUNED, PLAIN = "consumer", "ClickHouse's Kafka engine", "the same, a thread each", "plain INSERT"

_ASSIGNED = re.compile(rb'^\{.*"event": "partitions_assigned".*\}$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Backlog:
    """A topic that is full."""

    rows: int
    rows_a_record: int
    engine_goal: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is measured. `topic` is full, and read by whoever is measured."""

    bootstrap: str
    server: str
    folder: Path
    topic: str
    backlog: Backlog


BACKLOGS = (Backlog(2_000_000, 1, 1.5), Backlog(12_000_000, 100, 2.0))


def run(bench: Bench) -> Sequence[Comparison]:
    """Both backlogs."""
    comparisons: list[Comparison] = []
    with bench.folder("consumer") as folder, _servers(bench, folder) as (kafka, clickhouse):
        for backlog in BACKLOGS:
            comparisons += _compare(bench, folder, kafka.bootstrap, clickhouse.url, backlog)
    return comparisons


def _compare(bench: Bench, folder: Path, bootstrap: str, server: str, backlog: Backlog) -> list[Comparison]:
    measured = f"{backlog.rows_a_record} {'row' if backlog.rows_a_record == 1 else 'rows'} a record"
    say = bench.progress(measured)
    say(f"filling a topic with {backlog.rows:,} rows")
    with unmigrated_cluster(bootstrap, server, folder, PARTITIONS=str(PARTITIONS)) as filled:
        migrate(filled)
        topic = filled.settings["TOPIC"]
        asyncio.run(fill(bootstrap, topic, PARTITIONS, backlog.rows, backlog.rows_a_record))
    place = Place(bootstrap, server, folder, topic, backlog)
    contenders = [
        Contender(OURS, partial(_ours, place)),
        Contender(ENGINE, partial(_engine, place, "")),
        Contender(TUNED, partial(_engine, place, ", kafka_thread_per_consumer = 1")),
        Contender(PLAIN, partial(_plain, place)),
    ]
    found = alternate(contenders, bench.rounds, say)
    goals = {ENGINE: at_least(backlog.engine_goal), TUNED: None, PLAIN: at_least(0.7)}
    return [Comparison(measured, "rows/s", found[OURS], goal, peer, found[peer]) for peer, goal in goals.items()]


def _ours(place: Place) -> float:
    with _table(place) as deployment:
        consumer = start_member(deployment, "consumer")
        stored, ended = _until_stored(deployment, place)
        (assigned,) = _ASSIGNED.findall(consumer.said().encode())
        began = datetime.fromisoformat(json.loads(assigned)["timestamp"]).timestamp()
        return stored / (ended - began)


def _engine(place: Place, more: str) -> float:
    with (
        _table(place) as deployment,
        closing(clickhouse_connect.get_client(dsn=deployment.settings["CLICKHOUSE"])) as client,
    ):
        client.command(
            "CREATE TABLE queue (viewer_id String, event String, count UInt16, created_at DateTime64(3, 'UTC')) "
            f"ENGINE = Kafka SETTINGS kafka_broker_list = '{place.bootstrap}', kafka_topic_list = '{place.topic}', "
            f"kafka_group_name = '{fresh('engine')}', kafka_format = 'JSONEachRow', kafka_num_consumers = 2{more}"
        )
        client.command(
            "CREATE MATERIALIZED VIEW arriving TO telemetry_counts AS SELECT viewer_id, event, count, created_at, "
            "toUInt32(7) AS log_id, toUInt16(_partition) AS log_partition, _offset AS log_offset FROM queue"
        )
        try:
            began = _until_assigned(client)
            stored, ended = _until_stored(deployment, place)
            return stored / (ended - began)
        finally:
            client.command("DROP TABLE arriving SYNC")
            client.command("DROP TABLE queue SYNC")


def _plain(place: Place) -> float:
    with _table(place) as deployment:
        return asyncio.run(_insert_blocks(deployment.settings["CLICKHOUSE"]))


async def _insert_blocks(url: str) -> float:
    """Rows a second of one block after another."""
    address = parse_server_url(url)
    engine = HttpEngine(address)
    try:
        store = ClickHouseStore(engine, StoreSchema(address.database, None, 30, REGISTRY))
        rng = random.Random(8)
        now_ms = time.time_ns() // 1_000_000
        block = b"".join(
            encode_row(
                Line(f"viewer-{rng.randrange(VIEWERS)}", rng.choice(EVENTS), rng.randint(1, 50), now_ms),
                format_time(now_ms + number // 100),
                3_735_928_559,
                3,
                number,
            )
            for number in range(BLOCK_ROWS)
        )
        began = time.perf_counter()
        for number in range(BLOCKS):
            token = insert_token(1, 1, number, number + 1)
            await store.insert(block, token, deadline_s=60)
        return BLOCKS * BLOCK_ROWS / (time.perf_counter() - began)
    finally:
        await engine.close()


def _until_assigned(client: Client) -> float:
    """When the engine's consumers had been given partitions, in seconds since the epoch."""
    asked = (
        "SELECT sum(length(assignments.partition_id)) FROM system.kafka_consumers WHERE database = currentDatabase()"
    )
    deadline = time.monotonic() + ASSIGNED_S
    while not int(str(client.command(asked))):
        if time.monotonic() > deadline:
            raise RuntimeError("the engine was given no partitions in time")
        time.sleep(LOOK_S)
    return time.time()


def _until_stored(deployment: Deployment, place: Place) -> tuple[int, float]:
    """How many rows there were when SHARE of them were stored, and when that was, in seconds since the epoch."""
    stored = wait_for_rows(deployment.settings["CLICKHOUSE"], int(SHARE * place.backlog.rows))
    return stored, time.time()


@contextmanager
def _table(place: Place) -> Iterator[Deployment]:
    """An empty table in a database of its own, and settings to read a topic from its start by a group of its own."""
    with (
        own_database(place.server) as database,
        unmigrated_cluster(
            place.bootstrap, database, place.folder, TOPIC=place.topic, PARTITIONS=str(PARTITIONS)
        ) as deployment,
    ):
        migrate(deployment)
        yield deployment


@contextmanager
def _servers(bench: Bench, folder: Path) -> Iterator[tuple[LocalKafka, LocalClickHouse]]:
    with (
        LocalKafka(jars=kafka_jars(bench.cache), folder=bench.made(folder / "kafka"), jvm=()) as kafka,
        local_clickhouse(bench.cache, folder / "clickhouse") as clickhouse,
    ):
        yield kafka, clickhouse
