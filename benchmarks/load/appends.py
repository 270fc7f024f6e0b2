"""Appends at a steady rate, whatever each takes: the load that a gateway puts on the broker.

python -m benchmarks.load.appends BOOTSTRAP TOPIC --partitions N --rate N --rows N --seconds S
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time

import uvloop
from prometheus_client import CollectorRegistry

from benchmarks.load.paced import DRAIN_S, TICK_S
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines

LINE = encode_lines("viewer-1", {"suggestion_shown": 1}, "2026-11-26 10:00:00.000")


async def append_at(bootstrap: str, topic: str, *, partitions: int, rate: float, rows: int, seconds: float) -> None:
    """Records of `rows` counts, to each partition in turn, `rate` a second; returns when all are acknowledged. Raises
    TimeoutError where they are not within DRAIN_S of the last.
    """
    metrics = KafkaAppenderMetrics(CollectorRegistry())
    appender = KafkaAppender(KafkaConnection(bootstrap), topic, partitions, metrics=metrics, rng=random.Random(4))
    await appender.start()
    value = LINE * rows
    headers = encode_headers(1, value, [(NO_BATCH, rows)])
    total, begun = int(rate * seconds), 0
    start = time.perf_counter()
    try:
        async with asyncio.timeout(seconds + DRAIN_S), asyncio.TaskGroup() as appends:
            while begun < total:
                due = min(total, int((time.perf_counter() - start) * rate))
                for number in range(begun, due):
                    appends.create_task(appender.append(number % partitions, value, headers))
                begun = due
                await asyncio.sleep(TICK_S)
    finally:
        await appender.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    for name, kind in (("--partitions", int), ("--rate", float), ("--rows", int), ("--seconds", float)):
        parser.add_argument(name, type=kind, required=True)
    uvloop.run(append_at(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
