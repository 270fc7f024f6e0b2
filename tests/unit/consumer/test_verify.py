"""`verify`: what it finds, what it leaves out, and what it repairs."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from siddes_telemetry.backends.ports.errors import LogUnavailable, StoreUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.backends.ports.store import RowSelection, RowSums
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.consumer.retry_window.start_search import MARGIN_OFFSETS
from siddes_telemetry.consumer.verify import partition as partition_module
from siddes_telemetry.consumer.verify import range_sums as range_sums_module
from siddes_telemetry.consumer.verify.repair import Repairer, TooManyMissingError
from siddes_telemetry.consumer.verify.report import PartitionReport, VerifyReport
from siddes_telemetry.consumer.verify.verifier import LogAndStore, RecordsUnreadableError, verify
from tests.fakes.consumer_process import (
    DAY_MS,
    LOG_NAME,
    MINUTE_MS,
    NOON_MS,
    REGISTRY,
    World,
    encode,
    headers_in,
    key,
    one,
)
from tests.fakes.memory_store import MemoryStore, StoredRow
from tests.fakes.virtual_time import in_virtual_time, run_in_virtual_time, until

RETENTION_DAYS = 30
HOUR_MS = 60 * MINUTE_MS


async def stored_world(*, partitions: int = 1) -> World:
    """Some records of each partition, stored: two viewers, a client's retry, and an unreadable one of partition 0."""
    world = await World.make(partitions=partitions)
    for number in range(partitions):
        for viewer, batch in (("viewer-a", 1), ("viewer-b", 2), ("viewer-a", 1)):
            await world.append(
                one(viewer, NOON_MS, batch=key(batch), count=3), one(viewer, NOON_MS, count=2), partition=number
            )
    await world.append_bad(one("viewer-c", NOON_MS))
    await drain(world)
    return world


async def drain(world: World) -> None:
    """Store what was appended."""
    process = world.start()
    await until(world.drained)
    await process.stop()


async def verified(world: World, *, hours: float | None = None, repair: bool = False) -> VerifyReport:
    store = world.store
    log_id = await store.adopt_log(LOG_NAME)
    subject = LogAndStore(world.log, log_id, store, world.log.dead_letters, REGISTRY, RETENTION_DAYS)
    return await verify(
        subject,
        clock_ms=lambda: world.log.now_ms,
        hours=hours,
        repair=Repairer(store, store, limit=1000) if repair else None,
        progress=lambda _done, _total: None,
    )


async def only(world: World, *, hours: float | None = None, repair: bool = False) -> PartitionReport:
    (report,) = (await verified(world, hours=hours, repair=repair)).partitions
    return report


@in_virtual_time
async def test_a_store_that_holds_what_the_log_says_agrees() -> None:
    world = await stored_world(partitions=2)
    report = await verified(world)
    assert report.ok
    first, second = report.partitions
    assert (first.records, first.rows, first.counts) == (4, 5, 12)
    assert (second.records, second.rows, second.counts) == (3, 5, 12)
    assert (first.repeated_batches, first.dead_letters, first.lag, first.in_doubt) == (1, 1, 0, 0)
    assert (first.judged_from, first.judged_to) == (0, 4)
    assert first.checksum == (await world.store.sums(world_stretch(world, 0))).checksum


def world_stretch(world: World, number: int) -> RowSelection:
    return RowSelection(world.store.rows[0].log_id, number, 0, 100, 0)


def lose_a_row(world: World) -> None:
    del world.store.rows[0]


def double_a_row(world: World) -> None:
    world.store.rows.append(world.store.rows[0])


def alter_a_count(world: World) -> None:
    world.store.rows[0] = replace(world.store.rows[0], count=1)


def swap_the_viewers_of_two_rows(world: World) -> None:
    rows = world.store.rows
    rows[0], rows[2] = replace(rows[0], viewer_id=rows[2].viewer_id), replace(rows[2], viewer_id=rows[0].viewer_id)


def put_a_row_where_a_retry_was_dropped(world: World) -> None:
    world.store.rows.append(replace(world.store.rows[0], offset=2))


