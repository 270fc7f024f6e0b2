from __future__ import annotations

from siddes_telemetry.backends.clickhouse.settings import (
    INSERT_PINS,
    READ_PINS,
    SUMMARY_PINS,
    known_only,
    time_limit,
)
from siddes_telemetry.backends.ports.store import MAX_BLOCK_BYTES, MAX_BLOCK_ROWS


def test_settings_that_an_older_engine_does_not_know_are_left_out() -> None:
    assert known_only({"async_insert": 0, "input_format_connection_handling": 0}, {"async_insert"}) == {
        "async_insert": 0
    }


def test_required_settings_are_never_left_out() -> None:
    needed = {"insert_deduplication_token": "a", "log_queries": 0, **time_limit(1)}
    assert known_only(needed, set()) == needed


def test_no_setting_cuts_a_block() -> None:
    assert int(INSERT_PINS["max_insert_block_size"]) > MAX_BLOCK_ROWS
    assert int(INSERT_PINS["min_insert_block_size_rows"]) > MAX_BLOCK_ROWS
    assert int(INSERT_PINS["min_insert_block_size_bytes"]) > 3 * MAX_BLOCK_BYTES


def test_nothing_is_written_to_the_query_log() -> None:
    assert INSERT_PINS["log_queries"] == READ_PINS["log_queries"] == 0


def test_deadlines_are_at_least_one_whole_second() -> None:
    """0 would mean no deadline at all."""
    assert [time_limit(seconds)["max_execution_time"] for seconds in (0, 0.2, 1, 1.1)] == [1, 1, 1, 2]


def test_a_summary_is_pinned_as_every_other_read_is() -> None:
    assert READ_PINS.items() < SUMMARY_PINS.items()
