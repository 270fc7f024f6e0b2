"""A window that is brought up to date from notes decides as the log says, whatever became of the notes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from siddes_telemetry.consumer.key_notes import KeyNote, encode_notes
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.read_back import notes_of, spans
from siddes_telemetry.consumer.retry_window import WINDOW_MS, Occurrence, RetryWindow
from siddes_telemetry.consumer.rows import Source
from tests.fakes.memory_journal import MemoryJournal
from tests.property.test_consumer_retry_window import CAPS, CUTS, Log, decide, logs, stated

LOG_ID, OTHER_LOG_ID = 7, 8
SOURCE = Source(LOG_ID, 0)
METRICS = ConsumerMetrics(CollectorRegistry())
BROKEN = [b"", b"\x01", b"\x02" + bytes(60), bytes(60)]


def notes_about(log: Log, start: int, end: int, log_id: int = LOG_ID) -> list[bytes]:
    records = [(offset, log[offset]) for offset in range(start, end)]
    return encode_notes(log_id, start, end, records, max_bytes=100)


@st.composite
def journals(draw: st.DrawFn, log: Log, blocks: Sequence[int]) -> list[bytes]:
    """What blocks that end at these offsets left, and what became of it: lost, repeated, out of order; and more."""
    left: list[list[bytes]] = []
    for start, end in pairwise(sorted({0, len(log), *(end for end in blocks if end < len(log))})):
        left += [notes_about(log, start, end)] * draw(st.sampled_from([0, 1, 1, 1, 2]))
    ranges = st.tuples(st.integers(0, len(log) - 1), st.integers(1, len(log))).filter(lambda r: r[0] < r[1])
    without_keys = [Occurrence(0, [])] * len(log)
    for start, end in draw(st.lists(ranges, max_size=5)):
        left.insert(draw(st.integers(0, len(left))), notes_about(log, start, end))
        left.insert(draw(st.integers(0, len(left))), notes_about(without_keys, start, end, OTHER_LOG_ID))
    left.insert(draw(st.integers(0, len(left))), [draw(st.sampled_from(BROKEN))])
    if draw(st.booleans()):
        left = draw(st.permutations(left))
    return [note for notes in left for note in notes]


async def read_back(window: RetryWindow, log: Log, start: int, journal: MemoryJournal) -> list[tuple[int, int]]:
    """Bring the window to `start`, as a worker does; the ranges that were read from the log."""
    since_ms = log[start].appended_at_ms - WINDOW_MS
    begin = max(window.offset, next(o for o, record in enumerate(log) if record.appended_at_ms >= since_ms))
    gaps = []
    if begin < start:
        notes = notes_of(journal, SOURCE, 0, METRICS)
        async for span in spans(notes, kept=window.offset, begin=begin, end=start):
            if isinstance(span, KeyNote):
                window.advance(span.occurrences, span.end)
            else:
                gaps.append((span.start, span.end))
                window.advance(log[span.start : span.end], span.end)
    window.advance((), start)
    return gaps


@settings(max_examples=500)
@given(logs(), CAPS, CUTS, CUTS, st.data())
def test_any_notes_and_the_log_decide_by_the_stated_rule(
    log: Log, cap: int, blocks: list[int], cuts: list[int], data: st.DataObject
) -> None:
    journal = MemoryJournal()
    for note in data.draw(journals(log, blocks)):
        journal.note(0, note)
    start = data.draw(st.integers(0, len(log) - 1).map(lambda back: len(log) - 1 - back))
    kept_to = data.draw(st.sampled_from([0, data.draw(st.integers(0, start))]))
    window = RetryWindow(max_keys=cap)
    decide(window, log[:kept_to], cuts)
    asyncio.run(read_back(window, log, start, journal))

    assert decide(window, log, cuts) == stated(log, cap)[start:]


@given(logs(), CUTS)
def test_where_all_notes_are_there_the_log_is_not_read(log: Log, blocks: list[int]) -> None:
    journal = MemoryJournal()
    ends = sorted({0, *(end for end in blocks if end < len(log))})
    for start, end in pairwise(ends):
        for note in notes_about(log, start, end):
            journal.note(0, note)

    assert asyncio.run(read_back(RetryWindow(), log, ends[-1], journal)) == []


def test_only_what_the_notes_leave_out_is_read() -> None:
    found = asyncio.run(spans_of([(0, 3), (0, 10), (10, 20), (25, 30), (20, 22), (28, 40), (30, 35), (40, 50)], 5, 42))
    assert found == ["0-10", "10-20", "gap 20-25", "25-30", "30-35", "gap 35-42"]


async def spans_of(ranges: list[tuple[int, int]], begin: int, end: int) -> list[str]:
    async def notes() -> AsyncGenerator[KeyNote]:
        for start, stop in ranges:
            yield KeyNote(LOG_ID, start, stop, ())

    return [
        ("" if isinstance(span, KeyNote) else "gap ") + f"{span.start}-{span.end}"
        async for span in spans(notes(), kept=0, begin=begin, end=end)
    ]
