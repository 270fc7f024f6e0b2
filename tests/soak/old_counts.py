"""Counts that expire while a soak run goes on, in a topic whose records expire with them.

They were created a day ago, less the minutes until they are to expire, and RETENTION_DAYS is 1. Nobody's clock is
changed: the topic is created as one whose producers set the time (CreateTime), filled, and then made ours by `migrate`,
which sets LogAppendTime. Its records keep their times, and so do their rows.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import DAY_MS, format_time
from tests.faults.store_contents import Sql
from tests.product.offsets import admin_of

VIEWERS = [f"old-{number}" for number in range(8)]
EVENT = "suggestion_undo"
RECORDS = 2_000
REVISION = 1
RETENTION_DAYS = 1
RECORDS_OF_A_TURN = 200
LIKELY_RACE_MS = 60_000  # between our clock and ClickHouse's, and while the rows are counted


@dataclass(frozen=True, slots=True)
class OldCounts:
    """When each was created (epoch ms, ascending): one row each. `last_expires_ms`: when all of them have expired."""

    created_ms: tuple[int, ...]

    @property
    def last_expires_ms(self) -> int:
        return self.created_ms[-1] + RETENTION_DAYS * DAY_MS

    def unexpired(self, now_ms: int) -> int:
        """How many the store must still have then."""
        return sum(1 for each in self.created_ms if each + RETENTION_DAYS * DAY_MS > now_ms)

    async def missing(self, sql: Sql, now_ms: int) -> int:
        """How many rows the store lacks that have not expired; negative if it has too many."""
        since_ms = now_ms - RETENTION_DAYS * DAY_MS + LIKELY_RACE_MS
        ((found,),) = await sql.rows(
            "SELECT count() FROM telemetry_counts WHERE viewer_id LIKE 'old-%' "
            "AND toUnixTimestamp64Milli(created_at) > {since:Int64}",
            since=since_ms,
        )
        return self.unexpired(now_ms + LIKELY_RACE_MS) - int(found)


async def create_filled_topic(
    bootstrap: str, topic: str, *, partitions: int, segment_ms: int, from_ms: int, until_ms: int, rng: random.Random
) -> OldCounts:
    """Create the topic, with records whose rows expire between these times (epoch ms), as many in each minute."""
    settings: Mapping[str, str] = {
        "message.timestamp.type": "CreateTime",
        "min.insync.replicas": "2",
        "segment.ms": str(segment_ms),
    }
    async with admin_of(bootstrap) as admin:
        answer = await admin.create_topics([NewTopic(topic, partitions, 3, topic_configs=settings)])
        assert all(error[1] == 0 for error in answer.topic_errors), answer
    step_ms = (until_ms - from_ms) / RECORDS
    created = tuple(int(from_ms + number * step_ms) - RETENTION_DAYS * DAY_MS for number in range(RECORDS))
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for start in range(0, RECORDS, RECORDS_OF_A_TURN):
            sent = []
            for number, at_ms in enumerate(created[start : start + RECORDS_OF_A_TURN], start):
                value = encode_lines(rng.choice(VIEWERS), {EVENT: rng.randint(1, 50)}, format_time(at_ms))
                headers = list(encode_headers(REVISION, value, [(NO_BATCH, 1)]))
                partition = number % partitions
                sent.append(await producer.send(topic, value, None, partition, at_ms, headers))
            await asyncio.gather(*sent)
    return OldCounts(created)
