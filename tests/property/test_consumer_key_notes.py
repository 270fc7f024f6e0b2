"""Notes advance the retry window exactly as their records would, and nothing else decodes as a note."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.consumer.retry_window.key_notes import BadNoteError, decode_note, encode_notes
from siddes_telemetry.consumer.retry_window.log_clock import RunTail, WindowEntry
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from tests.property.test_consumer_retry_window import CAPS, Log, contents, logs

LOG_ID = 2**32 - 1
HEAD_BYTES, TIME_BYTES, RUN_BYTES = 25, 12, 36
SIZES = st.integers(1, 200)


def keyed(log: Log, first: int = 0) -> list[tuple[int, WindowEntry]]:
    return list(enumerate(log[first:], first))


@given(logs(), SIZES, CAPS, st.integers(0, 2**63))
def test_notes_lie_end_to_end_and_leave_a_window_as_the_records_would(
    log: Log, max_bytes: int, cap: int, first: int
) -> None:
    records = [(first + offset, entry) for offset, entry in keyed(log)]
    encoded = encode_notes(LOG_ID, first, first + len(log), records, max_bytes=max_bytes)
    notes = [decode_note(each) for each in encoded]
    assert (notes[0].start, notes[-1].end) == (first, first + len(log))
    assert all(before.end == after.start for before, after in pairwise(notes))
    assert {note.log_id for note in notes} == {LOG_ID}

    told, read = RetryWindow(max_keys=cap), RetryWindow(max_keys=cap)
    for note in notes:
        told.advance(note.entries, note.end)
    read.advance(log, first + len(log))
    assert contents(told) == contents(read)


@given(logs(), st.integers(40, 200))
def test_a_note_is_no_larger_than_it_may_be_unless_one_record_is(log: Log, max_bytes: int) -> None:
    largest = max(len(encode_notes(0, 0, 1, [record])[0]) for record in keyed(log))
    for note in encode_notes(0, 0, len(log), keyed(log), max_bytes=max_bytes):
        assert len(note) <= max(max_bytes, largest)


def test_records_without_keys_cost_nothing() -> None:
    at_ms = 1_790_000_000_000
    every_tenth = [(n, WindowEntry(at_ms + 100 * n, [bytes(16)] if n % 10 == 5 else [])) for n in range(10_000)]
    (note,) = encode_notes(0, 0, 10_000, every_tenth)
    assert len(note) == HEAD_BYTES + 2 * RUN_BYTES + 1000 * (TIME_BYTES + 16)


def test_a_note_takes_any_time_that_a_log_gives() -> None:
    times_ms = (10_413_791_999_999, 0, 10_413_791_999_999)
    records = [(n, WindowEntry(at_ms, [])) for n, at_ms in enumerate(times_ms)]
    (note,) = encode_notes(0, 0, 3, records)
    assert decode_note(note).entries == (WindowEntry(times_ms[0], (), tail=RunTail(times_ms[0], times_ms[0], 60_000)),)


@given(logs())
def test_a_note_that_is_cut_short_is_refused(log: Log) -> None:
    (note,) = encode_notes(0, 0, len(log), keyed(log))
    for length in range(len(note)):
        with pytest.raises(BadNoteError):
            decode_note(note[:length])


@given(st.binary(max_size=100).map(lambda rest: b"\x02" + rest))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = decode_note(data)
    except BadNoteError:
        return
    sizes = [TIME_BYTES + 16 * len(each.keys) if each.keys else RUN_BYTES for each in note.entries]
    assert len(data) == HEAD_BYTES + sum(sizes)


@given(st.lists(st.one_of(st.integers(0, 600_000), st.integers(0, 2**64 - 1)), min_size=4, max_size=4))
def test_a_note_of_times_that_there_are_not_is_refused_and_any_other_moves_a_window(numbers: list[int]) -> None:
    data = struct.pack(">BIQQIQIQQQ", 2, 0, 0, 10, 1, numbers[0], 0, *numbers[1:])
    try:
        note = decode_note(data)
    except BadNoteError:
        return
    window = RetryWindow()
    window.advance(note.entries, note.end)
    window.advance([WindowEntry(numbers[0], [bytes(16)])], note.end + 1)


@pytest.mark.parametrize("version", [0, 1, 3, 255])
def test_another_version_is_refused(version: int) -> None:
    (note,) = encode_notes(0, 0, 1, [(0, WindowEntry(1, [bytes(16)]))])
    with pytest.raises(BadNoteError):
        decode_note(bytes([version]) + note[1:])
