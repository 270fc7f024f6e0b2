"""Closes aiokafka's consumers and clients within a bounded time, even while the brokers are away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaClient, AIOKafkaConsumer

from siddes_telemetry.backends.kafka.aiokafka_internals import background_tasks, client_of

CLOSE_S = 5.0  # for flushing and for leaving the group; then the connections are cut
CANCEL_S = 1.0  # for cancelled tasks of aiokafka: some await others before they end

log = structlog.get_logger(__name__)


async def close_consumer(consumer: AIOKafkaConsumer, leave_s: float = CLOSE_S) -> None:
    """Leave the group, if the consumer is in one, which may take `leave_s`, and release its connections and tasks."""
    if await _ended_in_time(consumer.stop(), leave_s):
        return
    await _cancel(background_tasks(consumer))
    await _ended_in_time(client_of(consumer).close(), CLOSE_S)


async def close_client(client: AIOKafkaClient, close_s: float = CLOSE_S) -> None:
    """Release the connections."""
    await _ended_in_time(client.close(), close_s)


async def _ended_in_time(closing: Coroutine[Any, Any, None], close_s: float) -> bool:
    """Whether it ended without an error in time. A cancelled caller waits as long: connections must not stay open.

    It runs in a task of its own: aiokafka raises its own tasks' CancelledError, and swallows that of its caller.
    """
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.wait({task}, timeout=close_s)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=close_s)
        raise
    finally:
        task.cancel()
    await _cancel([task])
    if task.done() and not task.cancelled() and task.exception() is None:
        return True
    log.warning("kafka_client_cut_off")
    return False


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    waiting = {task for task in tasks if not task.done()}
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting, timeout=CANCEL_S)
