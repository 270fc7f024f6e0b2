"""How cost grows: processor time for an event at one size and the next, of workers, partitions, connections, viewers.

A step is no worse than linear where n times as many of a thing cost at most n times as much for each event. What is
counted is the user and system time of our own processes, not of the load or the servers: it says much the same whoever
else is at work on the machine.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.cores import AROUND, on, pin
from benchmarks.load.files import singles
from benchmarks.load.records import fill
from benchmarks.load.wrk import Wrk
from benchmarks.processor_time import processor_s
from benchmarks.rounds import Comparison, Contender, alternate, at_most
from benchmarks.stored import wait_for_rows
from benchmarks.suite import Bench
from benchmarks.tools.clickhouse import local_clickhouse
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from tests.infrastructure.databases import own_database
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.kafka import LocalKafka
from tests.product.deployments import migrate, numbered, start_member, unmigrated_cluster

HOW = (
    "Processor time of our processes per event, one size against the next in the same rounds. A step to n times the "
    "size is linear if an event costs at most n times as much. Idle connections should cost nothing."
)
LOAD_CONNECTIONS = 128
IDLE_CONNECTIONS = 10_000
NO_STORE = "http://none@127.0.0.1:1/none"
NOTHING = 1.25  # and what a shared machine adds to it
ROWS, ROWS_A_RECORD = 1_000_000, 100

Measure = Callable[[], float]  # microseconds of processor time for an event


@dataclass(frozen=True, slots=True)
class Size:
    """A gateway or consumer, and what there is of everything; one field differs between the sizes of a comparison."""

    processes: int = 1
    partitions: int = 8
    idle: int = 0
    viewers: int = 1_000


def run(bench: Bench) -> Sequence[Comparison]:
    """Every step of everything."""
    wrk = Wrk.fetched(bench.cache)
    usual = Size()
    comparisons: list[Comparison] = []
    with bench.folder("growth") as folder, ExitStack() as stack:
        kafka = LocalKafka(jars=kafka_jars(bench.cache), folder=bench.made(folder / "kafka"), jvm=())
        stack.enter_context(kafka)
        pin(kafka.pid, AROUND)

        def gateway(size: Size) -> AbstractContextManager[Measure]:
            return _gateway(bench, wrk, kafka.bootstrap, folder, size)

        of_gateway = partial(_steps, bench, "gateway", gateway)
        comparisons += of_gateway("workers", [replace(usual, processes=n) for n in (1, 2)])
        comparisons += of_gateway("partitions", [replace(usual, partitions=n) for n in (1, 8, 32)])
        comparisons += of_gateway("idle connections", [usual, replace(usual, idle=IDLE_CONNECTIONS)])
        comparisons += of_gateway("viewers", [replace(usual, viewers=n) for n in (1_000, 100_000)])
        clickhouse = local_clickhouse(bench.cache, folder / "clickhouse")
        stack.enter_context(clickhouse)

        def consumer(size: Size) -> AbstractContextManager[Measure]:
            return _consumer(kafka.bootstrap, clickhouse.url, folder, size)

        of_consumer = partial(_steps, bench, "consumer", consumer)
        comparisons += of_consumer("consumers", [replace(usual, processes=n) for n in (1, 2)])
        comparisons += of_consumer("partitions", [replace(usual, partitions=n) for n in (1, 8, 32)])
        comparisons += of_consumer("viewers", [replace(usual, viewers=n) for n in (1_000, 100_000, 1_000_000)])
    return comparisons


def _steps(
    bench: Bench,
    who: str,
    running: Callable[[Size], AbstractContextManager[Measure]],
    of: str,
    sizes: Sequence[Size],
) -> list[Comparison]:
    """All sizes of one thing at once, measured in turn; each against the one before it."""
    numbers = [_differing(size, sizes) for size in sizes]
    with ExitStack() as stack:
        contenders = [
            Contender(f"{number:,} {of}", stack.enter_context(running(size)))
            for number, size in zip(numbers, sizes, strict=True)
        ]
        found = alternate(contenders, bench.rounds, bench.progress(who))
    comparisons = []
    for before, after, small, large in zip(contenders, contenders[1:], numbers, numbers[1:], strict=False):
        goal = at_most(large / small if small else NOTHING)
        comparisons.append(
            Comparison(f"{who}: {after.name}", "µs", found[after.name], goal, before.name, found[before.name])
        )
    return comparisons


def _differing(size: Size, sizes: Sequence[Size]) -> int:
    """The number in which the sizes differ."""
    names = [name for name in Size.__slots__ if len({getattr(each, name) for each in sizes}) > 1]
    (name,) = names
    return int(getattr(size, name))


@contextmanager
def _gateway(bench: Bench, wrk: Wrk, bootstrap: str, folder: Path, size: Size) -> Iterator[Measure]:
    own = {"RATE": "1000000", "PARTITIONS": str(size.partitions)}
    with unmigrated_cluster(bootstrap, NO_STORE, folder, **own) as deployment:
        topic, partitions = deployment.settings["TOPIC"], size.partitions
        asyncio.run(
            KafkaAdmin(
                KafkaConnection(bootstrap), topic, partitions=partitions, replication=1, retention_days=1
            ).migrate()
        )
        more = ("--workers", str(size.processes)) if size.processes > 1 else ()
        gateway = start_member(deployment, "gateway", *more).wait_ready()
        requests = singles(folder / f"singles-{size.viewers}.txt", size.viewers)
        with _idle(gateway.url, requests, size.idle):
            wrk.rate(gateway.url, requests, connections=LOAD_CONNECTIONS, seconds=1)

            def measure() -> float:
                before = processor_s(gateway.pid)
                rate = wrk.rate(gateway.url, requests, connections=LOAD_CONNECTIONS, seconds=bench.seconds)
                return (processor_s(gateway.pid) - before) / (rate * bench.seconds) * 1e6

            yield measure


@contextmanager
def _idle(url: str, requests: Path, connections: int) -> Iterator[None]:
    """So many connections that ask once and then say nothing."""
    if not connections:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.load.crowd", url, str(requests), "--connections", str(connections)]
    with subprocess.Popen(
        on(AROUND, *command, "--every", "0", "--seconds", "3600"), stdout=subprocess.PIPE, text=True
    ) as crowd:
        try:
            assert crowd.stdout is not None
            crowd.stdout.readline()  # all are open
            yield
        finally:
            crowd.kill()


@contextmanager
def _consumer(bootstrap: str, clickhouse: str, folder: Path, size: Size) -> Iterator[Measure]:
    with (
        own_database(clickhouse) as database,
        unmigrated_cluster(bootstrap, database, folder, PARTITIONS=str(size.partitions)) as deployment,
    ):
        migrate(deployment)
        consumers = [start_member(deployment, name) for name in numbered("consumer", size.processes)]
        for consumer in consumers:
            consumer.wait_ready()
        stored = 0

        def measure() -> float:
            nonlocal stored
            before = sum(processor_s(each.pid) for each in consumers)
            topic, partitions = deployment.settings["TOPIC"], size.partitions
            asyncio.run(fill(bootstrap, topic, partitions, ROWS, ROWS_A_RECORD, viewers=size.viewers, seed=stored))
            stored += ROWS
            wait_for_rows(database, stored)
            return (sum(processor_s(each.pid) for each in consumers) - before) / ROWS * 1e6

        measure()  # everything is assigned, imported and open then
        yield measure