@pytest.mark.parametrize(
    ("harm", "missing", "surplus", "places"),
    [
        (lose_a_row, 1, 0, [0]),
        (double_a_row, 0, 1, [0]),
        (alter_a_count, 1, 1, [0]),
        (swap_the_viewers_of_two_rows, 2, 2, [0, 1]),
        (put_a_row_where_a_retry_was_dropped, 0, 1, [2]),
    ],
)
@in_virtual_time
async def test_any_difference_is_found_and_its_place_named(
    harm: Callable[[World], None], missing: int, surplus: int, places: list[int]
) -> None:
    world = await stored_world()
    harm(world)
    report = await only(world)
    assert not report.ok
    assert (report.missing, report.surplus) == (missing, surplus)
    assert [place.offset for place in report.places] == places


@pytest.mark.parametrize("chunk_rows", [1, 2, 3])
@in_virtual_time
async def test_the_size_of_a_chunk_changes_nothing(chunk_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_module, "CHUNK_ROWS", chunk_rows)
    world = await stored_world()
    world.log.piece = 1
    whole = await only(world)
    assert (whole.records, whole.rows, whole.counts, whole.ok) == (4, 5, 12, True)
    lose_a_row(world)
    put_a_row_where_a_retry_was_dropped(world)
    report = await only(world)
    assert (report.missing, report.surplus) == (1, 1)


class Asked(MemoryStore):
    """Counts the questions that a verification asks about stretches."""

    def __init__(self) -> None:
        super().__init__()
        self.questions = 0

    async def sums(self, stretch: RowSelection) -> RowSums:
        self.questions += 1
        return await super().sums(stretch)

    async def sums_by_range(self, stretch: RowSelection, width: int) -> Mapping[int, RowSums]:
        self.questions += 1
        return await super().sums_by_range(stretch, width)


@in_virtual_time
async def test_the_store_is_not_asked_for_each_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question costs a look at every row of the day, so many of them would take ever longer as a day grows."""
    monkeypatch.setattr(partition_module, "CHUNK_ROWS", 20)
    store = Asked()
    world = await World.make(store)
    world.log.piece = 3
    for number in range(200):
        world.log.skip(0, number % 3)
        await world.append(*(one(f"viewer-{number}-{line}", NOON_MS) for line in range(10)))
    await drain(world)
    assert (await only(world)).ok
    assert store.questions == 2

    lose_a_row(world)
    report = await only(world)
    assert (report.missing, report.surplus) == (1, 0)


@in_virtual_time
async def test_records_that_grow_a_hundredfold_make_no_chunk_much_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many rows an offset has is guessed from what came before."""
    monkeypatch.setattr(partition_module, "CHUNK_ROWS", 500)
    largest = 0
    sums_of = partition_module.PartitionVerifier._compare

    async def compare(self: partition_module.PartitionVerifier, end: int) -> None:
        nonlocal largest
        largest = max(largest, self._chunk.sums.rows)
        await sums_of(self, end)

    monkeypatch.setattr(partition_module.PartitionVerifier, "_compare", compare)
    world = await World.make()
    world.log.piece = 1
    for number in range(800):
        lines = 1 if number < 600 else 100
        await world.append(*(one(f"viewer-{number}-{line}", NOON_MS) for line in range(lines)))
    await drain(world)
    report = await only(world)
    assert (report.ok, report.rows) == (True, 600 + 200 * 100)
    assert largest <= 2 * 500 + 100


async def peak_bytes(records: int) -> int:
    """What verifying so many records takes at most, above what was there before."""
    world = await World.make(policy=FlushPolicy())
    world.log.piece = 20
    for number in range(records):
        await world.append(*(one(f"viewer-{number}-{line}", NOON_MS) for line in range(10)))
    await drain(world)
    tracemalloc.start()
    try:
        report = await only(world)
        assert (report.ok, report.rows) == (True, 10 * records)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_module, "CHUNK_ROWS", 500)
    monkeypatch.setattr(range_sums_module, "RANGES", 20)
    small, large = (run_in_virtual_time(peak_bytes(records)) for records in (150, 1500))
    print(f"{small} and {large} bytes at most")
    assert large < 1.3 * small


