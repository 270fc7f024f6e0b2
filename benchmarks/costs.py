"""What a batch, a row, a block, a partition, a connection and a viewer cost: processor time and memory, for
docs/capacity.md.

Every part is measured by itself and said as a line that two sizes give: so much for each batch and so much for each
event of it, so much for each block and so much for each row.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import sleep

from benchmarks.cores import AROUND, on
from benchmarks.load.files import batches, singles
from benchmarks.load.records import fill
from benchmarks.load.rows import DAY_MS, Rows
from benchmarks.load.rows import fill as fill_rows
from benchmarks.load.wrk import Wrk
from benchmarks.processor_time import peak_mb, processor_s, resident_mb
from benchmarks.rounds import Comparison
from benchmarks.stored import wait_for_rows
from benchmarks.suite import Bench
from benchmarks.tools.clickhouse import local_clickhouse
from benchmarks.tools.store import RealStore, real_store
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.schemas.table import encode_row
from siddes_telemetry.schemas.timestamps import format_time
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.databases import own_database
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.kafka import LocalKafka
from tests.product.deployments import Deployment, migrate, start_member, unmigrated_cluster

HOW = (
    "Processor time (user and system, of whole processes) and resident memory (VmRSS, VmHWM), one run each. "
    "The gateway answers wrk over 128 connections, 8 partitions. Consumer and store drain 1,000,000 rows; memory "
    "is that of a drain of 3,000,000 rows while the store is paused for 15 s. Blocks are inserted eight at once, under "
    "tokens, and merges are waited for. Summaries: 400 of one day of 10,000,000 rows."
)
PARTITIONS = 8
CONNECTIONS = 128
CROWD, EVERY_S, CROWD_S = 10_000, 2.0, 12.0
EVENTS = (1, 10, 100)
FEW, MANY = 1_000, 100_000  # viewers: all of their tokens are remembered; most are verified anew
DRAINED_ROWS = 1_000_000
DRAINS = ((1, 1, 1), (1, 20, 1), (2, 20, 2), (5, 20, 5), (100, 1, 0))  # rows a batch, batches a record, rows a key
WAITING_ROWS, PAUSE_S = 3_000_000, 15.0
BLOCKS = ((2_000, 10), (2_000, 1_000), (60, 100_000))  # how many, of how many rows
AT_ONCE = 8
QUESTIONS = 400
ROWS_A_VIEWER = (10, 3_000, 300_000)
NO_STORE = "http://none@127.0.0.1:1/none"
MICRO = 1e6


def run(bench: Bench) -> Sequence[Comparison]:
    """Gateway, consumer and store, then the store alone."""
    with bench.folder("costs") as folder, ExitStack() as stack:
        kafka = LocalKafka(jars=kafka_jars(bench.cache), folder=bench.made(folder / "kafka"), jvm=())
        stack.enter_context(kafka)
        found = [*_gateway(bench, kafka, folder), *_crowd(bench, kafka, folder)]
        with local_clickhouse(bench.cache, folder / "clickhouse") as clickhouse:
            found += _drains(bench, kafka, clickhouse, folder)
            found += _memory(bench, kafka, clickhouse, folder)
    with bench.folder("costs") as folder, real_store(bench.cache, folder / "clickhouse") as store:
        found += [*_blocks(bench, store), *_summaries(bench, store)]
    return found


def line(what: str, unit: str, value: float, note: str = "") -> Comparison:
    return Comparison(what, unit, [value], None, note=note)


@contextmanager
def _running_gateway(kafka: LocalKafka, folder: Path) -> Iterator[tuple[Deployment, int]]:
    own = {"RATE": "1000000", "PARTITIONS": str(PARTITIONS)}
    with unmigrated_cluster(kafka.bootstrap, NO_STORE, folder, **own) as deployment:
        topic, connection = deployment.settings["TOPIC"], KafkaConnection(kafka.bootstrap)
        admin = KafkaAdmin(connection, topic, partitions=PARTITIONS, replication=1, retention_days=1)
        asyncio.run(admin.migrate())
        yield deployment, start_member(deployment, "gateway").wait_ready().pid


def _gateway(bench: Bench, kafka: LocalKafka, folder: Path) -> Iterator[Comparison]:
    """Processor time of a batch at gateway and broker, by its events, with tokens remembered and not."""
    wrk, say = Wrk.fetched(bench.cache), bench.progress("gateway")
    with _running_gateway(kafka, folder) as (deployment, pid):
        yield line("gateway, resident at rest", "MB", resident_mb(pid))
        for viewers in (FEW, MANY):
            for events in EVENTS:
                say(f"{events} events a batch, {viewers:,} viewers")
                file = batches(folder / f"batches-{events}-{viewers}.txt", events, viewers)
                wrk.rate(deployment.write_url, file, connections=CONNECTIONS, seconds=1)
                gateway_s, broker_s = processor_s(pid), processor_s(kafka.pid)
                rate = wrk.rate(deployment.write_url, file, connections=CONNECTIONS, seconds=bench.seconds)
                taken = rate * bench.seconds
                what = f"{events} event{'s' if events > 1 else ''} a batch, {viewers:,} viewers"
                yield line(f"gateway, a batch: {what}", "µs", (processor_s(pid) - gateway_s) / taken * MICRO)
                yield line(f"broker, a batch: {what}", "µs", (processor_s(kafka.pid) - broker_s) / taken * MICRO)
        yield line(f"gateway, resident after {MANY:,} viewers", "MB", resident_mb(pid))


def _crowd(bench: Bench, kafka: LocalKafka, folder: Path) -> Iterator[Comparison]:
    """Memory of many connections, each of which posts now and then."""
    bench.progress("gateway")(f"{CROWD:,} connections")
    with _running_gateway(kafka, folder) as (deployment, pid):
        command = [sys.executable, "-m", "benchmarks.load.crowd", deployment.write_url]
        command += [str(singles(folder / "crowd.txt")), "--connections", str(CROWD), "--every", str(EVERY_S)]
        with subprocess.Popen(on(AROUND, *command, "--seconds", str(CROWD_S)), stdout=subprocess.PIPE, text=True) as it:
            assert it.stdout is not None
            it.stdout.readline()
            sleep(CROWD_S - 2)
            mb = resident_mb(pid)
            answers = it.stdout.read().strip()
        yield line(f"gateway, resident with {CROWD:,} connections", "MB", mb, f"answers by status {answers}.")


def _drains(bench: Bench, kafka: LocalKafka, clickhouse: LocalClickHouse, folder: Path) -> Iterator[Comparison]:
    """Processor time of a row at consumer, store and broker, by rows a batch and batches a record."""
    say = bench.progress("drain")
    with _running_consumer(kafka, clickhouse, folder, PARTITIONS) as (deployment, consumer, database):
        pids = {"consumer": consumer, "store": clickhouse.pid, "broker": kafka.pid}
        stored = 0
        for number, (rows_a_batch, batches_a_record, keyed) in enumerate((DRAINS[-1], *DRAINS)):
            say(f"{rows_a_batch} rows a batch, {batches_a_record} batches a record")
            before = {name: processor_s(pid) for name, pid in pids.items()}
            rows = DRAINED_ROWS // 5 if rows_a_batch * batches_a_record == 1 else DRAINED_ROWS
            rows_a_record = rows_a_batch * batches_a_record
            topic = deployment.settings["TOPIC"]
            asyncio.run(fill(kafka.bootstrap, topic, PARTITIONS, rows, rows_a_record, seed=stored, rows_a_batch=keyed))
            stored += rows
            wait_for_rows(database, stored)
            sleep(3)  # merges
            if not number:
                continue  # everything is assigned, imported and open now
            named = (
                f"batches of {rows_a_batch}, {batches_a_record} a record"
                if keyed
                else f"{rows_a_record} single counts a record"
            )
            for name, pid in pids.items():
                each = (processor_s(pid) - before[name]) / rows * MICRO
                yield line(f"{name}, a row: {named}", "µs", each)


def _memory(bench: Bench, kafka: LocalKafka, clickhouse: LocalClickHouse, folder: Path) -> Iterator[Comparison]:
    """Peak of a consumer that drains while the store stands still, by partitions, with and without batch ids."""
    for partitions, rows_a_batch in ((1, 0), (8, 0), (32, 0), (1, 2), (8, 2), (32, 2)):
        ids = "with batch ids" if rows_a_batch else "without batch ids"
        what = f"{partitions} partition{'s' if partitions > 1 else ''}, {ids}"
        say = bench.progress(f"consumer, {what}")
        with (
            own_database(clickhouse.url) as database,
            unmigrated_cluster(kafka.bootstrap, database, folder, PARTITIONS=str(partitions)) as deployment,
        ):
            migrate(deployment)
            say("filling")
            topic = deployment.settings["TOPIC"]
            asyncio.run(fill(kafka.bootstrap, topic, partitions, WAITING_ROWS, 40, rows_a_batch=rows_a_batch))
            pid = start_member(deployment, "consumer").pid
            wait_for_rows(database, 1)
            clickhouse.pause()
            say("paused")
            sleep(PAUSE_S)
            clickhouse.resume()
            wait_for_rows(database, WAITING_ROWS)
            sleep(1)
            now = resident_mb(pid)
            yield line(f"consumer, peak: {what}", "MB", peak_mb(pid), f"{now:.0f} MB once it had drained.")


@contextmanager
def _running_consumer(
    kafka: LocalKafka, clickhouse: LocalClickHouse, folder: Path, partitions: int
) -> Iterator[tuple[Deployment, int, str]]:
    with (
        own_database(clickhouse.url) as database,
        unmigrated_cluster(kafka.bootstrap, database, folder, PARTITIONS=str(partitions)) as deployment,
    ):
        migrate(deployment)
        yield deployment, start_member(deployment, "consumer").wait_ready().pid, database


def _blocks(bench: Bench, store: RealStore) -> Iterator[Comparison]:
    """Processor time of a block at the store, by its rows, and how many parts wait for merges at the end."""
    say = bench.progress("blocks")
    for blocks, rows in BLOCKS:
        say(f"{blocks} of {rows} rows")
        store.run(f"TRUNCATE TABLE {store.table}")
        began, began_s = processor_s(store.pid), time.perf_counter()
        store.do(_inserted(store, blocks, rows))
        took_s = time.perf_counter() - began_s
        ((parts,),) = store.ask(
            "SELECT count() FROM system.parts WHERE active AND database = {database:String} AND table = {table:String}"
        )
        store.settle()
        each = (processor_s(store.pid) - began) / blocks * 1000
        note = f"{blocks / took_s:.0f} blocks a second, {AT_ONCE} at a time; {parts} active parts at their end."
        yield line(f"store, a block of {rows:,} rows, merged", "ms", each, note)


async def _inserted(store: RealStore, blocks: int, rows: int) -> None:
    """As many blocks, of other offsets and viewers each, from eight partitions at once."""
    now_ms = time.time_ns() // 1_000_000

    def block(number: int) -> bytes:
        created_at = format_time(now_ms - number)
        first = number * rows
        return b"".join(
            encode_row(
                Line(f"viewer-{(first + n) * 7919 % MANY}", "suggestion_shown", 1, now_ms - number),
                created_at,
                305_419_896,
                number % AT_ONCE,
                first + n,
            )
            for n in range(rows)
        )

    async def partition(first: int) -> None:
        for number in range(first, blocks, AT_ONCE):
            await store.counts.insert(block(number), f"costs:{rows}:{number}:{now_ms}", deadline_s=60)

    async with asyncio.TaskGroup() as group:
        for first in range(AT_ONCE):
            group.create_task(partition(first))


def _summaries(bench: Bench, store: RealStore) -> Iterator[Comparison]:
    """Processor time of the server for one day's summary, by the viewer's rows in that day."""
    for rows_a_viewer in ROWS_A_VIEWER:
        data = Rows(10_000_000, 10_000_000 // rows_a_viewer, 2, one_day=True)
        fill_rows(store, data, bench.progress(f"summaries, {rows_a_viewer:,} rows a viewer"))

        async def ask(data: Rows = data) -> None:
            since_ms = time.time_ns() // 1_000_000 - 2 * DAY_MS
            for number in range(QUESTIONS):
                await store.counts.counts(data.viewer(number * 7919), since_ms=since_ms, deadline_s=60)

        store.do(ask())
        began, began_s = processor_s(store.pid), time.perf_counter()
        store.do(ask())
        each = (processor_s(store.pid) - began) / QUESTIONS * 1000
        took = (time.perf_counter() - began_s) / QUESTIONS * 1000
        note = f"{took:.1f} ms from the client's side, one after the other."
        yield line(f"store, a summary of one day, {rows_a_viewer:,} rows of the viewer", "ms", each, note)
