"""Moves the leaders of a topic's partitions, as Kafka's own tools do: by reassignment and election.

A partition's preferred leader is the first of its replicas. A reassignment to the same replicas in another order
(KIP-455) moves no data; an election of the preferred leaders (KIP-460) then moves the leaders.
"""

from __future__ import annotations

import random
from typing import Any

from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest_v0
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from tests.infrastructure.kafka_view import asked_of, view

PREFERRED = 0  # the type of election that loses no record
NO_NEED = 84  # ELECTION_NOT_NEEDED: it leads already
ELECTED_S = 10.0


class _ElectLeadersResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 43
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(("partition", Int32), ("error_code", Int16), ("error_message", String("utf-8"))),
                ),
            ),
        ),
    )


class _ElectLeadersRequest(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    """KIP-460; aiokafka has none."""

    API_KEY = 43
    API_VERSION = 1
    RESPONSE_TYPE = _ElectLeadersResponse
    SCHEMA = Schema(
        ("election_type", Int8),
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
        ("timeout_ms", Int32),
    )


def move_leaders(address: str, topic: str, rng: random.Random) -> None:
    """Ask this broker to let another in-sync replica lead each partition.

    Raises Unanswered, or RuntimeError with Kafka's error codes if one is refused.
    """
    wanted = []
    for (name, number), each in view(address).partitions.items():
        others = [replica for replica in each.isr if replica != each.leader]
        if name == topic and others:
            first = rng.choice(others)
            wanted.append((number, [first, *(replica for replica in each.replicas if replica != first)]))
    timeout_ms = int(ELECTED_S * 1000)
    moved: list[Any] = [(topic, [(number, replicas, {}) for number, replicas in wanted], {})]
    answer = asked_of(address, AlterPartitionReassignmentsRequest_v0(timeout_ms, moved, {}), answer_s=ELECTED_S)
    refused = [code for _, partitions, _ in answer.responses for _, code, *_ in partitions if code]
    elected = [(topic, [number for number, _ in wanted])]
    answer = asked_of(address, _ElectLeadersRequest(PREFERRED, elected, timeout_ms), answer_s=ELECTED_S)
    refused += [code for _, partitions in answer.topics for _, code, _ in partitions if code]
    if refused := [code for code in refused if code != NO_NEED]:
        raise RuntimeError(f"leaders of {topic} were not moved: {refused}")
