"""The offsets of a group as an operator sets them: only while the group has no members."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    IllegalGenerationError,
    NotCoordinatorError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    for_code,
)

from siddes_telemetry.backends.kafka.aiokafka_internals import (
    commit_offsets_of_empty_group,
    coordinator_of,
    members_of_group,
)
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.errors import answered_in_time
from siddes_telemetry.backends.kafka.failures import Rights
from siddes_telemetry.backends.ports.errors import GroupInUse

RETRY_S = 0.1  # while the coordinator loads or moves
LOADING = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)
HAS_MEMBERS = (IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


class KafkaGroupOffsets:
    """A GroupOffsets. The consumer is started and in no group; `open_group_offsets` makes one."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, group: str) -> None:
        self._consumer = consumer
        self._coordinator = coordinator_of(consumer)
        self._topic = topic
        self._group = group
        self._rights = Rights(topic=f"Read on topic {topic}", group=f"Read on group {group}")

    async def members(self) -> int:
        async with answered_in_time(self._rights):
            while True:
                code, number = await members_of_group(self._consumer, await self._broker(), self._group)
                if not await self._is_to_be_repeated(code):
                    return number

    async def set_offsets(self, offsets: Mapping[int, int]) -> None:
        async with answered_in_time(self._rights):
            while True:
                await self._broker()
                codes = await commit_offsets_of_empty_group(self._coordinator, self._topic, offsets, group=self._group)
                code = next((code for code in codes.values() if code), 0)
                if code and for_code(code) in HAS_MEMBERS:
                    raise GroupInUse("the group has members: stop all consumers")
                if not await self._is_to_be_repeated(code):
                    return

    async def _broker(self) -> int:
        """The group's coordinator."""
        while True:
            await self._coordinator.ensure_coordinator_known()
            if (broker := self._coordinator.coordinator_id) is not None:
                return broker

    async def _is_to_be_repeated(self, code: int) -> bool:
        """After a pause, if the coordinator is elsewhere or not ready. Raises KafkaError for another error code."""
        if not code:
            return False
        error = for_code(code)
        if error not in LOADING:
            raise error()
        if error is not CoordinatorLoadInProgressError:
            self._coordinator.coordinator_dead()
        await asyncio.sleep(RETRY_S)
        return True


@asynccontextmanager
async def open_group_offsets(connection: KafkaConnection, topic: str, group: str) -> AsyncIterator[KafkaGroupOffsets]:
    """The offsets of this group in this topic. Raises LogUnavailable."""
    async with connection.reading_consumer(topic, group=group) as consumer:
        yield KafkaGroupOffsets(consumer, topic, group)
