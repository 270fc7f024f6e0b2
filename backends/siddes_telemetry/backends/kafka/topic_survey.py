"""Asks every broker of a cluster what it knows of some topics: a change reaches one broker after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaClient
from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from siddes_telemetry.backends.kafka.aiokafka_topics import TopicMetadata, brokers_and_topics, settings_of_topic
from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS
from siddes_telemetry.backends.kafka.failure_words import ADD_ACL
from siddes_telemetry.backends.kafka.topics import TopicRefused, TopicState

BROKER_S = 3.0  # for one broker to say what it knows; one that is frozen leaves the cluster in some seconds

TopicStates = Mapping[str, TopicState | None]  # by topic; None: the broker does not know it


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """What one broker knows: the other brokers, the topics, and whether some partition has no leader."""

    brokers: frozenset[int]
    topics: TopicStates
    leaderless: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """The answers by broker, and all brokers that some answer names."""

    answers: Mapping[int, BrokerAnswer]
    brokers: frozenset[int]

    @property
    def silent(self) -> int:
        """How many brokers did not answer."""
        return len(self.brokers - self.answers.keys())


async def ask_brokers(client: AIOKafkaClient, topics: Sequence[str]) -> Survey:
    """Ask all brokers at once. Raises TopicRefused, or the driver's error if none answers."""
    asked = [broker.nodeId for broker in client.cluster.brokers()]
    results = await asyncio.gather(*(_ask(client, broker, topics) for broker in asked), return_exceptions=True)
    answers = {broker: each for broker, each in zip(asked, results, strict=True) if isinstance(each, BrokerAnswer)}
    for error in results:
        if isinstance(error, BaseException) and (not answers or not isinstance(error, DRIVER_ERRORS)):
            raise error
    brokers = frozenset[int]().union(*(answer.brokers for answer in answers.values()))
    if not brokers.issubset(asked):
        await client.force_metadata_update()  # for the addresses of the others
    return Survey(answers, brokers)


async def _ask(client: AIOKafkaClient, broker: int, topics: Sequence[str]) -> BrokerAnswer:
    async with asyncio.timeout(BROKER_S):
        brokers, found = await brokers_and_topics(client, broker, topics)
        states = {name: await _state(client, broker, name, each) for name, each in found.items()}
    return BrokerAnswer(brokers, states, any(-1 in each.leaders for each in found.values()))


async def _state(client: AIOKafkaClient, broker: int, topic: str, found: TopicMetadata) -> TopicState | None:
    error = for_code(found.error_code)
    if error is UnknownTopicOrPartitionError:
        return None
    if error is TopicAuthorizationFailedError:
        raise TopicRefused(f"no permission for Describe on topic {topic}: {ADD_ACL}")
    if found.error_code:
        raise error
    try:
        settings = await settings_of_topic(client, broker, topic)
    except UnknownTopicOrPartitionError:  # it is being deleted
        return None
    except TopicAuthorizationFailedError:
        raise TopicRefused(f"no permission for DescribeConfigs on topic {topic}: {ADD_ACL}") from None
    return TopicState(len(found.leaders), found.replication, settings)
