"""The settings that are sent with every statement, so that no server profile changes its meaning."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil

from siddes_telemetry.backends.clickhouse.engine import Settings

_NO_CUT_ROWS = 1_048_576  # five times MAX_BLOCK_ROWS: one insert is one block of the table
_NO_CUT_BYTES = 256 * 1024 * 1024  # in memory, where a row is at most three times its JSON: above MAX_BLOCK_BYTES

# Statements are not written to system.query_log: an error there would quote their data.
_UNLOGGED: Settings = {"log_queries": 0}

# ClickHouse deduplicates the parts of a block, so every server must cut a block into the same parts.
# https://clickhouse.com/docs/guides/developer/deduplicating-inserts-on-retries
INSERT_PINS: Settings = {
    **_UNLOGGED,
    "async_insert": 0,
    "max_insert_threads": 1,
    "input_format_parallel_parsing": 0,
    "max_insert_block_size": _NO_CUT_ROWS,
    "max_insert_block_size_bytes": 0,
    "min_insert_block_size_rows": _NO_CUT_ROWS,
    "min_insert_block_size_bytes": _NO_CUT_BYTES,
    "use_strict_insert_block_limits": 0,
    "input_format_max_block_size_bytes": 0,
    "input_format_max_block_wait_ms": 0,
    "input_format_connection_handling": 0,
    "insert_deduplicate": 1,
    "deduplicate_insert": "enable",
    "input_format_skip_unknown_fields": 0,
    "input_format_allow_errors_num": 0,  # a profile that allows errors would skip rows silently
    "input_format_allow_errors_ratio": 0,
    "max_partitions_per_insert_block": 100,  # days
    "timeout_overflow_mode": "throw",
    # Of replicated tables: an insert is confirmed when a majority of the replicas of each shard has it. In parallel,
    # because a table takes one insert at a time otherwise, and refuses others.
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    "insert_quorum_parallel": 1,
}

# A sum is complete or an error: no profile may make it partial or stale.
READ_PINS: Settings = {
    **_UNLOGGED,
    "timeout_overflow_mode": "throw",
    "read_overflow_mode": "throw",
    "group_by_overflow_mode": "throw",
    "result_overflow_mode": "throw",
    "skip_unavailable_shards": 0,
    "use_query_cache": 0,
    "output_format_json_quote_64bit_integers": 0,
    "cancel_http_readonly_queries_on_client_close": 1,  # at its deadline the client closes the connection
}

_SMALL_ANSWER_BYTES = 2 * 1024 * 1024  # above the default of 1 MiB the server buffers it in memory, not in a file

# A viewer has few rows, in many parts. Parallel threads and parallel formatting cost more than they save, and so does
# PREWHERE, which reads one column first to select the granules of the others.
SUMMARY_PINS: Settings = {
    **READ_PINS,
    "max_threads": 1,
    "optimize_move_to_prewhere": 0,
    "input_format_parallel_parsing": 0,
    "output_format_parallel_formatting": 0,
    "http_response_buffer_size": _SMALL_ANSWER_BYTES,
    "log_processors_profiles": 0,  # it would write a row for each of a hundred steps
    "use_query_condition_cache": 0,  # never hit: each query has another viewer or another millisecond
    "optimize_use_projections": 0,  # there are none
    "optimize_use_implicit_projections": 0,
    "merge_tree_coarse_index_granularity": 3,  # search the primary key by thirds: 19 comparisons for 1000 marks, not 27
}

# A statement returns when it is done on every replica, not when it is queued. A new TTL applies to existing rows.
ALTER_PINS: Settings = {"mutations_sync": 2, "alter_sync": 2, "materialize_ttl_after_modify": 1}

# Servers that do not run are not waited for: an insert was confirmed by a majority of those that are there.
SYNC_PINS: Settings = {**_UNLOGGED, "distributed_ddl_output_mode": "throw_only_active"}
SYNC_ALL_PINS: Settings = {**_UNLOGGED, "distributed_ddl_output_mode": "throw"}

_REQUIRED = frozenset({"insert_deduplication_token", "log_queries", "max_execution_time"})


def time_limit(deadline_s: float) -> Settings:
    """The engine's own deadline, in whole seconds, slightly after the caller's: so abandoned work does not pile up."""
    return {"max_execution_time": max(1, ceil(deadline_s))}


def known_only(settings: Settings, known: Collection[str]) -> Settings:
    """The settings that this version of the engine knows, and required ones, which make it refuse the statement."""
    return {name: value for name, value in settings.items() if name in known or name in _REQUIRED}
