"""The group coordinator as one member sees it: its membership, and offset commits under that membership alone.

A commit is one request, under the generation in which the partition was assigned (aiokafka_internals.py says why
aiokafka's commit() does not serve).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CoordinatorLoadInProgressError, KafkaConnectionError, NotCoordinatorError, for_code

from siddes_telemetry.backends.kafka.aiokafka_internals import commit_offset_once, coordinator_of, has_failed
from siddes_telemetry.backends.ports.log import Committed

RETRY_S = 0.1  # while the coordinator loads or moves


@dataclass(frozen=True, slots=True)
class Membership:
    """The generation and member id under which partitions were assigned."""

    generation: int
    member_id: str


class CommitRejected(Exception):
    """The broker rejected a commit. `reason` is the driver's name of the error code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OffsetCommitter:
    """Commits offsets through the group coordinator of a started consumer."""

    def __init__(self, consumer: AIOKafkaConsumer, group: str) -> None:
        self._consumer = consumer
        self._coordinator = coordinator_of(consumer)
        self._group = group

    def membership(self) -> Membership | None:
        """The member's present membership, or None while it is not in the group."""
        coordinator = self._coordinator
        if coordinator.generation <= 0 or not coordinator.member_id:
            return None
        return Membership(coordinator.generation, coordinator.member_id)

    def coordinator_known(self) -> bool:
        """Whether the coordinating broker is known and was not found dead."""
        return self._coordinator.coordinator_id is not None

    def check(self) -> None:
        """Raise the KafkaError that ended or paused one of aiokafka's background tasks, if there is one."""
        if has_failed(self._consumer):
            raise KafkaConnectionError
        self._coordinator.check_errors()

    async def committed(self, partition: TopicPartition) -> Committed | None:
        """The committed offset. Waits while the coordinator loads or moves. Raises KafkaError."""
        offsets = await self._coordinator.fetch_committed_offsets([partition])
        if partition not in offsets:
            return None
        found = offsets[partition]
        return Committed(found.offset, found.metadata or "")

    async def commit_offset(
        self, partition: TopicPartition, membership: Membership, offset: int, metadata: str
    ) -> None:
        """Commit under this membership. It has no deadline: the caller sets one.

        It is sent again only after the broker answered that it is not, or not yet, the coordinator. A request without
        an answer is not repeated: the first could take effect after a later commit. Raises CommitRejected, or
        KafkaError if there is no answer.
        """
        while True:
            await self._coordinator.ensure_coordinator_known()
            code = await commit_offset_once(
                self._coordinator,
                partition,
                offset,
                metadata,
                group=self._group,
                generation=membership.generation,
                member_id=membership.member_id,
            )
            error = for_code(code)
            if code == 0:
                return
            if error is NotCoordinatorError:
                self._coordinator.coordinator_dead()
            elif error is not CoordinatorLoadInProgressError:
                raise CommitRejected(error.__name__) from error()
            await asyncio.sleep(RETRY_S)