@in_virtual_time
async def test_a_declared_block_is_in_doubt_and_what_follows_is_lag() -> None:
    world = await stored_world()
    await world.append_viewers("viewer-d", "viewer-e", "viewer-f")
    world.log.set_committed(0, Committed(4, encode_intent(6)))
    report = await only(world)
    assert (report.ok, report.in_doubt, report.lag, report.judged_to) == (True, 2, 1, 4)
    stray = replace(world.store.rows[0], viewer_id="viewer-d", offset=4)  # the first row of that block
    world.store.rows.append(stray)
    assert (await only(world)).ok
    world.store.rows.append(replace(stray, offset=6))  # nobody can have inserted this
    report = await only(world)
    assert (report.trouble, report.surplus) == ("rows_beyond_offset", 1)


@in_virtual_time
async def test_offsets_that_the_group_lost_are_a_difference() -> None:
    world = await stored_world()
    world.log.forget_offsets()
    report = await only(world)
    assert (report.trouble, report.surplus, report.ok) == ("rows_beyond_offset", 5, False)


@in_virtual_time
async def test_a_topic_made_anew_is_a_difference() -> None:
    world = await stored_world()
    world.log._partitions[0].records.clear()
    world.log._partitions[0].next = 0
    report = await only(world)
    assert (report.trouble, report.surplus) == ("offset_beyond_log", 5)


@in_virtual_time
async def test_metadata_of_another_version_is_a_difference() -> None:
    world = await stored_world()
    world.log.set_committed(0, Committed(4, '{"v":2}'))
    report = await only(world)
    assert (report.trouble, report.missing, report.ok) == ("unknown_intent", 0, False)


@in_virtual_time
async def test_rows_of_a_partition_that_the_log_does_not_have_are_surplus() -> None:
    world = await stored_world()
    world.store.rows.append(replace(world.store.rows[0], partition=7))
    report = await verified(world)
    assert [(p.partition, p.surplus, p.trouble) for p in report.partitions if not p.ok] == [(7, 1, "no_such_partition")]


@in_virtual_time
async def test_an_unreadable_record_that_is_no_dead_letter_is_a_difference() -> None:
    world = await stored_world()
    world.log.dead_letters.letters.clear()
    report = await only(world)
    assert (report.missing_dead_letters, report.ok) == (1, False)


@in_virtual_time
async def test_only_the_asked_hours_are_judged_yet_retries_of_before_are_known() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS))
    world.log.now_ms += 2 * HOUR_MS
    await world.append(one("viewer-b", world.log.now_ms, batch=key(1)))
    world.log.now_ms += 5 * MINUTE_MS
    await world.append(one("viewer-b", world.log.now_ms, batch=key(1)), one("viewer-c", world.log.now_ms))
    await drain(world)
    del world.store.rows[0]
    report = await only(world, hours=2 / 60)
    assert (report.ok, report.judged_from, report.records, report.rows, report.repeated_batches) == (True, 2, 1, 1, 1)
    assert report.earlier_rows == 1
    assert (await only(world)).missing == 1


@in_virtual_time
async def test_the_asked_hours_are_judged_also_where_the_clock_leapt_and_what_came_before_is_known() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    await world.let_pass(MARGIN_OFFSETS)
    await world.append(one("viewer-b", world.log.now_ms, batch=key(2)))
    world.log.now_ms += DAY_MS  # one minute, by the sum of steps
    await world.append(one("viewer-b", world.log.now_ms, batch=key(2)), one("viewer-a", NOON_MS, batch=key(1)))
    await drain(world)
    report = await only(world, hours=1)
    assert (report.ok, report.judged_from, report.rows, report.repeated_batches) == (True, MARGIN_OFFSETS + 2, 1, 1)


@in_virtual_time
async def test_of_format_1_all_is_known_that_the_running_maximum_makes_young() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    world.log.now_ms -= HOUR_MS
    await world.let_pass(64)
    world.log.now_ms += MINUTE_MS
    value, headers = encode([one("viewer-a", NOON_MS, batch=key(1)), one("viewer-b", NOON_MS)])
    await world.log.append(0, value, headers_in(1, headers))
    await drain(world)
    report = await only(world, hours=0)
    assert (report.ok, report.judged_from, report.rows, report.repeated_batches) == (True, 65, 1, 1)


