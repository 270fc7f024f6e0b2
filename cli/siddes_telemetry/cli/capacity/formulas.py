"""From a workload to partitions, processes, memory and disk: one function for each. Pure.


Every figure grows, or stays, as any one of events per second, viewers and retention grows.
"""

from __future__ import annotations

from math import ceil, log2, sqrt

from siddes_telemetry.backends.kafka.topic_settings import (
    KEYS_RETENTION_BYTES,
    KEYS_RETENTION_MS,
    KEYS_SEGMENT_BYTES,
    KEYS_SEGMENT_MS,
    LOG_RETENTION_MS,
    SAFE_REPLICAS,
    SEGMENT_MS,
)
from siddes_telemetry.backends.ports.store import MAX_BLOCK_ROWS
from siddes_telemetry.backends.sqlite.trimming import RECORDS_KEPT_MS
from siddes_telemetry.cli.capacity import measured
from siddes_telemetry.cli.capacity.workload import DAY_S, Workload
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.retry_window.window import MAX_KEYS, WINDOW_MS
from siddes_telemetry.schemas.timestamps import DAY_MS

MAX_PARTITIONS = 1024  # of the setting PARTITIONS
DEFAULT_PARTITIONS = 8
WINDOW_S = WINDOW_MS // 1000
SPREAD = 4 / sqrt(MAX_KEYS)  # keys are hashed to partitions: by this share one may have more, 4 standard deviations
WINDOW_BATCHES_S = MAX_KEYS / WINDOW_S * (1 - SPREAD)  # of one partition
BUSY = 0.5  # of a core: at more, the wait for a turn grows, and a process that ends leaves its work to the others
LEAST_PROCESSES = 2  # so that one may end
EXTRA_DAYS = 2  # of the store: a day goes as a whole after its last row, and a merge needs room for a day
KEYS_KEPT_S = (KEYS_RETENTION_MS + KEYS_SEGMENT_MS) // 1000  # Kafka deletes whole segments
POLICY = FlushPolicy()


def partitions(load: Workload) -> int:
    """Enough for the retry window to hold ten minutes of batches. May be more than MAX_PARTITIONS."""
    return max(DEFAULT_PARTITIONS, ceil(load.batches_s / WINDOW_BATCHES_S))


def gateway_batch_us(load: Workload) -> float:
    """Of a busy gateway. Beyond the remembered tokens, each batch's token is verified anew."""
    verifying = measured.TOKEN_US if load.viewers > measured.REMEMBERED_TOKENS else 0
    return measured.GATEWAY_BATCH_US + verifying + load.events_per_batch * measured.GATEWAY_EVENT_US


def gateway_cores(load: Workload) -> float:
    """Cores that all gateways keep busy."""
    return LEAST_PROCESSES * measured.GATEWAY_CORES + load.batches_s * gateway_batch_us(load) / 1e6


def gateways(load: Workload) -> int:
    return max(LEAST_PROCESSES, ceil(gateway_cores(load) / BUSY))


def gateway_bytes() -> float:
    """Of one process, everything at its bound."""
    return (
        measured.SERVICE_MB * 1e6
        + measured.GATEWAY_CACHES_MB * 1e6
        + measured.MAX_CONNECTIONS * measured.CONNECTION_BYTES
        + measured.IN_FLIGHT_BYTES
        + 2 * measured.SLOW_CLIENTS_BYTES
    )


def consumer_cores(load: Workload) -> float:
    """Cores that consumers keep busy, one batch a record."""
    of_rows = load.rows_s * measured.CONSUMER_ROW_US + load.batches_s * measured.CONSUMER_BATCH_US
    return (of_rows + blocks_s(load) * measured.CONSUMER_BLOCK_US) / 1e6


def consumers(load: Workload) -> int:
    """By processor time: no partition has batches enough to need a consumer of its own."""
    return max(LEAST_PROCESSES, ceil(consumer_cores(load) / BUSY))


def consumer_bytes(load: Workload) -> float:
    """Of one process, with the partitions that it owns once another has ended."""
    owned = ceil(partitions(load) / max(1, consumers(load) - 1))
    return drain_bytes(owned, min(MAX_KEYS, load.batches_s / partitions(load) * WINDOW_S))


def drain_bytes(owned: int, keys: float) -> float:
    """A consumer of so many partitions that catches up after the store was away; `keys` remembered of each."""
    blocks = min(owned * POLICY.max_bytes, POLICY.all_bytes)
    return (
        (measured.SERVICE_MB + measured.DRAIN_MB) * 1e6
        + blocks * measured.BLOCK_COPIES
        + owned * (measured.PARTITION_BYTES + keys * measured.KEY_BYTES)
    )


