"""Where going on could count wrongly the consumer halts, reports why, and checks again."""

from __future__ import annotations

import asyncio

import pytest
from structlog.typing import EventDict

from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.consumer.retry_window.start_search import MARGIN_OFFSETS
from siddes_telemetry.schemas.registry_changes import KnownEvents, known_events
from tests.fakes.consumer_process import LOG_NAME, NOON_MS, REGISTRY, World, key, one, record
from tests.fakes.latency import Fate, SlowStore
from tests.fakes.virtual_time import in_virtual_time, until

EIGHT_ROWS = FlushPolicy(max_rows=8, max_age_s=3600.0)


async def stored_two() -> World:
    """A world in which two records are stored, and a third waits."""
    world = await World.make(SlowStore(Fate, delay=lambda: 0.05))
    process = world.start()
    await world.append_viewers("a", "b")
    await until(world.drained)
    await process.stop()
    await world.append_viewers("c")
    world.log.commits.clear()
    world.store.attempts.clear()
    return world


@pytest.mark.parametrize(
    ("committed", "reason"),
    [
        (None, "rows_beyond_offset"),
        (Committed(0, ""), "rows_beyond_offset"),
        (Committed(1, ""), "rows_beyond_offset"),
        (Committed(0, encode_intent(1)), "rows_beyond_offset"),
        (Committed(4, ""), "offset_beyond_log"),
        (Committed(2, encode_intent(4)), "offset_beyond_log"),
        (Committed(2, "somebody else's"), "unknown_intent"),
        (Committed(2, '{"v":2,"end":3}'), "unknown_intent"),
    ],
)
@in_virtual_time
async def test_where_group_log_and_store_contradict_nothing_is_inserted_until_it_is_mended(
    committed: Committed | None, reason: str, logs: list[EventDict]
) -> None:
    world = await stored_two()
    world.log.set_committed(0, committed)
    logs.clear()
    process = world.start(delay=lambda: 0.02)
    await until(process.consumer.blocked_by)
    for _ in range(1200):
        assert process.consumer.blocked_by() == reason, "readiness does not flicker"
        assert process.metric("halted", partition="0") == 1
        await asyncio.sleep(0.01)
    assert world.store.attempts == []
    assert world.log.commits == []
    halts = [each for each in logs if each["event"] == "partition_halted"]
    assert [(each["log_level"], each["reason"]) for each in halts] == [("error", reason)], "logged once"
    assert halts[0]["remedy"]

    world.log.set_committed(0, Committed(2, ""))
    await until(world.drained)
    assert world.viewers() == ["a", "b", "c"]
    assert process.consumer.blocked_by() is None
    assert process.metric("halted", partition="0") == 0
    await process.stop()


@in_virtual_time
async def test_a_consumer_with_another_registry_stores_nothing_and_calls_nothing_damaged() -> None:
    world = await World.make()
    world.store.made_for = KnownEvents({"photo_opened": 1}, 1, frozenset())
    process = world.start()
    await world.append_viewers("a")
    await until(lambda: process.consumer.blocked_by() == "other_registry")
    assert world.log.commits == []
    world.store.made_for = known_events(REGISTRY)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a"]


@in_virtual_time
async def test_a_log_made_anew_is_stored_once_it_is_adopted() -> None:
    world = await stored_two()
    world.log.set_committed(0, None)
    process = world.start()
    await until(lambda: process.consumer.blocked_by() == "rows_beyond_offset")
    await world.store.adopt_log(LOG_NAME, new=True)
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a", "a", "b", "b", "c"], "another log's counts are counts of their own"


@in_virtual_time
async def test_a_running_consumer_inserts_nothing_under_an_identity_that_was_replaced(logs: list[EventDict]) -> None:
    """As where the tables were lost and made anew: `verify` would insert again what has the old identity."""
    world = await World.make()
    process = world.start()
    await world.append_viewers("a")
    await until(world.drained)
    first = await world.store.log_id(LOG_NAME)
    second = await world.store.adopt_log(LOG_NAME, new=True)
    await world.append_viewers("b")
    await until(world.drained)
    await process.stop()

    assert [(row.viewer_id, row.log_id) for row in world.store.rows] == [("a", first), ("b", second)]
    assert [each["event"] for each in logs].count("identity_changed") == 1


