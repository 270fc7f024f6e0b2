"""Which member may commit an offset, and when: exactly-once depends on it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from aiokafka.protocol.commit import OffsetCommitRequest
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.owned_partition import KafkaPartition
from siddes_telemetry.backends.ports.errors import PartitionLost
from siddes_telemetry.backends.ports.log import Committed, OwnedPartition
from tests.integration.kafka.kit import WAIT_S, Hands, make_group_consumer, running, soon, until

servers = pytest.mark.servers


@servers
async def test_a_commit_of_an_older_generation_is_refused(kafka_bootstrap: str, topic: str) -> None:
    registry = CollectorRegistry()
    async with running(make_group_consumer(kafka_bootstrap, topic, topic, registry=registry), one := Hands()):
        held = {partition.number: partition for partition in [await one.next(), await one.next()]}
        await held[0].commit_offset(1, "mine")
        async with running(make_group_consumer(kafka_bootstrap, topic, topic), two := Hands()):
            await two.next()
            await until(lambda: len(one.held) == 1)
            for old in held.values():
                assert isinstance(old, KafkaPartition)
                old._lost = False  # as if it did not know of the rebalance: only the broker can reject the commit
                with pytest.raises(PartitionLost):
                    await old.commit_offset(5, "stolen")
            (still,) = one.held.values()
            await still.commit_offset(2, "mine")
            committed = [await partition.committed() for partition in (*one.held.values(), *two.held.values())]
            assert all(each is None or each.metadata == "mine" for each in committed)
    assert registry.get_sample_value("siddes_kafka_commits_total", {"outcome": "refused"}) == 2


@servers
async def test_a_commit_after_the_group_was_left_is_refused(kafka_bootstrap: str, topic: str) -> None:
    leaver = make_group_consumer(kafka_bootstrap, topic, topic)
    async with running(leaver, one := Hands()):
        old = await one.next()
    assert isinstance(old, KafkaPartition)
    with pytest.raises(PartitionLost):  # it was given up
        await old.commit_offset(5, "late")
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), two := Hands()):
        new = await two.next()
        assert isinstance(new, KafkaPartition)
        forged = KafkaPartition(new.key, old._membership, new._context)  # the old member id over an open connection
        with pytest.raises(PartitionLost):
            await forged.commit_offset(5, "late")
        assert await new.committed() is None


@servers
async def test_after_a_failed_commit_the_partition_is_given_up(kafka_bootstrap: str, topic: str) -> None:
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
        partition = await hands.next()
        assert isinstance(partition, KafkaPartition)
        waiting = asyncio.ensure_future(partition.commit_offset(1, ""))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        for call in (partition.commit_offset(1, ""), partition.committed(), partition.bounds(), partition.seek(0)):
            with pytest.raises(PartitionLost):
                await call


@servers
async def test_a_commit_in_flight_ends_before_the_group_is_rejoined(kafka_bootstrap: str, topic: str) -> None:
    """The answer of a commit is held back while another member joins."""
    events: list[str] = []
    committing = asyncio.Event()

    async def work(partition: OwnedPartition) -> None:
        assert isinstance(partition, KafkaPartition)
        if committing.is_set() or partition.number != 0:
            await asyncio.Event().wait()
        send = partition._committer._coordinator._send_req

        async def unanswered(request: object) -> object:
            if isinstance(request, OffsetCommitRequest):
                committing.set()
                await asyncio.Event().wait()
            return await send(request)

        partition._committer._coordinator._send_req = unanswered  # type: ignore[method-assign]  # a broker that is silent
        try:
            await partition.commit_offset(1, "")
        finally:
            events.append("commit ended")

    two = Hands("two", events)
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), work):
        await soon(committing.wait())
        async with running(make_group_consumer(kafka_bootstrap, topic, topic), two):
            await two.next()
    assert events[0] == "commit ended"


@servers
async def test_a_revoked_task_has_ended_before_another_member_begins(kafka_bootstrap: str, topic: str) -> None:
    events: list[str] = []
    one, two = Hands("one", events, goodbye_s=0.5), Hands("two", events, goodbye_s=0.5)
    async with running(make_group_consumer(kafka_bootstrap, topic, topic), one):
        await until(lambda: len(one.held) == 2)
        async with running(make_group_consumer(kafka_bootstrap, topic, topic), two):
            taken = (await two.next()).number
            assert events.index(f"one ended {taken}") < events.index(f"two begins {taken}")
            await until(lambda: len(one.held) == 1)
        await until(lambda: len(one.held) == 2)
    assert events.index(f"two ended {taken}") < len(events) - 1 - events[::-1].index(f"one begins {taken}")


@servers
async def test_a_task_that_does_not_end_is_left_behind_with_its_consumer(kafka_bootstrap: str, topic: str) -> None:
    stubborn: list[OwnedPartition] = []
    over = asyncio.Event()

    async def work(partition: OwnedPartition) -> None:
        if len(stubborn) == 2:
            await again(partition)
        stubborn.append(partition)
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    again, other, registry = Hands(), Hands(), CollectorRegistry()
    consumer = make_group_consumer(kafka_bootstrap, topic, topic, registry=registry)
    consumer._times = type(consumer._times)(session_s=6.0, rebalance_s=10.0, release_s=0.5)
    try:
        async with running(consumer, work):
            await until(lambda: len(stubborn) == 2)
            async with running(make_group_consumer(kafka_bootstrap, topic, topic), other):
                await other.next()
                await again.next()
                for partition in stubborn:
                    with pytest.raises(PartitionLost):
                        await partition.commit_offset(1, "")
    finally:
        over.set()
    assert registry.get_sample_value("siddes_kafka_rejoins_total", {"reason": "task_late"}) == 1


@servers
async def test_a_killed_members_partitions_go_to_another(kafka_bootstrap: str, topic: str) -> None:
    script = Path(__file__).with_name("member_process.py")
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(script), kafka_bootstrap, topic, cwd=Path.cwd(), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout
        async with asyncio.timeout(WAIT_S):
            while await child.stdout.readline() != b"committed\n":
                assert child.returncode is None
        async with running(make_group_consumer(kafka_bootstrap, topic, topic), hands := Hands()):
            await hands.next()
            os.kill(child.pid, signal.SIGKILL)
            await until(lambda: len(hands.held) == 2)
            assert await hands.held[0].committed() == Committed(7, "of the dead")
    finally:
        if child.returncode is None:
            os.kill(child.pid, signal.SIGKILL)
        await child.wait()
