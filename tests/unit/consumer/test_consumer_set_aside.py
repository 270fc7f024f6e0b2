"""A partition goes on without a record that an operator has set aside, in every version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest
from structlog.typing import EventDict

from siddes_telemetry.backends.ports.errors import LogStalled, StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer.intent import NO_INTENT, encode_intent
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.consumer.set_aside.decisions import SetAsideDecisions
from siddes_telemetry.consumer.set_aside.filtered_partition import read_past_set_aside
from siddes_telemetry.consumer.set_aside.request import SetAsideRefused, halted_record_at, request_set_aside
from siddes_telemetry.consumer.verify.verifier import LogAndStore, verify
from siddes_telemetry.schemas.record import Defect, LogRecord
from siddes_telemetry.schemas.registry import Registry
from tests.fakes.consumer_process import LOG_NAME, NOON_MS, REGISTRY, Process, World, key, one, record
from tests.fakes.memory_log import MemoryPartition
from tests.fakes.memory_store import MemoryStore
from tests.fakes.virtual_time import in_virtual_time, until

NEWER = Registry(2, REGISTRY.events)
PLACE = (0, 2)


async def halted_world() -> World:
    """Two records that are read, one of a newer revision, and one more."""
    world = await World.make()
    await world.append_viewers("a", "b")
    await world.append(one("newer", NOON_MS, batch=key(1)), revision=2)
    await world.append(one("c", NOON_MS, batch=key(1)))
    return world


async def log_id_of(world: World) -> int:
    return await world.store.adopt_log(LOG_NAME)


async def ask(world: World, offset: int = 2) -> None:
    await world.store.write_set_aside(await log_id_of(world), 0, SetAside(offset))


def of_registry(process: Process, registry: Registry) -> Process:
    """A process that has this registry and has not begun."""
    process.ctx = replace(process.ctx, registry=registry)
    process.consumer = Consumer(process.group_consumer, process.ctx)
    return process


async def verified(world: World, registry: Registry = NEWER) -> bool:
    log_id = await log_id_of(world)
    subject = LogAndStore(world.log, log_id, world.store, world.log.dead_letters, registry, 30)
    report = await verify(subject, clock_ms=lambda: NOON_MS, hours=None, repair=None, progress=lambda _a, _b: None)
    return report.ok


@in_virtual_time
async def test_a_halt_is_reported_with_partition_and_offset(logs: list[EventDict]) -> None:
    world = await halted_world()
    process = world.start()
    await until(process.consumer.blocked_by)
    await asyncio.sleep(20)

    (halt,) = process.consumer.halted_partitions()
    assert (halt.partition, halt.offset, halt.reason) == (0, 2, "newer_schema")
    assert process.metric("halt_offset", partition="0", reason="newer_schema") == 2
    (said,) = [line for line in logs if line["event"] == "partition_halted"]
    assert (said["partition"], said["offset"], said["reason"]) == (0, 2, "newer_schema")
    assert "--set-aside" in said["remedy"]
    assert process.metric("lag_records", partition="0") == 2
    assert process.metric("partitions_owned") == 1
    await process.stop()
    assert process.consumer.halted_partitions() == []
    assert process.metric("partitions_owned") == 0


@in_virtual_time
async def test_a_partition_goes_on_once_its_owner_has_accepted_the_request() -> None:
    world = await halted_world()
    process = world.start()
    await until(process.consumer.blocked_by)
    await ask(world)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a", "b", "c"], "a key of what was set aside did not occur"
    letter = world.log.dead_letters.letters[PLACE]
    assert letter.reason == "set_aside"
    assert letter.value == world.log.records(0)[2].value, "it is kept"
    assert process.consumer.blocked_by() is None
    assert process.metric("halted", partition="0") == 0
    assert process.metric("dead_letters_total", reason="set_aside") == 1
    assert (0, 2, encode_intent(3, aside=True)) in world.log.commits
    assert await world.store.set_asides(await log_id_of(world), 0) == [SetAside(2, None), SetAside(2, 3)]
    assert await verified(world)
    assert await verified(world, REGISTRY), "nor does verify have to read it"


@in_virtual_time
async def test_a_version_that_could_read_the_record_drops_it_too() -> None:
    world = await halted_world()
    older = world.start()
    await until(older.consumer.blocked_by)
    await ask(world)
    await until(world.drained)
    await older.stop()
    world.log.set_committed(0, Committed(2, NO_INTENT))  # by hand: the offsets are to be read again
    world.store.rows = [row for row in world.store.rows if row.offset < 2]
    world.store.forget_tokens()
    newer = of_registry(world.process(), NEWER).begin()
    await until(world.drained)
    await newer.stop()

    assert world.viewers() == ["a", "b", "c"]
    assert await verified(world)


@in_virtual_time
async def test_a_new_owner_completes_a_declared_decision() -> None:
    world = await halted_world()
    older = world.start()
    await until(older.consumer.blocked_by)
    await older.kill()
    world.log.set_committed(0, Committed(2, encode_intent(3, aside=True)))  # the intent, and no more
    newer = of_registry(world.process(), NEWER).begin()
    await until(world.drained)
    await newer.stop()

    assert world.viewers() == ["a", "b", "c"]
    assert world.log.dead_letters.letters[PLACE].reason == "set_aside"
    assert await world.store.set_asides(await log_id_of(world), 0) == [SetAside(2, 3)]
    assert await verified(world)


@in_virtual_time
async def test_a_request_that_no_owner_accepted_has_no_effect() -> None:
    world = await halted_world()
    newer = of_registry(world.process(), NEWER).begin()
    await until(world.drained)
    await ask(world)  # too late: it is stored
    await newer.stop()
    heir = of_registry(world.process(), NEWER).begin()
    await world.append_viewers("d")
    await until(world.drained)
    await heir.stop()

    assert world.viewers() == ["a", "b", "d", "newer"], "c repeats a batch"
    assert world.log.dead_letters.letters == {}
    assert await verified(world)


@in_virtual_time
async def test_a_request_has_no_effect_on_an_owner_that_can_read_the_record() -> None:
    world = await halted_world()
    await ask(world)
    newer = of_registry(world.process(), NEWER).begin()
    await until(world.drained)
    await newer.stop()

    assert world.viewers() == ["a", "b", "newer"], "c repeats a batch"
    assert await verified(world)


@in_virtual_time
async def test_an_unreadable_record_behind_one_that_is_set_aside_halts_again() -> None:
    """Also where both have the same headers, as neighbours in a batch do."""
    world = await World.make()
    for _ in range(2):
        await world.append(one("newer", NOON_MS), revision=2)
    first, second = world.log.records(0)
    world.log.partition(0).records[1] = second._replace(headers=first.headers)
    await ask(world, 0)
    process = world.start()
    await until(lambda: [halt.offset for halt in process.consumer.halted_partitions()] == [1])
    await ask(world, 1)
    await until(world.drained)
    await process.kill()
    world.log.set_committed(0, Committed(2, NO_INTENT))
    await world.append(one("c", NOON_MS, batch=key(1)))  # for which both have to be read back
    heir = world.start()
    await until(world.drained)
    await heir.stop()
    assert world.viewers() == ["c"]


@in_virtual_time
async def test_an_undecodable_batch_is_set_aside_as_a_whole() -> None:
    world = await World.make()
    await world.append_viewers("a")
    world.log.partition(0).records.append(LogRecord(1, NOON_MS, b"\n\xff", (), Defect("unsupported_batch", 4)))
    world.log.skip(0, 3)
    await world.append_viewers("b")
    process = world.start()
    await until(process.consumer.blocked_by)
    assert process.consumer.blocked_by() == "unsupported_batch"
    await ask(world, 1)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a", "b"]
    assert await world.store.set_asides(await log_id_of(world), 0) == [SetAside(1, None), SetAside(1, 4)]
    decided = SetAsideDecisions(await world.store.set_asides(await log_id_of(world), 0))
    decoded = [LogRecord(offset, NOON_MS, b"x", ()) for offset in range(5)]
    assert [(r.offset, r.defect) for r in decided.apply(decoded)] == [
        (0, None),
        (1, Defect("set_aside", 4)),
        (4, None),
    ]


@in_virtual_time
async def test_an_outage_of_the_store_delays_a_decision() -> None:
    world = await halted_world()
    process = world.start(delay=lambda: 0.05)
    await until(process.consumer.blocked_by)
    await ask(world)
    await until(lambda: world.log.committed(0) == Committed(2, encode_intent(3, aside=True)))
    world.store.down = StoreUnavailable()
    await process.kill()
    heir = world.start()
    await asyncio.sleep(60)
    world.store.down = None
    await until(world.drained)
    await heir.stop()

    assert world.viewers() == ["a", "b", "c"]
    assert await verified(world)


# What an operator is told.


async def refused(world: World, offset: int, *, partition: int = 0, registry: Registry = REGISTRY) -> str:
    with pytest.raises(SetAsideRefused) as raised:
        await halted_record_at(world.log, registry, partition, offset)
    return str(raised.value)


@in_virtual_time
async def test_only_the_record_that_halts_a_partition_can_be_set_aside() -> None:
    world = await halted_world()
    process = world.start()
    await until(process.consumer.blocked_by)
    await until(lambda: world.log.committed(0) == Committed(2, NO_INTENT))

    for offset in (0, 1):
        assert "is stored or passed already: the group stands at offset 2" in await refused(world, offset)
    assert "does not wait at offset 3" in await refused(world, 3)
    assert "no record at offset 9 yet: it ends at 4" in await refused(world, 9)
    assert "no partition 7" in await refused(world, 2, partition=7)
    assert "can be read" in await refused(world, 2, registry=NEWER)
    found = await halted_record_at(world.log, REGISTRY, 0, 2)
    assert (found.start, found.end, found.reason) == (2, 3, "newer_schema")
    world.log.set_committed(0, Committed(2, encode_intent(3)))
    assert "is begun, up to offset 3" in await refused(world, 2)
    world.log.set_committed(0, Committed(2, encode_intent(3, aside=True)))
    assert "is being set aside" in await refused(world, 2)
    world.log.set_committed(0, Committed(2, "somebody else's"))
    assert "another version" in await refused(world, 2)
    await process.stop()


@in_virtual_time
async def test_the_next_offset_of_a_stalled_log_can_be_set_aside() -> None:
    world = await halted_world()
    world.log.set_committed(0, Committed(1, NO_INTENT))
    with patch.object(MemoryPartition, "read", side_effect=LogStalled):
        found = await halted_record_at(world.log, REGISTRY, 0, 1)
        assert "does not wait at offset 2" in await refused(world, 2)
    assert (found.start, found.end, found.reason) == (1, 2, "log_damaged")


@in_virtual_time
async def test_a_request_returns_whether_it_was_accepted() -> None:
    world = await halted_world()
    source = Source(await log_id_of(world), 0)
    assert not await request_set_aside(world.store, source, 2, patience_s=15)
    process = world.start()
    assert await request_set_aside(world.store, source, 2, patience_s=15)
    await process.stop()


async def test_decisions_are_kept_by_log_and_partition() -> None:
    store = MemoryStore()
    await store.write_set_aside(7, 0, SetAside(1))
    assert await store.set_asides(7, 1) == []
    assert await store.set_asides(8, 0) == []


def test_the_rest_of_a_batch_that_is_set_aside_in_part_still_halts() -> None:
    """Who can decode it set aside its first record; who cannot has to learn that there are others."""
    mark = LogRecord(1, NOON_MS, b"", (), Defect("unsupported_batch", 4))
    applied = SetAsideDecisions([SetAside(1, 2)]).apply([mark])
    assert [(record.offset, record.defect) for record in applied] == [
        (1, Defect("set_aside", 2)),
        (2, Defect("unsupported_batch", 4)),
    ]


@in_virtual_time
async def test_a_decision_waits_for_a_store_that_refuses_it(logs: list[EventDict]) -> None:
    world = await halted_world()
    process = world.start()
    await until(process.consumer.blocked_by)
    await ask(world)
    with patch.object(world.store, "write_set_aside", side_effect=StoreRefused(497)):
        await until(lambda: process.consumer.blocked_by() == "store_refused")
        await asyncio.sleep(30)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a", "b", "c"]
    assert {line["code"] for line in logs if line["event"] == "store_refused"} == {497}


@in_virtual_time
async def test_a_halted_partition_goes_on_once_its_record_can_be_read() -> None:
    world = await halted_world()
    world.log.set_committed(0, Committed(0, encode_intent(4)))
    process = world.start()
    await until(process.consumer.blocked_by)
    assert [halt.offset for halt in process.consumer.halted_partitions()] == [2]
    world.log.partition(0).records[2] = record(2, NOON_MS, one("mended", NOON_MS))
    await until(world.drained)
    assert process.consumer.halted_partitions() == []
    await process.stop()

    assert world.viewers() == ["a", "b", "c", "mended"]


@in_virtual_time
async def test_reading_goes_on_after_damage_that_is_set_aside() -> None:
    world = await World.make()
    await world.append_viewers("a", "b", "c")
    read = MemoryPartition.read

    async def damaged(self: MemoryPartition, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        async for piece in read(self, start, end):
            for each in piece:
                if each.offset == 1:
                    raise LogStalled
                yield (each,)

    with patch.object(MemoryPartition, "read", damaged):
        view = (await world.log.partitions())[0]
        up_to_it = [(0, ""), (1, "log_damaged")]
        for decided, given in (([], up_to_it), ([SetAside(1, 2)], [*up_to_it, (2, "")])):
            pieces = read_past_set_aside(view, SetAsideDecisions(decided), 0, 3)
            found = [
                (each.offset, each.defect.reason if each.defect else "") async for piece in pieces for each in piece
            ]
            assert found == given
