"""Stores what the log of a data folder still holds, with the consumer of `up`."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.backends.ports.log import PartitionView
from siddes_telemetry.cli.embedded import EmbeddedInstance, embedded_consumer
from siddes_telemetry.cli.services.runtime import cancel_and_wait
from siddes_telemetry.consumer.intent import UnknownIntentError, decode_state

LOOK_EVERY_S = 0.05


class HaltedError(BackendError):
    """The log has a record at which its partition halts."""


async def catch_up(instance: EmbeddedInstance) -> None:
    """Return once everything in the log is stored and nothing is in doubt. Raises HaltedError, LogUnavailable.

    Waits for a store that does not take rows; the log output then says why.
    """
    (partition,) = await instance.log.partitions()
    if await _is_stored(partition):
        return
    metrics = CollectorRegistry()
    journal = instance.log.journal(JournalMetrics(metrics))
    consumer = embedded_consumer(instance, journal, metrics)
    running = asyncio.ensure_future(consumer.run())
    try:
        while not await _is_stored(partition):
            for halted in consumer.halted_partitions():
                raise HaltedError(
                    f"the log of this folder is halted at offset {halted.offset} ({halted.reason}): start it with "
                    "`siddes-telemetry up`, do what docs/operations.md says of this reason, and stop it again"
                )
            await asyncio.wait({running}, timeout=LOOK_EVERY_S)
            if running.done():
                running.result()
        consumer.stop()
        await running
    finally:
        await cancel_and_wait(running)
        await journal.close()


async def _is_stored(partition: PartitionView) -> bool:
    first, end = await partition.bounds()
    committed = await partition.committed()
    if committed is None:
        return first == end
    try:
        state = decode_state(committed.offset, committed.metadata)
    except UnknownIntentError:
        return False  # the consumer halts at it
    return state.intent_end is None and state.offset >= end
