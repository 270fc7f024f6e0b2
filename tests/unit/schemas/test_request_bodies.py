"""Request bodies: valid ones, and the error codes of invalid ones."""

from __future__ import annotations

import json
import traceback
from uuid import UUID

import pytest

from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.request_bodies import MAX_BATCH_BYTES, MAX_SINGLE_BYTES, BodyParser
from tests.unit.schemas.shipped import REGISTRY

PARSER = BodyParser(REGISTRY)
BATCH_ID = "0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11"


def single(body: bytes) -> tuple[str, int]:
    """The event and its count."""
    ((event, count),) = PARSER.single(body).sums.items()
    return event, count


def single_error(body: bytes) -> str:
    with pytest.raises(ApiError) as raised:
        PARSER.single(body)
    return raised.value.code.name


def batch_error(body: bytes) -> str:
    with pytest.raises(ApiError) as raised:
        PARSER.batch(body)
    return raised.value.code.name


def batch(events: str, batch_id: str = f'"{BATCH_ID}"', more: str = "") -> bytes:
    return f'{{"batch_id":{batch_id},"events":{events}{more}}}'.encode()


def test_an_event_without_a_count_counts_once() -> None:
    assert single(b'{"event":"suggestion_shown"}') == ("suggestion_shown", 1)


@pytest.mark.parametrize(
    ("count", "coerced"),
    [
        ("3", 3),
        ('"3"', 3),
        ("3.9", 3),
        ("true", 1),
        ("false", 1),
        ("0", 1),
        ("-7", 1),
        ("51", 50),
        ("1e3", 50),
        ("1e999", 1),
        ("-1e999", 1),
        ("NaN", 1),
        ("Infinity", 1),
        ("null", 1),
        ("[3]", 1),
        ("{}", 1),
        ('{"a":1,"a":2}', 1),
        ('"3.9"', 1),
        ('"0x10"', 1),
        ('" 4 "', 4),
        ('"1_0"', 10),
        ('"\\u0663"', 3),
        ('"\\ud800"', 1),
        ('""', 1),
        ("9" * 4000, 50),
        ('"' + "9" * 4000 + '"', 50),
        ('"' + "9" * 5000 + '"', 1),
        ("[" * 500 + "]" * 500, 1),
    ],
)
def test_a_count_is_converted_as_by_int_and_never_an_error(count: str, coerced: int) -> None:
    assert single(f'{{"event":"suggestion_shown","count":{count}}}'.encode()) == ("suggestion_shown", coerced)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"5",
        b'"suggestion_shown"',
        b'["suggestion_shown"]',
        b"{",
        b'{"event":"suggestion_shown"} x',
        b"\xef\xbb\xbf" + b'{"event":"suggestion_shown"}',
        b'{"event":"suggestion_shown\xff"}',
        '{"event":"suggestion_shown"}'.encode("utf-16"),
        b"{'event':'suggestion_shown'}",
        b'{"event":"suggestion_shown",}',
        b'{"event":"Suggestion_shown"}',
        b'{"event":"suggestion_shown "}',
        b'{"event":"suggestion_shown\\u0000"}',
        b'{"event":"\\ud800"}',
        b'{"event":null}',
        b'{"event":1}',
        b'{"event":["suggestion_shown"]}',
        b'{"event":{"suggestion_shown":1}}',
        b'{"Event":"suggestion_shown"}',
        b'{"event":"suggestion_shown","event":"suggestion_shown"}',
        b'{"event":"suggestion_shown","\\u0065vent":"suggestion_shown"}',
        b'{"event":"suggestion_shown","count":1,"count":1}',
        b'{"event":"suggestion_shown","x":1,"x":1}',
        b'{"event":"suggestion_shown","count":' + b"9" * 5000 + b"}",
        b"[" * MAX_SINGLE_BYTES,
        b'{"event":' * (MAX_SINGLE_BYTES // 9),
        b'{"event":"suggestion_shown","count":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
)
def test_a_body_without_a_known_event_is_an_invalid_event(body: bytes) -> None:
    assert single_error(body) == "invalid_event"


@pytest.mark.parametrize("key", ["name", "viewer_id", "created_at", "", "\\ud800", "Count", "count "])
def test_another_key_is_an_unexpected_field_but_the_event_is_checked_first(key: str) -> None:
    assert single_error(f'{{"event":"suggestion_shown","{key}":1}}'.encode()) == "unexpected_field"
    assert single_error(f'{{"event":"suggestion_shown","count":1,"{key}":1}}'.encode()) == "unexpected_field"
    assert single_error(f'{{"event":"no","{key}":1}}'.encode()) == "invalid_event"