@in_virtual_time
async def test_the_ten_minutes_after_the_beginning_of_a_trimmed_log_are_left_out() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    for _ in range(3):
        await world.let_pass(4)
        world.log.now_ms += MINUTE_MS
        await world.append(one("viewer-a", world.log.now_ms, batch=key(1)), one("viewer-b", world.log.now_ms))
    world.log.now_ms += 1
    await world.append(one("viewer-c", world.log.now_ms))
    await drain(world)
    world.log.trim(0, 5)
    report = await only(world)
    assert (report.ok, report.log_begins, report.judged_from, report.records) == (True, 5, 16, 1)
    world.log.trim(0, 6)
    report = await only(world)
    assert (report.ok, report.judged_from, report.judged_to, report.records) == (True, 17, 17, 0)


@in_virtual_time
async def test_a_leap_of_the_clock_is_a_minute_of_those_ten() -> None:
    world = await World.make()
    await world.append(one("viewer-a", NOON_MS, batch=key(1)))
    await world.append(one("viewer-b", NOON_MS))
    world.log.now_ms += DAY_MS
    await world.append(one("viewer-a", world.log.now_ms, batch=key(1)))  # a retry of what is gone
    await drain(world)
    world.log.trim(0, 1)
    report = await only(world)
    assert (report.ok, report.records) == (True, 0)


@in_virtual_time
async def test_records_of_format_1_wait_for_their_own_ten_minutes() -> None:
    """The log's beginning is from the future: time goes on by the sum of steps, and does not by the maximum."""
    world = await World.make()
    world.log.piece = 1
    world.log.now_ms += DAY_MS
    await world.append(one("viewer-a", world.log.now_ms, batch=key(1)))
    await world.append(one("viewer-b", world.log.now_ms))
    world.log.now_ms -= DAY_MS
    await world.let_pass(12)
    value, headers = encode([one("viewer-a", world.log.now_ms, batch=key(1))])
    await world.log.append(0, value, headers_in(1, headers))  # a retry of what is gone, and dropped
    await world.append(one("viewer-c", world.log.now_ms))
    await drain(world)
    world.log.trim(0, 1)
    report = await only(world)
    assert (report.ok, report.records, report.judged_from) == (True, 2, 15)
    lose_the_row_of(world, "viewer-c")
    report = await only(world)
    assert (report.ok, report.missing) == (False, 1)


def lose_the_row_of(world: World, viewer: str) -> None:
    world.store.rows[:] = [row for row in world.store.rows if row.viewer_id != viewer]


@in_virtual_time
async def test_a_log_that_drops_what_is_being_read_is_read_from_its_new_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await stored_world()

    async def meanwhile() -> None:
        world.log.trim(0, 2)

    monkeypatch.setattr(world.store, "sync_replicas", meanwhile)  # between the first look at the log and the reading
    report = await only(world)
    assert (report.ok, report.log_begins) == (True, 2)


@in_virtual_time
async def test_what_may_have_expired_or_was_purged_is_left_out_and_said() -> None:
    world = await World.make()
    world.log.now_ms = NOON_MS
    await world.append(one("viewer-a", NOON_MS), one("viewer-b", NOON_MS + 1))
    await drain(world)
    await world.store.purge(NOON_MS + 1, NOON_MS + DAY_MS)
    report = await only(world)
    assert (report.ok, report.rows, report.left_out_rows) == (True, 1, 1)

    world.log.now_ms = NOON_MS + RETENTION_DAYS * DAY_MS
    world.store.rows.clear()
    report = await only(world)
    assert (report.ok, report.rows, report.left_out_rows) == (True, 0, 2)


@in_virtual_time
async def test_a_purge_while_it_runs_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await stored_world()
    sums = world.store.sums

    async def after_a_purge(stretch: RowSelection) -> RowSums:
        await world.store.purge(NOON_MS + 1, NOON_MS + DAY_MS)
        return await sums(stretch)

    monkeypatch.setattr(world.store, "sums", after_a_purge)
    assert (await only(world)).ok


