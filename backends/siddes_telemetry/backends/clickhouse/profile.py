"""Resets the settings that a server's profile changes, except those that are an operator's to choose.

A profile (or role, or `compatibility`) changes the settings of a user's statements. There are 1700 settings, so a list
of those that change results would never be complete. Instead we query which ones the profile has changed, and reset
them with every statement, except a closed list of those that only limit, route or log statements and change no result.
https://clickhouse.com/docs/operations/system-tables/settings
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siddes_telemetry.backends.clickhouse.engine import Settings

# One row, so that no row limit cuts it: all names, and the changed settings as (name, default, whether it is fixed).
PROFILE_QUERY = (
    "SELECT groupArray(name), groupArrayIf((name, default, readonly), "
    "(value != default OR (changed AND NOT readonly)) AND alias_for = '' AND NOT is_obsolete) FROM system.settings"
)

# Sent with the driver's handshake and the profile query, whose results a profile must not change either, and then with
# every statement. limit and offset must always be sent: a query resets them before system.settings can show them.
HIDDEN_PINS: Settings = {"limit": 0, "offset": 0}
HANDSHAKE_PINS: Settings = {
    **HIDDEN_PINS,
    "compatibility": "",  # changes hundreds of settings: resetting each would make a longer URL than proxies accept
    "log_queries": 0,
    "dialect": "clickhouse",
    "read_overflow_mode": "throw",
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "additional_result_filter": "",
    "additional_table_filters": "{}",
    "group_by_overflow_mode": "throw",
    "output_format_json_quote_64bit_integers": 0,
    "use_query_cache": 0,
    "output_format_native_encode_types_in_binary_format": 0,
    "output_format_tsv_crlf_end_of_line": 0,
    "extremes": 0,
    "implicit_transaction": 0,
    "http_response_headers": "{}",
    "enable_parallel_replicas": 0,
    "automatic_parallel_replicas_mode": 0,
    "make_distributed_plan": 0,
    "max_temporary_columns": 0,
    "max_temporary_non_const_columns": 0,
    "memory_tracker_fault_probability": 0,
    "enable_named_columns_in_function_tuple": 0,
    "inject_random_order_for_select_without_order_by": 0,
}

# Limits are the operator's to choose, but must not cut the profile query.
PROFILE_QUERY_PINS: Settings = {
    **HANDSHAKE_PINS,
    "max_rows_to_read": 0,
    "max_bytes_to_read": 0,
    "max_result_rows": 0,
    "max_result_bytes": 0,
}

# Their default is empty, but an empty value is an error: only `SETTINGS … = DEFAULT` resets them.
_RESET_BY_CLAUSE = frozenset({"force_data_skipping_indices", "ignore_data_skipping_indices"})

_OPERATORS = re.compile(
    # limits: a statement that exceeds one fails, because the overflow modes are reset to "throw", or gets slower
    r"max_(memory|untracked_memory|(execution|estimated_execution)_|(rows|bytes)_to_(read|group_by|sort|transfer)|result_"
    r"|network|(local|remote)_|concurrent_queries|sessions|threads|final_threads|parsing_threads|\w+_threads$"
    r"|temporary_data|bytes_(before|ratio_before)_external|columns_to_read|partitions_to_read|os_cpu|backup_bandwidth)"
    r"|min_(execution_speed|free_disk|os_cpu)|(memory_overcommit|memory_usage_overcommit)|reserve_memory$"
    r"|timeout_before_checking_execution_speed$"
    # scheduling
    r"|priority$|workload$|os_threads?_|use_concurrency_control$|queue_max_wait_ms$|low_priority"
    # connections and routing
    r"|connect_timeout|connection|(receive|send)_(data_)?timeout|http_(send|receive|connection)_timeout|tcp_keep_alive"
    r"|hedged_|use_hedged|idle_connection|handshake|lock_acquire_timeout|poll_interval|load_balancing|prefer_localhost"
    r"|distributed_connections|distributed_replica_|max_distributed_|network_|(insert_)?keeper_(max|retry)"
    # reading from disks and object stores
    r"|(s3|s3queue|azure|hdfs|distributed_cache|filesystem|filesystem_cache|page_cache|backup|reader_executor)_"
    r"|(local|remote)_(fs|filesystem)_|(read|write)_(from|through)_|use_(uncompressed_cache|page_cache|reader_executor)"
    r"|enable_(filesystem|blob)|min_bytes_to_use|read_priority|storage_file|use_streaming_marks|merge_tree_min_|load_marks"
    # logging and profiling
    r"|log_|send_logs|opentelemetry_|(query|memory)_profiler|trace_profile|metrics_perf|query_metric_log|calculate_text"
    # permissions
    r"|readonly$|allow_(ddl|introspection_functions|distributed_ddl|python_table_function)$|cloud_mode"
    # stricter only: reads wait for the rows that a quorum has
    r"|select_sequential_consistency$"
)


@dataclass(frozen=True, slots=True)
class Profile:
    """A server's settings for one user."""

    known: frozenset[str]  # the names of all settings
    resets: Mapping[str, str]  # sent with every statement: changed settings, with their defaults
    reset_by_clause: Sequence[str]  # changed settings that only the clause of a SELECT or INSERT can reset
    fixed: Sequence[str]  # changed settings that this user may not change back


def is_operators_choice(name: str) -> bool:
    """Whether a profile may change this setting, because it changes no result."""
    return _OPERATORS.match(name) is not None


def read_profile(rows: Sequence[Sequence[Any]]) -> Profile:
    """The profile from the rows of PROFILE_QUERY. Raises ValueError for other rows."""
    try:
        ((names, changed),) = rows
        ours = [
            (str(name), str(default), int(fixed)) for name, default, fixed in changed if not is_operators_choice(name)
        ]
    except (TypeError, ValueError):
        raise ValueError("not an answer about settings") from None
    free = {name: default for name, default, fixed in ours if not fixed}
    return Profile(
        frozenset(names),
        {name: default for name, default in free.items() if name not in _RESET_BY_CLAUSE},
        sorted(_RESET_BY_CLAUSE.intersection(free)),
        sorted(name for name, _, fixed in ours if fixed),
    )


def reset_clause(names: Sequence[str]) -> str:
    """The clause of a SELECT or INSERT that resets these settings to their defaults."""
    return f" SETTINGS {', '.join(f'{name} = DEFAULT' for name in names)}" if names else ""
