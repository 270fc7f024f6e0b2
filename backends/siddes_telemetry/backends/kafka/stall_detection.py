"""Finds partitions whose fetch waits although the log has records for them.

After a broker's restart a consumer may wait without an error (aiokafka's issue 1154). When a fetch has waited for
`stall_s`, the partition's end offset is asked for over another connection:

    what is found                                            verdict   consequence
    no answer                                                -         an outage, which the consumer waits out as well
    the log ends at the position                             idle      looked at again after another stall_s
    the log has records, and they arrive within CONFIRM_S    idle      -
    the log has records, and another consumer reads them     stalled   the member leaves; its successor reads them
    the log has records, and another consumer reads none     damaged   fetch returns a record with defect log_damaged
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog
from aiokafka import TopicPartition

from siddes_telemetry.backends.kafka.owned_partition import KafkaPartition, MemberContext
from siddes_telemetry.backends.kafka.range_reads import end_offsets, read_range
from siddes_telemetry.backends.ports.errors import LogStalled, LogUnavailable, RecordsGone

CONFIRM_S = 3.0  # a partition that looks stalled is looked at again after this: its records may be on their way
DAMAGE_ROUNDS = 5  # of a second each, before a partition that yields nothing to another consumer counts as damaged

log = structlog.get_logger(__name__)


class StallDetector:
    """Looks at the partitions of one member. `stall_s`: how long a fetch may wait before it is suspected."""

    def __init__(self, context: MemberContext, stall_s: float) -> None:
        self._context = context
        self._stall_s = stall_s

    async def check(
        self, partitions: Iterable[KafkaPartition], leaving: asyncio.Future[str], on_stall: Callable[[], None]
    ) -> None:
        """Call `on_stall` for each that has stalled, as soon as that is known.

        `leaving` cuts the first wait short. It takes some seconds for each suspect, and events go on meanwhile.
        """
        now = self._context.monotonic()
        silent = {
            partition: waiting_since
            for partition in partitions
            if (waiting_since := partition.waiting_since) is not None and now - waiting_since > self._stall_s
        }
        if not silent:
            return
        try:
            ends = await end_offsets(self._context.connection, [partition.key for partition in silent])
        except LogUnavailable:
            return
        suspects = [each for each, waiting_since in silent.items() if await self._is_suspect(each, waiting_since, ends)]
        if not suspects:
            return
        await asyncio.wait({leaving}, timeout=CONFIRM_S)
        for partition in suspects:
            since = silent[partition]
            if not await self._is_behind(partition, since, ends) or await self._is_damaged(partition, since):
                self._context.stalls.clear(partition.key)
            else:
                on_stall()

    async def _is_suspect(
        self, partition: KafkaPartition, waiting_since: float, ends: Mapping[TopicPartition, int]
    ) -> bool:
        if await self._is_behind(partition, waiting_since, ends):
            self._context.stalls.mark(partition.key)
            return True
        if partition.waiting_since == waiting_since:
            partition.waiting_since = self._context.monotonic()
            self._context.stalls.clear(partition.key)
        return False

    async def _is_behind(
        self, partition: KafkaPartition, waiting_since: float, ends: Mapping[TopicPartition, int]
    ) -> bool:
        """Whether the same fetch still waits although there are records for it."""
        if partition.waiting_since != waiting_since:
            return False
        return int(await self._context.consumer.position(partition.key)) < ends[partition.key]

    async def _is_damaged(self, partition: KafkaPartition, waiting_since: float) -> bool:
        """Whether another consumer reads nothing either: then a new member would not."""
        offset = partition.position
        reading = read_range(self._context.connection, partition.key, offset, offset + 1, patience_rounds=DAMAGE_ROUNDS)
        try:
            _ = [piece async for piece in reading]
        except LogStalled:
            if partition.waiting_since == waiting_since and partition.position == offset:  # nothing has come meanwhile
                log.error("log_damaged", partition=partition.number, offset=offset)
                partition.mark_damaged(offset)
            return True
        except (LogUnavailable, RecordsGone):
            return False
        return False
