"""The logs that the contract suite runs on. To add one, write an async context manager and add it to BACKENDS."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.log_view import open_log_view
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics
from siddes_telemetry.backends.ports.log import DeadLetters, GroupConsumer, KeyJournal, LogAppender, LogView
from siddes_telemetry.backends.sqlite.log import SqliteLog
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_log import MemoryLog
from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import appending, delete_records, make_group_consumer, make_topic, pingable

START_MS = 1_790_000_000_000
TWO_DAYS_MS = 2 * 24 * 3600 * 1000


@dataclass
class ManualClock:
    """A wall clock that a test sets."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def set(self, now_ms: int) -> None:
        self.now_ms = now_ms


@dataclass(frozen=True)
class LogUnderTest:
    """An empty log and its hooks for tests. A hook that a backend lacks is None, and its tests are skipped."""

    appender: LogAppender
    make_group_consumer: Callable[[], GroupConsumer]
    dead_letters: DeadLetters
    journal: KeyJournal
    view: Callable[[], AbstractAsyncContextManager[LogView]]  # of the same group
    partitions: int
    shares_partitions: bool  # among several members at once
    set_clock_ms: Callable[[int], None] | None  # of append times
    trim: Callable[[int, int], Awaitable[None]] | None  # (partition, first): `first` is committed


def log_itself(log: LogView) -> Callable[[], AbstractAsyncContextManager[LogView]]:
    """The view of a log that is its own LogView."""
    return lambda: nullcontext(log)


OpenLog = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[LogUnderTest]]


@asynccontextmanager
async def memory_log(request: pytest.FixtureRequest) -> AsyncIterator[LogUnderTest]:
    log = MemoryLog(partitions=3, now_ms=START_MS, piece=5)

    async def trim(partition: int, first: int) -> None:
        log.trim(partition, first)

    def set_clock_ms(now_ms: int) -> None:
        log.now_ms = now_ms

    journal = MemoryJournal(lambda: log.now_ms)
    yield LogUnderTest(log, log.group_consumer, log.dead_letters, journal, log_itself(log), 3, True, set_clock_ms, trim)


@asynccontextmanager
async def sqlite_log(request: pytest.FixtureRequest) -> AsyncIterator[LogUnderTest]:
    folder: Path = request.getfixturevalue("tmp_path")
    clock = ManualClock()
    log = SqliteLog(folder / "log.sqlite", clock_ms=clock, rng=random.Random(1))

    journal = log.journal(JournalMetrics(CollectorRegistry()))

    async def trim(partition: int, first: int) -> None:
        await log.trim(clock.now_ms + TWO_DAYS_MS, below=log.end)

    try:
        yield LogUnderTest(
            log, log.group_consumer, log.dead_letters, journal, log_itself(log), 1, False, clock.set, trim
        )
    finally:
        await journal.close()
        await log.close()


@asynccontextmanager
async def kafka_log(request: pytest.FixtureRequest) -> AsyncIterator[LogUnderTest]:
    bootstrap: str = request.getfixturevalue("kafka_bootstrap")
    topic = fresh("log")
    await make_topic(bootstrap, topic, partitions=3)
    metrics, rng = KafkaDeadLetterMetrics(CollectorRegistry()), random.Random(1)
    letters = KafkaDeadLetters(KafkaConnection(bootstrap), topic, metrics=metrics, rng=rng)
    journal = KafkaJournal(
        KafkaConnection(bootstrap),
        topic,
        metrics=JournalMetrics(CollectorRegistry()),
        appender_metrics=metrics,
        rng=rng,
    )

    async def trim(partition: int, first: int) -> None:
        await delete_records(bootstrap, topic, partition, first)

    try:
        async with appending(bootstrap, topic, partitions=3) as appender:
            await pingable(appender)
            group_consumer, view = (
                partial(make_group_consumer, bootstrap, topic, topic),
                partial(open_log_view, KafkaConnection(bootstrap), topic, topic),
            )
            yield LogUnderTest(appender, group_consumer, letters, journal, view, 3, True, None, trim)
    finally:
        await letters.close()
        await journal.close()


BACKENDS = [
    pytest.param(memory_log, id="memory"),
    pytest.param(sqlite_log, id="sqlite"),
    pytest.param(kafka_log, id="kafka", marks=pytest.mark.servers),
]
