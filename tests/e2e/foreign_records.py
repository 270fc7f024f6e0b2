"""Records that other programs write to the log, valid and invalid."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer

from siddes_telemetry.backends.sqlite.records import pack_headers
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record import Headers
from siddes_telemetry.schemas.record_encoding import encode_headers
from siddes_telemetry.schemas.timestamps import format_time

LARGEST_REQUEST = 1_048_000  # within a broker's default limit, and more than our producers send
FOREIGN_VIEWER = "foreign"


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """`reason`: why the record becomes a dead letter. None: it is readable and becomes a row of `count`."""

    value: bytes
    headers: Headers
    reason: str | None
    count: int = 0


def foreign_records() -> list[ForeignRecord]:
    """Returns one record for each reason, one too large for the dead-letter topic, and some valid ones."""
    good = encode_headers(load_registry(None).revision, b"", [(NO_BATCH, 1)])
    schema, rows, batches = good
    created_at = format_time(wall_clock_ms())

    def line(event: str, count: int) -> bytes:
        text = json.dumps({"count": count, "event": event, "viewer_id": FOREIGN_VIEWER, "created_at": created_at})
        return f"{text}\n".encode()  # not spaced and ordered as ours

    shown = line("suggestion_shown", 7)
    return [
        ForeignRecord(shown, good, None, 7),
        ForeignRecord(b"hello", (), "schema_header"),
        ForeignRecord(shown, (schema, ("rows", b"2"), batches), "rows_header"),
        ForeignRecord(shown, (schema, rows), "batches_header"),
        ForeignRecord(line("suggestion_shown", 0), good, "line"),
        ForeignRecord(line("no_such_event", 1), good, "event"),
        ForeignRecord(bytes(1_040_000), good, "line"),
        ForeignRecord(line("suggestion_undo", 2), good, None, 2),
    ]


async def produce(bootstrap: str, topic: str, records: Sequence[ForeignRecord]) -> None:
    """Write the records to a topic; the driver chooses the partitions."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=LARGEST_REQUEST)
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(topic, record.value, headers=list(record.headers))
    finally:
        await producer.stop()


def write_to_sqlite(file: Path, records: Sequence[ForeignRecord]) -> None:
    """Write the records to an embedded log that another process has open."""
    rows = [(wall_clock_ms(), pack_headers(record.headers), record.value) for record in records]
    with closing(sqlite3.connect(file, timeout=30)) as log, log:
        log.executemany("INSERT INTO records (appended_at_ms, headers, value) VALUES (?, ?, ?)", rows)
