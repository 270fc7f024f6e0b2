"""What an outage costs in memory: the most that a process had resident while its log, or its store, stood still.

The gateway: 10,000 connections, each of which posts once every two seconds, while the broker is paused for a minute and
comes back. The consumer: the store is paused for a minute while 5,000,000 rows are waiting in the log; then it drains
them.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from benchmarks.cores import AROUND, MEASURED, on, pin
from benchmarks.load.files import singles
from benchmarks.load.records import fill
from benchmarks.processor_time import peak_mb
from benchmarks.rounds import Comparison, at_most
from benchmarks.stored import wait_for_rows
from benchmarks.suite import Bench
from benchmarks.tools.clickhouse import local_clickhouse
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from tests.infrastructure.databases import own_database
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.kafka import LocalKafka
from tests.product.deployments import migrate, start_member, unmigrated_cluster
from tests.product.process import COMMAND

HOW = "Peak resident memory (VmHWM) of the process under test, one run each."
OUTAGE_S = 60.0
BEFORE_S, AFTER_S = 5.0, 15.0  # of load around the outage
CONNECTIONS, EVERY_S = 10_000, 2.0
ROWS, ROWS_A_RECORD = 5_000_000, 100
NO_STORE = "http://none@127.0.0.1:1/none"


def run(bench: Bench) -> Sequence[Comparison]:
    """Both processes."""
    return [_gateway(bench), _consumer(bench)]


def _gateway(bench: Bench) -> Comparison:
    say = bench.progress("gateway, broker paused")
    with bench.folder("memory") as folder, _broker(bench, folder) as kafka:
        own = {"RATE": "0", "PARTITIONS": "8"}
        with unmigrated_cluster(kafka.bootstrap, NO_STORE, folder, **own) as deployment:
            topic = deployment.settings["TOPIC"]
            asyncio.run(
                KafkaAdmin(
                    KafkaConnection(kafka.bootstrap), topic, partitions=8, replication=1, retention_days=1
                ).migrate()
            )
            gateway = start_member(deployment, "gateway", command=on(MEASURED, *COMMAND)).wait_ready()
            say("at rest")
            at_rest = peak_mb(gateway.pid)
            requests = singles(folder / "singles.txt")
            command = [sys.executable, "-m", "benchmarks.load.crowd", gateway.url, str(requests)]
            command += ["--connections", str(CONNECTIONS), "--every", str(EVERY_S)]
            command += ["--seconds", str(BEFORE_S + OUTAGE_S + AFTER_S)]
            with subprocess.Popen(on(AROUND, *command), stdout=subprocess.PIPE, text=True) as crowd:
                assert crowd.stdout is not None
                crowd.stdout.readline()  # all are open
                sleep(BEFORE_S)
                connected = peak_mb(gateway.pid)
                say(f"paused for {OUTAGE_S:.0f} s")
                kafka.pause()
                sleep(OUTAGE_S)
                kafka.resume()
                answers = crowd.stdout.read().strip()
            return Comparison(
                f"gateway, {CONNECTIONS:,} connections, broker paused for {OUTAGE_S:.0f} s",
                "MB",
                [peak_mb(gateway.pid)],
                at_most(300),
                note=f"{at_rest:.0f} MB at rest, {connected:.0f} MB under load before it; answers by status {answers}.",
            )


def _consumer(bench: Bench) -> Comparison:
    say = bench.progress("consumer, store paused")
    with (
        bench.folder("memory") as folder,
        _broker(bench, folder) as kafka,
        local_clickhouse(bench.cache, folder / "clickhouse") as clickhouse,
        own_database(clickhouse.url) as database,
        unmigrated_cluster(kafka.bootstrap, database, folder, PARTITIONS="8") as deployment,
    ):
        migrate(deployment)
        say(f"filling the log with {ROWS:,} rows")
        asyncio.run(fill(kafka.bootstrap, deployment.settings["TOPIC"], 8, ROWS, ROWS_A_RECORD))
        consumer = start_member(deployment, "consumer")
        wait_for_rows(database, 1)  # it works, on all partitions; most of the rows are waiting
        clickhouse.pause()
        say(f"paused for {OUTAGE_S:.0f} s")
        sleep(OUTAGE_S)
        paused = peak_mb(consumer.pid)
        clickhouse.resume()
        say("draining")
        wait_for_rows(database, ROWS)
        return Comparison(
            f"consumer, {ROWS:,} rows waiting, store paused for {OUTAGE_S:.0f} s",
            "MB",
            [peak_mb(consumer.pid)],
            at_most(500),
            note=f"{paused:.0f} MB at the end of the outage; the peak is of the whole drain.",
        )


@contextmanager
def _broker(bench: Bench, folder: Path) -> Iterator[LocalKafka]:
    with LocalKafka(jars=kafka_jars(bench.cache), folder=bench.made(folder / "kafka"), jvm=()) as kafka:
        pin(kafka.pid, AROUND)
        yield kafka