def test_a_batch_keeps_the_order_and_names_bad_events_by_index() -> None:
    events = '[{"event":"suggestion_undo","count":2},7,{"event":"suggestion_shown","x":1},{"event":"suggestion_shown"}]'
    parsed = PARSER.batch(batch(events))
    assert parsed.batch_id == UUID(BATCH_ID).bytes
    assert list(parsed.counts.sums.items()) == [("suggestion_undo", 2), ("suggestion_shown", 1)]
    assert parsed.accepted == 2
    assert parsed.rejected == ((1, ErrorCode.invalid_event), (2, ErrorCode.unexpected_field))


def test_an_event_of_a_batch_that_repeats_a_key_is_rejected_alone() -> None:
    parsed = PARSER.batch(
        batch('[{"event":"suggestion_shown","event":"suggestion_undo"},{"event":"suggestion_shown"}]')
    )
    assert parsed.counts.sums == {"suggestion_shown": 1}
    assert parsed.rejected == ((0, ErrorCode.invalid_event),)


@pytest.mark.parametrize(
    "batch_id", [f'"{BATCH_ID}"', f'"{BATCH_ID.upper()}"', f'"{BATCH_ID.replace("-", "")}"', f'"urn:uuid:{BATCH_ID}"']
)
def test_every_text_form_of_a_uuid_is_the_same_id(batch_id: str) -> None:
    assert PARSER.batch(batch("[]", batch_id)).batch_id == UUID(BATCH_ID).bytes


@pytest.mark.parametrize(
    "batch_id",
    [
        "null",
        "1",
        '""',
        '"x"',
        "[]",
        "{}",
        "true",
        f'"{BATCH_ID} "',
        f'"{BATCH_ID[:-1]}"',
        '"\\ud800"',
        f'["{BATCH_ID}"]',
    ],
)
def test_an_invalid_uuid_makes_an_invalid_batch(batch_id: str) -> None:
    assert batch_error(batch("[]", batch_id)) == "invalid_batch"


@pytest.mark.parametrize("events", ["null", "{}", '"[]"', "1", '{"0":{}}'])
def test_events_that_are_no_list_make_an_invalid_batch(events: str) -> None:
    assert batch_error(batch(events)) == "invalid_batch"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"events":[]}',
        f'{{"batch_id":"{BATCH_ID}"}}'.encode(),
        f'{{"batch_id":"{BATCH_ID}","batch_id":"{BATCH_ID}","events":[]}}'.encode(),
        batch("[" * 100_000),
        batch("[" + "9" * 5000 + "]"),
        batch("[]") + b"\xff",
    ],
)
def test_a_body_that_is_no_batch_is_an_invalid_batch(body: bytes) -> None:
    assert batch_error(body) == "invalid_batch"


def test_another_top_level_key_is_an_unexpected_field_but_known_keys_are_checked_first() -> None:
    assert batch_error(batch("[]", more=',"sent_at":1')) == "unexpected_field"
    assert batch_error(batch("[]", more=',"\\ud800":1')) == "unexpected_field"
    assert batch_error(batch("[]", "1", more=',"sent_at":1')) == "invalid_batch"


def test_500_events_are_a_batch_and_501_are_too_large() -> None:
    event = '{"event":"suggestion_shown"}'
    assert PARSER.batch(batch(f"[{','.join([event] * MAX_BATCH_EVENTS)}]")).accepted == 500
    assert batch_error(batch(f"[{','.join([event] * (MAX_BATCH_EVENTS + 1))}]")) == "too_large"


def test_the_largest_batch_of_each_event_is_added_up() -> None:
    for name in sorted(REGISTRY.names):
        event = f'{{"event":"{name}","count":50}}'
        counts = PARSER.batch(batch(f"[{','.join([event] * 500)}]")).counts
        assert (counts.sums, counts.reports) == ({name: 25_000}, {name: 500})


def test_an_empty_batch_is_a_batch() -> None:
    assert PARSER.batch(batch("[]")).accepted == 0


def test_a_batch_of_the_longest_events_fits_the_limit() -> None:
    name = max(REGISTRY.names, key=len)
    body = json.dumps({"batch_id": BATCH_ID, "events": [{"event": name, "count": 50}] * MAX_BATCH_EVENTS}, indent=2)
    assert len(body) < MAX_BATCH_BYTES


def test_an_error_quotes_nothing_of_the_body() -> None:
    canary = "canary7d1f"
    bodies = [f'{{"event":"{canary}"}}', f'{{"event":"suggestion_shown","{canary}":1}}', canary]
    for text in [*bodies, batch("[]", f'"{canary}"').decode(), batch(f'"{canary}"').decode()]:
        for parse in (PARSER.single, PARSER.batch):
            with pytest.raises(ApiError) as raised:
                parse(text.encode())
            assert canary not in "".join(traceback.format_exception(raised.value))
