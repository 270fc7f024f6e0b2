"""For contrast, a naive consumer: it inserts what it fetched, and then commits.

    python -m tests.faults.naive_consumer consumer --admin-port N

It has no intents and no tokens, and stores client retries again. Settings and ready line are those of the product.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

import aiohttp
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, KafkaError

from tests.faults.store_contents import Sql

COMMAND: Sequence[str] = (sys.executable, "-m", __name__)
# By default our table drops equal blocks; a table without a deduplication window does not.
INSERT = """INSERT INTO telemetry_counts
SETTINGS insert_deduplicate = 0, deduplicate_insert = 'disable' FORMAT JSONEachRow"""
LOG_ID = 1  # no log has it: log ids are random
RETRY_S = 0.5
SESSION_MS = 10_000  # as the product's


def setting(name: str) -> str:
    return os.environ[f"SIDDES_TELEMETRY_{name}"]


def row(line: bytes, *, partition: int, offset: int) -> str:
    return json.dumps(json.loads(line) | {"log_id": LOG_ID, "log_partition": partition, "log_offset": offset})


async def consume(sql: Sql) -> None:
    """Runs until cancelled."""
    consumer = AIOKafkaConsumer(
        setting("TOPIC"),
        bootstrap_servers=setting("KAFKA"),
        group_id=setting("GROUP"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_MS,
    )
    await consumer.start()
    print(f"ready: admin http://127.0.0.1:{sys.argv[-1]}", flush=True)
    try:
        while True:
            fetched = await consumer.getmany(timeout_ms=1000)
            lines = [
                row(line, partition=key.partition, offset=record.offset)
                for key, records in fetched.items()
                for record in records
                for line in record.value.splitlines()
            ]
            while lines:
                try:
                    await sql.run("\n".join([INSERT, *lines]))
                    lines = []
                except (aiohttp.ClientError, OSError, AssertionError):
                    await asyncio.sleep(RETRY_S)
            try:
                await consumer.commit()
            except (CommitFailedError, KafkaError):
                continue  # the group rebalanced: the new owner begins at the last commit
    finally:
        await asyncio.wait({asyncio.ensure_future(consumer.stop())})


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        consuming = asyncio.ensure_future(consume(Sql(session, setting("CLICKHOUSE"))))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, consuming.cancel)
        await asyncio.wait({consuming})
        if not consuming.cancelled():
            consuming.result()


if __name__ == "__main__":
    asyncio.run(main())
