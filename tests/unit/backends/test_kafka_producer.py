"""Which broker gets a record when brokers are silent and partitions move. Real brokers are in tests/integration."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError, RequestTimedOutError
from aiokafka.structs import TopicPartition

from siddes_telemetry.backends.kafka.aiokafka_client import KafkaClient
from siddes_telemetry.backends.kafka.producer import KafkaProducer
from tests.fakes.virtual_time import in_virtual_time, until

PATIENCE_S = 5.0
Batches = Mapping[int, bytes]


class Cluster:
    """Two brokers, and a client of them: broker 0 never answers, broker 1 always takes everything."""

    def __init__(self) -> None:
        self.leader = 0
        self.sent: list[tuple[int, list[int]]] = []  # (broker, partitions)
        self.silence: asyncio.Future[Mapping[int, int]] = asyncio.get_running_loop().create_future()
        self.cluster = self

    def leader_for_partition(self, _place: TopicPartition) -> int:
        return self.leader

    def force_metadata_update(self) -> None:
        """It says where the leader is at any time."""

    async def send(self, broker: int, batches: Batches) -> Mapping[int, int]:
        self.sent.append((broker, list(batches)))
        if broker == 0:
            return await asyncio.shield(self.silence)
        return dict.fromkeys(batches, 0)


class Plain:
    """Requests as they are asked for."""

    def request(self, batches: Batches) -> Batches:
        return batches


def producer_of(cluster: Cluster) -> KafkaProducer:
    producer = KafkaProducer(cast("KafkaClient", cluster), "log", 1, 0, random.Random(1))
    producer._encoder = cast("Any", Plain())
    return producer


async def begun(producer: KafkaProducer, cluster: Cluster) -> list[asyncio.Task[None]]:
    """Appends to six partitions: two are sent, four wait."""
    appends = [asyncio.ensure_future(producer.append(partition, b"x", (), None)) for partition in range(6)]
    await until(lambda: len(cluster.sent) == 2)
    return appends


@in_virtual_time
async def test_what_waited_for_a_broker_that_no_longer_leads_goes_to_the_one_that_does() -> None:
    cluster = Cluster()
    appends = await begun(producer_of(cluster), cluster)
    cluster.leader = 1
    cluster.silence.set_exception(RequestTimedOutError())
    await asyncio.gather(*appends)
    assert cluster.sent[:2] == [(0, [0]), (0, [1])]
    assert {broker for broker, _ in cluster.sent[2:]} == {1}
    assert sorted(partition for _, partitions in cluster.sent[2:] for partition in partitions) == list(range(6))


@in_virtual_time
async def test_what_still_waits_when_it_is_finished_is_never_sent() -> None:
    cluster = Cluster()
    producer = producer_of(cluster)
    appends = await begun(producer, cluster)
    await producer.finish(PATIENCE_S)
    cluster.silence.set_exception(RequestTimedOutError())  # as where the client is closed
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(each) for each in outcomes] == [KafkaError] * 6
    assert cluster.sent == [(0, [0]), (0, [1])]


@in_virtual_time
async def test_a_joined_request_of_which_nobody_waits_is_given_up_when_it_is_finished() -> None:
    cluster = Cluster()
    producer = producer_of(cluster)
    appends = await begun(producer, cluster)
    appends[0].cancel()
    await until(lambda: len(cluster.sent) == 3)
    assert cluster.sent[2] == (0, [2, 3, 4, 5])
    for each in appends:
        each.cancel()
    await asyncio.wait(appends)
    (sender,) = producer._senders.values()
    assert sender._shared
    await producer.finish(PATIENCE_S)
    assert not sender._shared
    with pytest.raises(KafkaError):
        await producer.append(7, b"x", (), None)