AHEAD_MS = NOON_MS + HOUR_MS  # what lies ahead of noon


async def world_that_was_ahead() -> World:
    """Two rows of noon, around two that were counted while the clock was 40 days ahead, at offset 1. All is stored."""
    world = await World.make()
    for viewer, at_ms in (("viewer-a", NOON_MS), ("viewer-b", NOON_MS + 40 * DAY_MS), ("viewer-c", NOON_MS)):
        world.log.now_ms = at_ms
        await world.append(*(one(viewer, at_ms + line) for line in range(2 if viewer == "viewer-b" else 1)))
    await drain(world)
    return world


@in_virtual_time
async def test_what_was_purged_ahead_is_left_out_and_what_has_such_times_later_is_not() -> None:
    world = await world_that_was_ahead()
    assert (await only(world)).rows == 4
    await world.store.purge(0, AHEAD_MS)
    report = await only(world, repair=True)
    assert (report.ok, report.rows, report.left_out_rows, report.repaired) == (True, 2, 2, 0)

    world.log.now_ms = NOON_MS + 2 * HOUR_MS
    await world.append(one("viewer-d", world.log.now_ms))
    await drain(world)
    assert ((await only(world)).ok, (await only(world)).rows) == (True, 3)
    world.store.rows.pop()
    assert (await only(world)).missing == 1


