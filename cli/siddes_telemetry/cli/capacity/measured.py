"""What was measured, and where: `costs`, `disk` … are suites of benchmarks/results/README.md. tests/golden compares.

Microseconds are of one core. The machine was shared and busy while `costs` ran: quiet, a drain takes two thirds.
"""

from __future__ import annotations

from siddes_telemetry.backends.kafka.fetch_limits import FETCH_PARTITION_BYTES
from siddes_telemetry.ingest_gateway.limits import GroupCommitLimits
from siddes_telemetry.web.auth.cache import CACHED_TOKENS
from siddes_telemetry.web.client_memory import MAX_CLIENT_MEMORY_BYTES
from siddes_telemetry.web.client_memory import MAX_CONNECTIONS as CONNECTIONS_OF_A_SERVER

# costs, "gateway, resident at rest"
SERVICE_MB = 83

# costs, "gateway, a batch"
GATEWAY_BATCH_US = 94  # at 1,000 viewers
GATEWAY_EVENT_US = 0.4  # between 1 and 100 events
TOKEN_US = 124  # of a token (HS256) that is not remembered: between 1,000 and 100,000 viewers

# the product's own bounds
REMEMBERED_TOKENS = CACHED_TOKENS  # web/auth/cache.py
MAX_CONNECTIONS = CONNECTIONS_OF_A_SERVER  # web/client_memory.py
IN_FLIGHT_BYTES = GroupCommitLimits().in_flight_bytes  # ingest_gateway/limits.py
SLOW_CLIENTS_BYTES = MAX_CLIENT_MEMORY_BYTES  # web/client_memory.py; the process takes twice that
GATEWAY_CACHES_MB = 28  # web/rate_limit.py 20, web/auth/cache.py 8; costs saw 14 with 100,000 viewers
PARTITION_BYTES = FETCH_PARTITION_BYTES  # backends/kafka/fetch_limits.py, held ready

# costs, "gateway, resident with 10,000 connections"
CONNECTION_BYTES = 8_000  # under load, buffers included

# costs, "consumer, a row"
CONSUMER_BATCH_US = 13.6  # a record with one batch: between 1 and 20 batches a record
CONSUMER_ROW_US = 1.5  # between 1 and 5 rows a batch

# planned: what batches and rows do not explain
GATEWAY_CORES = 0.08  # a process, at 250 and 500 batches a second
STORE_CORES = 0.1  # a server, at 250 and 500 batches a second
CONSUMER_BLOCK_US = 16_000  # intent commit, insert, note
BROKER_BLOCK_US = 36_000  # the commit, the note, and fetches that wait

# costs, "consumer, peak"
DRAIN_MB = 400  # of a consumer that catches up; half of it is free memory that the allocator keeps
BLOCK_COPIES = 1.1  # between 1 and 32 partitions

# docs/operations.md, the section about client retries
KEY_BYTES = 300  # while the table grows; 250 later

# disk, "log, bytes a batch"
RECORD_BYTES = 112  # a record with one batch, without its lines
LINE_BYTES = 97  # a row's line, without the viewer's id
VIEWER_CHARS = 6  # a number as a viewer's id
PSEUDONYM_CHARS = 64  # with VIEWER_KEY

# planned, "key journal"
NOTE_BYTES = 28  # a batch's key, and its part of a note

# costs, "broker, a batch"
BROKER_BATCH_US = 95  # one copy; a broker without replicas

# disk, "store, bytes a row"
ROW_BYTES = 4.9  # without the offset and the viewer's id: time 3.5, partition 0.4, event 0.3, count 0.3, other 0.4
OFFSET_SHARE = 1.04  # of the bits of a day's offsets in a partition: 20 batches a record, and one
NUMBER_STORE_BYTES = 2.2  # a viewer and day, with a number as its id
PSEUDONYM_STORE_BYTES = 38  # a viewer and day, with VIEWER_KEY

# disk, "primary key in memory" and the marks
GRANULE_ROWS = 2048  # schemas/migrations/0002_counts.sql
KEY_ENTRY_BYTES = 15  # a granule, with numbers as ids
KEY_ENTRY_PSEUDONYM_BYTES = 72.1  # a granule, with VIEWER_KEY
MARK_BYTES = 0.0118  # a row; as on disk

# costs, "store, a row" and blocks
STORE_ROW_US = 2.2  # inserts and the merges of a young day
STORE_BLOCK_US = 8_000  # a block of 10 rows, merged
STORE_MB = 310  # of a server that has just started

# visibility, "resident at rest"
EMBEDDED_MB = 336
EMBEDDED_CORES = 0.15  # planned, embedded: what its batches and rows do not explain
EMBEDDED_BLOCK_S = 0.1  # cli/embedded.py: between two blocks of few rows

# the largest that was measured: growth, costs, planned, disk, summary
MOST_PARTITIONS = 32
MOST_BLOCKS_S = 80
MOST_BATCHES_S = 500
MOST_VIEWERS = 10_000_000
MOST_ROWS = 100_000_000
