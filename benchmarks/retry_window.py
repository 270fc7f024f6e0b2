"""What it costs to rebuild one partition's retry window: from the journal of keys, and from the log itself.

    python -m benchmarks.retry_window [--mode embedded|cluster] [--rate EVENTS_S] [--partitions N] [--minutes M]
        [--kafka HOST:PORT]

A partition is filled with its share of ten minutes of load, in records as a gateway writes them, and with a note for
each second of it, as a consumer would leave them; then a worker that has no window brings one to the end of it, in a
process of its own each time. The records come as fast as the log takes them: what counts is that they are all young.
A broker that is not given is found as the tests find theirs. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import QUEUE_BYTES, JournalMetrics
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics, KafkaGroupMetrics
from siddes_telemetry.backends.ports.log import GroupConsumer, KeyJournal, LogAppender, OwnedPartition
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.retry_window.key_notes import encode_notes
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.partition_window import PartitionWindow
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.request_bodies import add_up
from siddes_telemetry.schemas.timestamps import format_time
from siddes_telemetry.web import logs
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_store import MemoryStore
from tests.infrastructure.found import find_kafka
from tests.infrastructure.names import fresh

BATCH_EVENTS = 20
RECORD_BATCHES = 10
IN_FLIGHT = 100  # records: appends and their answers overlap
VIEWERS = 1000
MIB = 1024 * 1024
HEAD = """\
| mode | rebuilt from | batches | keys known after | read, MiB | seconds | peak memory above start, MiB |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the partition is. `folder` of an embedded log, else `bootstrap` and `topic`."""

    bootstrap: str
    topic: str
    folder: str


@dataclass(frozen=True, slots=True)
class Ends:
    """A log and its journal."""

    appender: LogAppender
    group_consumer: GroupConsumer
    journal: KeyJournal
    noted: Callable[[], float]  # how many notes are kept


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one rebuild."""

    read_bytes: float
    seconds: float
    peak_bytes: int
    keys: int


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Ends]:
    registry, rng = CollectorRegistry(), random.Random()
    metrics = JournalMetrics(registry)

    def noted() -> float:
        return registry.get_sample_value("siddes_journal_notes_total") or 0.0

    async with AsyncExitStack() as stack:
        if place.folder:
            log = SqliteLog(Path(place.folder) / "log.sqlite", clock_ms=wall_clock_ms, rng=rng)
            stack.push_async_callback(log.close)
            table = log.journal(metrics)
            stack.push_async_callback(table.close)
            yield Ends(log, log.group_consumer(), table, noted)
            return
        producers = KafkaAppenderMetrics(registry)
        appender = KafkaAppender(KafkaConnection(place.bootstrap), place.topic, 1, metrics=producers, rng=rng)
        await appender.start()
        stack.push_async_callback(appender.close)
        topic = KafkaJournal(
            KafkaConnection(place.bootstrap), place.topic, metrics=metrics, appender_metrics=producers, rng=rng
        )
        stack.push_async_callback(topic.close)
        group_consumer = KafkaGroupConsumer(
            KafkaConnection(place.bootstrap), place.topic, fresh("group"), metrics=KafkaGroupMetrics(registry), rng=rng
        )
        yield Ends(appender, group_consumer, topic, noted)


@asynccontextmanager
async def owning(group_consumer: GroupConsumer) -> AsyncIterator[OwnedPartition]:
    """The partition, owned for as long as the block runs."""
    given: asyncio.Future[OwnedPartition] = asyncio.get_running_loop().create_future()

    async def work(partition: OwnedPartition) -> None:
        given.set_result(partition)
        await asyncio.Event().wait()

    running = asyncio.ensure_future(group_consumer.run(work))
    try:
        yield await given
    finally:
        running.cancel()
        await asyncio.wait({running})


