"""Searches the records of a Kafka or SQLite log, and checks that they have the documented fields only."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from tests.e2e.canaries import Scan

LINE_KEYS = ["viewer_id", "event", "count", "created_at"]
HEADERS = ["schema", "rows", "batches"]


def search_sqlite_log(file: Path, scan: Scan) -> int:
    """Searches an embedded log, row by row. Returns its number of records."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as log:
        for offset, value in log.execute("SELECT offset, value FROM records"):
            _search_lines(scan, f"record {offset}", value)
        for table in ("meta", "consumer_group", "dead_letters", "key_notes"):
            scan.search(table, repr(log.execute(f"SELECT * FROM {table}").fetchall()).encode())
        headers = log.execute("SELECT headers FROM records").fetchall()
    for (packed,) in headers:
        scan.search("headers of a record", packed)
    return len(headers)


async def search_kafka_log(bootstrap: str, topic: str, scan: Scan) -> int:
    """Searches a topic, its dead letters and its key journal, record by record. Returns its number of records."""
    topics = {topic, f"{topic}.dead", f"{topic}.keys"}
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = consumer.assignment()
        assert {partition.topic for partition in partitions} == topics
        ends = await consumer.end_offsets(partitions)
        seen = 0
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                record = await consumer.getone(partition)
                assert partition.topic != f"{topic}.dead", "nothing that was sent makes a dead letter"
                assert record.key is None
                if partition.topic == f"{topic}.keys":
                    assert record.headers == ()
                    scan.search("a note", record.value)
                    continue
                assert [name for name, _ in record.headers] == HEADERS
                scan.search("headers of a record", repr(record.headers).encode())
                for _, value in record.headers:
                    scan.search("headers of a record", value)
                _search_lines(scan, f"record {record.offset}", record.value)
                seen += 1
        return seen
    finally:
        await consumer.stop()


def _search_lines(scan: Scan, place: str, value: bytes) -> None:
    for line in value.splitlines():
        fields = json.loads(line)
        assert list(fields) == LINE_KEYS
        scan.search(f"viewer_id of {place}", fields.pop("viewer_id").encode(), may_hold_viewers=True)
        scan.search(place, json.dumps(fields).encode())
