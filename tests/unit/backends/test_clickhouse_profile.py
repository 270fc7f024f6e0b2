from __future__ import annotations

import pytest

from siddes_telemetry.backends.clickhouse.profile import (
    PROFILE_QUERY_PINS,
    is_operators_choice,
    read_profile,
    reset_clause,
)


@pytest.mark.parametrize(
    "name",
    [
        "max_memory_usage",
        "max_threads",
        "priority",
        "max_execution_time",
        "log_comment",
        "send_timeout",
        "readonly",
        "max_rows_to_read",
        "s3_max_connections",
        "prefer_localhost_replica",
        "workload",
        "connect_timeout",
    ],
)
def test_limits_routes_and_logs_are_the_operators_choice(name: str) -> None:
    assert is_operators_choice(name)


@pytest.mark.parametrize(
    "name",
    [
        "limit",
        "offset",
        "aggregate_functions_null_for_empty",
        "data_type_default_nullable",
        "session_timezone",
        "read_overflow_mode",
        "timeout_overflow_mode_leaf",
        "max_rows_in_set",
        "distributed_ddl_task_timeout",
        "distributed_ddl_output_mode",
        "replication_wait_for_inactive_replica_timeout",
        "a_setting_of_tomorrow",
    ],
)
def test_settings_that_may_change_a_result_are_not(name: str) -> None:
    assert not is_operators_choice(name)


def test_changed_settings_are_reset_unless_fixed_or_the_operators_choice() -> None:
    profile = read_profile(
        [
            [
                ["limit", "max_threads", "extremes", "dialect", "force_data_skipping_indices"],
                [
                    ["limit", "0", 0],
                    ["max_threads", "auto(2)", 0],
                    ["extremes", "0", 1],
                    ["force_data_skipping_indices", "", 0],
                ],
            ]
        ]
    )
    assert profile.resets == {"limit": "0"}
    assert profile.fixed == ["extremes"]
    assert "dialect" in profile.known
    assert reset_clause(profile.reset_by_clause) == " SETTINGS force_data_skipping_indices = DEFAULT"


@pytest.mark.parametrize(
    "rows", [[], [[]], [[["limit"], None]], [[["limit"], [["limit"]]]], [[["a"], []], [["a"], []]]]
)
def test_an_invalid_profile_is_refused(rows: list[list[object]]) -> None:
    with pytest.raises(ValueError, match="not an answer about settings"):
        read_profile(rows)


def test_the_profile_query_runs_without_limits() -> None:
    assert {"limit", "offset", "dialect", "additional_table_filters"} <= PROFILE_QUERY_PINS.keys()
