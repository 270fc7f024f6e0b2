"""Reads the store by plain SQL, and computes from the topic what it should hold, without the product."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiokafka import TopicPartition

from tests.product.offsets import admin_of, consumer_of

BATCH = struct.Struct(">16sH")  # of the header `batches`: key, number of lines
NO_ID = bytes(16)
RecordPosition = tuple[int, int]  # partition and offset of a record
RowsAndTotal = tuple[int, int]  # rows, and the sum of their counts


class Sql:
    """Queries a server. The caller closes the session."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        parts = urlsplit(url)
        self._session = session
        self._url = f"http://{parts.hostname}:{parts.port}/"
        self._headers = {"X-ClickHouse-User": parts.username or "", "X-ClickHouse-Key": parts.password or ""}
        self.database = parts.path.strip("/")

    async def run(self, sql: str, *, database: str | None = None) -> None:
        """Run a statement without a result."""
        async with self._session.post(
            self._url, params={"database": database or self.database}, data=sql, headers=self._headers
        ) as answer:
            assert answer.status == 200, await answer.text()

    async def damaged_parts(self, table: str) -> list[str]:
        """Returns the names of the table's parts that CHECK TABLE finds damaged."""
        found = await self.rows(f"CHECK TABLE {table}", settings={"check_query_single_value_result": "0"})
        return [part for part, is_passed, _ in found if not is_passed]

    async def rows(
        self, sql: str, *, settings: Mapping[str, str] = MappingProxyType({}), **parameters: str | int
    ) -> list[list[Any]]:
        """Returns the rows of a query."""
        bound = {f"param_{name}": str(value) for name, value in parameters.items()}
        settings = {"database": self.database, "output_format_json_quote_64bit_integers": "0", **settings}
        async with self._session.post(
            self._url, params={**settings, **bound}, data=f"{sql} FORMAT JSONCompactEachRow", headers=self._headers
        ) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            return [json.loads(line) for line in text.splitlines()]

    async def counts(self, viewer: str) -> dict[str, int]:
        """Returns the counts of a viewer, by event."""
        asked = "SELECT event, sum(count) FROM telemetry_counts WHERE viewer_id = {viewer:String} GROUP BY event"
        return {event: int(total) for event, total in await self.rows(asked, viewer=viewer)}

    async def log_id(self, topic: str) -> int:
        """Returns the id of the current log of this name."""
        asked = "SELECT argMax(log_id, generation) FROM telemetry_logs WHERE log_name = {topic:String}"
        ((log_id,),) = await self.rows(asked, topic=topic)
        return int(log_id)

    async def by_record(self, log_id: int) -> dict[RecordPosition, RowsAndTotal]:
        """Returns the stored rows of this log, by record."""
        asked = """
            SELECT log_partition, log_offset, count(), sum(count) FROM telemetry_counts
            WHERE log_id = {log_id:UInt32} GROUP BY log_partition, log_offset"""
        return {
            (partition, offset): (rows, total)
            for partition, offset, rows, total in await self.rows(asked, log_id=log_id)
        }


@dataclass(frozen=True, slots=True)
class Topic:
    """The bounds of its partitions, and the rows that each record adds to the store."""

    first: dict[int, int]
    end: dict[int, int]
    amounts: dict[RecordPosition, RowsAndTotal]


async def bounds(bootstrap: str, topic: str) -> tuple[dict[int, int], dict[int, int]]:
    """Returns (first offset, end offset) of each partition."""
    async with admin_of(bootstrap) as admin:
        (found,) = await admin.describe_topics([topic])
    assert found["partitions"]
    places = [TopicPartition(topic, each["partition"]) for each in found["partitions"]]
    async with consumer_of(bootstrap) as consumer:
        first = await consumer.beginning_offsets(places)
        end = await consumer.end_offsets(places)
        return {key.partition: at for key, at in first.items()}, {key.partition: at for key, at in end.items()}


async def read_topic(
    bootstrap: str, topic: str, *, repeats: bool = False, since: Mapping[int, int] | None = None
) -> Topic:
    """Read the whole topic. Only the first batch of an id counts in a partition; with `repeats`, every one.

    `since`: the offsets to begin at, of a topic that drops the records before them.
    """
    first, end = await bounds(bootstrap, topic)
    first |= since or {}
    seen: dict[int, set[bytes]] = defaultdict(set)
    amounts: dict[RecordPosition, RowsAndTotal] = {}
    async with consumer_of(bootstrap) as consumer:
        for number in first:
            place = TopicPartition(topic, number)
            consumer.assign([place])
            consumer.seek(place, first[number])
            at = first[number]
            while at < end[number]:
                for record in (await consumer.getmany(place, timeout_ms=1000)).get(place, ()):
                    known = None if repeats else seen[number]
                    amounts[number, record.offset] = _amount(record.value, dict(record.headers), known)
                    at = record.offset + 1
    return Topic(first, end, amounts)


def _amount(value: bytes, headers: dict[str, bytes], seen: set[bytes] | None) -> RowsAndTotal:
    lines = value.splitlines()
    rows = total = start = 0
    for key, number in BATCH.iter_unpack(headers["batches"]):
        if seen is None or key == NO_ID or key not in seen:
            rows += number
            total += sum(json.loads(line)["count"] for line in lines[start : start + number])
        if seen is not None:
            seen.add(key)
        start += number
    return rows, total
