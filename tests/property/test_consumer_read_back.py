"""A rebuilt window decides by the log alone, whatever happened to the notes and to the log's clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.retry_window import cache, partition_window, start_search
from siddes_telemetry.consumer.retry_window.key_notes import KeyNote, encode_notes
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.partition_window import PartitionWindow
from siddes_telemetry.consumer.retry_window.rebuild import notes_and_gaps
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.window_entries import window_entries_of
from siddes_telemetry.schemas.record import LogRecord
from tests.fakes.consumer_process import AT_ONCE, DAY_MS, LOG_NAME, REGISTRY, one, record, written_in
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_log import MemoryLog, MemoryPartition
from tests.fakes.memory_store import MemoryStore
from tests.property.test_consumer_retry_window import CAPS, CUTS, Log, logs, stated

LOG_ID, OTHER_LOG_ID = 7, 8
SOURCE = Source(LOG_ID, 0)
BROKEN = [b"", b"\x01", b"\x02" + bytes(60), bytes(60)]

METRICS = ConsumerMetrics(CollectorRegistry())
CLOCKS = ConsumerClocks(lambda: 0.0, lambda: 0.0, lambda: 0)

OffsetAt = Callable[[int], Awaitable[int | None]]


def notes_about(log: Log, start: int, end: int, log_id: int = LOG_ID) -> list[bytes]:
    records = [(offset, log[offset]) for offset in range(start, end)]
    return encode_notes(log_id, start, end, records, max_bytes=100)


@st.composite
def journals(draw: st.DrawFn, log: Log, blocks: Sequence[int]) -> MemoryJournal:
    """The notes of blocks that end at these offsets: some lost, repeated or out of order, and some alien."""
    left: list[list[bytes]] = []
    for start, end in pairwise(sorted({0, len(log), *(end for end in blocks if end < len(log))})):
        left += [notes_about(log, start, end)] * draw(st.sampled_from([0, 1, 1, 1, 2]))
    ranges = st.tuples(st.integers(0, len(log) - 1), st.integers(1, len(log))).filter(lambda r: r[0] < r[1])
    without_keys = [WindowEntry(0, [])] * len(log)
    for start, end in draw(st.lists(ranges, max_size=5)):
        left.insert(draw(st.integers(0, len(left))), notes_about(log, start, end))
        left.insert(draw(st.integers(0, len(left))), notes_about(without_keys, start, end, OTHER_LOG_ID))
    left.insert(draw(st.integers(0, len(left))), [draw(st.sampled_from(BROKEN))])
    if draw(st.booleans()):
        left = draw(st.permutations(left))
    return journal_of(note for notes in left for note in notes)


def journal_of(notes: Iterable[bytes]) -> MemoryJournal:
    journal = MemoryJournal(lambda: 2**62)  # none is too old
    for note in notes:
        journal.append(0, note)
    return journal


class Partition(MemoryPartition):
    """Of these records. Remembers what was read; `hint` answers instead of offset_at."""

    def __init__(self, log: Log) -> None:
        memory = MemoryLog(piece=3)
        memory.partition(0).records = self.records = [made(offset, each) for offset, each in enumerate(log)]
        memory.partition(0).next = len(log)
        super().__init__(memory, 0, 0)
        self.reads: list[tuple[int, int]] = []
        self.hint: OffsetAt = super().offset_at

    async def offset_at(self, appended_at_ms: int) -> int | None:
        return await self.hint(appended_at_ms)

    async def read(self, start: int, end: int) -> AsyncGenerator[Sequence[LogRecord]]:
        self.reads.append((start, end))
        async for piece in super().read(start, end):
            yield piece


def made(offset: int, entry: WindowEntry) -> LogRecord:
    at_ms = entry.appended_at_ms
    batches = [one("viewer", at_ms, batch=key) for key in entry.keys] or [one("viewer", at_ms)]
    return written_in(1 if entry.by_max_time else 2, record(offset, at_ms, *batches))


async def unchecked(_records: Sequence[LogRecord]) -> None:
    """Every record is readable here."""


def decided(
    partition: Partition, start: int, cuts: Sequence[int], *, journal: MemoryJournal, kept: RetryWindow, cap: int
) -> list[list[bool]]:
    """The repeats that an owner from `start` on finds, in blocks cut at these offsets."""

    async def own() -> list[list[bool]]:
        ctx = ConsumerContext(
            store=MemoryStore(),
            dead_letters=MemoryLog().dead_letters,
            journal=journal,
            registry=REGISTRY,
            log_name=LOG_NAME,
            policy=AT_ONCE,
            clocks=CLOCKS,
            metrics=METRICS,
            rng=random.Random(0),
        )
        ctx.window_cache.put(LOG_ID, 0, kept, ctx.clocks.monotonic_s())
        window = PartitionWindow(partition, ctx, unchecked)
        window.load(SOURCE)
        records, answers = partition.records, []
        for begin, end in pairwise(sorted({start, len(records), *(c for c in cuts if start < c < len(records))})):
            await window.prepare(begin, records[begin:end])
            entries = window_entries_of(records[begin:end], REGISTRY)
            answers += [answer for answer in window.window.find_repeats(entries) if answer]
            window.window.advance(entries, end)
        return answers

    def window(begin: int = 0) -> RetryWindow:
        return RetryWindow(begin, max_keys=cap)

    with patch.object(partition_window, "RetryWindow", window), patch.object(cache, "RetryWindow", window):
        return asyncio.run(own())


def keyed(answers: list[list[bool]]) -> list[list[bool]]:
    return [answer for answer in answers if answer]


@st.composite
def kept_from_before(draw: st.DrawFn, log: Log, start: int, cap: int) -> RetryWindow:
    """A window that an earlier ownership left, complete or still being rebuilt."""
    end = draw(st.integers(0, start))
    window = RetryWindow(draw(st.sampled_from([0, draw(st.integers(0, end))])), max_keys=cap)
    window.advance(log[window.begin : end], end)
    return window


def sizes(data: st.DataObject) -> AbstractContextManager[object]:
    """Small steps back."""
    return patch.multiple(
        start_search,
        MARGIN_OFFSETS=data.draw(st.sampled_from([0, 1, 16])),
        FIRST_STEP_OFFSETS=data.draw(st.sampled_from([1, 3])),
    )


@settings(max_examples=400)
@given(logs(), CAPS, CUTS, CUTS, st.data())
def test_any_notes_and_the_log_decide_by_the_stated_rule(
    log: Log, cap: int, blocks: list[int], cuts: list[int], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(log) - 1).map(lambda back: len(log) - 1 - back))
    journal = data.draw(journals(log, blocks))
    kept = data.draw(kept_from_before(log, start, cap))
    with sizes(data):
        answers = decided(Partition(log), start, cuts, journal=journal, kept=kept, cap=cap)

    assert answers == keyed(stated(log, cap)[start:])


@settings(max_examples=200)
@given(logs(), CAPS, CUTS, st.data())
def test_whatever_the_logs_times_name_decides_by_the_stated_rule(
    log: Log, cap: int, cuts: list[int], data: st.DataObject
) -> None:
    """But for records of format 1, which were all written while no time stepped back: the halving may go astray."""
    old = data.draw(st.integers(0, len(log)))
    times_ms = sorted(each.appended_at_ms for each in log[:old])
    log = [
        *(each._replace(appended_at_ms=at_ms, by_max_time=True) for each, at_ms in zip(log, times_ms, strict=False)),
        *(each._replace(appended_at_ms=each.appended_at_ms - DAY_MS, by_max_time=False) for each in log[old:]),
    ]
    start = data.draw(st.integers(0, len(log) - 1))
    partition = Partition(log)
    at_random = data.draw(st.dictionaries(st.integers(0, 9), st.integers(0, len(log))))

    async def halved(appended_at_ms: int) -> int | None:
        low, high = 0, len(log)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if log[middle].appended_at_ms < appended_at_ms else (low, middle)
        return low if low < len(log) else None

    async def anything(appended_at_ms: int) -> int | None:
        return at_random.get(appended_at_ms % 10)

    partition.hint = halved if old else data.draw(st.sampled_from([halved, anything]))
    with sizes(data):
        empty = RetryWindow(max_keys=cap)
        answers = decided(partition, start, cuts, journal=MemoryJournal(), kept=empty, cap=cap)

    assert answers == keyed(stated(log, cap)[start:])


@given(logs(), CUTS, st.data())
def test_where_all_notes_are_there_the_log_is_not_read(log: Log, blocks: list[int], data: st.DataObject) -> None:
    ends = sorted({0, len(log) - 1, *(end for end in blocks if end < len(log))})
    journal = journal_of([note for start, end in pairwise(ends) for note in notes_about(log, start, end)])
    partition = Partition(log)
    with sizes(data):
        decided(partition, len(log) - 1, (), journal=journal, kept=RetryWindow(), cap=1000)

    assert partition.reads == []


def test_only_what_the_notes_leave_out_is_read() -> None:
    found = asyncio.run(spans_of([(0, 3), (0, 10), (10, 20), (25, 30), (20, 22), (28, 40), (30, 35), (40, 50)], 5, 42))
    assert found == ["0-10", "10-20", "gap 20-25", "25-30", "30-35", "gap 35-42"]


async def spans_of(ranges: list[tuple[int, int]], begin: int, end: int) -> list[str]:
    async def notes() -> AsyncGenerator[KeyNote]:
        for start, stop in ranges:
            yield KeyNote(LOG_ID, start, stop, ())

    return [
        ("" if isinstance(span, KeyNote) else "gap ") + f"{span.start}-{span.end}"
        async for span in notes_and_gaps(notes(), kept=0, begin=begin, end=end)
    ]
