"""Filling a topic with records as gateways write them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator

from aiokafka import AIOKafkaProducer

from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record import Headers
from siddes_telemetry.schemas.record_encoding import encode_headers
from siddes_telemetry.schemas.timestamps import format_time

EVENTS = ("suggestion_shown", "suggestion_accepted", "suggestion_skipped", "suggestion_edited", "suggestion_undo")
VIEWERS = 100_000
REVISION = 1
REQUEST_BYTES = 512 * 1024


async def fill(
    bootstrap: str,
    topic: str,
    partitions: int,
    rows: int,
    rows_a_record: int,
    *,
    viewers: int = VIEWERS,
    seed: int = 7,
    rows_a_batch: int = 0,
) -> None:
    """Append `rows` rows, as many to each partition, created now; acknowledged when this returns.

    They are single counts; with `rows_a_batch`, batches of so many rows, each under a key of its own.
    """
    rng = random.Random(seed)
    headers = encode_headers(REVISION, b"", [(NO_BATCH, rows_a_record)])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=REQUEST_BYTES, linger_ms=0)
    async with producer:
        values = _values(rng, rows // rows_a_record, rows_a_record, viewers)
        sent: list[asyncio.Future[object]] = []
        partition = 0
        for batch_values in _requests(values, 128 + (rows_a_record // rows_a_batch * 18 if rows_a_batch else 0)):
            batch = producer.create_batch()
            for value in batch_values:
                if rows_a_batch:
                    keys = [(rng.randbytes(16), rows_a_batch) for _ in range(rows_a_record // rows_a_batch)]
                    headers = encode_headers(REVISION, b"", keys)
                _append(batch, value, headers)
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            partition = (partition + 1) % partitions
        await asyncio.gather(*sent)


def _append(batch: object, value: bytes, headers: Headers) -> None:
    if batch.append(key=None, value=value, timestamp=None, headers=list(headers)) is None:  # type: ignore[attr-defined]  # untyped
        raise RuntimeError("a batch is fuller than was reckoned")


def _values(rng: random.Random, records: int, rows_a_record: int, viewers: int) -> Iterator[bytes]:
    for _ in range(records):
        created_at = format_time(time.time_ns() // 1_000_000)
        yield b"".join(
            b'{"viewer_id":"viewer-%d","event":"%b","count":%d,"created_at":"%b"}\n'
            % (rng.randrange(viewers), rng.choice(EVENTS).encode(), rng.randint(1, 50), created_at.encode())
            for _ in range(rows_a_record)
        )


def _requests(values: Iterator[bytes], more: int) -> Iterator[list[bytes]]:
    """As many values at a time as fit a request, each with `more` bytes of headers and lengths."""
    gathered: list[bytes] = []
    size = 0
    for value in values:
        cost = len(value) + more
        if gathered and size + cost > REQUEST_BYTES * 0.9:
            yield gathered
            gathered, size = [], 0
        gathered.append(value)
        size += cost
    if gathered:
        yield gathered
