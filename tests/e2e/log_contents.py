"""The records of both logs: nothing is in them but what is documented."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from tests.e2e.canaries import Scan

LINE_KEYS = ["viewer_id", "event", "count", "created_at"]
HEADERS = ["schema", "rows", "batches"]


def look_at_sqlite(file: Path, scan: Scan) -> int:
    """Search all of an embedded log, row by row; how many records it has."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as log:
        for offset, value in log.execute("SELECT offset, value FROM records"):
            _look_at_lines(scan, f"record {offset}", value)
        for table in ("meta", "consumer_group", "dead_letters", "key_notes"):
            scan.look(table, repr(log.execute(f"SELECT * FROM {table}").fetchall()).encode())
        headers = log.execute("SELECT headers FROM records").fetchall()
    for (packed,) in headers:
        scan.look("headers of a record", packed)
    return len(headers)


async def look_at_kafka(bootstrap: str, topic: str, scan: Scan) -> int:
    """Search a topic, its dead letters and its journal, record by record; how many records it has."""
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
                    scan.look("a note", record.value)
                    continue
                assert [name for name, _ in record.headers] == HEADERS
                scan.look("headers of a record", repr(record.headers).encode())
                for _, value in record.headers:
                    scan.look("headers of a record", value)
                _look_at_lines(scan, f"record {record.offset}", record.value)
                seen += 1
        return seen
    finally:
        await consumer.stop()


def _look_at_lines(scan: Scan, place: str, value: bytes) -> None:
    for line in value.splitlines():
        fields = json.loads(line)
        assert list(fields) == LINE_KEYS
        scan.look(f"viewer_id of {place}", fields.pop("viewer_id").encode(), may_hold_viewers=True)
        scan.look(place, json.dumps(fields).encode())