async def fill(place: Place, batches: int, note_records: int) -> None:
    """Put so many batches into the log, and a note for each so many records into its journal."""
    registry, rng = load_registry(None), random.Random(1)
    names = sorted(registry.names)
    records: list[list[bytes]] = []
    async with opened(place) as ends:
        free = asyncio.Semaphore(IN_FLIGHT)

        async def append(keys: list[bytes]) -> None:
            created_at = format_time(wall_clock_ms())
            values, entries = [], []
            for key in keys:
                counts = add_up((rng.choice(names), 1) for _ in range(BATCH_EVENTS)).sums
                values.append(encode_lines(f"viewer-{rng.randrange(VIEWERS)}", counts, created_at))
                entries.append((key, len(counts)))
            value = b"".join(values)
            await ends.appender.append(0, value, encode_headers(registry.revision, value, entries))
            free.release()

        async with asyncio.TaskGroup() as group:
            for _ in range(batches // RECORD_BATCHES):
                await free.acquire()
                records.append([rng.randbytes(16) for _ in range(RECORD_BATCHES)])
                group.create_task(append(records[-1]))
        async with owning(ends.group_consumer) as partition:
            first, _ = await partition.bounds()
        left = 0
        for at in range(0, len(records), note_records):
            piece = [
                (first + at + n, WindowEntry(wall_clock_ms(), keys))
                for n, keys in enumerate(records[at:][:note_records])
            ]
            for note in encode_notes(0, first + at, first + at + len(piece), piece):
                ends.journal.append(0, note)
                left += 1
            while left - ends.noted() > QUEUE_BYTES // MIB:  # noqa: ASYNC110  # far from dropping any; nothing tells
                await asyncio.sleep(0.001)


async def unchecked(_records: Sequence[LogRecord]) -> None:
    """Every record is readable here."""


async def rebuild(place: Place, source: str) -> Figures:
    """Bring an empty window to the end of the partition."""
    counted = CollectorRegistry()
    async with opened(place) as ends, owning(ends.group_consumer) as partition:
        ctx = ConsumerContext(
            store=MemoryStore(),
            dead_letters=ends.journal,  # type: ignore[arg-type]  # there are none, and none is asked for
            journal=ends.journal if source == "journal" else MemoryJournal(),
            registry=load_registry(None),
            log_name="log",
            policy=FlushPolicy(),
            clocks=ConsumerClocks(time.monotonic, time.monotonic, wall_clock_ms),
            metrics=ConsumerMetrics(counted),
            rng=random.Random(),
        )
        window = PartitionWindow(partition, ctx, unchecked)
        _, end = await partition.bounds()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
        resident = peak_resident_kb()
        began_s = time.perf_counter()
        await window.prepare(end, [LogRecord(end, wall_clock_ms(), b"", ())])
        seconds = time.perf_counter() - began_s
        peak = peak_resident_kb() - resident
        read_bytes = sum(
            counted.get_sample_value("siddes_consumer_read_back_bytes_total", {"source": each}) or 0.0
            for each in ("journal", "log")
        )
        return Figures(read_bytes, seconds, peak * 1024, len(window.window))


def peak_resident_kb() -> int:
    """The most memory that this process has held."""
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if match is None:
        raise RuntimeError("the kernel does not say how much memory was held")
    return int(match[1])


def run_rebuild(place: Place, source: str) -> Figures:
    """The whole of a process that rebuilds."""
    logs.configure("error")
    return asyncio.run(rebuild(place, source))


@contextmanager
def opened_place(mode: str, kafka: str | None, folder: Path) -> Iterator[Place]:
    """An empty log of this mode, on a broker given or found."""
    if mode == "embedded":
        yield Place("", "", str(folder))
        return
    with ExitStack() as stack:
        bootstrap = kafka or stack.enter_context(find_kafka(os.environ).open(folder))
        topic = fresh("window")
        asyncio.run(
            KafkaAdmin(KafkaConnection(bootstrap), topic, partitions=1, replication=1, retention_days=1).migrate()
        )
        yield Place(bootstrap, topic, "")


def measure(mode: str, place: Place, batches: int, note_records: int) -> Iterator[str]:
    """Lines of the table."""
    asyncio.run(fill(place, batches, note_records))
    for source in ("log", "journal"):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh_process:
            found = fresh_process.submit(run_rebuild, place, source).result()
        yield (
            f"| {mode} | {source} | {batches:,} | {found.keys:,} | {found.read_bytes / MIB:.1f} | {found.seconds:.1f} "
            f"| {found.peak_bytes / MIB:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mode", choices=("embedded", "cluster"), action="append", help="default: both")
    parser.add_argument("--rate", type=int, default=50_000, metavar="EVENTS_S", help="over all partitions")
    parser.add_argument("--partitions", type=int, default=8, help="over which a cluster's load is spread")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kafka", metavar="HOST:PORT")
    given = parser.parse_args()
    logs.configure("error")
    print(HEAD, flush=True)
    for mode in given.mode or ("embedded", "cluster"):
        batches_s = given.rate / BATCH_EVENTS / (given.partitions if mode == "cluster" else 1)
        with tempfile.TemporaryDirectory() as folder, opened_place(mode, given.kafka, Path(folder)) as place:
            batches = int(batches_s * given.minutes * 60) // RECORD_BATCHES * RECORD_BATCHES
            for line in measure(mode, place, batches, max(1, int(batches_s / RECORD_BATCHES))):
                print(line, flush=True)


if __name__ == "__main__":
    main()