def batch_log_bytes(load: Workload) -> float:
    """Of one client batch in the log, one batch a record."""
    viewer = measured.PSEUDONYM_CHARS if load.pseudonyms else measured.VIEWER_CHARS
    return measured.RECORD_BYTES + load.rows_per_batch * (measured.LINE_BYTES + viewer)


def log_days(load: Workload) -> float:
    """How long the topic has a record at most: its retention, and a segment."""
    return min(load.retention_days, LOG_RETENTION_MS / DAY_MS) + SEGMENT_MS / DAY_MS


def log_bytes(load: Workload) -> float:
    """One copy of the topic and of its key journal."""
    records = load.batches_s * DAY_S * batch_log_bytes(load) * log_days(load)
    keys = min(
        partitions(load) * (KEYS_RETENTION_BYTES + KEYS_SEGMENT_BYTES),
        load.batches_s * KEYS_KEPT_S * measured.NOTE_BYTES,
    )
    return records + keys


def broker_cores(load: Workload) -> float:
    """Of all brokers together: every copy of a record is an append, and so is every copy of a commit."""
    one_copy = load.batches_s * measured.BROKER_BATCH_US + blocks_s(load) * measured.BROKER_BLOCK_US
    return one_copy * SAFE_REPLICAS / 1e6


def row_bytes(load: Workload) -> float:
    """Of one row in the store, after merges."""
    records = max(2.0, min(load.batches_s, WINDOW_BATCHES_S) * DAY_S)
    return stored_row_bytes(load, records, load.rows_a_viewer)


def stored_row_bytes(load: Workload, records: float, rows_a_viewer: float) -> float:
    """An offset takes the bits of a day's `records` of a partition. A viewer's id is written once for its rows."""
    viewer = measured.PSEUDONYM_STORE_BYTES if load.pseudonyms else measured.NUMBER_STORE_BYTES
    return measured.ROW_BYTES + log2(records) / 8 * measured.OFFSET_SHARE + viewer / rows_a_viewer


def rows_kept(load: Workload) -> float:
    return load.rows_a_day * load.retention_days


def store_bytes(load: Workload) -> float:
    """Of one replica of everything."""
    return load.rows_a_day * (load.retention_days + EXTRA_DAYS) * row_bytes(load)


def primary_key_bytes(load: Workload) -> float:
    """In the memory of a server that has everything: one entry for each granule."""
    entry = measured.KEY_ENTRY_PSEUDONYM_BYTES if load.pseudonyms else measured.KEY_ENTRY_BYTES
    return rows_kept(load) / measured.GRANULE_ROWS * entry


def marks_bytes(load: Workload) -> float:
    return rows_kept(load) * measured.MARK_BYTES


def blocks_s(load: Workload) -> float:
    """Inserts a second: each partition has one a second, or more if blocks are full."""
    by_age = min(load.batches_s, partitions(load)) / POLICY.max_age_s
    return max(by_age, load.rows_s / MAX_BLOCK_ROWS)


def store_cores(load: Workload) -> float:
    """Cores that inserts and merges keep busy on one replica, without summaries."""
    busy_us = blocks_s(load) * measured.STORE_BLOCK_US + load.rows_s * measured.STORE_ROW_US
    return measured.STORE_CORES + busy_us / 1e6


def store_memory_bytes(load: Workload) -> float:
    """At rest, with all primary keys and marks in memory."""
    return measured.STORE_MB * 1e6 + primary_key_bytes(load) + marks_bytes(load)


def embedded_cores(load: Workload) -> float:
    """Gateway, consumer and store in one process: no broker, and blocks that come EMBEDDED_BLOCK_S apart."""
    blocks = min(load.batches_s, 1 / measured.EMBEDDED_BLOCK_S) * measured.STORE_BLOCK_US
    batches = load.batches_s * measured.CONSUMER_BATCH_US
    rows = load.rows_s * (measured.CONSUMER_ROW_US + measured.STORE_ROW_US)
    requests = load.batches_s * gateway_batch_us(load)
    return measured.EMBEDDED_CORES + (requests + blocks + batches + rows) / 1e6


def embedded_log_bytes(load: Workload) -> float:
    """Of the log's one day."""
    return load.batches_s * RECORDS_KEPT_MS / 1000 * batch_log_bytes(load)


def embedded_disk_bytes(load: Workload) -> float:
    return embedded_log_bytes(load) + store_bytes(load)


def embedded_bytes(load: Workload) -> float:
    """Memory of the process: the engine, the retry window, keys and marks of the store."""
    keys = min(MAX_KEYS, load.batches_s * WINDOW_S) * measured.KEY_BYTES
    return measured.EMBEDDED_MB * 1e6 + keys + primary_key_bytes(load) + marks_bytes(load)
