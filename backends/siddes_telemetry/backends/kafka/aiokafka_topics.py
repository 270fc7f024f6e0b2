"""Requests about topics, to a certain broker. Any broker takes them; with ZooKeeper, changes go to the controller.

aiokafka's admin client does not serve: its describe_topics() lets a broker create the topics that it names, its
describe_configs() asks a random broker, its alter_configs() resets every setting that it does not name, and it creates
topics through one broker only, which may be frozen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaClient
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreatePartitionsRequest, CreateTopicsRequest, DescribeConfigsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

SET = 0  # an operation of IncrementalAlterConfigs
CHANGE_MS = 5000  # for the cluster to create what is asked for


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """A topic as one broker knows it. `error_code` is the broker's, 0 if there is none.

    `leaders` has the broker that leads each partition, -1 where there is none. `replication` is the smallest number
    of replicas of a partition.
    """

    error_code: int
    leaders: tuple[int, ...]
    replication: int


async def brokers_and_topics(
    client: AIOKafkaClient, broker: int, topics: Iterable[str]
) -> tuple[frozenset[int], Mapping[str, TopicMetadata]]:
    """The brokers that this broker knows, and what it knows of these topics. It creates none. Raises KafkaError."""
    answer = await client.send(broker, MetadataRequest(list(topics), allow_auto_topic_creation=False))
    return frozenset(number for number, *_ in answer.brokers), {
        name: TopicMetadata(
            code,
            tuple(leader for _, _, leader, *_ in partitions),
            min((len(replicas) for _, _, _, replicas, *_ in partitions), default=0),
        )
        for code, name, _, partitions in answer.topics
    }


async def settings_of_topic(client: AIOKafkaClient, broker: int, topic: str) -> Mapping[str, str]:
    """The settings that apply to a topic, the broker's defaults included. Raises KafkaError."""
    answer = await client.send(broker, DescribeConfigsRequest([(ConfigResourceType.TOPIC, topic, None)]))
    ((code, _, _, _, entries),) = answer.resources
    _check(code)
    return {name: value for name, value, *_ in entries if value is not None}


async def create_topic(
    client: AIOKafkaClient,
    broker: int,
    topic: str,
    *,
    partitions: int,
    replication: int,
    settings: Mapping[str, str],
    validate_only: bool = False,
) -> None:
    """Create a topic, or only see whether it could be. Raises KafkaError."""
    no_assignment: list[tuple[int, list[int]]] = []  # of replicas: the cluster chooses
    wanted = (topic, partitions, replication, no_assignment, list(settings.items()))
    answer = await client.send(broker, CreateTopicsRequest([wanted], CHANGE_MS, validate_only))
    _check(answer.topic_errors[0][1])


async def add_partitions(client: AIOKafkaClient, broker: int, topic: str, total: int) -> None:
    """Give a topic so many partitions. Raises KafkaError."""
    request = CreatePartitionsRequest([(topic, (total, None))], timeout=CHANGE_MS, validate_only=False)
    answer = await client.send(broker, request)
    _check(answer.topic_errors[0][1])


async def set_topic_setting(client: AIOKafkaClient, broker: int, topic: str, name: str, value: str) -> None:
    """Set one setting of a topic and leave the others as they are (KIP-339, Kafka 2.3). Raises KafkaError."""
    answer = await client.send(broker, _IncrementalAlterConfigs(topic, name, value))
    ((code, *_),) = answer.responses
    _check(code)


class _IncrementalAlterConfigsResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _IncrementalAlterConfigsRequest(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _IncrementalAlterConfigsResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                ("configs", Array(("name", String("utf-8")), ("operation", Int8), ("value", String("utf-8")))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _IncrementalAlterConfigs(Request[_IncrementalAlterConfigsRequest]):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka has AlterConfigs only."""

    API_KEY = 44

    def __init__(self, topic: str, name: str, value: str) -> None:
        self._resource = (ConfigResourceType.TOPIC, topic, [(name, SET, value)])

    def build(self, request_struct_class: type[_IncrementalAlterConfigsRequest]) -> _IncrementalAlterConfigsRequest:
        return request_struct_class(resources=[self._resource], validate_only=False)


def _check(code: int) -> None:
    """Raise the driver's exception for an error code."""
    if code:
        raise for_code(code)
