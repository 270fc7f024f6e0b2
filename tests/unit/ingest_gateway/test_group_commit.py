"""How requests share records. The log answers when the test says so, and the clock stands until it is moved."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable
from siddes_telemetry.ingest_gateway.limits import (
    BATCH_OVERHEAD_BYTES,
    MAX_RECORD_BYTES,
    MAX_RECORD_ROWS,
    GroupCommitLimits,
)
from siddes_telemetry.schemas.client_batch import NO_BATCH, partition_of
from tests.unit.ingest_gateway.group_commit_harness import HeldLog, Rig, is_durable, is_refused, settle

DEADLINE_S = GroupCommitLimits().deadline_s
YOUNG_S = GroupCommitLimits().young_s
STUCK_S = GroupCommitLimits().stuck_s


def key_of(partition: int, partitions: int) -> bytes:
    return next(key for n in range(1, 1000) if partition_of(key := n.to_bytes(16, "big"), partitions) == partition)


async def test_nothing_is_answered_before_the_log_has_it() -> None:
    rig = Rig()
    task = await rig.commit("a")
    assert rig.log.appends[0].viewers == ["a"]
    assert not task.done()
    await rig.log.ack(rig.log.appends[0])
    assert is_durable(task)


async def test_a_request_alone_goes_at_once() -> None:
    rig = Rig(8)
    await rig.commit("a")
    assert len(rig.log.open) == 1
    assert rig.timers.now == 1000.0


async def test_one_append_of_a_partition_is_in_flight_while_the_next_record_fills() -> None:
    rig = Rig()
    first = await rig.commit("a")
    rest = [await rig.commit(viewer) for viewer in "bcd"]
    assert len(rig.log.appends) == 1
    await rig.log.ack(rig.log.appends[0])
    assert is_durable(first)
    assert not any(task.done() for task in rest)
    assert rig.log.appends[1].viewers == ["b", "c", "d"]
    await rig.log.ack(rig.log.appends[1])
    assert all(is_durable(task) for task in rest)


async def test_requests_of_one_turn_of_the_loop_share_a_record() -> None:
    rig = Rig(8)
    tasks = [rig.start(viewer) for viewer in "abc"]
    await settle()
    assert [append.viewers for append in rig.log.appends] == [["a", "b", "c"]]
    await rig.log.ack(rig.log.appends[0])
    assert all(is_durable(task) for task in tasks)


async def test_unkeyed_records_take_the_partitions_in_turn() -> None:
    rig = Rig(3)
    for _ in range(6):
        await rig.commit("a")
        await rig.log.ack(rig.log.open[0])
    assert [append.partition for append in rig.log.appends] == [0, 1, 2, 0, 1, 2]


async def test_two_young_appends_hold_the_next_record_back_until_one_is_answered() -> None:
    rig = Rig(8)
    for viewer in "abcd":
        await rig.commit(viewer)
    assert [append.viewers for append in rig.log.appends] == [["a"], ["b"]]
    await rig.log.ack(rig.log.appends[1])
    assert rig.log.appends[2].viewers == ["c", "d"]


async def test_beside_a_young_append_another_begins_once_as_many_wait_as_that_one_carries() -> None:
    rig = Rig(8)
    for viewer in "abc":
        rig.start(viewer)
    await settle()
    for viewer in "de":
        await rig.commit(viewer)
    assert [append.viewers for append in rig.log.appends] == [["a", "b", "c"]]
    await rig.commit("f")
    assert [append.viewers for append in rig.log.appends] == [["a", "b", "c"], ["d", "e", "f"]]


async def test_fewer_than_a_young_append_carries_go_when_it_is_answered_or_no_longer_young() -> None:
    rig = Rig(8)
    for answered in (True, False):
        for viewer in "ab":
            rig.start(viewer)
        await settle()
        await rig.commit("c")
        assert rig.log.appends[-1].viewers == ["a", "b"]
        if answered:
            await rig.log.ack(rig.log.open[0])
        else:
            await rig.timers.move(YOUNG_S)
        assert rig.log.appends[-1].viewers == ["c"]
        while rig.log.open:
            await rig.log.ack(rig.log.open[0])


async def test_appends_that_are_no_longer_young_hold_nobody_back() -> None:
    rig = Rig(8)
    for viewer in "abcd":
        await rig.commit(viewer)
    await rig.timers.move(YOUNG_S)
    assert [append.viewers for append in rig.log.appends] == [["a"], ["b"], ["c", "d"]]


async def test_a_keyed_batch_goes_to_its_partition_at_once_and_takes_what_waits_along() -> None:
    rig = Rig(8)
    for viewer in "abc":
        await rig.commit(viewer)
    key = key_of(5, 8)
    await rig.commit("k", key, lines=2)
    append = rig.log.appends[2]
    assert append.partition == 5
    assert [(batch.key, [line.viewer_id for line in batch.lines]) for batch in append.batches] == [
        (key, ["k", "k"]),
        (NO_BATCH, ["c"]),
    ]


async def test_a_keyed_batch_waits_for_its_own_partition() -> None:
    rig = Rig(8)
    key = key_of(5, 8)
    await rig.commit("k", key)
    await rig.commit("l", key)
    await rig.timers.move(YOUNG_S * 2)
    assert len(rig.log.appends) == 1
    await rig.log.ack(rig.log.appends[0])
    assert [(append.partition, append.viewers) for append in rig.log.appends] == [(5, ["k"]), (5, ["l"])]


@pytest.mark.parametrize("lines_each", [1, 100])
async def test_a_record_stays_within_its_bounds_and_a_batch_is_never_split(lines_each: int) -> None:
    rig = Rig()
    await rig.commit("first")
    batches = 3 * MAX_RECORD_ROWS // 2 // lines_each
    tasks = [rig.start(f"v{number}", key_of(0, 1), lines_each) for number in range(batches)]
    while rig.log.open:
        await settle()
        await rig.log.ack(rig.log.open[0])
    assert all(is_durable(task) for task in tasks)
    assert 3 <= len(rig.log.appends) <= 4
    seen = []
    for append in rig.log.appends[1:]:
        assert len(append.value) <= MAX_RECORD_BYTES
        assert append.value.count(b"\n") <= MAX_RECORD_ROWS
        for batch in append.batches:
            assert len(batch.lines) == lines_each
            seen.append(batch.lines[0].viewer_id)
    assert seen == [f"v{number}" for number in range(batches)]


async def test_long_lines_are_bounded_by_bytes() -> None:
    rig = Rig()
    await rig.commit("first")
    tasks = [rig.start("v" * 64, lines=1000) for _ in range(5)]
    await settle()
    while rig.log.open:
        await rig.log.ack(rig.log.open[0])
    assert all(is_durable(task) for task in tasks)
    assert [append.value.count(b"\n") for append in rig.log.appends] == [1, 3000, 2000]


async def test_a_silent_log_is_waited_for_until_the_deadline_and_no_longer() -> None:
    rig = Rig()
    task = await rig.commit("a")
    await rig.timers.move(DEADLINE_S - 0.01)
    assert not task.done()
    await rig.timers.move(0.01)
    assert is_refused(task)
    assert rig.refusals("deadline") == 1


async def test_each_request_has_its_own_deadline() -> None:
    rig = Rig()
    await rig.commit("a")
    early = await rig.commit("early")
    await rig.timers.move(1)
    late = await rig.commit("late")
    await rig.timers.move(DEADLINE_S - 1)
    assert is_refused(early)
    assert not late.done()
    await rig.timers.move(1)
    assert is_refused(late)


async def test_so_has_each_request_of_a_record_that_is_in_flight() -> None:
    rig = Rig()
    await rig.commit("a")
    early = await rig.commit("early")
    await rig.timers.move(1)
    late = await rig.commit("late")
    await rig.timers.move(1)
    await rig.log.ack(rig.log.appends[0])
    assert rig.log.appends[1].viewers == ["early", "late"]
    await rig.timers.move(DEADLINE_S - 2)
    assert is_refused(early)
    await rig.timers.move(0.5)
    assert not late.done()
    await rig.timers.move(0.5)
    assert is_refused(late)


async def test_what_was_given_up_before_it_was_sent_is_never_stored() -> None:
    rig = Rig()
    await rig.commit("a")
    await rig.commit("given up")
    await rig.timers.move(DEADLINE_S)
    await rig.log.ack(rig.log.appends[0])
    assert [append.viewers for append in rig.log.appends] == [["a"]]
    task = await rig.commit("b")
    assert rig.log.appends[1].viewers == ["b"]
    await rig.log.ack(rig.log.appends[1])
    assert is_durable(task)


async def test_a_partition_that_hangs_refuses_at_once_and_recovers_by_itself() -> None:
    rig = Rig()
    await rig.commit("a")
    await rig.timers.move(DEADLINE_S)
    for key in (None, key_of(0, 1)):
        assert is_refused(await rig.commit("b", key))
    assert rig.refusals("log") == 2
    assert rig.sample("siddes_hung_partitions") == 1
    await rig.log.ack(rig.log.appends[0])
    assert rig.sample("siddes_hung_partitions") == 0
    tasks = [rig.start("c"), rig.start("d", key_of(0, 1))]
    await settle()
    assert sorted(rig.log.appends[1].viewers) == ["c", "d"]
    await rig.log.ack(rig.log.appends[1])
    assert all(is_durable(task) for task in tasks)


async def test_refusing_at_once_costs_nothing() -> None:
    rig = Rig()
    await rig.commit("a")
    await rig.timers.move(DEADLINE_S)
    held = rig.committer.in_flight_bytes
    for _ in range(50):
        await rig.commit("b")
    assert rig.committer.in_flight_bytes == held
    assert not [call for call in rig.timers.calls if not call.cancelled]


async def test_unkeyed_lines_go_around_a_partition_that_hangs() -> None:
    rig = Rig(2)
    hung = await rig.commit("hung")
    await rig.timers.move(DEADLINE_S)
    assert is_refused(hung)
    for viewer in "abc":
        task = await rig.commit(viewer)
        assert rig.log.open[1].partition == 1
        await rig.log.ack(rig.log.open[1])
        assert is_durable(task)
    assert is_refused(await rig.commit("k", key_of(0, 2)))
    keyed = await rig.commit("k", key_of(1, 2))
    await rig.log.ack(rig.log.open[1])
    assert is_durable(keyed)


async def test_it_is_ready_until_the_append_of_every_partition_is_stuck() -> None:
    rig = Rig(2)
    await rig.commit("a")
    await rig.timers.move(STUCK_S)
    await rig.committer.ping()
    await rig.commit("b")
    await rig.timers.move(STUCK_S - 0.1)
    await rig.committer.ping()
    await rig.timers.move(0.1)
    with pytest.raises(LogUnavailable):
        await rig.committer.ping()
    await rig.log.ack(rig.log.open[1])
    await rig.committer.ping()


async def test_it_is_not_ready_while_the_log_is_not() -> None:
    rig = Rig(2)
    rig.log.ping_error = LogMissing("the topic is missing")
    with pytest.raises(LogMissing):
        await rig.committer.ping()


async def test_too_many_bytes_in_flight_are_refused_and_those_of_a_hung_record_count_until_it_is_answered() -> None:
    rig = Rig(2, GroupCommitLimits(in_flight_bytes=100_000 + 3 * BATCH_OVERHEAD_BYTES))
    hung = await rig.commit("a", lines=1000)  # 80 B a line
    assert is_refused(await rig.commit("b", lines=1000))
    assert rig.refusals("full") == 1
    await rig.timers.move(DEADLINE_S)
    assert is_refused(hung)
    assert is_refused(await rig.commit("c", lines=1000))
    assert rig.refusals("full") == 2
    await rig.log.ack(rig.log.appends[0])
    assert rig.sample("siddes_in_flight_bytes") == 0
    await rig.commit("d", lines=1000)
    assert rig.log.appends[1].viewers[0] == "d"


async def test_many_small_requests_are_bounded_too() -> None:
    rig = Rig(1, GroupCommitLimits(in_flight_bytes=20 * BATCH_OVERHEAD_BYTES))
    tasks = [await rig.commit("a") for _ in range(40)]
    assert 0 < sum(is_refused(task) for task in tasks) < 40
    assert rig.committer.in_flight_bytes <= 21 * BATCH_OVERHEAD_BYTES


@pytest.mark.parametrize("error", [LogUnavailable(), LogMissing()])
async def test_a_log_that_says_no_is_503_and_the_next_record_goes(error: Exception) -> None:
    rig = Rig()
    refused = await rig.commit("a")
    task = await rig.commit("b")
    await rig.log.fail(rig.log.appends[0], error)
    assert is_refused(refused)
    assert rig.refusals("log") == 1
    assert rig.sample("siddes_appends_total", outcome="unavailable") == 1
    await rig.log.ack(rig.log.appends[1])
    assert is_durable(task)


async def test_a_defect_reaches_those_who_waited_and_nobody_else() -> None:
    rig = Rig()
    hit = [rig.start("a"), rig.start("b")]
    await settle()
    task = await rig.commit("c")
    await rig.log.fail(rig.log.appends[0], ZeroDivisionError())
    assert [type(batch.exception()) for batch in hit] == [ZeroDivisionError, ZeroDivisionError]
    assert rig.sample("siddes_appends_total", outcome="error") == 1
    await rig.log.ack(rig.log.appends[1])
    assert is_durable(task)


async def test_a_client_that_leaves_disturbs_nobody() -> None:
    rig = Rig()
    sent = [rig.start(viewer) for viewer in "ab"]
    await settle()
    waiting = [await rig.commit(viewer) for viewer in "cd"]
    sent[0].cancel()
    waiting[0].cancel()
    await settle()
    await rig.log.ack(rig.log.appends[0])
    assert is_durable(sent[1])
    assert rig.log.appends[1].viewers == ["d"]  # what was not sent goes with its client
    await rig.log.ack(rig.log.appends[1])
    assert is_durable(waiting[1])
    assert rig.committer.in_flight_bytes == 0


async def test_draining_finishes_what_is_in_flight_and_refuses_what_is_new() -> None:
    rig = Rig()
    tasks = [await rig.commit(viewer) for viewer in "ab"]
    drained = asyncio.create_task(rig.committer.drain(60))
    await settle()
    assert is_refused(await rig.commit("c"))
    assert rig.refusals("draining") == 1
    await rig.log.ack(rig.log.appends[0])
    assert not drained.done()
    await rig.log.ack(rig.log.appends[1])
    assert await drained
    assert all(is_durable(task) for task in tasks)
    assert not [call for call in rig.timers.calls if not call.cancelled]


async def test_draining_gives_up_at_its_deadline_and_sends_nothing_more() -> None:
    rig = Rig()
    tasks = [await rig.commit(viewer) for viewer in "ab"]
    assert not await rig.committer.drain(0)
    await settle()
    assert all(is_refused(task) for task in tasks)
    assert len(rig.log.appends) == 1
    assert rig.log.appends[0].answer.cancelled()
    assert rig.committer.in_flight_bytes == 0


async def test_draining_when_idle_is_done_at_once() -> None:
    assert await Rig().committer.drain(0)


async def test_records_are_measured() -> None:
    rig = Rig()
    await rig.commit("a", lines=7)
    assert rig.sample("siddes_in_flight_bytes") > 7 * 80
    await rig.timers.move(0.25)
    await rig.log.ack(rig.log.appends[0])
    assert rig.sample("siddes_appends_total", outcome="ok") == 1
    assert rig.sample("siddes_record_rows_sum") == 7
    assert rig.sample("siddes_record_bytes_sum") == len(rig.log.appends[0].value)
    assert rig.sample("siddes_append_seconds_sum") == pytest.approx(0.25)
    assert rig.sample("siddes_in_flight_bytes") == 0


@pytest.mark.parametrize("_", range(5))
async def test_whatever_happens_every_200_is_in_the_log_once_and_nothing_is_left(_: int) -> None:
    seed = int(os.environ.get("COMMIT_SEED") or random.randrange(2**32))
    print(f"COMMIT_SEED={seed}")
    """Requests, leaving clients, answers good and bad, and time, in any order; then the log comes back."""
    chance = random.Random(seed)
    rig = Rig(4, GroupCommitLimits(in_flight_bytes=60 * BATCH_OVERHEAD_BYTES))
    tasks: dict[str, asyncio.Task[None]] = {}
    kept: list[str] = []

    async def answer(log: HeldLog, *, well: bool) -> None:
        append = chance.choice(log.open)
        kept.extend(append.viewers if well else [])
        await (log.ack(append) if well else log.fail(append, LogUnavailable()))

    for number in range(600):
        match chance.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                key = chance.randbytes(16) if chance.random() < 0.5 else None
                tasks[f"v{number}"] = rig.start(f"v{number}", key)
            case 5 | 6 if rig.log.open:
                await answer(rig.log, well=chance.random() < 0.9)
            case 7 if tasks:
                chance.choice(list(tasks.values())).cancel()
            case 8:
                await rig.timers.move(chance.choice([0.01, YOUNG_S, DEADLINE_S / 4]))
            case _:
                await settle()
        open_partitions = [append.partition for append in rig.log.open]
        assert len(set(open_partitions)) == len(open_partitions)
    await settle()
    while rig.log.open:
        await answer(rig.log, well=True)
    assert all(task.done() for task in tasks.values())
    assert rig.committer.in_flight_bytes == 0
    assert len(set(kept)) == len(kept)
    durable = {viewer for viewer, task in tasks.items() if is_durable(task)}
    assert durable <= set(kept)
    assert len(durable) > 50
    task = await rig.commit("afterwards")
    await rig.log.ack(rig.log.open[0])
    assert is_durable(task)


async def test_rows_that_the_log_has_are_counted_whoever_was_answered() -> None:
    rig = Rig()
    waiting, gone = await rig.commit("a", lines=2), await rig.commit("b")
    gone.cancel()  # its client is cut off; its line is in no record yet, and goes in none
    refused = await rig.commit("c")
    await rig.timers.move(DEADLINE_S + YOUNG_S)
    assert is_refused(waiting)
    assert is_refused(refused)
    assert rig.sample("siddes_rows_appended_total") == 0
    await rig.log.ack(rig.log.appends[0])
    assert rig.sample("siddes_rows_appended_total") == 2, "in the log, though its client was told 503"
    await rig.commit("d")
    await rig.log.fail(rig.log.appends[1], LogUnavailable())
    assert rig.sample("siddes_rows_appended_total") == 2