@in_virtual_time
async def test_the_retry_window_of_another_log_is_not_used() -> None:
    world = await World.make()
    process = world.start()
    await world.append(one("a", NOON_MS, batch=key(1)))
    await until(world.drained)
    await world.store.adopt_log(LOG_NAME, new=True)  # in which others have stored as many records, of other batches
    world.log.partition(0).records[0] = record(0, NOON_MS, one("b", NOON_MS, batch=key(2)))
    world.log.revoke(0)
    await until(lambda: process.metric("recoveries_total", found="resume") == 2)
    await world.append(one("a", NOON_MS, batch=key(1)), one("b", NOON_MS, batch=key(2)))
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a", "a"]
    assert process.metric("repeated_batches_total") == 1


@in_virtual_time
async def test_stop_while_halted_returns() -> None:
    world = await stored_two()
    world.log.forget_offsets()
    process = world.start()
    await until(process.consumer.blocked_by)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await process.stop()

    assert loop.time() - began_s < 1.0, "it waits neither for the next check nor for the end of the drain"
    assert process.consumer.blocked_by() is None
    assert world.log.commits == []


@in_virtual_time
async def test_what_is_before_a_newer_record_is_stored_and_nothing_beyond_it() -> None:
    world = await World.make(policy=EIGHT_ROWS)
    process = world.start()
    await world.append_viewers("a", "b")
    await world.append(one("newer", NOON_MS), revision=2)
    await world.append_viewers("c")
    await until(process.consumer.blocked_by)
    await asyncio.sleep(60)

    assert process.consumer.blocked_by() == "newer_schema"
    assert process.metric("halted", partition="0") == 1
    assert world.viewers() == ["a", "b"]
    assert world.log.committed(0) == Committed(2, ""), "what is stored is committed, and no intent is left"
    assert world.log.dead_letters.letters == {}
    await process.stop()
    assert world.log.committed(0) == Committed(2, "")


@in_virtual_time
async def test_an_intent_over_a_newer_record_is_left_to_a_newer_consumer() -> None:
    world = await World.make()
    await world.append_viewers("a")
    await world.append(one("newer", NOON_MS), revision=2)
    world.log.set_committed(0, Committed(0, encode_intent(2)))
    process = world.start()
    await until(process.consumer.blocked_by)
    await asyncio.sleep(60)

    assert process.consumer.blocked_by() == "newer_schema"
    assert world.store.attempts == []
    assert world.log.commits == []
    await process.stop()


@in_virtual_time
async def test_retries_are_not_judged_where_a_newer_record_would_have_to_be_read_back() -> None:
    """A newer consumer stored it, then an older one got the partition: a rollback."""
    world = await World.make()
    await world.append(one("newer", NOON_MS, batch=key(1)), revision=2)
    world.log.set_committed(0, Committed(1, ""))
    await world.append(one("a", NOON_MS, batch=key(1)))
    process = world.start()
    await until(process.consumer.blocked_by)
    await asyncio.sleep(60)

    assert process.consumer.blocked_by() == "newer_schema"
    assert world.store.attempts == []
    await process.stop()


@in_virtual_time
async def test_a_newer_record_older_than_any_retry_does_not_matter() -> None:
    world = await World.make()
    await world.append(one("newer", NOON_MS), revision=2)
    await world.let_pass(MARGIN_OFFSETS + 11)
    world.log.set_committed(0, Committed(MARGIN_OFFSETS + 12, ""))
    await world.append_viewers("a")
    process = world.start()
    await until(world.drained)
    await process.stop()

    assert world.viewers() == ["a"]
