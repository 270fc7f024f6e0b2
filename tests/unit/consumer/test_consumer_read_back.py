"""A new owner rebuilds the retry window from notes, and from the log where notes are missing."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from structlog.typing import EventDict

from siddes_telemetry.backends.ports.errors import LogUnavailable, StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.retry_window.key_notes import decode_note
from siddes_telemetry.consumer.retry_window.start_search import MARGIN_OFFSETS
from tests.fakes.consumer_process import DAY_MS, MINUTE_MS, NOON_MS, Process, World, key, one
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_log import MemoryPartition
from tests.fakes.virtual_time import in_virtual_time, until

NOTE_BYTES = 25 + 12 + 16  # of one record with one key


async def world_with_journal() -> World:
    return await World.make(journal=MemoryJournal())


async def store(world: World, *batches: int) -> None:
    """Append a record for each of these batches, and store each as a block of its own."""
    for batch in batches:
        await world.append(one("viewer-a", world.log.now_ms, batch=key(batch)))
        await until(world.drained)


async def retried(world: World, *batches: int) -> Process:
    """A new consumer after a crash, once it has processed a retry of each of these batches."""
    heir = world.start()
    await store(world, *batches)
    await heir.stop()
    return heir


def ranges(journal: MemoryJournal | None) -> list[tuple[int, int]]:
    assert journal is not None
    return [(note.start, note.end) for note in (decode_note(encoded) for _, _, encoded in journal.left)]


@in_virtual_time
async def test_every_block_leaves_a_note_once_it_is_stored() -> None:
    world = await world_with_journal()
    world.store.fail_next(StoreUnavailable(), applied=False)
    process = world.start()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    await until(lambda: world.store.attempts)
    assert ranges(world.journal) == []
    await until(world.drained)
    await store(world, 2)
    await process.stop()

    assert ranges(world.journal) == [(0, 1), (1, 2)]


@in_virtual_time
async def test_a_crash_is_got_over_from_the_notes_alone() -> None:
    world = await world_with_journal()
    doomed = world.start()
    await store(world, 1, 2, 3)
    await doomed.kill()
    heir = await retried(world, 1, 2, 3)

    assert world.viewers() == ["viewer-a"] * 3
    assert heir.group_consumer.reads == []
    assert heir.metric("read_backs_total", source="journal") == 1
    assert heir.metric("read_back_bytes_total", source="journal") == 3 * NOTE_BYTES


@in_virtual_time
async def test_a_note_that_was_not_left_is_made_up_for_from_the_log() -> None:
    world = await world_with_journal()
    assert world.journal
    doomed = world.start()
    await store(world, 1)
    world.journal.available = False
    await store(world, 2)
    world.journal.available = True
    await store(world, 3)
    world.journal.available = False
    await store(world, 4)
    await doomed.kill()
    world.journal.available = True
    heir = await retried(world, 1, 2, 3, 4)

    assert world.viewers() == ["viewer-a"] * 4
    assert heir.group_consumer.reads == [(1, 2), (3, 4)]
    assert heir.metric("read_backs_total", source="both") == 1


@in_virtual_time
async def test_a_journal_that_does_not_answer_leaves_the_log(logs: list[EventDict]) -> None:
    world = await world_with_journal()
    assert world.journal
    doomed = world.start()
    await store(world, 1, 2)
    await doomed.kill()
    world.journal.available = False
    heir = await retried(world, 1, 2)

    assert world.viewers() == ["viewer-a"] * 2
    assert heir.group_consumer.reads == [(0, 2)]
    assert heir.metric("read_backs_total", source="log") == 1
    assert "journal_unavailable" in [entry["event"] for entry in logs]


@pytest.mark.parametrize("spoilt", [b"", b"\x01" + bytes(60), bytes(60)])
@in_virtual_time
async def test_a_note_that_cannot_be_read_is_no_note_and_counted(spoilt: bytes) -> None:
    world = await world_with_journal()
    assert world.journal
    doomed = world.start()
    await store(world, 1)
    world.journal.fate = lambda _: [spoilt]
    await store(world, 2)
    await doomed.kill()
    heir = await retried(world, 1, 2)

    assert world.viewers() == ["viewer-a"] * 2
    assert heir.metric("bad_notes_total") == 1
    assert heir.group_consumer.reads == [(1, 2)]


@in_virtual_time
async def test_notes_of_another_log_under_this_name_are_no_notes() -> None:
    world = await world_with_journal()
    assert world.journal
    before = world.start()
    await store(world, 1)
    await before.kill()
    left = world.journal.left
    anew = await World.make(journal=MemoryJournal())
    assert anew.journal
    anew.journal.left = left
    await anew.store.adopt_log("counts", new=True)
    doomed = anew.start()
    await store(anew, 2, 3)
    await doomed.kill()
    heir = await retried(anew, 2, 3)

    assert anew.viewers() == ["viewer-a"] * 2
    assert heir.group_consumer.reads == []


@in_virtual_time
async def test_notes_hold_what_the_dead_letter_rule_leaves() -> None:
    world = await world_with_journal()
    doomed = world.start()
    await world.append_bad(one("viewer-a", NOON_MS, batch=key(1)))
    await until(world.drained)
    await doomed.kill()
    heir = await retried(world, 1)

    assert world.viewers() == ["viewer-a"]
    assert heir.group_consumer.reads == []


@in_virtual_time
async def test_a_rebalance_asks_the_journal_only_for_what_others_stored() -> None:
    world = await world_with_journal()
    first = world.start()
    await store(world, 1)
    second = world.start()
    await until(lambda: len(world.log._members) == 2)
    world.log.revoke(0)
    await until(lambda: second.member.owned)
    await store(world, 2)
    world.log.revoke(0)
    await until(lambda: first.member.owned)
    await store(world, 1, 2)
    await first.stop()
    await second.stop()

    assert world.viewers() == ["viewer-a"] * 2
    assert first.group_consumer.reads == second.group_consumer.reads == []
    assert first.metric("read_backs_total", source="journal") == 1


@in_virtual_time
async def test_no_more_is_asked_of_the_journal_than_ten_minutes() -> None:
    world = await world_with_journal()
    doomed = world.start()
    await world.let_pass(MARGIN_OFFSETS)
    await until(world.drained)
    for batch in range(1, 21):
        world.log.now_ms += MINUTE_MS
        await store(world, batch)
    await doomed.kill()
    world.log.now_ms += MINUTE_MS
    heir = await retried(world, 12)

    assert world.viewers() == ["viewer-a"] * 20
    assert heir.metric("read_back_bytes_total", source="journal") == 10 * NOTE_BYTES


@pytest.mark.parametrize("ahead_ms", [DAY_MS, -DAY_MS])
@in_virtual_time
async def test_a_journal_whose_clock_is_off_leaves_the_log(ahead_ms: int) -> None:
    world = await world_with_journal()
    assert world.journal
    world.journal.clock_ms = lambda: world.log.now_ms + ahead_ms
    doomed = world.start()
    await store(world, 1, 2)
    await doomed.kill()
    heir = await retried(world, 1, 2)

    assert world.viewers() == ["viewer-a"] * 2
    assert heir.group_consumer.reads == ([] if ahead_ms > 0 else [(0, 2)])


@in_virtual_time
async def test_where_the_log_cannot_tell_times_enough_is_read_all_the_same() -> None:
    """A broker decodes records to find a time, and may fail on some of them."""
    world = await World.make()
    for number in range(30):
        await world.append(one(f"viewer-{number}", NOON_MS, batch=key(number)))
    world.log.set_committed(0, Committed(30, ""))
    await world.append(one("viewer-3", NOON_MS, batch=key(3)), one("new", NOON_MS, batch=key(99)))
    with patch.object(MemoryPartition, "offset_at", side_effect=LogUnavailable):
        process = world.start()
        await until(world.drained)
        await process.stop()

    assert world.viewers() == ["new"]
