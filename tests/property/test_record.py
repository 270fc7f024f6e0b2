"""Records: what is written is what is read, and anything else is read or refused, never a crash."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.schemas.client_batch import NO_BATCH, ClientBatch, Line
from siddes_telemetry.schemas.record import BAD_REASONS, BadRecordError, Headers, LogRecord, UnreadableHereError
from siddes_telemetry.schemas.record_decoding import decode, halt_reason
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.request_bodies import add_up
from siddes_telemetry.schemas.timestamps import format_time, parse_time
from tests.unit.schemas.shipped import REGISTRY

LAST_MS = 253_402_300_799_999  # the end of 9999
VIEWERS = st.from_regex(re.compile(r"[A-Za-z0-9._:@|+/=~-]{1,64}", re.ASCII), fullmatch=True)
NAMES = st.sampled_from([event.name for event in REGISTRY.events])
COUNTS = st.tuples(NAMES, st.integers(1, 50))
TIMES = st.integers(0, LAST_MS)
KEYS = st.just(NO_BATCH) | st.binary(min_size=16, max_size=16)
BATCHES = st.lists(st.tuples(KEYS, VIEWERS, TIMES, st.lists(COUNTS, min_size=1, max_size=10)), min_size=1, max_size=6)


def record(value: bytes, headers: Headers) -> LogRecord:
    return LogRecord(7, 0, value, headers)


@given(BATCHES)
def test_what_is_written_is_what_is_read(
    batches: list[tuple[bytes, str, int, list[tuple[str, int]]]],
) -> None:
    added_up = [add_up(counts).sums for _, _, _, counts in batches]
    written = [
        (key, encode_lines(viewer, counts, format_time(at)), len(counts))
        for (key, viewer, at, _), counts in zip(batches, added_up, strict=True)
    ]
    value = b"".join(lines for _, lines, _ in written)
    headers = encode_headers(REGISTRY.revision, value, [(key, rows) for key, _, rows in written])
    expected: list[ClientBatch] = []
    for key, viewer, at, counts in batches:
        sums = {name: sum(count for event, count in counts if event == name) for name, _ in counts}
        lines = tuple(Line(viewer, event, count, at) for event, count in sums.items())
        if key == NO_BATCH and expected and expected[-1].key == NO_BATCH:
            expected[-1] = ClientBatch(key, expected[-1].lines + lines)
        else:
            expected.append(ClientBatch(key, lines))
    assert decode(record(value, headers), REGISTRY) == tuple(expected)
    for line in value.splitlines():
        assert list(json.loads(line)) == ["viewer_id", "event", "count", "created_at"]


@given(TIMES)
def test_times_survive_their_text(at_ms: int) -> None:
    assert parse_time(format_time(at_ms)) == at_ms


GOOD = b'{"viewer_id":"42","event":"suggestion_accepted","count":3,"created_at":"2026-11-22 10:00:00.123"}\n'
LINES = st.sampled_from([GOOD, b"{}\n", b"\n"]) | st.binary(max_size=40)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["schema", "rows", "batches", "x"]), st.binary(max_size=40) | st.sampled_from([b"1.1", b"1"])
    ),
    max_size=5,
).map(tuple)


@st.composite
def damaged(draw: st.DrawFn) -> LogRecord:
    """A good record with a few bytes changed, cut or put in."""
    value = bytearray(GOOD * draw(st.integers(1, 3)))
    headers = encode_headers(1, bytes(value), [(draw(KEYS), value.count(b"\n"))])
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(value)))
        value[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return record(bytes(value), headers)


def read(candidate: LogRecord) -> tuple[ClientBatch, ...] | str:
    try:
        return decode(candidate, REGISTRY)
    except UnreadableHereError:
        return "newer"
    except BadRecordError as error:
        return error.reason


@given(damaged() | st.builds(record, st.lists(LINES, max_size=3).map(b"".join), HEADERS))
def test_any_bytes_are_read_or_refused_and_the_same_each_time(candidate: LogRecord) -> None:
    batches = read(candidate)
    assert (batches == "newer") == (halt_reason(candidate, REGISTRY) is not None)
    assert read(candidate) == batches
    if isinstance(batches, str):
        assert batches in {*BAD_REASONS, "newer"}
        return
    for batch in batches:
        for line in batch.lines:
            assert line.event in REGISTRY.names
            assert 1 <= line.count <= 25_000
    assert sum(len(batch.lines) for batch in batches) == candidate.value.count(b"\n")
