"""Notes tell the retry window what the records would have told it, and nothing passes for a note that is none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.consumer.key_notes import BadNoteError, decode_note, encode_notes
from siddes_telemetry.consumer.retry_window import Occurrence, RetryWindow
from tests.property.test_consumer_retry_window import CAPS, Log, logs

LOG_ID = 2**32 - 1
SIZES = st.integers(1, 200)


def keyed(log: Log, first: int = 0) -> list[tuple[int, Occurrence]]:
    return list(enumerate(log[first:], first))


@given(logs(), SIZES, CAPS, st.integers(0, 2**63))
def test_notes_lie_end_to_end_and_leave_a_window_as_the_records_would(
    log: Log, max_bytes: int, cap: int, first: int
) -> None:
    records = [(first + offset, occurrence) for offset, occurrence in keyed(log)]
    encoded = encode_notes(LOG_ID, first, first + len(log), records, max_bytes=max_bytes)
    notes = [decode_note(each) for each in encoded]
    assert (notes[0].start, notes[-1].end) == (first, first + len(log))
    assert all(before.end == after.start for before, after in pairwise(notes))
    assert {note.log_id for note in notes} == {LOG_ID}

    told, read = RetryWindow(max_keys=cap), RetryWindow(max_keys=cap)
    for note in notes:
        told.advance(note.occurrences, note.end)
    read.advance(log, first + len(log))
    told.evicted = read.evicted  # what the cap pushed out while records were read one by one decides nothing
    assert vars(told) == vars(read)


@given(logs(), st.integers(40, 200))
def test_a_note_is_no_larger_than_it_may_be_unless_one_record_is(log: Log, max_bytes: int) -> None:
    largest = max(len(encode_notes(0, 0, 1, [record])[0]) for record in keyed(log))
    for note in encode_notes(0, 0, len(log), keyed(log), max_bytes=max_bytes):
        assert len(note) <= max(max_bytes, largest)


def test_records_without_keys_cost_nothing() -> None:
    at_ms = 1_790_000_000_000
    with_one_key = [(n, Occurrence(at_ms + n, [bytes(16)] if n == 5000 else [])) for n in range(10_000)]
    (note,) = encode_notes(0, 0, 10_000, with_one_key)
    assert len(note) < 100


@given(logs())
def test_a_note_that_is_cut_short_is_refused(log: Log) -> None:
    (note,) = encode_notes(0, 0, len(log), keyed(log))
    for length in range(len(note)):
        with pytest.raises(BadNoteError):
            decode_note(note[:length])


@given(st.binary(max_size=100).map(lambda rest: b"\x01" + rest))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = decode_note(data)
    except BadNoteError:
        return
    assert len(data) == 25 + sum(12 + 16 * len(each.keys) for each in note.occurrences)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused(version: int) -> None:
    (note,) = encode_notes(0, 0, 1, [(0, Occurrence(1, [bytes(16)]))])
    with pytest.raises(BadNoteError):
        decode_note(bytes([version]) + note[1:])
