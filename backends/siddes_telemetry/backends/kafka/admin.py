"""Creates and changes our topics. Safe to repeat, and to run from many processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    BrokerResponseError,
    InvalidPartitionsError,
    TopicAlreadyExistsError,
    for_code,
)

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.topics import (
    AddPartitions,
    Change,
    CreateTopic,
    TopicRefused,
    TopicState,
    changes,
    wanted_topics,
)

SETTLE_S = 30.0  # from the acknowledgement of a change until every broker shows it
SETTLE_STEP_S = 0.1
TOPIC_CONFIG = 1  # config_source DYNAMIC_TOPIC_CONFIG of DescribeConfigs (KIP-226)
DONE_BY_ANOTHER = (TopicAlreadyExistsError, InvalidPartitionsError)


class KafkaAdmin:
    """Creates and changes the topics of one deployment, for `migrate`."""

    def __init__(
        self, connection: KafkaConnection, topic: str, *, partitions: int, replication: int, retention_days: int
    ) -> None:
        self._connection = connection
        self._wanted = wanted_topics(
            topic, partitions=partitions, replication=replication, retention_days=retention_days
        )
        self._topics = [spec.name for spec in self._wanted]

    async def pending(self) -> Sequence[str]:
        """The changes that `migrate` would make now, in order. Raises LogUnavailable or TopicRefused."""
        async with self._connection.admin_client(self._topics) as admin:
            return [str(change) for change in await self._changes(admin)]

    async def migrate(self) -> Sequence[str]:
        """Make the changes, and return them once the brokers show them. Raises LogUnavailable or TopicRefused."""
        done: list[str] = []
        async with (
            self._connection.admin_client(self._topics) as admin,
            asyncio.timeout(SETTLE_S),
        ):
            while changes := await self._changes(admin):
                for change in changes:
                    await _apply(admin, change)
                done += [str(change) for change in changes if str(change) not in done]
                await asyncio.sleep(SETTLE_STEP_S)
        return done

    async def _changes(self, admin: AIOKafkaAdminClient) -> list[Change]:
        # Of all topics: a request that names a topic creates it on brokers with auto.create.topics.enable.
        there = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
        found: list[Change] = []
        for spec in self._wanted:
            state = None
            if spec.name in there:
                state = TopicState(there[spec.name], await _overrides(admin, spec.name))
            found += changes(spec, state)
        return found


async def _overrides(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((code, _, _, _, entries),) = answer.resources
    _check(code)
    return {name: value for name, value, _, source, *_ in entries if source == TOPIC_CONFIG}


async def _apply(admin: AIOKafkaAdminClient, change: Change) -> None:
    try:
        if isinstance(change, CreateTopic):
            spec = change.spec
            topic = NewTopic(spec.name, spec.partitions, spec.replication, topic_configs=dict(spec.settings))
            answer = await admin.create_topics([topic])
            _check(answer.topic_errors[0][1])
        elif isinstance(change, AddPartitions):
            await admin.create_partitions({change.topic: NewPartitions(change.total)})
        else:
            resource = ConfigResource(ConfigResourceType.TOPIC, change.topic, dict(change.overrides))
            (answer,) = await admin.alter_configs([resource])
            _check(answer.resources[0][0])
    except DONE_BY_ANOTHER:
        return
    except BrokerResponseError as error:
        if error.retriable:
            return  # checked and tried again until SETTLE_S
        raise TopicRefused(f"the broker refused to {change}: {type(error).__name__}") from None


def _check(code: int) -> None:
    """Raise the driver's exception for an error code."""
    if code:
        raise for_code(code)
