"""What one broker says about its cluster, asked over a socket of its own, without the clients under test."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest_v1
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

ANSWER_S = 1.0  # a broker that is well answers in milliseconds
GROUP = 0  # FindCoordinator's type of key
METADATA_LOG = "__cluster_metadata"  # its leader is the active controller

Partition = tuple[str, int]


class Unanswered(Exception):
    """The broker did not answer, or not with what was asked."""


@dataclass(frozen=True, slots=True)
class PartitionView:
    """`leader` is -1 while there is none."""

    leader: int
    replicas: Sequence[int]
    isr: Sequence[int]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The live brokers, and all partitions by (topic, number)."""

    brokers: AbstractSet[int]
    partitions: Mapping[Partition, PartitionView]

    def leaders(self, topic: str) -> dict[int, int]:
        """By the partition's number."""
        return {number: each.leader for (name, number), each in self.partitions.items() if name == topic}


class _DescribeQuorumResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 55
    API_VERSION = 0
    _REPLICA = (("replica_id", Int32), ("log_end_offset", Int64), ("tags", TaggedFields))
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("voters", CompactArray(*_REPLICA)),
                        ("observers", CompactArray(*_REPLICA)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeQuorumRequest(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    """KIP-595; aiokafka has none."""

    FLEXIBLE_VERSION = True
    API_KEY = 55
    API_VERSION = 0
    RESPONSE_TYPE = _DescribeQuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(("partition", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


def view(address: str) -> ClusterView:
    """What this broker knows. Raises Unanswered."""
    answer = asked_of(address, MetadataRequest_v5(None, False))
    return ClusterView(
        {id_ for id_, *_ in answer.brokers},
        {
            (topic, number): PartitionView(leader, replicas, isr)
            for _, topic, _, partitions in answer.topics
            for _, number, leader, replicas, isr, _ in partitions
        },
    )


def coordinator(address: str, group: str) -> int:
    """The id of the group's coordinator, as this broker knows it. Raises Unanswered."""
    answer = asked_of(address, FindCoordinatorRequest_v1(group, GROUP))
    if answer.error_code:
        raise Unanswered
    return int(answer.coordinator_id)


def controller(address: str) -> int:
    """The id of the active controller, which this broker asks. Raises Unanswered."""
    answer = asked_of(address, _DescribeQuorumRequest([(METADATA_LOG, [(0, {})], {})], {}))
    if answer.error_code:
        raise Unanswered
    ((_, ((_, _, leader, *_),), _),) = answer.topics
    return int(leader)


def asked_of(address: str, request: RequestStruct, *, answer_s: float = ANSWER_S) -> Any:
    """The broker's answer to this request. Raises Unanswered."""
    host, _, port = address.rpartition(":")
    asked = request.build_request_header(1, "tests").encode() + request.encode()
    try:
        with socket.create_connection((host, int(port)), timeout=answer_s) as connection:
            connection.sendall(struct.pack(">i", len(asked)) + asked)
            with connection.makefile("rb") as answers:
                (size,) = struct.unpack(">i", answers.read(4))
                answer = BytesIO(answers.read(size))
    except (OSError, struct.error):
        raise Unanswered from None
    request.parse_response_header(answer)
    return request.RESPONSE_TYPE.decode(answer)
