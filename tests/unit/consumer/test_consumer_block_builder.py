from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.block_builder import build_block
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.record import LogRecord, UnreadableHereError
from siddes_telemetry.schemas.timestamps import format_time
from tests.fakes.consumer_process import (
    ACCEPTED,
    DAY_MS,
    MINUTE_MS,
    NOON_MS,
    REGISTRY,
    SHOWN,
    Sent,
    bad_record,
    key,
    one,
    record,
    written_in,
)

SOURCE = Source(77, 3)


def build(records: Sequence[LogRecord], window: RetryWindow | None = None) -> Block:
    start, end = records[0].offset, records[-1].offset + 1
    return build_block(records, start, end, source=SOURCE, registry=REGISTRY, window=window or RetryWindow())


def rows(block: Block) -> list[tuple[str, str]]:
    """(viewer, created_at) of each row, by day."""
    parsed = (json.loads(line) for line in block.bytes_of(sorted(block.days)).splitlines())
    return [(row["viewer_id"], row["created_at"]) for row in parsed]


def test_a_row_says_what_was_counted_and_where_it_came_from() -> None:
    block = build([record(8, NOON_MS, Sent(key(1), "42", {SHOWN: 3, ACCEPTED: 1}, NOON_MS - 5))])

    assert list(block.days) == ["2024-10-04"]
    assert [json.loads(line) for line in block.bytes_of(["2024-10-04"]).splitlines()] == [
        {
            "viewer_id": "42",
            "event": event,
            "count": count,
            "created_at": "2024-10-04 11:59:59.995",
            "log_id": 77,
            "log_partition": 3,
            "log_offset": 8,
        }
        for event, count in ((SHOWN, 3), (ACCEPTED, 1))
    ]
    assert (block.start, block.end, block.rows) == (8, 9, 2)


def test_rows_are_kept_by_table_day_and_joined_in_the_order_asked_for() -> None:
    midnight = NOON_MS + DAY_MS // 2
    block = build([record(0, midnight, one("late", midnight), one("early", midnight - 1))])

    assert sorted(block.days) == ["2024-10-04", "2024-10-05"]
    assert rows(block) == [("early", "2024-10-04 23:59:59.999"), ("late", "2024-10-05 00:00:00.000")]
    assert block.bytes_of(["2024-10-05"]) == block.days["2024-10-05"].lines
    assert block.bytes_of(["2024-10-05"]).count(b"\n") == block.days["2024-10-05"].rows == 1
    assert block.bytes_of([]) == b""


def test_the_same_records_make_the_same_bytes() -> None:
    records = [record(n, NOON_MS + n, one(f"v{n}", NOON_MS + n * DAY_MS // 4)) for n in range(9)]

    assert build(records).bytes_of(sorted(build(records).days)) == build(records).bytes_of(sorted(build(records).days))


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_time_more_than_ten_minutes_from_the_logs_is_replaced_by_the_logs(sign: int) -> None:
    inside, outside = NOON_MS + sign * 10 * MINUTE_MS, NOON_MS + sign * (10 * MINUTE_MS + 1)
    block = build([record(0, NOON_MS, one("in", inside), one("out", outside), one("far", 0))])

    assert rows(block) == [("in", format_time(inside)), ("out", format_time(NOON_MS)), ("far", format_time(NOON_MS))]
    assert block.totals.reclocked_rows == 2


def test_a_retried_batch_counts_once_whatever_its_second_body_says() -> None:
    block = build(
        [
            record(0, NOON_MS, one("a", NOON_MS, batch=key(1)), one("b", NOON_MS, batch=key(2))),
            record(1, NOON_MS, Sent(key(1), "a", {SHOWN: 9, ACCEPTED: 9}, NOON_MS), one("c", NOON_MS, batch=key(3))),
        ]
    )

    assert [viewer for viewer, _ in rows(block)] == ["a", "b", "c"]
    assert (block.totals.repeated_batches, block.totals.repeated_rows) == (1, 2)


def test_a_batch_known_to_the_window_is_dropped_and_the_window_left_as_it_was() -> None:
    window = RetryWindow()
    window.advance([WindowEntry(NOON_MS, (key(1),))], 5)

    block = build([record(5, NOON_MS, one("a", NOON_MS, batch=key(1)), one("b", NOON_MS, batch=key(2)))], window)

    assert [viewer for viewer, _ in rows(block)] == ["b"]
    assert (len(window), window.offset) == (1, 5)
    assert [each.keys for each in block.window_entries] == [(key(1), key(2))]


def test_counts_without_a_batch_id_are_never_retries() -> None:
    assert build([record(0, NOON_MS, one("a", NOON_MS)), record(1, NOON_MS, one("a", NOON_MS))]).rows == 2


def test_only_the_unreadable_record_is_a_dead_letter() -> None:
    block = build([record(0, NOON_MS, one("a", NOON_MS)), bad_record(1, NOON_MS, one("b", NOON_MS)),
                   record(2, NOON_MS, one("c", NOON_MS))])  # fmt: skip

    assert [viewer for viewer, _ in rows(block)] == ["a", "c"]
    assert [(dead.partition, dead.offset, dead.reason) for dead in block.dead_letters] == [(3, 1, "rows_header")]
    assert block.end == 3


def test_keys_of_dead_letters_did_not_occur() -> None:
    block = build(
        [
            bad_record(0, NOON_MS, one("a", NOON_MS, batch=key(1))),
            record(1, NOON_MS, one("a", NOON_MS, batch=key(1))),
        ]
    )

    assert (block.rows, block.totals.repeated_batches) == (1, 0)


@pytest.mark.parametrize("asking", [1, 2])
def test_a_dead_letters_append_time_is_one_of_the_logs(asking: int) -> None:
    """Both clocks are the log's: a record that cannot be read was appended all the same."""
    first = record(0, NOON_MS, one("a", NOON_MS, batch=key(1)))
    between = [bad_record(n, NOON_MS + n * MINUTE_MS, one("b", NOON_MS)) for n in range(1, 12)]
    again = written_in(asking, record(12, NOON_MS, one("a", NOON_MS, batch=key(1))))

    assert build([first, *between, again]).totals.repeated_batches == 0
    assert build([first, *between[:9], again]).totals.repeated_batches == 1


def test_in_one_block_each_record_goes_by_the_clock_of_its_format() -> None:
    times_ms = (NOON_MS, NOON_MS + 11 * MINUTE_MS, NOON_MS + 11 * MINUTE_MS)
    first, old, new = (record(n, at_ms, one(f"v{n}", at_ms, batch=key(1))) for n, at_ms in enumerate(times_ms))

    assert [viewer for viewer, _ in rows(build([first, written_in(1, old), new]))] == ["v0", "v1"]
    assert [viewer for viewer, _ in rows(build([first, new]))] == ["v0"]


def test_a_record_of_a_newer_registry_is_not_judged() -> None:
    with pytest.raises(UnreadableHereError):
        build([record(0, NOON_MS, one("a", NOON_MS), revision=2)])
