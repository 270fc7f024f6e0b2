"""The log record, byte by byte."""

from __future__ import annotations

import traceback
from dataclasses import replace

import pytest

from siddes_telemetry.schemas.client_batch import MAX_LINE_COUNT, NO_BATCH, ClientBatch, Line
from siddes_telemetry.schemas.record import (
    BAD_REASONS,
    HALT_REASONS,
    NEWER_SCHEMA,
    BadRecordError,
    Defect,
    Headers,
    LogRecord,
    UnreadableHereError,
)
from siddes_telemetry.schemas.record_decoding import decode, halt_reason
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.request_bodies import add_up
from tests.unit.schemas.shipped import REGISTRY

GOOD = b'{"viewer_id":"42","event":"suggestion_accepted","count":3,"created_at":"2026-11-22 10:00:00.123"}'
AT_MS = 1_795_341_600_123
LINE = Line("42", "suggestion_accepted", 3, AT_MS)
KEY = bytes(range(16))


def record(value: bytes, headers: Headers | None = None) -> LogRecord:
    lines = value.count(b"\n")
    return LogRecord(0, 0, value, encode_headers(1, value, [(NO_BATCH, lines)]) if headers is None else headers)


def headers(schema: bytes = b"1.1", rows: bytes = b"1", batches: bytes = NO_BATCH + b"\x00\x01") -> Headers:
    return (("schema", schema), ("rows", rows), ("batches", batches))


def bad(broken: LogRecord) -> str:
    with pytest.raises(BadRecordError) as raised:
        decode(broken, REGISTRY)
    assert raised.value.reason in BAD_REASONS
    return raised.value.reason


def test_a_line_is_written_as_documented() -> None:
    assert encode_lines("42", {"suggestion_accepted": 3}, "2026-11-22 10:00:00.123") == GOOD + b"\n"


def test_equal_events_of_a_batch_are_added_up() -> None:
    counts = add_up([("suggestion_shown", 50)] * 500)
    assert counts.reports == {"suggestion_shown": 500}
    value = encode_lines("42", counts.sums, "2026-11-22 10:00:00.123")
    (batch,) = decode(record(value), REGISTRY)
    assert batch.lines == (replace(LINE, event="suggestion_shown", count=MAX_LINE_COUNT),)


def test_decoding_returns_the_encoded_client_batches_in_order() -> None:
    value = (GOOD + b"\n") * 4
    written = encode_headers(1, value, [(NO_BATCH, 1), (KEY, 2), (NO_BATCH, 1)])
    assert decode(record(value, written), REGISTRY) == (
        ClientBatch(NO_BATCH, (LINE,)),
        ClientBatch(KEY, (LINE, LINE)),
        ClientBatch(NO_BATCH, (LINE,)),
    )


def test_runs_of_lines_without_a_batch_share_entries_as_far_as_a_u16_goes() -> None:
    assert dict(encode_headers(1, b"", [(NO_BATCH, 1)] * 70_000))["batches"] == (
        NO_BATCH + b"\xff\xff" + NO_BATCH + (70_000 - 0xFFFF).to_bytes(2, "big")
    )
    assert len(dict(encode_headers(1, b"", [(KEY, 1), (KEY, 1)]))["batches"]) == 36


@pytest.mark.parametrize(
    "text",
    [
        b'{"created_at":"2026-11-22 10:00:00.123","count":3,"event":"suggestion_accepted","viewer_id":"42"}',
        GOOD.replace(b",", b" , ").replace(b":", b" : ", 1),
        GOOD.replace(b"42", b"\\u0034\\u0032"),
        GOOD + b"\r",
    ],
)
def test_other_spellings_of_the_same_json_are_the_same_line(text: bytes) -> None:
    assert decode(record(text + b"\n"), REGISTRY) == (ClientBatch(NO_BATCH, (LINE,)),)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"5",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 50_000,
        GOOD[:-1],
        GOOD.replace(b'"42"', b"42"),
        GOOD.replace(b'"42"', b'""'),
        GOOD.replace(b'"42"', b'"a b"'),
        GOOD.replace(b'"42"', b'"%s"' % (b"a" * 65)),
        GOOD.replace(b'"42"', b'"\\ud800"'),
        GOOD.replace(b"3,", b"0,"),
        GOOD.replace(b"3,", b"25001,"),
        GOOD.replace(b"3,", b"-3,"),
        GOOD.replace(b"3,", b"3.0,"),
        GOOD.replace(b"3,", b"true,"),
        GOOD.replace(b"3,", b'"3",'),
        GOOD.replace(b"3,", b"9" * 5000 + b","),
        GOOD.replace(b'"suggestion_accepted"', b"2"),
        GOOD.replace(b"2026-11-22 10", b"2026-11-22T10"),
        GOOD.replace(b"2026-11-22", b"2026-11-31"),
        GOOD.replace(b'"2026-11-22 10:00:00.123"', b"1795341600123"),
        GOOD.replace(b"}", b',"name":"x"}'),
        GOOD.replace(b"}", b',"count":3}'),
        b'{"viewer_id":"42","event":"suggestion_accepted","count":3}',
        b'[["viewer_id","42"],["event","suggestion_accepted"],["count",3],["created_at","2026-11-22 10:00:00.123"]]',
    ],
)
def test_an_invalid_line_is_a_dead_letter(text: bytes) -> None:
    assert bad(record(text + b"\n")) == "line"
    assert bad(record(GOOD + b"\n" + text + b"\n")) == "line"