@in_virtual_time
async def test_what_was_purged_ahead_and_is_there_is_no_surplus(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was written down before it goes, and may be there for a while or for good. Sums leave it out as well."""
    world = await world_that_was_ahead()
    rows = list(world.store.rows)
    await world.store.purge(0, AHEAD_MS)
    world.store.rows = rows

    async def unasked(_: RowSelection) -> Sequence[bytes]:
        raise AssertionError("sums that are alike need no look at rows")

    monkeypatch.setattr(world.store, "lines", unasked)
    report = await only(world)
    assert (report.ok, report.rows, report.left_out_rows) == (True, 2, 2)


async def purge_old(world: World) -> None:
    await world.store.purge(NOON_MS + 1, NOON_MS + 400 * DAY_MS)


async def purge_ahead(world: World) -> None:
    await world.store.purge(0, AHEAD_MS)


async def verified_beside(
    question: str, time: int, purge: Callable[[World], Awaitable[None]]
) -> PartitionReport | None:
    """With a purge just before a question is asked of the store for the so-and-so-many-th time; None if it is not."""
    world = await world_that_was_ahead()
    world.store.rows.append(replace(world.store.rows[0], viewer_id="surplus"))  # so that rows are looked at
    answer, asked = getattr(world.store, question), 0

    async def after_a_purge(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == time:
            await purge(world)
        return await answer(*arguments)

    setattr(world.store, question, after_a_purge)
    report = await only(world, repair=True)
    return report if asked >= time else None


@pytest.mark.parametrize("purge", [purge_old, purge_ahead])
@pytest.mark.parametrize("question", ["sums", "lines", "purge_history", "sync_replicas"])
@in_virtual_time
async def test_a_purge_before_any_question_is_no_difference_and_is_not_undone(
    question: str, purge: Callable[[World], Awaitable[None]]
) -> None:
    time = 1
    while (report := await verified_beside(question, time, purge)) is not None:
        assert (report.missing, report.repaired) == (0, 0)
        time += 1
    assert time > 1


@in_virtual_time
async def test_a_repair_does_not_bring_back_what_is_purged_while_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await world_that_was_ahead()
    ahead = [row for row in world.store.rows if row.created_at_ms >= AHEAD_MS]
    lost = next(row for row in world.store.rows if row not in ahead)
    for row in (lost, ahead[0]):
        world.store.rows.remove(row)
    sync_replicas, asked = world.store.sync_replicas, 0

    async def after_a_purge() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:  # the repair's own
            await purge_ahead(world)
        await sync_replicas()

    monkeypatch.setattr(world.store, "sync_replicas", after_a_purge)
    report = await only(world, repair=True)
    assert (report.missing, report.repaired) == (2, 1)
    assert lost in world.store.rows
    assert not set(ahead) & set(world.store.rows)


@in_virtual_time
async def test_records_of_a_newer_version_are_not_judged() -> None:
    world = await stored_world()
    await world.append(one("viewer-d", NOON_MS), revision=REGISTRY.revision + 1)
    assert (await only(world)).ok
    world.log.set_committed(0, Committed(5, ""))
    with pytest.raises(RecordsUnreadableError, match="newer_schema"):
        await verified(world)


@in_virtual_time
async def test_what_is_missing_is_inserted_once_however_often_it_is_repaired() -> None:
    world = await stored_world()
    before = sorted(world.store.rows, key=str)
    del world.store.rows[1:3]
    first = await only(world, repair=True)
    assert (first.missing, first.repaired) == (2, 2)
    second = await only(world, repair=True)
    assert (second.missing, second.repaired, second.ok) == (0, 0, True)
    assert sorted(world.store.rows, key=str) == before
    assert all(":repair:" in token for token, _ in world.store.attempts[-1:])


@in_virtual_time
async def test_rows_that_are_lost_again_after_a_repair_are_repaired_again() -> None:
    world = await stored_world()
    lost: StoredRow = world.store.rows[1]
    for _ in range(3):
        world.store.rows.remove(lost)
        assert (await only(world, repair=True)).repaired == 1
        assert (await only(world)).ok


@in_virtual_time
async def test_surplus_rows_are_left_to_the_operator() -> None:
    world = await stored_world()
    double_a_row(world)
    report = await only(world, repair=True)
    assert (report.surplus, report.repaired) == (1, 0)
    assert (await only(world)).surplus == 1


@in_virtual_time
async def test_an_outage_of_the_log_is_said() -> None:
    world = await stored_world()
    world.log.available = False
    with pytest.raises(LogUnavailable):
        await verified(world)


@in_virtual_time
async def test_two_operators_repair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await stored_world()
    before = sorted(world.store.rows, key=str)
    del world.store.rows[0]
    lines = world.store.lines

    async def before_another_repairs(stretch: RowSelection) -> Sequence[bytes]:
        found = await lines(stretch)
        monkeypatch.setattr(world.store, "lines", lines)
        assert (await only(world, repair=True)).repaired == 1
        return found

    monkeypatch.setattr(world.store, "lines", before_another_repairs)
    await only(world, repair=True)
    assert sorted(world.store.rows, key=str) == before


@in_virtual_time
async def test_a_partition_in_trouble_is_not_repaired() -> None:
    world = await stored_world()
    world.log.partition(0).records.clear()
    world.log.partition(0).next = 0
    await world.append_viewers("viewer-x", "viewer-y")  # of a topic made anew
    stored = len(world.store.rows)
    report = await only(world, repair=True)
    assert (report.trouble, report.repaired, len(world.store.rows)) == ("offset_beyond_log", 0, stored)


@in_virtual_time
async def test_a_row_that_was_changed_is_left_to_the_operator() -> None:
    world = await stored_world()
    alter_a_count(world)
    report = await only(world, repair=True)
    assert (report.missing, report.surplus, report.repaired) == (1, 1, 0)
    assert (await only(world)).missing == 1


@in_virtual_time
async def test_no_more_is_inserted_than_was_agreed_upon() -> None:
    world = await stored_world()
    expected = Counter(row.line for row in world.store.rows)
    stretch = RowSelection(world.store.rows[0].log_id, 0, 0, 4, 0)
    del world.store.rows[:3]
    with pytest.raises(TooManyMissingError):
        await Repairer(world.store, world.store, limit=2)(stretch, expected)
    assert len(world.store.rows) == 2


@in_virtual_time
async def test_where_tokens_go_with_their_rows_a_replica_that_lags_gets_no_second_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await stored_world()
    world.store.tokens_may_lack_rows = False
    lost = world.store.rows.pop(0)
    lines = world.store.lines

    async def stale(stretch: RowSelection) -> Sequence[bytes]:
        return [line for line in await lines(stretch) if line != lost.line]

    monkeypatch.setattr(world.store, "lines", stale)
    with pytest.raises(StoreUnavailable):
        await only(world, repair=True)
    assert world.store.rows.count(lost) == 1
