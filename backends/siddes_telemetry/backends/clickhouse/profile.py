"""What a server's profile may not change: every setting that is not an operator's own affair goes back to its default.

A profile (or role, or `compatibility`) gives each statement of a user other settings, and there are 1700 of them: a
list of those that change an answer would never be complete. So the server is asked which it has changed, and these go
back with each statement, but for a closed list of those that bound, route or log what is done and change no answer.
https://clickhouse.com/docs/operations/system-tables/settings
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siddes_telemetry.backends.clickhouse.engine import Settings

# One row, so that no limit makes it shorter; names, and what differs as (name, default, whether it is fixed).
ASK = (
    "SELECT groupArray(name), groupArrayIf((name, default, readonly), "
    "(value != default OR (changed AND NOT readonly)) AND alias_for = '' AND NOT is_obsolete) FROM system.settings"
)

# What the driver's handshake and the question itself are asked with: they must not be answered wrongly either. They go
# along with every statement, and so limit and offset do, which a query resets before system.settings can show them.
HIDDEN_PINS: Settings = {"limit": 0, "offset": 0}
HANDSHAKE_PINS: Settings = {
    **HIDDEN_PINS,
    "compatibility": "",  # sets hundreds: one by one they would be a longer URL than proxies take
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

# Bounds are the operator's: the question alone is asked without.
ASK_PINS: Settings = {
    **HANDSHAKE_PINS,
    "max_rows_to_read": 0,
    "max_bytes_to_read": 0,
    "max_result_rows": 0,
    "max_result_bytes": 0,
}

# Empty is an error to these, and their default: only `SETTINGS … = DEFAULT` unsets them.
_UNSET_ONLY = frozenset({"force_data_skipping_indices", "ignore_data_skipping_indices"})

_OPERATORS = re.compile(
    # bounds: a statement beyond one ends in an error, the overflow modes being back at "throw"; or it goes slower
    r"max_(memory|untracked_memory|(execution|estimated_execution)_|(rows|bytes)_to_(read|group_by|sort|transfer)|result_"
    r"|network|(local|remote)_|concurrent_queries|sessions|threads|final_threads|parsing_threads|\w+_threads$"
    r"|temporary_data|bytes_(before|ratio_before)_external|columns_to_read|partitions_to_read|os_cpu|backup_bandwidth)"
    r"|min_(execution_speed|free_disk|os_cpu)|(memory_overcommit|memory_usage_overcommit)|reserve_memory$"
    r"|timeout_before_checking_execution_speed$"
    # whose turn it is
    r"|priority$|workload$|os_threads?_|use_concurrency_control$|queue_max_wait_ms$|low_priority"
    # the way there
    r"|connect_timeout|connection|(receive|send)_(data_)?timeout|http_(send|receive|connection)_timeout|tcp_keep_alive"
    r"|hedged_|use_hedged|idle_connection|handshake|lock_acquire_timeout|poll_interval|load_balancing|prefer_localhost"
    r"|distributed_connections|distributed_replica_|max_distributed_|network_|(insert_)?keeper_(max|retry)"
    # how bytes come off disks and out of other stores
    r"|(s3|s3queue|azure|hdfs|distributed_cache|filesystem|filesystem_cache|page_cache|backup|reader_executor)_"
    r"|(local|remote)_(fs|filesystem)_|(read|write)_(from|through)_|use_(uncompressed_cache|page_cache|reader_executor)"
    r"|enable_(filesystem|blob)|min_bytes_to_use|read_priority|storage_file|use_streaming_marks|merge_tree_min_|load_marks"
    # what is written down about it, and may be seen of it
    r"|log_|send_logs|opentelemetry_|(query|memory)_profiler|trace_profile|metrics_perf|query_metric_log|calculate_text"
    # what a user may do
    r"|readonly$|allow_(ddl|introspection_functions|distributed_ddl|python_table_function)$|cloud_mode"
    # stricter only: reads wait for what a quorum has
    r"|select_sequential_consistency$"
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a server said of its settings for this user.

    `put_back`: what goes with every statement, and `unset`: what those that look at rows set to DEFAULT. `fixed`: what
    should go back, and the user may not change.
    """

    known: frozenset[str]
    put_back: Mapping[str, str]
    unset: Sequence[str]
    fixed: Sequence[str]


def is_operators(name: str) -> bool:
    """Whether a profile may change this setting, since it changes no answer."""
    return _OPERATORS.match(name) is not None


def read_profile(rows: Sequence[Sequence[Any]]) -> Profile:
    """The profile from the answer to ASK. Raises ValueError where it is none."""
    try:
        ((names, changed),) = rows
        ours = [(str(name), str(default), int(fixed)) for name, default, fixed in changed if not is_operators(name)]
    except (TypeError, ValueError):
        raise ValueError("not an answer about settings") from None
    free = {name: default for name, default, fixed in ours if not fixed}
    return Profile(
        frozenset(names),
        {name: default for name, default in free.items() if name not in _UNSET_ONLY},
        sorted(_UNSET_ONLY.intersection(free)),
        sorted(name for name, _, fixed in ours if fixed),
    )


def unsetting(names: Sequence[str]) -> str:
    """The clause of a SELECT or INSERT that sets these to their defaults."""
    return f" SETTINGS {', '.join(f'{name} = DEFAULT' for name in names)}" if names else ""