def test_an_unknown_event_is_a_dead_letter_with_its_own_reason() -> None:
    assert bad(record(GOOD.replace(b"accepted", b"adored") + b"\n")) == "event"


def test_a_value_that_does_not_end_its_last_line_is_a_dead_letter() -> None:
    assert bad(LogRecord(0, 0, GOOD, headers())) == "line"
    assert bad(LogRecord(0, 0, b"", headers(rows=b"0", batches=b""))) == "line"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ((), "schema_header"),
        (headers(schema=b""), "schema_header"),
        (headers(schema=b"1"), "schema_header"),
        (headers(schema=b"0.1"), "schema_header"),
        (headers(schema=b"1.1\n"), "schema_header"),
        (headers(schema=b"1.x"), "schema_header"),
        (headers(rows=b"2"), "rows_header"),
        (headers(rows=b"01"), "rows_header"),
        (headers()[::2], "rows_header"),
        (headers()[:2], "batches_header"),
        (headers(batches=b""), "batches_header"),
        (headers(batches=NO_BATCH), "batches_header"),
        (headers(batches=NO_BATCH + b"\x00\x02"), "batches_header"),
        (headers(batches=NO_BATCH + b"\x00\x00"), "batches_header"),
    ],
)
def test_headers_that_contradict_the_value_make_a_dead_letter(written: Headers, reason: str) -> None:
    assert bad(record(GOOD + b"\n", written)) == reason


@pytest.mark.parametrize("schema", [b"4.1", b"1.2", b"2.2", b"3.2", b"4.0", b"99999.1", b"99999.99999"])
def test_a_newer_schema_halts(schema: bytes) -> None:
    newer = LogRecord(0, 0, b"\xff anything", headers(schema=schema))
    assert halt_reason(newer, REGISTRY) == NEWER_SCHEMA
    with pytest.raises(UnreadableHereError):
        decode(newer, REGISTRY)


@pytest.mark.parametrize("schema", [b"3.1", b"2.1", b"2.0", b"1.1", b"1.0", b"0.9", b"", b"x"])
def test_a_schema_that_is_not_newer_is_decoded(schema: bytes) -> None:
    assert halt_reason(record(GOOD + b"\n", headers(schema=schema)), REGISTRY) is None


MORE = GOOD.replace(b'"42"', b'"auth0|65f1+/=~"') + b"\n"


def test_a_record_names_the_format_that_its_viewer_ids_need() -> None:
    for letter in "|+/=~":
        value = GOOD + b"\n" + GOOD.replace(b"42", b"4%b2" % letter.encode()) + b"\n"
        assert encode_headers(1, value, [(NO_BATCH, 2)])[0] == ("schema", b"3.1")
    assert encode_headers(1, (GOOD + b"\n") * 2, [(NO_BATCH, 2)])[0] == ("schema", b"2.1")


@pytest.mark.parametrize("text", [MORE, MORE.replace(b",", b" , "), MORE.replace(b"|", b"\\u007c")])
def test_wide_viewer_ids_count_in_format_3_and_are_dead_letters_before(text: bytes) -> None:
    (batch,) = decode(record(text, headers(schema=b"3.1")), REGISTRY)
    assert batch.lines == (replace(LINE, viewer_id="auth0|65f1+/=~"),)
    for before in (b"1.1", b"2.1"):
        assert bad(record(text, headers(schema=before))) == "line"


def test_other_viewer_ids_count_in_every_format() -> None:
    for schema in (b"1.1", b"2.1", b"3.1"):
        assert decode(record(GOOD + b"\n", headers(schema=schema)), REGISTRY) == (ClientBatch(NO_BATCH, (LINE,)),)


@pytest.mark.parametrize("reason", BAD_REASONS)
def test_a_record_with_a_defect_is_a_dead_letter_with_its_reason(reason: str) -> None:
    assert bad(record(GOOD + b"\n", headers(schema=b"2.1"))._replace(defect=Defect(reason, 8))) == reason


@pytest.mark.parametrize("reason", HALT_REASONS)
def test_a_record_that_only_this_installation_cannot_read_halts(reason: str) -> None:
    unread = record(GOOD + b"\n", headers(schema=b"2.1"))._replace(defect=Defect(reason, 8))
    assert halt_reason(unread, REGISTRY) == reason
    with pytest.raises(UnreadableHereError):
        decode(unread, REGISTRY)


def test_a_transactional_record_of_the_first_format_counts_as_it_did_then() -> None:
    first = record(GOOD + b"\n", headers(schema=b"1.1"))
    assert decode(first._replace(defect=Defect("transactional", 1)), REGISTRY) == decode(first, REGISTRY)


def test_a_newer_record_in_a_transactional_batch_halts() -> None:
    newer = LogRecord(0, 0, b"", headers(schema=b"4.1"), Defect("transactional", 1))
    assert halt_reason(newer, REGISTRY) == NEWER_SCHEMA


def test_a_dead_letter_is_not_quoted() -> None:
    for text in (b'{"canary7d1f":1}', b"canary7d1f", GOOD.replace(b"2026-11", b"canary7")):
        with pytest.raises(BadRecordError) as raised:
            decode(record(text + b"\n"), REGISTRY)
        assert "canary7" not in "".join(traceback.format_exception(raised.value))
