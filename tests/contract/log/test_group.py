"""The consumer group: ownership of partitions, and committed offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from siddes_telemetry.backends.ports.errors import PartitionLost
from siddes_telemetry.backends.ports.log import Committed, OwnedPartition
from tests.contract.log.backends import LogUnderTest
from tests.contract.log.membership import PATIENCE_S, first_of, member, owning


class WorkBroke(Exception):
    """What a task of a test raises."""


async def test_a_new_group_has_committed_nothing(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        assert await partition.committed() is None


@pytest.mark.parametrize("metadata", ["", '{"v":1,"end":18446744073709551615}', "ü→\n\0.", "x" * 1000])
async def test_the_metadata_of_a_commit_comes_back_as_it_was(log: LogUnderTest, metadata: str) -> None:
    async with owning(log.make_group_consumer()) as partition:
        await partition.commit_offset(7, metadata)
        assert await partition.committed() == Committed(7, metadata)


async def test_a_new_member_finds_what_was_committed(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        await partition.commit_offset(3, "first")
        await partition.commit_offset(5, "second")
    async with owning(log.make_group_consumer()) as partition:
        assert await partition.committed() == Committed(5, "second")


async def test_a_commit_may_go_back(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as partition:
        await partition.commit_offset(5, "")
        await partition.commit_offset(3, "intent")
        assert await partition.committed() == Committed(3, "intent")


async def test_partitions_commit_apart(log: LogUnderTest) -> None:
    for number in range(log.partitions):
        async with owning(log.make_group_consumer(), number) as partition:
            await partition.commit_offset(10 + number, "")
    for number in range(log.partitions):
        async with owning(log.make_group_consumer(), number) as partition:
            assert await partition.committed() == Committed(10 + number, "")


async def test_a_commit_under_an_old_generation_is_refused(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as former:
        await former.commit_offset(1, "")
    async with owning(log.make_group_consumer()) as partition:
        with pytest.raises(PartitionLost):
            await former.commit_offset(2, "too late")
        await partition.commit_offset(3, "")
        with pytest.raises(PartitionLost):
            await former.commit_offset(4, "too late")
        assert await partition.committed() == Committed(3, "")


async def test_a_partition_kept_beyond_run_is_lost(log: LogUnderTest) -> None:
    async with owning(log.make_group_consumer()) as former:
        await former.commit_offset(1, "")
    with pytest.raises(PartitionLost):
        await former.commit_offset(2, "too late")
    async with owning(log.make_group_consumer()) as partition:
        assert await partition.committed() == Committed(1, "")


async def test_one_member_is_given_every_partition(log: LogUnderTest) -> None:
    given: set[int] = set()
    all_given = asyncio.Event()

    async def work(partition: OwnedPartition) -> None:
        given.add(partition.number)
        if given == set(range(log.partitions)):
            all_given.set()
        await asyncio.Event().wait()

    async with member(log.make_group_consumer(), work), asyncio.timeout(PATIENCE_S):
        await all_given.wait()


async def test_two_members_never_own_a_partition_at_once(log: LogUnderTest) -> None:
    if not log.shares_partitions:
        pytest.skip("this log has one member at a time")
    owners: dict[int, list[str]] = {number: [] for number in range(log.partitions)}
    changed = asyncio.Condition()

    def owned_by(name: str) -> Callable[[OwnedPartition], Awaitable[None]]:
        async def work(partition: OwnedPartition) -> None:
            owners[partition.number].append(name)
            assert len(owners[partition.number]) == 1
            try:
                async with changed:
                    changed.notify_all()
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)  # leaving takes a while
                owners[partition.number].remove(name)

        return work

    async def until_owners_are(names: set[str]) -> None:
        async with asyncio.timeout(PATIENCE_S), changed:
            await changed.wait_for(
                lambda: all(owners.values()) and {o for each in owners.values() for o in each} == names
            )

    async with member(log.make_group_consumer(), owned_by("a")) as a:
        await until_owners_are({"a"})
        async with member(log.make_group_consumer(), owned_by("b")) as b:
            await until_owners_are({"a", "b"})
            a.cancel()
            await asyncio.wait([a])
            await until_owners_are({"b"})
            assert not b.done()


async def test_a_second_member_takes_over_when_the_first_leaves(log: LogUnderTest) -> None:
    given: asyncio.Queue[OwnedPartition] = asyncio.Queue()

    async def commit_once(partition: OwnedPartition) -> None:
        if partition.number == 0:
            await partition.commit_offset(9, "")
            given.put_nowait(partition)
        await asyncio.Event().wait()

    async def take(partition: OwnedPartition) -> None:
        if partition.number == 0:
            given.put_nowait(partition)
        await asyncio.Event().wait()

    async with member(log.make_group_consumer(), commit_once) as first:
        former = await first_of(given, first)
        async with member(log.make_group_consumer(), take) as second:
            first.cancel()
            await asyncio.wait([first])
            while (taken := await first_of(given, second)) is former:
                pass
            assert await taken.committed() == Committed(9, "")
            with pytest.raises(PartitionLost):
                await former.commit_offset(10, "too late")


async def test_cancelling_run_awaits_the_tasks_and_they_may_still_commit(log: LogUnderTest) -> None:
    working = asyncio.Event()
    left: list[int] = []

    async def work(partition: OwnedPartition) -> None:
        if partition.number != 0:
            return
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            await partition.commit_offset(4, "on leaving")
            left.append(partition.number)

    async with member(log.make_group_consumer(), work) as running:
        async with asyncio.timeout(PATIENCE_S):
            await working.wait()
        running.cancel()
        await asyncio.wait([running])
        assert left == [0]
        assert running.cancelled()
    async with owning(log.make_group_consumer()) as partition:
        assert await partition.committed() == Committed(4, "on leaving")


async def test_a_task_that_will_not_be_cancelled_does_not_hide_that_run_was(log: LogUnderTest) -> None:
    working = asyncio.Event()

    async def work(partition: OwnedPartition) -> None:
        working.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise PartitionLost from None  # what a last commit may come to

    running = asyncio.create_task(log.make_group_consumer().run(work))
    async with asyncio.timeout(PATIENCE_S):
        await working.wait()
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()


async def test_work_that_lost_its_partition_gets_it_again_in_a_new_generation(log: LogUnderTest) -> None:
    given: asyncio.Queue[OwnedPartition] = asyncio.Queue()
    losing = True

    async def work(partition: OwnedPartition) -> None:
        nonlocal losing
        if partition.number == 0:
            given.put_nowait(partition)
            if losing:
                losing = False
                raise PartitionLost
        await asyncio.Event().wait()

    async with member(log.make_group_consumer(), work) as running:
        former = await first_of(given, running)
        partition = await first_of(given, running)
        with pytest.raises(PartitionLost):
            await former.commit_offset(1, "too late")
        await partition.commit_offset(2, "")
        assert await partition.committed() == Committed(2, "")


async def test_any_other_error_of_the_work_ends_run_and_is_raised(log: LogUnderTest) -> None:
    working: set[int] = set()

    async def work(partition: OwnedPartition) -> None:
        working.add(partition.number)
        try:
            await asyncio.sleep(0)  # let the others begin
            if partition.number == 0:
                raise WorkBroke
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # ending takes a while
            working.remove(partition.number)

    with pytest.raises(WorkBroke):
        async with asyncio.timeout(PATIENCE_S):
            await log.make_group_consumer().run(work)
    assert not working


async def test_a_member_answers_ping(log: LogUnderTest) -> None:
    consumer = log.make_group_consumer()
    async with owning(consumer):
        await consumer.ping()
